"""An export, read again as a stranger would: is what was written what was signed?

This is Ringfence checking its own work before it hands it over. Whoever receives the folder uses `verifier/`, which
shares no code with this.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ringfence.evidence.checkpoint import open_checkpoint
from ringfence.evidence.export import last_checkpoint
from ringfence.evidence.keys import read_verifier
from ringfence.evidence.tiles import ENTRIES, Tiles, directory_reader, read_file, tiles_of
from ringfence.evidence.tree import EMPTY, append, check_record, record_hash, root
from ringfence.refusal import Refused


def check_export(folder: Path) -> dict[str, Any]:
    """`valid`, `size`, `root` (base64) and each check with what it found."""
    verifier = read_verifier(folder)
    note, checkpoint = last_checkpoint(folder, verifier)
    tiles = Tiles(checkpoint.size, checkpoint.root, directory_reader(folder))

    def files() -> str:
        listed = json.loads(read_file(folder, "manifest.json"))["files"]
        for path, told in listed.items():
            content = read_file(folder, path)
            if (len(content), hashlib.sha256(content).hexdigest()) != (told["bytes"], told["sha256"]):
                raise ValueError(path)
        return f"{len(listed)} files"

    def signature() -> str:
        open_checkpoint(note, verifier.name, [verifier])
        return verifier.name

    def entries() -> str:
        tree = EMPTY
        for tile in tiles_of(checkpoint.size):
            if tile.level == ENTRIES:
                tree, _ = append(tree, [record_hash(record) for record in tiles.bundle(tile.index)])
        if root(tree) != checkpoint.root:
            raise ValueError("root")
        return f"{checkpoint.size} rows"

    def receipts() -> str:
        paths = sorted((folder / "receipts").glob("*.json")) if (folder / "receipts").is_dir() else []
        for path in paths:
            told = json.loads(path.read_bytes())
            proof = [base64.b64decode(each) for each in told["path"]]
            leaf = record_hash(base64.b64decode(told["leaf"]))
            check_record(proof, checkpoint.size, checkpoint.root, told["index"], leaf)
        return f"{len(paths)} receipts"

    named = {"files": files, "checkpoint": signature, "root": entries, "receipts": receipts}
    checks = [_check(name, does) for name, does in named.items()]
    return {
        "valid": all(check["valid"] for check in checks),
        "size": checkpoint.size,
        "root": base64.b64encode(checkpoint.root).decode(),
        "checks": checks,
    }


def _check(name: str, does: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "valid": True, "detail": does()}
    except Refused as refused:
        return {"name": name, "valid": False, "detail": refused.sentence()}
    except (ValueError, KeyError, TypeError) as error:
        return {"name": name, "valid": False, "detail": f"does not agree: {error}"}
