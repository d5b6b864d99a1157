"""A search for counter-examples on a real PostgreSQL: books, their writers and the model live through the same days.

Several writers of a book take turns in one program, so that each is mostly behind; batches are repeated, whole
and in part; some are appended at once from threads; writers forget, and start again from a snapshot or from row 0. Each
row must be answered as the model answers it, and in the end everything that can be read must say the same.
"""

import itertools
import os
import random
import secrets
import threading
import time
from collections import Counter
from datetime import date
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import ledger_model
from ledger_search import NOON, Maker, as_kept, in_columns, row_of, row_of_line, same, shown
from ringfence.ledger import encoding, journal, reading, standing
from ringfence.ledger.balances import Balances
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Journal, references_of, replay
from ringfence.ledger.model import Kind, canonical, moment
from ringfence.ledger.storage import head_of, read_block
from ringfence.refusal import Refused

OVERTAKEN = 15_000_000  # microseconds by which a writer's clock may be behind the book's
WRITERS = 2
NUMBERS = itertools.count(1)
# A seed, not draws one by one: who of two threads was first changes what there is to choose from.
lots = st.integers(0, 2**32 - 1).map(random.Random)
which = st.integers(0, WRITERS - 1)


class Book:
    """A book, its writers, and the model of it."""

    def __init__(self, connect, lot):
        self.connection = connect()
        self.connection.autocommit = True
        self.number = reading.open_book(self.connection, f"search-{next(NUMBERS)}", moment(NOON)).book_id
        self.writers = [Journal(connect, self.number) for _ in range(WRITERS)]
        self.model = ledger_model.Journal()
        self.maker = Maker(lot, self.model)
        self.past = []  # batches that were appended
        self.times = []  # of the model's rows
        self.last = NOON
        try:
            self.append(0, self.maker.opening(2, 5), NOON)
        except BaseException:  # an example that is given up leaves no connection behind
            self.close()
            raise

    def append(self, writer, rows, now):
        """The writer answers as the model does, and has the model's balances afterwards."""
        self.compare(rows, now, self.writers[writer].append(in_columns(rows), moment(now)))
        same(self.model.book, self.writers[writer].balances())

    def compare(self, rows, now, answers):
        now = max(now, self.last)
        expected = self.model.append(rows, now)
        found = [answers.answer(index) for index in range(len(rows))]
        assert [(each.result.word, each.sequence, each.replayed) for each in found] == expected, shown([(rows, now)])
        if len(self.times) < len(self.model.rows):
            self.last = now
            self.times += [now] * (len(self.model.rows) - len(self.times))
        self.past.append(rows)

    def at_once(self, batches, now):
        """A batch a writer, from threads. Each begins with a row that is new, whose sequence tells who was first."""
        answers = [None] * len(batches)
        start = threading.Barrier(len(batches))

        def run(number):
            start.wait()
            try:
                answers[number] = self.writers[number].append(in_columns(batches[number]), moment(now))
            except BaseException as error:  # noqa: BLE001 - raised again below
                answers[number] = error

        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(batches))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        for number in sorted(range(len(batches)), key=lambda each: answers[each].answer(0).sequence):
            self.compare(batches[number], now, answers[number])

    def again(self, lot):
        """An earlier batch: whole, a piece, in part twice, with another row, amid new ones, or linked with them."""
        rows = [dict(row) for row in lot.choice(self.past[-6:])]
        place = lot.randrange(len(rows))
        match lot.randrange(6):
            case 0:
                return rows
            case 1:
                return rows[place : place + lot.randint(1, 3)]
            case 2:
                return rows + rows[place:]
            case 3:
                if rows[place]["kind"] != "account_opened":  # which is the same with another number
                    rows[place] = self.maker.spoil(rows[place])
                return rows
            case 4:
                return rows[: place + 1] + self.maker.batch(3)[0] + rows[place + 1 :]
            case _:
                fresh = self.maker.batch(3)[0]
                return [row | {"flags": row["flags"] | 1} for row in fresh] + rows[place : place + 1]

    def close(self):
        for writer in self.writers:
            writer.close()
        self.connection.close()

    # -- what must be true in the end ------------------------------------------------------------------------------

    def agrees(self):
        head = head_of(self.connection, self.number)
        assert head == len(self.model.rows)
        block = read_block(self.connection, self.number, 0, head)  # refuses a gap
        self.keeps_the_rows_of(block)
        self.says_the_balances()
        self.replays(block, whole=True)
        self.replays(block, whole=False)
        self.adds_up(block.batch.rows)

    def keeps_the_rows_of(self, block):
        """Row by row and column by column what the model keeps, with the digest of what was refused."""
        assert block.posted_at.tolist() == self.times
        wanted = in_columns(as_kept(self.model.rows))
        for index, row in enumerate(self.model.rows):
            stored, payload = block.batch.rows[index].copy(), block.batch.payloads.get(index, b"")
            said = wanted.payloads.get(index, b"")
            if row["kind"] == "refusal":
                asked = in_columns([row["asked"]])
                digest = encoding.request_digest(asked.rows, 0, asked.payloads.get(0, b"")).hex()
                said = canonical({"reason": row["reason"], "request": digest})
            if row["kind"] == "monitor_turned":  # the journal gives it an id of its own
                stored["id"] = wanted.rows[index]["id"]
            assert (stored.tobytes(), payload) == (wanted.rows[index].tobytes(), said), index
        times = Counter(each.tobytes() for each in block.batch.rows["id"])
        assert set(times.values()) == {1}
        assert bytes(16) not in times

    def says_the_balances(self):
        """To readers, from the entries and from the table of accounts."""
        found = {each.account: each for each in reading.balances(self.connection, self.number, fresh=True)}
        assert set(found) == set(self.model.book.accounts)
        for number, account in self.model.book.accounts.items():
            have = ledger_model.sums(account)
            assert {name: getattr(found[number], name) for name in have} == have
            limits = reading.account(self.connection, self.number, account["name"])
            for name in ("minimum", "maximum"):
                assert getattr(limits, name) == (None if account[name] is None else int(account[name]))

    def replays(self, block, *, whole):
        """From row 0, in one piece or in chains."""
        balances, first = Balances(), 0
        while first < block.last:
            last = block.last if whole else first + 1
            while last < block.last and block.batch.rows["flags"][last - 1] & 1:
                last += 1
            piece = read_block(self.connection, self.number, first, last)
            replay(balances, piece, references_of(self.connection, self.number, piece.batch, balances, first))
            first = last
        same(self.model.book, balances)

    def adds_up(self, rows):
        """From the rows alone: debits equal credits in each currency, and no hold gives more than it held."""
        currency = {number: each["currency"] for number, each in self.model.book.accounts.items()}
        held, sums = {}, Counter()
        for kind, _, identity, debit, credit, amount, refers_to, *_ in rows.tolist():
            if kind == Kind.PENDING:
                held[identity] = (debit, credit, amount)
            if kind in (Kind.POST, Kind.VOID, Kind.EXPIRE):
                one, other, most = held.pop(refers_to)  # once
                assert (one, other) == (debit, credit)
                assert amount <= most
            if kind in (Kind.TRANSFER, Kind.POST, Kind.CORRECTION):
                sums[currency[debit]] += amount
                sums[currency[credit]] -= amount
        assert not any(sums.values())
        assert len(held) == len(self.model.book.holds)


class Search(RuleBasedStateMachine):
    def __init__(self, connect):
        super().__init__()
        self.connect = connect
        self.books = []

    @initialize(lot=lots)
    def open_books(self, lot):
        for _ in range(2):
            self.books.append(Book(self.connect, lot))

    def book(self, which_, lot):
        self.books[which_].maker.lot = lot
        return self.books[which_]

    @rule(book=which, writer=which, lot=lots)
    def append(self, book, writer, lot):
        book = self.book(book, lot)
        book.append(writer, *book.maker.batch(6))

    @rule(book=which, writer=which, number=st.integers(0, 2**32))
    def append_many(self, book, writer, number):
        book = self.book(book, random.Random(number))
        book.append(writer, *book.maker.batch(60))

    @rule(book=which, writer=which, lot=lots)
    def append_again(self, book, writer, lot):
        book = self.book(book, lot)
        rows = book.again(lot)
        book.maker.now += 1
        book.append(writer, rows, book.maker.now)

    @rule(book=which, lot=lots, repeated=st.booleans())
    def append_at_once(self, book, lot, repeated):
        book = self.book(book, lot)
        batches = [book.again(lot) if repeated else book.maker.batch(5)[0] for _ in range(WRITERS)]
        batches = [[book.maker.event(None), *rows] for rows in batches]
        book.maker.now += 1
        book.at_once(batches, book.maker.now)

    @rule(book=which, writer=which, lot=lots, behind=st.sampled_from([1, OVERTAKEN, OVERTAKEN + 1]))
    def append_late(self, book, writer, lot, behind):
        book = self.book(book, lot)
        rows = [book.maker.event(None), *book.maker.batch(3)[0]]
        if behind <= OVERTAKEN:
            book.append(writer, rows, book.last - behind)
            return
        with pytest.raises(Refused) as refused:
            book.append(writer, rows, book.last - behind)
        assert refused.value.name == "clock_must_not_go_back"

    @rule(book=which, writer=which)
    def forget(self, book, writer):
        self.books[book].writers[writer].forget()

    @rule(book=which, writer=which)
    def close(self, book, writer):
        self.books[book].writers[writer].close()

    def teardown(self):
        try:
            for book in self.books:
                book.agrees()
        finally:
            for book in self.books:
                book.close()


@pytest.fixture
def connect(database):
    return lambda: database.server.connect("core", database.name)


@pytest.fixture
def quick_snapshots(monkeypatch):
    """A book of a hundred rows has been kept several times, and a writer that starts reads the last snapshot; who is
    overtaken once makes the others wait.
    """
    monkeypatch.setattr(journal, "SNAPSHOT_ROWS", 20)
    monkeypatch.setattr(journal, "TAIL_ROWS_MAX", 15)
    monkeypatch.setattr(journal, "PATIENCE", 1)


def search(connect, examples, steps, *, number=None):
    """Days of `steps` steps; `number` seeds the search, without one it is the same each time."""
    found = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=number is None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    factory = type("Seeded", (Search,), {"__init__": lambda self: Search.__init__(self, connect)})
    run_state_machine_as_test(factory if number is None else seed(number)(factory), settings=found)


def test_whatever_is_appended_by_whomever_the_journal_answers_as_the_model_does(connect):
    search(connect, 35, 12)


@pytest.mark.usefixtures("quick_snapshots")
def test_so_it_does_when_writers_start_from_snapshots(connect):
    search(connect, 25, 16)


@pytest.mark.soak
@pytest.mark.usefixtures("quick_snapshots")
def test_so_it_does_for_as_long_as_we_have(connect):
    """Each round has a seed of its own, which a failure tells; RINGFENCE_SOAK_SEED plays that round again."""
    until = time.monotonic() + 60 * float(os.environ.get("RINGFENCE_SOAK_MINUTES", "10"))
    again = os.environ.get("RINGFENCE_SOAK_SEED")
    rounds = 0
    while not rounds or (time.monotonic() < until and not again):
        number = int(again) if again else secrets.randbits(32)
        try:
            search(connect, 60, 30, number=number)
        except Exception as fault:
            fault.add_note(f"RINGFENCE_SOAK_SEED={number}")
            raise
        rounds += 1


def test_an_id_that_a_turn_would_have_is_no_obstacle(connect):
    """The journal gives a turn its id. That somebody has used it before, by chance or on purpose, stops nobody."""
    book = Book(connect, random.Random(1))
    never, always = (
        standing.Monitor("low", standing.Watched(account=1), "balance", below=limit, above=None)
        for limit in (-10_000_000, 10_000_000)
    )
    one, other = UUID(int=1_000_000), UUID(int=1_000_001)
    taken = row_of("event", derived(other, "turn of low").int, payload=b'{"said":"mine"}')
    book.append(0, [row_of_line(never.line(one, date(2026, 3, 2))), taken], NOON + 1)
    book.append(1, [row_of_line(always.line(other, date(2026, 3, 2)))], NOON + 2)
    book.agrees()
    assert book.model.rows[-1]["kind"] == "monitor_turned"
    book.close()
