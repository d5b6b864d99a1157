"""Conditions and traces in words: nested sentences in either language for people, and a formula of one line.

>>> from datetime import UTC, datetime
>>> from ringfence.escrow.conditions import AllOf, NotSo, MilestoneApproved, NoOpenClaim
>>> condition = AllOf((MilestoneApproved("delivered", ("buyer", "inspector"), 1), NotSo(NoOpenClaim())))
>>> print(tell(condition))
all of these: 1 of buyer, inspector has approved "delivered"; not so: no claim is open
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringfence.escrow.conditions import (
    AllOf,
    AnyOf,
    ClaimSettled,
    Condition,
    DateReached,
    Facts,
    MilestoneApproved,
    NoOpenClaim,
    NotSo,
    Trace,
    approved_by,
    write,
    write_time,
)

_GROUPS: Final = {
    AllOf: ("all of these", "以下全部成立"),
    AnyOf: ("one of these", "以下任一成立"),
    NotSo: ("not so", "以下不成立"),
}
_SETTLED: Final = {
    "payees": ("the arbiters have settled a claim, and the payees get something", "仲裁方已裁定争议，收款方有所得"),
    "payer": ("the arbiters have settled a claim for the payer", "仲裁方已裁定争议，款项归付款方"),
}


@dataclass(frozen=True)
class Sentence:
    """A part of a trace in words: whether it is true now, what decided it or is missing, and its own parts."""

    text: str
    allows: bool
    row: int | None
    note: str
    parts: tuple["Sentence", ...]


def sentence(trace: Trace, facts: Facts, language: str) -> Sentence:
    """A trace in words, for a page."""
    parts = tuple(sentence(each, facts, language) for each in trace.parts)
    return Sentence(_head(trace.condition, language), trace.allows, trace.row, _note(trace, facts, language), parts)


def tell(condition: Condition, language: str = "en") -> str:
    """A condition in one line."""
    head = _head(condition, language)
    match condition:
        case AllOf(parts) | AnyOf(parts):
            if len(parts) == 1:
                return tell(parts[0], language)
            return f"{head}{_colon(language)}{_joined([_bracketed(each, language) for each in parts], language)}"
        case NotSo(part):
            return f"{head}{_colon(language)}{_bracketed(part, language)}"
    return head


def formula(trace: Trace) -> str:
    """A trace in one line that is the same in every language: each function with + (true now) or - (not).

    >>> from datetime import UTC, datetime
    >>> from ringfence.escrow.conditions import NoOpenClaim, evaluate
    >>> formula(evaluate(NotSo(NoOpenClaim()), Facts(datetime(2026, 4, 1, tzinfo=UTC), {}, ())))
    'not(no_open_claim@1 +) -'
    """
    mark = "+" if trace.allows else "-"
    match trace.condition:
        case AllOf() | AnyOf() | NotSo():
            word = {AllOf: "all", AnyOf: "any", NotSo: "not"}[type(trace.condition)]
            return f"{word}({', '.join(formula(each) for each in trace.parts)}) {mark}"
        case DateReached(at):
            return f"date_reached@1 {write_time(at)} {mark}"
        case MilestoneApproved(milestone, parties, needed):
            return f"milestone_approved@1 {milestone} {needed}/{len(parties)} {mark}"
    said = write(trace.condition)
    return " ".join(str(each) for each in (*said.values(), mark))


def _head(condition: Condition, language: str) -> str:
    chinese = language == "zh"
    match condition:
        case AllOf() | AnyOf() | NotSo():
            return _GROUPS[type(condition)][chinese]
        case DateReached(at):
            moment = f"{at:%Y-%m-%d %H:%M:%S} UTC"
            return f"已到 {moment}" if chinese else f"it is {moment}, or later"
        case MilestoneApproved(milestone, parties, needed):
            named = "、".join(parties) if chinese else ", ".join(parties)
            if chinese:
                return f"{named} 中至少 {needed} 方已批准“{milestone}”"
            if len(parties) == 1:
                return f'{named} has approved "{milestone}"'
            return f'{needed} of {named} {"has" if needed == 1 else "have"} approved "{milestone}"'
        case ClaimSettled(side):
            return _SETTLED[side][chinese]
        case NoOpenClaim():
            return "没有未决争议" if chinese else "no claim is open"


def _note(trace: Trace, facts: Facts, language: str) -> str:
    """What is there already of something that is not enough."""
    if isinstance(trace.condition, MilestoneApproved):
        found = approved_by(trace.condition, facts)
        if not found:
            return "尚无批准" if language == "zh" else "nobody has approved it yet"
        named = (f"{party}（{row}）" if language == "zh" else f"{party} ({row})" for party, row in found.items())
        return f"已批准：{'、'.join(named)}" if language == "zh" else f"approved by {', '.join(named)}"
    return ""


def _bracketed(condition: Condition, language: str) -> str:
    told = tell(condition, language)
    return f"({told})" if isinstance(condition, AllOf | AnyOf) and len(condition.parts) > 1 else told


def _joined(told: Sequence[str], language: str) -> str:
    return ("；" if language == "zh" else "; ").join(told)


def _colon(language: str) -> str:
    return "：" if language == "zh" else ": "
