"""How rows go into PostgreSQL, and how they come out of it.

`append_rows` is the second half of compare-and-append: it promises the rows of a checked batch to the book and brings
them in, whole or not at all. What may come in is the database's to say (sql/schema.sql). Few rows go in one call, many
by COPY straight into the part of the journal that is theirs; either way in one round trip and one transaction, unless
other statements go with them or the rows cross from one part into the next.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import psycopg
from psycopg import errors, pq, sql
from psycopg.abc import Buffer
from psycopg.adapt import Dumper

from ringfence.database.connection import Connection
from ringfence.database.copying import copy_in
from ringfence.ledger import encoding
from ringfence.ledger.balances import Int64
from ringfence.ledger.model import LINKED, Batch, microseconds
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.refusals import BOOK_MUST_EXIST

BLOCK_ROWS: Final = 65_536  # rows read at a time
CALL_ROWS_MAX: Final = 1024  # more rows are copied; measured: level at 2,048, a call is cheaper below
_CLOCK_WENT_BACK: Final = "RF001"  # SQLSTATEs of sql/schema.sql
_WAS_FASTER: Final = "RF005"
# The second is met first where a batch asks for a hold once more and refers to it.
_TAKEN: Final = ("journal_id_is_unique", "journal_refers_once")


@dataclass(frozen=True)
class Block:
    """Rows of the journal as they were read: `first` is the sequence of row 0."""

    first: int
    batch: Batch
    posted_at: Int64

    @property
    def last(self) -> int:
        """One past the last sequence."""
        return self.first + len(self.batch)


class IdIsTaken(Exception):  # noqa: N818 - named as the finding
    """An id of the rows is in the journal already, or twice among them; nothing was appended."""


class ClockWentBack(Exception):  # noqa: N818 - named as the finding
    """The book was last written later than the time of the append; nothing was appended."""


@dataclass(frozen=True)
class Part:
    """A table that holds the rows `first` to `last` (exclusive) of every book."""

    part: int
    first: int
    last: int

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier("ledger", f"journal_{self.part}")


def append_rows(
    connection: Connection, book: int, head: int, rows: Batch, at: datetime, then: Callable[[], None] | None = None
) -> bool:
    """Append checked rows from `head` on, if the book still ends there; `then` runs in the same transaction.

    False: somebody was faster, and nothing was written. Raises `IdIsTaken`, `ClockWentBack`. Needs autocommit.
    """
    if not len(rows):
        return True
    places = _places(connection, head, head + len(rows))
    few = len(rows) <= CALL_ROWS_MAX and len(places) == 1
    with _noes():
        if then is None and few:
            return _append_by_call(connection, book, head, rows, at)
        if then is None and len(places) == 1:
            return _append_by_copy(connection, places[0], book, head, len(rows), [rows], at)
        with connection.transaction():
            if few:
                appended = _append_by_call(connection, book, head, rows, at)
            else:
                promise = {"book": book, "expected": head, "rows": len(rows), "at": at}
                appended = connection.execute(QUERIES.advance, promise).fetchone() == (True,)
                for part in places if appended else ():
                    _copy_into(connection, part, book, head, rows, at)
            if appended and then is not None:
                then()
            return appended


def append_slices(
    connection: Connection, book: int, head: int, count: int, slices: Iterable[Batch], at: datetime
) -> bool:
    """The same for `count` rows that may come in slices (`takes_slices`), which are decided one after the other: the
    next is asked for while PostgreSQL takes in the one before. What `slices` raise is raised, and nothing was written.
    """
    [part] = _places(connection, head, head + count)
    with _noes():
        return _append_by_copy(connection, part, book, head, count, slices, at)


def takes_slices(connection: Connection, head: int, count: int) -> bool:
    """Whether so many rows from `head` on may come in slices: they are many, and go into one part."""
    return count > CALL_ROWS_MAX and len(_places(connection, head, head + count)) == 1


@contextmanager
def _noes() -> Iterator[None]:
    """What PostgreSQL says no with, by its name here."""
    try:
        yield
    except errors.UniqueViolation as violation:
        if not (violation.diag.constraint_name or "").startswith(_TAKEN):
            raise
        raise IdIsTaken from violation
    except psycopg.Error as error:
        if error.sqlstate == _CLOCK_WENT_BACK:
            raise ClockWentBack from error
        raise


def _append_by_call(connection: Connection, book: int, head: int, rows: Batch, at: datetime) -> bool:
    if connection not in _PREPARED:
        connection.adapters.register_dumper(_Given, _GivenDumper)
        _PREPARED.add(connection)
    asked = {"book": book, "expected": head, "at": at, "rows": _Given(encoding.list_rows(rows))}
    return connection.execute(QUERIES.append, asked, prepare=True).fetchone() == (True,)


def _append_by_copy(
    connection: Connection, part: Part, book: int, head: int, count: int, slices: Iterable[Batch], at: datetime
) -> bool:
    query = sql.SQL(QUERIES.promise_and_copy.decode()).format(
        book=sql.Literal(book),
        expected=sql.Literal(head),
        rows=sql.Literal(count),
        at=sql.Literal(at),
        part=part.table,
    )
    try:
        copy_in(connection, query.as_bytes(connection), encoding.copy_stream(book, head, microseconds(at), slices))
    except psycopg.Error as error:
        if error.sqlstate == _WAS_FASTER:
            return False
        raise
    return True


def _copy_into(connection: Connection, part: Part, book: int, head: int, rows: Batch, at: datetime) -> None:
    first, last = max(part.first - head, 0), min(part.last - head, len(rows))
    payloads = {index - first: payload for index, payload in rows.payloads.items() if first <= index < last}
    query = sql.SQL(QUERIES.copy_journal_in.decode()).format(part=part.table)
    part_of_them = Batch(rows.rows[first:last], payloads)
    with connection.cursor().copy(query) as copy:
        for piece in encoding.copy_stream(book, head + first, microseconds(at), [part_of_them]):
            copy.write(piece)


class _Given(bytes):
    """The binary form of a ledger.given[]."""


class _GivenDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: _Given) -> Buffer | None:
        return obj


_PREPARED: Final[WeakSet[Connection]] = WeakSet()  # connections that know how to send it


def hold_head(connection: Connection, book: int) -> None:
    """Keep everybody else from appending to the book until this transaction ends."""
    connection.execute(QUERIES.hold_head, {"book": book})


def end_stalled_writer(connection: Connection, book: int) -> bool:
    """Whether a program was let go that kept the book: for whoever has waited for it as long as for any lock
    (`lock_timeout`). A program that is stopped inside its append would keep the book for as long as it is; its
    connection is ended, and its rows are rolled back.
    """
    return bool(connection.execute(QUERIES.end_stalled_writer, {"book": book}).fetchall())


# -- parts -----------------------------------------------------------------------------------------------------------

_PARTS: Final[WeakKeyDictionary[Connection, list[Part]]] = WeakKeyDictionary()


def _places(connection: Connection, first: int, last: int) -> list[Part]:
    """The parts that hold rows `first` to `last` (exclusive). Their bounds never change, so each connection remembers
    them; the next part is made once half of the latest is full, so that nobody ever waits for one.
    """
    known = _PARTS.get(connection, [])
    latest = known[-1] if known else None
    if latest is None or last > (latest.first + latest.last) // 2:
        known = _PARTS[connection] = parts_of(connection)
        if last > (known[-1].first + known[-1].last) // 2:
            try:
                connection.execute(QUERIES.make_parts, {"needed": max(last, known[-1].last)})
            except errors.LockNotAvailable:
                if last > known[-1].last:
                    raise
            known = _PARTS[connection] = parts_of(connection)
    if known[-1].first <= first and last <= known[-1].last:
        return known[-1:]
    return [part for part in known if part.first < last and first < part.last]


def parts_of(connection: Connection) -> list[Part]:
    """The parts of the journal, in order."""
    return [Part(*row) for row in connection.execute(QUERIES.parts)]


def head_of(connection: Connection, book: int) -> int:
    """How many rows the journal of a book has."""
    row = connection.execute(QUERIES.head, {"book": book}).fetchone()
    if row is None:
        raise BOOK_MUST_EXIST(book=book)
    return int(row[0])


def read_block(connection: Connection, book: int, first: int, last: int) -> Block:
    """Rows `first` to `last` (exclusive) of the journal, in columns."""
    query = sql.SQL(QUERIES.copy_journal_out.decode()).format(
        book=sql.Literal(book), first=sql.Literal(first), last=sql.Literal(last)
    )
    with connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            stream = b"".join(bytes(piece) for piece in copy)
        payloads = {
            sequence - first: bytes(payload)
            for sequence, payload in cursor.execute(QUERIES.payloads, {"book": book, "first": first, "last": last})
        }
    sequences, rows, posted_at = encoding.rows_from_copy(stream)
    if not np.array_equal(sequences, np.arange(first, first + len(sequences))) or first + len(sequences) != last:
        gap = np.flatnonzero(sequences != np.arange(first, first + len(sequences)))
        raise BookHasAGap(first + int(gap[0] if len(gap) else len(sequences)))
    return Block(first, Batch(rows, payloads), posted_at)


def read_chains(connection: Connection, book: int, first: int, head: int) -> Block:
    """The next rows from `first` on, about BLOCK_ROWS of them, ending where a chain ends: chains are applied whole."""
    last = min(head, first + BLOCK_ROWS)
    while True:
        block = read_block(connection, book, first, last)
        ends = np.flatnonzero((block.batch.rows["flags"] & LINKED) == 0)
        if last == head or (len(ends) and ends[-1] == len(block.batch) - 1):
            return block
        last = first + int(ends[-1]) + 1 if len(ends) else min(head, last + BLOCK_ROWS)


class BookHasAGap(Exception):  # noqa: N818 - named as the finding
    """A sequence is missing from the journal although the head says that it is there."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"row {sequence} of the journal is missing")
        self.sequence = sequence
