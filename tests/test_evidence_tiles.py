"""The log in files: growing, reading with checks, kills at every step, and a published log."""

import base64
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ringfence.evidence.checkpoint import open_checkpoint
from ringfence.evidence.note import parse_verifier
from ringfence.evidence.tiles import (
    EMPTY_EDGE,
    ENTRIES,
    File,
    Tile,
    Tiles,
    directory_reader,
    grow,
    keep_checkpoint,
    kept_checkpoints,
    prune,
    publish_checkpoint,
    read_file,
    split_bundle,
    tiles_of,
    width_of,
    write_files,
)
from ringfence.evidence.tree import (
    EMPTY,
    append,
    check_record,
    check_tree,
    prove_record,
    prove_tree,
    record_hash,
    record_hashes,
    root,
)
from ringfence.refusal import Refused


def records_of(begin, end):
    return [b"record %d" % index for index in range(begin, end)]


def root_of(size):
    return root(append(EMPTY, record_hashes(records_of(0, size)))[0])


def refusal_of(call, *arguments):
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return refused.value


def log_of(directory, *sizes):
    """A log that grew to each of the sizes; returns its edge."""
    edge = EMPTY_EDGE
    for size in sizes:
        edge, files = grow(edge, records_of(edge.size, size))
        write_files(directory, files)
    return edge


def test_tiles_are_named_as_the_specification_names_them():
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(ENTRIES, 0, 7).path == "tile/entries/000.p/7"
    assert Tile(2, 999).path == "tile/2/999"
    assert Tile(1, 1000, 255).path == "tile/1/x001/000.p/255"


def test_a_log_of_70000_records_has_the_tiles_of_the_specification():
    """Its example: 273 full tiles and one of 112 on level 0, one full and one of 17 on level 1, one of 1 on level 2."""
    widths = {}
    for tile in tiles_of(70_000):
        widths.setdefault(tile.level, []).append(tile.width)
    assert widths == {ENTRIES: [256] * 273 + [112], 0: [256] * 273 + [112], 1: [256, 17], 2: [1]}
    assert [tile.path for tile in tiles_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_of(0)) == []
    assert width_of(0, 9, 256) == 0


@settings(max_examples=25, deadline=None)
@given(some.lists(some.integers(1, 700), min_size=1, max_size=4))
def test_a_log_grown_in_portions_holds_each_of_its_sizes(portions):
    """Whatever the portions, each size's tiles are there, hash to its root, and give back the edge that was grown."""
    stored = {}
    edge = EMPTY_EDGE
    for portion in portions:
        edge, files = grow(edge, records_of(edge.size, edge.size + portion))
        for file in files:
            assert stored.setdefault(file.path, file.content) == file.content
        assert {tile.path for tile in tiles_of(edge.size)} <= set(stored)
        log = Tiles(edge.size, edge.root, lambda tile: stored[tile.path])
        assert edge.root == root_of(edge.size)
        assert log.edge() == edge
        assert list(log.records(0, edge.size)) == records_of(0, edge.size)
    middle = edge.size // 2
    assert list(log.records(middle, middle + 3)) == records_of(middle, min(middle + 3, edge.size))


def test_proofs_are_made_from_tiles(tmp_path):
    edge = log_of(tmp_path, 70_000)
    log = Tiles(edge.size, edge.root, directory_reader(tmp_path))
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        check_record(
            prove_record(index, edge.size, log.hashes), edge.size, edge.root, index, record_hash(b"record %d" % index)
        )
    for older in (1, 256, 65_536, 65_537, 70_000):
        check_tree(prove_tree(older, edge.size, log.hashes), older, root_of(older), edge.size, edge.root)


def test_few_tiles_are_remembered_however_many_are_read(tmp_path):
    edge = log_of(tmp_path, 3_000)
    log = Tiles(edge.size, edge.root, directory_reader(tmp_path), remembered_max=2)
    assert list(log.records(0, 3_000)) == records_of(0, 3_000)
    assert len(log._remembered) == 2


def test_every_changed_byte_is_found_and_its_file_named(tmp_path):
    """In any tile or bundle, at its beginning, in the middle, at the end, cut off and added to."""
    edge = log_of(tmp_path, 600)
    paths = [tile.path for tile in tiles_of(600)]
    assert len(paths) == 3 + 3 + 1
    for path in paths:
        whole = (tmp_path / path).read_bytes()
        places = (0, len(whole) // 2, len(whole) - 1)
        flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in places]
        for changed in (b"", whole[:-1], whole + b"\x00", *flipped):
            (tmp_path / path).write_bytes(changed)
            refused = refusal_of(read_everything, tmp_path, edge)
            assert refused.name == "log_file_is_corrupted"
            assert path in refused.facts["path"]
        (tmp_path / path).unlink()
        refused = refusal_of(read_everything, tmp_path, edge)
        assert (refused.name, refused.facts["path"]) == ("log_file_is_missing", path)
        (tmp_path / path).write_bytes(whole)
    read_everything(tmp_path, edge)


def read_everything(directory, edge):
    log = Tiles(edge.size, edge.root, directory_reader(directory))
    log.edge()
    return list(log.records(0, edge.size))


def test_a_file_that_cannot_be_read_is_a_refusal(tmp_path):
    edge = log_of(tmp_path, 10)
    path = tmp_path / "tile/0/000.p/10"
    path.unlink()
    path.mkdir()
    refused = refusal_of(Tiles, edge.size, edge.root, directory_reader(tmp_path))
    assert (refused.name, refused.facts["path"]) == ("log_file_is_unreadable", "tile/0/000.p/10")


def test_a_partial_tile_that_was_pruned_is_read_from_the_full_one(tmp_path):
    """Partial tiles go once they are full; a reader of the older size does not notice."""
    older = log_of(tmp_path, 300)
    edge = log_of(tmp_path, 300, 600)
    prune(tmp_path, 300, 600)
    assert not (tmp_path / "tile/0/001.p").exists()
    assert not (tmp_path / "tile/entries/001.p").exists()
    assert (tmp_path / "tile/1/000.p/1").exists()
    assert read_everything(tmp_path, older) == records_of(0, 300)
    assert read_everything(tmp_path, edge) == records_of(0, 600)


def test_a_bundle_that_is_not_made_of_whole_records_is_refused():
    tile = Tile(ENTRIES, 0, 2)
    assert split_bundle(tile, b"\x00\x01a\x00\x00") == [b"a", b""]
    for wrong in (b"", b"\x00\x01a", b"\x00\x01a\x00", b"\x00\x01a\x00\x02b", b"\x00\x01a\x00\x00\x00\x00"):
        assert refusal_of(split_bundle, tile, wrong).name == "log_file_is_corrupted"


def test_a_record_that_no_bundle_can_hold_is_refused():
    assert grow(EMPTY_EDGE, [bytes(65_535)])[0].size == 1
    assert refusal_of(grow, EMPTY_EDGE, [bytes(65_536)]).name == "record_is_too_long"


def test_a_file_is_never_overwritten_with_other_content(tmp_path):
    """The same records may be appended again, as after a kill; others are told from them."""
    _, files = grow(EMPTY_EDGE, records_of(0, 3))
    write_files(tmp_path, files)
    write_files(tmp_path, files)
    _, others = grow(EMPTY_EDGE, [b"record 0", b"record one", b"record 2"])
    refused = refusal_of(write_files, tmp_path, others)
    assert (refused.name, refused.facts["path"]) == ("log_file_would_change", "tile/entries/000.p/3")
    keep_checkpoint(tmp_path, 3, b"a")
    keep_checkpoint(tmp_path, 20, b"b")
    assert refusal_of(keep_checkpoint, tmp_path, 3, b"c").name == "log_file_would_change"
    assert kept_checkpoints(tmp_path) == [3, 20]


@contextmanager
def files_of_at_most(size):
    """A disk without room: the kernel refuses to make a file longer than this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_a_refusal_and_what_was_written_before_it_is_whole(tmp_path):
    edge = log_of(tmp_path, 5)
    grown, files = grow(edge, records_of(5, 200))
    with files_of_at_most(1000):
        assert refusal_of(write_files, tmp_path, files).name == "log_disk_is_full"
        assert refusal_of(publish_checkpoint, tmp_path, bytes(2000)).name == "log_disk_is_full"
    assert read_everything(tmp_path, edge) == records_of(0, 5)
    write_files(tmp_path, files)
    assert read_everything(tmp_path, grown) == records_of(0, 200)


def test_a_place_that_cannot_be_written_is_a_refusal(tmp_path):
    (tmp_path / "tile").write_text("a file where a folder belongs")
    refused = refusal_of(write_files, tmp_path, [File("tile/0/000", b"")])
    assert refused.name == "log_cannot_be_written"
    assert refusal_of(read_file, tmp_path, "tile/0/000").name == "log_file_is_missing"


# Kills. Python reports each opening, making, renaming and removing of a file to the interpreter's audit hooks before
# it happens, so a child that kills itself at the nth of them stops between any two steps.

CHILD = """
import os, signal, sys
from pathlib import Path
from ringfence.evidence.tiles import (EMPTY_EDGE, Tiles, directory_reader, grow, keep_checkpoint, prune,
                                      publish_checkpoint, write_files)

directory, before, after, steps = Path(sys.argv[1]), *map(int, sys.argv[2:])
records = [b"record %d" % index for index in range(after)]
edge, _ = grow(EMPTY_EDGE, records[:before])
taken = 0

def step(event, arguments):
    global taken
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and str(directory) in str(arguments[0]):
        if taken == steps:
            os.kill(os.getpid(), signal.SIGKILL)
        taken += 1

sys.addaudithook(step)
edge, files = grow(edge, records[before:])
write_files(directory, files)
keep_checkpoint(directory, edge.size, b"%d" % edge.size)
publish_checkpoint(directory, b"%d" % edge.size)
prune(directory, before, edge.size)
"""


def killed_after(directory, before, after, steps):
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(directory), str(before), str(after), str(steps)], check=False
    ).returncode


def test_a_kill_at_any_step_leaves_a_log_that_recovers_to_the_same_root(tmp_path):
    """From 250 records to 260: a tile and a bundle become full, others begin. After each kill the log of the published
    checkpoint is whole, and appending the same records again ends in the same files.
    """
    steps = 0
    while True:
        directory = tmp_path / str(steps)
        directory.mkdir()
        log_of(directory, 250)
        keep_checkpoint(directory, 250, b"250")
        publish_checkpoint(directory, b"250")
        ended = killed_after(directory, 250, 260, steps)
        assert ended in (0, -signal.SIGKILL)
        published = int(read_file(directory, "checkpoint"))
        assert published in (250, 260)
        assert kept_checkpoints(directory) in ([250], [250, 260])
        log = Tiles(published, root_of(published), directory_reader(directory))
        assert list(log.records(0, published)) == records_of(0, published)
        edge, files = grow(log.edge(), records_of(published, 260))
        write_files(directory, files)
        assert edge.root == root_of(260)
        assert read_everything(directory, edge) == records_of(0, 260)
        if ended == 0:
            break
        steps += 1
    assert steps > 30


def files_below(folder):
    return {path.relative_to(folder.parent): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


TESSERA = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


@pytest.mark.real_files
def test_a_published_log_is_read_at_each_of_its_sizes_and_written_alike(real_files: Path, tmp_path):
    """Sizes 0 to 15 of a log that another program wrote: its checkpoints, tiles and bundles are read, every record and
    every older size is proven, and our own files for the same records are the same bytes.
    """
    folder = real_files / "vectors" / "tessera" / "testdata" / "log"
    signed = [
        open_checkpoint(read_file(folder, f"checkpoint.{size}"), "example.com/log/testdata", [parse_verifier(TESSERA)])
        for size in range(16)
    ]
    assert read_file(folder, "checkpoint") == read_file(folder, "checkpoint.15")
    edge = EMPTY_EDGE
    for size in range(1, 16):
        log = Tiles(size, signed[size].root, directory_reader(folder))
        records = list(log.records(0, size))
        for index, record in enumerate(records):
            check_record(prove_record(index, size, log.hashes), size, log.root, index, record_hash(record))
        for older in range(1, size + 1):
            check_tree(prove_tree(older, size, log.hashes), older, signed[older].root, size, log.root)
        edge, files = grow(edge, records[-1:])
        write_files(tmp_path, files)
        assert log.edge() == edge
    theirs = {
        str(path.relative_to(folder)): path.read_bytes() for path in (folder / "tile").rglob("*") if path.is_file()
    }
    ours = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert ours == theirs
    state = (folder / ".state" / "treeState").read_text()
    assert base64.b64encode(edge.root).decode() in state
