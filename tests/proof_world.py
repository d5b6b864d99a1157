"""Proofs of liabilities without a platform: a tree, the row that says it, a signed log, an auditor's note.

Everything may be said falsely and signed all the same, as a dishonest operator would: each argument is one way to.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringfence.evidence import tree as rfc6962
from ringfence.evidence.checkpoint import Checkpoint, sign_checkpoint, text_of
from ringfence.evidence.cosignature import ED25519, ML_DSA_44, Cosigner
from ringfence.evidence.keys import key_lines, origin_of
from ringfence.evidence.note import Note, Signer, write_note
from ringfence.ledger.encoding import LEAF
from ringfence.liabilities.tree import Leaf, Mode, Node, grow, identity, nonce

DAY, CURRENCY, BOOK = "2026-03-02", "EUR", "demo"
AMOUNTS = {"c-0001": 500_00, "c-0002": 300_00, "c-0003": 0, "c-0004": 1, "c-0005": 123_456, "c-0006": 99, "c-0007": 77}
ROW = 41  # where LIABILITIES_PROVEN stands in the journal of these tests
AT = 1_772_500_000


def spell(content: bytes) -> str:
    return b64encode(content).decode()


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def notary(seed: int = 1, book: str = BOOK) -> Signer:
    name = origin_of(book)
    second = Cosigner.from_seed(name, ML_DSA_44, bytes([seed + 100]) * 32)
    return Signer(name, Signer.from_seed(name, bytes([seed]) * 32).private, (second,))


def cosigners(name: str) -> list[Cosigner]:
    seed = name.encode().ljust(32, b"\0")[:32]
    return [Cosigner.from_seed(name, algorithm, seed) for algorithm in (ED25519, ML_DSA_44)]


AUDITOR, WITNESS = cosigners("auditor.example"), cosigners("bank.example/witness")
KEYS = key_lines(notary().verifier)
COSIGNING_KEYS = "".join(f"{each.key}\n" for each in [*AUDITOR, *WITNESS])


@dataclass
class Published:
    """One day's tree of one currency, as it was published."""

    mode: Mode = Mode.AUDITOR
    balances: Mapping[str, int] = field(default_factory=lambda: dict(AMOUNTS))
    day: str = DAY
    currency: str = CURRENCY
    unallocated: int = 12_00
    says: Mapping[str, Any] = field(default_factory=dict)  # what the event says otherwise than is so
    signer: Signer = field(default_factory=notary)
    attested: bool = True
    witnessed: bool = True

    def __post_init__(self) -> None:
        self.leaves = sorted(self.leaf(holder) for holder in self.balances)
        self.grown = grow(self.mode, self.leaves)

    def leaf(self, holder: str) -> Leaf:
        whose = identity(BOOK, f"customer:{holder}")
        drawn = nonce(holder.encode().ljust(32, b"\0"), whose, self.day, self.currency)
        return Leaf(whose, max(self.balances[holder], 0), drawn)

    @property
    def event(self) -> dict[str, Any]:
        below = [each for each in self.balances.values() if each < 0]
        requirement = self.grown.total + self.unallocated
        return {
            "book": BOOK,
            "checkpoint": {"root": spell(bytes(32)), "size": 40},
            "closed": 39,
            "count": self.grown.count,
            "currency": self.currency,
            "cut_off": 30,
            "day": self.day,
            "decimals": 2,
            "format": "ringfence-liabilities-1",
            "mode": self.mode.value,
            "negative_count": len(below),
            "negative_total": str(sum(below)),
            "root": spell(self.grown.root),
            "safeguarding": {
                "difference": "50",
                "requirement": str(requirement),
                "resource": str(requirement + 50),
                "sequence": 38,
            },
            "statements": [
                {
                    "account": "bank:alpha:client",
                    "closing": str(requirement + 50),
                    "fingerprint": "3f" * 32,
                    "reconciliation": 35,
                    "statement": "ALPHALT2-20260302-00000001",
                }
            ],
            "total": str(self.grown.total),
            "unallocated": str(self.unallocated),
        } | dict(self.says)

    def row(self, payload: bytes, *, code: int = 1180, sequence: int = ROW) -> bytes:
        return row(payload, code=code, sequence=sequence)

    def receipt(self, record: bytes | None = None) -> dict[str, Any]:
        """The row in a log of 50 others, and a checkpoint over all of them."""
        record = self.row(canonical(self.event)) if record is None else record
        records = [bytes([at]) * 40 if at != ROW else record for at in range(51)]
        grown, rows = rfc6962.append(rfc6962.EMPTY, rfc6962.record_hashes(records))
        path = rfc6962.prove_record(ROW, len(records), lambda wanted: [rows[level][at] for level, at in wanted])
        checkpoint = Checkpoint(self.signer.name, len(records), rfc6962.root(grown))
        note = sign_checkpoint(checkpoint, [self.signer], AT)
        if self.witnessed:
            note += "".join(str(each.cosign(text_of(checkpoint), AT)) for each in WITNESS).encode()
        return {
            "checkpoint": note.decode(),
            "format": "ringfence-receipt-1",
            "index": ROW,
            "leaf": spell(record),
            "path": [spell(each) for each in path],
        }

    def attestation(self, auditors: Sequence[Cosigner] = AUDITOR) -> str:
        says = self.event
        figures = f"{says['mode']}/{says['total']}/{says['negative_count']}/{says['negative_total']}"
        origin = f"{self.signer.name}/liabilities/{says['day']}/{says['currency']}/{figures}"
        text = f"{origin}\n{says['count']}\n{says['root']}\n"
        return write_note(Note(text, tuple(each.cosign(text, AT) for each in auditors))).decode()

    def proof(self, whose: str = "c-0001", /, **instead: Any) -> dict[str, Any]:
        leaf = self.leaf(whose)
        index = self.leaves.index(leaf)
        return {
            "amount": str(leaf.amount),
            "attestations": [self.attestation()] if self.attested else [],
            "balance": str(self.balances[whose]),
            "book": BOOK,
            "currency": self.currency,
            "day": self.day,
            "event": self.receipt(),
            "format": "ringfence-liability-proof-1",
            "holder": f"customer:{whose}",
            "id": spell(leaf.identity),
            "index": index,
            "nonce": spell(leaf.nonce),
            "path": [self.sibling(each) for each in self.grown.path(index)],
            "reveals": self.mode.reveals,
        } | instead

    def sibling(self, node: Node) -> str | dict[str, str]:
        return {"hash": spell(node.hash), "sum": str(node.sum)} if self.mode is Mode.SUM else spell(node.hash)


def row(payload: bytes, *, code: int = 1180, sequence: int = ROW) -> bytes:
    """Leaf v1 of an event."""
    import numpy as np

    out = np.zeros(1, LEAF)
    out["version"], out["kind"], out["book"], out["sequence"] = 1, 16, 1, sequence
    out["id"], out["code"], out["payload_length"] = bytes([7]) * 16, code, len(payload)
    out["value_date"], out["posted_at"] = 20_514, 1_772_500_000_000_000
    return out.tobytes() + payload
