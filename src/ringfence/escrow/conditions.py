"""Conditions: a small closed vocabulary of pure functions, composed by all, any and not.

A condition is data. It names functions by name and version, and nothing of it is run: `evaluate` asks one function of
this module for each name. A function's meaning never changes; what is to mean something else is a new name
(`date_reached@2`), and the vectors of docs/reference/escrow-vectors.json hold every version to what it meant.

    {"all": [c, …]}   {"any": [c, …]}   {"not": c}                   at most 16 in a list, 8 deep, 64 in all
    {"call": "date_reached@1", "at": "2026-04-01T00:00:00Z"}          the journal's clock is there, or past it
    {"call": "milestone_approved@1", "milestone": "delivered", "needed": 1, "parties": ["buyer", "inspector"]}
                                                                       so many different ones of these have approved it
    {"call": "claim_settled@1", "for": "payees"}                      the last claim that was settled gave them
    something {"call": "claim_settled@1", "for": "payer"}                       … gave the payees nothing
    {"call": "no_open_claim@1"}                                        no claim waits for its settlement

Facts are those of one tranche before one row of the journal, and the time of that row. Every part is evaluated, also
where the answer is clear without it, so that the trace is whole. There are two answers: true now, or not true now.

>>> from datetime import UTC
>>> said = {"all": [{"call": "date_reached@1", "at": "2026-04-01T00:00:00Z"}, {"call": "no_open_claim@1"}]}
>>> facts = Facts(datetime(2026, 4, 1, tzinfo=UTC), {}, (Claim("c", opened=7, settled=None, payees_get=None),))
>>> print(canonical(evaluate(read(said), facts).said()).decode())
{"all":[{"call":"date_reached@1","is":true,"row":null},{"call":"no_open_claim@1","is":false,"row":7}],"is":false}
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Literal

from ringfence.escrow.refusals import CONDITION_IS_NOT_VALID
from ringfence.ledger.model import canonical

DEPTH_MAX: Final = 8
PARTS_MAX: Final = 64
LIST_MAX: Final = 16
WORD: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
CONDITION_TAG: Final = b"ringfence escrow condition v1\0"
TRACE_TAG: Final = b"ringfence escrow trace v1\0"
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
Side = Literal["payees", "payer"]


@dataclass(frozen=True)
class AllOf:
    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class AnyOf:
    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class NotSo:
    part: "Condition"


@dataclass(frozen=True)
class DateReached:
    at: datetime  # whole seconds, UTC


@dataclass(frozen=True)
class MilestoneApproved:
    milestone: str
    parties: tuple[str, ...]
    needed: int


@dataclass(frozen=True)
class ClaimSettled:
    side: Side


@dataclass(frozen=True)
class NoOpenClaim:
    pass


Leaf = DateReached | MilestoneApproved | ClaimSettled | NoOpenClaim
Condition = AllOf | AnyOf | NotSo | Leaf


@dataclass(frozen=True)
class Claim:
    """A claim on a tranche: the row that opened it, and if it is settled the row that did and what the payees get, in
    minor units.
    """

    claim: str
    opened: int
    settled: int | None
    payees_get: int | None


@dataclass(frozen=True)
class Facts:
    """What the journal has about one tranche before a row: who approved which milestone in which row, the claims on
    the tranche in the order in which they were opened; and `now`, the time of that row.
    """

    now: datetime
    approvals: Mapping[str, Mapping[str, int]] = field(hash=False)
    claims: tuple[Claim, ...]

    @property
    def settled(self) -> Claim | None:
        """The claim that was settled last."""
        found = [each for each in self.claims if each.settled is not None]
        return max(found, key=lambda each: each.settled or 0, default=None)


@dataclass(frozen=True)
class Trace:
    """What became of a condition and of each of its parts. `row` is the row of the journal that decided a leaf; None:
    the clock did, or that nothing of the kind is there.
    """

    condition: Condition
    allows: bool
    row: int | None = None
    parts: tuple["Trace", ...] = ()

    def said(self) -> dict[str, Any]:
        """The trace as JSON; docs/reference/escrow.md has it field by field."""
        match self.condition:
            case AllOf():
                return {"all": [each.said() for each in self.parts], "is": self.allows}
            case AnyOf():
                return {"any": [each.said() for each in self.parts], "is": self.allows}
            case NotSo():
                return {"is": self.allows, "not": self.parts[0].said()}
        return {"call": write(self.condition)["call"], "is": self.allows, "row": self.row}

    def sha256(self) -> str:
        """What the journal says of it."""
        return sha256(TRACE_TAG + canonical(self.said())).hexdigest()


def evaluate(condition: Condition, facts: Facts) -> Trace:
    """Whether the condition is true by these facts, with every part's answer. Total: it has an answer for all facts."""
    match condition:
        case AllOf(parts):
            traces = tuple(evaluate(each, facts) for each in parts)
            return Trace(condition, all(each.allows for each in traces), parts=traces)
        case AnyOf(parts):
            traces = tuple(evaluate(each, facts) for each in parts)
            return Trace(condition, any(each.allows for each in traces), parts=traces)
        case NotSo(part):
            trace = evaluate(part, facts)
            return Trace(condition, not trace.allows, parts=(trace,))
        case DateReached(at):
            return Trace(condition, facts.now >= at)
        case MilestoneApproved():
            return _milestone_approved(condition, facts)
        case ClaimSettled(side):
            last = facts.settled
            allows = last is not None and ((last.payees_get or 0) > 0) == (side == "payees")
            return Trace(condition, allows, last.settled if last else None)
        case NoOpenClaim():
            waiting = [each.opened for each in facts.claims if each.settled is None]
            last = facts.settled
            return Trace(condition, not waiting, min(waiting) if waiting else last.settled if last else None)


def _milestone_approved(condition: MilestoneApproved, facts: Facts) -> Trace:
    rows = sorted(row for party, row in approved_by(condition, facts).items())
    enough = len(rows) >= condition.needed
    return Trace(condition, enough, rows[condition.needed - 1] if enough else None)


def approved_by(condition: MilestoneApproved, facts: Facts) -> dict[str, int]:
    """The parties that count and have approved, each with its row."""
    found = facts.approvals.get(condition.milestone, {})
    return {party: row for party, row in found.items() if party in condition.parties}


def leaves(condition: Condition) -> Iterator[Leaf]:
    """The functions that a condition asks, from left to right."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for each in parts:
                yield from leaves(each)
        case NotSo(part):
            yield from leaves(part)
        case _:
            yield condition


def next_change(condition: Condition, now: datetime) -> datetime | None:
    """The first moment after `now` at which time alone may change the answer; None: only a new fact can."""
    return min((at for at in _dates(condition) if at > now), default=None)


def last_change(condition: Condition, now: datetime) -> datetime | None:
    """The last moment up to `now` at which time alone may have changed the answer."""
    return max((at for at in _dates(condition) if at <= now), default=None)


def _dates(condition: Condition) -> Iterator[datetime]:
    return (each.at for each in leaves(condition) if isinstance(each, DateReached))


# -- as data ---------------------------------------------------------------------------------------------------------


def write(condition: Condition) -> dict[str, Any]:
    """The condition as JSON, in its one spelling."""
    match condition:
        case AllOf(parts):
            return {"all": [write(each) for each in parts]}
        case AnyOf(parts):
            return {"any": [write(each) for each in parts]}
        case NotSo(part):
            return {"not": write(part)}
        case DateReached(at):
            return {"call": "date_reached@1", "at": write_time(at)}
        case MilestoneApproved(milestone, parties, needed):
            named = {"milestone": milestone, "needed": needed, "parties": list(parties)}
            return {"call": "milestone_approved@1"} | named
        case ClaimSettled(side):
            return {"call": "claim_settled@1", "for": side}
        case NoOpenClaim():
            return {"call": "no_open_claim@1"}


def sha256_of(condition: Condition) -> str:
    """What people sign of a condition, and what the journal names it by."""
    return sha256(CONDITION_TAG + canonical(write(condition))).hexdigest()


def read(said: Any) -> Condition:
    """The condition that this JSON value is; `condition_is_not_valid` with the place and what is wrong there."""
    budget = [PARTS_MAX]
    return _read(said, "condition", 1, budget)


def _read(said: Any, place: str, depth: int, budget: list[int]) -> Condition:
    if depth > DEPTH_MAX:
        raise CONDITION_IS_NOT_VALID(place=place[:200], detail=f"it is deeper than {DEPTH_MAX}")
    budget[0] -= 1
    if budget[0] < 0:
        raise CONDITION_IS_NOT_VALID(place=place[:200], detail=f"it has more than {PARTS_MAX} parts")
    if not isinstance(said, dict):
        raise CONDITION_IS_NOT_VALID(place=place[:200], detail="a condition is an object")
    if said.keys() == {"not"}:
        return NotSo(_read(said["not"], f"{place}.not", depth + 1, budget))
    for word, kind in (("all", AllOf), ("any", AnyOf)):
        if said.keys() == {word}:
            given = said[word]
            if not isinstance(given, list) or not 0 < len(given) <= LIST_MAX:
                raise CONDITION_IS_NOT_VALID(place=place[:200], detail=f"{word} has 1 to {LIST_MAX} conditions")
            return kind(tuple(_read(each, f"{place}.{word}[{at}]", depth + 1, budget) for at, each in enumerate(given)))
    function = said.get("call")
    if not isinstance(function, str) or function not in VOCABULARY:
        known = ", ".join(VOCABULARY)
        raise CONDITION_IS_NOT_VALID(place=place[:200], detail=f"{str(function)[:60]!r} is none of {known}")
    try:
        return VOCABULARY[function]({name: value for name, value in said.items() if name != "call"})
    except (ValueError, TypeError, KeyError) as error:
        detail = f"{function}: {error}" if isinstance(error, ValueError) else f"{function} has other parameters"
        raise CONDITION_IS_NOT_VALID(place=place[:200], detail=detail) from error


def _read_date(said: Mapping[str, Any]) -> Leaf:
    _require(said.keys() == {"at"}, "it has the parameter at")
    return DateReached(read_time(said["at"]))


def _read_milestone(said: Mapping[str, Any]) -> Leaf:
    _require(said.keys() == {"milestone", "needed", "parties"}, "it has milestone, needed and parties")
    milestone, needed, parties = said["milestone"], said["needed"], said["parties"]
    _require(isinstance(milestone, str) and WORD.fullmatch(milestone) is not None, "milestone is a word")
    _require(isinstance(parties, list) and 0 < len(parties) <= LIST_MAX, f"parties are 1 to {LIST_MAX}")
    _require(all(isinstance(each, str) and WORD.fullmatch(each) for each in parties), "parties are words")
    _require(len(set(parties)) == len(parties), "parties are each named once")
    _require(type(needed) is int and 0 < needed <= len(parties), "needed is a number up to that of the parties")
    return MilestoneApproved(milestone, tuple(sorted(parties)), needed)


def _read_settled(said: Mapping[str, Any]) -> Leaf:
    _require(said.keys() == {"for"} and said["for"] in ("payees", "payer"), "it is for payees or payer")
    return ClaimSettled(said["for"])


def _read_no_claim(said: Mapping[str, Any]) -> Leaf:
    _require(not said, "it has no parameters")
    return NoOpenClaim()


VOCABULARY: Final[Mapping[str, Callable[[Mapping[str, Any]], Leaf]]] = {
    "date_reached@1": _read_date,
    "milestone_approved@1": _read_milestone,
    "claim_settled@1": _read_settled,
    "no_open_claim@1": _read_no_claim,
}
"""Every function that there is, by name and version, with the reader of its parameters."""


def _require(true: bool, detail: str) -> None:
    if not true:
        raise ValueError(detail)


def read_time(said: Any) -> datetime:
    """A moment in whole seconds of UTC, spelled 2026-04-01T00:00:00Z; ValueError otherwise."""
    _require(isinstance(said, str) and _TIME.fullmatch(said) is not None, "a time is spelled 2026-04-01T00:00:00Z")
    return datetime.fromisoformat(said).astimezone(UTC)


def write_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
