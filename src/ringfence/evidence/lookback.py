"""What the notary looks at again in its own log, a few files a time: those that nothing else would read.

An edit of a bundle or of a full tile is met when its rows are compared with the journal. Nobody reads the checkpoints
of the past, or the partial tiles that belong to them; whoever does one day (a bank that kept an old checkpoint, a
client that was away) must find them as they were.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ringfence.evidence.checkpoint import Checkpoint
from ringfence.evidence.tiles import (
    ENTRIES,
    LOG_FILE_IS_CORRUPTED,
    WIDTH,
    Edge,
    Tile,
    Tiles,
    read_file,
    split_bundle,
)
from ringfence.evidence.tree import fold, peaks_of
from ringfence.refusal import Refused

CHECKPOINTS_AT_ONCE: Final = 256  # each costs two signatures


def some_of(kept: Sequence[int], first: int, last: int) -> tuple[int, Sequence[int]]:
    """How far to go from `first` towards `last`, so that not too many of the kept checkpoints lie on the way."""
    begin = bisect_right(kept, first)
    sizes = kept[begin : min(bisect_right(kept, last), begin + CHECKPOINTS_AT_ONCE)]
    return (sizes[-1] if len(sizes) == CHECKPOINTS_AT_ONCE else last), sizes


def check_checkpoints(log: Path, tiles: Tiles, sizes: Sequence[int], open_note: Callable[[bytes], Checkpoint]) -> None:
    """Is each of these still a signed checkpoint of a beginning of the log? `log_file_is_corrupted` names the file."""
    for size in sizes:
        path = f"checkpoints/{size}"
        try:
            found = open_note(read_file(log, path))
        except Refused as refused:
            raise LOG_FILE_IS_CORRUPTED(path=path) from refused
        if (found.size, found.root) != (size, fold(tiles.hashes(peaks_of(size)))):
            raise LOG_FILE_IS_CORRUPTED(path=path)


def check_edge(log: Path, edge: Edge) -> None:
    """Are `checkpoint` the last one that was kept, and the partial tiles of the past beginnings of those of today?"""
    if edge.size and read_file(log, "checkpoint") != read_file(log, f"checkpoints/{edge.size}"):
        raise LOG_FILE_IS_CORRUPTED(path="checkpoint")
    for level, hashes in enumerate(edge.tiles):
        tile = Tile(level, (edge.size >> 8 * level) // WIDTH)
        for width in _widths(log, tile):
            partial = Tile(level, tile.index, width)
            if read_file(log, partial.path) != b"".join(hashes[:width]) or width > len(hashes):
                raise LOG_FILE_IS_CORRUPTED(path=partial.path)
    bundle = Tile(ENTRIES, edge.size // WIDTH)
    for width in _widths(log, bundle):
        partial = Tile(ENTRIES, bundle.index, width)
        content = read_file(log, partial.path)
        if not edge.bundle.startswith(content) or len(split_bundle(partial, content)) != width:
            raise LOG_FILE_IS_CORRUPTED(path=partial.path)


def _widths(log: Path, tile: Tile) -> list[int]:
    folder = log / f"{tile.path}.p"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())
