"""Many programs, one journal: compare-and-append under real contention, and beside writers that are stopped."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from ledger_crash import ACCOUNTS, Requests, Walk, answered, connecting, lines_of, now, set_up
from ringfence.database.connection import Connection, conninfo_of
from ringfence.database.connection import connect as connect_to
from ringfence.ledger import reading
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line, Result
from ringfence.ledger.storage import CALL_ROWS_MAX

PROGRAM = Path(__file__).with_name("ledger_crash.py")
SIZES = (1, 2, 8, 60, 300)  # chains of a batch
COPIED = CALL_ROWS_MAX + 1  # rows of a batch that does not go in by a call
BANK, ALICE = 1, 2


@dataclass
class Program:
    """One `contend`, a Python of its own."""

    running: "subprocess.Popen[str]"
    log: Path

    def ready(self) -> None:
        assert self.running.stdout.readline() == "ready\n", self.running.stderr.read()

    def tell(self, word: str) -> None:
        self.running.stdin.write(word + "\n")
        self.running.stdin.flush()

    def told(self) -> list[dict[str, Any]]:
        return lines_of(self.log)


@dataclass
class Crowd:
    """Programs that append to the same books until their time is over."""

    programs: list[Program]
    base: datetime
    began: float

    def finish(self) -> None:
        for program in self.programs:
            _, said = program.running.communicate(timeout=120)
            assert program.running.returncode == 0, said

    def refused(self) -> Counter[str]:
        return Counter(line["refused"] for each in self.programs for line in each.told() if "refused" in line)


@pytest.fixture
def program(database, tmp_path) -> Iterator[Callable[..., Program]]:
    """Start a program of `ledger_crash`; those that a failed test left are killed."""
    started: list[Program] = []

    def start(name: str, **order: Any) -> Program:
        running = subprocess.Popen(
            [sys.executable, str(PROGRAM), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        one = Program(running, tmp_path / f"answers-{len(started)}")
        order |= {"conninfo": database.conninfo("core"), "number": len(started), "log": str(one.log)}
        one.tell(json.dumps(order))
        started.append(one)
        return one

    yield start
    for each in started:
        each.running.kill()
        each.running.communicate()


@pytest.fixture
def crowd(program) -> Callable[..., Crowd]:
    """Start several that append to the same books, at one moment."""

    def start(programs: int, books: list[int], *, rows: int = 0, seconds: float = 0, **more: Any) -> Crowd:
        base = now()
        order = {"books": books, "rows": rows, "seconds": seconds, "base": base.isoformat(), "sizes": SIZES, **more}
        found = [program("contend", **order) for _ in range(programs)]
        for each in found:
            each.ready()
        began = time.time()
        for each in found:
            each.tell(str(began))
        return Crowd(found, base, began)

    return start


@pytest.fixture
def connect(database) -> Callable[[], Connection]:
    return lambda: database.connect("core")


@pytest.fixture
def administrator(database) -> Iterator[Callable[[], Connection]]:
    """Connections that may lock, look at and end whatever is in the test's database."""
    with ExitStack() as stack:
        server = database.server

        def one() -> Connection:
            named = {**server.parameters, **server.administrator, "dbname": database.name}
            return stack.enter_context(connect_to(conninfo_of(named, None), autocommit=True))

        yield one


def watched(connect, crowd: Crowd, books: list[int]) -> int:
    """Read balances while the programs write, brought up to the head: debits equal credits at any time."""
    looks = 0
    connection = connect()
    while any(program.running.poll() is None for program in crowd.programs):
        for book in books:
            found = reading.balances(connection, book, fresh=True)
            connection.rollback()
            assert sum(each.balance if each.side == "debit" else -each.balance for each in found) == 0
            looks += 1
        time.sleep(0.05)
    return looks


def whole(connect, crowd: Crowd, books: list[int]) -> dict[int, Walk]:
    """What every program was answered is in the journal, and nothing else is; each row was answered to one as new."""
    connection = connect()
    walks = {book: Walk(book) for book in books}
    sums: dict[int, Counter[int]] = {book: Counter() for book in books}
    firsts: dict[int, Counter[int]] = {book: Counter() for book in books}
    for walk in walks.values():
        walk.read(connection)
        walk.agrees(connection)
        walk.agrees_with_cache(connect)
    for program in crowd.programs:
        for line in program.told():
            if "refused" in line:
                continue
            book, requests = line["book"], Requests(line["book"], crowd.base)
            for group, other, said in line["chains"]:
                for asked, (word, sequence, replayed) in zip(requests.chain(group, other=other), said, strict=True):
                    answered(walks[book], asked, word, sequence)
                    if sequence >= 0 and not replayed:
                        firsts[book][sequence] += 1
                        if word == "posted" and asked.kind in (Kind.TRANSFER, Kind.POST, Kind.CORRECTION):
                            sums[book][asked.debit_account] += asked.amount
                            sums[book][asked.credit_account] -= asked.amount
    for book, walk in walks.items():
        assert firsts[book] == Counter(range(len(ACCOUNTS), walk.head))
        for number, account in walk.accounts.items():
            signed = sums[book][number]
            assert account.balance == (signed if account.account.side == "debit" else -signed)
    return walks


def everybody_got_on(crowd: Crowd) -> None:
    """Every program had appends answered, and none waited for more than half a minute."""
    for program in crowd.programs:
        answered_at = [line["at"] for line in program.told() if "chains" in line]
        assert len(answered_at) > 2
        assert max(later - before for before, later in pairwise([0.0, *answered_at])) < 30.0


def kinds_of(walk: Walk) -> Counter[Kind]:
    return Counter(row.kind for row in walk.rows.values())


def test_eight_programs_append_to_one_book(connect, crowd):
    """Mixed batches, shared accounts near their limits, the same ids from several at once, races for the same holds.
    Then somebody who was not there asks for all of it once more: what was answered is answered alike, the rest is new.
    """
    book = set_up(connect, "one", now())
    eight = crowd(8, [book], rows=800)
    assert watched(connect, eight, [book]) > 5
    eight.finish()
    walk = whole(connect, eight, [book])[book]
    everybody_got_on(eight)
    assert not eight.refused()  # nobody waited too long for a lock, and there was no deadlock
    late, requests, sequences = Journal(connect, book), Requests(book, eight.base), Counter()
    for first in range(0, 1_000, 50):
        for answers in late.submit([Unit(requests.chain(group)) for group in range(first, first + 50)], now()):
            sequences.update(each.sequence for each in answers if each.replayed)
    resolved = [UUID(int=(1 << 127) + number) for number in range(6)]
    for held, kind, first, second in (
        (resolved[0], Kind.POST, *resolved[1:3]),
        (resolved[3], Kind.VOID, *resolved[4:]),
    ):
        amount = 1 if kind == Kind.POST else 0
        asked = [
            Line(Kind.PENDING, held, BANK, ALICE, 1),
            *(Line(kind, each, BANK, ALICE, amount, held) for each in (first, second)),
        ]
        late.submit([Unit([line]) for line in asked], now())
    late.close()
    assert len(sequences) > 400  # each row that was there was found once, whoever had asked for it
    assert set(sequences.values()) == {1}
    walk.read(connect())
    walk.agrees(connect())
    kinds = kinds_of(walk)
    assert all(kinds[kind] for kind in (Kind.TRANSFER, Kind.POST, Kind.VOID, Kind.CORRECTION, Kind.ACCOUNT_CLOSED))
    reasons = {row.reason for row in walk.rows.values()}
    assert reasons >= {
        "balance_must_not_fall_below_its_minimum",
        "balance_must_not_exceed_its_maximum",
        "pending_transfer_already_posted",
        "pending_transfer_already_voided",
        "linked_row_failed",
    }


def test_eight_programs_append_to_eight_books(connect, crowd):
    """Each program writes to all of them in an order drawn by lot, so a cache is stale nearly always."""
    books = [set_up(connect, f"book-{number}", now()) for number in range(8)]
    eight = crowd(8, books, rows=120)
    assert watched(connect, eight, books) > 5
    eight.finish()
    walks = whole(connect, eight, books)
    everybody_got_on(eight)
    assert not eight.refused()
    assert all(walk.head >= 120 for walk in walks.values())


def test_a_large_batch_gets_its_turn_among_many_small_ones(connect, crowd, program):
    """Three programs append one row after the other without a pause. A batch whose rules take longer than they leave
    between two appends is not put off for ever.
    """
    book = set_up(connect, "turn", now())
    small = crowd(3, [book], rows=10**9, sizes=(1, 1, 1, 1, 1))
    large = program("ask", book=book, id=1_000_000, rows=8_000, also=False)
    large.ready()
    large.tell("go")
    heard: Future[str] = Future()
    Thread(target=lambda: heard.set_result(large.running.stdout.readline()), daemon=True).start()
    said = json.loads(heard.result(timeout=30))
    assert [word for word, _, _ in said["answers"]] == ["posted"] * 8_000
    assert all(each.running.poll() is None for each in small.programs)


def stopped_again_and_again(crowd: Crowd, program: Program, seconds: float, pause: float) -> list[tuple[float, float]]:
    """Stop a program and let it go on, until shortly before the end. When it stood still, from the beginning on."""
    pauses = []
    while (since := time.time() - crowd.began) < seconds - pause - 0.5:
        program.running.send_signal(signal.SIGSTOP)
        time.sleep(pause)
        program.running.send_signal(signal.SIGCONT)
        pauses.append((since, time.time() - crowd.began))
        time.sleep(0.37)
    return pauses


def test_programs_that_stand_still_for_a_while_never_append_from_a_stale_cache(connect, crowd):
    """One of four is stopped wherever it happens to be, again and again; the others go on, and every limit holds."""
    book = set_up(connect, "paused", now())
    seconds = 8.0
    four = crowd(4, [book], seconds=seconds, lock_timeout="400ms")
    pauses = stopped_again_and_again(four, four.programs[0], seconds, 1.2)
    four.finish()
    whole(connect, four, [book])
    everybody_got_on(four)
    assert len(pauses) > 2
    for first, last in pauses:
        assert any(first < line["at"] < last for each in four.programs[1:] for line in each.told() if "chains" in line)
    assert set(four.refused()) <= {"database_took_too_long", "database_is_lost"}


def test_writers_that_take_turns_keep_caches_that_agree(connect):
    """Three writers of one book, in an order drawn by lot, with retries of what others asked: after every append
    the writer's cache is what the journal says, every open hold included.
    """
    for seed in range(4):
        book = set_up(connect, f"turns-{seed}", now())
        journals = [Journal(connect, book) for _ in range(3)]
        requests, lot, walk, connection = Requests(book, now()), random.Random(seed), Walk(book), connect()
        for step in range(150):
            groups = dict.fromkeys(
                max(0, 2 * step - int(lot.expovariate(0.05))) for _ in range(lot.choice((1, 2, 8, 40)))
            )
            units = [Unit(requests.chain(group, other=lot.random() < 0.03)) for group in groups]
            journal = lot.choice(journals)
            journal.submit(units, now())
            walk.read(connection)
            walk.agrees_with(journal.balances())
        walk.agrees(connection)
        for journal in journals:
            journal.close()


# -- locks, and writers that stand still while they have them ---------------------------------------------------------


def backend_that_waits(owner: Connection) -> int:
    """The number of the backend of role core that waits for a lock."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = owner.execute(
            b"SELECT pid FROM pg_stat_activity WHERE usename = 'ringfence_core' AND datname = current_database()"
            b" AND wait_event_type = 'Lock'"
        ).fetchone()
        if found:
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("nobody waits for a lock")


def tables_held_by(owner: Connection, backend: int) -> set[str]:
    """The tables that a backend has written to in its transaction; the parts of the journal go by its name."""
    found = owner.execute(
        b"SELECT DISTINCT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        b" WHERE l.pid = %s AND l.granted AND l.mode = 'RowExclusiveLock' AND c.relkind IN ('r', 'p')"
        b" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [backend],
    ).fetchall()
    return {name.partition("_")[0] for (name,) in found}


@pytest.mark.parametrize("rows", [1, COPIED], ids=["one call", "copy"])
def test_an_append_takes_its_locks_in_one_order(administrator, connect, rows):
    """Head, journal, accounts, then whatever goes with the rows: at each table an append is held up, and what it has by
    then is what stands before. So two appends, of one book or of two, never wait for one another in a circle.
    """
    book = set_up(connect, "locks", now())
    owner, holder = administrator(), administrator()
    owner.execute(b"CREATE TABLE public.note (note integer)")
    owner.execute(b"GRANT USAGE ON SCHEMA public TO ringfence_core")
    owner.execute(b"GRANT INSERT ON public.note TO ringfence_core")
    order = ["ledger.head", "ledger.journal", "ledger.account", "public.note"]
    for place, table in enumerate(order):
        account = Account(0, f"extra-{place}", "EUR", "credit", 0, None, "customer:extra", "client")
        opening = Line(Kind.ACCOUNT_OPENED, UUID(int=1_000_000 * (place + 1)), payload=account.payload())
        deposits = [
            Line(Kind.TRANSFER, UUID(int=1_000_000 * (place + 1) + each), BANK, ALICE, 1) for each in range(1, rows)
        ]
        also = [(b"INSERT INTO public.note VALUES (%(place)s)", {"place": place})]
        journal = Journal(connect, book)
        journal.balances()
        with ThreadPoolExecutor(1) as other:
            with holder.transaction():
                holder.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(*table.split("."))))
                answers = other.submit(journal.submit, [Unit([opening, *deposits], also)], now())
                held = tables_held_by(owner, backend_that_waits(owner))
            assert held == {each.partition(".")[2] for each in order[:place]}
            assert {each.result for each in answers.result()[0]} == {Result.POSTED}
        journal.close()


@pytest.mark.parametrize(
    ("rows", "also", "kept"),
    [(1, False, True), (1, True, False), (COPIED, False, False), (COPIED, True, False)],
    ids=["one call", "one call with statements", "copy", "copy with statements"],
)
def test_a_writer_that_stands_still_inside_its_append_is_let_go_by_the_next(
    database, administrator, connect, program, rows, also, kept
):
    """A program is stopped while PostgreSQL works for it. A plain append of a few rows is whole without it. Any other
    would keep the book for ever: the next writer waits for as long as it waits for any lock, ends that connection, and
    goes on. The stopped one wakes up to a lost connection, asks again, and everything is there once.
    """
    book = set_up(connect, "still", now())
    owner = administrator()
    stopped = program("ask", book=book, id=1_000_000, rows=rows, also=also)
    stopped.ready()
    holder = administrator()
    with holder.transaction():
        holder.execute(b"SELECT FROM ledger.head WHERE book_id = %s FOR UPDATE", [book])
        stopped.tell("go")
        backend_that_waits(owner)
        stopped.running.send_signal(signal.SIGSTOP)

    other = Journal(connecting({"conninfo": database.conninfo("core"), "lock_timeout": "500ms"}), book)
    began = time.monotonic()
    [[answer]] = other.submit([Unit([Line(Kind.TRANSFER, UUID(int=7), BANK, ALICE, 100)])], now())
    assert time.monotonic() - began < 8
    assert answer.result == Result.POSTED
    assert answer.sequence == len(ACCOUNTS) + (rows if kept else 0)
    other.close()

    stopped.running.send_signal(signal.SIGCONT)
    said, _ = stopped.running.communicate(timeout=60)
    heard = json.loads(said)
    assert [word for word, _, _ in heard["answers"]] == ["posted"] * rows
    assert heard["turned_away"] == ([] if kept else ["database_is_lost"])
    walk = Walk(book)
    walk.read(connect())
    assert walk.head == len(ACCOUNTS) + 1 + rows
    assert walk.accounts[ALICE].balance == 100 + rows
    walk.agrees_with_cache(connect)


@pytest.mark.soak
def test_a_program_that_stands_still_for_a_minute(connect, crowd):
    """The same with the settings of an installation and pauses of a minute."""
    book = set_up(connect, "paused", now())
    seconds = 60 * max(4.0, min(10.0, float(os.environ.get("RINGFENCE_SOAK_MINUTES", "10"))))
    four = crowd(4, [book], seconds=seconds)
    pauses = stopped_again_and_again(four, four.programs[0], seconds, 61)
    four.finish()
    whole(connect, four, [book])
    assert len(pauses) > 1
    for first, last in pauses:
        assert any(first < line["at"] < last for each in four.programs[1:] for line in each.told() if "chains" in line)
