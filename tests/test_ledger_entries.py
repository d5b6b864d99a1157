"""The entries on a real PostgreSQL, held against a walk through the journal that adds up in plain Python.

The walk knows nothing of entries: it takes the rows as `reading.journal_page` shows them, one after the other.
"""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringfence.database.connection import connect
from ringfence.ledger import entries, reading, snapshot
from ringfence.ledger.entries import Entries, Follower, Group
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.ledger.standing import Limits, Monitor, Watched, owner_class
from ringfence.ledger.storage import head_of
from ringfence.refusal import Refused

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)
ACCOUNTS = [
    Account(1, "bank", "EUR", "debit", None, None, "bank:main", "client"),
    Account(2, "alice", "EUR", "credit", 0, None, "customer:alice", "client"),
    Account(3, "bob", "EUR", "credit", -200, None, "customer:bob", "client"),
    Account(4, "fees", "EUR", "credit", None, None, "platform", "own"),
    Account(5, "till", "EUR", "debit", None, None, "platform", "own"),
]
Standing = tuple[int, int, int]  # balance, held, expected


@dataclass
class Walk:
    """What a journal did, found by going through it row by row."""

    entries: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    standing: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    posted: list[tuple[int, int, int, date, datetime]] = field(default_factory=list)  # sequence, account, change, dates

    def total(self, accounts: list[Account]) -> dict[Group, Standing]:
        found: dict[Group, Standing] = {}
        moved = {account for account, *_ in self.entries}
        for each in accounts:
            if each.account in moved:
                group = Group(owner_class(each.owner), each.pool, each.currency, each.side)
                before = found.get(group, (0, 0, 0))
                found[group] = tuple(a + b for a, b in zip(before, self.standing[each.account], strict=True))
        return found

    def balance(self, account: int, day: date, before: int) -> int:
        """By value date and as known before a row: the definition itself."""
        return sum(
            change
            for sequence, moved, change, value_date, _ in self.posted
            if moved == account and sequence < before and value_date <= day
        )


def walk(connection: psycopg.Connection, book: int, accounts: list[Account]) -> Walk:
    sides = {each.account: each.side for each in accounts}
    found, holds = Walk(), {}
    for row in reversed(reading.journal_page(connection, book, limit=1_000_000)):
        if row.kind > Kind.CORRECTION:
            continue
        moved = row.amount if row.kind in (Kind.TRANSFER, Kind.POST, Kind.CORRECTION) else 0
        pending = -holds.pop(row.refers_to) if row.kind in (Kind.POST, Kind.VOID, Kind.EXPIRE) else 0
        if row.kind == Kind.PENDING:
            holds[row.id] = pending = row.amount
        for account, side in ((row.debit_account, "debit"), (row.credit_account, "credit")):
            normal = sides[account] == side
            change = moved if normal else -moved
            standing = found.standing[account]
            standing[0] += change
            standing[2 if normal else 1] += pending
            found.entries.append((account, row.sequence, change, *standing))
            if change:
                found.posted.append((row.sequence, account, change, row.value_date, row.posted_at))
    found.entries.sort()
    return found


@dataclass
class Book:
    """A book, its journal, and a clock that tests own."""

    connect: Callable[[str], psycopg.Connection]
    number: int
    journal: Journal
    now: datetime = MORNING
    ids: Iterator[int] = field(default_factory=lambda: iter(range(1, 1 << 30)))
    holds: list[Line] = field(default_factory=list)
    moved: list[Line] = field(default_factory=list)

    def post(self, *lines: Line) -> None:
        self.journal.submit([Unit([line]) for line in lines], self.now)

    def line(self, kind: Kind, debit: int, credit: int, amount: int, **more) -> Line:
        more.setdefault("value_date", self.now.date())
        return Line(kind, UUID(int=(self.number << 40) + next(self.ids)), debit, credit, amount, **more)

    def follow(self, projector: Entries | None = None) -> int:
        return (projector or Entries(self.number)).follow(self.connect("core"))

    def found(self) -> list[tuple[int, ...]]:
        rows = self.connect("reader").execute(
            "SELECT account, sequence, change, balance, held, expected FROM ledger.entry WHERE book_id = %s"
            " ORDER BY account, sequence",
            (self.number,),
        )
        return rows.fetchall()

    def everything(self) -> list[list[tuple]]:
        """Every row of every table that follows the journal."""
        reader = self.connect("reader")
        return [
            sorted(reader.execute(f"SELECT * FROM ledger.{table} WHERE book_id = {self.number}").fetchall())
            for table in ("entry", "shifted_entry", "total")
        ] + [reader.execute("SELECT sequence FROM ledger.projection WHERE book_id = %s", (self.number,)).fetchall()]

    def walk(self) -> Walk:
        return walk(self.connect("reader"), self.number, ACCOUNTS)

    def agrees(self) -> Walk:
        """Entries, totals and the balances of the journal's own cache are what the walk finds."""
        self.follow()
        expected = self.walk()
        assert self.found() == expected.entries
        totals = {each.group: (each.balance, each.held, each.expected) for each in self.totals().groups}
        assert totals == expected.total(ACCOUNTS)
        cache = self.journal.balances()
        for each in ACCOUNTS:
            standing = (cache.balance(each.account), cache.held(each.account), cache.expected(each.account))
            assert standing == tuple(expected.standing[each.account])
        return expected

    def totals(self) -> reading.Totals:
        return reading.totals(self.connect("reader"), self.number)


@dataclass
class Shelf:
    """Opens books in one database, each connection once."""

    database: object
    kept: dict[str, psycopg.Connection] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)

    def connect(self, role: str) -> psycopg.Connection:
        if role not in self.kept:
            self.kept[role] = self.database.connect(role)
            self.kept[role].autocommit = True
        return self.kept[role]

    def book(self) -> Book:
        number = len(self.journals) + 1
        opened = reading.open_book(self.connect("core"), f"book-{number}", MORNING)
        self.journals.append(Journal(lambda: self.database.connect("core"), opened.book_id))
        found = Book(self.connect, opened.book_id, self.journals[-1])
        found.post(
            *(found.line(Kind.ACCOUNT_OPENED, 0, 0, 0, payload=each.payload() | {"account": 0}) for each in ACCOUNTS)
        )
        assert list(found.journal.balances().numbers) == [each.name for each in ACCOUNTS]
        return found


@pytest.fixture
def shelf(database) -> Iterator[Shelf]:
    found = Shelf(database)
    yield found
    for journal in found.journals:
        journal.close()


@pytest.fixture
def book(shelf) -> Book:
    return shelf.book()


# -- random journals ---------------------------------------------------------------------------------------------------

SHIFTS = st.sampled_from([0, 0, 0, 0, 1, -1, 2, -3, -40, 400])
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["transfer"] * 4
            + ["hold"] * 3
            + ["post", "void", "expire", "correct", "wait"]
            + ["event", "watch", "limit"]
        ),
        st.permutations(range(1, 6)),
        st.integers(1, 400),
        SHIFTS,
        st.integers(0, 9),
    ),
    max_size=40,
)


def act(book: Book, action: tuple[str, list[int], int, int, int]) -> None:
    """One thing happens, or is refused, which is a row too."""
    word, (debit, credit, *_), amount, shift, pick = action
    day = book.now.date() + timedelta(days=shift)
    hold = book.holds[pick % len(book.holds)] if book.holds else None
    if word == "wait":
        book.now += timedelta(hours=5 * pick)
    elif word == "transfer":
        book.moved.append(book.line(Kind.TRANSFER, debit, credit, amount, value_date=day))
        book.post(book.moved[-1])
    elif word == "hold":
        expires = book.now + timedelta(hours=pick) if pick % 2 else None
        book.holds.append(book.line(Kind.PENDING, debit, credit, amount, value_date=day, expires_at=expires))
        book.post(book.holds[-1])
    elif word == "event":
        book.post(book.line(Kind.EVENT, 0, 0, 0, code=1000, payload={"said": "something"}))
    elif word == "watch":  # and turns, written by the journal itself, among what follows
        watched = Monitor(f"m{pick}", Watched(account=2), "balance", amount, None, UUID(int=9))
        book.post(watched.line(UUID(int=(book.number << 40) + next(book.ids)), day))
    elif word == "limit":
        book.post(Limits(3, -amount, None, UUID(int=9)).line(UUID(int=(book.number << 40) + next(book.ids)), day))
    elif word == "correct" and book.moved:
        wrong = book.moved[pick % len(book.moved)]
        refers = {"refers_to": wrong.id, "value_date": day}
        book.post(book.line(Kind.CORRECTION, wrong.credit_account, wrong.debit_account, wrong.amount, **refers))
    elif word in ("post", "void", "expire") and hold:
        part = max(1, hold.amount - pick * 10) if word == "post" else 0
        refers = {"refers_to": hold.id, "value_date": day}
        book.post(book.line(Kind[word.upper()], hold.debit_account, hold.credit_account, part, **refers))


def examples(count: int):
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@examples(60)
@given(actions=ACTIONS, turns=st.lists(st.integers(0, 5), max_size=12), rows=st.integers(1, 9))
def test_entries_and_totals_are_what_a_walk_through_the_journal_finds(shelf, actions, turns, rows):
    """Four projectors take turns between the actions, two of them warm, one new every time, one new and warmed by the
    last snapshot, if one was kept; blocks of a few rows, so that holds are resolved in later blocks than they were made
    in, by another projector than saw them.
    """
    book = shelf.book()
    warm = [Entries(book.number), Entries(book.number)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "STEP_ROWS", rows)
        for number, action in enumerate(actions):
            act(book, action)
            turn = turns[number] if number < len(turns) else 0
            core = shelf.connect("core")
            core.autocommit = True
            if turn == 5:
                balances = book.journal.balances()
                snapshot.keep(core, book.number, head_of(core, book.number), snapshot.dump(balances))
            elif turn:
                projector = [*warm, Entries(book.number), Entries(book.number)][turn - 1]
                if turn == 4:
                    projector.warm(core)
                projector.step(core)
        book.follow(warm[0])
        book.agrees()


@examples(40)
@given(actions=ACTIONS, data=st.data())
def test_a_balance_by_value_date_is_the_sum_of_what_had_its_value_by_then(shelf, actions, data):
    """Both times at once: every account, days on which something has its value and days beside them, rows and times."""
    book = shelf.book()
    for action in actions:
        act(book, action)
    book.follow()
    found, reader = book.walk(), shelf.connect("reader")
    head = reading.lag(reader, book.number).reached
    at = MORNING + timedelta(hours=data.draw(st.integers(0, 120)))
    points = [*range(0, head + 2, max(1, head // 5)), reading.head_at(reader, book.number, at), reading.LATEST]
    dates = sorted({each[3] for each in found.posted} | {book.now.date()})
    days = data.draw(st.lists(st.tuples(st.sampled_from(dates), st.integers(-1, 1)), min_size=4, max_size=4))
    for account in ACCOUNTS:
        for day in (date_ + timedelta(days=beside) for date_, beside in days):
            for before in points:
                told = reading.balance_by_value_date(reader, book.number, account.name, day, before=before)
                assert told.balance == found.balance(account.account, day, before), (account.name, day, before)
                assert told.as_of == min(before, head)


@examples(20)
@given(actions=ACTIONS)
def test_a_balance_at_every_past_row_is_the_one_it_was(shelf, actions):
    book = shelf.book()
    past = []
    for action in actions:
        act(book, action)
        cache = book.journal.balances()
        state = {each.name: (cache.balance(each.account), cache.held(each.account)) for each in ACCOUNTS}
        past.append((reading.book_named(shelf.connect("reader"), f"book-{book.number}").head, state))
    book.follow()
    for before, state in past:
        for name, (balance, held) in state.items():
            told = reading.balance(shelf.connect("reader"), book.number, name, before=before)
            assert (told.balance, told.held) == (balance, held)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def busy(book: Book, seed: int, count: int) -> None:
    picks = random.Random(seed)
    words = ["transfer"] * 6 + ["hold", "hold", "post", "void", "event", "correct", "wait", "watch", "limit"]
    for _ in range(count):
        accounts = picks.sample(range(1, 6), 2)
        act(
            book,
            (picks.choice(words), accounts, picks.randint(1, 90), picks.choice([0, 0, 0, 1, -2]), picks.randint(0, 9)),
        )


@pytest.mark.parametrize("place", ["copy_entries_in", "copy_shifted_in", "advance_entries"])
def test_a_step_that_fails_leaves_nothing_and_the_next_one_succeeds(book, monkeypatch, place):
    """Failed, and did not persist: the same projector goes on with what the database has."""
    projector, core = Entries(book.number), book.connect("core")
    busy(book, 1, 40)
    projector.follow(core)
    before = book.everything()
    busy(book, 2, 40)
    with monkeypatch.context() as broken:
        broken.setattr(entries.QUERIES, place, b"SELECT 1 / 0", raising=True)
        with pytest.raises(psycopg.Error):
            projector.step(core)
    assert book.everything() == before
    projector.follow(core)
    book.agrees()


def test_a_step_whose_answer_is_lost_is_not_done_twice(book, monkeypatch):
    """Failed, but persisted: the commit arrived and its answer did not."""
    projector, core = Entries(book.number), book.connect("core")
    busy(book, 1, 40)

    def block_then_lose(*arguments):
        Entries._block(projector, *arguments)
        core.execute("COMMIT")
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(projector, "_block", block_then_lose)
        with pytest.raises(ConnectionError):
            projector.step(core)
    assert reading.lag(core, book.number).rows == 0
    projector.follow(core)
    busy(book, 2, 40)
    projector.follow(core)
    book.agrees()


def test_a_step_inside_a_callers_transaction_that_is_taken_back_leaves_nothing(book, database):
    core = database.connect("core")
    busy(book, 1, 30)
    projector = Entries(book.number)
    projector.follow(core)
    before = book.everything()
    busy(book, 2, 30)

    durable = core.execute("SHOW synchronous_commit").fetchone()
    core.commit()
    with core.transaction(force_rollback=True):
        core.execute("SELECT 1")
        projector.follow(core)
        assert reading.lag(core, book.number).rows == 0
        assert core.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("1min",)
        assert core.execute("SHOW synchronous_commit").fetchone() == durable
    assert book.everything() == before
    projector.follow(core)
    book.agrees()


def test_a_projector_that_sleeps_with_the_turn_loses_it_and_leaves_nothing(book, database, monkeypatch):
    busy(book, 1, 30)
    asleep, core = Entries(book.number), database.connect("core")

    def sleep(*arguments):
        core.execute("SELECT set_config('idle_in_transaction_session_timeout', '200ms', true)")
        time.sleep(0.6)
        Entries._block(asleep, *arguments)

    monkeypatch.setattr(asleep, "_block", sleep)
    failed: list[psycopg.Error] = []

    def step() -> None:
        try:
            asleep.step(core)
        except psycopg.Error as error:
            failed.append(error)

    slow = threading.Thread(target=step)
    slow.start()
    time.sleep(0.1)
    begun = time.monotonic()
    Entries(book.number).follow(book.connect("core"))
    slow.join()
    assert time.monotonic() - begun < 5
    assert failed
    book.agrees()


def test_the_turn_of_a_sleeping_projector_ends_after_five_seconds(book, database):
    core = database.connect("core")
    with core.transaction():
        core.execute("SELECT reached FROM ledger.take_entries(%s, true)", (book.number,))
        told = core.execute(
            "SELECT current_setting(name) FROM unnest(%s::text[]) name",
            (["idle_in_transaction_session_timeout", "synchronous_commit"],),
        ).fetchall()
    assert told == [("5s",), ("off",)]
    assert core.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("1min",)


def _project_for_ever(conninfo: str, book: int, rows: int) -> None:
    entries.STEP_ROWS = rows
    projector, connection = Entries(book), connect(conninfo, autocommit=True)
    while True:
        projector.step(connection)


def test_projectors_that_are_killed_and_others_beside_them_write_every_entry_once(book, database):
    """Two programs project, a third is killed with SIGKILL over and over, while the journal grows."""
    spawn = multiprocessing.get_context("fork")

    def start(rows: int):
        made = spawn.Process(target=_project_for_ever, args=(database.conninfo("core"), book.number, rows), daemon=True)
        made.start()
        return made

    others = [start(7), start(3)]
    picks = random.Random(5)
    for round_ in range(15):
        victim = start(picks.randint(1, 9))
        busy(book, round_, 15)
        time.sleep(picks.random() / 20)
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    for each in others:
        each.kill()
        each.join()
    book.agrees()


# -- following and waiting ---------------------------------------------------------------------------------------------


def test_the_lag_is_the_rows_that_are_missing_and_the_age_of_the_first(book):
    reader = book.connect("reader")
    book.follow()
    assert reading.lag(reader, book.number) == reading.Lag(5, 0, 0.0)
    book.now = datetime.now(UTC) - timedelta(seconds=90)
    book.post(book.line(Kind.TRANSFER, 1, 2, 5))
    book.now += timedelta(seconds=60)
    book.post(book.line(Kind.TRANSFER, 1, 2, 5))
    found = reading.lag(reader, book.number)
    assert (found.reached, found.rows) == (5, 2)
    assert 89 < found.seconds < 120
    book.follow()
    assert reading.lag(reader, book.number) == reading.Lag(7, 0, 0.0)


def test_who_asks_for_its_own_write_reads_it_while_others_write(book, database):
    """A writer as fast as it can be, a follower, and readers that ask for the row that was just written."""
    stop, failures = threading.Event(), []
    sequences: list[int] = []

    def write() -> None:
        total = 0
        while not stop.is_set():
            book.now = max(book.now + timedelta(microseconds=1), datetime.now(UTC))
            total += 1
            line = book.line(Kind.TRANSFER, 1, 2, 1)
            [[answer]] = book.journal.submit([Unit([line])], book.now)
            sequences.append(answer.sequence)

    pool = [database.connect("core") for _ in range(2)]
    for each in pool:
        each.autocommit = True

    class Lend:
        def __enter__(self):
            return pool[0]

        def __exit__(self, *_):
            return None

    follower = Follower(Entries(book.number), Lend, failures.append)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(40):
            while not sequences:
                time.sleep(0.01)
            last = sequences[-1]
            # Every row since the accounts were opened gives alice 1.
            told = reading.balance(pool[1], book.number, "alice", after=last)
            assert told.balance >= last - 4
            [line] = reading.statement(pool[1], book.number, "alice", after=last, limit=1)
            assert line.sequence >= last
    finally:
        stop.set()
        writer.join()
        follower.stop()
    assert not failures


def test_who_waits_in_vain_is_told_the_lag(book):
    book.follow()
    book.post(book.line(Kind.TRANSFER, 1, 2, 5))
    begun = time.monotonic()
    for ask in (reading.balance, reading.statement):
        with pytest.raises(Refused) as refused:
            ask(book.connect("reader"), book.number, "alice", after=5, patience_seconds=0.05)
        assert refused.value.name == "entries_must_have_the_row"
        assert (refused.value.facts["sequence"], refused.value.facts["rows"]) == (5, 1)
    assert time.monotonic() - begun < 2
    assert reading.balance(book.connect("core"), book.number, "alice", fresh=True).balance == 5


def test_a_follower_tells_what_fails_and_goes_on(book, database, monkeypatch):
    core = database.connect("core")
    core.autocommit = True
    told = threading.Event()
    monkeypatch.setattr(entries, "PAUSE_SECONDS", 0.01)

    class Lend:
        times = 0

        def __enter__(self):
            Lend.times += 1
            if Lend.times == 1:
                raise OSError("no connection")
            return core

        def __exit__(self, *_):
            return None

    follower = Follower(Entries(book.number), Lend, lambda _: told.set())
    book.post(book.line(Kind.TRANSFER, 1, 2, 5))
    assert told.wait(5)
    assert reading.balance(book.connect("reader"), book.number, "alice", after=5).balance == 5
    follower.stop()


# -- the database insists ----------------------------------------------------------------------------------------------


def test_entries_come_only_with_the_projection_and_stay(book):
    """The core may add entries of the rows over which it moves the projection, and no others."""
    book.post(book.line(Kind.TRANSFER, 1, 2, 5))
    book.follow()
    before, core = book.everything(), book.connect("core")
    nothing = "'{}','{}','{}','{}','{}','{}','{}'"
    row = f"INSERT INTO ledger.entry_rows VALUES ({book.number}, 2, %s, 1, 1, 0, 0)"
    attempts = {
        "an entry without moving": [row % 6],
        "an entry of an old row": [f"SELECT ledger.advance_entries({book.number}, 6, 7, {nothing})", row % 4],
        "moving over rows that are not there": [f"SELECT ledger.advance_entries({book.number}, 6, 9, {nothing})"],
        "moving back": [f"SELECT ledger.advance_entries({book.number}, 6, 3, {nothing})"],
        "moving from elsewhere": [f"SELECT ledger.advance_entries({book.number}, 2, 6, {nothing})"],
        "a change": ["UPDATE ledger.entry SET balance = 7"],
        "a removal": ["DELETE FROM ledger.entry"],
        "a total": ["UPDATE ledger.total SET balance = 7"],
        "forgetting": [f"SELECT ledger.forget_entries({book.number})"],
        "a shifted entry": [f"INSERT INTO ledger.shifted_entry_rows VALUES ({book.number}, 2, 1, '2026-03-03', 5, 9)"],
    }
    for name, statements in attempts.items():
        with pytest.raises(psycopg.Error) as refused:
            core.execute("; ".join(statements))  # in one transaction
        assert refused.value.sqlstate in ("RF004", "42501"), name
    assert book.everything() == before


def test_what_is_forgotten_is_made_again_the_same(book, shelf):
    busy(book, 3, 120)
    other = shelf.book()
    busy(other, 4, 30)
    warm = Entries(book.number)
    warm.follow(book.connect("core"))
    other.follow()
    rows = reading.journal_page(book.connect("reader"), book.number, limit=1_000)
    assert {row.kind for row in rows} > {Kind.MONITOR_TURNED, Kind.ACCOUNT_LIMITED, Kind.REFUSAL, Kind.CORRECTION}
    before, others = book.everything(), other.everything()
    assert all(before)
    shelf.connect("owner").execute(entries.QUERIES.forget_entries, {"book": book.number})
    assert book.everything() == [[], [], [], [(0,)]]
    warm.follow(book.connect("core"))  # it had thought that it knew
    assert [[row[:8] for row in table] for table in book.everything()] == [
        [row[:8] for row in table] for table in before
    ]
    assert other.everything() == others


def test_a_projector_that_is_warm_looks_no_account_up_but_those_that_are_new(book, monkeypatch):
    busy(book, 5, 60)
    core = book.connect("core")
    core.autocommit = True
    snapshot.keep(core, book.number, head_of(core, book.number), snapshot.dump(book.journal.balances()))
    busy(book, 6, 60)
    book.follow()
    projector, asked = Entries(book.number), []
    projector.warm(core)
    learn = projector._learn
    monkeypatch.setattr(
        projector,
        "_learn",
        lambda connection, accounts: (
            asked.extend(accounts[~projector._known.present[accounts]].tolist()),
            learn(connection, accounts),
        ),
    )
    busy(book, 7, 60)
    projector.follow(core)
    assert asked == []
    book.agrees()


def test_totals_are_wider_than_an_account(shelf):
    """Five accounts can have 64 bits each; what they have together is exact."""
    book = shelf.book()
    many = 2**62
    for amount in (many, many - 1):
        book.post(book.line(Kind.TRANSFER, 1, 2, amount), book.line(Kind.TRANSFER, 5, 3, amount))
    book.follow()
    found = {each.group: each.balance for each in book.totals().groups}
    assert found[Group("customer", "client", "EUR", "credit")] == 2 * (2 * many - 1) > 2**63
    book.agrees()
    covers = {each.pool: (each.holds, each.owes, each.cover) for each in book.totals().covers()}
    assert covers["client"] == (2 * many - 1, 2 * (2 * many - 1), -(2 * many - 1))
    assert covers["own"] == (2 * many - 1, 0, 2 * many - 1)
