"""Snapshots of balances: the same state comes back, damage is told, and the database keeps the newest."""

from datetime import UTC, date, datetime
from uuid import UUID

import numpy as np
import pytest

from ringfence.ledger import reading, snapshot
from ringfence.ledger.balances import Balances, add_account
from ringfence.ledger.model import Account, Kind, Line, batch
from ringfence.ledger.rules import apply
from ringfence.ledger.standing import ClosedPeriod, Guard, Limits, Monitor, Watched

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def book() -> Balances:
    """A bank, two customers, the platform; money, two holds (one of them released), and something of everything."""
    balances = Balances()
    for number, (name, side, owner, pool) in enumerate(
        [
            ("bank:main", "debit", "bank:main", "client"),
            ("client:爱丽丝", "credit", "customer:a", "client"),
            ("client:bob", "credit", "customer:b", "client"),
            ("platform:own", "credit", "platform", "own"),
        ],
        start=1,
    ):
        add_account(balances, Account(number, name, "EUR", side, None, None, owner, pool))
    at = int(NOON.timestamp() * 1_000_000)
    lines = [
        Line(Kind.TRANSFER, UUID(int=1), 1, 2, 5_000, value_date=DAY),
        Line(Kind.PENDING, UUID(int=2), 2, 1, 700, value_date=DAY, expires_at=datetime(2027, 1, 1, tzinfo=UTC)),
        Line(Kind.PENDING, UUID(int=3), 2, 3, 300, value_date=DAY),
        Line(Kind.VOID, UUID(int=4), 2, 1, 0, refers_to=UUID(int=2), value_date=DAY),
        Guard("client", (109,)).line(UUID(int=5), DAY),
        Monitor("alice is low", Watched(account=2), "available", 10_000, None).line(UUID(int=6), DAY),
        Limits(3, -(2**63), 2**63 - 1, UUID(int=99)).line(UUID(int=7), DAY),
        ClosedPeriod(date(2026, 3, 1), UUID(int=99)).line(UUID(int=8)),
    ]
    applied = apply(balances, batch([line] for line in lines), np.full(len(lines), at), {})
    assert not applied.results.any()
    assert len(applied.turns) == 1
    return balances


def same(one: Balances, other: Balances) -> bool:
    return snapshot.dump(one) == snapshot.dump(other)


def test_the_same_state_comes_back():
    before = book()
    after = snapshot.load(snapshot.dump(before))
    assert same(before, after)
    assert after.available(2) == 4_700
    assert after.numbers == before.numbers
    assert after.holds.get(UUID(int=3).bytes) == before.holds.get(UUID(int=3).bytes)
    assert after.monitors["alice is low"].on
    assert after.cover("client", "EUR").posted == before.cover("client", "EUR").posted == 0
    again = [Line(Kind.POST, UUID(int=20), 2, 3, 300, refers_to=UUID(int=3), value_date=DAY)]
    for balances in (before, after):
        assert not apply(balances, batch([again]), np.zeros(1, np.int64), {}).results.any()
    assert same(before, after)


def test_a_book_without_anything_comes_back():
    assert same(snapshot.load(snapshot.dump(Balances())), Balances())


def test_damage_at_any_byte_is_told():
    content = snapshot.dump(book())
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0x20
        with pytest.raises(snapshot.SnapshotIsDamaged):
            snapshot.load(bytes(damaged))
    for short in (b"", content[:10], content[:-1]):
        with pytest.raises(snapshot.SnapshotIsDamaged):
            snapshot.load(short)


def test_what_is_taken_does_not_follow_the_book():
    balances = book()
    taken, content = snapshot.take(balances), snapshot.dump(balances)
    apply(
        balances,
        batch([[Line(Kind.TRANSFER, UUID(int=30), 1, 2, 1, value_date=DAY)]]),
        np.zeros(1, np.int64),
        {},
    )
    assert snapshot.encode(taken) == content != snapshot.dump(balances)


def test_the_database_keeps_the_newest_and_passes_over_a_damaged_one(database):
    core = database.connect("core")
    core.autocommit = True
    number = reading.open_book(core, "demo", NOON).book_id
    content = snapshot.dump(book())
    assert snapshot.latest(core, number, 10) is None
    for sequence in (3, 6, 9):
        snapshot.keep(core, number, sequence, content)
    assert core.execute("SELECT DISTINCT sequence FROM ledger.snapshot ORDER BY 1").fetchall() == [(6,), (9,)]
    snapshot.keep(core, number, 12, content[:-1])
    found = snapshot.latest(core, number, 100)
    assert found is not None
    assert found[1] == 9
    assert same(found[0], book())
    assert snapshot.latest(core, number, 8) is None, "the older one was dropped, the newer are ahead of the book"
