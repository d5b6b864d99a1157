"""A customer's own pages and endpoints: the own money and nothing else, and a withdrawal signed in a real Chromium."""

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

import chromium
from chromium import Tab
from console_world import Console, console_world, post
from custody_world import PASSWORD, PAYEE
from origin_world import Person, Shop
from policies import unsigned_toml
from ringfence.authority import proposals
from ringfence.authority.passkeys import keys
from ringfence.authority.passkeys.assertions import relying_party
from ringfence.authority.policy import read_toml
from ringfence.custody.orders import orders
from ringfence.escrow import agreements
from ringfence.escrow.document import order_of
from test_custody_payees import OTHER, added


@pytest.fixture
def console(database, tmp_path) -> Iterator[Console]:
    quick = unsigned_toml().replace("[passkeys]\nwait_hours = 24", "[passkeys]\nwait_hours = 0")
    with console_world(database, tmp_path, policy=read_toml(quick)) as found:
        yield found
        assert found.incidents() == []


def refused(answer):
    return answer.status_code, answer.json()["refused"]


def own_program(console, address, login="ann"):
    """A customer's own program, by a token of a session."""
    token = httpx.post(f"{address}/api/v1/sessions", json={"name": login, "password": PASSWORD}).json()["token"]
    found = httpx.Client(base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=60)
    console.browsers[f"api {len(console.browsers)}"] = found
    return found


def at_localhost(console):
    return console.address.replace("127.0.0.1", "localhost")


def latest(console, customer="c3"):
    core = console.world.core
    with core.connection() as connection:
        return orders(connection, core.book.book_id, customer_id=customer, limit=1)[0]


def test_a_customer_sees_the_own_money_and_staff_pages_are_refused_by_name(console):
    Person(console.world, password=PASSWORD).add()
    ann, tina = console.browser("ann"), console.browser("tina")
    assert ann.get("/").headers["location"] == "/my"
    shown = ann.get("/my").text
    assert "Ann Number 1" in shown
    assert 'href="/customers"' not in shown
    assert ">Position<" not in shown
    for address in (
        "/customers/c1",
        "/customers/c2",
        "/orders",
        "/approvals",
        "/people",
        "/journal",
        "/position/panels",
    ):
        answer = ann.get(address)
        assert (answer.status_code, "for the staff" in answer.text) == (403, True), address
    for address in ("/my", "/my/orders"):
        answer = tina.get(address)
        assert (answer.status_code, "own login" in answer.text) == (403, True), address
    answer = post(ann, "/orders/" + str(UUID(int=1)) + "/cancellation", {}, form="/my")
    assert "for the staff" in answer.text
    api = own_program(console, console.address)
    assert api.get("/api/v1/my/wallet").json()["customer"]["id"] == "c1"
    assert {each["customer"] for each in api.get("/api/v1/my/orders").json()["orders"]} == {"c1"}
    for method, address in (
        ("GET", "/api/v1/customers/c1"), ("GET", "/api/v1/orders"), ("GET", "/api/v1/proposals"),
        ("GET", "/api/v1/people"), ("POST", "/api/v1/withdrawals"), ("POST", "/api/v1/brake/pulls"),
        ("GET", "/api/v1/position"), ("GET", "/api/v1/journal"),
    ):  # fmt: skip
        assert refused(api.request(method, address)) == (403, "address_is_for_staff"), address
    assert refused(console.program("orders:read").get("/api/v1/my/orders")) == (403, "address_is_for_customers")


def test_a_login_is_proposed_on_the_customers_page_and_approved_by_somebody_else(console):
    sara, rita = console.browser("sara"), console.browser("rita")
    assert "Logins of the customer" not in console.browser("tina").get("/customers/c1").text
    fields = {"login": "ann.web", "name": "Ann of the web"}
    answer = post(sara, "/customers/c1/logins", fields, form="/customers/c1")
    assert "not shown again" in answer.text
    [waiting] = [each for each in _pending(console) if each.act == "person_change"]
    assert waiting.terms.facts["customer"] == "c1"
    there = f"/approvals/{waiting.proposal_id}"
    sha256 = waiting.payload_sha256.hex()
    assert post(rita, there, {"decision": "approve", "sha256": sha256}, form=there).status_code == 303
    assert "ann.web" in sara.get("/customers/c1").text
    assert "ann.web" not in sara.get("/people").text.split("Sessions")[0]
    api = own_program(console, console.address, "sara")
    asked = api.post("/api/v1/customers/c2/logins", json={"id": "bob", "name": "Bob"}).json()
    assert asked.keys() == {"proposal", "sha256", "one_time_password"}


def _pending(console):
    core = console.world.core
    with core.connection() as connection:
        return proposals.pending(connection, core.book.book_id, core.clock())


def test_a_customers_own_program_signs_a_withdrawal_over_http(console):
    address = at_localhost(console)
    console.world.pay_in("c3", 500_00)
    ann = Person(console.world, customer="c3", password=PASSWORD, rp=relying_party(address)).add()
    api = own_program(console, address)
    ask = {"amount": {"amount": "12.50", "currency": "EUR"}}
    assert refused(api.post("/api/v1/my/withdrawals/documents", json=ask)) == (409, "customer_has_no_passkey_here")
    ann.enrol(waited=False)
    wrong = {"amount": {"amount": "12.50", "currency": "CNY"}}
    assert refused(api.post("/api/v1/my/withdrawals/documents", json=wrong))[1] == "currency_must_be_the_customers"
    asked = api.post("/api/v1/my/withdrawals/documents", json=ask).json()
    said = {"document": asked["document"], "assertion": ann.device.sign(asked["challenge"])}
    placed = api.post("/api/v1/my/withdrawals", json=said)
    assert placed.status_code == 200, placed.text
    assert (placed.json()["state"], placed.json()["amount"]["amount"]) == ("released", "12.50")
    assert placed.json()["maker"] == "customer:ann"
    other = api.post("/api/v1/my/withdrawals/documents", json=ask).json()
    said = {"document": other["document"], "assertion": ann.device.sign(asked["challenge"])}
    assert refused(api.post("/api/v1/my/withdrawals", json=said)) == (403, "challenge_does_not_fit")


def test_a_customer_gives_and_revokes_a_mandate_over_http_and_on_the_page(console):
    address = at_localhost(console)
    ann = Person(console.world, customer="c3", password=PASSWORD, rp=relying_party(address)).add().enrol(waited=False)
    Shop(console.world).add()
    api = own_program(console, address)
    money = {"amount": "10.00", "currency": "EUR"}
    ask = {"program": "shop", "purposes": ["withdrawal"], "cap": money, "period_cap": money, "period_days": 7}
    ask |= {"payees": [PAYEE], "expires_at": "2026-06-01T00:00:00Z"}
    assert refused(api.post("/api/v1/my/mandates/documents", json=ask | {"payees": []}))[1] == "mandate_is_not_valid"
    assert refused(api.post("/api/v1/my/mandates/documents", json=ask | {"program": "x"}))[1] == "client_must_exist"
    asked = api.post("/api/v1/my/mandates/documents", json=ask).json()
    said = {"document": asked["document"], "assertion": ann.device.sign(asked["challenge"])}
    given = api.post("/api/v1/my/mandates", json=said)
    assert given.status_code == 200, given.text
    [listed] = api.get("/api/v1/my/mandates").json()["mandates"]
    assert (listed["id"], listed["program"], listed["state"]) == (given.json()["id"], "shop", "active")
    browser = console.browser("ann")
    assert "shop" in browser.get("/my/mandates").text
    done = post(browser, f"/my/mandates/{listed['id']}/revocation", {}, form="/my/mandates")
    assert done.headers["location"] == "/my/mandates?said=mandate_revoked"
    [listed] = api.get("/api/v1/my/mandates").json()["mandates"]
    assert listed["state"] == "revoked"
    assert refused(api.delete(f"/api/v1/my/mandates/{listed['id']}")) == (404, "mandate_must_exist")


@pytest.mark.skipif(chromium.program() is None, reason="there is no Chromium on this machine")
def test_a_customer_registers_a_passkey_and_signs_a_withdrawal_in_a_browser(console):
    """The page shows what is signed; the device signs it; the order is the customer's own, to the own account."""
    console.world.pay_in("c3", 500_00)
    Person(console.world, customer="c3", password=PASSWORD).add()
    address = at_localhost(console)
    with chromium.opened() as tab:
        _sign_in(tab, address)
        tab.open(f"{address}/passkeys")
        tab.fill("#label", "Ann's telephone")
        tab.press("[data-passkey]")
        tab.wait_for("location.search.includes('passkey_proposed')")
        [waiting] = [each for each in _pending(console) if each.act == "key_enrolment"]
        core = console.world.core
        proposals.approve(core, console.world.sessions["sara"], waiting.proposal_id, waiting.payload_sha256)
        keys.enrol(core, waiting.proposal_id)
        tab.open(f"{address}/my")
        tab.fill("#amount", "250.00")
        tab.press("form[action='/my/withdrawals/documents'] button")
        tab.wait_for("document.body.innerText.includes('What exactly you sign')")
        shown = tab.text()
        assert "250.00" in shown
        assert PAYEE in shown
        tab.press("[data-passkey]")
        tab.wait_for("document.body?.innerText.includes('The withdrawal is placed.')")
    found = latest(console)
    assert (found.state, found.amount, found.maker) == ("released", 250_00, "customer:ann")


def _sign_in(tab: Tab, address: str) -> None:
    tab.open(f"{address}/sign-in")
    tab.fill("#name", "ann")
    tab.fill("#password", PASSWORD)
    tab.press("form[action='/sign-in'] button")
    tab.wait_for("location.pathname === '/my'")


def test_a_customer_chooses_a_payee_is_told_to_wait_and_cancels_over_http_and_on_the_pages(console):
    address = at_localhost(console)
    console.world.pay_in("c3", 5_000_00)
    ann = Person(console.world, customer="c3", password=PASSWORD, rp=relying_party(address)).add().enrol(waited=False)
    found = added(console.world, customer="c3")
    api, browser = own_program(console, address), console.browser("ann")
    [new, first] = api.get("/api/v1/my/payees").json()["payees"]
    assert (new["id"], new["registered"], first["registered"]) == (str(found.payee_id), False, True)
    assert new["account"] in browser.get("/my").text
    assert OTHER not in browser.get("/my/payees").text

    def placed(amount):
        ask = {"amount": {"amount": amount, "currency": "EUR"}, "payee": new["id"]}
        asked = api.post("/api/v1/my/withdrawals/documents", json=ask).json()
        said = {"document": asked["document"], "assertion": ann.device.sign(asked["challenge"])}
        return api.post("/api/v1/my/withdrawals", json=said).json()

    at_home = httpx.Client(base_url=address, headers={"accept": "text/html"}, timeout=60)
    console.browsers["at localhost"] = at_home
    assert post(at_home, "/sign-in", {"name": "ann", "password": PASSWORD}, form="/sign-in").status_code == 303
    shown = post(at_home, "/my/withdrawals/documents", {"amount": "1500.00", "payee": new["id"]}, form="/my")
    assert "It will wait" in shown.text
    assert OTHER in shown.text
    first_waits, second_waits = placed("1500.00"), placed("1600.00")
    there = f"/my/orders/{first_waits['id']}"
    page = browser.get(there)
    assert "cancel it now" in page.text
    assert "Cooling off" in page.text
    assert "waits" in browser.get("/my/orders").text
    assert post(browser, f"{there}/cancellation", {}, form=there).status_code == 303
    assert "cancelled" in browser.get(there).text
    again = api.post(f"/api/v1/my/orders/{first_waits['id']}/cancellation")
    assert refused(again) == (409, "order_may_not_do_that_now")
    assert api.post(f"/api/v1/my/orders/{second_waits['id']}/cancellation").json()["state"] == "cancelled"
    assert api.delete(f"/api/v1/my/payees/{new['id']}").json()["state"] == "removed"
    assert post(browser, f"/my/payees/{first['id']}/removal", {}, form="/my/payees").status_code == 303
    nowhere = api.post("/api/v1/my/withdrawals/documents", json={"amount": {"amount": "1.00", "currency": "EUR"}})
    assert refused(nowhere) == (404, "payee_must_exist")
    somebody = f"/my/orders/{latest(console, 'c1').order_id}"
    assert browser.get(somebody).status_code == 404


def test_a_customer_says_a_word_about_an_agreement_over_http_and_on_the_page(console):
    """The page shows the agreement, what may be approved, and exactly what is signed."""
    address, world = at_localhost(console), console.world
    world.pay_in("c1", 500_00)
    ann = Person(world, password=PASSWORD, rp=relying_party(address)).add().enrol(waited=False)
    given = {
        "agreement": str(world.new_id()), "payer": "c1", "currency": "EUR", "claims": None,
        "parties": {"buyer": "customer:c1", "courier": "person:bella"},
        "tranches": [{
            "name": "goods", "payees": [{"customer": "c2", "amount": "25.00"}], "return": None,
            "release": {"call": "milestone_approved@1", "milestone": "delivered", "needed": 1, "parties": ["buyer"]},
        }],
        "expires_at": "2026-03-20T12:00:00Z",
    }  # fmt: skip
    made = agreements.propose(world.desk, given, by=world.sessions["tina"])
    for each in (made.agreement_id, order_of(made.agreement_id, "goods", "c2")):
        world.approve(each, "adam", "bella", "rita")
    assert agreements.decide(world.core, made.agreement_id).state == "in_force"
    api = own_program(console, address)
    assert str(made.agreement_id) in [each["id"] for each in api.get("/api/v1/my/escrow").json()["agreements"]]
    browser = httpx.Client(base_url=address, headers={"accept": "text/html"}, timeout=60)
    console.browsers["at localhost"] = browser
    assert post(browser, "/sign-in", {"name": "ann", "password": PASSWORD}, form="/sign-in").status_code == 303
    assert "Approve delivered as buyer" in browser.get("/my/escrow").text
    ask = {"milestone": "delivered", "party": "buyer"}
    there = f"/my/escrow/{made.agreement_id}/words/documents"
    shown = post(browser, there, ask, form="/my/escrow").text
    assert "What exactly you sign" in shown
    assert "25.00" in shown
    asked = api.post(f"/api/v1{there}", json=ask).json()
    said = {"document": asked["document"], "assertion": ann.device.sign(asked["challenge"])}
    assert api.post("/api/v1/my/escrow/words", json=said).status_code == 200
    assert api.post("/api/v1/my/escrow/words", json=said).status_code == 200, "the same again changes nothing"
    assert "Approve delivered" not in browser.get("/my/escrow").text
