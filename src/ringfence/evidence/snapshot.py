"""The notary's own snapshots: what its replay came to at a checkpoint, so that a start reads the tail and not the book.

    snapshots/<size>            a signed note, a zero byte, and the state after the first `size` rows
    snapshots/<size>.aside      one that was not believed

The note is a checkpoint of an origin of its own, `<log's origin>/snapshot`, so that nobody takes it for one of the log:
size and root are those of the log's checkpoint, and a further line is the SHA-256 of the state. The state is the time
of the last row, the ids of rows that were taken back, and the balances (`ringfence.ledger.snapshot`).

A snapshot saves time and decides nothing: it is believed only if the notary itself signed it and its tree is a
beginning of the log's. Whatever else lies there is put aside by name, and the log is replayed from an older one or from
row 0. Written under another name, synchronised and renamed; a kill leaves a file that ends in ".unfinished" and is not
read.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ringfence.evidence.checkpoint import (
    CHECKPOINT_IS_OF_ANOTHER_LOG,
    Checkpoint,
    open_checkpoint,
    sign_checkpoint,
)
from ringfence.evidence.note import NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY, Signer, Verifier
from ringfence.evidence.replay import Replay
from ringfence.evidence.tiles import LOG_CANNOT_BE_WRITTEN, File, Tiles, read_file, replace_file
from ringfence.evidence.tree import check_tree, prove_tree
from ringfence.ledger.snapshot import dump, load
from ringfence.refusal import Fault, Refused, refusal

FOLDER: Final = "snapshots"
KEPT: Final = 2  # the newest ones: if the last is damaged, the one before saves most of the time
_MAGIC: Final = b"ringfence replay 1\n"
_ID_BYTES: Final = 16
_FOREIGN: Final = (NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY, CHECKPOINT_IS_OF_ANOTHER_LOG)

SNAPSHOT_IS_DAMAGED = refusal(
    "snapshot_is_damaged",
    Fault.MACHINE,
    en="{path} is not the snapshot that was signed. It is put aside; the log is replayed instead.",
    zh="{path} 与所签快照不符，已搁置；改为重演日志。",
)
SNAPSHOT_IS_FOREIGN = refusal(
    "snapshot_is_foreign",
    Fault.STATE,
    en="{path} was not signed by this notary for this log. It is put aside; the log is replayed instead.",
    zh="{path} 并非本公证者为本日志所签，已搁置；改为重演日志。",
)
SNAPSHOT_DOES_NOT_FIT_LOG = refusal(
    "snapshot_does_not_fit_log",
    Fault.STATE,
    en="{path} is of a book that this log of {size} rows is not a continuation of. It is put aside; the log is replayed"
    " instead.",
    zh="{path} 所属账簿并非本日志（{size} 行）的前段，已搁置；改为重演日志。",
)


def keep_snapshot(directory: Path, checkpoint: Checkpoint, signer: Signer, replay: Replay) -> None:
    """Keep what the replay came to at a checkpoint, and drop all but the newest snapshots."""
    state = b"".join(_state_of(replay))
    extensions = (f"sha256 {base64.b64encode(hashlib.sha256(state).digest()).decode()}",)
    signed = Checkpoint(_origin_of(signer.name), checkpoint.size, checkpoint.root, extensions)
    note = sign_checkpoint(signed, [Signer(signed.origin, signer.private)])
    replace_file(directory, File(f"{FOLDER}/{checkpoint.size}", note + b"\0" + state))
    kept = kept_snapshots(directory)[-KEPT:]
    for path in (directory / FOLDER).iterdir():
        if path.name.endswith(".unfinished") or (path.name.isdecimal() and int(path.name) not in kept):
            _remove(directory, path)


def newest_snapshot(
    directory: Path, tiles: Tiles, signer: Signer, put_aside: Callable[[Refused], None]
) -> Replay | None:
    """The replay's state from the newest snapshot that fits the log; the others are renamed and told to `put_aside`."""
    for size in reversed(kept_snapshots(directory)):
        path = f"{FOLDER}/{size}"
        try:
            return open_snapshot(path, read_file(directory, path), tiles, signer.verifier)
        except Refused as refused:
            try:
                (directory / path).replace(directory / f"{path}.aside")
            except OSError as failed:
                raise LOG_CANNOT_BE_WRITTEN(path=f"{path}.aside", cause=failed.strerror) from None
            put_aside(refused)
    return None


def open_snapshot(path: str, content: bytes, tiles: Tiles, verifier: Verifier) -> Replay:
    """The state that a snapshot holds, if the notary signed it and its tree is a beginning of the log's."""
    note, _, state = content.partition(b"\0")
    origin = _origin_of(verifier.name)
    try:
        signed = open_checkpoint(note, origin, [Verifier(origin, verifier.public)])
    except Refused as refused:
        if refused.refusal in _FOREIGN:
            raise SNAPSHOT_IS_FOREIGN(path=path) from refused
        raise SNAPSHOT_IS_DAMAGED(path=path) from refused
    digest = base64.b64encode(hashlib.sha256(state).digest()).decode()
    if signed.extensions != (f"sha256 {digest}",):
        raise SNAPSHOT_IS_DAMAGED(path=path)
    if path != f"{FOLDER}/{signed.size}" or signed.size > tiles.size:
        raise SNAPSHOT_DOES_NOT_FIT_LOG(path=path, size=tiles.size)
    try:
        check_tree(prove_tree(signed.size, tiles.size, tiles.hashes), signed.size, signed.root, tiles.size, tiles.root)
    except Refused as refused:
        raise SNAPSHOT_DOES_NOT_FIT_LOG(path=path, size=tiles.size) from refused
    try:
        return _replay_of(state, signed.size)
    except (LookupError, TypeError, ValueError) as unreadable:  # another version wrote it
        raise SNAPSHOT_IS_DAMAGED(path=path) from unreadable


def kept_snapshots(directory: Path) -> list[int]:
    """The sizes of the snapshots that are there, smallest first."""
    folder = directory / FOLDER
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def _origin_of(log: str) -> str:
    return f"{log}/snapshot"


def _state_of(replay: Replay) -> Iterator[bytes]:
    yield _MAGIC
    yield replay.posted_at.to_bytes(8, "big", signed=True)
    yield len(replay.corrected).to_bytes(8, "big")
    yield b"".join(sorted(replay.corrected))
    yield dump(replay.balances)


def _replay_of(state: bytes, rows: int) -> Replay:
    if not state.startswith(_MAGIC):
        raise ValueError("not a state of this version")
    at = len(_MAGIC)
    posted_at = int.from_bytes(state[at : at + 8], "big", signed=True)
    first = at + 16
    last = first + int.from_bytes(state[at + 8 : first], "big") * _ID_BYTES
    corrected = {state[place : place + _ID_BYTES] for place in range(first, last, _ID_BYTES)}
    return Replay(load(state[last:]), corrected, posted_at, rows)


def _remove(directory: Path, path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as failed:
        raise LOG_CANNOT_BE_WRITTEN(path=str(path.relative_to(directory)), cause=failed.strerror) from None
