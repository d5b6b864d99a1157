"""Somebody with every right changes the journal or the log: each change is found, and the finding names the place.

The journal by SQL as superuser with the triggers off, every column by its name in the catalogue; the notary's own log
by every byte of every kind of file; databases that were restored; and the notary itself, killed between any two of its
steps. What is found of an export is in `test_verifier_folder`.
"""

import os
import signal
import subprocess
import sys
from itertools import count

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from conftest import Database
from evidence_world import ALICE, BANK, BOB, World, at, insert, moved, refusal_of
from ringfence.database import embedded
from ringfence.evidence.checkpoint import open_checkpoint
from ringfence.evidence.cosignature import ED25519, ML_DSA_44, Cosigner
from ringfence.evidence.export import export
from ringfence.evidence.keys import read_verifier
from ringfence.evidence.notary import Notary
from ringfence.evidence.note import Note, parse_note, parse_signatures
from ringfence.evidence.quorum import parse_quorum
from ringfence.evidence.tiles import File, read_file, replace_file
from ringfence.evidence.tree import EMPTY, append, record_hashes, root
from ringfence.ledger.encoding import leaves
from ringfence.ledger.storage import read_block
from ringfence.refusal import Refused

ROWS = 603


@pytest.fixture
def world(database, tmp_path):
    found = World(database, tmp_path / "home")
    yield found
    found.close()


@pytest.fixture(scope="module")
def signed(module_database, tmp_path_factory):
    """A book of 603 rows, signed at 3, 303 and 603; whoever changes something mends it again."""
    found = World(module_database, tmp_path_factory.mktemp("signed"))
    found.open_accounts()
    notary = found.notary()
    notary.step(at(0))
    found.deposits(1, 100, 300)
    notary.step(at(2))
    found.deposits(3, 1000, 300)
    notary.step(at(4))
    found.leave(notary)
    yield found
    found.close()


# -- the journal -------------------------------------------------------------------------------------------------------

# How a value of each type becomes another. A column that is added has one of these types or is missed here by name.
OTHERS = {
    "integer": ["{c} + 1", "{c} + 7"],
    "bigint": ["{c} + 1", "{c} + 4294967296"],
    "smallint": ["{c} + 1", "{c} + 256"],
    "uuid": ["gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'"],
    "date": ["coalesce({c}, '2026-01-05') + 1", "'infinity'"],
    "timestamp with time zone": ["coalesce({c}, now()) + interval '1 microsecond'", "'infinity'"],
    "bytea": ["'\\x7b7d'", "''"],
    "text": ["coalesce({c}, '') || ' '"],
    "jsonb": ["'{{}}'"],
    "boolean": ["NOT {c}"],
}
PLACES = {"far back": 5, "the last": ROWS - 1}


def columns_of(world):
    with world.superuser() as connection:
        return connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'ledger.journal'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ).fetchall()


def first_finding(notary, minute):
    """What a notary that works says: a step, then old rows once through."""
    try:
        notary.step(at(minute))
        while notary.reread(at(minute)):
            pass
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.replace(" ", "-"))
def test_no_column_of_a_signed_row_can_be_changed(signed, place):
    """Every column that the catalogue knows, in each way of its type. The finding names the row, and the column where
    the row is still the row; a row that went to another place or book is missing.
    """
    sequence = PLACES[place]
    notary = signed.notary()
    notary.open(at(5))
    columns = columns_of(signed)
    assert len(columns) == 15
    for name, kind in columns:
        for other in OTHERS[kind]:
            changed = sql.SQL(other.replace("{c}", "{}")).format(*([sql.Identifier(name)] * other.count("{c}")))
            with signed.superuser() as connection:
                row = connection.execute("SELECT * FROM ledger.journal WHERE sequence = %s", [sequence]).fetchone()
                try:
                    connection.execute(
                        sql.SQL("UPDATE ledger.journal SET {} = {} WHERE sequence = %s").format(
                            sql.Identifier(name), changed
                        ),
                        [sequence],
                    )
                except (psycopg.errors.DataException, psycopg.errors.IntegrityError):
                    continue  # the type or a constraint of the table takes no such value, whoever asks
                found = first_finding(notary, 6)
                assert found is not None, (name, other)
                if name in ("book_id", "sequence"):
                    assert found.name in ("row_is_missing", "row_is_phantom"), (name, other, found)
                    assert found.facts["sequence"] in (sequence, sequence + 1, sequence + 4294967296), found
                elif found.name == "journal_is_unreadable":
                    assert found.facts["first"] <= sequence <= found.facts["last"], (name, other, found)
                elif name == "id" and place == "the last":
                    assert (found.name, found.facts["sequence"]) == ("journal_was_replaced", sequence)
                else:
                    assert (found.name, found.facts["sequence"]) == ("row_was_edited", sequence), (name, other, found)
                    assert name in found.facts["fields"], (name, other, found)
                connection.execute("DELETE FROM ledger.journal WHERE id = %s OR sequence >= %s", [row[4], ROWS])
                connection.execute("DELETE FROM ledger.journal WHERE sequence = %s", [sequence])
                places = sql.SQL(", ").join([sql.Placeholder()] * len(row))
                connection.execute(sql.SQL("INSERT INTO ledger.journal VALUES ({})").format(places), row)
    assert first_finding(notary, 7) is None
    signed.leave(notary)


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ([{"amount": 7, "id": "own"}] * 3, "row_was_edited"),
        ([{"amount": 100}] * 3, "journal_was_replaced"),
        ([{"amount": 100}] * 5, "journal_was_replaced"),
        ([{"amount": 100}] * 1, "journal_is_older_than_log"),
    ],
    ids=["the same ids", "as many", "more", "fewer"],
)
def test_a_tail_that_was_replaced_is_named_from_its_first_row(world, rows, finding):
    """The last three of 13 rows are taken out and others put in their place, by hand."""
    world.open_accounts()
    world.deposits(1, 100, 10)
    notary = world.notary()
    notary.step(at(2))
    with world.superuser() as connection:
        own = [row[0] for row in connection.execute("SELECT id FROM ledger.journal WHERE sequence >= 10 ORDER BY 1")]
    world.cut(10)
    insert(world, *({**row, "id": own[at_]} if row.get("id") else row for at_, row in enumerate(rows)))
    found = refusal_of(notary.step, at(31))
    assert found.name == finding
    assert found.facts.get("sequence", 10) == 10
    assert found.facts.get("signed", 13) == 13
    assert world.alarms()[0][0] == finding


def test_a_row_that_is_put_in_before_the_notary_comes_by_is_refused_and_named(world):
    """Between two honest rows, in the window before signing: an overdraft, and an event of people who did nothing."""
    world.open_accounts()
    world.deposits(1, 100, 5)
    notary = world.notary()
    notary.step(at(2))
    insert(world, {"debit_account": ALICE, "credit_account": BOB, "amount": 501})
    found = refusal_of(notary.step, at(31))
    assert (found.name, found.facts["sequence"]) == ("row_breaks_rule", 8)
    assert world.signed().size == 8


# -- restored databases ------------------------------------------------------------------------------------------------


def test_yesterdays_database_is_told_from_todays_whether_it_went_on_or_not(
    module_database, server, new_database, signed
):
    """A copy of the whole database, tables and head and checkpoints, is put in the place of the one that was signed."""
    signed.journal.close()
    module_database.close()
    copy = Database(server, new_database(module_database.name))
    try:
        today = signed.notary()
        signed.append(8, *([moved(7000 + index, BANK, ALICE, 100)] for index in range(20)))
        today.step(at(9))
        signed.leave(today)
        restored = World(copy, signed.home, new=False)
        found = first_finding(restored.notary(), 10)
        assert (found.name, found.facts["head"], found.facts["signed"]) == (
            "journal_is_older_than_log",
            ROWS,
            ROWS + 20,
        )
        restored.append(11, *([moved(8000 + index, BANK, BOB, 100)] for index in range(30)))
        found = first_finding(restored.notaries[-1], 12)
        assert (found.name, found.facts["sequence"]) == ("journal_was_replaced", ROWS)
        restored.close()
    finally:
        copy.close()
        with server.connect_as_administrator() as administrator:
            administrator.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(copy.name)))


@pytest.mark.soak
def test_a_dump_that_was_restored_and_continued_is_named_with_its_first_other_row(
    world, server, new_database, tmp_path
):
    """The same by pg_dump and pg_restore, as somebody does it who has only a dump."""
    world.open_accounts()
    world.deposits(1, 100, 40)
    notary = world.notary()
    notary.step(at(2))
    administrator = {**server.parameters, **server.administrator}
    named = lambda name: psycopg.conninfo.make_conninfo(**{**administrator, "dbname": name})  # noqa: E731
    dump = tmp_path / "yesterday"
    subprocess.run(
        [embedded.programs() / "pg_dump", "--format=custom", f"--file={dump}", named(world.database.name)], check=True
    )
    world.deposits(3, 1000, 10)
    notary.step(at(4))
    world.leave(notary)
    copy = Database(server, new_database(None))
    try:
        subprocess.run([embedded.programs() / "pg_restore", f"--dbname={named(copy.name)}", dump], check=True)
        restored = World(copy, world.home, new=False)
        assert first_finding(restored.notary(), 5).name == "journal_is_older_than_log"
        restored.append(6, *([moved(8000 + index, BANK, BOB, 100)] for index in range(10)))
        found = first_finding(restored.notaries[-1], 7)
        assert (found.name, found.facts["sequence"]) == ("journal_was_replaced", 43)
        restored.close()
    finally:
        copy.close()
        with server.connect_as_administrator() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(copy.name)))


# -- the notary's log --------------------------------------------------------------------------------------------------

BANKS = [Cosigner.from_seed("bank.example/w1", each, bytes([each] * 32)) for each in (ED25519, ML_DSA_44)]
POLICY = parse_quorum(
    "".join(f"witness {each.algorithm} {each.key}\n" for each in BANKS) + "group b all 4 6\nquorum b\n"
)


@pytest.fixture(scope="module")
def cosigned(signed):
    """The last checkpoint has a bank's lines beside it, as `witness.asking` keeps them."""
    note = parse_note(read_file(signed.log, f"checkpoints/{ROWS}"))
    lines = "".join(str(each.cosign(note.text, 1_800_000_000)) for each in BANKS)
    replace_file(signed.log, File(f"cosignatures/{ROWS}", lines.encode()))
    return signed


def readers_of_the_log(world, tmp_path):
    """Everybody who reads it: a notary that starts and looks at old rows, an export, and who asks who cosigned."""
    notary = Notary(
        lambda: world.database.server.connect("notary", world.database.name),
        world.log, world.signer, world.book.book_id,
    )  # fmt: skip
    try:
        found = first_finding(notary, 20)
    finally:
        notary.close()
    if found is not None:
        return found
    try:
        export(tmp_path, world.log, read_verifier(world.log))
        text = parse_note(read_file(world.log, f"checkpoints/{ROWS}")).text
        kept = parse_signatures(read_file(world.log, f"cosignatures/{ROWS}").decode("utf-8", "replace"))
    except Refused as refused:
        return refused
    return POLICY.cosigned(Note(text, kept))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_no_byte_of_the_notarys_log_can_be_changed(cosigned, tmp_path_factory, drawn):
    """Any file of it: a byte replaced, cut off, or added. A note says by its refusal which of its lines is wrong."""
    world = cosigned
    files = sorted(
        path.relative_to(world.log).as_posix()
        for path in world.log.rglob("*")
        if path.is_file() and path.name != "lock"
    )
    assert {file.split("/")[0] for file in files} == {
        "checkpoint", "checkpoints", "cosignatures", "notary.vkey", "tile",
    }  # fmt: skip
    path = drawn.draw(st.sampled_from(files))
    content = (world.log / path).read_bytes()
    place = drawn.draw(st.integers(0, len(content) - 1))
    how = drawn.draw(st.sampled_from(["replaced", "cut off", "added"]))
    changed = {
        "replaced": content[:place] + bytes([content[place] ^ drawn.draw(st.integers(1, 255))]) + content[place + 1 :],
        "cut off": content[:place],
        "added": content[:place] + b"\n" + content[place:],
    }[how]
    (world.log / path).write_bytes(changed)
    try:
        found = readers_of_the_log(world, tmp_path_factory.mktemp("export") / "folder")
    finally:
        (world.log / path).write_bytes(content)
    if isinstance(found, dict):
        assert path.startswith("cosignatures/"), (path, place, how)
        assert not POLICY.satisfied_by({POLICY.witnesses[name].key for name in found}), (path, place, how)
    elif path.startswith("tile/"):
        assert path in str(found.facts["path"]), (path, place, how, found)
    else:
        assert isinstance(found, Refused), (path, place, how)


# -- the notary, killed ------------------------------------------------------------------------------------------------

STEPS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


def killed_notary(world, steps, minute):
    """The real notary in a process of its own, which SIGKILL ends before its `steps`th touch of a file of the log or
    statement to the database; True if it came to its end before.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
        return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    try:  # everything in here is the child's own: its connection, its lock, its files
        taken = 0

        def step(*_):
            nonlocal taken
            if taken == steps:
                os.kill(os.getpid(), signal.SIGKILL)
            taken += 1

        execute = psycopg.Connection.execute
        psycopg.Connection.execute = lambda *given, **named: (step(), execute(*given, **named))[1]
        sys.addaudithook(lambda event, given: step() if event in STEPS and str(world.log) in str(given[0]) else None)
        notary = world.notary(snapshot_rows=30)
        notary.step(at(minute))
        os._exit(0)
    finally:
        os._exit(1)


def test_a_notary_that_is_killed_at_any_step_ends_in_the_same_root(world):
    """Twenty rows more each time, and a kill one step later each time, until none is left. Whoever starts next signs
    what the journal holds, and nobody finds anything.
    """
    world.open_accounts()
    tree, ended = EMPTY, False
    for steps in count():
        world.deposits(1 + steps, 10_000 + 100 * steps, 20)
        ended = killed_notary(world, steps, 2 + steps)
        notary = world.notary(snapshot_rows=30)
        notary.step(at(2 + steps))
        size = 3 + 20 * (steps + 1)
        block = read_block(world.database.connect("reader"), world.book.book_id, tree.size, size)
        tree, _ = append(tree, record_hashes(leaves(world.book.book_id, tree.size, block.posted_at, block.batch)))
        assert (notary.checkpoint.size, notary.checkpoint.root) == (size, root(tree)), steps
        open_checkpoint(read_file(world.log, "checkpoint"), notary.signer.name, [notary.signer.verifier])
        world.leave(notary)
        if ended:
            break
    assert steps > 45
    assert world.alarms() == []
