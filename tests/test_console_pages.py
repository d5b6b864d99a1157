"""Every page of the console, as its readers meet it."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from lxml import html

from console_world import PASSWORD, SCRIPT, TOKEN, console_world, modules, post
from custody_world import CHEAP, DAY
from origin_world import Person
from ringfence.authority import clients, people, proposals
from ringfence.banking import gateway
from ringfence.banking.payee import registered_payee
from ringfence.banking.simulated_bank_faults import Switches
from ringfence.console import documentation, password, position, session
from ringfence.custody.orders import order, orders
from ringfence.ledger import reading
from ringfence.reconciliation.runs import reconcile
from ringfence.safeguarding.assessment import carry_out

PARAMETER = re.compile(r"{(\w+)}")
OWN = (session.pages, position.pages, password.pages, documentation.pages)


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found
        assert found.incidents() == []


def paths(method, routers=None):
    """Addresses of pages that take a method."""
    routers = routers or [*OWN, *(module.pages for module in modules())]
    return sorted({route.path for router in routers for route in routes_of(router) if method in route.methods})


def routes_of(router):
    """A router's own routes and those of routers that it includes."""
    for route in router.routes:
        yield from routes_of(route.original_router) if hasattr(route, "original_router") else [route]


def there(console):
    """Something that is there for each parameter of an address."""
    core, book = console.world.core, console.world.core.book.book_id
    with core.connection() as connection:
        held = orders(connection, book, state="held")[0]
        about = proposals.proposals_of_order(connection, book, held.order_id)
        statement = connection.execute(b"SELECT account_name, statement_id FROM banking.statement").fetchone()
        rest = connection.execute(b"SELECT discrepancy_id FROM reconciliation.discrepancy").fetchone()
        agreement = connection.execute(b"SELECT agreement_id FROM escrow.agreement").fetchone()
    account, statement_id = statement or ("bank:alpha:client", "")
    return {
        "sequence": 5,
        "name": "customer:evil:available",
        "customer_id": "evil",
        "party": "owner",
        "agreement_id": agreement[0],
        "place": "custody.customer.payee_account",
        "row": "evil",
        "order_id": held.order_id,
        "payee": registered_payee(book, "evil"),
        "proposal_id": about[0].proposal_id,
        "session_id": UUID(int=1),
        "person_id": "bella",
        "client_id": program_of(console),
        "login": login_of(console),
        "mandate_id": UUID(int=1),
        "fingerprint": "0" * 16,
        "credential": "ab" * 32,
        "account": account,
        "statement_id": statement_id,
        "discrepancy_id": rest[0] if rest else None,
        "day": DAY.isoformat(),
        "currency": "EUR",
        "proven_day": None,  # no day is proven here: test_liabilities_own_pages
        "provider": None,  # nobody vouches for staff here
    }


def program_of(console):
    """A program of the platform, with a token."""
    core = console.world.core
    with core.connection() as connection:
        known = {each.client_id for each in clients.clients(connection, core.book.book_id)}
    if "shop" not in known:
        clients.add_client(core, console.world.sessions["sara"], "shop", ["orders:read"])
    return "shop"


def login_of(console):
    """A customer with a login of the own."""
    core = console.world.core
    with core.connection() as connection:
        known = people.logins_of(connection, core.book.book_id, "c1")
    if not known:
        Person(console.world, password=PASSWORD).add()
    return "ann"


def reader_of(address):
    """Who may see a page: a program's is for those who watch over programs, a customer's own for the customer."""
    if address == "/my" or address.startswith("/my/"):
        return "ann"
    return "sara" if address.startswith("/clients/") else "tina"


def addresses(console, method="GET"):
    """Addresses of pages with their parameters filled in; those about nothing that is there are left out."""
    values = there(console) | ({} if method == "GET" else {"provider": "corp"})
    known = [path for path in paths(method) if all(values[name] for name in PARAMETER.findall(path))]
    return [PARAMETER.sub(lambda match: str(values[match[1]]), path) for path in known]


def close_the_day(console):
    """The statement of the day comes, with a receipt that nobody has told us of, and is reconciled and tested."""
    program_of(console)  # while its administrator is signed in
    login_of(console)
    world = console.world
    world.bank.set_switches(Switches(unknown_receipt_minor=7_77))
    world.clock[0] = datetime(2026, 3, 3, 1, tzinfo=UTC)
    world.bank.close_day(DAY, world.now)
    gateway.turn(world.gateway)
    reconcile(world.core, "bank:alpha:client", DAY)
    carry_out(world.core, DAY, "EUR")


def test_every_page_is_whole_in_both_languages(console):
    """Status, language, one heading, a label for every field, nothing inline, nothing left unfilled."""
    close_the_day(console)
    seen = addresses(console)
    assert len(seen) > 18
    for language, tag in (("en", "en"), ("zh", "zh-Hans")):
        for address in seen:
            browser = console.browser(reader_of(address))
            browser.cookies.set("ringfence-language", language, domain="127.0.0.1")
            answer = browser.get(address)
            if address == "/sign-in":
                assert answer.status_code == 303
                continue
            assert answer.status_code == 200, (address, answer.text[-600:])
            if address == "/position/panels":
                continue
            page = html.fromstring(answer.text)
            assert page.get("lang") == tag, address
            assert len(page.findall(".//h1")) == 1, address
            assert len(page.findall(".//main")) == 1, address
            inline = "//*[@style] | //style | //script[not(@src)] | //@*[starts-with(name(), 'on')]"
            assert not page.xpath(inline), address
            for field in page.xpath("//input[not(@type='hidden')] | //select | //textarea"):
                assert page.xpath(f"//label[@for='{field.get('id')}']"), (address, html.tostring(field))
            identities = page.xpath("//@id")
            assert len(identities) == len(set(identities)), address
            for form in page.xpath("//form[@method='post']"):
                assert form.xpath(".//input[@name='form_token']"), (address, form.get("action"))
            assert not re.search(r"\bNone\b(?! is open)", page.xpath("string(//main)")), address


def test_nobody_sees_a_page_without_a_session(console):
    browser = console.browser()
    for address in addresses(console):
        answer = browser.get(address)
        if address == "/sign-in":
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), address


def test_nothing_is_changed_without_the_forms_token(console):
    """Neither by somebody else's page, which has none, nor with the token of another session."""
    browser, other = console.browser("tina"), console.browser("adam")
    theirs = TOKEN.search(other.get("/orders").text)[1]
    seen = addresses(console, "POST")
    assert len(seen) > 6
    for address in seen:
        for token in ("", "0" * 64, theirs):
            answer = browser.post(address, data={"form_token": token})
            assert answer.status_code == 403, address
            assert "form_is_stale" in answer.text


def test_a_form_of_before_the_sign_in_is_no_form_after_it(console):
    browser = console.browser()
    token = TOKEN.search(browser.get("/sign-in").text)[1]
    fields = {"name": "tina", "password": PASSWORD, "form_token": token}
    assert browser.post("/sign-in", data=fields).status_code == 303
    assert browser.post("/sign-out", data={"form_token": token}).status_code == 403


def test_another_sign_in_ends_the_session_before_it(console):
    browser = console.browser("tina")
    before = browser.cookies["ringfence"]
    assert post(browser, "/sign-in", {"name": "tina", "password": PASSWORD}, form="/").status_code == 303
    assert browser.cookies["ringfence"] != before
    stale = console.browser()
    stale.cookies.set("ringfence", before, domain="127.0.0.1")
    assert (browser.get("/").status_code, stale.get("/").status_code) == (200, 303)


def test_looking_at_every_page_writes_nothing_and_each_leads_out(console):
    """A page that is asked for changes nothing, so another site gains nothing by having a browser ask for it."""
    core = console.world.core
    seen = addresses(console)
    for login in {reader_of(address) for address in seen}:
        console.browser(login)
    with core.connection() as connection:
        head = reading.book_named(connection, "demo").head
    for address in seen:
        text = console.browser(reader_of(address)).get(address).text
        assert address in ("/sign-in", "/position/panels") or 'action="/sign-out"' in text, address
    with core.connection() as connection:
        assert reading.book_named(connection, "demo").head == head


def test_names_are_text_and_never_a_script(console):
    """A customer, a payer and a reference are called `<script>…`: every page shows the words."""
    close_the_day(console)
    browser = console.browser("tina")
    shown = 0
    for address in addresses(console):
        text = browser.get(address).text
        assert "<script>alert" not in text, address
        shown += "&lt;script&gt;alert" in text
    assert shown >= 3


def test_a_wrong_password_is_told_beside_the_form_in_the_readers_language(console):
    browser = console.browser()
    answer = post(browser, "/sign-in", {"name": "tina", "password": "wrong horse 1"}, form="/sign-in")
    assert answer.status_code == 401
    assert "Login, password and code do not fit." in answer.text
    assert "wrong horse" not in answer.text
    assert "ringfence" not in answer.cookies
    browser.headers["accept-language"] = "zh-CN"
    answer = post(browser, "/sign-in", {"name": "tina", "password": "wrong horse 1"}, form="/sign-in")
    assert "登录名、密码与验证码不符。" in answer.text


def test_after_the_sign_in_one_is_where_one_wanted_to_be_and_never_elsewhere(console):
    browser = console.browser()
    asked = browser.get("/orders?state=held")
    assert asked.headers["location"] == "/sign-in?back=%2Forders%3Fstate%3Dheld"
    for back, goes in (
        ("/orders?state=held", "/orders?state=held"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x=1", "/"),
    ):
        fields = {"name": "tina", "password": PASSWORD, "back": back}
        fresh = console.browser()
        answer = post(fresh, "/sign-in", fields, form="/sign-in")
        assert answer.headers["location"] == goes


def test_who_signs_out_is_out(console):
    browser = console.browser("bella")
    before = browser.cookies.get("ringfence", domain="127.0.0.1") or browser.cookies.get("ringfence")
    assert post(browser, "/sign-out", {}, form="/").headers["location"] == "/sign-in"
    browser.cookies.set("ringfence", before, domain="127.0.0.1")
    assert browser.get("/").status_code == 303


def test_the_language_is_chosen_by_cookie_and_else_by_the_browser(console):
    browser = console.browser("tina")
    assert "Today's position" in html.fromstring(browser.get("/").text).findtext(".//h1")
    answer = post(browser, "/language", {"language": "zh", "back": "/orders?kind=deposit"}, form="/")
    assert answer.headers["location"] == "/orders?kind=deposit"
    assert html.fromstring(browser.get("/").text).findtext(".//h1") == "今日头寸"
    assert post(browser, "/language", {"language": "xx"}, form="/").status_code == 422


def test_the_maker_sees_why_he_may_not_approve_and_two_others_do(console):
    """A held payout of 20,000.00: tina made it; adam and rita release it, and the money is on its way."""
    world = console.world
    with world.core.connection() as connection:
        [held] = [each for each in orders(connection, world.core.book.book_id) if each.amount == 20_000_00]
        about = proposals.proposals_of_order(connection, world.core.book.book_id, held.order_id)
    tina = console.browser("tina")
    text = tina.get(f"/approvals/{about[0].proposal_id}").text
    assert "Whoever made a proposal may not approve it." in html.fromstring(text).xpath("string(//main)")
    assert 'value="approve"' not in text
    assert "20,000.00" in text
    for proposal in about:
        address = f"/approvals/{proposal.proposal_id}"
        fields = {"decision": "approve", "sha256": proposal.payload_sha256.hex(), "reason": "checked"}
        assert "maker_may_not_check" in post(tina, address, fields, form=address).text
        changed = fields | {"sha256": "0" * 64}
        assert "payload_was_changed" in post(console.browser("adam"), address, changed, form=address).text
        for person in ("adam", "rita")[: proposal.people]:
            answer = post(console.browser(person), address, fields, form=address)
            assert answer.status_code == 303, answer.text
    with world.core.connection() as connection:
        assert order(connection, world.core.book.book_id, held.order_id).state == "released"
    page = html.fromstring(tina.get(f"/orders/{held.order_id}").text)
    states = [" ".join(step.text_content().split()) for step in page.find_class("step")]
    assert states == ["✓held", "●released", "○sent", "○settled"]


def test_the_brake_is_pulled_by_one_and_released_by_two(console):
    tina = console.browser("tina")
    assert "Released: payouts may leave." in tina.get("/").text
    answer = post(tina, "/brake/pull", {"reason": ""}, form="/brake")
    assert (answer.status_code, "reason_is_missing" in answer.text) == (422, True)
    assert post(tina, "/brake/pull", {"reason": "the bank called"}, form="/brake").status_code == 303
    assert "Pulled: no payout leaves." in tina.get("/").text
    address = (
        post(tina, "/brake/release", {"reason": "all is well"}, form="/brake").headers["location"].partition("?")[0]
    )
    sha256 = re.search(r'name="sha256" value="(\w+)"', console.browser("adam").get(address).text)[1]
    for person in ("adam", "rita"):
        fields = {"decision": "approve", "sha256": sha256}
        assert post(console.browser(person), address, fields, form=address).status_code == 303
    assert "Released: payouts may leave." in tina.get("/").text
    history = html.fromstring(tina.get("/brake").text).xpath("string(//main)")
    assert "the bank called" in history
    assert "adam, rita" in history


def test_a_panel_that_fails_does_not_take_the_page_with_it(console, monkeypatch):
    def fails(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("ringfence.banking.pages.positions", fails)
    answer = console.browser("tina").get("/")
    assert answer.status_code == 200
    assert "recorded as incident" in answer.text
    assert "secret detail" not in answer.text
    assert "Orders of the day" in answer.text
    assert "secret detail" in console.incidents().pop()
    console.said.clear()


def test_the_panels_come_alone_for_the_refresh(console):
    text = console.browser("tina").get("/position/panels").text
    assert "<html" not in text
    assert 'id="panel-orders"' in text
    assert console.browser().get("/position/panels").status_code == 303


def test_a_wallet_is_shown_as_it_was_before_a_row(console):
    browser = console.browser("tina")
    with console.world.core.connection() as connection:
        lines = reading.statement(connection, console.world.core.book.book_id, "customer:c1:available")
    first = lines[-1].sequence
    figures = html.fromstring(browser.get(f"/customers/c1?before={first}").text).find_class("figures")[0]
    assert "30,000.00" not in figures.text_content()
    figures = html.fromstring(browser.get(f"/customers/c1?before={first + 1}").text).find_class("figures")[0]
    assert "30,000.00" in figures.text_content()


def test_the_journal_is_paged_back_to_its_first_row(console):
    browser = console.browser("tina")
    address, rows = "/journal", 0
    while address:
        page = html.fromstring(browser.get(address).text)
        rows += len(page.xpath("//tbody/tr"))
        older = page.xpath("//a[@rel='next']/@href")
        address = older[0] if older else None
    with console.world.core.connection() as connection:
        head = reading.book_named(connection, "demo").head
    assert rows == head


def test_what_is_not_there_is_refused_by_name(console):
    browser = console.browser("tina")
    for address, status, name in (
        ("/journal/999999", 404, "row_must_exist"),
        ("/journal/-1", 422, "request_is_malformed"),
        ("/accounts/nobody", 404, "account_must_exist"),
        ("/customers/nobody", 404, "customer_must_exist"),
        (f"/orders/{UUID(int=7)}", 404, "order_must_exist"),
        ("/orders/nonsense", 422, "request_is_malformed"),
        ("/orders?day=yesterday", 422, "request_is_malformed"),
        ("/orders?before=x", 422, "request_is_malformed"),
        (f"/approvals/{UUID(int=7)}", 404, "proposal_must_exist"),
        ("/nowhere", 404, "address_leads_nowhere"),
        ("/static/nothing.css", 404, "address_leads_nowhere"),
        ("/evidence/rows/999999", 409, "row_is_not_notarised_yet"),
        (f"/discrepancies/{UUID(int=7)}", 404, "discrepancy_must_exist"),
    ):
        answer = browser.get(address)
        assert (answer.status_code, name in answer.text) == (status, True), (address, answer.text[-400:])
        assert len(html.fromstring(answer.text).findall(".//nav")) >= 1, address


def test_an_empty_filter_is_no_filter(console):
    browser = console.browser("tina")
    for address in (
        "/orders?kind=&state=&day=&customer=",
        "/accounts?name=&day=&before=",
        "/journal?before=",
        "/customers?search=",
        "/discrepancies?account=",
    ):
        assert browser.get(address).status_code == 200, address
    assert "c1" in browser.get("/customers?search=Ann").text
    assert "No customer of that name or id." in browser.get("/customers?search=%25").text


def test_a_discrepancy_is_accepted_under_ones_name_with_a_reason(console):
    close_the_day(console)
    tina = console.browser("tina")
    found = html.fromstring(tina.get("/discrepancies").text).xpath("//tbody//a/@href")
    assert found
    answer = post(tina, f"{found[0]}/acceptance", {"reason": "short"}, form=found[0])
    assert (answer.status_code, "acceptance_needs_a_person_and_a_reason" in answer.text) == (422, True)
    assert (
        "person_lacks_the_role"
        in post(console.browser("rita"), f"{found[0]}/acceptance", {"reason": "the bank will book it"}, form="/").text
    )
    assert post(tina, f"{found[0]}/acceptance", {"reason": "the bank will book it"}, form=found[0]).status_code == 303
    assert "the bank will book it" in tina.get(found[0]).text


def test_who_got_the_password_from_somebody_else_changes_it_first(console):
    world = console.world
    proposed = people.propose_person(
        world.core, world.sessions["sara"], "nina", SCRIPT[:20], ["treasurer"], new_password=True, cost=CHEAP
    )
    drafted = proposed.drafted
    proposals.approve(world.core, world.sessions["rita"], drafted.proposal_id, drafted.payload_sha256)
    people.change_person(world.core, drafted.proposal_id)
    given = proposed.one_time_password
    browser = console.browser()
    post(browser, "/sign-in", {"name": "nina", "password": given}, form="/sign-in")
    assert browser.get("/orders").headers["location"] == "/password"
    weak = post(browser, "/password", {"old": given, "new": "short"}, form="/password")
    assert (weak.status_code, "12 to 128 characters" in weak.text) == (422, True)
    wrong = post(browser, "/password", {"old": "not that one 123", "new": "my very own secret 9"}, form="/password")
    assert wrong.status_code == 401
    done = post(browser, "/password", {"old": given, "new": "my very own secret 9"}, form="/password")
    assert done.headers["location"] == "/?said=password_changed"
    assert "The password is changed." in browser.get("/?said=password_changed").text
    assert "<b>" not in browser.get("/?said=<b>").text
