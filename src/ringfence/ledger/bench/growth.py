"""Many transfers in a row over many accounts: does the last part go as fast as the first, what does the writer's memory
do, what does a transfer take on the disk, and how long does the book take to open afterwards?
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from ringfence.ledger.bench import loads
from ringfence.ledger.bench.batches import BATCH_ROWS, WARMING
from ringfence.ledger.bench.figures import BACKEND_IS_UNREADABLE, CPU_RATE, RATE, Row, Tally
from ringfence.ledger.bench.ground import QUERIES, Book, Ground, cost, must_be_posted, one, resident_bytes, rows_of
from ringfence.ledger.model import Batch

GOAL: Final = 0.8
GOAL_OPEN_SECONDS: Final = 5.0
PARTS: Final = 10
HALF: Final = PARTS // 2
IN_A_ROW, ON_DISK = "transfers in a row", "bytes on disk"


@dataclass(frozen=True)
class _Mark:
    """How things stood after so many transfers."""

    transfers: int
    sizes: Mapping[str, int]
    written: int
    resident: int | None


def rows(ground: Ground, book: Book, transfers: int) -> list[Row]:
    """Post `transfers` in batches, then say what changed on the way. The book is open afterwards."""
    supply = loads.Supply(book.accounts)
    tally = Tally()
    part = max(1, transfers // PARTS // BATCH_ROWS)
    for _ in range(WARMING):
        _append(book, supply.transfers(loads.uniform, BATCH_ROWS))
    marks = [_mark(ground, 0)]
    at_marks = {10**power // BATCH_ROWS for power in range(6, 10)} | {part, part * HALF, part * PARTS}
    begun = time.perf_counter()
    for number in range(part * PARTS):
        if number % 50 == 0:
            ground.advance(f"transfers in a row: {number * BATCH_ROWS:,} of {transfers:,}")
        given = supply.transfers(loads.uniform, BATCH_ROWS)
        spent = cost(BATCH_ROWS, book.backend, lambda given=given: _append(book, given))  # type: ignore[misc]
        tally.add(str(number // part), spent)
        if number + 1 in at_marks:
            marks.append(_mark(ground, (number + 1) * BATCH_ROWS))
    seconds = time.perf_counter() - begun
    return [*_course(tally, marks, part * BATCH_ROWS, seconds), *_disk(marks)]


def open_again(ground: Ground, book: Book) -> Row:
    """How long another writer takes until it knows every balance: the last snapshot and the rows since."""
    ground.advance("opening the book")
    with ground.connect() as connection:
        head = one(connection, QUERIES.head, {"book": book.number})
    second = Book(ground, book.number, book.accounts)
    begun = time.perf_counter()
    second.journal.balances()
    seconds = time.perf_counter() - begun
    second.journal.close()
    said = f"opening a book of {book.accounts:,} accounts and {head - book.accounts:,} rows"
    return Row(IN_A_ROW, said, seconds, "s", goal=GOAL_OPEN_SECONDS, bound="at_most")


def _append(book: Book, given: Batch) -> None:
    must_be_posted(book.journal.append(given, datetime.now(UTC)).results)


def _course(tally: Tally, marks: list[_Mark], part: int, seconds: float) -> list[Row]:
    first, last = str(0), str(PARTS - 1)
    said = f"the last {part:,} of {part * PARTS:,}"
    reference = f"the first {part:,}"
    more = {f"part_{number + 1}": tally.rate(str(number)) for number in range(PARTS)}
    cpu, cpu_first = tally.cpu_rate(last), tally.cpu_rate(first)
    note = "" if cpu and cpu_first else BACKEND_IS_UNREADABLE
    found = [
        Row(IN_A_ROW, said, tally.rate(last), RATE, reference, tally.rate(first), GOAL, more=more),
        Row(IN_A_ROW, f"{said}, by backend CPU", cpu, CPU_RATE, reference, cpu_first, GOAL, note=note),
        Row(IN_A_ROW, "all of them, with making the rows", part * PARTS / seconds, RATE),
    ]
    begin = next(mark.resident for mark in marks if mark.transfers == part * HALF)
    end = marks[-1].resident
    grown = None if begin is None or end is None else (end - begin) / (part * (PARTS - HALF))
    megabytes = {"half_way_mb": _mega(begin), "last_part_mb": _mega(end)}
    said = "memory of the writer that a further transfer takes"
    note = "" if grown is not None else "memory cannot be read here"
    return [*found, Row(IN_A_ROW, said, grown, "bytes", goal=1.0, bound="at_most", more=megabytes, note=note)]


def _mega(value: int | None) -> float | None:
    return None if value is None else value / 1e6


def _disk(marks: list[_Mark]) -> list[Row]:
    """Bytes a transfer between two marks, by table, index and log."""
    found = []
    for before, after in pairwise(marks):
        count = after.transfers - before.transfers
        if count <= 0:
            continue
        sizes = {name: (size - before.sizes.get(name, 0)) / count for name, size in after.sizes.items()}
        used = {name: each for name, each in sizes.items() if each >= 0.05}
        said = f"transfer {before.transfers:,} to {after.transfers:,}"
        log = {"log": (after.written - before.written) / count}
        found.append(Row(ON_DISK, said, sum(used.values()), "bytes/transfer", more={**used, **log}))
    return found


def _mark(ground: Ground, transfers: int) -> _Mark:
    with ground.connect_as_administrator() as connection:
        sizes = {f"{name} {part}": size for name, part, size in rows_of(connection, QUERIES.sizes)}
        return _Mark(transfers, sizes, one(connection, QUERIES.written), resident_bytes())
