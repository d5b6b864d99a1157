"""Escalations: when it is night, or risk is uneasy, an act asks for more.

An act of the policy may have a list `when`. Each entry holds at a time of day in a named zone, or from a score of risk
on, or only when both are so; then it adds people, asks for signed approvals, or both. Several entries may hold at once,
and each adds its own. What they look at stands in the journal: the time of the row that makes the proposal, and the
highest score that risk gave its order. An order of which risk has said nothing counts as the worst.

>>> from datetime import UTC
>>> night = escalation_of("x", {"zone": "Asia/Shanghai", "from": "22:00", "until": "06:00", "more_people": 1,
...                             "roles": ["risk_officer"], "signed": False})
>>> holds(night, Seen(datetime(2026, 3, 2, 13, 59, tzinfo=UTC), 0))  # 21:59 in Shanghai
False
>>> holds(night, Seen(datetime(2026, 3, 2, 14, 0, tzinfo=UTC), 0))
True
>>> holds(night, Seen(datetime(2026, 3, 2, 22, 0, tzinfo=UTC), 0))  # 06:00: the end is outside
False

The database decides by the same rule (`authority.holds`).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from ringfence.authority.refusals import POLICY_IS_NOT_VALID
from ringfence.authority.roles import Role

SCORE_MAX: Final = 100
MORE_PEOPLE_MAX: Final = 20
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,30}(/[A-Za-z][A-Za-z0-9_+-]{0,30}){0,2}", re.ASCII)
_ASKS: Final = {"more_people", "roles", "signed"}
_WINDOW: Final = {"zone", "from", "until"}


@dataclass(frozen=True)
class Seen:
    """What is looked at besides the amount: when the proposal was made, and risk's score of its order, if any."""

    at: datetime
    score: int | None = None


@dataclass(frozen=True)
class Window:
    """A time of day in a zone: from the first minute (inclusive) to the last (exclusive), perhaps over midnight."""

    zone: str
    begins: str  # HH:MM
    ends: str

    def holds_at(self, at: datetime) -> bool:
        clock = at.astimezone(ZoneInfo(self.zone)).strftime("%H:%M")
        if self.begins < self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends


@dataclass(frozen=True)
class Escalation:
    """So many more people, of these roles too, if it holds; `signed`: every approval by a passkey."""

    window: Window | None
    score_from: int | None
    more_people: int
    roles: tuple[str, ...]
    signed: bool


def holds(each: Escalation, seen: Seen) -> bool:
    """Whether an escalation holds of what is seen."""
    score = SCORE_MAX if seen.score is None else seen.score
    if each.score_from is not None and score < each.score_from:
        return False
    return each.window is None or each.window.holds_at(seen.at)


def escalations_of(name: str, given: Any) -> tuple[Escalation, ...]:
    """The list `when` of an act; `policy_is_not_valid`."""
    if not isinstance(given, list) or not given:
        raise POLICY_IS_NOT_VALID(detail=f"{name}.when is a list of conditions")
    return tuple(escalation_of(f"{name}.when", each) for each in given)


def escalation_of(place: str, given: Any) -> Escalation:
    """One entry of it."""
    named = given.keys() if isinstance(given, dict) else set()
    timed, scored = named >= _WINDOW, "score_from" in named
    if not named or named != _ASKS | (_WINDOW if timed else set()) | ({"score_from"} if scored else set()):
        detail = "says zone, from and until, or score_from, or all of them; and more_people, roles and signed"
        raise POLICY_IS_NOT_VALID(detail=f"{place} {detail}")
    if not timed and not scored:
        raise POLICY_IS_NOT_VALID(detail=f"{place} says when")
    score, people, roles, signed = (given.get(name) for name in ("score_from", "more_people", "roles", "signed"))
    if scored and (type(score) is not int or not 0 < score <= SCORE_MAX):
        raise POLICY_IS_NOT_VALID(detail=f"{place}: score_from is a number up to {SCORE_MAX}")
    if type(people) is not int or not 0 <= people <= MORE_PEOPLE_MAX:
        raise POLICY_IS_NOT_VALID(detail=f"{place}: more_people is a number up to {MORE_PEOPLE_MAX}")
    if not isinstance(roles, list) or not all(role in set(Role) for role in roles) or bool(people) != bool(roles):
        raise POLICY_IS_NOT_VALID(detail=f"{place}: roles are roles of people, none if nobody is added")
    if type(signed) is not bool or not (signed or people):
        raise POLICY_IS_NOT_VALID(detail=f"{place} adds people, or asks for signed approvals")
    return Escalation(_window_of(place, given) if timed else None, score, people, tuple(roles), signed)


def _window_of(place: str, given: dict[str, Any]) -> Window:
    zone, begins, ends = given["zone"], given["from"], given["until"]
    if not all(isinstance(text, str) and _CLOCK.fullmatch(text) for text in (begins, ends)) or begins == ends:
        raise POLICY_IS_NOT_VALID(detail=f"{place}: from and until are two times of day, like 22:00")
    try:
        known = isinstance(zone, str) and _ZONE.fullmatch(zone) and ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        known = None
    if not known:
        raise POLICY_IS_NOT_VALID(detail=f"{place}: zone is a name of the IANA time zone database, like Asia/Shanghai")
    return Window(zone, begins, ends)
