"""One file alone, as a customer holds it: a receipt of a row, or a proof of what the customer is owed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import log
from book import decode
from folder import canonical, parse_json, parse_object
from liabilities import PROOF_FORMAT, Proof, prove
from verdict import Check, Verdict
from witnesses import Policy, who_signed
from words import Unreadable, Wrong

RECEIPT_FORMAT: Final = "ringfence-receipt-1"
RECEIPT_FIELDS: Final = {"checkpoint": str, "format": str, "index": int, "leaf": str, "path": list}
RECEIPT_BYTES_MAX: Final = 1 << 21


@dataclass(frozen=True)
class Receipt:
    index: int
    leaf: bytes
    id: UUID
    signed: log.Checkpoint


def prove_receipt(content: bytes, key: log.Key, path: str) -> Receipt:
    """A receipt whose leaf is proven up to the root of its own checkpoint."""
    found = parse_object(content, path, RECEIPT_FIELDS)
    if found["format"] != RECEIPT_FORMAT:
        raise Wrong("json_has_other_fields", path=path, field="format")
    leaf = log.unspell(found["leaf"])
    if leaf is None:
        raise Wrong("json_has_other_fields", path=path, field="leaf")
    proof = [hash_ for each in found["path"] if isinstance(each, str) and (hash_ := log.unspell(each)) is not None]
    if len(proof) != len(found["path"]):
        raise Wrong("json_has_other_fields", path=path, field="path")
    signed = log.open_checkpoint(found["checkpoint"].encode(), key, path)
    log.check_inclusion(proof, signed.size, signed.root, found["index"], log.record_hash(leaf), path)
    row, _ = decode(leaf, found["index"])
    if row.sequence != found["index"]:
        raise Wrong("row_has_another_sequence", sequence=found["index"], found=row.sequence)
    return Receipt(found["index"], leaf, UUID(bytes=row.id), signed)


def verify_file(path: Path, key: log.Key, policy: Policy | None = None, auditors: tuple[log.Key, ...] = ()) -> Verdict:
    """One receipt or one proof alone, as a customer holds it."""
    try:
        with path.open("rb") as file:
            content = file.read(RECEIPT_BYTES_MAX)
    except OSError as error:
        raise Unreadable("file_cannot_be_read", path=path, cause=error.strerror) from None
    if PROOF_FORMAT.encode() in content:
        return verify_proof(path, content, key, policy, auditors)
    verdict = Verdict()
    receipt = verdict.check("receipt", one_receipt, content, key, path.name)
    if receipt is not None:
        verdict.size, verdict.root = receipt.signed.size, receipt.signed.root
    return verdict


def one_receipt(check: Check, content: bytes, key: log.Key, path: str) -> Receipt:
    receipt = prove_receipt(content, key, path)
    signed = receipt.signed
    check.right("receipt_is_right", sequence=receipt.index, origin=signed.origin, id=receipt.id, size=signed.size)
    return receipt


def verify_proof(
    path: Path, content: bytes, key: log.Key, policy: Policy | None, auditors: tuple[log.Key, ...]
) -> Verdict:
    """One customer's proof alone."""
    verdict = Verdict()
    proof = verdict.check("liability", one_proof, content, key, path.name, policy, auditors)
    if proof is not None:
        verdict.size, verdict.root = proof.signed.size, proof.signed.root
    return verdict


def one_proof(
    check: Check, content: bytes, key: log.Key, path: str, policy: Policy | None, auditors: tuple[log.Key, ...]
) -> Proof:
    def event(receipt: bytes, place: str) -> tuple[int, bytes, log.Checkpoint]:
        found = prove_receipt(receipt, key, place)
        if policy is not None:
            names = list(who_signed(parse_json(receipt)["checkpoint"].encode(), policy, place))
            if not policy.enough(names):
                raise Wrong("too_few_witnesses", path=place, names=", ".join(names) or "-", quorum=policy.quorum)
        return found.index, found.leaf, found.signed

    proof = prove(content, path, event, canonical, auditors)
    said = proof.said
    check.right(
        "proof_is_right" if proof.auditors or said.mode == "sum" else "proof_is_right_without_auditor",
        holder=proof.holder,
        day=said.day,
        amount=said.major(proof.balance),
        total=said.major(said.total),
        currency=said.currency,
        count=said.count,
        auditors=", ".join(proof.auditors) or "-",
        banks="; ".join(f"{each['account']} {said.major(each['closing'])}" for each in said.says["statements"]),
    )
    return proof
