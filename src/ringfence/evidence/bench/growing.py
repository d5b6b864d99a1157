"""A log that grows: what does a further entry cost at ten thousand entries, and what at ten million?

A program of its own builds it, so that its memory can be told. The entries are leaves of transfers, laid out before the
clock starts. From each mark on, blocks are appended one by one: the tree grows (`grow`), the files are made durable
(`write_files`), the checkpoint is signed and published; beside each block hashlib hashes the same entries and nothing
else. At each mark records and older trees are proven from the tiles on the disk, and the proofs are checked.
"""

import hashlib
import multiprocessing
import random
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import numpy as np

from ringfence.evidence.checkpoint import Checkpoint, sign_checkpoint
from ringfence.evidence.note import Signer
from ringfence.evidence.tiles import (
    EMPTY_EDGE,
    WIDTH,
    Edge,
    Tiles,
    directory_reader,
    grow,
    keep_checkpoint,
    make_log_folder,
    prune,
    publish_checkpoint,
    write_files,
)
from ringfence.evidence.tree import check_record, check_tree, fold, peaks_of, prove_record, prove_tree, record_hash
from ringfence.ledger.bench import loads
from ringfence.ledger.bench.figures import Row
from ringfence.ledger.bench.ground import resident_bytes
from ringfence.ledger.encoding import leaves
from ringfence.ledger.model import microseconds

FOLDER: Final = "bench-log"
BLOCK_ROWS: Final = 5_000
BLOCKS: Final = 20  # measured from each mark on
FILL_ROWS: Final = 65_536
PROOFS: Final = 200
GOAL_FLAT: Final = 1.25  # a further entry at the last mark, over one at the first
GOAL_HASHING: Final = 0.5  # of hashlib alone
GOAL_MEMORY: Final = 300.0  # MB, whatever the size
TABLE: Final = "the log"
UNIT: Final = "entries/s"
BOOK: Final = 1
_SPAWN: Final = multiprocessing.get_context("spawn")


@dataclass
class Mark:
    """What was measured from so many entries on; seconds of each block, and of each proof with its check."""

    size: int
    grown: list[float] = field(default_factory=list)  # seconds of CPU
    durable: list[float] = field(default_factory=list)
    signed: list[float] = field(default_factory=list)
    hashed: list[float] = field(default_factory=list)  # of CPU: hashlib alone
    records: list[float] = field(default_factory=list)
    trees: list[float] = field(default_factory=list)
    resident: int | None = None
    seconds: float = 0.0  # since the beginning, all but laying entries out


def rows(home: Path, advance: Callable[[str], None], marks: Sequence[int]) -> list[Row]:
    """Build the log in a folder of the home, which is removed again."""
    folder = home / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    ours, theirs = _SPAWN.Pipe()
    program = _SPAWN.Process(target=_build, args=(folder, tuple(marks), theirs), daemon=True)
    program.start()
    theirs.close()
    try:
        while isinstance(said := ours.recv(), str):
            advance(said)
        program.join()
    except EOFError:
        raise RuntimeError(f"the program that builds the log ended early ({program.exitcode})") from None
    finally:
        program.kill()
        program.join()
        shutil.rmtree(folder, ignore_errors=True)
    return _rows_of(*said)


def _rows_of(found: list[Mark], peak: int) -> list[Row]:
    first, last = found[0], found[-1]
    made = []
    for mark in found:
        each, alone = _per_entry(mark.grown), _per_entry(mark.hashed)
        more = {
            "client_us": each * 1e6,
            "durable_us": _per_entry(mark.durable) * 1e6,
            "sign_ms": statistics.median(mark.signed) * 1e3,
            "record_proof_us": statistics.median(mark.records) * 1e6,
            "tree_proof_us": statistics.median(mark.trees) * 1e6,
        }
        said = f"entries from {mark.size:,} on, tree and tiles, by CPU"
        hashing = "hashlib over the same entries and nodes, by CPU"
        made.append(Row(TABLE, said, 1 / each, UNIT, hashing, 1 / alone, GOAL_HASHING, more=more))
    known = f"an entry from {first.size:,} on"
    of_last = f"an entry from {last.size:,} on"
    parts = ("tree and tiles, by CPU", first.grown, last.grown), ("durable files", first.durable, last.durable)
    for name, of_first, of_the_last in parts:
        then, now = _per_entry(of_first) * 1e6, _per_entry(of_the_last) * 1e6
        made.append(Row(TABLE, f"{of_last}, {name}", now, "µs", known, then, GOAL_FLAT, "at_most"))
    said = "memory of the program that builds, at its peak"
    at_marks = {f"at_{mark.size}": None if mark.resident is None else mark.resident / 1e6 for mark in found}
    made.append(Row(TABLE, said, peak / 1e6, "MB", goal=GOAL_MEMORY, bound="at_most", more=at_marks))
    made.append(Row(TABLE, f"all {last.size:,} entries, durable and signed", last.size / last.seconds, UNIT))
    return made


def _per_entry(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) / BLOCK_ROWS


# -- the program that builds -------------------------------------------------------------------------------------------


def _build(folder: Path, marks: tuple[int, ...], told: "Pipe[Any, Any]") -> None:
    building = Building(folder)
    found = []
    for size in marks:
        told.send(f"the log: {building.edge.size:,} of {size:,} entries")
        while building.edge.size < size:
            building.add(min(FILL_ROWS, size - building.edge.size))
        mark = Mark(size, resident=resident_bytes(), seconds=building.seconds)
        told.send(f"the log from {size:,} entries on")
        building.prove(mark)
        for _ in range(BLOCKS):
            building.add(BLOCK_ROWS, mark)
        found.append(mark)
    unit = 1 if sys.platform == "darwin" else 1024
    told.send((found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit))


class Building:
    """A log on the disk, and its right edge."""

    def __init__(self, folder: Path) -> None:
        make_log_folder(folder)
        self.folder = folder
        self.edge: Edge = EMPTY_EDGE
        self.seconds = 0.0
        self.signer = Signer.from_seed("bench.example/log", bytes(range(32)))
        self._supply = loads.Supply(10_000)
        self._chance = random.Random(7)  # noqa: S311 - a load, not a secret

    def add(self, count: int, mark: Mark | None = None) -> None:
        """Entries of transfers, appended as the notary does; with a mark each part is timed, hashlib beside it."""
        entries = self._entries(count)
        if mark:
            mark.hashed.append(_cpu(lambda: hash_alone(entries)))
        begun, cpu = time.perf_counter(), time.process_time()
        older = self.edge
        self.edge, files = grow(older, entries)
        cpu, grown = time.process_time() - cpu, time.perf_counter()
        write_files(self.folder, files)
        written = time.perf_counter()
        checkpoint = Checkpoint(self.signer.name, self.edge.size, self.edge.root)
        note = sign_checkpoint(checkpoint, [self.signer])
        keep_checkpoint(self.folder, checkpoint.size, note)
        publish_checkpoint(self.folder, note)
        signed = time.perf_counter()
        prune(self.folder, older.size, self.edge.size)
        self.seconds += time.perf_counter() - begun
        if mark:
            mark.grown.append(cpu)
            mark.durable.append(written - grown)
            mark.signed.append(signed - written)

    def prove(self, mark: Mark) -> None:
        """Records and beginnings at random, proven from the files and checked."""
        size, root = self.edge.size, self.edge.root
        tiles = Tiles(size, root, directory_reader(self.folder))
        for _ in range(PROOFS):
            index = self._chance.randrange(size)
            [record] = tiles.records(index, index + 1)
            leaf = record_hash(record)
            begun = time.perf_counter()
            check_record(prove_record(index, size, tiles.hashes), size, root, index, leaf)
            mark.records.append(time.perf_counter() - begun)
            older = self._chance.randrange(1, size // WIDTH) * WIDTH
            older_root = fold(tiles.hashes(peaks_of(older)))
            begun = time.perf_counter()
            check_tree(prove_tree(older, size, tiles.hashes), older, older_root, size, root)
            mark.trees.append(time.perf_counter() - begun)

    def _entries(self, count: int) -> list[bytes]:
        given = self._supply.transfers(loads.uniform, count)
        posted_at = np.full(count, microseconds(datetime(2026, 1, 5, tzinfo=UTC)), np.int64)
        return list(leaves(BOOK, self.edge.size, posted_at, given))


def hash_alone(entries: Sequence[bytes]) -> bytes:
    """RFC 6962's hashes of these entries, as few lines of Python as can be."""
    sha256 = hashlib.sha256
    row = [sha256(b"\x00" + entry).digest() for entry in entries]
    while len(row) > 1:
        each = iter(row)
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(each, each)]  # noqa: B905 - one may remain
    return row[0]


def _cpu(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun
