"""Limits, closed periods, the guarded pool and monitors in the business of custody, over HTTP and on the pages."""

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import pytest
from lxml import html

from console_world import Console, console_world, post
from custody_world import DAY, PASSWORD, PAYEE, World, custody_world
from ringfence.authority import proposals, sessions
from ringfence.authority.standing import acts
from ringfence.authority.standing import reading as stands
from ringfence.banking.simulated_bank_faults import Switches
from ringfence.custody import days, periods, placing
from ringfence.custody.guarding import MAY_LEAVE_IT_UNCOVERED
from ringfence.custody.orders import order, unallocated
from ringfence.ledger import reading
from ringfence.ledger.codes import Purpose
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused
from ringfence.safeguarding import day as safeguarding_day

BANK = "bank:alpha:client"
C1 = "customer:c1:available"


@pytest.fixture
def world(database, tmp_path) -> Iterator[World]:
    with custody_world(database, tmp_path) as found:
        yield found


def refusal_of(act, *given, **named) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def decide(world: World, made: proposals.Drafted, *people: str) -> None:
    for person in people:
        proposals.approve(world.core, world.sessions[person], made.proposal_id, made.payload_sha256)
    assert acts.carry_out_all(world.core) == 1


def limit(world: World, name: str, minimum: int | None, maximum: int | None) -> None:
    made = acts.propose_limits(world.core, world.sessions["tina"], name, minimum, maximum, "by contract")
    decide(world, made, "adam", "bella")


def monitors(world: World) -> dict[str, bool]:
    with world.core.connection() as connection:
        return {each.monitor.name: each.on for each in stands.monitors(connection, world.core.book.book_id)}


def number_of(world: World, name: str) -> int:
    with world.core.connection() as connection:
        return reading.account(connection, world.core.book.book_id, name).account


def moved(world: World, debit: str, credit: str, amount: int, code: int, kind: Kind = Kind.TRANSFER) -> str:
    line = Line(
        kind, world.core.new_id(), number_of(world, debit), number_of(world, credit), amount, code=code, value_date=DAY
    )
    try:
        world.core.post(Unit([line]))
    except Refused as refused:
        return refused.name
    return "posted"


def waiting(world: World) -> list[tuple[UUID, int]]:
    with world.core.connection() as connection:
        return [(each.order_id, each.amount) for each in unallocated(connection, world.core.book.book_id)]


def test_client_money_is_guarded_and_watched_from_the_first_account_on(world):
    with world.core.connection() as connection:
        guards = stands.guards(connection, world.core.book.book_id)
    assert guards["client"].said.codes == tuple(code.value for code in MAY_LEAVE_IT_UNCOVERED)
    assert monitors(world) == {
        "client money uncovered EUR": False, f"overdrawn {BANK}": False, "unallocated receipts EUR": False,
    }  # fmt: skip


def test_only_own_money_that_was_paid_in_leaves_the_pool_again(world):
    """funding raises the cover by 50.00; 50.00 may go back, and not a cent more, whatever the purpose is called."""
    world.pay_in("c1", 100_00)
    assert moved(world, BANK, "platform:funding:EUR", 50_00, Purpose.FUNDING) == "posted"
    for code in (Purpose.FUNDING, Purpose.FEE_SWEEP, Purpose.BANK_RETURN, 0):
        assert moved(world, "platform:funding:EUR", BANK, 50_01, code) == "pool_must_stay_covered"
    assert moved(world, "platform:funding:EUR", BANK, 30_00, Purpose.FUNDING, Kind.PENDING) == "posted"
    assert moved(world, "platform:funding:EUR", BANK, 20_01, Purpose.FUNDING) == "pool_must_stay_covered"
    assert moved(world, "platform:funding:EUR", BANK, 20_00, Purpose.FUNDING) == "posted"
    assert monitors(world)["client money uncovered EUR"] is False
    assert moved(world, "platform:funding:EUR", BANK, 30_01, Purpose.UNEXPLAINED) == "posted"
    assert monitors(world)["client money uncovered EUR"] is True


def test_a_receipt_without_an_owner_turns_a_monitor_on_and_its_owner_turns_it_off(world):
    world.pay_in("", 12_34, "whose is this?")
    assert monitors(world)["unallocated receipts EUR"] is True
    [(receipt, _)] = waiting(world)
    made = placing.propose_allocation(world.desk, world.new_id(), receipt, "c1", by=world.sessions["tina"])
    world.approve(made.order_id, "adam")
    world.turn()
    assert monitors(world)["unallocated receipts EUR"] is False
    with world.core.connection() as connection:
        turns = stands.turns(connection, world.core.book.book_id)
    assert [(each.said.on, each.said.value) for each in turns] == [(False, 0), (True, 12_34)]


def test_what_a_maximum_keeps_out_waits_for_its_owner_and_stops_nobody(world):
    """c1 may have 100.00: a receipt of 80.00 is credited, the next of 30.00 is owed to somebody; c2's is credited."""
    limit(world, C1, 0, 100_00)
    world.pay_in("c1", 80_00)
    world.pay_in("c1", 30_00)
    world.pay_in("c2", 5_00)
    assert world.balance(C1) == (80_00, 0)
    assert world.balance("customer:c2:available") == (5_00, 0)
    [(receipt, amount)] = waiting(world)
    assert amount == 30_00
    first = placing.propose_allocation(world.desk, world.new_id(), receipt, "c1", by=world.sessions["tina"])
    world.approve(first.order_id, "adam")
    world.turn()
    with world.core.connection() as connection:
        assert order(connection, world.core.book.book_id, first.order_id).state == "cancelled"
    limit(world, C1, 0, None)
    second = placing.propose_allocation(world.desk, world.new_id(), receipt, "c1", by=world.sessions["tina"])
    world.approve(second.order_id, "adam")
    world.turn()
    assert world.balance(C1) == (110_00, 0)
    assert waiting(world) == []


def test_a_payment_that_comes_back_to_a_full_account_waits_there_too(world):
    """c1 has 500.00, pays 120.00 out and may have 400.00 when it comes back: it is owed to somebody, and not lost."""
    world.pay_in("c1", 500_00)
    world.bank.set_switches(Switches(return_after_days=0))
    paid = placing.place_withdrawal(
        world.desk, world.new_id(), "c1", 120_00, payee_account=PAYEE, by=world.sessions["tina"]
    )
    limit(world, C1, 0, 400_00)
    world.turn(5)
    with world.core.connection() as connection:
        assert order(connection, world.core.book.book_id, paid.order_id).state == "settled"
    assert world.balance(C1) == (380_00, 0)
    assert world.balance(BANK) == (500_00, 0)
    assert [amount for _, amount in waiting(world)] == [120_00]


def test_a_minimum_above_zero_is_kept_by_everybody(world):
    world.pay_in("c1", 100_00)
    limit(world, C1, 40_00, None)
    tina = world.sessions["tina"]
    assert refusal_of(
        placing.place_freeze, world.desk, world.new_id(), "c1", 60_01, by=tina, reference="bid"
    ) == "balance_must_not_fall_below_its_minimum"  # fmt: skip
    placing.place_freeze(world.desk, world.new_id(), "c1", 60_00, by=tina, reference="bid")


def test_a_period_is_closed_up_to_a_day_that_is_over_and_no_day_of_it_is_opened_again(world):
    tina = world.sessions["tina"]
    before = DAY - timedelta(days=3)
    assert refusal_of(periods.propose_closing, world.core, tina, DAY, "why") == "business_day_must_be_closed_first"
    decide(world, periods.propose_closing(world.core, tina, before, "the years before"), "adam")
    world.pay_in("c1", 100_00)
    assert world.balance(C1) == (100_00, 0)
    world.bank.close_day(DAY, world.now)
    world.turn()
    safeguarding_day.close_day(world.core, DAY)
    decide(world, periods.propose_closing(world.core, tina, DAY, "the day is done"), "bella")
    assert moved(world, BANK, C1, 1, Purpose.DEPOSIT) == "value_date_must_be_in_an_open_period"
    days.open_day(world.core, DAY + timedelta(days=1))
    world.pay_in("c1", 1_00)
    assert world.balance(C1) == (101_00, 0)


def test_a_day_of_a_closed_period_is_not_opened(database, tmp_path):
    with custody_world(database, tmp_path) as world:
        world.bank.close_day(DAY, world.now)
        world.turn()
        safeguarding_day.close_day(world.core, DAY)
        world.wait(days=3)
        for login in ("tina", "adam"):
            token = sessions.sign_in(world.core, login, PASSWORD).token
            world.sessions[login] = sessions.session_of(world.core, token)
        made = acts.propose_closing(world.core, world.sessions["tina"], DAY + timedelta(days=1), "a holiday")
        decide(world, made, "adam")
        assert refusal_of(days.open_day, world.core, DAY + timedelta(days=1)) == "day_lies_in_a_closed_period"
        days.open_day(world.core, DAY + timedelta(days=2))


# -- over HTTP and on the pages ----------------------------------------------------------------------------------------


@pytest.fixture
def console(database, tmp_path) -> Iterator[Console]:
    with console_world(database, tmp_path) as found:
        yield found
        assert not found.incidents()


def token_of(console: Console, login: str) -> dict[str, str]:
    return {"authorization": f"Bearer {sessions.sign_in(console.world.core, login, PASSWORD).token}"}


def ask(console: Console, login: str, path: str, said: dict | None = None):
    browser = console.browser()
    method = "GET" if said is None else "POST"
    return browser.request(method, f"/api/v1{path}", json=said, headers=token_of(console, login))


def approve(console: Console, login: str, made: dict) -> dict:
    said = {"decision": "approve", "sha256": made["sha256"]}
    answer = ask(console, login, f"/proposals/{made['proposal']}/decisions", said)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_everything_that_stands_is_changed_over_http(console):
    said = {"minimum": "-10.00", "maximum": "5000000.00", "reason": "a credit line"}
    limits = ask(console, "tina", f"/accounts/{C1}/limits", said).json()
    approve(console, "adam", limits)
    assert approve(console, "rita", limits)["complete"]
    closing = ask(console, "tina", "/periods/closings", {"through": "2026-02-27", "reason": "done"}).json()
    assert approve(console, "adam", closing)["complete"]
    guard = ask(console, "tina", "/pools/client/guard", {"codes": [109], "reason": "the rest is behind us"}).json()
    approve(console, "adam", guard)
    assert approve(console, "bella", guard)["complete"]
    stands = ask(console, "axel" if "axel" in console.world.sessions else "rita", "/standing").json()
    assert stands["closed_through"] == "2026-02-27"
    assert [(each["pool"], each["codes"]) for each in stands["guards"]] == [("client", [109])]
    monitor = {
        "account": C1, "measure": "available", "above": "1.00", "reason": "look at it",
    }  # fmt: skip
    assert ask(console, "tina", "/monitors/c1 is rich", monitor).json() == {"proposal": None, "sha256": None}
    changed = ask(console, "tina", "/monitors/c1 is rich", monitor | {"above": "99999999.00"}).json()
    assert approve(console, "adam", changed)["complete"]
    off = ask(console, "tina", "/monitors/c1 is rich/switch-off", {"reason": "enough"}).json()
    found = {each["name"]: each for each in ask(console, "rita", "/monitors").json()["monitors"]}
    assert found["c1 is rich"]["state"] == "quiet"
    assert found["c1 is rich"]["watch"] == {"account": C1}
    assert approve(console, "adam", off)["complete"]
    found = {each["name"]: each for each in ask(console, "rita", "/monitors").json()["monitors"]}
    assert found["c1 is rich"]["state"] == "off"
    assert found["unallocated receipts EUR"]["state"] == "on"
    assert found["unallocated receipts EUR"]["turn"]["value"] == {"amount": "12.34", "currency": "EUR"}
    with console.world.core.connection() as connection:
        account = reading.account(connection, console.world.core.book.book_id, C1)
    assert (account.minimum, account.maximum) == (-10_00, 5_000_000_00)


@pytest.mark.parametrize(
    ("path", "said", "refused"),
    [
        ("/accounts/nobody/limits", {"minimum": "1", "maximum": None, "reason": "x"}, "account_must_exist"),
        (f"/accounts/{C1}/limits", {"minimum": "1.234", "maximum": None, "reason": "x"}, "amount_is_not_a_decimal"),
        ("/pools/client/guard", {"codes": [5], "reason": "x"}, "purpose_is_unknown"),
        ("/periods/closings", {"through": "2026-03-02", "reason": "x"}, "business_day_must_be_closed_first"),
        ("/monitors/x", {"measure": "cover", "reason": "x", "below": "1"}, "monitor_must_watch_something"),
        ("/monitors/ghost/switch-off", {"reason": "x"}, "monitor_must_exist"),
    ],
)
def test_what_cannot_be_proposed_is_refused_by_name(console, path, said, refused):
    assert ask(console, "tina", path, said).json()["refused"] == refused
    assert ask(console, "sara", path, said).status_code in {403, 404, 409, 422, 400}


def test_a_program_proposes_nothing_of_the_kind(console):
    shop = console.program("orders:write", "position:read")
    assert shop.get("/api/v1/monitors").status_code == 200
    for path in (f"/accounts/{C1}/limits", "/pools/client/guard", "/periods/closings", "/monitors/x"):
        assert shop.post(f"/api/v1{path}", json={}).json()["refused"] == "person_lacks_the_role"


def page(console: Console, login: str, path: str):
    answer = console.browser(login).get(path)
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def test_the_pages_tell_what_stands_and_take_proposals(console):
    shown = page(console, "tina", "/rules").text_content()
    for text in ("client money uncovered EUR", "unallocated receipts EUR", "its condition holds", "12.34", "takeover"):
        assert text in shown
    tina = console.browser("tina")
    answer = post(
        tina, f"/accounts/{C1}/limits", {"minimum": "", "maximum": "9000000", "reason": "why not"},
        form=f"/accounts/{C1}/limits",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    told = page(console, "adam", answer.headers["location"]).text_content()
    for text in (C1, "9000000.00", "none", "why not", '"maximum":"900000000"'):
        assert text in told
    assert "A change is proposed" in page(console, "adam", f"/accounts/{C1}/limits").text_content()
    for path, fields in (
        ("/rules/closings", {"through": "2026-02-27", "reason": "done"}),
        ("/rules/guards", {"pool": "client", "codes": ["109"], "reason": "less"}),
        ("/rules/monitors", {"name": "owed", "watch": "pool=client&currency=EUR", "measure": "cover", "above": "1",
                             "reason": "x"}),
        ("/rules/monitors/off", {"name": "owed", "reason": "x"}),
    ):  # fmt: skip
        answer = post(tina, path, fields, form="/rules")
        assert answer.status_code == 303, answer.text
        assert console.browser("tina").get(answer.headers["location"]).status_code == 200
    shown = page(console, "axel" if "axel" in console.world.sessions else "sara", "/rules")
    assert not shown.xpath("//form[contains(@action, '/rules/')]"), "who may not propose sees no form"


def test_a_turn_is_a_row_of_the_journal_that_says_which_monitor(console):
    shown = page(console, "tina", "/journal").text_content()
    assert "unallocated receipts EUR: on" in " ".join(shown.split())
    assert date.fromisoformat("2026-03-02") == DAY
