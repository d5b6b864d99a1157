"""The end of a day on a real PostgreSQL: all of it is there, or exactly how much is missing and why."""

import csv
import io
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from reconciliation_world import CLIENT, MONDAY, TUESDAY, Told, small_world
from ringfence.custody import days
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.money import currency
from ringfence.reconciliation import runs
from ringfence.reconciliation.calendar import calendar_of
from ringfence.refusal import Refused
from ringfence.safeguarding import assessment, day, position, requirement
from ringfence.safeguarding.assessment import InTransit

EURO = currency("EUR")
BETA = "bank:beta:client"


@pytest.fixture
def world(database):
    with small_world(database, [CLIENT, BETA]) as found:
        yield found


def close(world, when=MONDAY, **more):
    world.wait(seconds=1)
    return day.close_day(world.core, when, **more)


def ask(world, question, *given, **named):
    with world.core.connection() as connection:
        return question(connection, world.book, *given, **named)


def said(world, code):
    with world.core.connection() as connection:
        return [event.said for event in reading.events(connection, world.book, code)]


def worked_figures(world):
    """A 500, B 300, C -20, unallocated 40; the cashbook has 720, the bank 700 of them."""
    overdrawn = Account(0, "customer:c9:available", "EUR", "credit", None, None, "customer:c9", "client")
    world.core.post(Unit([Line(Kind.ACCOUNT_OPENED, UUID(int=99), payload=overdrawn.payload())]))
    world.receive(MONDAY, 500, "R1", "c1")
    world.receive(MONDAY, 300, "R2", "c2")
    world.move(MONDAY, CLIENT, "unallocated:alpha:client", 40, key=("bank_reference", "R3"))
    world.move(MONDAY, "customer:c9:available", CLIENT, 20, key=("end_to_end_id", "E1"))
    world.move(MONDAY, "customer:c1:available", "customer:c1:frozen", 200)


def test_the_worked_figures_stand_in_the_books(world):
    """840 are required although netting gives 820. The bank has 700, 100 are named in transit: 40 are missing; 50 of
    what must lie in the accounts do not.
    """
    worked_figures(world)
    told = [Told(500, "R1"), Told(300, "R2"), Told(40, "R3"), Told(-20, "R4", "E1"), Told(-120, "R5")]
    world.statement(MONDAY, told)
    world.statement(MONDAY, [], BETA)
    named = [
        InTransit("named", "card acquirer, settlement 17", "EUR", 90, MONDAY),
        InTransit("named", "card acquirer, settlement 9", "EUR", 10, MONDAY.replace(month=2, day=20)),
    ]
    found = close(world, in_transit=named).of("EUR")
    assert (found.requirement, found.resource, found.shortfall, found.excess) == (840, 800, 40, 0)
    assert (found.d_plus_one, found.discrepancies) == (-50, 1)
    [test] = ask(world, assessment.history)
    assert (test.owed, test.unallocated, test.negative, test.negative_customers) == (800, 40, -20, 1)
    assert (test.bank, test.in_transit, test.cashbook) == (700, 100, 820)
    full = ask(world, assessment.told, test)
    assert full["total"] == {
        "requirement": "8.40",
        "resource": "8.00",
        "difference": "-0.40",
        "shortfall": "0.40",
        "excess": "0.00",
    }
    assert [each["name"] for each in full["in_transit"]] == [each.name for each in named]


def test_a_day_that_agrees_closes_and_says_so_once(world):
    world.receive(MONDAY, 500_00, "R1", "c1")
    world.receive(MONDAY, 250_00, "R2", "c2", bank=BETA)
    world.pay(MONDAY, 120_00, "E1")
    world.statement(MONDAY, [Told(500_00, "R1"), Told(-120_00, "R3", "E1")])
    world.statement(MONDAY, [Told(250_00, "R2")], BETA)
    closed = close(world)
    found = closed.of("EUR")
    assert (found.requirement, found.resource, found.shortfall, found.excess) == (630_00, 630_00, 0, 0)
    assert (found.discrepancies, found.own_money, found.unexplained) == (0, 0, 0)
    assert {each.name: (each.cashbook, each.bank, each.matched) for each in found.accounts} == {
        CLIENT: (380_00, 380_00, 2),
        BETA: (250_00, 250_00, 1),
    }
    head = world.head()
    assert close(world) == closed
    assert ask(world, day.summary_of, MONDAY) == closed
    assert ask(world, day.closed_day, MONDAY, "EUR") == found
    assert ask(world, day.transfers_of, MONDAY) == 3
    assert world.head() == head
    [event] = said(world, EventName.DAY_CLOSED)
    assert event == closed.said()
    [test] = ask(world, assessment.history)
    assert test.sequence == closed.sequence == event["sequence"]
    shares = ask(world, assessment.told, test)["concentration"]
    assert shares == [
        {"bank": "alpha", "amount": "380.00", "per_million": 603_174},
        {"bank": "beta", "amount": "250.00", "per_million": 396_825},
    ]


def test_a_day_waits_for_every_statement_and_nothing_changes_before(world):
    world.receive(MONDAY, 500_00, "R1")
    world.statement(MONDAY, [Told(500_00, "R1")])
    head = world.head()
    with pytest.raises(Refused, match=r"statements_are_missing.*bank:beta:client"):
        close(world)
    assert world.head() == head
    assert ask(world, runs.runs) == []
    assert [each.account_name for each in ask(world, day.missing_statements, MONDAY)] == [BETA]


def test_only_the_open_day_is_closed(world):
    with pytest.raises(Refused, match="day_is_not_the_open_one"):
        close(world, TUESDAY)
    days.close_day(world.core, MONDAY, {}, world.core.clock())
    with pytest.raises(Refused, match="day_was_not_closed_with_tests"):
        close(world)
    with pytest.raises(Refused, match="no_day_is_open"):
        close(world, TUESDAY)
    with pytest.raises(Refused, match="day_was_not_closed_with_tests"):
        ask(world, day.closed_day, TUESDAY, "EUR")


def test_a_book_without_accounts_has_nothing_to_close(database):
    with small_world(database, []) as world:
        with pytest.raises(Refused, match="no_custodian_account_is_open"):
            close(world)
        with pytest.raises(Refused, match="currency_has_no_client_account"):
            ask(world, assessment.assess, MONDAY, "EUR")


def test_an_attempt_that_broke_off_is_finished_by_the_next(world):
    """The runs and the test are there, the closing is not (the clock went back): the next attempt keeps them."""
    world.receive(MONDAY, 500_00, "R1")
    world.statement(MONDAY, [Told(500_00, "R1"), Told(7, "R9")])
    world.statement(MONDAY, [], BETA)
    for name in (CLIENT, BETA):
        world.wait(seconds=1)
        runs.reconcile(world.core, name, MONDAY)
    tested = assessment.carry_out(world.core, MONDAY, "EUR")
    head = world.head()
    closed = close(world)
    assert world.head() == head + 1
    assert (closed.of("EUR").requirement, closed.of("EUR").excess) == (500_07, 0)
    assert ask(world, assessment.history) == [tested]


def test_a_receipt_that_nobody_booked_covers_nobody(world):
    """740 owed, 700 of them at the bank, and 20 that the books do not have: 40 are missing, before it is booked as
    unallocated and after.
    """
    world.receive(MONDAY, 740, "R1")
    world.move(MONDAY, "platform:funding:EUR", CLIENT, 40, key=("end_to_end_id", "E1"), code=Purpose.UNEXPLAINED)
    world.statement(MONDAY, [Told(740, "R1"), Told(-40, "R9", "E1"), Told(20, "R2")])
    world.statement(MONDAY, [], BETA)
    for name in (CLIENT, BETA):
        runs.reconcile(world.core, name, MONDAY)
    first = assessment.carry_out(world.core, MONDAY, "EUR")
    assert (first.requirement, first.unallocated, first.unrecorded) == (760, 20, 20)
    assert (first.bank, first.cashbook, first.total.difference) == (720, 700, -40)
    [live] = ask(world, position.live_position).currencies
    assert (live.requirement, live.shortfall) == (760, 40)
    world.move(MONDAY, CLIENT, "unallocated:alpha:client", 20, key=("bank_reference", "R2"))
    with pytest.raises(Refused, match="account_is_not_reconciled"):
        ask(world, assessment.assess, TUESDAY, "EUR")
    runs.reconcile(world.core, CLIENT, MONDAY)
    second = assessment.carry_out(world.core, MONDAY, "EUR")
    assert (second.number, second.requirement, second.unallocated, second.unrecorded) == (2, 760, 20, 0)
    assert (second.bank, second.cashbook, second.total.difference) == (720, 720, -40)


def test_accounts_are_tested_at_one_cut_off(world):
    """Both accounts reconciled, then money moves on one and only the other is reconciled again."""
    world.statement(MONDAY, [])
    world.statement(MONDAY, [], BETA)
    runs.reconcile(world.core, CLIENT, MONDAY)
    runs.reconcile(world.core, BETA, MONDAY)
    world.receive(MONDAY, 5, "R1")
    world.receive(MONDAY, 6, "R2", bank=BETA)
    runs.reconcile(world.core, BETA, MONDAY)
    with pytest.raises(Refused, match=r"accounts_are_reconciled_at_different_points.*bank:alpha:client"):
        ask(world, assessment.assess, MONDAY, "EUR")


def test_a_receipt_the_bank_announced_for_tomorrow_is_in_transit_and_another_is_not(world):
    """100 announced for Tuesday count; 30 that the bank never mentioned do not: they are missing."""
    world.receive(MONDAY, 100, "R1")
    world.advise(TUESDAY, 100, "R1")
    world.receive(MONDAY, 30, "R2")
    world.statement(MONDAY, [])
    world.statement(MONDAY, [], BETA)
    found = close(world).of("EUR")
    assert (found.requirement, found.resource, found.shortfall, found.d_plus_one) == (130, 100, 30, -30)
    [test] = ask(world, assessment.history)
    [item] = ask(world, assessment.told, test)["in_transit"]
    assert (item["kind"], item["amount"]) == ("announced", "1.00")


def test_money_that_the_bank_has_paid_and_not_booked_is_no_excess(world):
    world.receive(MONDAY, 100, "R1")
    world.pay(MONDAY, 40, "E1")
    world.statement(MONDAY, [Told(100, "R1")])
    world.statement(MONDAY, [], BETA)
    found = close(world).of("EUR")
    assert (found.requirement, found.resource, found.excess, found.d_plus_one) == (60, 60, 0, 0)


def test_fees_and_funding_explain_an_excess(world):
    """Fees that are due still lie in the pool, and so does what the platform paid in."""
    world.receive(MONDAY, 1_000, "R1")
    world.move(MONDAY, "customer:c1:available", "fees:due:EUR", 15)
    world.move(MONDAY, CLIENT, "platform:funding:EUR", 50, key=("bank_reference", "R2"))
    world.statement(MONDAY, [Told(1_000, "R1"), Told(50, "R2")])
    world.statement(MONDAY, [], BETA)
    found = close(world).of("EUR")
    assert (found.requirement, found.resource, found.excess) == (985, 1_050, 65)
    assert (found.own_money, found.unexplained) == (50, 0)
    [test] = ask(world, assessment.history)
    assert (test.fees_due, test.funding) == (15, 50)


def test_insurance_counts_as_resource_and_lowers_what_must_lie_there(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [Told(100, "R1"), Told(-30, "R7")])
    world.statement(MONDAY, [], BETA)
    found = close(world, insured={"EUR": 30}).of("EUR")
    assert (found.resource, found.shortfall, found.d_plus_one) == (100, 0, 0)


def test_the_requirement_comes_apart_customer_by_customer_also_later(world):
    """The lines of a test add up to its requirement after the customers have moved on, and so does their CSV."""
    worked_figures(world)
    world.statement(MONDAY, [Told(500, "R1"), Told(300, "R2"), Told(40, "R3"), Told(-20, "R4", "E1")])
    world.statement(MONDAY, [], BETA)
    close(world)
    days.open_day(world.core, TUESDAY)
    world.pay(TUESDAY, 100, "E2")
    [test] = ask(world, assessment.history)
    lines = ask(world, requirement.requirement_lines, "EUR", before=test.sequence, limit=3)
    lines += ask(world, requirement.requirement_lines, "EUR", before=test.sequence, after=lines[-1].owner)
    by_owner = {line.owner: (line.available, line.frozen, line.counted) for line in lines}
    assert by_owner == {
        "customer:c1": (300, 200, 500),
        "customer:c2": (300, 0, 300),
        "customer:c3": (0, 0, 0),
        "customer:c9": (-20, 0, 0),
        "unallocated": (40, 0, 40),
    }
    with world.core.connection() as connection:
        text = "".join(requirement.requirement_csv(connection, world.book, EURO, before=test.sequence))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["counted"] for row in rows] == ["5.00", "3.00", "0.00", "0.00", "0.40"]
    assert rows[3]["balance"] == "-0.20"


def test_the_position_follows_what_the_bank_told_since_its_last_statement(world):
    """On Tuesday 100 arrive (announced), 40 go out (confirmed), and the bank takes a charge of 3 of its own."""
    world.receive(MONDAY, 1_000, "R1")
    world.statement(MONDAY, [Told(1_000, "R1")])
    world.statement(MONDAY, [], BETA)
    close(world)
    days.open_day(world.core, TUESDAY)
    world.receive(TUESDAY, 100, "R2")
    world.advise(TUESDAY, 100, "R2")
    world.pay(TUESDAY, 40, "E1")
    world.advise(TUESDAY, -3, "R9")
    found = ask(world, position.live_position)
    [euro] = found.currencies
    assert (euro.requirement, euro.resource, euro.shortfall, euro.cashbook) == (1_060, 1_057, 3, 1_060)
    assert euro.cover_per_million == 997_169
    alpha = next(each for each in euro.accounts if each.name == CLIENT)
    assert (alpha.statement_day, alpha.closing, alpha.announced, alpha.paid) == (MONDAY, 1_000, 97, -40)

    world.statement(TUESDAY, [Told(100, "R2"), Told(-40, "R3", "E1"), Told(-40, "R4", "E1"), Told(-3, "R9")])
    [euro] = ask(world, position.live_position).currencies
    assert (euro.resource, euro.shortfall) == (1_017, 43)
    runs.reconcile(world.core, CLIENT, TUESDAY)
    [euro] = ask(world, position.live_position).currencies
    assert (euro.resource, euro.shortfall) == (1_017, 43)


def test_the_position_says_what_is_late_and_how_old_the_oldest_discrepancy_is(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [])
    world.statement(MONDAY, [], BETA)
    close(world)
    days.open_day(world.core, TUESDAY)
    world.statement(TUESDAY, [], BETA)
    found = ask(world, position.live_position)
    assert (found.day, found.discrepancies, found.oldest_discrepancy_days) == (TUESDAY, 1, 1)
    [missing] = found.missing_statements
    assert (missing.account_name, missing.due_at) == (CLIENT, datetime(2026, 3, 4, 8, tzinfo=UTC))
    assert not missing.is_late(datetime(2026, 3, 4, 8, tzinfo=UTC))
    assert missing.is_late(datetime(2026, 3, 4, 9, tzinfo=UTC))
    told = found.as_json()
    assert (told["shortfall"], told["discrepancies"], told["missing_statements"][0]["account"]) == ("1.00", 1, CLIENT)


def test_a_book_in_which_nothing_is_open_has_a_position(world):
    days.close_day(world.core, MONDAY, {}, world.core.clock())
    found = ask(world, position.live_position, calendar=calendar_of("cn-reserve"))
    assert (found.day, found.statements, found.oldest_discrepancy_days) == (None, (), None)
    assert found.currencies[0].cover_per_million is None
    assert found.as_json()["requirement"] == "0.00"


@pytest.mark.parametrize("role", ["core", "gateway", "notary", "reader", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE safeguarding.test SET resource = requirement",
        "DELETE FROM safeguarding.test",
        "INSERT INTO safeguarding.test (book_id) VALUES (1)",
    ],
)
def test_nobody_writes_a_test_by_hand(database, role, statement):
    with pytest.raises(psycopg.Error) as refused:
        database.connect(role).execute(statement)
    assert refused.value.sqlstate in {"42501", "25006"}
