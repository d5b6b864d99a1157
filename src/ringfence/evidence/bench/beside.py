"""Posting with the notary at work, beside posting with it stopped, in turn.

An installation of its own in a folder of the home, with its own PostgreSQL, and the notary as everybody runs it:
`ringfence notary`, a program that reads, replays, writes tiles and signs. It is stopped and let go on by signals, so
that both halves of a round are of one book on one machine. In odd rounds the half without it goes first.

Batches are posted as fast as they go, which is faster than the notary signs: it has no pause while the clock runs, and
what it is behind is told. Single requests it keeps up with; it has signed what the half without it left before the
next half begins, so that it signs what is posted and not twice as much. At a steady pace the figure is how long a row
waits for its signature.
"""

import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ringfence.database.connection import Connection
from ringfence.database.server import Server, open_server
from ringfence.evidence.reading import last_signed
from ringfence.ledger.bench import loads, singles
from ringfence.ledger.bench.figures import RATE, Row, percentile
from ringfence.ledger.bench.ground import (
    QUERIES,
    Book,
    Ground,
    embedded_here,
    make_book,
    must_be_posted,
    one,
    require_room,
    running_seconds,
)
from ringfence.ledger.bench.over_http import die_with_parent, environment_of, run_verb
from ringfence.ledger.storage import read_block
from ringfence.ledger.writer import Writer

FOLDER: Final = "bench-evidence"
BOOK: Final = "bench"
BATCH_ROWS: Final = 8_000
GOAL: Final = 0.85
POSTED_A_SECOND: Final = 20_000
BEAT_ROWS: Final = 500
LONGER: Final = 3  # times as long as batches are: several of the notary's steps fall into each half
GOAL_WAIT_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 600.0
TABLE: Final = "posting with the log"
BYTES_A_ROW: Final = 700  # on the disk at most: journal, its write-ahead log, and the log's files
ROWS_A_SECOND: Final = 300_000
_STOPPED: Final = "the same with the notary stopped"


def rows(
    server: Server, advance: Callable[[str], None], accounts: int, rounds: int, seconds: float, steady: float
) -> list[Row]:
    """What posting keeps, how fast the notary signs, and how long a row waits. A killed run's folder goes first."""
    require_room(server, int(2 * rounds * seconds * ROWS_A_SECOND) * BYTES_A_ROW)
    if not embedded_here(server):
        note = "measured only with the PostgreSQL that comes along"
        return [Row(TABLE, f"batches of {BATCH_ROWS:,}", None, RATE, note=note)]
    home = server.home / FOLDER
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o700)
    try:
        with open_server(home) as own:
            run_verb(home, "migrate")
            ground = Ground(own, own.database, advance)
            book = make_book(ground, BOOK, accounts, known=True)
            with closing(book.journal), _Notary.at_work(home, ground, book) as notary:
                return _measured(ground, book, notary, rounds, seconds, steady)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measured(ground: Ground, book: Book, notary: "_Notary", rounds: int, seconds: float, steady: float) -> list[Row]:
    supply = loads.Supply(book.accounts)
    for _ in range(5):
        _batches(book, supply, seconds / 5)  # the first ones meet pages that are new
    batches: dict[bool, list[float]] = {True: [], False: []}
    signed: list[float] = []
    for number in range(rounds):
        ground.advance(f"batches with the notary and without: round {number + 1} of {rounds}")
        for with_log in (number % 2 == 0, number % 2 != 0):
            with notary.at_work_or_not(with_log):
                before = notary.signed()
                batches[with_log].append(_batches(book, supply, seconds))
                if with_log:
                    signed.append((notary.signed() - before) / seconds)
    caught_up = notary.catch_up(ground, book)
    single = _singles(ground, book, supply, notary, rounds, LONGER * seconds)
    notary.catch_up(ground, book)
    return [
        _row(f"batches of {BATCH_ROWS:,} as fast as they go", batches, {"signed_a_second": statistics.median(signed)}),
        _row(f"{singles.CLIENTS} clients, one transfer each", *single),
        *caught_up,
        *_steady(ground, book, supply, notary, steady),
    ]


def _row(said: str, rates: dict[bool, list[float]], more: dict[str, float | None]) -> Row:
    with_log, without = (statistics.median(rates[each]) for each in (True, False))
    return Row(TABLE, f"{said}, with the notary at work", with_log, RATE, _STOPPED, without, GOAL, more=more)


def _batches(book: Book, supply: loads.Supply, seconds: float) -> float:
    """Transfers a second, without the time that making the rows takes."""
    count, spent = 0, 0.0
    while spent < seconds:
        given = supply.transfers(loads.uniform, BATCH_ROWS)
        begun = time.perf_counter()
        answers = book.journal.append(given, datetime.now(UTC))
        spent += time.perf_counter() - begun
        must_be_posted(answers.results)
        count += len(given)
    return count / spent


def _singles(
    ground: Ground, book: Book, supply: loads.Supply, notary: "_Notary", rounds: int, seconds: float
) -> tuple[dict[bool, list[float]], dict[str, float | None]]:
    rates: dict[bool, list[float]] = {True: [], False: []}
    signed: list[float] = []
    writer = Writer(book.journal, lambda: datetime.now(UTC))
    try:
        for number in range(rounds):
            ground.advance(f"single requests with the notary and without: round {number + 1} of {rounds}")
            for with_log in (number % 2 == 0, number % 2 != 0):
                notary.catch_up(ground, book)
                with notary.at_work_or_not(with_log):
                    before = notary.signed()
                    rates[with_log].append(singles.ask(writer, book, supply, loads.uniform, seconds).rate)
                    if with_log:
                        signed.append((notary.signed() - before) / seconds)
    finally:
        writer.close()
    return rates, {"signed_a_second": statistics.median(signed)}


def _steady(ground: Ground, book: Book, supply: loads.Supply, notary: "_Notary", seconds: float) -> list[Row]:
    """Post so many a second, and see how old the oldest row is that is not signed yet."""
    ground.advance("a steady pace")
    book.journal.balances()
    head = int(one(notary.connection, QUERIES.head, {"book": book.number}))
    posted: list[tuple[float, int]] = []  # when the book had come to this head
    waited: list[float] = []
    begun, sent, looked = time.perf_counter(), 0, 0.0
    while (now := time.perf_counter()) < begun + seconds:
        due = int((now - begun) * POSTED_A_SECOND) - sent
        if now - looked > 0.05:
            looked, size = now, notary.signed()
            posted = [each for each in posted if each[1] > size]
            waited.append(now - posted[0][0] if posted else 0.0)
        if due < BEAT_ROWS:
            time.sleep(0.002)
            continue
        given = supply.transfers(loads.uniform, min(due, BATCH_ROWS))
        must_be_posted(book.journal.append(given, datetime.now(UTC)).results)
        sent += len(given)
        posted.append((time.perf_counter(), head + sent))
    rate = sent / (time.perf_counter() - begun)
    waited.sort()
    said = f"longest that a row waited for its signature, at {POSTED_A_SECOND:,} transfers/s"
    note = "" if rate >= 0.95 * POSTED_A_SECOND else "the machine did not post as many"
    more = {"p50_s": percentile(waited, 0.5), "posted_a_second": rate}
    return [Row(TABLE, said, waited[-1], "s", goal=GOAL_WAIT_SECONDS, bound="at_most", more=more, note=note)]


class _Notary:
    """`ringfence notary`, and a connection that sees how far it has signed."""

    def __init__(self, program: "subprocess.Popen[bytes]", connection: Connection, book: int) -> None:
        self._program = program
        self.connection = connection
        self._book = book

    @classmethod
    @contextmanager
    def at_work(cls, home: Path, ground: Ground, book: Book) -> Iterator["_Notary"]:
        with (home / "notary.log").open("ab") as log, ground.connect() as connection:
            program = subprocess.Popen(
                [sys.executable, "-m", "ringfence", "notary", "--book", BOOK],
                env=environment_of(home),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing but one system call
            )
            notary = cls(program, connection, book.number)
            try:
                notary.catch_up(ground, book)
                yield notary
            finally:
                program.send_signal(signal.SIGCONT)
                program.terminate()
                with suppress(subprocess.TimeoutExpired):
                    program.wait(30)
                program.kill()
                program.wait()

    @contextmanager
    def at_work_or_not(self, at_work: bool) -> Iterator[None]:
        """Stopped where it is while the block lasts, unless it is to work."""
        if not at_work:
            self._program.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
        try:
            yield
        finally:
            self._program.send_signal(signal.SIGCONT)

    def signed(self) -> int:
        found = last_signed(self.connection, self._book)
        return found.size if found else 0

    def catch_up(self, ground: Ground, book: Book) -> list[Row]:
        """Wait until every row is signed; how fast that went, beside reading the same rows and doing nothing."""
        ground.advance("the notary signs what is left")
        head = int(one(self.connection, QUERIES.head, {"book": book.number}))
        first, cpu, begun = self.signed(), running_seconds([self._program.pid]), time.perf_counter()
        while (size := self.signed()) < head:
            if self._program.poll() is not None or time.perf_counter() - begun > PATIENCE_SECONDS:
                raise RuntimeError(f"the notary ends or stays behind at row {size} of {head}")
            time.sleep(0.02)
        count, seconds = head - first, time.perf_counter() - begun
        spent = running_seconds([self._program.pid])
        if count < BATCH_ROWS:
            return []
        raw = time.perf_counter()
        for start in range(first, head, 65_536):
            read_block(self.connection, book.number, start, min(head, start + 65_536))
        raw = time.perf_counter() - raw
        each = None if cpu is None or spent is None else (spent - cpu) / count * 1e6
        reading = "reading the same rows, and nothing else"
        more = {"client_us": each}
        said = "signed by the notary while nobody posts"
        return [Row(TABLE, said, count / seconds, "rows/s", reading, count / raw, more=more)]
