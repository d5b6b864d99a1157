"""The notary's snapshots: a start with one is a start without, and none is believed that is not as it was signed."""

import os
import random
import shutil
import signal
import time
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from evidence_world import ALICE, BANK, BOB, MORNING, World, at, insert, moved, refusal_of
from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ringfence.evidence.note import Signer
from ringfence.evidence.replay import Replay
from ringfence.evidence.snapshot import keep_snapshot, kept_snapshots, newest_snapshot, open_snapshot
from ringfence.evidence.tiles import EMPTY_EDGE, Tile, Tiles, grow
from ringfence.ledger.encoding import leaves
from ringfence.ledger.model import Kind, microseconds
from ringfence.ledger.standing import ClosedPeriod, Guard, Limits, Monitor, Watched
from verifier_books import chains, flagged, grown, imported

NOTARY = Signer.from_seed("ringfence/demo", bytes(range(32)))
TODAY = MORNING.date()
PROPOSAL = UUID(int=77)


@pytest.fixture(scope="session")
def book():
    return imported()


@pytest.fixture
def world(database, tmp_path):
    found = World(database, tmp_path / "home")
    yield found
    found.close()


def state_of(replay):
    """All that a replay knows, in a form that does not depend on how it came to know it."""
    balances = replay.balances
    return {
        "sums": [balances.state[: balances.size, column].tolist() for column in range(7)],
        "groups": [list(balances.groups)[number] for number in balances.group.tolist()[1:]],
        "names": balances.numbers,
        "holds": {identity: tuple(balances.holds.get(identity)) for identity in balances.holds.slots},
        "closed": balances.closed_through,
        "guards": {guard.pool: guard for guard in balances.guards.values()},
        "cover": {
            (pool, currency): balances.cover(pool, currency)
            for pool in balances.pools
            for currency in balances.currencies
        },
        "covers": {
            (list(balances.pools)[pool], list(balances.currencies)[currency]): cover
            for (pool, currency), cover in balances.covers.items()
        },
        "monitors": balances.monitors,
        "due": balances.due,
        "rest": (replay.corrected, replay.posted_at, replay.rows),
    }


def records_of(journal):
    given_ = flagged([line for line, _, _ in journal], [flags for _, flags, _ in journal])
    return list(leaves(1, 0, np.array([microseconds(time_) for _, _, time_ in journal]), given_))


def log_of(records, sizes=()):
    """A log in memory: how its tiles are read, and its checkpoints at some sizes and at the end."""
    files, edge, checkpoints = {}, EMPTY_EDGE, {}
    for size in sorted({*sizes, len(records)}):
        edge, grown_ = grow(edge, records[edge.size : size])
        files |= {file.path: file.content for file in grown_}
        checkpoints[size] = Checkpoint("ringfence/demo", size, edge.root)
    return (lambda tile: files[tile.path]), checkpoints


@settings(max_examples=60, deadline=None)
@given(some.lists(chains, min_size=1, max_size=25), some.data())
def test_a_replay_that_goes_on_from_a_snapshot_is_the_replay_from_the_beginning(book, tmp_path_factory, drawn, more):
    """Random books of all kinds of rows, cut anywhere, also inside a chain's turns."""
    both = grown(book, drawn)
    records = records_of(both.journal)
    ends = [place + 1 for place, (_, flags, _) in enumerate(both.journal) if not flags]
    cut, again = sorted((more.draw(some.sampled_from(ends)), more.draw(some.sampled_from(ends))))
    whole, replay = Replay(), Replay()
    whole.restore(records)
    replay.restore(records[:cut])
    read, checkpoints = log_of(records, [cut, again])
    directory = tmp_path_factory.mktemp("log")
    keep_snapshot(directory, checkpoints[cut], NOTARY, replay)
    found = newest_snapshot(directory, Tiles(len(records), checkpoints[len(records)].root, read), NOTARY, pytest.fail)
    assert state_of(found) == state_of(replay)
    found.restore(records[cut:again])
    keep_snapshot(directory, checkpoints[again], NOTARY, found)
    found = newest_snapshot(directory, Tiles(len(records), checkpoints[len(records)].root, read), NOTARY, pytest.fail)
    found.restore(records[again:])
    assert state_of(found) == state_of(whole)
    shutil.rmtree(directory)


SNAPSHOT = "snapshots/9"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The bytes of a snapshot of nine of twelve rows, and its log."""
    directory = tmp_path_factory.mktemp("log")
    both = grown(imported(), [])
    both.add(moved(100, BANK, ALICE, 9))
    both.add(moved(101, ALICE, BANK, 5, Kind.PENDING))
    both.add(replace(moved(102, ALICE, BANK, 9, Kind.CORRECTION), refers_to=UUID(int=100)))
    records = records_of(both.journal)
    replay = Replay()
    replay.restore(records[:9])
    read, checkpoints = log_of(records, [9])
    keep_snapshot(directory, checkpoints[9], NOTARY, replay)
    return (directory / SNAPSHOT).read_bytes(), Tiles(len(records), checkpoints[len(records)].root, read), records


def test_a_snapshot_with_a_change_at_any_byte_is_not_believed(kept):
    """Or cut off there, or with something more."""
    content, tiles, _ = kept
    assert open_snapshot(SNAPSHOT, content, tiles, NOTARY.verifier).rows == 9
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]
        refused = refusal_of(open_snapshot, SNAPSHOT, changed, tiles, NOTARY.verifier)
        assert refused.name in ("snapshot_is_damaged", "snapshot_is_foreign"), place
        assert refusal_of(open_snapshot, SNAPSHOT, content[:place], tiles, NOTARY.verifier).name == (
            "snapshot_is_damaged"
        ), place
    assert refusal_of(open_snapshot, SNAPSHOT, content + b"\0", tiles, NOTARY.verifier).name == "snapshot_is_damaged"


def test_a_snapshot_of_another_key_book_time_or_history_is_not_believed(kept):
    content, tiles, records = kept
    stranger = Signer.from_seed("ringfence/demo", bytes(32))
    assert refusal_of(open_snapshot, SNAPSHOT, content, tiles, stranger.verifier).name == "snapshot_is_foreign"
    other_book = Signer("ringfence/other", NOTARY.private)
    assert refusal_of(open_snapshot, SNAPSHOT, content, tiles, other_book.verifier).name == "snapshot_is_foreign"
    read, checkpoints = log_of(records[:8])
    older = Tiles(8, checkpoints[8].root, read)
    assert refusal_of(open_snapshot, SNAPSHOT, content, older, NOTARY.verifier).name == "snapshot_does_not_fit_log"
    assert refusal_of(open_snapshot, "snapshots/8", content, tiles, NOTARY.verifier).name == (
        "snapshot_does_not_fit_log"
    )
    read, checkpoints = log_of([*records[:3], records[4], *records[4:]])
    forked = Tiles(len(records), checkpoints[len(records)].root, read)
    assert refusal_of(open_snapshot, SNAPSHOT, content, forked, NOTARY.verifier).name == "snapshot_does_not_fit_log"


def test_a_checkpoint_of_the_log_is_no_snapshot_and_a_snapshot_is_no_checkpoint(kept):
    """One key signs both; each says what it is."""
    content, tiles, _ = kept
    note = sign_checkpoint(Checkpoint("ringfence/demo", tiles.size, tiles.root), [NOTARY])
    assert refusal_of(open_snapshot, SNAPSHOT, note + b"\0", tiles, NOTARY.verifier).name == "snapshot_is_foreign"
    assert refusal_of(open_checkpoint, content.partition(b"\0")[0], "ringfence/demo", [NOTARY.verifier]).name == (
        "note_is_not_signed_by_known_key"
    )


# A notary at work


def standing(world):
    """A book in which everything stands that can."""
    world.open_accounts()
    world.append(1, *([moved(100 + index, BANK, ALICE, 100)] for index in range(5)))
    world.append(
        2,
        [Limits(ALICE, 0, 10_00, PROPOSAL).line(UUID(int=200), TODAY)],
        [ClosedPeriod(TODAY - timedelta(days=1), PROPOSAL).line(UUID(int=201))],
        [Guard("client", (7,)).line(UUID(int=202), TODAY)],
        [Monitor("low", Watched(account=ALICE), "available", 4_00, None).line(UUID(int=203), TODAY)],
        [on_day(moved(204, ALICE, BOB, 60, Kind.PENDING))],
        [on_day(moved(205, ALICE, BANK, 100, Kind.CORRECTION, 100))],
    )


def on_day(line):
    return replace(line, value_date=TODAY)


def allowing(_, __):
    """People allowed everything."""


def told(aside):
    return [(refused.name, refused.facts["path"]) for refused in aside]


def test_a_start_from_a_snapshot_reads_the_tail_alone_and_judges_as_before(world):
    """The old bundle is gone from the log: who starts from the snapshot does not miss it, who has none does."""
    standing(world)
    world.append(3, *([on_day(moved(1000 + index, BANK, BOB, 1))] for index in range(300)))
    notary = world.notary(authorised=allowing, snapshot_rows=300)
    while notary.step(at(4)):
        pass
    assert kept_snapshots(world.log) == [notary.checkpoint.size]
    world.append(5, [on_day(moved(210, BANK, BOB, 1))])
    notary.step(at(5))
    assert kept_snapshots(world.log) == [notary.checkpoint.size - 1]
    world.leave(notary)
    missing = world.log / Tile(-1, 0, 256).path
    missing.rename(world.home / "bundle")
    notary = world.notary(authorised=allowing)
    notary.open(at(6))
    (world.home / "bundle").rename(missing)
    world.append(7, [on_day(moved(211, ALICE, BOB, 60, Kind.POST, 204))], [on_day(moved(212, ALICE, BANK, 1))])
    assert notary.step(at(7)).size == notary.checkpoint.size
    world.leave(notary)
    shutil.rmtree(world.log / "snapshots")
    missing.rename(world.home / "bundle")
    assert refusal_of(world.notary(authorised=allowing).open, at(8)).name == "log_file_is_missing"


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"debit_account": ALICE, "credit_account": BOB, "amount": 400}, "balance_must_not_fall_below_its_minimum"),
        ({"amount": 601}, "balance_must_not_exceed_its_maximum"),
        ({"value_date": "2026-01-04"}, "value_date_must_be_in_an_open_period"),
        ({"kind": 6, "debit_account": ALICE, "credit_account": BANK, "amount": 100, "refers_to": UUID(int=100)},
         "transfer_already_corrected"),
        ({"kind": 3, "debit_account": ALICE, "credit_account": BOB, "amount": 61, "refers_to": UUID(int=204)},
         "amount_must_not_exceed_pending_amount"),
        ({"debit_account": ALICE, "credit_account": BANK, "amount": 1}, "monitor_turn_must_be_journaled"),
    ],
)  # fmt: skip
def test_what_stands_is_known_after_a_start_from_a_snapshot(world, row, rule):
    standing(world)
    world.append(
        3, [Monitor("low", Watched(account=ALICE), "available", 3_40, None, PROPOSAL).line(UUID(int=206), TODAY)]
    )
    notary = world.notary(authorised=allowing, snapshot_rows=1)
    notary.step(at(4))
    world.leave(notary)
    world.tamper("DROP INDEX ledger.journal_refers_once_0")
    insert(world, row)
    refused = refusal_of(world.notary(authorised=allowing).step, at(31))
    assert (refused.name, refused.facts["rule"]) == ("row_breaks_rule", rule)


def test_damaged_snapshots_are_put_aside_by_name_and_an_older_one_or_the_log_does(world):
    standing(world)
    notary = world.notary(authorised=allowing, snapshot_rows=1)
    notary.step(at(3))
    first = notary.checkpoint.size
    for minute in (4, 5):
        world.append(minute, *([on_day(moved(100 * minute + index, BANK, BOB, 1))] for index in range(6)))
        notary.step(at(minute))
    whole = state_of(notary._replay)
    assert kept_snapshots(world.log) == [first + 6, first + 12]
    world.leave(notary)
    for size in (first + 12, first + 6):
        path = world.log / f"snapshots/{size}"
        content = path.read_bytes()
        path.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
        aside = []
        notary = world.notary(authorised=allowing, put_aside=aside.append)
        notary.open(at(6))
        assert told(aside) == [("snapshot_is_damaged", f"snapshots/{size}")]
        assert state_of(notary._replay) == whole
        assert path.with_name(f"{size}.aside").exists()
        world.leave(notary)
    assert kept_snapshots(world.log) == []
    assert world.alarms() == []


def test_a_snapshot_that_is_newer_than_the_log_is_put_aside(world, tmp_path):
    """Database and log were restored from copies of one moment, and a later snapshot was left where it was."""
    world.open_accounts()
    notary = world.notary(snapshot_rows=5)
    notary.step(at(0))
    shutil.copytree(world.log, tmp_path / "copy")
    world.deposits(1, 100, 5)
    notary.step(at(2))
    world.leave(notary)
    shutil.copytree(world.log / "snapshots", tmp_path / "copy/snapshots")
    shutil.rmtree(world.log)
    shutil.copytree(tmp_path / "copy", world.log)
    world.cut(3)
    world.tamper("DELETE FROM evidence.checkpoint WHERE size > 3")
    aside = []
    notary = world.notary(put_aside=aside.append)
    assert notary.open(at(3)).size == 3
    assert told(aside) == [("snapshot_does_not_fit_log", "snapshots/8")]
    world.deposits(4, 300, 2)
    assert notary.step(at(5)).size == 5


def test_a_snapshot_that_cannot_be_written_does_not_keep_the_notary_from_signing(world):
    """And what a kill left of one is not read, and goes with the next."""
    world.open_accounts()
    world.deposits(1, 100, 5)
    (world.log / "snapshots/8.unfinished").mkdir(parents=True)
    aside = []
    notary = world.notary(snapshot_rows=5, put_aside=aside.append)
    assert notary.step(at(2)).size == 8
    assert [(refused.name, refused.facts["path"]) for refused in aside] == [("log_cannot_be_written", "snapshots/8")]
    assert world.alarms() == []
    world.leave(notary)
    (world.log / "snapshots/8.unfinished").rmdir()
    notary = world.notary(snapshot_rows=5)
    notary.step(at(3))
    content = (world.log / "snapshots/8").read_bytes()
    world.leave(notary)
    (world.log / "snapshots/9.unfinished").write_bytes(content[:-10])
    world.deposits(4, 200, 6)
    notary = world.notary(snapshot_rows=5, put_aside=aside.append)
    assert notary.step(at(5)).size == 14
    assert sorted(path.name for path in (world.log / "snapshots").iterdir()) == ["14", "8"]
    assert len(aside) == 1


def test_a_notary_that_is_killed_again_and_again_while_it_keeps_snapshots_ends_in_the_same_state(world):
    """SIGKILL at random moments of a notary that keeps a snapshot after every few rows."""
    standing(world)
    chance = random.Random(11)
    for turn in range(8):
        world.append(10 + turn, *([on_day(moved(5000 + 100 * turn + index, BANK, BOB, 1))] for index in range(60)))
        child = os.fork()
        if child == 0:  # everything in here is the child's own: its connection, its lock, its files
            try:
                notary = world.notary(authorised=allowing, snapshot_rows=1, block_rows=4)
                while True:
                    notary.step(at(40))
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.05, 0.4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    aside = []
    with_snapshots = world.notary(authorised=allowing, put_aside=aside.append)
    while with_snapshots.step(at(50)):
        pass
    assert kept_snapshots(world.log)
    assert aside == []
    world.leave(with_snapshots)
    shutil.rmtree(world.log / "snapshots")
    without = world.notary(authorised=allowing)
    without.open(at(51))
    assert without.checkpoint.size == with_snapshots.checkpoint.size
    assert state_of(without._replay) == state_of(with_snapshots._replay)
    assert world.alarms() == []


def test_snapshots_are_a_part_of_a_step_that_a_kill_may_leave_out(world):
    world.open_accounts()
    world.deposits(1, 100, 5)
    notary = world.notary(snapshot_rows=5)
    assert list(notary.steps(at(0)))[-2:] == ["prune", "snapshot"]
    world.deposits(1, 200, 5)
    assert list(islice(notary.steps(at(2)), 9))[-1] == "prune"
    world.leave(notary)
    assert kept_snapshots(world.log) == [8]
    notary = world.notary(snapshot_rows=5)
    assert notary.step(at(3)) is None  # nothing new to sign, and the snapshot is kept now
    assert kept_snapshots(world.log) == [8, 13]
