"""The log in files, after C2SP tlog-tiles: 256 hashes a tile, 256 records a bundle, and one signed checkpoint.

    tile/<level>/<index>[.p/<width>]     hashes of complete subtrees of 256**level records, 32 bytes each
    tile/entries/<index>[.p/<width>]     the records themselves, each after its length in two bytes
    checkpoints/<size>                   every checkpoint that was signed
    checkpoint                           the last one; what it does not cover does not exist

An index is written in groups of three digits, all but the last with an x before them: 1234067 is x001/x234/067. The
last tile of a level is *partial* and has its width in its name, so a file, once there, never changes.

The order of writing is what makes a kill harmless. Bundles and tiles are written under other names, synchronised with
the disk and renamed; then the checkpoint is kept under its size, and last of all it becomes `checkpoint`. Whoever
starts after a kill reads `checkpoint`, finishes one that was kept and not yet published, and appends the same records
to the same files. A file that is there with *other* content is never overwritten: it was written for records that are
no longer what they were, and that is a refusal, not a repair.

Writing has its pure half: an `Edge` is the right edge of the tree (its partial tiles and partial bundle), and `grow`
says which files more records make. Reading believes nothing that does not hash to the root of a checkpoint.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from ringfence.evidence.tree import (
    EMPTY,
    HASH_SIZE,
    Coordinate,
    Tree,
    append,
    node_hashes,
    peaks_of,
    record_hashes,
    root,
)
from ringfence.refusal import Fault, Refused, refusal

WIDTH: Final = 256
HEIGHT: Final = 8  # levels of the tree that one tile spans: WIDTH is two to the power of HEIGHT
ENTRIES: Final = -1  # the level of a bundle of records
RECORD_BYTES_MAX: Final = 65_535
WRITERS: Final = 8  # files that wait for the disk together: it is as soon done with eight as with one

RECORD_IS_TOO_LONG = refusal(
    "record_is_too_long",
    Fault.INPUT,
    en="A record of {length} bytes does not fit into a bundle, whose lengths have 16 bits.",
    zh="{length} 字节的记录放不进条目包（长度字段 16 位）。",
)
LOG_FILE_IS_MISSING = refusal(
    "log_file_is_missing",
    Fault.MACHINE,
    en="The log has no file {path}, which its checkpoint demands.",
    zh="日志缺少检查点所要求的文件 {path}。",
)
LOG_FILE_IS_UNREADABLE = refusal(
    "log_file_is_unreadable",
    Fault.MACHINE,
    en="The file {path} of the log cannot be read: {cause}.",
    zh="无法读取日志文件 {path}：{cause}。",
)
LOG_FILE_IS_CORRUPTED = refusal(
    "log_file_is_corrupted",
    Fault.MACHINE,
    en="The file {path} of the log does not hold what its checkpoint demands.",
    zh="日志文件 {path} 的内容与检查点不符。",
)
LOG_FILE_WOULD_CHANGE = refusal(
    "log_file_would_change",
    Fault.STATE,
    en="The file {path} was written for other records than those that are there now; it is not overwritten.",
    zh="文件 {path} 系为另一些记录所写，与现有记录不同；不予覆盖。",
)
LOG_DISK_IS_FULL = refusal(
    "log_disk_is_full",
    Fault.MACHINE,
    en="There is no room on the disk for the file {path} of the log.",
    zh="磁盘空间不足，无法写入日志文件 {path}。",
)
LOG_CANNOT_BE_WRITTEN = refusal(
    "log_cannot_be_written",
    Fault.MACHINE,
    en="The file {path} of the log cannot be written: {cause}.",
    zh="无法写入日志文件 {path}：{cause}。",
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Hashes of `level`, or records where `level` is ENTRIES: `width` of them from `index` * 256 on."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{index_path(self.index)}{partial}"

    @property
    def whole(self) -> "Tile":
        return Tile(self.level, self.index)


@dataclass(frozen=True, slots=True)
class File:
    """Content that belongs under a path of the log's directory."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """All that is needed to append: the tree, its partial tiles from level 0 up, and the partial bundle."""

    tree: Tree
    tiles: tuple[tuple[bytes, ...], ...]
    bundle: bytes

    @property
    def size(self) -> int:
        return self.tree.size

    @property
    def root(self) -> bytes:
        return root(self.tree)


EMPTY_EDGE: Final = Edge(EMPTY, (), b"")

TileReader = Callable[[Tile], bytes]
"""Gives a tile's content as it is stored, unverified."""


def index_path(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups)


def width_of(level: int, index: int, size: int) -> int:
    """How many hashes (or records) the tile has in a log of `size` records; 0: there is no such tile."""
    return max(0, min(WIDTH, (size >> HEIGHT * max(level, 0)) - index * WIDTH))


def tiles_of(size: int) -> Iterator[Tile]:
    """Every bundle and tile of a log of `size` records."""
    level = ENTRIES
    while count := size >> HEIGHT * max(level, 0):
        for index in range((count + WIDTH - 1) // WIDTH):
            yield Tile(level, index, width_of(level, index, size))
        level += 1


# Growing


def grow(edge: Edge, records: Sequence[bytes]) -> tuple[Edge, list[File]]:
    """The edge with more records, and every file that a log of its new size has and one of the old size had not."""
    for record in records:
        if len(record) > RECORD_BYTES_MAX:
            raise RECORD_IS_TOO_LONG(length=len(record))
    tree, grown = append(edge.tree, record_hashes(records))
    bundle, files = _grow_entries(edge, records)
    tiles: list[tuple[bytes, ...]] = []
    for level, row in enumerate(grown[::HEIGHT]):
        open_tile = edge.tiles[level] if level < len(edge.tiles) else ()
        hashes = [*open_tile, *row]
        first = (edge.size >> HEIGHT * level) // WIDTH
        files += [
            File(Tile(level, first + at // WIDTH, len(hashes[at : at + WIDTH])).path, b"".join(hashes[at : at + WIDTH]))
            for at in range(0, len(hashes), WIDTH)
        ]
        tiles.append(tuple(hashes[len(hashes) // WIDTH * WIDTH :]))
    tiles += edge.tiles[len(tiles) :]
    return Edge(tree, tuple(tiles), bundle), files


def _grow_entries(edge: Edge, records: Sequence[bytes]) -> tuple[bytes, list[File]]:
    """The partial bundle that remains, and the bundles that were filled or begun."""
    files: list[File] = []
    bundle = edge.bundle
    size = edge.size
    waiting = iter(records)
    while taken := list(islice(waiting, WIDTH - size % WIDTH)):
        bundle += b"".join(len(record).to_bytes(2, "big") + record for record in taken)
        width = size % WIDTH + len(taken)
        files.append(File(Tile(ENTRIES, size // WIDTH, width).path, bundle))
        size += len(taken)
        if width == WIDTH:
            bundle = b""
    return bundle, files


def split_bundle(tile: Tile, content: bytes) -> list[bytes]:
    """The records of a bundle, which must be exactly as many as the tile is wide."""
    records: list[bytes] = []
    at = 0
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        if end > len(content) or at + 2 > len(content):
            raise LOG_FILE_IS_CORRUPTED(path=tile.path)
        records.append(content[at + 2 : end])
        at = end
    if len(records) != tile.width:
        raise LOG_FILE_IS_CORRUPTED(path=tile.path)
    return records


# Reading


class Tiles:
    """Reads a log of a known size and root. Every hash and record that it gives hashes up to that root.

    The last tiles of all levels together make the root, so they are read and checked first; a full tile is checked
    against its own hash in the tile above it.
    """

    def __init__(self, size: int, tree_root: bytes, read: TileReader, remembered_max: int = 1024) -> None:
        self.size = size
        self.root = tree_root
        self._read = read
        self._remembered: dict[Tile, list[bytes]] = {}
        self._remembered_max = remembered_max
        self._edge = {tile: self._hashes_of(tile) for tile in _edge_tiles(size)}
        if root(Tree(size, tuple(self.hashes(peaks_of(size))))) != tree_root:
            raise LOG_FILE_IS_CORRUPTED(path=" / ".join(tile.path for tile in self._edge) or "checkpoint")

    def hashes(self, coordinates: Sequence[Coordinate]) -> list[bytes]:
        """A `HashReader` for proofs."""
        return [self._hash(level, index) for level, index in coordinates]

    def records(self, begin: int, end: int) -> Iterator[bytes]:
        """The records from `begin` up to and without `end`, each bundle checked before it is given out."""
        for index in range(begin // WIDTH, (end + WIDTH - 1) // WIDTH):
            bundle = self.bundle(index)
            yield from bundle[max(0, begin - index * WIDTH) : end - index * WIDTH]

    def bundle(self, index: int) -> list[bytes]:
        tile = Tile(ENTRIES, index, width_of(ENTRIES, index, self.size))
        records = split_bundle(tile, self._read(tile))
        if record_hashes(records) != self.tile(Tile(0, index, tile.width)):
            raise LOG_FILE_IS_CORRUPTED(path=tile.path)
        return records

    def edge(self) -> Edge:
        """What is needed to append to this log."""
        peaks = tuple(self.hashes(peaks_of(self.size)))
        levels = (self.size.bit_length() + HEIGHT - 1) // HEIGHT
        partial = {tile.level: tuple(hashes) for tile, hashes in self._edge.items()}
        tiles = tuple(partial.get(level, ()) for level in range(levels))
        bundle = b""
        if self.size % WIDTH:
            self.bundle(self.size // WIDTH)
            bundle = self._read(Tile(ENTRIES, self.size // WIDTH, self.size % WIDTH))
        return Edge(Tree(self.size, peaks), tiles, bundle)

    def _hash(self, level: int, index: int) -> bytes:
        inside = level % HEIGHT
        tile_index, at = divmod(index << inside, WIDTH)
        tile = Tile(level // HEIGHT, tile_index, width_of(level // HEIGHT, tile_index, self.size))
        return _subtree(self.tile(tile)[at : at + (1 << inside)])

    def tile(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile, checked. A partial tile belongs to the edge, which was checked first of all."""
        known = self._edge.get(tile) or self._remembered.get(tile)
        if known is not None:
            return known
        above = self._hash(HEIGHT * (tile.level + 1), tile.index)
        hashes = self._hashes_of(tile)
        if _subtree(hashes) != above:
            raise LOG_FILE_IS_CORRUPTED(path=tile.path)
        if len(self._remembered) >= self._remembered_max:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[tile] = hashes
        return hashes

    def _hashes_of(self, tile: Tile) -> list[bytes]:
        content = self._read(tile)
        if len(content) != tile.width * HASH_SIZE:
            raise LOG_FILE_IS_CORRUPTED(path=tile.path)
        return [content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE)]


def _edge_tiles(size: int) -> Iterator[Tile]:
    """The partial tiles, which hold the peaks: level L has (size / 256**L) mod 256 hashes outside any tile above."""
    level = 0
    while count := size >> HEIGHT * level:
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)
        level += 1


def _subtree(hashes: Sequence[bytes]) -> bytes:
    row = list(hashes)
    while len(row) > 1:
        row = node_hashes(row)
    return row[0]


def directory_reader(directory: Path) -> TileReader:
    """Reads tiles from a directory. A partial tile may have been removed once the full one was there; its beginning is
    the same.
    """

    def read(tile: Tile) -> bytes:
        try:
            return read_file(directory, tile.path)
        except Refused as missing:
            if missing.refusal is not LOG_FILE_IS_MISSING or tile.width == WIDTH:
                raise
            if not (directory / tile.whole.path).exists():
                raise
            whole = read_file(directory, tile.whole.path)
        if tile.level != ENTRIES:
            return whole[: tile.width * HASH_SIZE]
        records = split_bundle(tile.whole, whole)[: tile.width]
        return b"".join(len(record).to_bytes(2, "big") + record for record in records)

    return read


def read_file(directory: Path, path: str) -> bytes:
    try:
        return (directory / path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise LOG_FILE_IS_MISSING(path=path) from None
    except OSError as failed:
        raise LOG_FILE_IS_UNREADABLE(path=path, cause=failed.strerror) from None


# Writing


def make_log_folder(directory: Path) -> None:
    """The folder of a log, durable under its name."""
    missing = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise _not_written(failed, str(directory)) from None
    for folder in missing:
        _synchronise(folder.parent, folder.parent.name)


def write_files(directory: Path, files: Sequence[File]) -> None:
    """Make the files durable under their names; those that are there already must have the same content.

    A kill leaves some of the files whole under their names and others under a name ending in ".unfinished", which the
    next call overwrites.
    """
    new = [file for file in files if not _is_there(directory, file)]
    folders: set[Path] = set()
    for file in new:
        folders |= _make_folders(directory, (directory / file.path).parent)
    for file in new:  # not by several at once: a folder takes one name at a time, and who waits for it burns its CPU
        _write(directory, file)
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(lambda file: _synchronise(_unfinished(directory, file), file.path), new))
    for file in new:
        _rename(directory, file)
    for folder in sorted(folders):
        _synchronise(folder, folder.name)


def keep_checkpoint(directory: Path, size: int, note: bytes) -> None:
    """Keep a checkpoint under its size. From here on it may be published and will never be contradicted."""
    write_files(directory, [File(f"checkpoints/{size}", note)])


def publish_checkpoint(directory: Path, note: bytes) -> None:
    """Make a checkpoint the last one: the one file of the log that changes."""
    replace_file(directory, File("checkpoint", note))


def replace_file(directory: Path, file: File) -> None:
    """Make a file durable under its name, whatever was there. A kill leaves the old one whole, or the new one."""
    folders = _make_folders(directory, (directory / file.path).parent)
    _write(directory, file)
    _synchronise(_unfinished(directory, file), file.path)
    _rename(directory, file)
    for folder in sorted(folders):
        _synchronise(folder, folder.name)


def kept_checkpoints(directory: Path) -> list[int]:
    """The sizes of all checkpoints that were kept, smallest first."""
    folder = directory / "checkpoints"
    try:
        names = [path.name for path in folder.iterdir() if path.name.isascii() and path.name.isdecimal()]
    except FileNotFoundError:
        return []
    except OSError as failed:
        raise LOG_FILE_IS_UNREADABLE(path="checkpoints", cause=failed.strerror) from None
    return sorted(int(name) for name in names)


def prune(directory: Path, older: int, newer: int) -> None:
    """Remove the partial tiles and bundles that became full between two checkpoints. A kill leaves some of them, to no
    harm but the room they take.
    """
    for level in range(ENTRIES, 8):
        shift = HEIGHT * max(level, 0)
        for index in range((older >> shift) // WIDTH, (newer >> shift) // WIDTH):
            folder = directory / f"{Tile(level, index).path}.p"
            try:
                if folder.is_dir():
                    for partial in folder.iterdir():
                        partial.unlink()
                    folder.rmdir()
            except OSError as failed:
                raise LOG_CANNOT_BE_WRITTEN(path=f"{Tile(level, index).path}.p", cause=failed.strerror) from None


def _is_there(directory: Path, file: File) -> bool:
    try:
        found = read_file(directory, file.path)
    except Refused as missing:
        if missing.refusal is LOG_FILE_IS_MISSING:
            return False
        raise
    if found != file.content:
        raise LOG_FILE_WOULD_CHANGE(path=file.path)
    return True


def _unfinished(directory: Path, file: File) -> Path:
    path = directory / file.path
    return path.with_name(f"{path.name}.unfinished")


def _make_folders(directory: Path, folder: Path) -> set[Path]:
    """Make a folder and those above it; returns those whose lists of names have to be synchronised."""
    changed = {folder}
    missing = folder
    while not missing.is_dir() and missing != directory:
        missing = missing.parent
        changed.add(missing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        raise _not_written(failed, str(folder.relative_to(directory))) from None
    return changed


def _write(directory: Path, file: File) -> None:
    unfinished = _unfinished(directory, file)
    try:
        unfinished.unlink(missing_ok=True)
        with unfinished.open("xb") as out:
            out.write(file.content)
    except OSError as failed:
        raise _not_written(failed, file.path) from None


def _rename(directory: Path, file: File) -> None:
    try:
        _unfinished(directory, file).replace(directory / file.path)
    except OSError as failed:
        raise _not_written(failed, file.path) from None


def _synchronise(path: Path, said: str) -> None:
    """Make a file's content durable, or a folder's names. What the disk refused since it was written is said now."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as failed:
        raise _not_written(failed, said) from None


def _not_written(failed: OSError, path: str) -> Refused:
    if failed.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return LOG_DISK_IS_FULL(path=path)
    return LOG_CANNOT_BE_WRITTEN(path=path, cause=failed.strerror)
