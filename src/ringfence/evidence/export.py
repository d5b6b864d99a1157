"""The folder that a stranger verifies (docs/reference/evidence-format.md), written from the log's files alone.

Every byte that goes in is checked first: entries and tiles hash up to the last checkpoint, and the checkpoints are
signed. The folder appears under its name when it is complete; a kill leaves one beside it, ending in ".unfinished",
which the next export removes.
"""

import base64
import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import rfc8785

from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint
from ringfence.evidence.keys import key_lines
from ringfence.evidence.note import Note, Signature, Verifier, parse_note, parse_signatures, write_note
from ringfence.evidence.tiles import (
    ENTRIES,
    LOG_FILE_IS_MISSING,
    WIDTH,
    File,
    Tiles,
    directory_reader,
    kept_checkpoints,
    read_file,
    tiles_of,
    write_files,
)
from ringfence.evidence.timestamping import FOLDER as TIMESTAMPS
from ringfence.evidence.timestamping import kept_timestamps
from ringfence.evidence.tree import prove_record
from ringfence.refusal import Fault, Refused, refusal

FORMAT: Final = "ringfence-evidence-1"
RECEIPT_FORMAT: Final = "ringfence-receipt-1"
CHECKPOINTS_MAX: Final = 1_000  # of the older ones, evenly spread
ACCOUNT_OPENED: Final = 7
_LEAF_HEAD: Final = 116

EXPORT_FOLDER_IS_TAKEN = refusal(
    "export_folder_is_taken",
    Fault.STATE,
    en="{path} exists already; an export goes into a new folder.",
    zh="{path} 已存在；导出须写入新文件夹。",
)
EXPORT_CANNOT_BE_WRITTEN = refusal(
    "export_cannot_be_written",
    Fault.MACHINE,
    en="The export cannot be written to {path}: {cause}.",
    zh="无法将导出写入 {path}：{cause}。",
)
ROW_IS_NOT_IN_LOG = refusal(
    "row_is_not_in_log",
    Fault.UNKNOWN,
    en="The last checkpoint covers no row with the id {id}.",
    zh="最近的检查点不含标识为 {id} 的行。",
)
LOG_HAS_NO_CHECKPOINT = refusal(
    "log_has_no_checkpoint",
    Fault.STATE,
    en="The log of {origin} has no checkpoint yet; the notary has signed nothing.",
    zh="日志 {origin} 尚无检查点；公证进程还未签名。",
)


@dataclass(frozen=True)
class Exported:
    checkpoint: Checkpoint
    files: int
    receipts: int


def export(
    target: Path, log: Path, verifier: Verifier, receipts: Collection[UUID] = (), further: Iterable[File] = ()
) -> Exported:
    """Write the log's last checkpoint, all that it covers, a receipt for each of the rows with these ids, and what
    another package gives for whoever gets the folder (`further`).

    The log's origin is the verifier's name.
    """
    if target.exists() or target.is_symlink():
        raise EXPORT_FOLDER_IS_TAKEN(path=target)
    note, checkpoint = last_checkpoint(log, verifier)
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        listed = {}
        for file in chain(_files(log, verifier, note, checkpoint, receipts), further):
            write_files(unfinished, [file])
            listed[file.path] = {"bytes": len(file.content), "sha256": hashlib.sha256(file.content).hexdigest()}
        manifest = {
            "book": json.loads(read_file(unfinished, "book.json"))["book"],
            "files": listed,
            "format": FORMAT,
            "origin": checkpoint.origin,
            "root": base64.b64encode(checkpoint.root).decode(),
            "size": checkpoint.size,
        }
        write_files(unfinished, [_json("manifest.json", manifest)])
        unfinished.rename(target)
    except OSError as failed:
        raise EXPORT_CANNOT_BE_WRITTEN(path=target, cause=failed.strerror) from None
    return Exported(checkpoint, len(listed) + 1, len(receipts))


def last_checkpoint(log: Path, verifier: Verifier) -> tuple[bytes, Checkpoint]:
    """The log's last checkpoint: the note, and what it says."""
    if not (log / "checkpoint").exists():
        raise LOG_HAS_NO_CHECKPOINT(origin=verifier.name)
    note = read_file(log, "checkpoint")
    return note, open_checkpoint(note, verifier.name, [verifier])


def cosigned(log: Path, size: int, note: bytes) -> bytes:
    """The note of a checkpoint with what witnesses signed under it, as far as that is kept beside the log."""
    parsed = parse_note(note)
    known = {(line.name, line.key_id) for line in parsed.signatures}
    lines = [line for line in kept_cosignatures(log, size) if (line.name, line.key_id) not in known]
    return write_note(Note(parsed.text, (*parsed.signatures, *lines)))


def kept_cosignatures(log: Path, size: int) -> tuple[Signature, ...]:
    """What witnesses signed under the checkpoint of a size (`witness.asking`); nobody has verified it here."""
    try:
        return parse_signatures(read_file(log, f"cosignatures/{size}").decode("utf-8", "replace"))
    except Refused as refused:
        if refused.refusal is LOG_FILE_IS_MISSING:
            return ()
        raise


def receipt(log: Tiles, note: bytes, index: int, leaf: bytes) -> dict[str, Any]:
    """One row's proof of inclusion, to hand to whoever it concerns: it is verified without the rest of the book."""
    proof = prove_record(index, log.size, log.hashes)
    return {
        "checkpoint": note.decode(),
        "format": RECEIPT_FORMAT,
        "index": index,
        "leaf": base64.b64encode(leaf).decode(),
        "path": [base64.b64encode(each).decode() for each in proof],
    }


def _files(
    log: Path, verifier: Verifier, note: bytes, checkpoint: Checkpoint, receipts: Collection[UUID]
) -> Iterator[File]:
    """Every file of the export but the manifest; a checkpoint that was stamped goes in with its stamp."""
    tiles = Tiles(checkpoint.size, checkpoint.root, directory_reader(log))
    wanted = {identity.bytes: identity for identity in receipts}
    currencies: set[str] = set()
    book = 0
    for tile in tiles_of(checkpoint.size):
        if tile.level != ENTRIES:
            yield File(tile.path, b"".join(tiles.tile(tile)))
            continue
        records = tiles.bundle(tile.index)
        for index, record in enumerate(records, tile.index * WIDTH):
            book = int.from_bytes(record[4:8], "big")
            if record[1] == ACCOUNT_OPENED:
                currencies.add(json.loads(record[_LEAF_HEAD:])["currency"])
            if identity := wanted.pop(record[16:32], None):
                yield _json(f"receipts/{identity}.json", receipt(tiles, note, index, record))
        yield File(tile.path, b"".join(len(record).to_bytes(2, "big") + record for record in records))
    for missing in wanted.values():
        raise ROW_IS_NOT_IN_LOG(id=missing)
    stamped = [size for size in kept_timestamps(log) if size <= checkpoint.size]
    older_sizes = [size for size in kept_checkpoints(log) if size < checkpoint.size]
    for size in sorted({*_spread(older_sizes), *(size for size in stamped if size in older_sizes)}):
        older = read_file(log, f"checkpoints/{size}")
        open_checkpoint(older, verifier.name, [verifier])
        yield File(f"checkpoints/{size}", cosigned(log, size, older))
    yield File("checkpoint", cosigned(log, checkpoint.size, note))
    for size in stamped:
        yield File(f"{TIMESTAMPS}/{size}.tsr", read_file(log, f"{TIMESTAMPS}/{size}.tsr"))
    yield File("notary.vkey", key_lines(verifier).encode())
    name = checkpoint.origin.rpartition("/")[2]
    yield _json("book.json", {"book": book, "currencies": sorted(currencies), "name": name})


def _spread(sizes: list[int]) -> list[int]:
    """At most CHECKPOINTS_MAX of the sizes, evenly spread, the last among them."""
    step = -(-len(sizes) // CHECKPOINTS_MAX) or 1
    return sizes[::-1][::step][::-1]


def _json(path: str, content: dict[str, Any]) -> File:
    return File(path, rfc8785.dumps(content))
