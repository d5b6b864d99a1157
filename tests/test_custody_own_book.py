"""A book of one's own, set up from nothing by the verbs and the API alone, to its first settled payout."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from lxml import html

from console_world import console_world, post, served
from custody_world import PAYEE, POOL_ACCOUNT, custody_world
from policies import unsigned_toml
from ringfence import installation
from ringfence.authority.pages import door
from ringfence.banking import gateway
from ringfence.banking.simulated_bank import SimulatedBank
from ringfence.command import require_free
from ringfence.console.application import application
from ringfence.core import wall_clock
from ringfence.custody import deciding, placing
from ringfence.custody.orders import unallocated
from ringfence.diligence.advancing import advance_all
from ringfence.modules import MODULES
from ringfence.money import currency
from ringfence.refusal import Refused
from ringfence.rounds import one_round
from ringfence.settings import read_settings

STAFF = {
    "grace": "treasurer",
    "alan": "approver",
    "edsger": "approver",
    "barbara": "risk_officer",
    "radia": "security_admin",
    "ken": "system_admin",
}


def secret(login):
    return f"one of {login[::-1]} alone 42"


PEOPLE = "".join(
    f'[[people]]\nlogin = "{login}"\nname = "{login}"\nroles = ["{role}"]\n' for login, role in STAFF.items()
)
BANK = ("alpha", "client", "--iban", POOL_ACCOUNT.text, "--holder", "Acme", "--bank-code", "ALPHALT2")


def run(home, *words, refused=None, **environment):
    """A verb with --json; what it says. `refused`: the refusal that it must end with."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RINGFENCE_")}
    done = subprocess.run(
        [sys.executable, "-m", "ringfence", *words, "--json", "--home", str(home)],
        env=kept | {"RINGFENCE_LANGUAGE": "en"} | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == (2 if refused else 0), done.stderr + done.stdout
    said = json.loads(done.stdout)
    assert said.get("refused") == refused, said
    return said


def at_work():
    """A clock that goes on from ten o'clock of a coming working day: banks pay on no other, and no clock goes back."""
    now = wall_clock()
    morning = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), now.tzinfo) + timedelta(hours=10)
    while morning.weekday() > 4:
        morning += timedelta(days=1)
    return lambda: wall_clock() + (morning - now)


def euros(amount):
    return {"amount": amount, "currency": "EUR"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "people.toml").write_text(PEOPLE, encoding="utf-8")
    secrets = "".join(f'"{login}" = "{secret(login)}"\n' for login in STAFF)
    (tmp_path / "secrets.toml").write_text(secrets, encoding="utf-8")
    (tmp_path / "policy.toml").write_text(unsigned_toml(), encoding="utf-8")
    return tmp_path


class Platform:
    """The processes of the book as pieces of this one, and everybody's way in."""

    def __init__(self, stack, home, token, clock):
        settings = read_settings({}, home=home)
        server = stack.enter_context(installation.opened(settings))
        self.core = stack.enter_context(installation.core_of(server, "acme", clock))
        self.desk = installation.desk_of(settings, self.core, profile="eu-psd2", sanctions=None)
        self.gateway = stack.enter_context(installation.gateway_of(settings, server, "acme", clock))
        self.notary = stack.enter_context(installation.notary_of(settings, server, "acme"))
        self.bank = stack.enter_context(SimulatedBank.open(settings.banks / "alpha", name="Alpha", code="ALPHALT2"))
        self.bank.open_account(POOL_ACCOUNT, "Acme", currency("EUR"), opened_on=date(2026, 1, 2))
        self.diligence = installation.diligence_of(settings, self.desk, "eu-psd2")
        app = application(self.core, door(self.core), MODULES, desks=[self.desk, self.diligence])
        self.address = stack.enter_context(served(app))
        self.stack, self.clock = stack, clock
        self.shop = self.caller(token)

    def caller(self, token):
        headers = {"authorization": f"Bearer {token}"}
        return self.stack.enter_context(httpx.Client(base_url=f"{self.address}/api/v1", headers=headers, timeout=60))

    def person(self, login, password=None):
        said = {"name": login, "password": password or secret(login)}
        return self.caller(httpx.post(f"{self.address}/api/v1/sessions", json=said, timeout=60).json()["token"])

    def receive(self, amount, text):
        self.bank.receive(POOL_ACCOUNT, amount, "Some Payer", None, text, self.clock(), receipt_id=str(uuid4()))
        self.turn()

    def turn(self):
        for _ in range(3):
            advance_all(self.diligence)
            one_round(self.desk)
            self.notary.step(self.clock())
            gateway.turn(self.gateway)
            self.bank.serve_once(self.clock())
            gateway.turn(self.gateway)
            one_round(self.desk)

    def decide(self, caller, identity, decision="approve"):
        """Somebody's decision on the proposal about an order, or of that id."""
        waiting = caller.get("/proposals").json()["proposals"]
        [about] = [each for each in waiting if str(identity) in (each["order_id"], each["id"])]
        said = {"decision": decision, "sha256": about["sha256"]}
        return ok(caller.post(f"/proposals/{about['id']}/decisions", json=said))

    def state(self, identity):
        return ok(self.shop.get(f"/orders/{identity}"))["state"]


def ok(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def no(answer, name):
    assert answer.json()["refused"] == name, answer.text


def test_a_book_is_set_up_from_nothing_to_its_first_settled_payout(folder):
    """Founded, given an account and a program's token; then money comes, some of it without a name, and goes."""
    clock = at_work()
    home, keep = folder / "home", {"RINGFENCE_PASSWORDS_FILE": str(folder / "secrets.toml")}
    founding = ("book", "found", "acme", "--people", str(folder / "people.toml"))
    founding += ("--policy", str(folder / "policy.toml"))
    said = run(home, *founding, **keep)
    assert [each["login"] for each in said["people"]] == list(STAFF)
    assert "password" not in said["people"][0]
    run(home, *founding, **keep, refused="book_has_its_people_already")
    run(
        home,
        "book",
        "found",
        "Bad Name",
        "--people",
        str(folder / "people.toml"),
        **keep,
        refused="book_name_must_be_a_word",
    )
    assert run(home, "book", "account", "acme", *BANK)["account"] == "bank:alpha:client"
    assert run(home, "book", "account", "acme", *BANK)["account"] == "bank:alpha:client"
    other = [*BANK[:5], "Another", *BANK[6:]]
    run(home, "book", "account", "acme", *other, refused="custodian_account_is_open_already")
    run(home, "book", "account", "acme", "alpha", "again", *BANK[2:], refused="bank_knows_one_account_by_a_number")
    run(home, "book", "account", "acme", "../alpha", *BANK[1:], refused="bank_and_account_are_words")
    given = run(home, "book", "client", "acme", "shop", "--as", "radia", RINGFENCE_PASSWORD=secret("radia"))
    run(
        home, "book", "client", "acme", "till", "--as", "grace", RINGFENCE_PASSWORD=secret("grace"),
        refused="person_lacks_the_role",
    )  # fmt: skip
    run(home, "day", "open", clock().date().isoformat(), "--book", "acme")
    with ExitStack() as stack:
        platform = Platform(stack, home, given["token"], clock)
        shop, grace, alan = platform.shop, platform.person("grace"), platform.person("alan")
        for customer in ("c1", "c2"):
            particulars = {"id": customer, "name": f"Ann {customer}", "nature": "person", "payee_account": PAYEE}
            paper = {"kind": "passport", "country": "NL", "sha256": "ef" * 32}
            particulars |= {"bank": "bank:alpha:client", "identity_number": f"NL00{customer}", "documents": [paper]}
            ok(shop.post("/customers", json=particulars))
        platform.turn()

        platform.receive(500_00, "RF-c1")
        platform.receive(40_00, "for Ann")
        platform.receive(30_00, "for Ann too")
        receipts = [each["order"]["id"] for each in ok(grace.get("/receipts"))["receipts"]]
        assert len(receipts) == 2
        allocate_the_first_receipt(platform, grace, alan, receipts[0])
        assert [each["order"]["id"] for each in ok(grace.get("/receipts"))["receipts"]] == receipts[1:]
        again = {"id": str(uuid4()), "receipt": receipts[0], "customer": "c1"}
        no(grace.post("/allocations", json=again), "receipt_must_be_unallocated")

        pay_own_money_in_and_fees_out(platform, grace, alan)

        payout = {"id": str(uuid4()), "customer": "c1", "amount": euros("120.00"), "payee_account": PAYEE}
        no(shop.post("/withdrawals", json=payout), "order_must_say_who_asked")  # a token alone asks for no payment
        assert ok(grace.post("/withdrawals", json=payout))["state"] == "awaiting_approval"
        platform.decide(alan, payout["id"])
        platform.turn()
        assert platform.state(payout["id"]) == "settled"
        assert ok(shop.get("/customers/c1"))["available"] == euros("370.00")
        assert platform.bank.balances()[POOL_ACCOUNT] == 500_00 + 40_00 + 30_00 + 70_00 - 10_00 - 120_00

        people_and_programs_come_and_go(platform)


def allocate_the_first_receipt(platform, grace, alan, receipt):
    asked = {"id": str(uuid4()), "receipt": receipt, "customer": "c2"}
    no(platform.shop.post("/allocations", json=asked), "maker_may_not_make_this")
    assert ok(grace.post("/allocations", json=asked))["state"] == "awaiting_approval"
    assert ok(grace.post("/allocations", json=asked))["id"] == asked["id"]
    no(grace.post("/allocations", json=asked | {"id": str(uuid4())}), "receipt_has_a_proposed_owner")
    platform.decide(alan, asked["id"])
    assert platform.state(asked["id"]) == "settled"
    assert ok(platform.shop.get("/customers/c2"))["available"] == euros("40.00")


def pay_own_money_in_and_fees_out(platform, grace, alan):
    account = "bank:alpha:client"
    funding = {"id": str(uuid4()), "account": account, "amount": euros("70.00"), "reference": "OWN-1"}
    assert ok(grace.post("/fundings", json=funding))["state"] == "awaiting_approval"
    platform.decide(alan, funding["id"])
    assert platform.state(funding["id"]) == "expected"
    no(
        grace.post("/fundings", json=funding | {"amount": {"amount": "1", "currency": "JPY"}}),
        "currency_must_be_the_accounts",
    )
    platform.receive(70_00, "OWN-1")
    assert platform.state(funding["id"]) == "settled"
    fee = {"id": str(uuid4()), "customer": "c1", "amount": euros("10.00"), "reference": "monthly"}
    assert ok(platform.shop.post("/fees", json=fee))["state"] == "settled"
    sweep = {
        "id": str(uuid4()),
        "account": account,
        "amount": euros("10.00"),
        "payee_name": "Acme",
        "payee_account": PAYEE,
    }
    too_much = sweep | {"id": str(uuid4()), "amount": euros("10.01")}
    no(grace.post("/fee-sweeps", json=too_much), "balance_must_not_fall_below_its_minimum")
    assert ok(grace.post("/fee-sweeps", json=sweep))["state"] == "awaiting_approval"
    platform.decide(alan, sweep["id"])
    platform.turn()
    assert platform.state(sweep["id"]) == "settled"


def people_and_programs_come_and_go(platform):
    radia, ken = platform.person("radia"), platform.person("ken")
    asked = {"id": "ada", "name": "Ada", "roles": ["approver"], "new_password": True}
    no(platform.person("grace").post("/people", json=asked), "maker_may_not_make_this")
    made = ok(radia.post("/people", json=asked))
    platform.decide(platform.person("alan"), made["proposal"])
    no(platform.person("ada", made["one_time_password"]).get("/people"), "new_password_is_needed")
    assert radia.post("/people/ada/deactivation").status_code == 204
    assert {each["id"] for each in ok(radia.get("/people"))["people"] if not each["active"]} == {"ada"}
    till = ok(radia.post("/clients", json={"id": "till", "scopes": ["orders:read"]}))
    ok(platform.caller(till["token"]).get("/orders"))
    no(radia.post("/clients", json={"id": "till", "scopes": ["orders:read"]}), "person_is_a_person_already")
    assert radia.delete("/clients/till").status_code == 204
    assert platform.caller(till["token"]).get("/orders").status_code == 401
    no(radia.delete("/clients/till"), "client_must_exist")
    no(ken.post("/clients", json={"id": "till2", "scopes": ["orders:read"]}), "person_lacks_the_role")


@pytest.mark.parametrize("host", ["nobody.invalid", "203.0.113.9", "..", "x" * 300])
def test_an_address_that_is_not_ours_is_refused_by_name(host):
    with pytest.raises(Refused) as refused:
        require_free(host, 8499)
    assert refused.value.name == "address_is_not_of_this_machine"


def test_the_forms_name_an_owner_own_money_a_person_and_a_program(database, tmp_path):
    """Who may not, sees no form; a token and a one-time password are on the answer's page and on no other."""
    with console_world(database, tmp_path) as console:
        tina, sara, adam = (console.browser(login) for login in ("tina", "sara", "adam"))
        assert "/allocation" not in adam.get("/receipts").text
        page = html.fromstring(tina.get("/receipts").text)
        form = next(each for each in page.forms if each.action.endswith("/allocation"))
        fields = {"identity": form.fields["identity"], "customer": "c2"}
        there = post(tina, form.action, fields, form="/receipts").headers["location"]
        assert "The owner is proposed; another person has to approve." in tina.get(there).text
        assert form.action not in tina.get("/receipts").text
        again = fields | {"identity": str(uuid4())}
        assert "receipt_has_a_proposed_owner" in post(tina, form.action, again, form="/receipts").text

        funding = {"account": "bank:alpha:client", "amount": "12.50", "reference": "OWN", "identity": str(uuid4())}
        there = post(tina, "/own-money/fundings", funding, form="/own-money").headers["location"]
        assert "It is announced; another person has to approve." in tina.get(there).text
        sweep = funding | {"payee_name": "Acme", "payee_account": PAYEE, "identity": str(uuid4())}
        answer = post(tina, "/own-money/fee-sweeps", sweep, form="/own-money")
        assert "balance_must_not_fall_below_its_minimum" in answer.text
        assert "person_lacks_the_role" in post(adam, "/own-money/fundings", funding, form="/").text

        nina = {"login": "nina", "name": "Nina", "roles": ["risk_officer", "approver"], "new_password": "true"}
        answer = post(sara, "/people/proposals", nina, form="/people")
        assert answer.status_code == 200, answer.text
        [secret_of_nina] = html.fromstring(answer.text).xpath("//main//code/text()")
        [there] = html.fromstring(answer.text).xpath("//main//a[@class='button']/@href")
        assert secret_of_nina not in sara.get(there).text
        assert there in sara.get("/approvals").text
        assert "nina" in sara.get(there).text
        assert "role_is_unknown" in post(sara, "/people/proposals", nina | {"roles": ["king"]}, form="/people").text

        till = {"client": "till", "scopes": ["orders:read", "orders:write"]}
        answer = post(sara, "/clients", till, form="/people")
        [token] = html.fromstring(answer.text).xpath("//main//code/text()")
        assert token.startswith("rf_")
        assert token not in sara.get("/people").text
        assert post(sara, "/clients/till/revocation", {}, form="/people").status_code == 303
        assert "client_must_exist" in post(sara, "/clients/till/revocation", {}, form="/people").text
        assert post(sara, "/people/bella/deactivation", {}, form="/people").status_code == 303
        assert console.incidents() == []


def test_a_receipt_is_given_away_once_though_two_owners_were_approved(database, tmp_path):
    """Two receipts of one amount wait; two proposals for the first of them passed each other. The second one ends."""
    with custody_world(database, tmp_path) as world:
        world.pay_in("", 10_00, "thank you")
        world.pay_in("", 10_00, "thank you too")
        with world.core.connection() as connection:
            receipt = unallocated(connection, world.core.book.book_id)[0].order_id
        one, other = world.new_id(), world.new_id()
        for identity, owner in ((one, "c1"), (other, "c2")):
            placing.propose_allocation(world.desk, identity, receipt, owner, by=world.sessions["tina"])
            world.approve(identity, "adam")
        states = [deciding.decide_order(world.desk, identity).state for identity in (one, other)]
        assert states == ["settled", "cancelled"]
        assert world.balance("customer:c2:available") == (0, 0)
        assert world.balance("unallocated:alpha:client") == (10_00, 0)
