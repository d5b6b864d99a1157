"""The auditor's pack: an export of the book with all leaves, of a day or of all days, a file for each currency.

A line is a leaf in the tree's order (docs/reference/liabilities-format.md): id, amount, nonce, hash, holder. Who was
erased since has no nonce any more; such a leaf is there with its hash, and nobody can open it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from ringfence.evidence.export import Exported, export, last_checkpoint
from ringfence.evidence.note import Verifier
from ringfence.evidence.tiles import File
from ringfence.liabilities.proving import Desk, balances_of, secrets_of
from ringfence.liabilities.reading import Proven, history, kept_leaves
from ringfence.liabilities.refusals import (
    LEAVES_FILE_IS_MALFORMED,
    LIABILITIES_ARE_NOT_NOTARISED_YET,
    LIABILITIES_ARE_NOT_PROVEN,
)
from ringfence.liabilities.tree import Leaf, Node, identity, nonce

FOLDER: Final = "liabilities"
_LINE: Final = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,19}) (-|[0-9a-f]{64}) ([0-9a-f]{64}) (\S(?:.*\S)?)")


@dataclass(frozen=True)
class PackedLeaf:
    """A leaf as an auditor gets it; `nonce` None: it cannot be opened any more."""

    identity: bytes
    amount: int
    nonce: bytes | None
    hash: bytes
    holder: str

    @property
    def node(self) -> Node:
        """What the line says; `leaf` says whether it is so."""
        return Node(self.hash, self.amount)

    @property
    def leaf(self) -> Leaf | None:
        return None if self.nonce is None else Leaf(self.identity, self.amount, self.nonce)

    def __str__(self) -> str:
        drawn = "-" if self.nonce is None else self.nonce.hex()
        return f"{self.identity.hex()} {self.amount} {drawn} {self.hash.hex()} {self.holder}"


def pack(desk: Desk, log: Path, verifier: Verifier, day: date, target: Path) -> Exported:
    """Write the pack of a day into a new folder; `liabilities_are_not_proven`, `liabilities_are_not_notarised_yet`,
    what `export` refuses.
    """
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        trees = history(connection, book, day=day)
    if not trees:
        raise LIABILITIES_ARE_NOT_PROVEN(day=day, currency="-")
    _, checkpoint = last_checkpoint(log, verifier)
    for tree in trees:
        if tree.sequence >= checkpoint.size:
            raise LIABILITIES_ARE_NOT_NOTARISED_YET(sequence=tree.sequence, day=day, size=checkpoint.size)
    return export(target, log, verifier, further=(_file(desk, tree) for tree in trees))


def leaves_of_all_days(desk: Desk, log: Path, verifier: Verifier) -> Iterator[File]:
    """The file of each tree that the log's last checkpoint covers, the oldest first; one is in memory at a time."""
    _, checkpoint = last_checkpoint(log, verifier)
    with desk.core.connection() as connection:
        trees = history(connection, desk.core.book.book_id, limit=None)
    return (_file(desk, tree) for tree in reversed(trees) if tree.sequence < checkpoint.size)


def _file(desk: Desk, tree: Proven) -> File:
    lines = "".join(f"{leaf}\n" for leaf in packed(desk, tree))
    return File(f"{FOLDER}/{tree.day.isoformat()}-{tree.currency}.leaves", lines.encode())


def packed(desk: Desk, tree: Proven) -> Iterator[PackedLeaf]:
    """The leaves of a published tree, each with its nonce as far as it can still be had."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        kept = kept_leaves(connection, book, tree)
        holders = {
            identity(core.book.name, holder): holder
            for holder in balances_of(connection, book, tree.currency, tree.cut_off)
        }
    secrets = secrets_of(desk, list(holders.values()))
    for whose, node in zip(kept.identities, kept.grown.rows[0], strict=True):
        holder = holders[whose]
        drawn = nonce(secrets[holder], whose, tree.day.isoformat(), tree.currency)
        opens = Leaf(whose, node.sum, drawn).node == node
        yield PackedLeaf(whose, node.sum, drawn if opens else None, node.hash, holder)


def read_leaves(path: Path) -> list[PackedLeaf]:
    """The leaves of a file; `leaves_file_is_malformed` names the line."""
    try:
        lines = path.read_bytes().decode().split("\n")
    except (OSError, UnicodeDecodeError) as failed:
        raise LEAVES_FILE_IS_MALFORMED(path=path, line=0, detail=failed) from None
    if lines.pop():
        raise LEAVES_FILE_IS_MALFORMED(path=path, line=len(lines) + 1, detail="the last line does not end")
    found = []
    for number, line in enumerate(lines, 1):
        fields = _LINE.fullmatch(line)
        if fields is None:
            raise LEAVES_FILE_IS_MALFORMED(path=path, line=number, detail="id, amount, nonce, hash and holder")
        drawn = None if fields[3] == "-" else bytes.fromhex(fields[3])
        leaf = PackedLeaf(bytes.fromhex(fields[1]), int(fields[2]), drawn, bytes.fromhex(fields[4]), fields[5])
        found.append(leaf)
    return found
