"""Conditions of escrow: what they may say, and whether one is true by the facts of the journal.

Written from docs/reference/escrow.md, not from the program that keeps the book. A condition is evaluated to its trace:
an object with `is` (true or false), and for a function the row that decided it. Every part is evaluated.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from folder import canonical

DEPTH_MAX, PARTS_MAX, LIST_MAX = 8, 64, 16
CONDITION_TAG: Final = b"ringfence escrow condition v1\0"
TRACE_TAG: Final = b"ringfence escrow trace v1\0"
_WORD: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Claim:
    """A claim on a tranche: the row that opened it, the row that settled it, and what the payees get by that."""

    tranche: str
    opened: int
    settled: int | None = None
    payees_get: int = 0


@dataclass(frozen=True)
class Facts:
    """Of one tranche before one row: the time of the row in microseconds since 1970, who approved which milestone in
    which row, and the claims on the tranche.
    """

    now: int
    approvals: dict[str, dict[str, int]]
    claims: list[Claim]


class Unfit(Exception):  # noqa: N818 - a finding, told by whoever asked
    """A condition that is none."""


def evaluate(said: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """The trace of a condition that `check` has let pass."""
    if "all" in said or "any" in said:
        word = "all" if "all" in said else "any"
        parts = [evaluate(each, facts) for each in said[word]]
        true = [each["is"] for each in parts]
        return {word: parts, "is": all(true) if word == "all" else any(true)}
    if "not" in said:
        part = evaluate(said["not"], facts)
        return {"not": part, "is": not part["is"]}
    answer, row = _FUNCTIONS[said["call"]](said, facts)
    return {"call": said["call"], "is": answer, "row": row}


def _date_reached(said: dict[str, Any], facts: Facts) -> tuple[bool, int | None]:
    return facts.now >= moment(said["at"]), None


def _milestone_approved(said: dict[str, Any], facts: Facts) -> tuple[bool, int | None]:
    found = facts.approvals.get(said["milestone"], {})
    rows = sorted(found[party] for party in said["parties"] if party in found)
    return (True, rows[said["needed"] - 1]) if len(rows) >= said["needed"] else (False, None)


def _claim_settled(said: dict[str, Any], facts: Facts) -> tuple[bool, int | None]:
    last = last_settled(facts)
    if last is None:
        return False, None
    return (last.payees_get > 0) is (said["for"] == "payees"), last.settled


def _no_open_claim(_: dict[str, Any], facts: Facts) -> tuple[bool, int | None]:
    waiting = sorted(each.opened for each in facts.claims if each.settled is None)
    if waiting:
        return False, waiting[0]
    last = last_settled(facts)
    return True, None if last is None else last.settled


_FUNCTIONS: Final = {
    "date_reached@1": _date_reached,
    "milestone_approved@1": _milestone_approved,
    "claim_settled@1": _claim_settled,
    "no_open_claim@1": _no_open_claim,
}


def last_settled(facts: Facts) -> Claim | None:
    settled = [each for each in facts.claims if each.settled is not None]
    return max(settled, key=lambda each: each.settled or 0) if settled else None


def condition_hash(said: dict[str, Any]) -> str:
    return hashlib.sha256(CONDITION_TAG + canonical(said)).hexdigest()


def trace_hash(trace: dict[str, Any]) -> str:
    return hashlib.sha256(TRACE_TAG + canonical(trace)).hexdigest()


def moment(text: Any) -> int:
    """Microseconds since 1970 of a time that is spelled 2026-04-01T00:00:00Z."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise Unfit
    try:
        return (datetime.fromisoformat(text) - _1970) // timedelta(microseconds=1)
    except ValueError:
        raise Unfit from None


def word(said: Any) -> str:
    if not isinstance(said, str) or not _WORD.fullmatch(said):
        raise Unfit
    return said


def words(said: Any, most: int = LIST_MAX) -> list[str]:
    """Words in order, each once."""
    if not isinstance(said, list) or not 0 < len(said) <= most or said != sorted({word(each) for each in said}):
        raise Unfit
    return said


def check(said: Any, parties: set[str], *, claims: bool) -> None:
    """Is this a condition, over these parties, and over claims only where there may be some? Raises `Unfit`."""
    _check(said, parties, claims, 1, [PARTS_MAX])


def _check(said: Any, parties: set[str], claims: bool, depth: int, left: list[int]) -> None:
    left[0] -= 1
    if depth > DEPTH_MAX or left[0] < 0 or not isinstance(said, dict):
        raise Unfit
    if said.keys() == {"not"}:
        _check(said["not"], parties, claims, depth + 1, left)
        return
    for name in ("all", "any"):
        if said.keys() == {name}:
            if not isinstance(said[name], list) or not 0 < len(said[name]) <= LIST_MAX:
                raise Unfit
            for each in said[name]:
                _check(each, parties, claims, depth + 1, left)
            return
    function = said.get("call")
    rest = {name: value for name, value in said.items() if name != "call"}
    if function == "date_reached@1" and rest.keys() == {"at"}:
        moment(rest["at"])
    elif function == "milestone_approved@1" and rest.keys() == {"milestone", "needed", "parties"}:
        word(rest["milestone"])
        named, needed = words(rest["parties"]), rest["needed"]
        if type(needed) is not int or not 0 < needed <= len(named) or not set(named) <= parties:
            raise Unfit
    elif not (
        claims
        and ((function == "claim_settled@1" and rest in ({"for": "payees"}, {"for": "payer"}))
        or (function == "no_open_claim@1" and not rest))
    ):  # fmt: skip
        raise Unfit
