"""Payees over HTTP, on pages and from the command line: proposed, agreed on, waited for, cancelled in the meantime."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from typer.testing import CliRunner

from console_world import Console, console_world, post
from custody_world import PASSWORD, PAYEE, number
from policies import unsigned_toml
from ringfence import installation
from ringfence.__main__ import app as ringfence_app
from ringfence.authority import sessions
from ringfence.authority.policy import read_toml
from ringfence.custody import customers
from ringfence.settings import read_settings
from test_custody_own_book import BANK, PEOPLE, STAFF, secret
from test_project_reference import documented, shape

OTHER = number("NL", "EXAM0000000042").text
MASKED = f"{OTHER[:4]}••••{OTHER[-4:]}"


@pytest.fixture
def console(database, tmp_path) -> Iterator[Console]:
    with console_world(database, tmp_path) as found:
        found.world.pay_in("c2", 5_000_00)
        yield found
        assert found.incidents() == []


def proposed(console: Console) -> str:
    """Tina proposes a payee on the page of a customer; where its approval is."""
    page = console.browser("tina").get("/customers/c2").text
    [identity] = re.findall(r'name="identity" value="([^"]+)"', page)
    fields = {"identity": identity, "account": f" {OTHER[:4]} {OTHER[4:]}"}
    answer = post(console.browser("tina"), "/customers/c2/payees", fields, form="/customers/c2")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].split("?")[0]


def approve(console: Console, there: str, who: str = "adam") -> None:
    page = console.browser(who).get(there).text
    fields = {"sha256": re.findall(r'name="sha256" value="([^"]+)"', page)[0], "decision": "approve"}
    answer = post(console.browser(who), there, fields, form=there)
    assert answer.status_code == 303, answer.text


def waiting(console: Console, program) -> dict:
    """An order of 2,000.00 to a payee that was just added."""
    approve(console, proposed(console))
    console.world.turn(1)
    order = {"id": str(console.world.new_id()), "customer": "c2", "payee_account": OTHER, "reference": "new"}
    answer = program.post("/api/v1/withdrawals", json=order | {"amount": {"amount": "2000.00", "currency": "EUR"}})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_payee_is_proposed_on_the_customers_page_and_agreed_on_by_somebody_else(console):
    there = proposed(console)
    page = console.browser("tina").get("/customers/c2").text
    assert MASKED in page
    assert "waits for approval" in page
    assert OTHER not in page
    shown = console.browser("adam").get(there).text
    assert "Add an account that a customer may be paid to" in shown
    assert MASKED in shown
    assert OTHER not in shown
    approve(console, there)
    page = console.browser("adam").get("/customers/c2").text
    assert "waits for approval" not in page
    assert page.count("/removal") == 2


def test_a_waiting_order_says_why_and_until_when_and_is_cancelled_there(console):
    told = waiting(console, console.program("orders:write"))
    assert told["state"] == "cooling_off"
    assert told["waits_until"] is not None
    assert "cancel it now" in told["warning"]
    adam = console.browser("adam")
    assert "waits 23 h" in adam.get("/orders").text or "waits 24 h" in adam.get("/orders").text
    page = adam.get(f"/orders/{told['id']}").text
    assert "Cooling off" in page
    assert told["warning"].split(":")[0] in page
    answer = post(adam, f"/orders/{told['id']}/cancellation", {}, form=f"/orders/{told['id']}")
    assert answer.status_code == 303, answer.text
    page = adam.get(f"/orders/{told['id']}").text
    assert "cancelled" in page
    assert "Cooling off" not in page


def test_a_program_proposes_lists_cancels_and_removes(console):
    program = console.program("customers:read", "customers:write", "orders:read", "orders:write")
    identity = str(console.world.new_id())
    told = program.post("/api/v1/customers/c2/payees", json={"id": identity, "account": OTHER})
    assert told.status_code == 200, told.text
    assert (told.json()["state"], told.json()["account"]) == ("proposed", MASKED)
    again = program.post("/api/v1/customers/c2/payees", json={"id": identity, "account": OTHER})
    assert again.json() == told.json()
    approve(console, f"/approvals/{told.json()['proposal']}", "rita")
    listed = program.get("/api/v1/customers/c2/payees").json()["payees"]
    assert [(each["state"], each["registered"]) for each in listed] == [("active", False), ("active", True)]
    order = {"id": str(console.world.new_id()), "customer": "c2", "payee_account": OTHER}
    order |= {"amount": {"amount": "2000.00", "currency": "EUR"}}
    placed = program.post("/api/v1/withdrawals", json=order, headers={"accept-language": "zh"}).json()
    assert placed["state"] == "cooling_off"
    assert "请立即撤销" in placed["warning"]
    stranger = console.program("orders:write")
    refused = stranger.post(f"/api/v1/orders/{order['id']}/cancellation")
    assert (refused.status_code, refused.json()["refused"]) == (403, "order_is_somebody_elses")
    cancelled = program.post(f"/api/v1/orders/{order['id']}/cancellation").json()
    assert (cancelled["state"], cancelled["warning"], cancelled["waits_until"]) == ("cancelled", None, None)
    removed = program.delete(f"/api/v1/customers/c2/payees/{identity}").json()
    assert (removed["state"], removed["removed_by"].partition(":")[0]) == ("removed", "client")
    refused = program.post("/api/v1/withdrawals", json=order | {"id": str(console.world.new_id())})
    assert refused.json()["refused"] == "payee_must_be_the_customers"
    other = program.delete(f"/api/v1/customers/c1/payees/{identity}")
    assert (other.status_code, other.json()["refused"]) == (404, "payee_must_exist")


def test_a_treasurer_removes_a_payee_on_the_page(console):
    approve(console, proposed(console))
    tina = console.browser("tina")
    [path, *_] = re.findall(r'action="(/customers/c2/payees/[^"]+/removal)"', tina.get("/customers/c2").text)
    assert post(tina, path, {}, form="/customers/c2").status_code == 303
    page = tina.get("/customers/c2").text
    assert "removed by tina" in page
    assert page.count("/removal") == 1


def test_the_policy_page_tells_waits_and_the_program_too(console):
    page = console.browser("tina").get("/policy").text
    assert "New payees wait" in page
    assert re.search(r"1.000\.00", page)
    told = console.program("orders:read").get("/api/v1/policy").json()
    assert {"currency": "EUR", "above_minor": "100000", "wait_hours": 24} in told["cooling_off"]
    assert all(act["when"] == [] for act in told["acts"])


# -- the command line ------------------------------------------------------------------------------------------------


def said(home, *words, by=None, given=None, refused=None):
    environment = {"RINGFENCE_LANGUAGE": "en", "RINGFENCE_PASSWORDS_FILE": str(home.parent / "secrets.toml")}
    words = (*words, "--as", by) if by else words
    environment |= {"RINGFENCE_PASSWORD": secret(by)} if by else {}
    found = CliRunner().invoke(ringfence_app, [*words, "--home", str(home), "--json"], env=environment, input=given)
    assert found.exit_code == (2 if refused else 0), found.output
    told = json.loads(found.stdout[found.stdout.index("{") :])  # a prompt's echo stands before it
    assert told.get("refused") == refused
    return told


def test_the_verbs_tell_propose_and_remove(tmp_path):
    """A book with one customer: another payee, another policy, and what both verbs print is what the page says."""
    home, page = tmp_path / "home", documented()
    (tmp_path / "people.toml").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "secrets.toml").write_text("".join(f'"{who}" = "{secret(who)}"\n' for who in STAFF), encoding="utf-8")
    said(home, "book", "found", "acme", "--people", str(tmp_path / "people.toml"))
    said(home, "book", "account", "acme", *BANK)
    settings = read_settings({}, home)
    with installation.opened(settings) as server, installation.core_of(server, "acme") as core:
        vault = installation.vault_of(settings, core)
        ann = {"name": "Ann", "nature": "person", "payee_account": PAYEE, "bank": "bank:alpha:client"}
        customers.register(core, vault, "c1", **ann)

    policy = said(home, "policy", "show", "--book", "acme")
    assert policy["policy"]["cooling_off"]["otherwise"]["wait_hours"] == 24
    assert policy.keys() == page["policy show"].keys()
    stricter = tmp_path / "policy.toml"
    stricter.write_text(unsigned_toml().replace("wait_hours = 24", "wait_hours = 48"), encoding="utf-8")
    asked = said(home, "policy", "propose", str(stricter), "--book", "acme", by="barbara")
    assert shape(asked) == shape(page["policy propose"])
    said(home, "policy", "propose", str(stricter), "--book", "acme", by="alan", refused="maker_may_not_make_this")
    stricter.write_text("acts = 1", encoding="utf-8")
    said(home, "policy", "propose", str(stricter), "--book", "acme", by="barbara", refused="policy_is_not_valid")

    made = said(home, "payee", "propose", "c1", "--book", "acme", by="grace", given=f"{OTHER}\n")
    assert shape(made) == shape(page["payee propose"])
    listed = said(home, "payee", "list", "c1", "--book", "acme")
    assert shape(listed) == shape(page["payee list"])
    new, first = listed["payees"]
    assert (new["state"], new["account"]) == ("proposed", MASKED)
    gone = said(home, "payee", "remove", first["payee"], "--book", "acme", by="barbara")
    assert (gone["state"], shape(gone)) == ("removed", shape(page["payee remove"]))
    said(home, "payee", "remove", made["payee"], "--book", "acme", by="grace", refused="payee_must_exist")
    said(home, "payee", "remove", first["payee"], "--book", "acme", by="ken", refused="person_lacks_the_role")


def test_a_policy_is_proposed_over_http_and_a_program_may_not(console):
    document = json.loads(read_toml(unsigned_toml()).document)
    document["cooling_off"]["otherwise"]["wait_hours"] = 48
    token = sessions.sign_in(console.world.core, "rita", PASSWORD).token
    with httpx.Client(base_url=console.address, headers={"authorization": f"Bearer {token}"}, timeout=60) as rita:
        answer = rita.post("/api/v1/policy/proposals", json={"policy": document})
        assert answer.status_code == 200, answer.text
        wrong = rita.post("/api/v1/policy/proposals", json={"policy": document | {"cooling_off": {}}})
        assert wrong.json()["refused"] == "policy_is_not_valid"
    there = f"/approvals/{answer.json()['proposal']}"
    approve(console, there, "adam")
    approve(console, there, "bella")
    told = console.program("orders:read").get("/api/v1/policy").json()
    assert told["version"] == 2
    assert {"currency": None, "above_minor": "0", "wait_hours": 48} in told["cooling_off"]
    refused = console.program("orders:write").post("/api/v1/policy/proposals", json={"policy": document})
    assert refused.status_code == 403
