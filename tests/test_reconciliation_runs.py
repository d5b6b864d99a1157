"""The cashbook against the bank on a real PostgreSQL: every rest is found, named, proven, and closes by itself."""

import json

import psycopg
import pytest
from psycopg.types.json import Jsonb

from reconciliation_world import CLIENT, MONDAY, TUESDAY, WEDNESDAY, Told, small_world
from ringfence.custody import days
from ringfence.database.refusals import refusing
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import Kind
from ringfence.reconciliation import discrepancies, master, runs
from ringfence.reconciliation.calendar import calendar_of
from ringfence.reconciliation.queries import QUERIES
from ringfence.refusal import Refused

EURO = calendar_of("eu-psd2")
REASON = "the bank confirmed its mistake by telephone"


@pytest.fixture
def world(database):
    with small_world(database) as found:
        yield found


def reconcile(world, day=MONDAY, account=CLIENT):
    world.wait(seconds=1)
    return runs.reconcile(world.core, account, day)


def listed(world, state="open", **more):
    with world.core.connection() as connection:
        return discrepancies.discrepancies(connection, world.book, state=state, **more)


def found(world, state="open"):
    return sorted((each.kind, each.difference) for each in listed(world, state))


def said(world, code):
    with world.core.connection() as connection:
        return [event.said for event in reading.events(connection, world.book, code)]


def test_a_day_on_which_all_agree_has_no_discrepancy(world):
    """500.00 in by the bank's reference, 120.00 out by our end-to-end id: two matches, nothing left."""
    world.receive(MONDAY, 500_00, "R1")
    world.pay(MONDAY, 120_00, "E1")
    world.statement(MONDAY, [Told(500_00, "R1"), Told(-120_00, "R2", "E1")])
    run = reconcile(world)
    assert (run.matched, run.matched_in, run.matched_out) == (2, 500_00, 120_00)
    assert (run.discrepancies, run.cashbook_closing, run.bank_closing) == (0, 380_00, 380_00)
    [event] = said(world, EventName.RECONCILIATION_CLOSED)
    assert event["matched"] == {"count": 2, "in": "500.00", "out": "120.00"}
    assert event["fingerprint"] == run.fingerprint


def test_an_unrecorded_receipt_is_missing_in_the_books(world):
    """The worked figures: 700 against 720, an unrecorded receipt of 20."""
    world.receive(MONDAY, 700, "R1")
    world.statement(MONDAY, [Told(700, "R1"), Told(20, "R2")])
    run = reconcile(world)
    assert run.difference == 20
    assert found(world) == [("missing_in_books", 20)]


def test_every_rest_is_a_discrepancy_of_its_own_kind_and_the_proof_holds(world):
    world.receive(MONDAY, 100, "R1")
    world.receive(MONDAY, 200, "R2")
    world.receive(MONDAY, 300, "R3")
    world.receive(MONDAY, 400, None)
    told = [Told(100, "R1"), Told(100, "R1"), Told(250, "R2"), Told(17, "R9")]
    world.statement(MONDAY, told, opening=1_000)
    run = reconcile(world)
    assert found(world) == [
        ("amount_differs", 50),
        ("balance_differs", 1_000),
        ("duplicate_at_bank", 100),
        ("missing_at_bank", -400),
        ("missing_at_bank", -300),
        ("missing_in_books", 17),
    ]
    assert run.bank_closing == run.cashbook_closing + sum(each.difference for each in listed(world))
    assert len(said(world, EventName.DISCREPANCY_OPENED)) == 6


def test_amount_and_date_alone_match_nothing_and_only_suggest(world):
    """The same 300 on the same day, under two keys: two discrepancies, each naming the other as a guess."""
    world.receive(MONDAY, 300, "R1")
    world.statement(MONDAY, [Told(300, "R7")])
    assert reconcile(world).matched == 0
    assert found(world) == [("missing_at_bank", -300), ("missing_in_books", 300)]
    one, other = listed(world)
    guesses = discrepancies.suggestions([one, other])
    assert guesses[one.discrepancy_id].reason == "same_amount_near_date"
    assert guesses[one.discrepancy_id].others == (other.discrepancy_id,)
    assert guesses[other.discrepancy_id].others == (one.discrepancy_id,)


def test_a_key_in_the_other_direction_matches_nothing(world):
    """A payment of 50 and its return carry one end-to-end id; each finds its own half."""
    world.receive(MONDAY, 100, "R1")
    world.pay(MONDAY, 50, "E1")
    world.move(MONDAY, CLIENT, "customer:c1:available", 50, key=("bank_reference", "R3"))
    world.statement(MONDAY, [Told(100, "R1"), Told(-50, "R2", "E1"), Told(50, "R3", "E1")])
    run = reconcile(world)
    assert (run.matched, run.discrepancies) == (3, 0)


def test_a_payment_and_its_fee_under_one_reference_are_told_apart(world):
    """A bank gives one reference to a receipt and the fee it takes for it: the fee is a receipt of nobody's."""
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [Told(100, "R1"), Told(-2, "R1"), Told(3, "R1")])
    assert reconcile(world).matched == 1
    assert found(world) == [("missing_in_books", -2), ("missing_in_books", 3)]


def test_a_key_with_several_other_amounts_is_not_guessed(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [Told(90, "R1"), Told(80, "R1")])
    reconcile(world)
    assert found(world) == [("missing_at_bank", -100), ("missing_in_books", 80), ("missing_in_books", 90)]
    at_bank, *_ = [each for each in listed(world) if each.kind == "missing_at_bank"]
    assert discrepancies.suggestions(listed(world))[at_bank.discrepancy_id].reason == "same_key"


def test_the_same_day_again_changes_nothing(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [Told(90, "R1"), Told(5, "R5")])
    first = reconcile(world)
    head = world.head()
    assert reconcile(world) == first
    assert world.head() == head


def test_new_movements_of_the_same_day_are_another_run(world):
    """The receipt that was missing is booked as unallocated; the discrepancy closes by itself."""
    world.receive(MONDAY, 700, "R1")
    world.statement(MONDAY, [Told(700, "R1"), Told(20, "R2")])
    reconcile(world)
    world.move(MONDAY, CLIENT, "unallocated:alpha:client", 20, key=("bank_reference", "R2"))
    run = reconcile(world)
    assert (run.number, run.matched, run.closed, run.discrepancies) == (2, 1, 1, 0)
    [closed] = listed(world, "closed")
    assert (closed.kind, closed.closed_because, closed.closed_day) == ("missing_in_books", "matched", MONDAY)
    [event] = said(world, EventName.DISCREPANCY_CLOSED)
    assert event["discrepancy"] == str(closed.discrepancy_id)


def test_a_movement_closes_when_the_bank_shows_it_days_later(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [])
    run = reconcile(world)
    assert run.verified_empty
    assert found(world) == [("missing_at_bank", -100)]
    [before] = listed(world)
    world.statement(TUESDAY, [])
    reconcile(world, TUESDAY)
    assert [each.discrepancy_id for each in listed(world)] == [before.discrepancy_id]
    assert before.age(WEDNESDAY, EURO) == 2
    world.statement(WEDNESDAY, [Told(100, "R1")])
    assert reconcile(world, WEDNESDAY).matched == 1
    assert found(world) == []
    [closed] = listed(world, "closed")
    assert closed.age(TUESDAY.replace(month=5), EURO) == 2


def test_a_discrepancy_that_changes_its_kind_keeps_its_age(world):
    """Missing on Monday; on Tuesday the bank has it with another amount; on Wednesday it corrects itself."""
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [])
    reconcile(world)
    world.statement(TUESDAY, [Told(90, "R1")])
    reconcile(world, TUESDAY)
    [differs] = listed(world)
    assert (differs.kind, differs.difference, differs.since) == ("amount_differs", -10, MONDAY)
    [closed] = listed(world, "closed")
    assert closed.closed_because == "became_amount_differs"
    world.statement(WEDNESDAY, [Told(-90, "R1", reversal=True), Told(100, "R1")])
    run = reconcile(world, WEDNESDAY)
    assert (run.matched, run.contra, run.discrepancies) == (1, 1, 0)


def test_a_discrepancy_that_comes_again_is_another_occurrence(world):
    """Missing, then there with another amount, then reversed by the bank: missing once more."""
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [])
    reconcile(world)
    world.statement(TUESDAY, [Told(90, "R1")])
    reconcile(world, TUESDAY)
    world.statement(WEDNESDAY, [Told(-90, "R1", reversal=True)])
    reconcile(world, WEDNESDAY)
    [again] = listed(world)
    assert (again.kind, again.since) == ("missing_at_bank", MONDAY)
    assert len(listed(world, "closed")) == 2
    assert len({each.discrepancy_id for each in listed(world, None)}) == 3


def test_a_correction_and_a_reversal_undo_each_other_within_their_side(world):
    world.receive(MONDAY, 900, "R0")
    wrong = world.receive(MONDAY, 100, "R1")
    world.move(MONDAY, "customer:c1:available", CLIENT, 100, kind=Kind.CORRECTION, refers_to=wrong)
    world.statement(MONDAY, [Told(900, "R0"), Told(-55, "R8"), Told(55, "R8", reversal=True)])
    run = reconcile(world)
    assert (run.matched, run.contra, run.discrepancies) == (1, 2, 0)
    world.statement(TUESDAY, [])
    assert reconcile(world, TUESDAY).discrepancies == 0


def test_a_reversal_of_what_we_have_is_missing_in_the_books(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [Told(100, "R1")])
    reconcile(world)
    world.statement(TUESDAY, [Told(-100, "R1", reversal=True)])
    reconcile(world, TUESDAY)
    assert found(world) == [("missing_in_books", -100)]


def test_a_day_without_its_statement_is_refused(world):
    world.receive(MONDAY, 100, "R1")
    with pytest.raises(Refused, match="statement_of_the_day_is_missing"):
        reconcile(world)
    world.statement(MONDAY, [Told(100, "R1")])
    reconcile(world)
    head = world.head()
    with pytest.raises(Refused, match="statement_of_the_day_is_missing"):
        reconcile(world, TUESDAY)
    assert world.head() == head


def test_an_earlier_day_is_answered_as_it_was_or_refused(world):
    world.receive(TUESDAY, 100, "R1")
    world.statement(MONDAY, [])
    world.statement(TUESDAY, [Told(100, "R1")])
    reconcile(world, TUESDAY)
    with pytest.raises(Refused, match="later_day_is_reconciled"):
        reconcile(world, MONDAY)


def test_movements_of_a_later_day_wait_for_it(world):
    world.receive(MONDAY, 100, "R1")
    world.receive(TUESDAY, 40, "R2")
    world.receive(MONDAY, 7, "R3")
    world.statement(MONDAY, [Told(100, "R1"), Told(7, "R3")])
    monday = reconcile(world)
    assert (monday.matched, monday.cashbook_closing, monday.discrepancies) == (2, 107, 0)
    world.statement(TUESDAY, [Told(40, "R2")])
    tuesday = reconcile(world, TUESDAY)
    assert (tuesday.matched, tuesday.cashbook_closing, tuesday.discrepancies) == (1, 147, 0)


def test_a_closed_day_takes_nothing_more(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [Told(100, "R1")])
    days.close_day(world.core, MONDAY, {}, world.core.clock())
    world.receive(MONDAY, 5, "R2")
    assert reconcile(world).cashbook_closing == 100


def test_a_named_person_accepts_with_a_reason_and_the_proof_still_holds(world):
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [])
    reconcile(world)
    [one] = listed(world)
    for person, reason in (("", REASON), ("tina", "ok"), (" ", REASON), ("tina", " " * 20)):
        with pytest.raises(Refused, match="acceptance_needs_a_person_and_a_reason"):
            discrepancies.accept(world.core, world.vault, one.discrepancy_id, person=person, reason=reason)
    accepted = discrepancies.accept(world.core, world.vault, one.discrepancy_id, person="tina", reason=REASON)
    assert accepted.state == "accepted"
    head = world.head()
    assert discrepancies.accept(world.core, world.vault, one.discrepancy_id, person="tina", reason=REASON) == accepted
    assert world.head() == head
    with pytest.raises(Refused, match="discrepancy_is_not_open"):
        discrepancies.accept(world.core, world.vault, one.discrepancy_id, person="adam", reason=REASON)
    [event] = said(world, EventName.DISCREPANCY_CLOSED)
    assert event["person"] == "tina"
    assert REASON not in json.dumps(event)

    world.statement(TUESDAY, [])
    run = reconcile(world, TUESDAY)
    assert (run.discrepancies, run.accepted, run.missing_at_bank_difference) == (1, 1, -100)
    assert found(world) == []
    world.statement(WEDNESDAY, [Told(100, "R1")])
    assert reconcile(world, WEDNESDAY).discrepancies == 0
    [closed] = listed(world, "closed")
    assert (closed.accepted_by, closed.closed_because) == ("tina", "matched")


def test_a_difference_that_nothing_explains_is_one_discrepancy_until_it_is_gone(world):
    """The bank's account had 1,000 in it before the book began. Another amount would be another discrepancy."""
    world.statement(MONDAY, [], opening=1_000)
    reconcile(world)
    world.statement(TUESDAY, [])
    reconcile(world, TUESDAY)
    [one] = listed(world)
    assert (one.kind, one.difference, one.since) == ("balance_differs", 1_000, MONDAY)


def test_a_run_that_could_not_be_written_is_written_once_by_the_next_attempt(world):
    """The matches are in, then the append is refused (the machine's clock went back): no run, no discrepancy. The next
    attempt counts those matches as its own.
    """
    world.receive(MONDAY, 100, "R1")
    world.statement(MONDAY, [Told(100, "R1"), Told(5, "R5")])
    head = world.head()
    world.wait(hours=-2)
    with pytest.raises(Refused, match="clock_must_not_go_back"):
        reconcile(world)
    assert (world.head(), listed(world, None)) == (head, [])
    world.wait(hours=2)
    run = reconcile(world)
    assert (run.number, run.matched, run.missing_in_books) == (1, 1, 1)


def test_two_accounts_are_reconciled_apart_and_a_wrong_account_is_suggested(database):
    other = "bank:beta:client"
    with small_world(database, [CLIENT, other]) as world:
        world.receive(MONDAY, 100, "R1")
        world.statement(MONDAY, [])
        world.statement(MONDAY, [Told(100, "R1")], other)
        reconcile(world)
        reconcile(world, account=other)
        found_ = listed(world)
        assert {(each.account_name, each.kind) for each in found_} == {
            (CLIENT, "missing_at_bank"),
            (other, "missing_in_books"),
        }
        guesses = discrepancies.suggestions(found_)
        assert {each.reason for each in guesses.values()} == {"same_key_at_other_account"}


def test_a_receipt_that_is_announced_for_tomorrow_says_so(world):
    world.receive(MONDAY, 100, "R1")
    world.advise(TUESDAY, 100, "R1")
    world.statement(MONDAY, [])
    reconcile(world)
    with world.core.connection() as connection:
        announced = discrepancies.advised(connection, world.book)
    [one] = listed(world)
    assert discrepancies.suggestions([one], announced)[one.discrepancy_id].on == TUESDAY


def test_a_statement_shows_what_became_of_each_entry(world):
    world.receive(MONDAY, 100, "R1")
    name = world.statement(MONDAY, [Told(100, "R1"), Told(5, "R5"), Told(-9, "R9"), Told(9, "R9", reversal=True)])
    reconcile(world)
    with world.core.connection() as connection:
        items = discrepancies.statement_items(connection, world.book, CLIENT, name)
    became = {each.amount: each.matched_by or each.kind or bool(each.counter_key) for each in items}
    assert became == {100: "bank_reference", 5: "missing_in_books", -9: True, 9: True}


def test_pages_of_discrepancies_follow_one_another(world):
    world.statement(MONDAY, [Told(each, f"R{each}") for each in range(1, 8)])
    reconcile(world)
    first = listed(world, limit=4)
    rest = listed(world, after=(first[-1].since, first[-1].discrepancy_id), limit=4)
    assert len(first + rest) == len({each.discrepancy_id for each in first + rest}) == 7
    with world.core.connection() as connection:
        [count] = discrepancies.open_counts(connection, world.book)
    assert (count.items, count.difference, count.since) == (7, 28, MONDAY)


def test_the_master_is_the_sum_of_its_parts(world):
    world.receive(MONDAY, 700, "R1")
    world.move(MONDAY, CLIENT, "unallocated:alpha:client", 20)
    world.move(MONDAY, "customer:c1:available", "fees:due:EUR", 5)
    world.move(MONDAY, CLIENT, "platform:funding:EUR", 50)
    with world.core.connection() as connection:
        [held] = master.masters(connection, world.book, fresh=True)
    assert (held.master, held.sub_accounts, held.funding, held.holds) == (770, 720, 50, True)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO reconciliation.match VALUES (1, 'bank:alpha:client', 9, 'k', 'bank_reference', 1)",
        "UPDATE reconciliation.discrepancy SET closed_at = now()",
        "DELETE FROM reconciliation.discrepancy",
        "DELETE FROM reconciliation.match",
        "UPDATE reconciliation.run SET bank_closing = 0",
    ],
)
@pytest.mark.parametrize("role", ["core", "gateway", "notary", "reader", "auditor"])
def test_nobody_writes_a_reconciliation_by_hand(database, role, statement):
    connection = database.connect(role)
    with pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)
    assert refused.value.sqlstate in {"42501", "25006"}


def test_the_database_refuses_a_run_that_does_not_prove(world):
    world.statement(MONDAY, [])
    run = reconcile(world)
    false = runs._row(world.book, run) | {"number": 2, "bank_closing": 1, "balance_differs_difference": 1}
    with (
        pytest.raises(Refused, match="reconciliation_does_not_prove"),
        refusing(),
        world.core.connection() as connection,
    ):
        connection.execute(QUERIES.close_run, {"row": Jsonb(false)})
