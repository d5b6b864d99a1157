"""Questions to a book: accounts, balances at any sequence or time, statements, the journal itself.

Balances, statements and totals are read from what `ringfence.ledger.entries` writes, which follows the journal. A
caller that must read its own writes says so: `after=sequence` waits until the entries have that row, which a running
core takes care of, and `fresh=True` (role core) brings them up to the head itself.

Two times are kept of everything. Posting time: `before=` (a row) or `head_at` (a time) tells what the book knew then.
Value date: `balance_by_value_date` tells what an account had by a day, and takes `before=` as well.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as datetime_time
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row, dict_row

from ringfence.database.connection import Connection
from ringfence.database.queries import Query
from ringfence.ledger import entries
from ringfence.ledger.entries import Group, Lag, lag
from ringfence.ledger.model import Account, Kind, Result
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.refusals import (
    BOOK_MUST_EXIST,
    BOOK_NAME_MUST_BE_NEW,
    ENTRIES_MUST_HAVE_THE_ROW,
    RESULT_REFUSALS,
)

__all__ = ["Group", "Lag", "lag"]  # and all that is defined here

LATEST: Final = 2**63 - 1
PATIENCE_SECONDS: Final = 2.0  # how long a reader waits for its own write
_GLANCE_SECONDS: Final = 0.005


@dataclass(frozen=True)
class Book:
    book_id: int
    name: str
    opened_at: datetime
    head: int
    head_at: datetime


@dataclass(frozen=True)
class Balance:
    """Minor units on the account's normal side; `available` is what may still leave."""

    account: int
    name: str
    currency: str
    side: str
    owner: str
    pool: str
    balance: int
    held: int
    expected: int

    @property
    def available(self) -> int:
        return self.balance - self.held


@dataclass(frozen=True)
class StatementLine:
    """One movement on one account: what it changed and what is after it, in minor units on the normal side."""

    sequence: int
    kind: int
    change: int
    balance: int
    held: int
    expected: int
    id: UUID
    refers_to: UUID | None
    order_id: UUID | None
    code: int
    value_date: date
    posted_at: datetime
    counter_account: int

    @property
    def kind_word(self) -> str:
        return Kind(self.kind).name.lower()


@dataclass(frozen=True)
class ValueBalance:
    """What an account had by the end of a value date, as known before row `as_of`; minor units on its normal side."""

    account: Account
    value_date: date
    balance: int
    as_of: int


@dataclass(frozen=True)
class Total:
    """What the accounts of a group have together, in minor units on their normal side; any size."""

    group: Group
    balance: int
    held: int
    expected: int


@dataclass(frozen=True)
class Cover:
    """What a pool holds (accounts of the debit side: money at banks) and what it owes (credit side: to customers and
    others) in one currency, posted, in minor units (docs/reference/ledger-rules.md).
    """

    pool: str
    currency: str
    holds: int
    owes: int

    @property
    def cover(self) -> int:
        return self.holds - self.owes


@dataclass(frozen=True)
class Totals:
    """The totals of every owner class, pool, currency and normal side, before row `as_of`."""

    as_of: int
    groups: Sequence[Total]

    def covers(self) -> list[Cover]:
        """The cover of every pool in every currency."""
        sums: dict[tuple[str, str], list[int]] = {}
        for each in self.groups:
            pool = sums.setdefault((each.group.pool, each.group.currency), [0, 0])
            pool[each.group.side == "credit"] += each.balance
        return [Cover(pool, currency, holds, owes) for (pool, currency), (holds, owes) in sorted(sums.items())]


@dataclass(frozen=True)
class JournalLine:
    """One row of the journal, with the names of its accounts; `payload` is the parsed JSON of events and the like."""

    sequence: int
    kind: int
    flags: int
    id: UUID
    debit_account: int
    debit_name: str | None
    credit_account: int
    credit_name: str | None
    currency: str | None
    amount: int
    refers_to: UUID | None
    order_id: UUID | None
    code: int
    value_date: date
    posted_at: datetime
    expires_at: datetime | None
    payload: bytes | None

    @property
    def kind_word(self) -> str:
        return Kind(self.kind).name.lower()

    @property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(self.payload)) if self.payload else {}


@dataclass(frozen=True)
class Change:
    """What a slice of the journal changed in a pool, in minor units, up to a time."""

    at: datetime
    held: int
    owed: int


@dataclass(frozen=True)
class Event:
    """An EVENT row: what was said, when, and about which order."""

    sequence: int
    id: UUID
    order_id: UUID | None
    posted_at: datetime
    said: dict[str, Any]


def open_book(connection: Connection, name: str, at: datetime) -> Book:
    """Open a book; its number is the next. `book_name_must_be_new` if there is one of that name."""
    row = connection.execute(QUERIES.next_book, {"name": name}).fetchone()
    if row is None or row[0] is None:
        raise BOOK_NAME_MUST_BE_NEW(book=name)
    number = row[0]
    connection.execute(QUERIES.open_book, {"book_id": number, "name": name, "at": at})
    return book_named(connection, name)


def serve_apart(owner: Connection, book: int, logins: Sequence[str]) -> None:
    """From now on these logins serve the book, and no shared one does (sql/schema_serving.sql)."""
    owner.execute(QUERIES.serve_apart, {"book": book, "logins": list(logins)})


def serve_together(owner: Connection, book: int) -> None:
    """The shared logins serve the book again, and no other."""
    owner.execute(QUERIES.serve_together, {"book": book})


def logins_of(owner: Connection, book: int) -> list[str]:
    """The logins that serve a book."""
    return [login for (login,) in owner.execute(QUERIES.logins_of, {"book": book})]


def book_named(connection: Connection, name: str) -> Book:
    with connection.cursor(row_factory=class_row(Book)) as cursor:
        book = cursor.execute(QUERIES.book_by_name, {"name": name}).fetchone()
    if book is None:
        raise BOOK_MUST_EXIST(book=name)
    return book


def books(connection: Connection) -> list[Book]:
    with connection.cursor(row_factory=class_row(Book)) as cursor:
        return cursor.execute(QUERIES.books).fetchall()


def project(connection: Connection, book: int) -> int:
    """Bring the entries up to the head; returns the number of journal rows that they cover. For a program that runs on,
    a warm `entries.Entries` does the same for less.
    """
    return entries.Entries(book).follow(connection)


def as_of(
    connection: Connection,
    book: int,
    *,
    before: int = LATEST,
    after: int | None = None,
    fresh: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> int:
    """The row before which answers hold that are asked for now: `before`, or as far as the entries are. It has row
    `after` behind it, or is `entries_must_have_the_row` when patience ends (in a transaction of the caller's, that must
    be READ COMMITTED, or nothing new comes into sight).
    """
    if fresh:
        return min(before, project(connection, book))
    end = time.monotonic() + patience_seconds
    while True:
        found = lag(connection, book)
        if after is None or found.reached > after:
            return min(before, found.reached)
        if time.monotonic() >= end:
            raise ENTRIES_MUST_HAVE_THE_ROW(sequence=after, rows=found.rows, seconds=round(found.seconds, 3))
        time.sleep(_GLANCE_SECONDS)


def head_at(connection: Connection, book: int, at: datetime) -> int:
    """The number of rows posted at or before a time: the sequence to give to the functions below."""
    return _one(connection, QUERIES.head_at, {"book": book, "at": at})


def clock(connection: Connection) -> datetime:
    """The database's own time."""
    row = connection.execute(QUERIES.clock).fetchone()
    if row is None:
        raise RuntimeError("the database tells no time")
    found: datetime = row[0]
    return found


def posted_at(connection: Connection, book: int, sequence: int) -> datetime | None:
    """When a row was appended; None if there is no such row yet."""
    row = connection.execute(QUERIES.posted_at, {"book": book, "sequence": sequence}).fetchone()
    return row[0] if row else None


def account(connection: Connection, book: int, name: str) -> Account:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(QUERIES.account_by_name, {"book": book, "name": name}).fetchone()
    if row is None:
        raise RESULT_REFUSALS[Result.ACCOUNT_MUST_EXIST](account=name)
    return Account(**{key: row[key] for key in Account.__dataclass_fields__})


def balances(
    connection: Connection, book: int, pattern: str = "%", *, before: int = LATEST, fresh: bool = False
) -> list[Balance]:
    """Balances of the accounts whose name is LIKE `pattern`, as they were before row `before`."""
    if fresh:
        project(connection, book)
    with connection.cursor(row_factory=class_row(Balance)) as cursor:
        question = {"book": book, "pattern": pattern, "sequence": before}
        return cursor.execute(QUERIES.balances_before, question).fetchall()


def balances_page(
    connection: Connection, book: int, pattern: str = "%", *, after: int = 0, before: int = LATEST, limit: int = 100
) -> list[Balance]:
    """A page of `balances`: accounts with a number above `after`, at most `limit`."""
    question = {"book": book, "pattern": pattern, "sequence": before, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(Balance)) as cursor:
        return cursor.execute(QUERIES.balances_page, question).fetchall()


def pool_course(
    connection: Connection, book: int, pool: str, currency: str, *, first: int, last: int, slices: int = 60
) -> list[Change]:
    """What rows `first` to `last` (exclusive) changed in a pool, in at most `slices` pieces in order."""
    question = {"book": book, "pool": pool, "currency": currency, "first": first, "last": last, "slices": slices}
    if first >= last:
        return []
    return [Change(*row) for row in connection.execute(QUERIES.pool_course, question)]


def account_names(connection: Connection, book: int, accounts: Iterable[int]) -> dict[int, str]:
    """The names of accounts by their numbers."""
    wanted = sorted(set(accounts))
    return dict(connection.execute(QUERIES.account_names, {"book": book, "accounts": wanted}).fetchall())


def balance(
    connection: Connection,
    book: int,
    name: str,
    *,
    before: int = LATEST,
    after: int | None = None,
    fresh: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Balance:
    """Balance of one account as it was before row `before`; see `as_of` for the rest."""
    if fresh or after is not None:
        before = as_of(connection, book, before=before, after=after, fresh=fresh, patience_seconds=patience_seconds)
    known = account(connection, book, name)
    question = {"book": book, "account": known.account, "sequence": before}
    row = connection.execute(QUERIES.balance_before, question).fetchone() or (0, 0, 0)
    return Balance(known.account, known.name, known.currency, known.side, known.owner, known.pool, *row)


def balance_by_value_date(
    connection: Connection,
    book: int,
    name: str,
    day: date,
    *,
    before: int = LATEST,
    after: int | None = None,
    fresh: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> ValueBalance:
    """What an account had by the end of value date `day`, as the book knew it before row `before` (`head_at` for a
    time): everything that moved with a value date up to that day and was posted before that row.
    """
    known_until = as_of(connection, book, before=before, after=after, fresh=fresh, patience_seconds=patience_seconds)
    known = account(connection, book, name)
    ended = head_at(connection, book, datetime.combine(day, datetime_time.max, UTC))
    known_day = posted_at(connection, book, known_until)
    before_day = known_day.date().isoformat() if known_day else "infinity"
    question = {
        "book": book,
        "account": known.account,
        "day": day,
        "before": known_until,
        "before_day": before_day,
        "cut": min(ended, known_until),
        "cut_day": day.isoformat() if ended <= known_until else before_day,
    }
    return ValueBalance(known, day, _one(connection, entries.QUERIES.balance_by_value_date, question), known_until)


def totals(
    connection: Connection, book: int, *, after: int | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> Totals:
    """What the accounts of each group have together, as far as the entries are; see `as_of` for `after`."""
    if after is not None:
        as_of(connection, book, after=after, patience_seconds=patience_seconds)
    rows = connection.execute(entries.QUERIES.totals, {"book": book}).fetchall()
    if not rows:
        raise BOOK_MUST_EXIST(book=book)
    groups = [Total(Group(*row[1:5]), *(int(each) for each in row[5:])) for row in rows if row[1] is not None]
    return Totals(rows[0][0], groups)


def statement(
    connection: Connection,
    book: int,
    name: str,
    *,
    first: int = 0,
    last: int = LATEST,
    limit: int = 1_000_000,
    after: int | None = None,
    fresh: bool = False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Sequence[StatementLine]:
    """What happened to one account from row `first` to row `last` (exclusive), the latest first; see `as_of`."""
    if fresh or after is not None:
        last = as_of(connection, book, before=last, after=after, fresh=fresh, patience_seconds=patience_seconds)
    number = account(connection, book, name).account
    question = {"book": book, "account": number, "first": first, "last": last, "limit": limit}
    with connection.cursor(row_factory=class_row(StatementLine)) as cursor:
        return cursor.execute(QUERIES.statement, question).fetchall()


def journal_page(connection: Connection, book: int, *, before: int = LATEST, limit: int = 50) -> list[JournalLine]:
    """Rows of the journal, the latest first."""
    with connection.cursor(row_factory=class_row(JournalLine)) as cursor:
        return cursor.execute(QUERIES.journal_page, {"book": book, "before": before, "limit": limit}).fetchall()


def rows_of_order(connection: Connection, book: int, order_id: UUID) -> list[JournalLine]:
    """What stands in the journal about one order, in order."""
    with connection.cursor(row_factory=class_row(JournalLine)) as cursor:
        return cursor.execute(QUERIES.rows_of_order, {"book": book, "order_id": order_id}).fetchall()


def events(connection: Connection, book: int, code: int, first: int = 0) -> Iterator[Event]:
    """Events of one code (see `ringfence.ledger.events`), from row `first` on."""
    for row in connection.execute(QUERIES.events_of, {"book": book, "code": code, "first": first}):
        yield Event(row[0], row[1], row[2], row[3], json.loads(row[4]))


def _one(connection: Connection, query: Query, parameters: dict[str, Any]) -> int:
    row = connection.execute(query, parameters).fetchone()
    if row is None:
        raise BOOK_MUST_EXIST(book=parameters.get("book"))
    return int(row[0])
