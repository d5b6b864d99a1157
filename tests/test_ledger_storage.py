"""The way of rows into the journal: in one call or by COPY, over parts, and what PostgreSQL refuses whoever asks.

A part holds ten rows here.
"""

import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np
import psycopg
import pytest

from ringfence.database.connection import connect, conninfo_of
from ringfence.database.refusals import refused_by
from ringfence.ledger import encoding, reading, storage
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import EPOCH_DAY, Account, Batch, Kind, Line, Result, batch, microseconds
from ringfence.ledger.storage import ClockWentBack, IdIsTaken, append_rows, parts_of, read_block

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PART_ROWS = 10


def small_parts(database, rows=PART_ROWS):
    """Parts of a few rows from the first on, as only a test has them."""
    with database.connect("owner") as owner:
        owner.execute("DROP TABLE ledger.journal_0")
        owner.execute("DELETE FROM ledger.part")
        owner.execute(
            f"CREATE OR REPLACE FUNCTION ledger.part_rows() RETURNS bigint LANGUAGE sql IMMUTABLE"
            f" SET search_path = pg_catalog AS 'SELECT {rows}::bigint'"
        )
        owner.execute("SELECT ledger.make_parts(0)")


@dataclass
class World:
    database: object
    now: datetime = NOON
    heads: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})

    def __post_init__(self):
        self.core = self.connect("core")
        self.core.autocommit = True
        for name in ("one", "two"):
            reading.open_book(self.core, name, self.now)

    def connect(self, role):
        return self.database.connect(role)

    def append(self, rows, book=1, then=None):
        self.now += timedelta(seconds=1)
        appended = append_rows(self.core, book, self.heads[book], rows, self.now, then)
        if appended:
            self.heads[book] += len(rows)
        return appended

    def run(self, statements):
        """In one transaction, as the core."""
        with self.core.transaction():
            for statement in statements:
                self.core.execute(statement)

    def tamper(self, statement, *parameters):
        """What somebody with every right does, who has switched off the triggers."""
        server = self.database.server
        named = {**server.parameters, **server.administrator, "dbname": self.database.name}
        with connect(conninfo_of(named, None), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement, parameters)

    def count(self):
        return self.core.execute("SELECT count(*) FROM ledger.journal").fetchone()[0]


@pytest.fixture
def world(database):
    small_parts(database)
    return World(database)


@pytest.fixture(params=["call", "copy"])
def way(request, monkeypatch):
    monkeypatch.setattr(storage, "CALL_ROWS_MAX", 10**6 if request.param == "call" else 0)
    return request.param


either_way = pytest.mark.usefixtures("way")


def plain(*numbers):
    return batch([[Line(Kind.TRANSFER, UUID(int=number), 1, 2, 5)] for number in numbers])


def of_every_shape():
    """Rows that have and lack what a row may lack, in turn."""
    one, two = UUID(int=77), UUID(int=78)
    lines = [
        Line(
            Kind.EVENT if number % 3 == 0 else Kind.TRANSFER,
            UUID(int=1000 + number),
            number,
            2**63 - 1 - number,
            number**5,
            refers_to=UUID(int=500 + number) if number & 1 else None,
            order_id=(one if number & 8 else two) if number & 2 else None,
            code=number - 5 if number > 5 else 2**31 - 1,
            value_date=date(1969, 12, 31) + timedelta(days=number * 1000),
            expires_at=NOON + timedelta(microseconds=number) if number & 4 else None,
            payload={"n": "ä" * number} if number % 5 == 0 else None,
        )
        for number in range(24)
    ]
    return batch([line] for line in lines)


# -- what goes in comes out --------------------------------------------------------------------------------------------


@either_way
def test_rows_of_every_shape_come_back_as_they_went_in(world):
    """24 rows over three parts, by either way; then as many into one part."""
    given = of_every_shape()
    assert world.append(given)
    block = read_block(world.core, 1, 0, 24)
    assert block.batch.rows.tobytes() == given.rows.tobytes()
    assert dict(block.batch.payloads) == dict(given.payloads)
    assert set(block.posted_at.tolist()) == {microseconds(world.now)}


@either_way
def test_both_ways_store_the_same_leaves(database):
    """One part, so that the call is used for all of them."""
    world = World(database)
    given = of_every_shape()
    assert world.append(given)
    block = read_block(world.core, 1, 0, 24)
    stored = b"".join(encoding.leaves(1, 0, block.posted_at, block.batch))
    asked = b"".join(encoding.leaves(1, 0, np.full(24, microseconds(world.now)), given))
    assert stored == asked


def test_an_append_over_many_borders_is_one_append(world):
    assert world.append(plain(*range(1, 4)))
    assert world.append(plain(*range(4, 39)))
    assert [(part.part, part.first, part.last) for part in parts_of(world.core)][:4] == [
        (0, 0, 10), (1, 10, 20), (2, 20, 30), (3, 30, 40)]  # fmt: skip
    block = read_block(world.core, 1, 0, 38)
    assert [UUID(bytes=identity.tobytes()).int for identity in block.batch.rows["id"]] == list(range(1, 39))


def test_the_next_part_is_made_before_anybody_needs_it(world):
    world.append(plain(1, 2, 3, 4, 5))
    assert len(parts_of(world.core)) == 1
    world.append(plain(6))
    assert len(parts_of(world.core)) == 2


def test_several_who_ask_for_the_next_part_make_one(world):
    world.append(plain(*range(1, 6)))
    ready = threading.Barrier(6)
    failed = []

    def ask():
        try:
            with world.connect("core") as connection:
                ready.wait()
                connection.execute("SELECT ledger.make_parts(19)")
        except psycopg.Error as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [part.part for part in parts_of(world.core)] == [0, 1]


def test_a_part_is_made_while_others_append_and_read(world):
    """A reader in the middle of a transaction and a writer that has promised do not make the maker wait."""
    world.append(plain(1, 2, 3))
    with world.connect("core") as writer, world.connect("reader") as reader, world.connect("core") as maker:
        reader.execute("SELECT count(*) FROM ledger.journal").fetchone()
        writer.execute("SELECT ledger.advance(1, 3, 1, '2027-01-01')")
        maker.execute("SET lock_timeout = '2s'")
        assert maker.execute("SELECT ledger.make_parts(15)").fetchone() == (1,)
        maker.commit()
        writer.rollback()


# -- slower, earlier, failing ------------------------------------------------------------------------------------------


@either_way
@pytest.mark.parametrize("rows", [3, 15], ids=["one part", "over a border"])
@pytest.mark.parametrize("and_more", [False, True], ids=["alone", "with statements"])
def test_a_stale_head_appends_nothing(world, rows, and_more):
    world.append(plain(1, 2))
    ran = []
    then = (lambda: ran.append(1)) if and_more else None
    for head in (0, 1, 3):
        assert append_rows(world.core, 1, head, plain(*range(50, 50 + rows)), world.now, then) is False
    assert (world.count(), ran) == (2, [])
    assert world.append(plain(*range(50, 50 + rows)), then=then)
    assert len(ran) == and_more


@either_way
@pytest.mark.parametrize("rows", [3, 15], ids=["one part", "over a border"])
def test_statements_that_fail_take_the_rows_with_them(world, rows):
    def fail():
        raise RuntimeError("what goes with the rows failed")

    with pytest.raises(RuntimeError):
        world.append(plain(*range(1, 1 + rows)), then=fail)
    assert (world.count(), storage.head_of(world.core, 1)) == (0, 0)
    assert world.append(plain(*range(1, 1 + rows)))


@either_way
@pytest.mark.parametrize("rows", [3, 15], ids=["one part", "over a border"])
def test_the_clock_of_a_book_does_not_go_back(world, rows):
    world.append(plain(1))
    world.now -= timedelta(seconds=5)
    with pytest.raises(ClockWentBack):
        world.append(plain(*range(2, 2 + rows)))
    assert world.count() == 1


@either_way
def test_a_connection_that_is_gone_is_no_answer(world):
    with world.connect("owner") as owner:
        pid = world.core.info.backend_pid
    with world.database.server.connect_as_administrator() as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s)", [pid])
    with pytest.raises(psycopg.Error):
        world.append(plain(1))
    assert world.core.closed
    assert owner.closed


# -- ids over all parts ------------------------------------------------------------------------------------------------


def version_7(at, tail):
    number = (int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | tail
    return UUID(int=number)


def rows_with(*ids, refers_to=None):
    kind = Kind.TRANSFER if refers_to is None else Kind.VOID
    return batch([[Line(kind, each, 1, 2, 5, refers_to=refers_to)] for each in ids])


OLD_IDS = {
    "a small number": lambda _: UUID(int=5),
    "random, version 4": lambda _: UUID("f3b1c2d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d"),
    "derived, version 8": lambda _: derived(UUID(int=5), "hold"),
    "version 7, of the time of its append": lambda now: version_7(now, 1),
    "version 7, a year old": lambda now: version_7(now - timedelta(days=365), 1),
    "version 7, of an hour ahead": lambda now: version_7(now + timedelta(hours=1), 1),
}


@either_way
@pytest.mark.parametrize("identity", OLD_IDS.values(), ids=OLD_IDS.keys())
def test_an_id_stands_once_over_all_parts(world, identity):
    """The id is in part 0; the book has gone on for two hours and stands in part 3. Another book may use it."""
    old = identity(world.now)
    world.append(rows_with(UUID(int=900), old))
    world.now += timedelta(hours=2)
    world.append(plain(*range(100, 130)))
    head = world.heads[1]
    with pytest.raises(IdIsTaken):
        world.append(rows_with(UUID(int=901), old, UUID(int=902)))
    assert (world.count(), storage.head_of(world.core, 1)) == (head, head)
    assert world.append(rows_with(old), book=2)


def test_an_id_stands_once_in_an_append_over_a_border(world):
    world.append(plain(*range(1, 6)))
    with pytest.raises(IdIsTaken):
        world.append(plain(*range(100, 110), 101))
    assert world.count() == 5


@either_way
def test_new_ids_of_version_7_are_not_looked_for_in_older_parts(world):
    """Somebody puts a new id into an older part behind the ledger's back: the guard does not go there, a day later or
    now. An id of the older part's own time it does look for.
    """
    world.append(plain(*range(1, 16)))
    world.now += timedelta(hours=1)
    old, new = version_7(world.now - timedelta(hours=2), 1), version_7(world.now, 2)
    for sequence, identity in ((4, old), (5, new)):
        world.tamper("UPDATE ledger.journal SET id = %s WHERE sequence = %s", identity, sequence)
    with pytest.raises(IdIsTaken):
        world.append(rows_with(old))
    assert world.append(rows_with(new))


@either_way
def test_an_id_from_a_time_that_has_not_come_is_refused_by_name(world):
    """Its time is more than a day ahead of the append's and of the database's."""
    ahead = datetime.now(UTC) + timedelta(days=2)
    for given in (rows_with(version_7(ahead, 1)), rows_with(UUID(int=5), refers_to=version_7(ahead, 1))):
        with pytest.raises(psycopg.Error) as refused:
            world.append(given)
        assert (refused.value.sqlstate, refused.value.diag.constraint_name) == (
            "RF006", "journal_id_is_not_of_the_future")  # fmt: skip
        meaning = refused_by(refused.value)
        assert meaning is not None
        assert meaning.name == "id_must_not_be_of_the_future"
    assert world.count() == 0


@either_way
@pytest.mark.parametrize("same", ["part", "other part"])
def test_a_row_is_referred_to_once_over_all_parts(world, same):
    hold = UUID("f3b1c2d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d")
    world.append(rows_with(UUID(int=1), refers_to=hold))
    if same == "other part":
        world.append(plain(*range(100, 115)))
    with pytest.raises((IdIsTaken, psycopg.errors.UniqueViolation)) as refused:
        world.append(rows_with(UUID(int=2), refers_to=hold))
    violation = refused.value.__cause__ or refused.value
    assert violation.diag.constraint_name.startswith("journal_refers_once")


def test_what_follows_from_an_id_of_version_7_has_its_time():
    origin = version_7(NOON, 12345)
    hold = derived(origin, "hold")
    assert (hold.version, hold.int >> 80, hold) == (7, origin.int >> 80, derived(origin, "hold"))
    assert len({hold, derived(origin, "void"), derived(version_7(NOON, 12346), "hold"), origin}) == 4


def test_a_journal_answers_a_retry_of_a_row_in_an_older_part(world):
    """The whole way: open, pay, go on into other parts, ask again."""
    journal = Journal(lambda: world.connect("core"), 1)
    for number, (name, side) in enumerate([("bank", "debit"), ("alice", "credit")]):
        account = Account(0, name, "EUR", side, None, None, "platform", "client").payload()
        journal.submit([Unit([Line(Kind.ACCOUNT_OPENED, UUID(int=90 + number), payload=account)])], NOON)
    first = Unit([Line(Kind.TRANSFER, UUID(int=1), 1, 2, 500)])
    [[answer]] = journal.submit([first], NOON)
    for number in range(100, 140):
        journal.submit([Unit([Line(Kind.TRANSFER, UUID(int=number), 1, 2, 1)])], NOON)
    [[again]] = journal.submit([first], NOON)
    assert (again.result, again.sequence, again.replayed) == (Result.POSTED, answer.sequence, True)
    [[other]] = journal.submit([Unit([Line(Kind.TRANSFER, UUID(int=1), 1, 2, 501)])], NOON)
    assert other.result == Result.ID_ALREADY_HAS_OTHER_CONTENT
    journal.close()


# -- what PostgreSQL refuses -------------------------------------------------------------------------------------------

ROW = "(book_id, sequence, kind, flags, id, debit_account, credit_account, amount, code, value_date, posted_at)"
ANY = "1, 0, gen_random_uuid(), 1, 2, 5, 0, '2026-01-01', '2027-01-01'"


def insert(sequences, book=1, table="journal_0"):
    return f"INSERT INTO ledger.{table} {ROW} SELECT {book}, each, {ANY} FROM unnest(ARRAY[{sequences}]::bigint[]) each"


PROMISE = "SELECT ledger.advance(1, 3, 2, '2027-01-01')"
FORBIDDEN = {
    "rows without a promise": [insert("3, 4")],
    "a promise without rows": [PROMISE],
    "fewer rows": [PROMISE, insert("3")],
    "more rows": [PROMISE, insert("3, 4, 5")],
    "a gap": [PROMISE, insert("3, 5")],
    "later rows": [PROMISE, insert("4, 5")],
    "earlier rows": [PROMISE, insert("2, 3")],
    "a negative sequence": [PROMISE, insert("-1, 3")],
    "another book": [PROMISE, insert("0, 1", book=2)],
    "a book that there is not": [PROMISE, insert("3, 4", book=77)],
    "a row of another book among them": [
        PROMISE,
        insert("3, 4").replace("SELECT 1, each", "SELECT CASE each WHEN 3 THEN 1 ELSE 2 END, each"),
    ],
    "the rows, and then one more": [PROMISE, insert("3, 4"), insert("5")],
    "the rows twice": [PROMISE, insert("3, 4"), insert("3, 4")],
    "the rows one by one": [PROMISE, insert("3"), insert("4")],
    "two promises": [PROMISE, insert("3, 4"), "SELECT ledger.advance(1, 5, 1, '2027-01-01')"],
    "rows by the root": [PROMISE, insert("3, 4", table="journal")],
    "a promise of nothing": ["SELECT ledger.advance(1, 3, 0, '2027-01-01')"],
    "a call without rows": ["SELECT ledger.append(1, 3, '2027-01-01', '{}')"],
    "a promise over a border and half the rows": [
        "SELECT ledger.make_parts(15)",
        "SELECT ledger.advance(1, 3, 9, '2027-01-01')",
        insert("3, 4, 5, 6, 7, 8, 9"),
    ],
    "a promise over a border and the other half": [
        "SELECT ledger.make_parts(15)",
        "SELECT ledger.advance(1, 3, 9, '2027-01-01')",
        insert("10, 11", table="journal_1"),
    ],
    "rows in a part that is not theirs": [
        "SELECT ledger.make_parts(15)",
        PROMISE,
        insert("3, 4", table="journal_1"),
    ],
    "a whole part without a promise": [
        "SELECT ledger.make_parts(15)",
        insert(", ".join(map(str, range(10, 20))), table="journal_1"),
    ],
    "a row that was promised under a savepoint": ["SAVEPOINT s", PROMISE, "ROLLBACK TO s", insert("3, 4")],
    "parts far ahead": ["SELECT ledger.make_parts(10000000000)"],
    "a part by hand": ["SELECT ledger.make_part_table('9', 90, 100)"],
    "a move of the head": ["UPDATE ledger.head SET head = 0"],
    "a head of one's own": ["INSERT INTO ledger.head (book_id, head_at) VALUES (9, now())"],
    "a part of one's own": ["INSERT INTO ledger.part VALUES (9, 90, 100, now())"],
    "a seal of one's own": ["INSERT INTO ledger.seal VALUES (1, 0, 3, '\\x00', now())"],
    "ids let in": ["UPDATE ledger.head SET local_from = '00000000-0000-0000-0000-000000000000'"],
    "a guard that looks away": ["ALTER TABLE ledger.journal_0 DISABLE TRIGGER ALL"],
    "a part taken out": ["ALTER TABLE ledger.journal DETACH PARTITION ledger.journal_0"],
}


@pytest.mark.parametrize("statements", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_core_brings_in_what_it_promised_and_nothing_else(world, statements):
    world.append(plain(1, 2, 3))
    before = world.core.execute("SELECT * FROM ledger.head ORDER BY book_id").fetchall()
    with pytest.raises(psycopg.Error) as refused:
        world.run(statements)
    assert refused.value.sqlstate in {"42501", "RF002", "23505", "23514"}
    assert world.count() == 3
    assert world.core.execute("SELECT * FROM ledger.head ORDER BY book_id").fetchall() == before
    assert world.append(plain(4))


def test_the_same_core_may_bring_in_what_it_promised(world):
    """The other side of the test above: its statements are refused for what they bring in, not for how."""
    world.append(plain(1, 2, 3))
    with world.core.transaction():
        world.core.execute(PROMISE)
        world.core.execute(insert("4, 3"))
    assert (world.count(), storage.head_of(world.core, 1)) == (5, 5)
    with world.core.transaction():
        world.core.execute("SELECT ledger.make_parts(15)")
        world.core.execute("SELECT ledger.advance(1, 5, 7, '2027-01-01')")
        world.core.execute(insert("10, 11", table="journal_1"))
        world.core.execute(insert("5, 6, 7, 8, 9"))
    assert len(read_block(world.core, 1, 0, 12).batch) == 12


def test_two_books_may_be_appended_to_in_one_transaction(world):
    with world.core.transaction():
        for book in (1, 2):
            world.core.execute("SELECT ledger.advance(%s, 0, 2, '2027-01-01')", [book])
            world.core.execute(insert("0, 1", book=book))
    assert world.count() == 4


def test_a_call_with_a_stale_head_says_no_and_does_nothing(world):
    world.append(plain(1, 2, 3))
    given = storage._Given(encoding.list_rows(plain(50)))
    world.core.adapters.register_dumper(storage._Given, storage._GivenDumper)
    for head in (0, 2, 4, 10**9):
        found = world.core.execute("SELECT ledger.append(1, %s, '2027-01-01', %s)", (head, given)).fetchone()
        assert found == (False,)
    assert world.count() == 3


@pytest.mark.parametrize("role", ["core", "gateway", "notary", "reader", "auditor", "owner"])
@pytest.mark.parametrize("table", ["journal", "journal_0"])
@pytest.mark.parametrize("verb", ["UPDATE ledger.{} SET amount = 1", "DELETE FROM ledger.{}", "TRUNCATE ledger.{}"])
def test_no_role_edits_history_in_the_root_or_in_a_part(world, role, table, verb):
    world.append(plain(1, 2, 3))
    with pytest.raises(psycopg.Error) as refused, world.connect(role) as connection:
        connection.execute(verb.format(table))
    assert refused.value.sqlstate in {"42501", "RF003", "25006"}
    assert (refused.value.sqlstate == "RF003") is (role == "owner")
    assert world.count() == 3


@pytest.mark.parametrize("role", ["gateway", "notary", "reader", "auditor"])
@pytest.mark.parametrize(
    "statement",
    [
        PROMISE,
        "SELECT ledger.append(1, 0, now(), '{}')",
        "SELECT ledger.promise(1, 0, 1, now())",
        "SELECT ledger.make_parts(15)",
        insert("0"),
    ],
)
def test_only_the_core_appends(world, role, statement):
    with pytest.raises(psycopg.Error) as refused, world.connect(role) as connection:
        connection.execute(statement)
    assert refused.value.sqlstate in {"42501", "25006"}


def test_a_writer_that_was_overtaken_while_it_waited_says_so(world):
    """Both have read to row 3. The second waits for the first's lock, then finds the head moved."""
    world.append(plain(1, 2, 3))
    answers = []
    with world.connect("core") as first:
        first.execute("SELECT ledger.advance(1, 3, 1, %s)", [world.now])
        first.execute(insert("3").replace("'2027-01-01'", "'2026-04-01'"))
        with world.connect("core") as other:
            other.autocommit = True
            thread = threading.Thread(target=lambda: answers.append(append_rows(other, 1, 3, plain(9), world.now)))
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
            first.commit()
            thread.join()
    assert answers == [False]
    assert world.count() == 4


def test_the_days_of_values_are_counted_from_the_same_day(world):
    """A value date before 1970 and one far ahead."""
    given = batch([[Line(Kind.TRANSFER, UUID(int=1), 1, 2, 5, value_date=date(1900, 1, 1))],
                   [Line(Kind.TRANSFER, UUID(int=2), 1, 2, 5, value_date=date(2900, 1, 1))]])  # fmt: skip
    world.append(given)
    found = world.core.execute("SELECT value_date FROM ledger.journal ORDER BY sequence").fetchall()
    assert found == [(date(1900, 1, 1),), (date(2900, 1, 1),)]
    assert given.rows["value_date"][0] == (date(1900, 1, 1) - EPOCH_DAY).days


def test_nothing_to_append_is_appended_at_once(world):
    assert append_rows(world.core, 1, 0, Batch(plain(1).rows[:0]), NOON) is True
    assert world.count() == 0
