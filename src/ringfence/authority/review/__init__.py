"""Review: does the present state of people, roles and policy hold what roles are for?

`require_roles` and the database refuse a conflict when a role is granted. What arises otherwise (a policy that changes,
a person who leaves, a course that lapses, years that pass) is found here. `findings` is pure: a `State` and a time in,
findings out, in the order of RULES:

  conflicts   roles that nobody may hold together, also if somebody wrote them past the rules; a person who by the
              policy may make an act by one role and check it by another
  gaps        an act that nobody may propose, or that too few people could approve for any proposer; a checking role
              whose holders all are makers of the act; a role that nobody holds, or one person only
  sleep       people who never signed in, or not for long
  passkeys    people whom the policy asks for signed approvals, and who have no passkey
  training    people whose course is missing or lapsed, or soon will be
  keys        keys of programs that have ended or soon will
  review      nobody has reviewed all this for six months

The policy in force is looked at, and every later version that has a time to begin. Who may approve is counted with
training: whoever is suspended does not count.

Who serves which book, by which login of the database, is one list for all books: `serving`.

A review of access is a person's word, in the journal, to have looked at exactly this state: its SHA-256 goes with it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import rfc8785
from psycopg.rows import class_row

from ringfence.authority import training
from ringfence.authority.actors import Session
from ringfence.authority.policy import Act, Policy, PolicyVersion, Requirement, policies, raised
from ringfence.authority.roles import STAFF, conflict, makes_and_checks
from ringfence.authority.training import RECORDERS, Completion, Standing, suspended_roles
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line

REVIEW_EVERY: Final = timedelta(days=183)
NEVER_SIGNED_IN_AFTER: Final = timedelta(days=30)
ASLEEP_AFTER: Final = timedelta(days=90)
KEY_ENDS_SOON: Final = timedelta(days=30)
REVIEWS_SHOWN: Final = 20
_NOT_PEOPLE: Final = frozenset({"client", "system"})


class _Queries(NamedQueries):
    staff: Query
    active_keys: Query
    reviews: Query
    record_access_review: Query
    books_by_name: Query
    services: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/review.sql")


@dataclass(frozen=True)
class Rule:
    """What may be found; templates over the facts of a finding."""

    name: str
    en: str
    zh: str


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    rule: Rule
    facts: Mapping[str, str | int]

    def sentence(self, language: str = "en") -> str:
        return (self.rule.zh if language == "zh" else self.rule.en).format_map(self.facts)

    def as_json(self, language: str = "en") -> dict[str, Any]:
        return {"finding": self.rule.name, "sentence": self.sentence(language), "facts": dict(self.facts)}


@dataclass(frozen=True)
class Colleague:
    """Somebody active: roles, since when, and when last here."""

    person_id: str
    roles: list[str]
    added_at: datetime
    seen_at: datetime | None
    has_passkey: bool = False


@dataclass(frozen=True)
class Review:
    """A review of access that somebody recorded."""

    sequence: int
    person_id: str
    at: datetime
    findings: int
    state_sha256: bytes


@dataclass(frozen=True)
class State:
    """All that is looked at. `versions` are the policy in force and those to come, the earliest first."""

    people: tuple[Colleague, ...]
    versions: tuple[PolicyVersion, ...]
    completions: tuple[Completion, ...]
    keys: tuple[tuple[str, datetime], ...]
    last_review: Review | None

    @property
    def sha256(self) -> bytes:
        """Of who holds what, under which policies, with which keys; not of when somebody was last here."""
        said: dict[str, Any] = {
            "people": {each.person_id: each.roles for each in self.people},
            "policies": {str(each.version): each.policy.sha256.hex() for each in self.versions},
            "keys": {key: ends.astimezone(UTC).isoformat() for key, ends in self.keys},
        }
        return hashlib.sha256(rfc8785.dumps(said)).digest()


ROLES_CONFLICT_NOW: Final = Rule(
    "roles_conflict_now",
    "{person} holds roles that nobody may hold together: {roles}.",
    "{person} 同时持有不得兼任的角色：{roles}。",
)
PERSON_MAKES_AND_CHECKS: Final = Rule(
    "person_makes_and_checks",
    "{person} may propose {act} as {maker} and approve it as {checker} (policy version {version}).",
    "{person} 既可作为 {maker} 提出 {act}，又可作为 {checker} 批准（政策第 {version} 版）。",
)
ACT_CANNOT_BE_PROPOSED: Final = Rule(
    "act_cannot_be_proposed",
    "Nobody may propose {act}: no active person holds {roles} (policy version {version}).",
    "无人可提出 {act}：没有在职人员持有 {roles}（政策第 {version} 版）。",
)
ACT_CANNOT_BE_APPROVED: Final = Rule(
    "act_cannot_be_approved",
    "{act} needs {people} to approve, besides its proposer, of {roles}; {able} could (policy version {version}).",
    "{act} 除提出人外须由 {people} 名 {roles} 批准，现仅 {able} 人可批准（政策第 {version} 版）。",
)
CHECKERS_ARE_MAKERS: Final = Rule(
    "checkers_are_makers",
    "{act} is checked by {role}, and everybody who is may also propose it (policy version {version}).",
    "{act} 由 {role} 复核，但其持有人均可提出该操作（政策第 {version} 版）。",
)
ROLE_IS_HELD_BY_NOBODY: Final = Rule("role_is_held_by_nobody", "Nobody is {role}.", "无人担任 {role}。")
ROLE_IS_HELD_BY_ONE: Final = Rule(
    "role_is_held_by_one", "{person} alone is {role}; nobody stands in.", "仅 {person} 一人担任 {role}，无人替补。"
)
PERSON_NEVER_SIGNED_IN: Final = Rule(
    "person_never_signed_in",
    "{person} has never signed in since {since}.",
    "{person} 自 {since} 起从未登录。",
)
PERSON_HAS_NOT_SIGNED_IN: Final = Rule(
    "person_has_not_signed_in", "{person} was last here on {seen}.", "{person} 最近一次登录在 {seen}。"
)
CHECKER_HAS_NO_PASSKEY: Final = Rule(
    "checker_has_no_passkey",
    "{person} has no passkey, and can approve nothing that is signed as {roles}.",
    "{person} 没有通行密钥，无法以 {roles} 批准须签名的事项。",
)
COURSE_IS_MISSING: Final = Rule(
    "course_is_missing",
    "{person} has not completed {course}, or not for too long, and approves nothing as {roles}.",
    "{person} 未完成培训 {course} 或已过期，不得以 {roles} 批准。",
)
COURSE_LAPSES_SOON: Final = Rule(
    "course_lapses_soon", "{course} of {person} is good until {until}.", "{person} 的培训 {course} 有效至 {until}。"
)
CLIENT_KEY_ENDS: Final = Rule("client_key_ends", "The key {key} ends on {ends}.", "密钥 {key} 于 {ends} 到期。")
ACCESS_REVIEW_IS_DUE: Final = Rule(
    "access_review_is_due",
    "Access was last reviewed on {last}; it is due every six months.",
    "最近一次权限复核为 {last}，须每六个月复核一次。",
)
RULES: Final = (
    ROLES_CONFLICT_NOW,
    PERSON_MAKES_AND_CHECKS,
    ACT_CANNOT_BE_PROPOSED,
    ACT_CANNOT_BE_APPROVED,
    CHECKERS_ARE_MAKERS,
    ROLE_IS_HELD_BY_NOBODY,
    ROLE_IS_HELD_BY_ONE,
    PERSON_NEVER_SIGNED_IN,
    PERSON_HAS_NOT_SIGNED_IN,
    CHECKER_HAS_NO_PASSKEY,
    COURSE_IS_MISSING,
    COURSE_LAPSES_SOON,
    CLIENT_KEY_ENDS,
    ACCESS_REVIEW_IS_DUE,
)


def read_state(connection: Connection, book: int, at: datetime) -> State:
    """The state at a time, as role core, reader or auditor."""
    with connection.cursor(row_factory=class_row(Colleague)) as cursor:
        staff = cursor.execute(QUERIES.staff, {"book": book}).fetchall()
    versions = sorted(policies(connection, book), key=lambda each: each.version)
    begun = [each for each in versions if each.effective_from <= at]
    keys = connection.execute(QUERIES.active_keys, {"book": book}).fetchall()
    return State(
        tuple(staff),
        (*begun[-1:], *(each for each in versions if each.effective_from > at)),
        tuple(training.completions(connection, book)),
        tuple((key, ends) for key, ends in keys),
        next(iter(reviews(connection, book, 1)), None),
    )


def findings(state: State, at: datetime) -> list[Finding]:
    """Everything that is not as it should be at a time, in the order of RULES."""
    found = [*_people(state, at), *_keys(state, at), *_review(state, at)]
    for version in state.versions:
        found += [*_both_sides(state, version), *_acts(state, version, at)]
    if state.versions:
        found += [*_roles(state), *_passkeys(state), *_training(state, at)]
    listed = list(RULES)
    return sorted(found, key=lambda each: (listed.index(each.rule), *map(str, each.facts.values())))


def record(core: Core, session: Session) -> int:
    """Record that the person of the session has reviewed the access as it is now; how much was found.
    `person_lacks_the_role` but for security administrators and auditors.
    """
    session.require_role(*RECORDERS)
    with core.connection() as connection:
        state = read_state(connection, core.book.book_id, core.clock())
    count, event = len(findings(state, core.clock())), core.new_id()
    said = {"person": session.person_id, "findings": count, "state_sha256": state.sha256.hex()}
    row = {
        "book": core.book.book_id,
        "event": event,
        "token_sha256": session.token_sha256,
        "findings": count,
        "state_sha256": state.sha256,
    }
    line = Line(Kind.EVENT, event, code=EventName.ACCESS_REVIEWED, payload=said)
    core.post(Unit([line], also=[(QUERIES.record_access_review, row)]))
    return count


def reviews(connection: Connection, book: int, limit: int = REVIEWS_SHOWN) -> list[Review]:
    """Reviews of access, the latest first."""
    with connection.cursor(row_factory=class_row(Review)) as cursor:
        return cursor.execute(QUERIES.reviews, {"book": book, "limit": limit}).fetchall()


def _people(state: State, at: datetime) -> Iterator[Finding]:
    for each in state.people:
        if conflict(each.roles) or makes_and_checks(each.roles):
            yield Finding(ROLES_CONFLICT_NOW, {"person": each.person_id, "roles": ", ".join(each.roles)})
        if each.seen_at is None and each.added_at <= at - NEVER_SIGNED_IN_AFTER:
            yield Finding(PERSON_NEVER_SIGNED_IN, {"person": each.person_id, "since": _day(each.added_at)})
        if each.seen_at is not None and each.seen_at <= at - ASLEEP_AFTER:
            yield Finding(PERSON_HAS_NOT_SIGNED_IN, {"person": each.person_id, "seen": _day(each.seen_at)})


def _both_sides(state: State, version: PolicyVersion) -> Iterator[Finding]:
    """People who may propose an act by one role and approve it by another; one role on both sides is meant."""
    for act in version.policy.acts.values():
        checkers = {role for needed in _requirements(act) for role in needed.roles}
        for each in state.people:
            making = [role for role in each.roles if role in act.makers and role not in checkers]
            checking = [role for role in each.roles if role in checkers and role not in act.makers]
            if making and checking:
                facts = {"person": each.person_id, "act": act.name, "maker": making[0], "checker": checking[0]}
                yield Finding(PERSON_MAKES_AND_CHECKS, facts | {"version": version.version})


def _acts(state: State, version: PolicyVersion, at: datetime) -> Iterator[Finding]:
    for act in version.policy.acts.values():
        makers = [each for each in state.people if set(each.roles) & set(act.makers)]
        facts: dict[str, str | int] = {"act": act.name, "version": version.version}
        if not makers and not _NOT_PEOPLE & set(act.makers):
            yield Finding(ACT_CANNOT_BE_PROPOSED, {**facts, "roles": ", ".join(act.makers)})
            continue
        for needed in _requirements(act):
            able = _able(state, version.policy, needed, max(at, version.effective_from))
            best = max(
                [len(able - {each.person_id}) for each in makers]
                + ([len(able)] if _NOT_PEOPLE & set(act.makers) else [])
            )
            if best < needed.people:
                said: dict[str, str | int] = {"people": needed.people, "roles": ", ".join(needed.roles), "able": best}
                yield Finding(ACT_CANNOT_BE_APPROVED, {**facts, **said})
        for role in sorted({role for needed in _requirements(act) for role in needed.roles} - set(act.makers)):
            holders = [each for each in state.people if role in each.roles]
            if holders and all(set(each.roles) & set(act.makers) for each in holders):
                yield Finding(CHECKERS_ARE_MAKERS, {**facts, "role": role})


def _requirements(act: Act) -> list[Requirement]:
    """Who must approve, in each band, each requirement once, as it is at rest and with every escalation on top."""
    at_rest = [band.requirement for bands in act.bands.values() for band in bands] + [act.otherwise]
    listed = [*at_rest, *(raised(each, act.when) for each in at_rest)]
    return [needed for needed in dict.fromkeys(listed) if needed.people]


def _able(state: State, policy: Policy, needed: Requirement, at: datetime) -> set[str]:
    """Who could approve now: holds one of the roles, and no course of it has lapsed."""
    day = at.astimezone(UTC).date()
    standing = [each for each in state.completions if each.withdrawn is None]
    return {
        each.person_id
        for each in state.people
        if set(each.roles) & set(needed.roles) - suspended_roles(policy, standing, each.person_id, day)
    }


def _roles(state: State) -> Iterator[Finding]:
    for role in STAFF:
        holders = [each.person_id for each in state.people if role in each.roles]
        if not holders:
            yield Finding(ROLE_IS_HELD_BY_NOBODY, {"role": role})
        elif len(holders) == 1:
            yield Finding(ROLE_IS_HELD_BY_ONE, {"role": role, "person": holders[0]})


def _passkeys(state: State) -> Iterator[Finding]:
    acts = state.versions[0].policy.acts.values()
    signing = {role for act in acts for needed in _requirements(act) if needed.signed for role in needed.roles}
    for each in state.people:
        roles = [role for role in each.roles if role in signing]
        if roles and not each.has_passkey:
            yield Finding(CHECKER_HAS_NO_PASSKEY, {"person": each.person_id, "roles": ", ".join(roles)})


def _training(state: State, at: datetime) -> Iterator[Finding]:
    policy, day = state.versions[0].policy, at.astimezone(UTC).date()
    for each in state.people:
        for standing in training.of_person(policy, each.person_id, each.roles, state.completions, day):
            yield from _course(standing)


def _course(standing: Standing) -> Iterator[Finding]:
    facts = {"person": standing.person_id, "course": standing.course.name}
    if standing.state in ("missing", "lapsed"):
        yield Finding(COURSE_IS_MISSING, {**facts, "roles": ", ".join(standing.roles)})
    elif standing.state == "soon":
        yield Finding(COURSE_LAPSES_SOON, {**facts, "until": str(standing.until)})


def _keys(state: State, at: datetime) -> Iterator[Finding]:
    for key, ends in state.keys:
        if ends <= at + KEY_ENDS_SOON:
            yield Finding(CLIENT_KEY_ENDS, {"key": key, "ends": _day(ends)})


def _review(state: State, at: datetime) -> Iterator[Finding]:
    last = state.last_review.at if state.last_review else min((each.added_at for each in state.people), default=at)
    if last <= at - REVIEW_EVERY:
        yield Finding(ACCESS_REVIEW_IS_DUE, {"last": _day(last) if state.last_review else "–"})


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()
