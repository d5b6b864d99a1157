"""The notary signs nothing that lacks its authorisation, and no turn of a monitor but the one that happened."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from evidence_world import ALICE, BANK, MORNING, World, at, insert, moved, refusal_of, verdict_of
from ringfence.evidence.authorisation import ROW_LACKS_AUTHORISATION
from ringfence.evidence.export import export
from ringfence.evidence.keys import read_verifier
from ringfence.ledger.model import Kind, canonical
from ringfence.ledger.standing import ClosedPeriod, Guard, Limits, Monitor, Watched

TODAY = MORNING.date()
FIRST, SECOND, THIRD = (UUID(int=number) for number in (71, 72, 73))


@pytest.fixture
def world(database, tmp_path):
    found = World(database, tmp_path / "home")
    yield found
    found.close()


class People:
    """Who knows what people allowed; remembers what it was asked."""

    def __init__(self, *allowed):
        self.allowed = set(allowed)
        self.asked = []

    def __call__(self, connection, row):
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
        assert connection.execute("SELECT current_user").fetchone() == ("ringfence_notary",)
        seen = connection.execute("SELECT id FROM ledger.journal WHERE sequence = %s", [row.sequence]).fetchone()
        assert seen == (row.id,)
        self.asked.append((row.kind.name.lower(), row.sequence, row.proposal))
        if row.proposal not in self.allowed:
            raise ROW_LACKS_AUTHORISATION(sequence=row.sequence, proposal=row.proposal)


def limited(number, minimum, proposal):
    return Limits(ALICE, minimum, None, proposal).line(UUID(int=number), TODAY)


def closed(number, proposal, days=1):
    return ClosedPeriod(TODAY - timedelta(days=days), proposal).line(UUID(int=number))


def guarded(number, proposal=None, pool="client"):
    return Guard(pool, (7,), proposal).line(UUID(int=number), TODAY)


def watched(number, proposal=None, name="low", below=0):
    return Monitor(name, Watched(account=ALICE), "available", below, None, proposal).line(UUID(int=number), TODAY)


def test_limits_and_closed_periods_are_signed_only_if_people_allowed_them(world):
    """
    limit   alice, a proposal that nobody approved    -> not signed, an alarm, and nothing after it is signed
    approve                                           -> signed, all of it
    """
    world.open_accounts()
    people = People()
    notary = world.notary(authorised=people)
    notary.step(at(0))
    world.append(1, [moved(100, BANK, ALICE, 5)], [limited(101, -5, FIRST)], [closed(102, SECOND)])
    for _ in range(2):
        refused = refusal_of(notary.step, at(2))
        assert (refused.name, dict(refused.facts)) == (
            "row_lacks_authorisation", {"sequence": 4, "proposal": FIRST},
        )  # fmt: skip
    assert world.signed().size == 3
    assert world.alarms() == [("row_lacks_authorisation", {"sequence": 4, "proposal": str(FIRST)})]
    people.allowed = {FIRST}
    assert refusal_of(notary.step, at(3)).facts["sequence"] == 5
    people.allowed = {FIRST, SECOND}
    assert notary.step(at(4)).size == 6
    assert people.asked[-2:] == [("account_limited", 4, FIRST), ("period_closed", 5, SECOND)]
    with_time = replace(moved(103, ALICE, BANK, 10), value_date=TODAY)
    world.append(5, [with_time])
    assert notary.step(at(5)).size == 7


def test_a_notary_that_knows_nobody_to_ask_signs_no_such_row(world):
    world.open_accounts()
    world.append(1, [guarded(100)], [watched(101)])
    notary = world.notary()
    assert notary.step(at(1)).size == 5
    world.append(2, [closed(102, FIRST)])
    assert refusal_of(notary.step, at(3)).name == "row_lacks_authorisation"


def test_a_guard_and_a_monitor_need_leave_when_they_replace_one_or_claim_it(world):
    """Whether what they replace stands in the same block, was signed before, or is known from a snapshot."""
    world.open_accounts()
    people = People(FIRST, SECOND, THIRD)
    notary = world.notary(authorised=people, snapshot_rows=1)
    world.append(
        1, [guarded(100)], [watched(101)], [guarded(102, pool="own")], [guarded(103, FIRST)], [watched(104, SECOND)]
    )
    world.append(1, [watched(105, THIRD, name="new")])
    notary.step(at(2))
    assert people.asked == [
        ("pool_guarded", 6, FIRST), ("monitor_set", 7, SECOND), ("monitor_set", 8, THIRD),
    ]  # fmt: skip
    world.leave(notary)
    people.allowed, people.asked = {FIRST}, []
    notary = world.notary(authorised=people)
    world.append(3, [guarded(106, FIRST)])
    notary.step(at(3))
    assert people.asked == [("pool_guarded", 9, FIRST)]
    world.append(4, [watched(107)])
    refused = refusal_of(notary.step, at(4))
    assert (refused.name, dict(refused.facts)) == ("row_lacks_authorisation", {"sequence": 10, "proposal": None})


def test_rows_that_were_signed_are_not_asked_for_again(world):
    world.open_accounts()
    world.append(1, [limited(100, 0, FIRST)])
    notary = world.notary(authorised=People(FIRST))
    notary.step(at(1))
    world.leave(notary)
    nobody = People()
    assert world.notary(authorised=nobody).open(at(2)).size == 4
    assert nobody.asked == []


PAYLOADS = {
    9: {"account": ALICE, "maximum": None, "minimum": "0", "proposal": str(FIRST)},
    10: {"proposal": str(FIRST), "through": "2026-01-04"},
    11: {"codes": [7], "pool": "client", "proposal": str(FIRST)},
    12: {"above": None, "below": "0", "measure": "held", "monitor": "m", "proposal": str(FIRST),
         "watch": {"account": ALICE}},
}  # fmt: skip
EMPTY = {"debit_account": 0, "credit_account": 0, "amount": 0}


def standing_row(kind, **changed):
    row = {**EMPTY, "kind": kind, "payload": canonical(PAYLOADS[kind])}
    row |= {"debit_account": ALICE} if kind == Kind.ACCOUNT_LIMITED else {}
    row |= {"value_date": "2026-01-04"} if kind == Kind.PERIOD_CLOSED else {}
    return {**row, **changed}


@pytest.mark.parametrize("kind", [9, 10, 11, 12])
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({}, None),
        ({"credit_account": BANK}, "credit_account"),
        ({"amount": 1}, "amount"),
        ({"refers_to": UUID(int=5)}, "refers_to"),
        ({"expires_at": at(60)}, "expires_at"),
        ({"debit_account": BANK}, "debit_account"),
        ({"payload": b""}, "payload"),
        ({"payload": None}, "payload"),
        ({"payload": b'{"a": 1}'}, "payload"),
    ],
)
def test_a_row_that_stands_over_the_book_fills_no_column_but_its_own(world, kind, changed, field):
    """Put in by hand. On an account's limits the debit account is the account, so another breaks the rules instead."""
    world.open_accounts()
    notary = world.notary(authorised=People(FIRST))
    notary.step(at(0))
    insert(world, standing_row(kind, **changed))
    if field is None:
        assert notary.step(at(31)).size == 4
        return
    refused = refusal_of(notary.step, at(31))
    if kind == Kind.ACCOUNT_LIMITED and field == "debit_account":
        assert (refused.name, refused.facts["rule"]) == ("row_breaks_rule", "payload_must_be_valid")
    else:
        assert (refused.name, refused.facts["sequence"], refused.facts["field"]) == ("row_is_malformed", 3, field)


# Turns


def turned(on, value, **changed):
    payload = canonical({"monitor": "low", "on": on, "value": str(value)})
    return {**EMPTY, "kind": 13, "payload": payload, **changed}


PAID = {"debit_account": ALICE, "credit_account": BANK, "amount": 5, "posted_at": at(30)}
DEPOSIT = {**PAID, "debit_account": BANK, "credit_account": ALICE}
MISSING = "monitor_turn_must_be_journaled"


@pytest.mark.parametrize(
    ("rows", "sequence"),
    [
        ([PAID, turned(on=True, value=5)], None),
        ([PAID, turned(on=True, value=5), DEPOSIT, turned(on=False, value=10)], None),
        ([PAID], 6),  # missing at the end: it belongs where the journal ends
        ([PAID, DEPOSIT], 6),
        ([PAID, DEPOSIT, turned(on=True, value=5)], 6),
        ([turned(on=True, value=5), PAID], 5),
        ([PAID, turned(on=True, value=5), turned(on=True, value=5)], 7),
        ([PAID, turned(on=True, value=4)], 6),
        ([PAID, turned(on=False, value=5)], 6),
        ([PAID, turned(on=True, value=5, value_date="2026-01-06")], 6),
        ([PAID, turned(on=True, value=5, amount=1)], 6),
        ([PAID, turned(on=True, value=5, debit_account=ALICE)], 6),
        ([PAID, turned(on=True, value=5, code=7)], 6),
        ([PAID, turned(on=True, value=5, order_id=UUID(int=5))], 6),
        ([{**PAID, "flags": 1}, turned(on=True, value=5), DEPOSIT], 6),
    ],
)
@pytest.mark.parametrize("block_rows", [1, 100])
def test_a_turn_stands_where_the_monitor_turned_and_nowhere_else(world, rows, sequence, block_rows):
    """Put in by hand behind a deposit of 10 and a monitor below 10; whatever the size of the notary's blocks."""
    world.open_accounts()
    world.append(1, [moved(100, BANK, ALICE, 10)], [watched(101, below=10)])
    notary = world.notary(block_rows=block_rows)
    drive(notary, at(2))
    insert(world, *rows)
    if sequence is None:
        while notary.step(at(31)):
            assert notary.checkpoint.size != 6  # between a payment and its turn nothing is signed
        assert notary.checkpoint.size == 5 + len(rows)
        return
    refused = refusal_of(drive, notary, at(31))
    assert (refused.name, refused.facts["rule"], refused.facts["sequence"]) == ("row_breaks_rule", MISSING, sequence)
    assert notary.checkpoint.size <= sequence


def drive(notary, minute):
    while notary.step(minute):
        pass


def test_a_book_of_all_kinds_is_signed_exported_and_verified(world, tmp_path):
    """The journal itself writes the turns; the notary's blocks are small, and a start is in between."""
    world.open_accounts()
    people = People(FIRST, SECOND, THIRD)
    world.append(1, [moved(100, BANK, ALICE, 100)], [limited(101, -50, FIRST)], [closed(102, SECOND)])
    world.append(2, [guarded(103)], [watched(104, below=50)], [guarded(105, THIRD)])
    today = [replace(moved(110 + index, ALICE, BANK, 30), value_date=TODAY) for index in range(4)]
    back = [replace(moved(120 + index, BANK, ALICE, 30), value_date=TODAY) for index in range(4)]
    for minute, (one, other) in enumerate(zip(today, back, strict=True), 3):
        world.append(minute, [one, replace(one, id=UUID(int=one.id.int + 100))])
        world.append(minute, [other, replace(other, id=UUID(int=other.id.int + 100))])
    world.append(9, [replace(moved(130, ALICE, BANK, 10, Kind.PENDING), value_date=TODAY)])
    world.append(9, [replace(moved(131, ALICE, BANK, 10, Kind.POST, 130), value_date=TODAY)])
    notary = world.notary(authorised=people, block_rows=3, snapshot_rows=5)
    for _ in range(4):
        notary.step(at(10))
    world.leave(notary)
    notary = world.notary(authorised=people, block_rows=3)
    drive(notary, at(11))
    with world.database.connect("reader") as reader:
        head, turns = reader.execute(
            "SELECT count(*), count(*) FILTER (WHERE kind = 13) FROM ledger.journal"
        ).fetchone()
    assert turns == 8
    assert notary.checkpoint.size == head
    key = read_verifier(world.log)
    export(tmp_path / "export", world.log, key, [UUID(int=104)])
    verdict = verdict_of(tmp_path / "export", key)
    assert verdict["valid"], verdict
    assert world.alarms() == []
