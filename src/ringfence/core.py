"""What the core holds while it runs: one book, one writer, connections, a clock and a source of ids.

Every operation of a domain takes a `Core` first. It is the process that checks rules and appends to the journal; it
signs no checkpoint and holds no bank credential.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from ringfence.database.connection import Connection, Pool
from ringfence.database.refusals import refusing
from ringfence.ledger.answers import Answer
from ringfence.ledger.entries import Entries
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Result
from ringfence.ledger.reading import Book
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.ledger.writer import Writer

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Core:
    """One book and the only way to write to it."""

    book: Book
    writer: Writer
    pool: Pool
    clock: Clock
    new_id: Callable[[], UUID]

    @cached_property
    def entries(self) -> Entries:
        """This program's projector of entries, warm from turn to turn."""
        return Entries(self.book.book_id)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in role core, for one transaction; database errors come out as refusals."""
        with refusing(), self.pool.connection() as connection:
            yield connection

    def post(self, unit: Unit) -> list[Answer]:
        """Append a unit. The first refused row (a chain's broken link last) is raised by its name; a replay of a unit
        that was posted returns its answers.
        """
        answers = self.writer.submit(unit)
        failed = [(answer, line) for answer, line in zip(answers, unit.chain, strict=True) if answer.result]
        for answer, line in sorted(failed, key=lambda each: each[0].result == Result.LINKED_ROW_FAILED):
            raise RESULT_REFUSALS[answer.result](id=line.id, sequence=answer.sequence)
        return answers


def wall_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def uuid7_source(
    clock_ms: Callable[[], int] | None = None, randomness: Callable[[int], bytes] = secrets.token_bytes
) -> Callable[[], UUID]:
    """A source of ids ordered by time (RFC 9562, version 7), so that the journal's index of ids grows at one end."""
    last = 0
    lock = threading.Lock()
    now = clock_ms or (lambda: time.time_ns() // 1_000_000)

    def new_id() -> UUID:
        nonlocal last
        with lock:
            last = max(last, now())
            stamp = last
        tail = int.from_bytes(randomness(10)) & ((1 << 80) - 1)
        value = (stamp << 80) | tail
        value = value & ~(0xF << 76) | (0x7 << 76)
        value = value & ~(0x3 << 62) | (0x2 << 62)
        return UUID(int=value)

    return new_id
