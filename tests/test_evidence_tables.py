"""Somebody with every right edits the tables that follow the journal, and no row of it: the notary finds each.

Every column that the catalogue knows of every table that others believe, each in the ways of its type; rows that are
taken away and rows that are put in.
"""

from datetime import date
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from evidence_world import ALICE, BANK, BOB, World, at, moved, refusal_of
from ringfence.ledger.entries import Entries
from ringfence.ledger.model import Kind, Line
from test_evidence_tampering import OTHERS, first_finding

OTHERS = OTHERS | {
    "timestamp with time zone": ["{c} - interval '2 hours'", "{c} + interval '1 second'", "'infinity'"],
    "bigint": ["coalesce({c}, 7) + 1", "coalesce({c}, 7) + 4294967296"],
    "numeric": ["{c} + 1", "{c} + 1e30"],
    "text": ["{c} || ' '", "CASE {c} WHEN 'credit' THEN 'debit' ELSE 'other' END"],
}
NOBODY_BELIEVES = {
    "ledger.book": {"opened_at"},
    "ledger.projection": {"moved_from", "moved_by"},
    "ledger.total": {"sequence"},
}
"""Columns that say when something was written, for those who write."""

TABLES = {
    "ledger.book": "book_id = 1",
    "ledger.account": "account = 2",
    "ledger.entry": "account = 2 AND sequence = 5",
    "ledger.entry, the last": "account = 2 AND sequence = 307",
    "ledger.shifted_entry": "account = 2 AND sequence = 305",
    "ledger.total": "side = 'credit'",
    "evidence.checkpoint": "size = 3",
}


def value_of(number, day):
    return Line(Kind.TRANSFER, UUID(int=number), debit_account=BANK, credit_account=ALICE, amount=7, value_date=day)


@pytest.fixture(scope="module")
def told(module_database, tmp_path_factory):
    """A book of 309 rows with holds, value dates of other days and a closed account, signed at 3, 303 and 309."""
    world = World(module_database, tmp_path_factory.mktemp("told"))
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.deposits(1, 100, 300)
    notary.step(at(2))
    world.append(3, [moved(1000, ALICE, BANK, 30, Kind.PENDING)], [moved(1001, ALICE, BANK, 40, Kind.PENDING)])
    world.append(3, [value_of(1002, date(2026, 1, 3))], [moved(1003, ALICE, BANK, 25, Kind.POST, 1000)])
    world.append(3, [value_of(1004, date(2026, 1, 3))], [Line(Kind.ACCOUNT_CLOSED, UUID(int=1005), debit_account=BOB)])
    with world.database.server.connect("core", world.database.name) as connection:
        connection.autocommit = True
        Entries(world.book.book_id).follow(connection)
    notary.step(at(4))
    assert first_finding(notary, 5) is None
    world.leave(notary)
    yield world
    world.close()


@pytest.fixture
def mended(told):
    """The tables as they were, after each test."""
    names = ("ledger.account", "ledger.entry", "ledger.shifted_entry", "ledger.total", "ledger.projection",
             "evidence.checkpoint", "ledger.journal", "ledger.head")  # fmt: skip
    with told.superuser() as connection:
        before = {
            name: connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*name.split(".")))).fetchall()
            for name in names
        }
    yield told
    for notary in list(told.notaries):
        told.leave(notary)
    with told.superuser() as connection:
        for name, rows in before.items():
            whole = sql.Identifier(*name.split("."))
            connection.execute(sql.SQL("DELETE FROM {}").format(whole))
            places = sql.SQL(", ").join([sql.Placeholder()] * len(rows[0]))
            connection.cursor().executemany(sql.SQL("INSERT INTO {} VALUES ({})").format(whole, places), rows)


def test_no_column_that_somebody_believes_can_be_changed(mended):
    """The finding names the table and the row, and the edit is mended before the next."""
    notary = mended.notary()
    notary.open(at(6))
    seen = 0
    for named, place in TABLES.items():
        table = named.partition(",")[0]
        where = sql.SQL(place)
        with mended.superuser() as connection:
            columns = connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                [table],
            ).fetchall()
            whole = sql.Identifier(*table.split("."))
            before = connection.execute(sql.SQL("SELECT * FROM {}").format(whole)).fetchall()
            for name, kind in columns:
                if name == "book_id" or name in NOBODY_BELIEVES.get(table, ()):
                    continue  # a row of another book is missing here, as one that was taken away (below)
                for other in OTHERS[kind]:
                    changed = sql.SQL(other.replace("{c}", "{}")).format(*([sql.Identifier(name)] * other.count("{c}")))
                    try:
                        connection.execute(
                            sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(
                                whole, sql.Identifier(name), changed, where
                            )
                        )
                    except (psycopg.errors.DataException, psycopg.errors.IntegrityError):
                        continue  # the table takes no such value, whoever asks
                    found = first_finding(notary, 7)
                    assert found is not None, (table, name, other)
                    assert (found.name, found.facts["table"]) in {
                        ("table_contradicts_log", table),
                        ("table_contradicts_log", "ledger.entry"),  # what an account's side or number is, they follow
                    }, (table, name, other, found)
                    connection.execute(sql.SQL("DELETE FROM {}").format(whole))
                    places = sql.SQL(", ").join([sql.Placeholder()] * len(before[0]))
                    connection.cursor().executemany(sql.SQL("INSERT INTO {} VALUES ({})").format(whole, places), before)
                    seen += 1
    assert seen > 50
    assert first_finding(notary, 8) is None


EDITS = {
    "an entry is missing": ("DELETE FROM ledger.entry WHERE account = 2 AND sequence = 7", "ledger.entry"),
    "the last entry is missing": ("DELETE FROM ledger.entry WHERE account = 2 AND sequence = 307", "ledger.entry"),
    "an entry moves nothing": (
        "INSERT INTO ledger.entry SELECT book_id, 3, 200, 0, 0, 0, 0 FROM ledger.book",
        "ledger.entry",
    ),
    "a shifted entry is missing": ("DELETE FROM ledger.shifted_entry WHERE sequence = 307", "ledger.shifted_entry"),
    "a shifted entry too many": (
        "INSERT INTO ledger.shifted_entry SELECT book_id, 2, -9, '2026-01-01', 7, 100 FROM ledger.book",
        "ledger.shifted_entry",
    ),
    "a total is missing": ("DELETE FROM ledger.total WHERE side = 'debit'", "ledger.total"),
    "a total too many": (
        "INSERT INTO ledger.total SELECT book_id, 'x', 'y', 'EUR', 'debit', 1, 0, 0, 0 FROM ledger.book",
        "ledger.total",
    ),
    "an account is missing": ("DELETE FROM ledger.account WHERE account = 3", "ledger.account"),
    "an account too many": (
        "INSERT INTO ledger.account SELECT 1, 4, 'client:carol', 'EUR', 'credit', NULL, NULL, 'owner', 'client', 9",
        "ledger.account",
    ),
    "the entries say that they are ahead": (
        "UPDATE ledger.projection SET sequence = 310 WHERE name = 'entry'",
        "ledger.projection",
    ),
    "a checkpoint is missing": ("DELETE FROM evidence.checkpoint WHERE size = 303", "evidence.checkpoint"),
    "a checkpoint too many": (
        "INSERT INTO evidence.checkpoint SELECT 1, 200, root, note, 'epoch' FROM evidence.checkpoint WHERE size = 3",
        "evidence.checkpoint",
    ),
    "a checkpoint beyond the last": (
        "INSERT INTO evidence.checkpoint SELECT 1, 4000, root, note, 'epoch' FROM evidence.checkpoint WHERE size = 3",
        "evidence.checkpoint",
    ),
}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.replace(" ", "-"))
def test_no_row_can_be_taken_away_or_put_in(mended, edit):
    statement, table = EDITS[edit]
    notary = mended.notary()
    notary.open(at(9))
    mended.tamper(statement)
    found = first_finding(notary, 10)
    assert found is not None
    assert (found.name, found.facts["table"]) == ("table_contradicts_log", table), found


def test_entries_that_are_still_to_come_are_not_missed(mended):
    """The core has not projected the last rows yet, or makes all entries again."""
    notary = mended.notary()
    notary.open(at(11))
    mended.tamper("DELETE FROM ledger.entry WHERE sequence >= 300")
    mended.tamper("DELETE FROM ledger.shifted_entry WHERE sequence >= 300")
    mended.tamper("UPDATE ledger.projection SET sequence = 300 WHERE name = 'entry'")
    assert first_finding(notary, 12) is None
    mended.tamper("SELECT ledger.forget_entries(1)")
    assert first_finding(notary, 12) is None


def test_tables_that_are_ahead_of_what_is_signed_are_not_judged_by_it(tmp_path, database):
    """The core has followed rows that nobody has signed yet: no alarm, and they are signed."""
    world = World(database, tmp_path / "home")
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.deposits(1, 100, 20)
    world.append(2, [moved(1000, ALICE, BANK, 30, Kind.PENDING)], [value_of(1002, date(2026, 1, 3))])
    with world.database.server.connect("core", world.database.name) as connection:
        connection.autocommit = True
        Entries(world.book.book_id).follow(connection)
    for _ in range(3):
        notary.reread(at(3))
    assert notary.step(at(3)).size == 25
    assert first_finding(notary, 4) is None
    assert world.alarms() == []
    world.close()


def test_nothing_new_is_signed_while_something_old_is_not_what_was_signed(tmp_path, database):
    """A row far back, then a table: found by reading again, and from then on no step signs, until it is mended."""
    world = World(database, tmp_path / "home")
    world.open_accounts()
    world.deposits(1, 100, 600)
    notary = world.notary()
    notary.step(at(2))
    world.deposits(3, 1000, 1)
    for edit, mend in (
        ("UPDATE ledger.journal SET code = 7 WHERE sequence = 5", "UPDATE ledger.journal SET code = 0"),
        ("UPDATE ledger.account SET owner = 'platform' WHERE account = 2", "UPDATE ledger.account SET owner = 'owner'"),
    ):
        world.tamper(edit)
        found = refusal_of(notary.reread, at(4))
        assert refusal_of(notary.step, at(4)).name == found.name
        assert notary.checkpoint.size == 603
        world.tamper(mend)
    assert notary.step(at(5)).size == 604
    assert [name for name, _ in world.alarms()] == ["row_was_edited", "table_contradicts_log"]
    world.close()


def test_a_checkpoint_that_a_kill_kept_back_is_recorded_with_the_time_that_was_signed(tmp_path, database):
    """Else the table would contradict the signature."""
    world = World(database, tmp_path / "home")
    world.open_accounts()
    notary = world.notary()
    for part in notary.steps(at(2)):
        if part == "publish":
            break
    world.leave(notary)
    again = world.notary()
    assert first_finding(again, 9) is None
    assert world.signed().signed_at == at(2)
    world.close()
