"""How rows go into PostgreSQL, and how they come out of it.

`append_rows` is the second half of compare-and-append: it promises the rows of a checked batch to the book and brings
them in, whole or not at all. What it may bring in is the database's to say (sql/schema.sql).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import psycopg
from psycopg import errors, sql

from ringfence.database.connection import Connection
from ringfence.ledger import encoding
from ringfence.ledger.model import LINKED, Batch, microseconds
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.refusals import BOOK_MUST_EXIST
from ringfence.ledger.rules import Int64

BLOCK_ROWS: Final = 65_536  # rows read at a time
_CLOCK_WENT_BACK: Final = "RF001"  # SQLSTATE of ledger.advance


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


def append_rows(
    connection: Connection, book: int, head: int, rows: Batch, at: datetime, then: Callable[[], None] | None = None
) -> bool:
    """Append checked rows from `head` on, if the book still ends there; `then` runs in the same transaction.
    False: somebody was faster, and nothing was written. Raises `IdIsTaken`, `ClockWentBack`. Needs autocommit.
    """
    if not len(rows):
        return True
    try:
        with connection.transaction():
            promise = {"book": book, "expected": head, "rows": len(rows), "at": at}
            if connection.execute(QUERIES.advance, promise).fetchone() != (True,):
                return False
            pieces = encoding.copy_rows(book, head, microseconds(at), rows)
            with connection.cursor().copy(QUERIES.copy_journal_in) as copy:
                copy.write(b"".join([encoding.COPY_HEADER, *pieces, encoding.COPY_TRAILER]))
            if then is not None:
                then()
    except errors.UniqueViolation as violation:
        if violation.diag.constraint_name != "journal_id_is_unique":
            raise
        raise IdIsTaken from violation
    except psycopg.Error as error:
        if error.sqlstate != _CLOCK_WENT_BACK:
            raise
        raise ClockWentBack from error
    return True


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
