"""One customer's proof: the leaf, the path to the root, and the event that has the root, under the notary's signature.

The file is verified standing alone (docs/reference/liabilities-format.md); nobody who verifies it tells us so.
"""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint
from ringfence.evidence.export import cosigned, last_checkpoint, receipt
from ringfence.evidence.keys import read_verifier
from ringfence.evidence.note import Verifier
from ringfence.evidence.tiles import Tiles, directory_reader
from ringfence.evidence.witnessing import read_witnessed
from ringfence.liabilities.proving import Desk, balances_of, erased_of, secrets_of
from ringfence.liabilities.reading import Attested, Proven, attestations, kept_leaves, proven
from ringfence.liabilities.refusals import (
    HOLDER_IS_NOT_IN_TREE,
    LIABILITIES_ARE_NOT_NOTARISED_YET,
    LIABILITY_WAS_ERASED,
)
from ringfence.liabilities.saying import spell
from ringfence.liabilities.tree import Leaf, Mode, Node, identity, nonce
from ringfence.money import currency, format_minor

FORMAT: Final = "ringfence-liability-proof-1"


def proof_of(desk: Desk, log: Path, holder: str, day: date, unit: str) -> dict[str, Any]:
    """The proof of one holder; `liabilities_are_not_proven`, `holder_is_not_in_tree`, `liability_was_erased`,
    `liabilities_are_not_notarised_yet`. `log` is the folder of the notary's log.
    """
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        tree = proven(connection, book, day, unit)
        kept = kept_leaves(connection, book, tree)
        balance = balances_of(connection, book, unit, tree.cut_off, holder).get(holder, 0)
        notes = attestations(connection, book, day, unit)
    whose = identity(core.book.name, holder)
    index = bisect_left(kept.identities, whose)
    if kept.identities[index : index + 1] != (whose,):
        raise HOLDER_IS_NOT_IN_TREE(holder=holder, day=day, currency=unit)
    drawn = nonce(secrets_of(desk, [holder])[holder], whose, day.isoformat(), unit)
    leaf = Leaf(whose, max(balance, 0), drawn)
    if leaf.node != kept.grown.rows[0][index]:
        if erased_of(desk, [holder]):
            raise LIABILITY_WAS_ERASED(holder=holder, day=day)
        raise RuntimeError(f"the leaf of {holder} is not the one that was published for {day}")
    mode = Mode(tree.mode)
    return {
        "amount": str(leaf.amount),
        "attestations": [each.note for each in notes],
        "balance": str(balance),
        "book": core.book.name,
        "currency": unit,
        "day": day.isoformat(),
        "event": _receipt(log, tree),
        "format": FORMAT,
        "holder": holder,
        "id": spell(whose),
        "index": index,
        "nonce": spell(drawn),
        "path": [_node(mode, node) for node in kept.grown.path(index)],
        "reveals": mode.reveals,
    }


def as_told(tree: Proven, notes: list[Attested]) -> dict[str, Any]:
    """A published tree for programs, amounts as decimal strings."""
    unit = currency(tree.currency)
    return {
        "day": tree.day.isoformat(),
        "currency": tree.currency,
        "sequence": tree.sequence,
        "mode": tree.mode,
        "root": spell(tree.root),
        "count": tree.count,
        "total": format_minor(tree.total, unit),
        "negative_count": tree.negative_count,
        "negative_total": format_minor(tree.negative_total, unit),
        "unallocated": format_minor(tree.unallocated, unit),
        "requirement": format_minor(tree.requirement, unit),
        "resource": format_minor(tree.resource, unit),
        "auditors": [each.auditor for each in notes if (each.day, each.currency) == (tree.day, tree.currency)],
    }


def _node(mode: Mode, node: Node) -> str | Mapping[str, str]:
    return {"hash": spell(node.hash), "sum": str(node.sum)} if mode is Mode.SUM else spell(node.hash)


def _receipt(log: Path, tree: Proven) -> dict[str, Any]:
    """The event's receipt, in the last checkpoint that witnesses cosigned if it covers the event, else in the last."""
    verifier = read_verifier(log)
    note, checkpoint = _witnessed(log, verifier, tree.sequence) or last_checkpoint(log, verifier)
    if checkpoint.size <= tree.sequence:
        raise LIABILITIES_ARE_NOT_NOTARISED_YET(sequence=tree.sequence, day=tree.day, size=checkpoint.size)
    tiles = Tiles(checkpoint.size, checkpoint.root, directory_reader(log))
    [leaf] = tiles.records(tree.sequence, tree.sequence + 1)
    return receipt(tiles, cosigned(log, checkpoint.size, note), tree.sequence, leaf)


def _witnessed(log: Path, verifier: Verifier, sequence: int) -> tuple[bytes, Checkpoint] | None:
    note = read_witnessed(log)
    if note is None:
        return None
    checkpoint = open_checkpoint(note, verifier.name, [verifier])
    return (note, checkpoint) if checkpoint.size > sequence else None
