"""The policy: how many people of which roles must approve an act.

It is versioned: a proposal is judged by the version in force when it was made, for good. Its form is one JSON object in
canonical bytes (RFC 8785), kept with its SHA-256 and named in the journal by POLICY_SET. `policy.toml`, beside this
file, is the first version of a new book, and is the form in which people read and change it.

>>> from ringfence.money import currency
>>> policy = read_toml(default_toml())
>>> required(policy, "payout", 1_000_000, currency("EUR"))
Requirement(people=0, roles=(), signed=False)
>>> required(policy, "payout", 1_000_001, currency("EUR"))
Requirement(people=1, roles=('approver',), signed=True)
>>> required(policy, "payout", 1, currency("CHF"))
Requirement(people=2, roles=('approver',), signed=True)
>>> required(policy, "brake_release")
Requirement(people=2, roles=('approver', 'risk_officer', 'treasurer'), signed=True)

What an act asks for may rise at night or with the score of risk (`escalations`): pass what is seen.

For an act by which money leaves the policy may say who may have asked for it (`asked_by`), each in a way that the
gateway verifies by itself before it pays, and the stranger's program afterwards:

  program    a program of the platform signed the request, by a key that a second person admitted (`origin`)
  customer   the customer signed exactly this payment by a passkey
  mandate    the same by a program, within a mandate that the customer signed
  staff      a person of the staff ordered it: then at least one other person approves, also in a band that asks nobody

Without `asked_by` nobody has to have asked.

>>> required(policy, "payout", 1, currency("EUR"), maker="tina")
Requirement(people=1, roles=('approver',), signed=True)

It may also say which roles require a course, and for how many months a completion is good (`training`), how long a new
passkey waits before it approves, and how long a new payee waits for its money (`cooling_off`).
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any, Final

import rfc8785

from ringfence.authority.actors import SYSTEM, is_staff
from ringfence.authority.cooling_off import CoolingOff, cooling_off_of
from ringfence.authority.escalations import Escalation, Seen, escalations_of, holds
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import ACT_IS_NOT_IN_THE_POLICY, POLICY_IS_NOT_VALID, POLICY_MUST_EXIST
from ringfence.authority.roles import STAFF, Role
from ringfence.database.connection import Connection
from ringfence.money import INT64_MAX, Currency, currency
from ringfence.refusal import Refused

PEOPLE_MAX: Final = 20
MONTHS_MAX: Final = 120
STANDS_HOURS_MAX: Final = 24 * 31
WAIT_HOURS: Final = 24
_COURSE: Final = re.compile(r"[a-z][a-z0-9.-]{1,31}", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
MAKERS: Final = frozenset({*Role, "client", "system"})
ORIGINS: Final = ("program", "customer", "mandate", "staff")
PAYING: Final = ("payout", "fee_sweep")  # the acts by which money leaves


@dataclass(frozen=True)
class Requirement:
    """So many people, each with at least one of the roles, none of them the maker."""

    people: int
    roles: tuple[str, ...]
    signed: bool = False  # by a passkey each


@dataclass(frozen=True)
class Band:
    """The requirement of amounts up to `up_to_minor` (inclusive, minor units)."""

    up_to_minor: int
    requirement: Requirement


@dataclass(frozen=True)
class Act:
    """What the policy says about one act."""

    name: str
    title_en: str
    title_zh: str
    makers: tuple[str, ...]
    stands_hours: int
    bands: Mapping[str, tuple[Band, ...]]  # by currency code, in ascending order
    otherwise: Requirement
    asked_by: tuple[str, ...] = ()  # of ORIGINS; none: nobody has to have asked
    when: tuple[Escalation, ...] = ()


@dataclass(frozen=True)
class Course:
    """A course that some roles require; a completion is good for so many months."""

    name: str
    title_en: str
    title_zh: str
    months: int
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """The rules of one version, with the bytes that they were read from."""

    acts: Mapping[str, Act]
    document: bytes
    wait_hours: int = WAIT_HOURS  # before a new passkey approves
    courses: Mapping[str, Course] = field(default_factory=dict)
    cooling_off: CoolingOff | None = None

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.document).digest()

    @property
    def asked_by(self) -> dict[str, list[str]]:
        """Who may have asked for a payment, by act: what the journal says of it with the policy."""
        return {name: list(act.asked_by) for name, act in self.acts.items() if act.asked_by}


@dataclass(frozen=True)
class PolicyVersion:
    """A policy of a book: from when on it holds, and which row of the journal said so."""

    version: int
    effective_from: datetime
    policy: Policy
    sequence: int


def required(
    policy: Policy | PolicyVersion,
    act: str,
    amount: int | None = None,
    unit: Currency | None = None,
    seen: Seen | None = None,
    *,
    maker: str = SYSTEM,
) -> Requirement:
    """Who must approve an act of an amount in minor units. The first band that reaches the amount counts; without an
    amount, above every band, or in a currency without bands, it is the act's `otherwise`. Where somebody must have
    asked for a payment, a band that asks nobody does not count for a maker of the staff. Whatever escalations hold of
    what is seen comes on top; without it this is what the act asks for at the quietest hour.
    """
    rule = act_of(policy, act)
    asked = rule.otherwise
    if amount is not None and unit is not None:
        reach = [band.requirement for band in rule.bands.get(unit.code, ()) if amount <= band.up_to_minor]
        somebody = bool(rule.asked_by) and is_staff(maker)
        asked = next((each for each in reach if each.people or not somebody), rule.otherwise)
    return raised(asked, [] if seen is None else [each for each in rule.when if holds(each, seen)])


def raised(asked: Requirement, more: Sequence[Escalation]) -> Requirement:
    """A requirement with these escalations on top."""
    people = asked.people + sum(each.more_people for each in more)
    roles = dict.fromkeys([*asked.roles, *(role for each in more for role in each.roles)])
    return Requirement(people, tuple(roles), people > 0 and (asked.signed or any(each.signed for each in more)))


def act_of(policy: Policy | PolicyVersion, act: str) -> Act:
    """What the policy says about an act; `act_is_not_in_the_policy`."""
    acts = policy.policy.acts if isinstance(policy, PolicyVersion) else policy.acts
    if act not in acts:
        raise ACT_IS_NOT_IN_THE_POLICY(act=act)
    return acts[act]


def default_toml() -> str:
    """The first policy of a new book."""
    return resources.files("ringfence.authority").joinpath("policy.toml").read_text(encoding="utf-8")


def read_toml(text: str) -> Policy:
    """A policy from the form that people write; `policy_is_not_valid` otherwise."""
    try:
        return _policy_of(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise POLICY_IS_NOT_VALID(detail=str(error)) from error


def read_document(document: bytes) -> Policy:
    """A policy from its canonical bytes; anything that is not canonical is refused."""
    try:
        policy = _policy_of(json.loads(document))
    except (ValueError, RecursionError) as error:
        raise POLICY_IS_NOT_VALID(detail=str(error)) from error
    if policy.document != document:
        raise POLICY_IS_NOT_VALID(detail="the bytes are not canonical")
    return policy


def policy_in_force(connection: Connection, book: int, at: datetime) -> PolicyVersion:
    """The version in force at a time; `policy_must_exist`."""
    row = connection.execute(QUERIES.policy_at, {"book": book, "at": at}).fetchone()
    if row is None:
        raise POLICY_MUST_EXIST()
    return _version_of(row)


def policy_version(connection: Connection, book: int, version: int) -> PolicyVersion:
    """One version; `policy_must_exist`."""
    row = connection.execute(QUERIES.policy_version, {"book": book, "version": version}).fetchone()
    if row is None:
        raise POLICY_MUST_EXIST()
    return _version_of(row)


def policies(connection: Connection, book: int) -> list[PolicyVersion]:
    """Every version, the latest first."""
    return [_version_of(row) for row in connection.execute(QUERIES.policies, {"book": book})]


def _version_of(row: tuple[Any, ...]) -> PolicyVersion:
    return PolicyVersion(row[0], row[1], read_document(bytes(row[2])), row[4])


def _policy_of(said: Any) -> Policy:
    if not isinstance(said, dict) or not {"acts"} <= said.keys() <= {"acts", "courses", "passkeys", "cooling_off"}:
        raise POLICY_IS_NOT_VALID(detail="it has a table acts, and perhaps courses, passkeys and cooling_off")
    if not all(isinstance(table, dict) for table in said.values()):
        raise POLICY_IS_NOT_VALID(detail="acts, courses, passkeys and cooling_off are tables")
    acts = {name: _act_of(name, rule) for name, rule in said["acts"].items()}
    courses = {name: _course_of(name, rule) for name, rule in said.get("courses", {}).items()}
    wait_hours = _wait_hours_of(said.get("passkeys", {"wait_hours": WAIT_HOURS}))
    cooling_off = cooling_off_of(said["cooling_off"], _stands_hours(acts)) if "cooling_off" in said else None
    return Policy(acts, rfc8785.dumps(said), wait_hours, courses, cooling_off)


def _stands_hours(acts: Mapping[str, Act]) -> int:
    """For how long an approval of a payment stands at least."""
    return min((acts[name].stands_hours for name in ("payout", "hold_release") if name in acts), default=WAIT_HOURS)


def _wait_hours_of(given: Any) -> int:
    hours = given.get("wait_hours") if given.keys() == {"wait_hours"} else None
    if type(hours) is not int or not 0 <= hours <= STANDS_HOURS_MAX:
        raise POLICY_IS_NOT_VALID(detail=f"passkeys.wait_hours is a number of hours up to {STANDS_HOURS_MAX}")
    return hours


def _course_of(name: str, rule: Any) -> Course:
    if not _COURSE.fullmatch(name) or not isinstance(rule, dict) or rule.keys() != {"title", "months", "roles"}:
        raise POLICY_IS_NOT_VALID(detail=f"{name[:40]} is a word and has title, months and roles")
    title, months, roles = rule["title"], rule["months"], rule["roles"]
    if type(months) is not int or not 0 < months <= MONTHS_MAX:
        raise POLICY_IS_NOT_VALID(detail=f"{name}.months is a number up to {MONTHS_MAX}")
    if not isinstance(roles, list) or not roles or not all(role in STAFF for role in roles):
        raise POLICY_IS_NOT_VALID(detail=f"{name}.roles are roles of people")
    return Course(name, *_title_of(name, title), months, tuple(roles))


def _title_of(name: str, title: Any) -> tuple[str, str]:
    if (
        not isinstance(title, dict)
        or title.keys() != {"en", "zh"}
        or not all(isinstance(text, str) for text in title.values())
    ):
        raise POLICY_IS_NOT_VALID(detail=f"{name}.title is one sentence in en and one in zh")
    return title["en"], title["zh"]


def _act_of(name: str, rule: Any) -> Act:
    allowed = {"title", "makers", "stands_hours", "otherwise"}
    if not isinstance(rule, dict) or not allowed <= rule.keys() <= allowed | {"bands", "asked_by", "when"}:
        detail = f"{name} has title, makers, stands_hours, otherwise, and perhaps bands, asked_by and when"
        raise POLICY_IS_NOT_VALID(detail=detail)
    title, makers, hours, bands = rule["title"], rule["makers"], rule["stands_hours"], rule.get("bands", {})
    title_en, title_zh = _title_of(name, title)
    if not isinstance(makers, list) or not makers or not all(maker in MAKERS for maker in makers):
        raise POLICY_IS_NOT_VALID(detail=f"{name}.makers are roles, client or system")
    if type(hours) is not int or not 0 < hours <= STANDS_HOURS_MAX:
        raise POLICY_IS_NOT_VALID(detail=f"{name}.stands_hours is a number of hours up to {STANDS_HOURS_MAX}")
    if not isinstance(bands, dict):
        raise POLICY_IS_NOT_VALID(detail=f"{name}.bands is a table by currency")
    otherwise = _requirement_of(f"{name}.otherwise", rule["otherwise"])
    return Act(
        name,
        title_en,
        title_zh,
        tuple(makers),
        hours,
        {code: _bands_of(f"{name}.bands.{code}", code, given) for code, given in bands.items()},
        otherwise,
        _asked_by_of(name, rule, otherwise),
        escalations_of(name, rule["when"]) if "when" in rule else (),
    )


def _asked_by_of(name: str, rule: Mapping[str, Any], otherwise: Requirement) -> tuple[str, ...]:
    given = rule.get("asked_by", [])
    if "asked_by" in rule and name not in PAYING:
        raise POLICY_IS_NOT_VALID(detail=f"{name}: asked_by stands where money leaves: {', '.join(PAYING)}")
    if not isinstance(given, list) or not all(each in ORIGINS for each in given) or len(set(given)) != len(given):
        raise POLICY_IS_NOT_VALID(detail=f"{name}.asked_by are some of {', '.join(ORIGINS)}")
    if "asked_by" in rule and not given:
        raise POLICY_IS_NOT_VALID(detail=f"{name}.asked_by names somebody, or is left out")
    if "staff" in given and not otherwise.people:
        raise POLICY_IS_NOT_VALID(detail=f"{name}: what staff asks for has somebody who approves it otherwise")
    return tuple(given)


def _bands_of(place: str, code: str, given: Any) -> tuple[Band, ...]:
    try:
        currency(code)
    except Refused as refused:
        raise POLICY_IS_NOT_VALID(detail=f"{place}: {refused.sentence()}") from refused
    if not isinstance(given, list) or not given:
        raise POLICY_IS_NOT_VALID(detail=f"{place} is a list of bands")
    bands = []
    for band in given:
        limit = band.get("up_to_minor") if isinstance(band, dict) else None
        if not isinstance(limit, str) or not _NUMBER.fullmatch(limit) or int(limit) > INT64_MAX:
            raise POLICY_IS_NOT_VALID(detail=f"{place}: up_to_minor is a decimal string of minor units")
        bands.append(Band(int(limit), _requirement_of(place, {k: v for k, v in band.items() if k != "up_to_minor"})))
    limits = [band.up_to_minor for band in bands]
    if limits != sorted(set(limits)):
        raise POLICY_IS_NOT_VALID(detail=f"{place}: the bands do not ascend")
    return tuple(bands)


def _requirement_of(place: str, given: Any) -> Requirement:
    if not isinstance(given, dict) or not {"people", "roles"} <= given.keys() <= {"people", "roles", "signed"}:
        raise POLICY_IS_NOT_VALID(detail=f"{place} says people and roles, and perhaps signed")
    people, roles, signed = given["people"], given["roles"], given.get("signed", False)
    if type(signed) is not bool or (signed and not people):
        raise POLICY_IS_NOT_VALID(detail=f"{place}: signed is true or false, and somebody has to sign")
    if type(people) is not int or not 0 <= people <= PEOPLE_MAX:
        raise POLICY_IS_NOT_VALID(detail=f"{place}: people is a number up to {PEOPLE_MAX}")
    if not isinstance(roles, list) or not all(role in STAFF for role in roles) or bool(people) != bool(roles):
        raise POLICY_IS_NOT_VALID(detail=f"{place}: roles are roles of people, none if nobody is asked")
    return Requirement(people, tuple(roles), signed)
