"""The notary on a real journal: what it signs, what it refuses, and what a kill leaves behind."""

import json
import os
import resource
import shutil
import stat
import threading
from itertools import islice
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from evidence_world import ALICE, BANK, BOB, World, at, insert, moved, refusal_of, verdict_of
from ringfence.evidence.checkpoint import open_checkpoint
from ringfence.evidence.cosignature import ML_DSA_44, Cosigner, time_of
from ringfence.evidence.export import export
from ringfence.evidence.keys import load_key, read_verifier, signer_for
from ringfence.evidence.note import Note, Signer, parse_note, write_note
from ringfence.evidence.tree import EMPTY, append, record_hashes, root
from ringfence.evidence.work import Pauses, work
from ringfence.ledger.encoding import leaves
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Account, Kind
from ringfence.ledger.storage import read_block
from ringfence.refusal import Refused


@pytest.fixture
def world(database, tmp_path):
    found = World(database, tmp_path / "home")
    yield found
    found.close()


def test_what_is_new_is_replayed_signed_and_told_to_the_others(world, tmp_path):
    """
    open     bank:main, client:alice, client:bob          -> 3 rows signed
    nothing  new                                          -> nothing signed
    post     300 deposits, a payment, a refusal           -> 302 more
    and a stranger's verifier says yes to the export.
    """
    notary = world.notary()
    assert notary.step(at(0)) is None
    world.open_accounts()
    assert notary.step(at(1)).size == 3
    assert notary.step(at(2)) is None
    world.deposits(3, 100, 300)
    world.append(4, [moved(500, ALICE, BOB, 70)])
    refused = world.journal.submit([Unit([moved(501, BOB, ALICE, 71)])], at(5))
    assert refused[0][0].result.word == "balance_must_not_fall_below_its_minimum"
    signed = notary.step(at(6))
    assert signed.size == 305
    told = world.signed()
    assert (told.size, told.root, told.signed_at) == (305, signed.root, at(6))
    assert told.note.encode() == (world.log / "checkpoint").read_bytes()
    assert world.alarms() == []
    key = read_verifier(world.log)
    exported = export(tmp_path / "export", world.log, key, [UUID(int=500)])
    assert exported.checkpoint == signed
    verdict = verdict_of(tmp_path / "export", key)
    assert verdict["valid"], verdict
    assert verdict["size"] == 305


def test_a_new_notary_goes_on_where_the_last_one_stopped(world):
    """It replays its own log, holds included: the second half of a pending transfer is judged by the first."""
    world.open_accounts()
    world.deposits(1, 100, 3)
    world.append(2, [moved(200, ALICE, BOB, 80, Kind.PENDING)], [moved(201, ALICE, BANK, 50)])
    notary = world.notary()
    notary.step(at(3))
    world.leave(notary)
    world.append(4, [moved(202, ALICE, BOB, 30, Kind.POST, 200)], [moved(203, BANK, ALICE, 50, Kind.CORRECTION, 201)])
    notary = world.notary()
    assert notary.open(at(5)).size == 8
    assert notary.step(at(5)).size == 10
    world.leave(notary)
    world.append(6, [moved(204, ALICE, BANK, 270)])
    assert world.notary().step(at(7)).size == 11


@pytest.mark.parametrize("steps", range(10))
def test_a_kill_after_any_part_of_a_step_ends_in_the_same_root(world, steps):
    """From 250 signed rows to 270: whatever was done before the kill, the next notary ends with one log, and every
    checkpoint is told once.
    """
    world.open_accounts()
    world.deposits(1, 100, 247)
    notary = world.notary()
    notary.step(at(2))
    world.deposits(3, 1000, 20)
    done = list(islice(notary.steps(at(4)), steps))
    world.leave(notary)
    assert done == ["extent", "tail", "read", "replay", "tiles", "keep", "publish", "record", "prune"][:steps]
    notary = world.notary()
    notary.open(at(5))
    assert notary.checkpoint.size == (270 if steps >= 6 else 250)
    notary.step(at(5))
    assert world.signed().size == 270
    world.deposits(6, 2000, 1)
    assert notary.step(at(7)).size == 271
    block = read_block(world.database.connect("reader"), world.book.book_id, 0, 271)
    rows = leaves(world.book.book_id, 0, block.posted_at, block.batch)
    assert notary.checkpoint.root == root(append(EMPTY, record_hashes(rows))[0])
    with world.database.connect("reader") as reader:
        sizes = reader.execute("SELECT size FROM evidence.checkpoint ORDER BY size").fetchall()
    assert sizes == [(250,), (270,), (271,)]
    assert world.alarms() == []


def test_blocks_end_with_chains_and_every_block_is_signed(world):
    """Rows that happened together are signed together, however small a block is."""
    notary = world.notary(block_rows=4)
    world.open_accounts()
    world.deposits(1, 100, 2)
    world.append(2, [moved(200 + index, BANK, ALICE, 5) for index in range(6)])
    world.deposits(3, 300, 3)
    sizes = []
    while (signed := notary.step(at(4))) is not None:
        sizes.append(signed.size)
    assert sizes == [4, 5, 13, 14]
    world.leave(notary)
    assert world.notary(block_rows=4).open(at(5)).size == 14


# Tampering with what was signed


def test_an_old_database_that_was_restored_is_named(world):
    world.open_accounts()
    world.deposits(1, 100, 10)
    notary = world.notary()
    notary.step(at(2))
    world.cut(8)
    refused = refusal_of(notary.step, at(3))
    assert (refused.name, dict(refused.facts)) == ("journal_is_older_than_log", {"head": 8, "signed": 13})
    assert world.alarms() == [("journal_is_older_than_log", {"head": 8, "signed": 13})]


def test_an_old_database_that_was_restored_and_went_on_is_named_with_its_first_other_row(world):
    """Found by the running notary and by one that starts afterwards."""
    world.open_accounts()
    world.deposits(1, 100, 600)
    notary = world.notary()
    notary.step(at(2))
    world.cut(400)
    world.deposits(3, 5000, 300)
    expected = ("journal_was_replaced", {"sequence": 400, "signed": 603})
    refused = refusal_of(notary.step, at(4))
    assert (refused.name, dict(refused.facts)) == expected
    world.leave(notary)
    assert refusal_of(world.notary().step, at(5)).name == "journal_was_replaced"
    assert world.alarms() == [expected]


EDITS = [
    ("amount = 101", "amount"),
    ("amount = amount + 4294967296", "amount"),
    ("kind = 2", "kind"),
    ("kind = 257", "kind"),
    ("flags = 1", "flags"),
    ("debit_account = 3", "debit_account"),
    ("credit_account = 3", "credit_account"),
    ("refers_to = gen_random_uuid()", "refers_to"),
    ("refers_to = '00000000-0000-0000-0000-000000000000'", "refers_to"),
    ("order_id = gen_random_uuid()", "order_id"),
    ("order_id = '00000000-0000-0000-0000-000000000000'", "order_id"),
    ("code = 7", "code"),
    ("value_date = value_date + 1", "value_date"),
    ("posted_at = posted_at + interval '1 microsecond'", "posted_at"),
    ("expires_at = now()", "expires_at"),
    ("expires_at = 'infinity'", "expires_at"),
    ("expires_at = '1970-01-01T00:00:00Z'", "expires_at"),
    ("payload = '\\x7b7d'", "payload_length, payload"),
    ("payload = ''", "payload"),
    ("id = gen_random_uuid()", "id"),
]


def test_any_edited_column_of_a_row_far_back_is_found_by_reading_again(world):
    """Row 5 of 603 is edited, found, mended; then the next column."""
    world.open_accounts()
    world.deposits(1, 100, 600)
    notary = world.notary()
    notary.step(at(2))
    with world.superuser() as connection:
        row = connection.execute("SELECT * FROM ledger.journal WHERE sequence = 5").fetchone()
    for edit, field in EDITS:
        world.tamper(f"UPDATE ledger.journal SET {edit} WHERE sequence = 5")
        assert notary.step(at(3)) is None
        refused = refusal_of(notary.reread, at(3))
        assert (refused.name, refused.facts["sequence"], refused.facts["fields"]) == ("row_was_edited", 5, field)
        assert notary.position == 0
        world.tamper("DELETE FROM ledger.journal WHERE sequence = 5")
        places = sql.SQL(", ").join([sql.Placeholder()] * len(row))
        world.tamper(sql.SQL("INSERT INTO ledger.journal VALUES ({})").format(places), *row)
    assert notary.reread(at(4), rows=256) == 256
    assert notary.reread(at(4), rows=256) == 512
    assert notary.reread(at(4), rows=256) == 0
    assert len(world.alarms()) == len({field for _, field in EDITS})


def test_an_edited_row_among_the_last_is_found_at_once(world):
    world.open_accounts()
    world.deposits(1, 100, 5)
    notary = world.notary()
    notary.step(at(2))
    for sequence in (6, 7):
        world.tamper("UPDATE ledger.journal SET amount = 99 WHERE sequence = %s", sequence)
        world.deposits(3 + sequence, 1000 + sequence, 1)
        refused = refusal_of(notary.step, at(12))
        assert (refused.name, refused.facts["sequence"]) == ("row_was_edited", sequence)
        world.tamper("UPDATE ledger.journal SET amount = 100 WHERE sequence = %s", sequence)
    assert notary.step(at(13)).size == 10


@pytest.mark.parametrize("sequence", [602, 603, 605, 606])
def test_a_missing_row_is_named_whether_it_was_signed_or_not(world, sequence):
    """The last that was signed, the first that was not, one in between, and the last."""
    world.open_accounts()
    world.deposits(1, 100, 600)
    notary = world.notary()
    notary.step(at(2))
    world.deposits(3, 1000, 4)
    world.tamper("DELETE FROM ledger.journal WHERE sequence = %s", sequence)
    refused = refusal_of(notary.step, at(4))
    assert (refused.name, refused.facts["sequence"]) == ("row_is_missing", sequence)


def test_a_missing_row_far_back_is_found_by_reading_again(world):
    world.open_accounts()
    world.deposits(1, 100, 600)
    notary = world.notary()
    notary.step(at(2))
    world.tamper("DELETE FROM ledger.journal WHERE sequence = 17")
    assert notary.step(at(3)) is None
    refused = refusal_of(notary.reread, at(5))
    assert (refused.name, refused.facts["sequence"]) == ("row_is_missing", 17)


def copy_of(sequence, as_sequence, identity="gen_random_uuid()"):
    return (
        f"INSERT INTO ledger.journal SELECT book_id, {as_sequence}, kind, flags, {identity}, debit_account,"
        " credit_account, amount, refers_to, order_id, code, value_date, posted_at, expires_at, payload"
        f" FROM ledger.journal WHERE sequence = {sequence}"
    )


@pytest.mark.parametrize("sequence", [8, 20, -1])
def test_a_row_that_the_head_does_not_count_is_a_phantom(world, sequence):
    world.open_accounts()
    world.deposits(1, 100, 5)
    notary = world.notary()
    world.tamper(copy_of(5, sequence))
    for _ in range(2):
        refused = refusal_of(notary.step, at(2))
        assert (refused.name, refused.facts["sequence"]) == ("row_is_phantom", sequence)
    assert world.signed() is None
    world.tamper("DELETE FROM ledger.journal WHERE sequence = %s", sequence)
    assert notary.step(at(3)).size == 8


def test_a_row_that_is_there_twice_is_a_phantom(world):
    world.open_accounts()
    world.deposits(1, 100, 5)
    world.tamper("ALTER TABLE ledger.journal DROP CONSTRAINT journal_sequence_is_unique")
    world.tamper(copy_of(5, 6))
    refused = refusal_of(world.notary().step, at(2))
    assert refused.name == "row_is_phantom"
    assert refused.facts["sequence"] == 6


# Rows that were put in by hand before the notary came by


@pytest.mark.parametrize(
    ("row", "refusal", "fact"),
    [
        ({"debit_account": ALICE, "credit_account": BOB, "amount": 506}, "row_breaks_rule",
         "balance_must_not_fall_below_its_minimum"),
        ({"amount": 0}, "row_breaks_rule", "amount_must_be_positive"),
        ({"credit_account": 9}, "row_breaks_rule", "credit_account_must_exist"),
        ({"kind": 14}, "row_breaks_rule", "kind_must_be_known"),
        ({"flags": 1}, "row_breaks_rule", "linked_chain_must_be_closed"),
        ({"kind": 3, "refers_to": UUID(int=100)}, "row_breaks_rule", "pending_transfer_must_exist"),
        ({"kind": 6, "refers_to": UUID(int=77)}, "row_breaks_rule", "corrected_transfer_must_exist"),
        ({"kind": 6, "debit_account": ALICE, "credit_account": BANK, "amount": 100, "refers_to": UUID(int=100)},
         "row_breaks_rule", "transfer_already_corrected"),
        ({"kind": 6, "debit_account": ALICE, "credit_account": BANK, "amount": 99, "refers_to": UUID(int=101)},
         "row_breaks_rule", "correction_must_mirror_the_transfer"),
        ({"posted_at": at(1)}, "row_goes_back_in_time", None),
        ({"flags": 2}, "row_is_malformed", "flags"),
        ({"kind": 257}, "row_is_malformed", "kind"),
        ({"kind": 17, "payload": b"{}"}, "row_is_malformed", "amount"),
        ({"kind": 16}, "row_is_malformed", "payload"),
        ({"kind": 16, "payload": b'{"a": 1}'}, "row_is_malformed", "payload"),
        ({"kind": 16, "payload": b""}, "row_is_malformed", "payload"),
        ({"kind": 7, "debit_account": 0, "payload": json.dumps(Account(0, "x", "EUR", "debit", None, None, "o", "p")
          .payload(), separators=(",", ":")).encode()}, "row_is_malformed", "account"),
        ({"expires_at": "infinity"}, "row_is_malformed", "expires_at"),
    ],
)  # fmt: skip
def test_a_row_that_no_writer_would_have_let_in_is_not_signed(world, row, refusal, fact):
    world.open_accounts()
    world.deposits(1, 100, 5)
    world.append(2, [moved(200, ALICE, BANK, 100, Kind.CORRECTION, 100)], [moved(201, BANK, ALICE, 100)])
    notary = world.notary()
    notary.step(at(3))
    world.tamper("DROP INDEX ledger.journal_refers_once_0")
    insert(world, {}, row)
    refused = refusal_of(notary.step, at(31))
    assert (refused.name, refused.facts["sequence"]) == (refusal, 11)
    assert fact is None or fact in refused.facts.values()
    assert world.signed().size == 10
    assert [name for name, _ in world.alarms()] == [refusal]


def test_a_correction_is_judged_by_the_log_and_not_by_an_edited_row(world):
    """Row 3 is a deposit of 1.00; somebody edits it to 9.00 far behind the tail and takes 9.00 back."""
    world.open_accounts()
    world.deposits(1, 100, 600)
    notary = world.notary()
    notary.step(at(2))
    world.tamper("UPDATE ledger.journal SET amount = 900 WHERE sequence = 3")
    insert(world, {"kind": 6, "debit_account": ALICE, "credit_account": BANK, "amount": 900,
                   "refers_to": UUID(int=100)})  # fmt: skip
    refused = refusal_of(notary.step, at(31))
    assert (refused.name, refused.facts["rule"]) == ("row_breaks_rule", "correction_must_mirror_the_transfer")


def test_an_id_that_was_used_before_is_not_signed(world):
    world.open_accounts()
    world.deposits(1, 100, 5)
    notary = world.notary()
    notary.step(at(2))
    world.tamper("ALTER TABLE ledger.journal_0 DROP CONSTRAINT journal_id_is_unique_0")
    insert(world, {"id": UUID(int=102)})
    refused = refusal_of(notary.step, at(31))
    assert (refused.name, dict(refused.facts)) == (
        "id_is_repeated", {"sequence": 8, "id": UUID(int=102), "earlier": 5},
    )  # fmt: skip


def test_rows_that_changed_between_reading_and_signing_are_named(world):
    """The notary was killed when its tiles were written; before it came back somebody edited the rows."""
    world.open_accounts()
    world.deposits(1, 100, 5)
    notary = world.notary()
    for part in notary.steps(at(2)):
        if part == "tiles":
            break
    world.leave(notary)
    world.tamper("UPDATE ledger.journal SET amount = 99 WHERE sequence = 6")
    assert refusal_of(world.notary().step, at(3)).name == "log_file_would_change"
    assert [name for name, _ in world.alarms()] == ["log_file_would_change"]


# The log, the key, the disk


def test_a_checkpoint_that_was_kept_is_published_before_anything_else_is_signed(world):
    """The disk was full when the checkpoint should have been published. More rows came, and one that is in the kept
    checkpoint was edited: the notary first publishes what it has signed, then finds the edit.
    """
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.deposits(1, 100, 5)
    (world.log / "checkpoint.unfinished").mkdir()
    assert refusal_of(notary.step, at(2)).name == "log_cannot_be_written"
    (world.log / "checkpoint.unfinished").rmdir()
    world.deposits(3, 200, 5)
    world.tamper("UPDATE ledger.journal SET amount = 99 WHERE sequence = 6")
    refused = refusal_of(notary.step, at(4))
    assert (refused.name, refused.facts["sequence"], notary.checkpoint.size) == ("row_was_edited", 6, 8)
    world.tamper("UPDATE ledger.journal SET amount = 100 WHERE sequence = 6")
    assert notary.step(at(5)).size == 13


def test_a_full_disk_is_an_alarm_and_no_loss(world):
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.deposits(1, 100, 50)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        assert refusal_of(notary.step, at(2)).name == "log_disk_is_full"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert notary.step(at(3)).size == 53
    assert [name for name, _ in world.alarms()] == ["log_disk_is_full"]


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/8", "tile/entries/000.p/8", "checkpoints/8"])
def test_a_log_that_was_touched_does_not_open(world, path):
    world.open_accounts()
    world.deposits(1, 100, 5)
    notary = world.notary()
    notary.step(at(2))
    world.leave(notary)
    content = bytearray((world.log / path).read_bytes())
    content[len(content) // 2] ^= 1
    (world.log / path).write_bytes(content)
    refused = refusal_of(world.notary().step, at(3))
    assert (
        refused.name
        in {
            "checkpoint": ("signature_does_not_verify", "signature_line_is_malformed"),
            "tile/0/000.p/8": ("log_file_is_corrupted",),
            "tile/entries/000.p/8": ("log_file_is_corrupted",),
            "checkpoints/8": ("checkpoint_was_edited",),
        }[path]
    )
    assert [name for name, _ in world.alarms()] == [refused.name]


def test_a_log_that_was_restored_from_an_older_copy_is_named(world, tmp_path):
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    shutil.copytree(world.log, tmp_path / "copy")
    world.deposits(1, 100, 5)
    notary.step(at(2))
    world.leave(notary)
    shutil.rmtree(world.log)
    shutil.copytree(tmp_path / "copy", world.log)
    refused = refusal_of(world.notary().step, at(3))
    assert (refused.name, dict(refused.facts)) == ("log_is_older_than_signed", {"size": 3, "recorded": 8})


def test_a_checkpoint_that_was_edited_in_the_database_is_named(world):
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.leave(notary)
    world.tamper("UPDATE evidence.checkpoint SET note = note || 'x'")
    assert refusal_of(world.notary().step, at(1)).name == "checkpoint_was_edited"


def test_the_key_is_made_once_and_is_the_notarys_alone(tmp_path):
    made = load_key(tmp_path)
    path = tmp_path / "keys" / "notary.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_key(tmp_path).verifier == made.verifier
    assert signer_for(made, "demo").verifier.public == made.verifier.public
    assert signer_for(made, "demo").verifier.key_id != signer_for(made, "other").verifier.key_id
    path.chmod(0o640)
    assert refusal_of(load_key, tmp_path).name == "notary_key_is_open_to_others"
    path.chmod(0o600)
    path.write_text("PRIVATE+KEY+nonsense\n")
    assert refusal_of(load_key, tmp_path).name == "key_is_malformed"
    path.write_bytes(b"\xff")
    assert refusal_of(load_key, tmp_path).name == "log_file_is_unreadable"


def test_every_checkpoint_has_both_signatures_and_one_alone_opens_nothing(world):
    """Ed25519 and ML-DSA-44: whoever can forge one of them has forged nothing yet."""
    world.open_accounts()
    world.notary().step(at(0))
    key, note = read_verifier(world.log), (world.log / "checkpoint").read_bytes()
    [second] = key.also
    parsed = parse_note(note)
    assert [(line.name, line.key_id) for line in parsed.signatures] == [
        (key.name, key.key_id),
        (key.name, second.key_id),
    ]
    assert time_of(parsed.signatures[1]) == int(at(0).timestamp())
    assert open_checkpoint(note, key.name, [key]).size == 3
    for line in parsed.signatures:
        half = write_note(Note(parsed.text, (line,)))
        assert refusal_of(lambda half=half: open_checkpoint(half, key.name, [key])).name == (
            "note_is_not_signed_by_known_key"
        )
    forged = write_note(Note(parsed.text, (parsed.signatures[0], second_of_another(key.name).cosign(parsed.text, 5))))
    assert refusal_of(lambda: open_checkpoint(forged, key.name, [key])).name == "note_is_not_signed_by_known_key"


def second_of_another(name):
    return Cosigner.from_seed(name, ML_DSA_44, b"z" * 32)


def test_a_log_of_one_key_goes_on_with_one(world):
    """A key file of before there were two: it stays as it is, and so do its checkpoints."""
    path = world.home / "keys" / "notary.key"
    load_key(world.home)
    path.write_text(path.read_text().split("\n")[0] + "\n")
    world.open_accounts()
    assert world.notary().step(at(0)).size == 3
    assert read_verifier(world.log).also == ()
    assert len(parse_note((world.log / "checkpoint").read_bytes()).signatures) == 1


def test_a_key_that_does_not_fit_the_log_does_not_start(world):
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.leave(notary)
    path = world.home / "keys" / "notary.key"
    kept = path.read_text()
    path.unlink()
    assert refusal_of(load_key, world.home).name == "notary_key_is_missing"
    path.write_text(Signer.from_seed("ringfence/notary", bytes(32)).private_line() + "\n")
    path.chmod(0o600)
    assert refusal_of(world.notary().step, at(1)).name == "notary_key_does_not_fit_log"
    world.leave(world.notaries[-1])
    path.write_text(kept)
    assert world.notary().step(at(2)) is None


def test_a_log_has_one_notary(world):
    world.notary()
    assert refusal_of(world.notary).name == "log_is_in_use"


def test_a_database_that_is_lost_is_refused_and_taken_up_again(world):
    world.open_accounts()
    notary = world.notary()
    notary.step(at(0))
    world.deposits(1, 100, 2)
    with world.superuser() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ringfence_notary'"
                           " AND datname = current_database()")  # fmt: skip
    refused = refusal_of(notary.step, at(2))
    assert refused.name == "database_is_lost"
    assert notary.step(at(3)).size == 5


def test_the_notary_works_until_it_is_told_to_stop(world):
    """It signs what comes, reads old rows again, and reports refusals without ending."""
    notary = world.notary()
    stop, reports = threading.Event(), []
    thread = threading.Thread(target=work, args=(notary, stop.is_set, lambda: at(50), reports.append, QUICK))
    thread.start()
    try:
        world.open_accounts()
        wait_for(lambda: reports and reports[-1].size == 3)
        world.tamper("UPDATE ledger.journal SET code = 7 WHERE sequence = 1")
        wait_for(lambda: getattr(reports[-1], "name", None) == "row_was_edited")
        world.tamper("UPDATE ledger.journal SET code = 0 WHERE sequence = 1")
        world.deposits(1, 100, 1)
        wait_for(lambda: getattr(reports[-1], "size", None) == 4)
    finally:
        stop.set()
        thread.join()


def test_old_rows_are_read_again_also_while_something_new_always_comes(world):
    """Every step finds a row; an old one is edited meanwhile."""
    world.open_accounts()
    world.deposits(1, 100, 300)
    notary, reports, ids = world.notary(), [], iter(range(1_000, 1_100))

    def stopped():
        world.deposits(1, next(ids), 1)
        if len(reports) == 3:
            world.tamper("UPDATE ledger.journal SET code = 7 WHERE sequence = 5")
        return bool(reports) and isinstance(reports[-1], Refused)

    work(notary, stopped, lambda: at(50), reports.append, QUICK)
    assert reports[-1].name == "row_was_edited"
    assert [each.size for each in reports[:-1]] == list(range(304, 303 + len(reports)))


QUICK = Pauses(step=0.01, many=0.01, look=0.01, round=0.01)


def wait_for(condition, seconds=10.0):
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it did not happen in time")


# Who may what

CHECKPOINT = "INSERT INTO evidence.checkpoint VALUES (1, 0, '\\x" + "00" * 32 + "', 'note', now())"
ALARM = "INSERT INTO evidence.alarm VALUES (1, 0, 'name', '{}', now())"


@pytest.mark.parametrize("role", ["core", "gateway", "reader", "auditor"])
@pytest.mark.parametrize("statement", [CHECKPOINT, ALARM])
def test_nobody_but_the_notary_writes_evidence(world, role, statement):
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
        world.database.connect(role).execute(statement)


@pytest.mark.parametrize("table", ["checkpoint", "alarm"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET book_id = 1", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_the_notary_said_stays_said(world, table, statement):
    notary = world.database.connect("notary")
    notary.execute(CHECKPOINT)
    notary.execute(ALARM)
    notary.commit()
    named = sql.SQL(statement).format(sql.Identifier("evidence", table))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        notary.execute(named)
    owner = world.database.connect("owner")
    with pytest.raises(psycopg.Error) as error:
        owner.execute(named)
    assert error.value.sqlstate == "RF020"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger.journal SELECT * FROM ledger.journal",
        "UPDATE ledger.journal SET amount = 1",
        "DELETE FROM ledger.journal",
        "UPDATE ledger.head SET head = 0",
        "SELECT ledger.advance(1, 0, 1, now())",
    ],
)
def test_the_notary_may_not_touch_the_journal(world, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.database.connect("notary").execute(statement)


# Exports


def test_an_export_goes_into_a_new_folder_and_names_what_it_does_not_find(world, tmp_path):
    key = signer_for(load_key(world.home), "demo").verifier
    notary = world.notary()
    notary.open(at(0))
    assert refusal_of(export, tmp_path / "export", world.log, key).name == "log_has_no_checkpoint"
    world.open_accounts()
    notary.step(at(1))
    assert refusal_of(export, tmp_path / "export", world.log, key, [UUID(int=77)]).name == "row_is_not_in_log"
    assert not (tmp_path / "export").exists()
    export(tmp_path / "export", world.log, key, [UUID(int=2)])
    assert refusal_of(export, tmp_path / "export", world.log, key).name == "export_folder_is_taken"
    assert verdict_of(tmp_path / "export", key)["valid"]
    (tmp_path / "file").write_text("")
    assert refusal_of(export, tmp_path / "file" / "export", world.log, key).name == "export_cannot_be_written"
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        assert refusal_of(export, tmp_path / "closed" / "export", world.log, key).name == "export_cannot_be_written"


def test_a_log_that_was_touched_is_not_exported(world, tmp_path):
    world.open_accounts()
    world.notary().step(at(1))
    key = read_verifier(world.log)
    path = world.log / "tile/entries/000.p/3"
    path.write_bytes(path.read_bytes().replace(b"alice", b"malic"))
    assert refusal_of(export, tmp_path / "export", world.log, key).name == "log_file_is_corrupted"
    assert not (tmp_path / "export").exists()
