"""The entries: what each movement did to each of its two accounts, read from the journal a little later.

A projector takes the turn in the database (others wait, and find the work done), reads the next block of the journal in
columns, and writes in one transaction: two rows of `ledger.entry` a movement with the balances after it, the running
sums of those whose value date is another day than that of their posting (`ledger.shifted_entry`), what the totals
changed by (`ledger.total`), and how far all three now are (`ledger.projection`).

It begins anywhere and with nothing: what an account had before is what its last entry says. Between blocks it keeps
what it knows of accounts in arrays. It forgets what another projector has moved meanwhile, and everything when a
transaction fails.

  Entries   a projector; one that lives long is warm. Threads may share it.
  Follower  a thread that keeps the entries close behind the journal, for as long as a program runs
  Lag       how far behind they are
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from psycopg import sql
from psycopg.pq import TransactionStatus

from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger import snapshot
from ringfence.ledger.balances import Balances
from ringfence.ledger.encoding import COPY_HEADER, COPY_TRAILER
from ringfence.ledger.model import Kind
from ringfence.ledger.refusals import BOOK_MUST_EXIST

STEP_ROWS: Final = 65_536  # journal rows of one transaction at most
PAUSE_SECONDS: Final = 0.05  # after a step that reached the head
PAUSE_SECONDS_MAX: Final = 5.0  # after failures
HOLDS_MAX: Final = 1_000_000  # open holds whose amounts are kept; more are asked for when they are resolved
DAY_MICROSECONDS: Final = 86_400_000_000

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Columns = npt.NDArray[np.void]


class _Queries(NamedQueries):
    take_entries: Query
    advance_entries: Query
    lag: Query
    reached: Query
    copy_movements_out: Query
    copy_entries_in: Query
    copy_shifted_in: Query
    accounts_standing: Query
    shifts_standing: Query
    held_amounts: Query
    forget_entries: Query
    balance_by_value_date: Query
    totals: Query


QUERIES = load(_Queries, "ringfence.ledger", "sql/entries.sql")


def _layout(*columns: tuple[str, str]) -> np.dtype[np.void]:
    """Columns of PostgreSQL's binary COPY, none of them null: a count, then a length before each."""
    parts = [(part, kind) for name, each in columns for part, kind in ((f"{name} length", ">i4"), (name, each))]
    return np.dtype([("columns", ">i2"), *parts])


MOVEMENT: Final = _layout(
    ("sequence", ">i8"),
    ("kind", ">i2"),
    ("hold", "V16"),
    ("debit", ">i8"),
    ("credit", ">i8"),
    ("amount", ">i8"),
    ("value_date", ">i4"),
    ("posted_at", ">i8"),
)
ENTRY: Final = _layout(
    ("book", ">i4"),
    ("account", ">i8"),
    ("sequence", ">i8"),
    ("change", ">i8"),
    ("balance", ">i8"),
    ("held", ">i8"),
    ("expected", ">i8"),
)
SHIFTED: Final = _layout(
    ("book", ">i4"),
    ("account", ">i8"),
    ("shift", ">i4"),
    ("value_date", ">i4"),
    ("sequence", ">i8"),
    ("total", ">i8"),
)


@dataclass(frozen=True)
class Lag:
    """How far the entries are behind the journal: rows, and for how long (seconds) the first of them has waited."""

    reached: int
    rows: int
    seconds: float


@dataclass(frozen=True, order=True)
class Group:
    """Accounts that are totalled together."""

    owner_class: str
    pool: str
    currency: str
    side: str


@dataclass
class _Known:
    """What a projector remembers after `reached` rows; element n of an array is account n's."""

    reached: int
    present: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, bool))
    credit_side: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1, bool))
    group: Int32 = field(default_factory=lambda: np.zeros(1, np.int32))
    balance: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    held: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    expected: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    groups: dict[Group, int] = field(default_factory=dict)
    holds: dict[bytes, int] = field(default_factory=dict)
    shifts: dict[tuple[int, int], int] = field(default_factory=dict)

    def make_room(self, account: int) -> None:
        if account < len(self.present):
            return
        size = max(account + 1, len(self.present) * 2)
        for name in ("present", "credit_side", "group", "balance", "held", "expected"):
            old = getattr(self, name)
            grown = np.zeros(size, old.dtype)
            grown[: len(old)] = old
            setattr(self, name, grown)


@dataclass(frozen=True)
class _Legs:
    """Both sides of the movements of a block, ordered by account and, within one, by sequence. `starts` is where each
    of `accounts` begins, `of` is the movement of each leg.
    """

    accounts: Int64
    starts: npt.NDArray[np.intp]
    counts: Int64
    of: Int64
    normal: npt.NDArray[np.bool_]  # the leg is on the account's normal side: it raises the balance

    def running(self, changes: Int64, before: Int64) -> Int64:
        """The sum after each leg, of what was before and the changes so far. Sums that wrap around on the way come
        back: 64 bits hold every result.
        """
        sums = np.cumsum(changes)
        offsets = before - (sums[self.starts] - changes[self.starts])
        return np.asarray(sums + np.repeat(offsets, self.counts), np.int64)


@dataclass(frozen=True)
class _Sums:
    """What a block of movements did: an element a leg, each sum as it is after it."""

    moves: Columns
    legs: _Legs
    change: Int64
    balance: Int64
    held: Int64
    expected: Int64

    def at_the_end(self) -> tuple[Int64, Int64, Int64]:
        """Balance, held and expected of each account after its last leg."""
        ends = self.legs.starts + self.legs.counts - 1
        return self.balance[ends], self.held[ends], self.expected[ends]


class Entries:
    """Follows the journal of one book. Its functions take a connection in role core. Inside a transaction of the
    caller's the turn is kept until that ends; threads that share a projector use connections that are outside of one.
    """

    def __init__(self, book: int) -> None:
        self.book = book
        self._known = _Known(0)
        self._lock = threading.Lock()

    def follow(self, connection: Connection) -> int:
        """Bring the entries up to the head, block by block; returns the number of rows that they cover."""
        while True:
            reached, head = self.step(connection)
            if reached >= head:
                return reached

    def warm(self, connection: Connection) -> None:
        """Know the accounts beforehand, from the writer's last snapshot and what the journal did since, so that steps
        need not ask for each that they meet for the first time. It saves time and nothing else: a million accounts are
        looked up in ten seconds, and read in two.
        """
        with self._lock, connection.transaction():
            reached, _ = _one(connection, QUERIES.reached, {"book": self.book})
            found = snapshot.latest(connection, self.book, reached)
            if found is None or self._known.present.any():
                return
            self._known = _known_by(*found)
            opened_by_then = self._known.present.copy()
            for first in range(found[1], reached, STEP_ROWS):
                last = min(first + STEP_ROWS, reached)
                self._remember(self._sums(connection, first, last, learn=False))
            self._known.present[:] = False
            self._known.present[: len(opened_by_then)] = opened_by_then
            self._known.reached = reached

    def step(self, connection: Connection) -> tuple[int, int]:
        """One block, if there is one: how far the entries are now, and how far the journal is. A crash leaves the block
        whole or not at all.
        """
        alone = connection.info.transaction_status == TransactionStatus.IDLE
        with connection.transaction():
            reached, head = _one(connection, QUERIES.reached, {"book": self.book})
        if reached >= head:
            return reached, head
        with self._lock:
            try:
                with connection.transaction():
                    reached, head = _one(connection, QUERIES.take_entries, {"book": self.book, "alone": alone})
                    if self._known.reached != reached:
                        self._overtaken(connection, reached)
                    last = min(head, reached + STEP_ROWS)
                    if last > reached:
                        self._block(connection, reached, last)
                self._known.reached = last
            except BaseException:
                self._known = _Known(0)  # what it knew is of a transaction that may not have happened
                raise
        return last, head

    def _overtaken(self, connection: Connection, reached: int) -> None:
        """Another projector was at work: forget the accounts that it touched, or everything if that is too much."""
        known = self._known
        if not 0 < reached - known.reached <= STEP_ROWS or not known.present.any():
            self._known = _Known(reached)
            return
        moves = read_movements(connection, self.book, known.reached, reached)
        touched = np.concatenate([moves["debit"], moves["credit"]]).astype(np.int64)
        known.present[touched[touched < len(known.present)]] = False
        known.shifts.clear()
        known.reached = reached

    def _block(self, connection: Connection, first: int, last: int) -> None:
        sums = self._sums(connection, first, last)
        legs = sums.legs
        totals = self._totals(legs.accounts, *sums.at_the_end())
        connection.execute(QUERIES.advance_entries, {"book": self.book, "before": first, "after": last, **totals})
        account, sequence = np.repeat(legs.accounts, legs.counts), sums.moves["sequence"].astype(np.int64)[legs.of]
        after = (sums.change, sums.balance, sums.held, sums.expected)
        _copy_in(connection, QUERIES.copy_entries_in, ENTRY, self.book, account, sequence, *after)
        self._shifted(connection, sums.moves, legs, account, sequence, sums.change)
        self._remember(sums)

    def _sums(self, connection: Connection, first: int, last: int, *, learn: bool = True) -> _Sums:
        """What the movements of a block did. Without `learn` what they did to accounts of which nothing is known means
        nothing.
        """
        moves = read_movements(connection, self.book, first, last)
        legs = self._legs(connection, moves, learn=learn)
        known, accounts = self._known, legs.accounts
        amount, kind = moves["amount"].astype(np.int64), moves["kind"]
        posted = np.where(np.isin(kind, _POSTING), amount, 0)
        change = posted[legs.of]
        np.negative(change, out=change, where=~legs.normal)
        balance = legs.running(change, known.balance[accounts])
        pending = self._pending(connection, moves, kind, amount)
        if pending is None:
            held, expected = (np.repeat(each[accounts], legs.counts) for each in (known.held, known.expected))
        else:
            held = legs.running(np.where(legs.normal, 0, pending[legs.of]), known.held[accounts])
            expected = legs.running(np.where(legs.normal, pending[legs.of], 0), known.expected[accounts])
        return _Sums(moves, legs, change, balance, held, expected)

    def _remember(self, sums: _Sums) -> None:
        known, accounts = self._known, sums.legs.accounts
        known.balance[accounts], known.held[accounts], known.expected[accounts] = sums.at_the_end()

    def _legs(self, connection: Connection, moves: Columns, *, learn: bool) -> _Legs:
        account = np.empty(2 * len(moves), np.int64)
        account[0::2], account[1::2] = moves["debit"], moves["credit"]
        # The leg's place in the lower bits makes one sort of integers a stable one by account.
        bits = max(1, len(account).bit_length())
        key = (account << bits) | np.arange(len(account))
        key.sort()
        account, place = key >> bits, key & ((1 << bits) - 1)
        starts = np.flatnonzero(np.diff(account, prepend=0))  # there is no account 0
        accounts = account[starts]
        counts = np.diff(starts, append=len(account))
        self._known.make_room(int(accounts[-1]) if len(accounts) else 0)
        if learn:
            self._learn(connection, accounts)
        on_credit = (place & 1) == 1
        normal = on_credit == self._known.credit_side[account]
        return _Legs(accounts, starts, counts, place >> 1, normal)

    def _learn(self, connection: Connection, accounts: Int64) -> None:
        """Look up the accounts of which nothing is known."""
        known = self._known
        strangers = accounts[~known.present[accounts]]
        if not len(strangers):
            return
        with connection.cursor(binary=True) as cursor:
            rows = cursor.execute(
                QUERIES.accounts_standing, {"book": self.book, "accounts": strangers.tolist()}
            ).fetchall()
        if len(rows) != len(strangers):
            raise LookupError(f"the journal of book {self.book} moves an account that ledger.account does not have")
        number, credit_side, owner_class, pool, currency, balance, held, expected = zip(*rows, strict=True)
        at = np.array(number)
        known.present[at] = True
        known.credit_side[at] = credit_side
        known.balance[at], known.held[at], known.expected[at] = balance, held, expected
        named = zip(owner_class, pool, currency, ("credit" if each else "debit" for each in credit_side), strict=True)
        known.group[at] = [known.groups.setdefault(Group(*each), len(known.groups)) for each in named]

    def _pending(self, connection: Connection, moves: Columns, kind: Columns, amount: Int64) -> Int64 | None:
        """What each movement adds to what is pending; None if none does."""
        opens, resolves = kind == Kind.PENDING, np.isin(kind, _RESOLVING)
        if not opens.any() and not resolves.any():
            return None
        holds = self._known.holds
        if len(holds) > HOLDS_MAX:
            holds.clear()
        pending = np.where(opens, amount, 0)
        holds.update(zip(moves["hold"][opens].tolist(), amount[opens].tolist(), strict=True))
        wanted = moves["hold"][resolves].tolist()
        strangers = [UUID(bytes=each) for each in wanted if each not in holds]
        if strangers:
            found = connection.execute(QUERIES.held_amounts, {"book": self.book, "ids": strangers})
            holds.update((identity.bytes, held) for identity, held in found)
        pending[resolves] = [-holds.pop(each) for each in wanted]
        return np.asarray(pending, np.int64)

    def _totals(self, accounts: Int64, balance: Int64, held: Int64, expected: Int64) -> dict[str, list[Any]]:
        """What each group of accounts changed by, as the columns that `ledger.advance_entries` takes."""
        known = self._known
        number, place = np.unique(known.group[accounts], return_inverse=True)
        groups = list(known.groups)
        named = [groups[each] for each in number]
        after = {"balances": balance, "helds": held, "expecteds": expected}
        before = {"balances": known.balance, "helds": known.held, "expecteds": known.expected}
        return {
            "owner_classes": [each.owner_class for each in named],
            "pools": [each.pool for each in named],
            "currencies": [each.currency for each in named],
            "sides": [each.side for each in named],
            **{name: _sums(place, len(number), value, before[name][accounts]) for name, value in after.items()},
        }

    def _shifted(
        self, connection: Connection, moves: Columns, legs: _Legs, account: Int64, sequence: Int64, change: Int64
    ) -> None:
        """The running sums of those entries that have their value on another day than that of their posting."""
        value_date = moves["value_date"].astype(np.int64)
        shift = (value_date - moves["posted_at"].astype(np.int64) // DAY_MICROSECONDS)[legs.of]
        chosen = np.flatnonzero((shift != 0) & (change != 0))
        if not len(chosen):
            return
        chosen = chosen[np.lexsort((shift[chosen], account[chosen]))]  # stable: sequences stay in order
        account, shift, change = account[chosen], shift[chosen], change[chosen]
        first = np.r_[True, (np.diff(account) != 0) | (np.diff(shift) != 0)]
        starts = np.flatnonzero(first)
        counts = np.diff(starts, append=len(chosen))
        keys = list(zip(account[starts].tolist(), shift[starts].tolist(), strict=True))
        before = np.array(self._shifts_before(connection, keys), np.int64)
        sums = np.cumsum(change)
        total = sums + np.repeat(before - (sums[starts] - change[starts]), counts)
        self._known.shifts.update(zip(keys, total[starts + counts - 1].tolist(), strict=True))
        of = legs.of[chosen]
        columns = (account, shift, value_date[of], sequence[chosen], total)
        _copy_in(connection, QUERIES.copy_shifted_in, SHIFTED, self.book, *columns)

    def _shifts_before(self, connection: Connection, keys: list[tuple[int, int]]) -> list[int]:
        shifts = self._known.shifts
        if len(shifts) > HOLDS_MAX:
            shifts.clear()
        strangers = [each for each in keys if each not in shifts]
        if strangers:
            asked = {"accounts": [account for account, _ in strangers], "shifts": [shift for _, shift in strangers]}
            shifts.update(dict.fromkeys(strangers, 0))
            for account, shift, total in connection.execute(QUERIES.shifts_standing, {"book": self.book, **asked}):
                shifts[account, shift] = total
        return [shifts[each] for each in keys]


def _known_by(balances: Balances, reached: int) -> _Known:
    known = _Known(reached)
    known.make_room(balances.size - 1)
    size = balances.size
    known.present[1:size] = True
    known.credit_side[1:size] = balances.credit_side[1:]
    known.group[:size] = balances.group
    known.groups = {Group(*each): number for each, number in balances.groups.items()}
    on_credit = known.credit_side[:size]
    posted = balances.credits - balances.debits
    known.balance[:size] = np.where(on_credit, posted, -posted)
    known.held[:size] = np.where(on_credit, balances.debits_pending, balances.credits_pending)
    known.expected[:size] = np.where(on_credit, balances.credits_pending, balances.debits_pending)
    holds = balances.holds
    known.holds = dict(zip(holds.slots, holds.columns[2, list(holds.slots.values())].tolist(), strict=True))
    return known


_POSTING: Final = (Kind.TRANSFER, Kind.POST, Kind.CORRECTION)
_RESOLVING: Final = (Kind.POST, Kind.VOID, Kind.EXPIRE)


def read_movements(connection: Connection, book: int, first: int, last: int) -> Columns:
    """Rows `first` to `last` (exclusive) of the journal that move or hold money. Dates and times are PostgreSQL's, days
    and microseconds since 2000.
    """
    query = sql.SQL(QUERIES.copy_movements_out.decode()).format(
        book=sql.Literal(book), first=sql.Literal(first), last=sql.Literal(last)
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        stream = b"".join(bytes(piece) for piece in copy)
    count = (len(stream) - len(COPY_HEADER)) // MOVEMENT.itemsize
    return np.frombuffer(stream, MOVEMENT, offset=len(COPY_HEADER), count=count)


def lag(connection: Connection, book: int) -> Lag:
    """How far the entries are behind the journal."""
    reached, head, seconds = _one(connection, QUERIES.lag, {"book": book})
    return Lag(reached, head - reached, seconds if head > reached else 0.0)


class Follower:
    """A thread that keeps the entries of a book close behind its journal. `connection` lends a connection in role core.
    What fails is told to `report` and tried again, ever more slowly.
    """

    def __init__(
        self,
        entries: Entries,
        connection: Callable[[], AbstractContextManager[Connection]],
        report: Callable[[Exception], None],
    ) -> None:
        self._entries = entries
        self._connection = connection
        self._report = report
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"entries-{entries.book}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause, warm = 0.0, False
        while not self._stop.wait(pause):
            try:
                with self._connection() as connection:
                    if not warm:
                        self._entries.warm(connection)
                        warm = True
                    reached, head = self._entries.step(connection)
                pause = 0.0 if reached < head else PAUSE_SECONDS
            except Exception as error:  # noqa: BLE001 - a defect must not silence it; each is told
                self._report(error)
                pause = min(max(pause, PAUSE_SECONDS) * 2, PAUSE_SECONDS_MAX)


def _sums(place: npt.NDArray[np.intp], size: int, after: Int64, before: Int64) -> list[int]:
    """Sums of differences by place, in whole numbers of any size: halves of 32 bits cannot overflow."""
    high = np.zeros(size, np.int64)
    low = np.zeros(size, np.int64)
    np.add.at(high, place, (after >> 32) - (before >> 32))
    np.add.at(low, place, (after & 0xFFFFFFFF) - (before & 0xFFFFFFFF))
    return [(upper << 32) + lower for upper, lower in zip(high.tolist(), low.tolist(), strict=True)]


def _copy_in(connection: Connection, query: Query, layout: np.dtype[np.void], book: int, *columns: Int64) -> None:
    """Write columns by binary COPY; the first of the layout is the book."""
    out = np.zeros(len(columns[0]), layout)
    names = (layout.names or ())[2::2]
    out["columns"] = len(names)
    for name, column in zip(names, (book, *columns), strict=True):
        out[name] = column
        out[f"{name} length"] = layout[name].itemsize
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.write(COPY_HEADER + out.tobytes() + COPY_TRAILER)


def _one(connection: Connection, query: Query, parameters: dict[str, Any]) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    if row is None:
        raise BOOK_MUST_EXIST(book=parameters["book"])
    return row
