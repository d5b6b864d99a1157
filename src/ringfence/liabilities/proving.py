"""Publishing the tree of a closed day: one straight path, and what it refuses.

  1  the day is closed and tested, and the notary has signed DAY_CLOSED and all before it; else there is nothing to do
  2  some hundred holders at a time: their balances at the cut-off of the test, from the ledger's entries; a nonce for
     each from the holder's secret in the vault, made and kept first where it is missing; the leaf. Between two of these
     pieces the desk pauses, because others want the processor. A crash leaves secrets that the next attempt uses
  3  all leaves ascending by id
  4  the tree, the root
  5  total, negatives, unallocated and number of holders are those of the safeguarding test, else
     `liabilities_differ_from_requirement`: it is noted as an alarm, and nothing is published
  6  one append: LIABILITIES_PROVEN, and the leaves (id, amount, hash; no nonce)

The event's id follows from book, day and currency, so that a tree is published once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.evidence.reading import SignedCheckpoint, last_signed
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.liabilities.queries import QUERIES
from ringfence.liabilities.reading import LEAF_BYTES
from ringfence.liabilities.refusals import LIABILITIES_DIFFER_FROM_REQUIREMENT
from ringfence.liabilities.saying import FORMAT, spell
from ringfence.liabilities.settings import Proving
from ringfence.liabilities.tree import Gathering, Grown, Leaf, identity, nonce
from ringfence.money import currency, parse_minor
from ringfence.reconciliation.runs import runs
from ringfence.refusal import Refused
from ringfence.safeguarding.assessment import SafeguardingTest, history, told
from ringfence.safeguarding.requirement import requirement_at
from ringfence.vault.fields import LIABILITY_SECRET
from ringfence.vault.keeping import BOOK, Vault
from ringfence.vault.refusals import OWNER_WAS_ERASED

SECRET_BYTES: Final = 32
PART_LEAVES: Final = 65_536
TREES_A_ROUND: Final = 4
PIECE_HOLDERS: Final = 200  # some 20 ms, or 200 where all are new and get a secret
AGAIN_AFTER: Final = timedelta(seconds=60)  # a tree that was refused is tried again then


def no_pause() -> None:
    """Between two pieces of work where nobody else waits."""


@dataclass(frozen=True)
class Desk:
    """What proving liabilities holds: the core, the vault with the secrets, what the installation wants, and what it
    does between two pieces of a tree; `pause` may raise to end the work.
    """

    core: Core
    vault: Vault
    proving: Proving
    pause: Callable[[], None] = no_pause


@dataclass(frozen=True)
class _Day:
    """A closed day as it can be proven: the test that DAY_CLOSED rests on, the rows of both, a checkpoint over them.
    `statements` are ready to be said.
    """

    test: SafeguardingTest
    tested: int
    closed: int
    checkpoint: SignedCheckpoint
    statements: Sequence[Mapping[str, Any]]
    unallocated: int


@dataclass(frozen=True)
class _Tree:
    """The tree of a day, its leaves as they are kept (id, amount, hash: 72 bytes each), and who owes."""

    grown: Grown
    content: bytes
    negative_count: int
    negative_total: int


def prove_all(desk: Desk) -> int:
    """Publish what can be published; for the core's rounds. What is refused is noted, for people to see."""
    core, book, done = desk.core, desk.core.book.book_id, 0
    since = core.clock() - AGAIN_AFTER
    with core.connection() as connection:
        asked = {"book": book, "limit": TREES_A_ROUND, "since": since}
        waiting = connection.execute(QUERIES.to_prove, asked).fetchall()
    for day, unit in waiting:
        try:
            done += prove(desk, day, unit)
        except Refused as refused:
            facts = Jsonb({name: str(value) for name, value in refused.facts.items()})
            noted = {"book": book, "day": day, "currency": unit, "name": refused.name, "facts": facts}
            with core.connection() as connection:
                connection.execute(QUERIES.refuse, noted | {"at": core.clock()})
    return done


def prove(desk: Desk, day: date, unit: str) -> bool:
    """Publish one tree; False while the notary has not signed the day's end. `liabilities_differ_from_requirement`."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        found = _read(core, connection, book, day, unit)
    if found is None:
        return False
    tree = tree_of(desk, day, unit, found.test.sequence)
    _require_tested(found, tree)
    event = Line(
        Kind.EVENT,
        event_id(book, day, unit),
        code=EventName.LIABILITIES_PROVEN,
        value_date=day,
        payload=_said(desk, found, tree),
    )
    named: dict[str, Any] = {"book": book, "event": event.id}
    also = [(QUERIES.prove, named)]
    for first in range(0, tree.grown.count, PART_LEAVES):
        content = tree.content[first * LEAF_BYTES : (first + PART_LEAVES) * LEAF_BYTES]
        also.append((QUERIES.keep_leaves, named | {"first": first, "content": content}))
    core.post(Unit([event], also))
    return True


def event_id(book: int, day: date, unit: str) -> UUID:
    return derived(UUID(int=book), f"{EventName.LIABILITIES_PROVEN.name} {day.isoformat()} {unit}")


def tree_of(desk: Desk, day: date, unit: str, before: int) -> _Tree:
    """The tree over what every holder has in a currency before a row, for a day. Who owes has 0 here, and takes nothing
    from others.
    """
    below: list[int] = []
    gathered = Gathering()
    for balances in _pieces(desk, unit, before):
        below += [balance for balance in balances.values() if balance < 0]
        secrets = secrets_of(desk, list(balances))
        for holder, balance in balances.items():
            whose = identity(desk.core.book.name, holder)
            gathered.add(Leaf(whose, max(balance, 0), nonce(secrets[holder], whose, day.isoformat(), unit)))
        desk.pause()
    grown, content = gathered.grown(desk.proving.mode)
    return _Tree(grown, content, len(below), sum(below))


def _pieces(desk: Desk, unit: str, before: int) -> Iterator[dict[str, int]]:
    """Every holder's balance before a row, some holders at a time."""
    after = ""
    while True:
        with desk.core.connection() as connection:
            found = _balances(connection, desk.core.book.book_id, unit, before, after=after, limit=PIECE_HOLDERS)
        if not found:
            return
        yield found
        after = next(reversed(found))


def balances_of(connection: Connection, book: int, unit: str, before: int, holder: str | None = None) -> dict[str, int]:
    """What every holder (or one) has in a currency before a row: all of it, frozen and held money included."""
    return _balances(connection, book, unit, before, holder)


def _balances(
    connection: Connection,
    book: int,
    unit: str,
    before: int,
    holder: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> dict[str, int]:
    question = {"book": book, "currency": unit, "before": before, "holder": holder, "after": after, "limit": limit}
    return dict(connection.execute(QUERIES.balances, question).fetchall())


# -- secrets ----------------------------------------------------------------------------------------------------------


def secrets_of(desk: Desk, holders: Sequence[str]) -> dict[str, bytes]:
    """The secret of each holder, made where there is none. Where a holder was erased the book's own stands in."""
    gone = erased_of(desk, holders)
    there = [holder for holder in holders if holder not in gone]
    found = _kept(desk.vault, there)
    if lacking := [holder for holder in there if holder not in found]:
        _make(desk, lacking)
        found |= _kept(desk.vault, lacking)
        gone |= set(lacking) - found.keys()  # meanwhile
    if gone:
        if not (books := _kept(desk.vault, [BOOK])):
            _make(desk, [BOOK])
            books = _kept(desk.vault, [BOOK])
        found |= dict.fromkeys(gone, books[BOOK])
    return found


def erased_of(desk: Desk, holders: Sequence[str]) -> set[str]:
    """Those of the holders who were erased."""
    asked = {"book": desk.core.book.book_id, "owners": list(holders)}
    with desk.core.connection() as connection:
        return {owner for (owner,) in connection.execute(QUERIES.erased_of, asked)}


def _kept(vault: Vault, holders: Sequence[str]) -> dict[str, bytes]:
    return {holder: bytes.fromhex(kept) for holder, kept in vault.open_all(LIABILITY_SECRET, holders).items()}


def _make(desk: Desk, holders: Sequence[str]) -> None:
    """A new secret for each, kept in transactions of their own. If somebody was faster, the one that is kept counts;
    who was erased gets none.
    """
    made = {holder: desk.vault.randomness(SECRET_BYTES).hex() for holder in holders}
    try:
        desk.vault.keep_each(LIABILITY_SECRET, made)
    except Refused as refused:
        if refused.refusal is not OWNER_WAS_ERASED:
            raise
        if len(holders) > 1:
            for holder in holders:
                _make(desk, [holder])


# -- pieces -----------------------------------------------------------------------------------------------------------


def _read(core: Core, connection: Connection, book: int, day: date, unit: str) -> _Day | None:
    signed = last_signed(connection, book)
    closing = derived(UUID(int=book), f"{EventName.DAY_CLOSED.name} {day.isoformat()}")
    closed = _rows(connection, book, [closing]).get(closing)
    if closed is None or signed is None or signed.size <= closed:
        return None
    tests = history(connection, book, day=day, currency=unit)
    rows = _rows(connection, book, [each.test_id for each in tests])
    test = next((each for each in tests if rows[each.test_id] < closed), None)
    if test is None:
        return None
    core.entries.follow(connection)
    owed = requirement_at(connection, book, unit, test.sequence).requirement
    return _Day(
        test=test,
        tested=rows[test.test_id],
        closed=closed,
        checkpoint=signed,
        statements=_statements(connection, book, test, closed),
        unallocated=owed.unallocated + test.unrecorded,
    )


def _statements(connection: Connection, book: int, test: SafeguardingTest, closed: int) -> list[dict[str, Any]]:
    """The bank's statements that the test rests on, each with the row of its reconciliation."""
    unit, found = currency(test.currency), []
    for each in sorted(told(connection, book, test)["accounts"], key=lambda said: str(said["account"])):
        known = runs(connection, book, account_name=each["account"], day=test.day)
        rows = _rows(connection, book, [run.run_id for run in known])
        before = max(row for row in rows.values() if row < closed)
        found.append(
            {
                "account": each["account"],
                "closing": str(parse_minor(each["bank"], unit)),
                "fingerprint": each["fingerprint"],
                "reconciliation": before,
                "statement": each["statement"],
            }
        )
    return found


def _rows(connection: Connection, book: int, ids: Sequence[UUID]) -> dict[UUID, int]:
    return dict(connection.execute(QUERIES.rows_of, {"book": book, "ids": list(ids)}).fetchall())


def _require_tested(found: _Day, tree: _Tree) -> None:
    test, grown = found.test, tree.grown
    differ = partial(LIABILITIES_DIFFER_FROM_REQUIREMENT, day=test.day, currency=test.currency)
    for figure, ours, tested in (
        ("count", grown.count, test.customers),
        ("total", grown.total, test.owed),
        ("negative_count", tree.negative_count, test.negative_customers),
        ("negative_total", tree.negative_total, test.negative),
        ("unallocated", found.unallocated, test.unallocated),
        ("requirement", grown.total + found.unallocated, test.requirement),
    ):
        if ours != tested:
            raise differ(figure=figure, found=ours, tested=tested)


def _said(desk: Desk, found: _Day, tree: _Tree) -> dict[str, Any]:
    test, grown = found.test, tree.grown
    return {
        "book": desk.core.book.name,
        "checkpoint": {"root": spell(found.checkpoint.root), "size": found.checkpoint.size},
        "closed": found.closed,
        "count": grown.count,
        "currency": test.currency,
        "cut_off": test.sequence,
        "day": test.day.isoformat(),
        "decimals": currency(test.currency).exponent,
        "format": FORMAT,
        "mode": str(grown.mode),
        "negative_count": tree.negative_count,
        "negative_total": str(tree.negative_total),
        "root": spell(grown.root),
        "safeguarding": {
            "difference": str(test.total.difference),
            "requirement": str(test.requirement),
            "resource": str(test.resource),
            "sequence": found.tested,
        },
        "statements": list(found.statements),
        "total": str(grown.total),
        "unallocated": str(found.unallocated),
    }
