"""Questions to a large book while others post to it: a balance of the past, a page of a statement, and how far the
entries are behind. Whoever posts and whoever projects are programs of their own, as they are in production, so that the
one who asks waits for the database and not for Python.
"""

import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ringfence.database import connection as connections
from ringfence.ledger import reading
from ringfence.ledger.bench import loads
from ringfence.ledger.bench.figures import RATE, Row, percentile
from ringfence.ledger.bench.ground import FIRST_CUSTOMER, QUERIES, Book, Ground, must_be_posted, one
from ringfence.ledger.entries import Entries
from ringfence.ledger.journal import Journal

GOAL_MS: Final = 2.0
GOAL_LAG_SECONDS: Final = 1.0
POSTED_A_SECOND: Final = 50_000
BEAT_ROWS: Final = 500  # posted at once while others read
PAGE_ROWS: Final = 50
TABLE: Final = "reading"
_SPAWN: Final = multiprocessing.get_context("spawn")


def rows(ground: Ground, book: Book, questions: int, seconds: float) -> list[Row]:
    """Bring the entries up to the head, then ask and measure the lag while others post."""
    book.journal.close()
    ground.advance("entries of all that was posted")
    with ground.connect() as connection:
        head = one(connection, QUERIES.head, {"book": book.number})
        begun = time.perf_counter()
        Entries(book.number).follow(connection)
        caught_up = time.perf_counter() - begun
    found = [Row(TABLE, "entries made from the journal, journal rows", head / caught_up, "rows/s")]
    with _at_work(ground, book, _project), _at_work(ground, book, _post) as posted, ground.connect() as connection:
        ground.advance("questions while others post")
        found += _questions(connection, book, head, questions)
        ground.advance("how far the entries are behind")
        found += _lag(connection, book, seconds, posted)
    return found


def _questions(connection: connections.Connection, book: Book, head: int, questions: int) -> list[Row]:
    chance = random.Random(7)  # noqa: S311 - a load, not a secret
    first = reading.posted_at(connection, book.number, book.accounts + 1)
    last = reading.posted_at(connection, book.number, head - 1)
    if first is None or last is None:
        raise RuntimeError("the book has no transfers to ask about")

    def name() -> str:
        return f"customer:{chance.randrange(FIRST_CUSTOMER, book.accounts)}:available"

    def past() -> None:
        reading.balance(connection, book.number, name(), before=chance.randrange(book.accounts, head))

    def then() -> None:
        at = first + timedelta(seconds=(last - first).total_seconds() * chance.random())
        reading.balance(connection, book.number, name(), before=reading.head_at(connection, book.number, at))

    def statement() -> None:
        before = chance.randrange(book.accounts, head)
        reading.statement(connection, book.number, name(), last=before, limit=PAGE_ROWS)

    asked: tuple[tuple[str, Callable[[], None]], ...] = (
        ("balance at a random sequence", past),
        ("balance at a random time", then),
        (f"statement page of {PAGE_ROWS} before a random sequence", statement),
    )
    taken: dict[str, list[float]] = {said: [] for said, _ in asked}
    for _ in range(questions):
        for said, ask in asked:
            begun = time.perf_counter()
            ask()
            taken[said].append((time.perf_counter() - begun) * 1000)
    return [_latency(f"{said}, while others post", sorted(each)) for said, each in taken.items()]


def _latency(said: str, taken: list[float]) -> Row:
    more = {"p99_ms": percentile(taken, 0.99)}
    return Row(TABLE, f"{said}, p50", percentile(taken, 0.5), "ms", goal=GOAL_MS, bound="at_most", more=more)


def _lag(connection: connections.Connection, book: Book, seconds: float, posted: Any) -> list[Row]:
    begun, posted_before = time.perf_counter(), posted.value
    seen: list[reading.Lag] = []
    while time.perf_counter() < begun + seconds:
        seen.append(reading.lag(connection, book.number))
        time.sleep(0.05)
    rate = (posted.value - posted_before) / (time.perf_counter() - begun)
    waited = sorted(each.seconds for each in seen)
    more = {
        "p50_s": percentile(waited, 0.5),
        "rows_p50": statistics.median(each.rows for each in seen),
        "posted_a_second": rate,
    }
    said = f"longest that an entry was behind, at {POSTED_A_SECOND:,} transfers/s"
    note = "" if rate >= 0.98 * POSTED_A_SECOND else "the machine did not post as many"
    return [
        Row(TABLE, "transfers posted meanwhile", rate, RATE),
        Row(TABLE, said, waited[-1], "s", goal=GOAL_LAG_SECONDS, bound="at_most", more=more, note=note),
    ]


# -- programs beside -------------------------------------------------------------------------------------------------


@contextmanager
def _at_work(ground: Ground, book: Book, work: Callable[..., None]) -> Iterator[Any]:
    """A program that works until the block ends; its counter is shared. It ends with this program if that is killed."""
    stop, count = _SPAWN.Event(), _SPAWN.Value("q", 0)
    conninfo = ground.server.conninfo("core", ground.database)
    beside = _SPAWN.Process(target=work, args=(conninfo, book.number, book.accounts, stop, count), daemon=True)
    beside.start()
    try:
        while count.value == 0:
            if not beside.is_alive():
                raise RuntimeError(f"a program beside the benchmark ended early ({beside.exitcode})")
            time.sleep(0.05)
        yield count
    finally:
        stop.set()
        beside.join(30)
        if beside.is_alive():
            beside.kill()


def _post(conninfo: str, book: int, accounts: int, stop: Any, count: Any) -> None:
    """Post steadily, as many a second as wanted; who is late catches up."""

    def connect() -> connections.Connection:
        return connections.connect(conninfo, autocommit=True)

    journal = Journal(connect, book)
    supply = loads.Supply(accounts, seed=11)
    journal.balances()
    begun, sent = time.perf_counter(), 0
    while not stop.is_set():
        due = int((time.perf_counter() - begun) * POSTED_A_SECOND) - sent
        if due < BEAT_ROWS:
            time.sleep((BEAT_ROWS - due) / POSTED_A_SECOND)
            continue
        given = supply.transfers(loads.uniform, min(due, 8_000))
        must_be_posted(journal.append(given, datetime.now(UTC)).results)
        sent += len(given)
        count.value = sent
    journal.close()


def _project(conninfo: str, book: int, accounts: int, stop: Any, count: Any) -> None:
    """Keep the entries behind the journal as a core does."""
    del accounts
    projector = Entries(book)
    with connections.connect(conninfo, autocommit=True) as connection:
        projector.warm(connection)
        while not stop.is_set():
            reached, head = projector.step(connection)
            count.value = max(1, reached)
            if reached >= head:
                time.sleep(0.05)
