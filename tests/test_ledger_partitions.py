"""Parts of the journal put away: sealed, closed, archived, moved; and nobody who reads notices.

A part holds ten rows here.
"""

import gzip
import hashlib
import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from ringfence.database.connection import connect, conninfo_of
from ringfence.ledger import encoding, partitions, reading
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line, Result
from ringfence.ledger.storage import read_block
from ringfence.refusal import Refused
from test_ledger_storage import small_parts

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ROWS = 47  # of the long book: four parts that it has left, and seven rows


@dataclass
class World:
    database: object
    now: datetime = NOON

    def __post_init__(self):
        self.core = self.connect("core")
        self.core.autocommit = True
        self.owner = self.connect("owner")
        self.owner.autocommit = True
        self.journals = {}
        self.open("long")
        for number in range(2, ROWS):
            self.pay("long", number)

    def connect(self, role):
        return self.database.connect(role)

    def open(self, name):
        """A book with two accounts: rows 0 and 1."""
        book = reading.open_book(self.core, name, self.now).book_id
        self.journals[name] = Journal(lambda: self.connect("core"), book)
        for number, (account, side) in enumerate([("bank", "debit"), ("alice", "credit")]):
            payload = Account(0, account, "EUR", side, None, None, "platform", "client").payload()
            self.append(name, Line(Kind.ACCOUNT_OPENED, UUID(int=9000 + number), payload=payload))

    def pay(self, name, number):
        """A payment, a hold, its void, in turn: with order, expiry and reference."""
        order = UUID(int=7000 + number // 3)
        if number % 3 == 2:
            return self.append(name, Line(Kind.TRANSFER, UUID(int=number), 1, 2, 100 + number, order_id=order))
        if number % 3 == 0:
            late = NOON + timedelta(days=9)
            return self.append(name, Line(Kind.PENDING, UUID(int=number), 1, 2, 5, order_id=order, expires_at=late))
        return self.append(name, Line(Kind.VOID, UUID(int=number), 1, 2, 0, UUID(int=number - 1), order_id=order))

    def append(self, name, line):
        self.now += timedelta(seconds=1)
        [[answer]] = self.journals[name].submit([Unit([line])], self.now)
        return answer

    def tamper(self, statement):
        """What somebody with every right does, who has switched off the triggers."""
        with self.administrator() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement)

    def administrator(self):
        server = self.database.server
        named = {**server.parameters, **server.administrator, "dbname": self.database.name}
        return connect(conninfo_of(named, None), autocommit=True)

    def everything(self):
        """What readers see of the long book."""
        reader, book = self.connect("core"), 1
        fresh = Journal(lambda: self.connect("core"), book)
        cache = fresh.balances()
        first = Line(Kind.TRANSFER, UUID(int=2), 1, 2, 102, order_id=UUID(int=7000))
        again = self.journals["long"].submit([Unit([first])], self.now)
        other = self.journals["long"].submit([Unit([replace(first, amount=999)])], self.now)
        block = read_block(reader, book, 0, ROWS)
        found = {
            "past": [
                reading.balance(reader, book, "alice", before=before, fresh=True) for before in (0, 5, 12, 33, ROWS)
            ],
            "at a time": reading.head_at(reader, book, NOON + timedelta(seconds=7)),
            "statement": list(reading.statement(reader, book, "alice")),
            "pages": [reading.journal_page(reader, book, before=before, limit=7) for before in (6, 13, 47)],
            "order": reading.rows_of_order(reader, book, UUID(int=7001)),
            "replay": (cache.balance(2), cache.held(2), cache.expected(2)),
            "leaves": b"".join(encoding.leaves(book, 0, block.posted_at, block.batch)),
            "retry": again,
            "other content": other[0][0].result,
        }
        fresh.close()
        reader.close()
        return found


@pytest.fixture
def world(database):
    small_parts(database)
    world = World(database)
    yield world
    for journal in world.journals.values():
        journal.close()


@pytest.fixture
def tablespace(server, database):
    """A place beside the hot one: a folder that PostgreSQL keeps itself, which only a test would use."""
    name = f"cold_{secrets.token_hex(4)}"
    with server.connect_as_administrator() as administrator:
        administrator.execute("SET allow_in_place_tablespaces = on")
        administrator.execute(f"CREATE TABLESPACE {name} LOCATION ''")
        administrator.execute(f"GRANT CREATE ON TABLESPACE {name} TO ringfence_owner")
    yield name
    database.close()
    with server.connect_as_administrator() as administrator:
        administrator.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
        administrator.execute(f"DROP TABLESPACE {name}")


def seal(world, part):
    return partitions.seal(world.owner, part, world.now)


# -- sealing -----------------------------------------------------------------------------------------------------------


def test_a_part_that_every_book_has_left_is_closed(world):
    sealed = seal(world, 0)
    assert (sealed.closed, sealed.inside, [(each.book, each.rows) for each in sealed.seals]) == (
        True,
        [],
        [("long", 10)],
    )
    leaves = hashlib.sha256(world.everything()["leaves"][:0])
    block = read_block(world.core, 1, 0, 10)
    for leaf in encoding.leaves(1, 0, block.posted_at, block.batch):
        leaves.update(leaf)
    assert sealed.seals[0].sha256 == leaves.digest()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.core.execute("INSERT INTO ledger.journal_0 SELECT * FROM ledger.journal_0")
    assert seal(world, 0) == sealed


def test_a_part_with_a_book_in_it_stays_open_and_says_which(world):
    """The long book is sealed all the same: what it has there is never another. The short one goes on appending."""
    world.open("short")
    sealed = seal(world, 0)
    assert (sealed.closed, sealed.inside, [each.book for each in sealed.seals]) == (False, ["short"], ["long"])
    assert world.pay("short", 2).result == Result.POSTED
    for number in range(3, 12):
        world.pay("short", number)
    assert seal(world, 0).closed
    assert not seal(world, 4).seals


def test_a_new_book_begins_in_a_part_that_was_closed(world, tablespace, tmp_path):
    """Part 0 is closed, archived and moved; then a book is opened, and begins there."""
    seal(world, 0)
    partitions.archive(world.owner, 0, tmp_path, world.now, tablespace=tablespace)
    world.open("late")
    assert world.pay("late", 2).result == Result.POSTED
    sealed = seal(world, 0)
    assert (sealed.closed, sealed.inside) == (False, ["late"])
    with pytest.raises(Refused, match="part_must_be_closed"):
        partitions.archive(world.owner, 0, tmp_path, world.now)


def test_only_the_owner_puts_parts_away(world):
    for role in ("core", "gateway", "notary", "reader", "auditor"):
        for statement in ("SELECT ledger.close_part(0, now())", "SELECT ledger.copy_part(0, 'pg_default')",
                          "SELECT ledger.swap_part(0, 'pg_default')", "SELECT ledger.open_first_part()"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege), world.connect(role) as connection:
                connection.execute(statement)


# -- archiving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [[0], [2], [0, 1, 2, 3]], ids=["the first", "one in the middle", "all but the last"])
def test_no_reader_notices_that_parts_were_archived(world, tablespace, tmp_path, parts):
    """Balances of the past, statement, pages, a replay from row 0, the retry of an old id: before and after."""
    before = world.everything()
    for part in parts:
        assert seal(world, part).closed
        partitions.archive(world.owner, part, tmp_path, world.now, tablespace=tablespace)
    assert world.everything() == before
    assert before["retry"][0][0].replayed
    assert before["other content"] == Result.ID_ALREADY_HAS_OTHER_CONTENT
    found = {state.part: state.tablespace for state in partitions.states(world.owner)}
    assert {part for part, place in found.items() if place == tablespace} == set(parts)
    moved = world.owner.execute(
        "SELECT count(*), count(*) FILTER (WHERE t.spcname = %s)"
        "  FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = reltablespace"
        " WHERE c.oid = 'ledger.journal_2'::regclass"
        "    OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'ledger.journal_2'::regclass)",
        [tablespace],
    ).fetchone()
    assert moved[0] > 5
    assert moved[1] == (moved[0] if 2 in parts else 0)


def test_a_moved_part_is_like_any_other(world, tablespace, tmp_path):
    """Same indexes, triggers, rights and names as a part that was never moved, but for the right to bring rows in."""

    def shape():
        questions = (
            "SELECT pg_get_indexdef(indexrelid), indisprimary, indisunique FROM pg_index WHERE indrelid = {part}",
            "SELECT tgname, tgfoid, tgtype, tgenabled, tgargs FROM pg_trigger WHERE tgrelid = {part}",
            "SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = {part}",
            (
                "SELECT inhparent, pg_get_expr(relpartbound, oid) FROM pg_class, pg_inherits"
                " WHERE oid = {part} AND inhrelid = oid"
            ),
            (
                "SELECT grantee, privilege_type FROM information_schema.role_table_grants"
                " WHERE table_name = 'journal_1' AND privilege_type <> 'INSERT'"
            ),
        )
        found = [world.owner.execute(each.format(part="'ledger.journal_1'::regclass")).fetchall() for each in questions]
        return [sorted(map(str, each)) for each in found]

    fresh = shape()
    seal(world, 1)
    partitions.archive(world.owner, 1, tmp_path, world.now, tablespace=tablespace)
    assert shape() == fresh


def test_an_archive_is_whole_described_and_goes_back_into_a_table(world, tmp_path):
    seal(world, 1)
    done = partitions.archive(world.owner, 1, tmp_path / "cold", world.now)
    said = json.loads((tmp_path / "cold" / "journal-000001.copy.json").read_text())
    assert said["sha256"] == hashlib.sha256(done.path.read_bytes()).hexdigest() == done.sha256.hex()
    block = read_block(world.core, 1, 10, 20)
    leaves = list(encoding.leaves(1, 10, block.posted_at, block.batch))
    with gzip.open(done.path) as packed:
        assert list(partitions.leaves_of(packed)) == [(1, leaf) for leaf in leaves]
    assert said["books"] == [
        {"book": "long", "book_id": 1, "rows": 10, "leaves_sha256": hashlib.sha256(b"".join(leaves)).hexdigest()}
    ]
    world.owner.execute("CREATE TEMP TABLE back (LIKE ledger.journal)")
    with world.owner.cursor().copy("COPY pg_temp.back FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(gzip.decompress(done.path.read_bytes()))
    missing = "SELECT count(*) FROM (SELECT * FROM ledger.journal_1 EXCEPT SELECT * FROM pg_temp.back) x"
    assert world.owner.execute(missing).fetchone() == (0,)
    assert done.rows == 10
    names = sorted(file.name for file in (tmp_path / "cold").iterdir())
    assert names == ["journal-000001.copy.gz", "journal-000001.copy.json"]


def test_a_part_that_still_takes_rows_is_not_archived(world, tmp_path):
    for part in (0, 4):
        with pytest.raises(Refused, match="part_must_be_closed"):
            partitions.archive(world.owner, part, tmp_path, world.now)
    with pytest.raises(Refused, match="part_must_exist"):
        partitions.archive(world.owner, 99, tmp_path, world.now)
    assert not list(tmp_path.iterdir())


def test_a_part_that_was_changed_after_it_was_sealed_is_not_archived(world, tablespace, tmp_path):
    """Whatever column somebody edits, and a row that he takes away or adds."""
    seal(world, 1)
    edits = ["UPDATE ledger.journal SET amount = amount + 1 WHERE sequence = 12",
             "UPDATE ledger.journal SET amount = amount - 1, expires_at = now() WHERE sequence = 12",
             "DELETE FROM ledger.journal WHERE sequence = 13"]  # fmt: skip
    for edit in edits:
        world.tamper(edit)
        with pytest.raises(Refused, match="part_does_not_match_its_seal"):
            partitions.archive(world.owner, 1, tmp_path, world.now, tablespace=tablespace)
        assert not list(tmp_path.iterdir())
    assert partitions.state(world.owner, 1).tablespace is None


def test_a_part_that_is_being_read_stays_and_moves_later(world, tablespace, tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "SWAP_ATTEMPTS", 1)
    monkeypatch.setattr(partitions, "_PAUSE_SECONDS", 0)
    before = world.everything()
    seal(world, 0)
    with world.connect("reader") as reader:
        reader.execute("SELECT count(*) FROM ledger.journal").fetchone()
        with pytest.raises(Refused, match="part_is_in_use"):
            partitions.archive(world.owner, 0, tmp_path, world.now, tablespace=tablespace)
    assert world.everything() == before
    partitions.archive(world.owner, 0, tmp_path, world.now, tablespace=tablespace)
    assert world.everything() == before
    assert world.core.execute("SELECT to_regclass('ledger.journal_0_cold')").fetchone() == (None,)


def test_a_tablespace_that_is_not_there_is_refused_by_name(world, tmp_path):
    seal(world, 0)
    with pytest.raises(Refused, match="tablespace_must_exist"):
        partitions.archive(world.owner, 0, tmp_path, world.now, tablespace="nowhere")


def test_a_copy_from_before_a_new_book_never_takes_the_parts_place(world, tablespace):
    """The copy is made; a book is opened, writes and leaves; the part is closed again: its rows are in no old copy."""
    seal(world, 0)
    world.owner.execute("SELECT ledger.copy_part(0, %s)", [tablespace])
    world.open("late")
    for number in range(2, 12):
        world.pay("late", number)
    assert seal(world, 0).closed
    with pytest.raises(psycopg.Error):
        world.owner.execute("SELECT ledger.swap_part(0, %s)", [tablespace])
    assert len(read_block(world.core, 2, 0, 12).batch) == 12
