"""What LIABILITIES_PROVEN says, read and found in order in itself; and the text that auditors sign about it.

`read` takes nothing on trust: every field is there, in its one spelling, and what must hold of the figures holds. What
the event says about other rows is compared by `verification`, and by a stranger's verifier.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from ringfence.evidence.checkpoint import Checkpoint, text_of
from ringfence.liabilities.tree import HASH_BYTES, U64_MAX, Mode

FORMAT: Final = "ringfence-liabilities-1"
_DECIMAL: Final = re.compile(r"0|-?[1-9][0-9]{0,19}", re.ASCII)
_FIELDS: Final = {
    "book", "checkpoint", "closed", "count", "currency", "cut_off", "day", "decimals", "format", "mode",
    "negative_count", "negative_total", "root", "safeguarding", "statements", "total", "unallocated",
}  # fmt: skip


class Unsaid(Exception):  # noqa: N818 - what is wrong with an event, in words
    """The event does not say what it has to; the text says which part."""


@dataclass(frozen=True)
class Statement:
    """The bank's word about an account: closing in minor units, digest and number, the row that reconciled it."""

    account: str
    closing: int
    fingerprint: str
    reconciliation: int
    statement: str


@dataclass(frozen=True)
class Said:
    """The event's figures; amounts in minor units."""

    book: str
    day: date
    currency: str
    decimals: int
    mode: Mode
    root: bytes
    count: int
    total: int
    negative_count: int
    negative_total: int
    unallocated: int
    cut_off: int
    closed: int
    checkpoint_size: int
    checkpoint_root: bytes
    tested: int
    requirement: int
    resource: int
    difference: int
    statements: tuple[Statement, ...]

    def origin(self, log: str) -> str:
        """What an auditor's note has for an origin: everything that is signed besides count and root."""
        figures = f"{self.total}/{self.negative_count}/{self.negative_total}"
        return f"{log}/liabilities/{self.day.isoformat()}/{self.currency}/{self.mode}/{figures}"

    def text(self, log: str) -> str:
        """The text that an auditor signs, of the log with that origin."""
        return text_of(Checkpoint(self.origin(log), self.count, self.root))


def read(said: Mapping[str, Any], sequence: int) -> Said:
    """The event at row `sequence`; raises `Unsaid` with what does not hold."""
    try:
        _require(said.keys() == _FIELDS and said["format"] == FORMAT, "it has other fields")
        _require(said["checkpoint"].keys() == {"root", "size"}, "it has other fields")
        tested, checkpoint = said["safeguarding"], said["checkpoint"]
        _require(tested.keys() == {"difference", "requirement", "resource", "sequence"}, "it has other fields")
        found = Said(
            book=_text(said["book"]),
            day=date.fromisoformat(said["day"]),
            currency=_text(said["currency"]),
            decimals=_whole(said["decimals"]),
            mode=Mode(said["mode"]),
            root=hash_of(said["root"]),
            count=_whole(said["count"]),
            total=minor(said["total"]),
            negative_count=_whole(said["negative_count"]),
            negative_total=minor(said["negative_total"]),
            unallocated=minor(said["unallocated"]),
            cut_off=_whole(said["cut_off"]),
            closed=_whole(said["closed"]),
            checkpoint_size=_whole(checkpoint["size"]),
            checkpoint_root=hash_of(checkpoint["root"]),
            tested=_whole(tested["sequence"]),
            requirement=minor(tested["requirement"]),
            resource=minor(tested["resource"]),
            difference=minor(tested["difference"]),
            statements=tuple(_statement(each) for each in said["statements"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unsaid("it has other fields") from None
    _require(found.day.isoformat() == said["day"], "the day is not spelled in its one way")
    _require(0 <= found.total <= U64_MAX, "the total is not an unsigned 64-bit number")
    _require(found.unallocated >= 0, "unallocated money is negative")
    _require(found.negative_total <= 0, "what customers owe is positive")
    _require((found.negative_count == 0) == (found.negative_total == 0), "the negatives are counted and not summed")
    _require(found.negative_count <= found.count, "more customers owe than there are")
    _require(found.total + found.unallocated == found.requirement, "total and unallocated are not the requirement")
    _require(found.resource - found.requirement == found.difference, "the difference is another")
    _require(
        found.cut_off <= found.closed < found.checkpoint_size <= sequence and found.tested < found.closed,
        "the rows that it names do not follow each other",
    )
    names = [each.account for each in found.statements]
    _require(names == sorted(set(names)), "the statements are not in order")
    return found


def minor(text: Any) -> int:
    """Minor units of a decimal string in its one spelling; ValueError."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return int(text)


def hash_of(text: Any) -> bytes:
    """The 32 bytes of canonical base64; ValueError."""
    content = unspell(text)
    if len(content) != HASH_BYTES:
        raise ValueError(text)
    return content


def unspell(text: Any) -> bytes:
    """The bytes of canonical base64; ValueError."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as wrong:
        raise ValueError(text) from wrong
    if spell(content) != text:
        raise ValueError(text)
    return content


def spell(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _statement(said: Mapping[str, Any]) -> Statement:
    _require(said.keys() == set(Statement.__dataclass_fields__), "it has other fields")
    return Statement(
        account=_text(said["account"]),
        closing=minor(said["closing"]),
        fingerprint=_text(said["fingerprint"]),
        reconciliation=_whole(said["reconciliation"]),
        statement=_text(said["statement"]),
    )


def _text(said: Any) -> str:
    if not isinstance(said, str) or not said:
        raise ValueError(said)
    return said


def _whole(said: Any) -> int:
    if type(said) is not int or said < 0:
        raise ValueError(said)
    return said


def _require(true: bool, because: str) -> None:
    if not true:
        raise Unsaid(because)
