"""Training: a role may require a course, and who has not completed it, or not for too long, does not approve by it.

Which courses there are, for how many months a completion is good and which roles require it, is the table `courses` of
the policy; a book whose policy has none requires none. Completions are recorded by a security administrator or an
auditor, never one's own, and stand in the journal. After the last day the right to approve is suspended: in the
database, when a decision is recorded, and by `verification` for the gateway, which asks whether it was current at the
time of each approval. To reject, and to propose, needs no course.

>>> last_day(date(2026, 3, 2), 12)
datetime.date(2027, 3, 2)
>>> last_day(date(2028, 2, 29), 12)
datetime.date(2029, 2, 28)
"""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from psycopg.rows import class_row

from ringfence.authority.actors import Session
from ringfence.authority.people import Person
from ringfence.authority.policy import Course, Policy
from ringfence.authority.roles import Role
from ringfence.authority.training.refusals import COMPLETION_IS_RECORDED_BY_ANOTHER, COMPLETION_MUST_EXIST
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line

RECORDERS: Final = (Role.SECURITY_ADMIN, Role.AUDITOR)
SOON: Final = timedelta(days=30)


class _Queries(NamedQueries):
    completions: Query
    record_completion: Query
    withdraw_completion: Query
    course_events: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/training.sql")


@dataclass(frozen=True)
class Completion:
    """Somebody completed a course on a day; recorded at a row of the journal, and perhaps withdrawn at another."""

    person_id: str
    course: str
    completed_on: date
    recorded_by: str
    recorded: int
    withdrawn: int | None

    def stands_at(self, sequence: int) -> bool:
        return self.recorded <= sequence and (self.withdrawn is None or sequence < self.withdrawn)


@dataclass(frozen=True)
class Standing:
    """How a person stands with a course that a role of his requires; `until` is the last day, None if he never did it.

    `state` is current, soon (lapses within 30 days), lapsed or missing.
    """

    person_id: str
    course: Course
    roles: tuple[str, ...]
    completion: Completion | None
    until: date | None
    state: str


def record(core: Core, session: Session, person_id: str, course: str, completed_on: date) -> None:
    """Record that somebody completed a course. Refused in this order: `person_lacks_the_role`,
    `completion_is_recorded_by_another`, `person_must_exist`, `course_must_exist`,
    `completion_is_of_a_day_that_has_come`.
    """
    session.require_role(*RECORDERS)
    if person_id == session.person_id:
        raise COMPLETION_IS_RECORDED_BY_ANOTHER()
    said = {
        "person": person_id,
        "course": course,
        "completed_on": completed_on.isoformat(),
        "by": session.person_id,
    }
    row = {"person": person_id, "course": course, "completed_on": completed_on}
    _post(core, session, EventName.COURSE_COMPLETED, said, QUERIES.record_completion, row)


def withdraw(core: Core, session: Session, recorded: int) -> None:
    """Take back a completion that was recorded at this row; `person_lacks_the_role`, `completion_must_exist`."""
    session.require_role(*RECORDERS)
    with core.connection() as connection:
        found = [each for each in completions(connection, core.book.book_id) if each.recorded == recorded]
    if not found or found[0].withdrawn is not None:
        raise COMPLETION_MUST_EXIST()
    said = {
        "person": found[0].person_id,
        "course": found[0].course,
        "completion": recorded,
        "by": session.person_id,
    }
    _post(core, session, EventName.COMPLETION_WITHDRAWN, said, QUERIES.withdraw_completion, {"recorded": recorded})


def completions(connection: Connection, book: int, persons: Sequence[str] | None = None) -> list[Completion]:
    """Completions of these people, or of all, in the order in which they were recorded, also withdrawn ones."""
    with connection.cursor(row_factory=class_row(Completion)) as cursor:
        asked = {"book": book, "persons": None if persons is None else list(persons)}
        return cursor.execute(QUERIES.completions, asked).fetchall()


def last_day(completed_on: date, months: int) -> date:
    """The last day on which a completion is good; as PostgreSQL adds months."""
    years, month = divmod(completed_on.month - 1 + months, 12)
    year = completed_on.year + years
    return date(year, month + 1, min(completed_on.day, calendar.monthrange(year, month + 1)[1]))


def suspended_roles(policy: Policy, standing: Iterable[Completion], person_id: str, day: date) -> frozenset[str]:
    """The roles by which a person may not approve on a day, of the completions that stand; the database's function of
    the same name gives the same.
    """
    good = {
        each.course
        for each in standing
        if each.person_id == person_id
        and each.course in policy.courses
        and each.completed_on <= day <= last_day(each.completed_on, policy.courses[each.course].months)
    }
    return frozenset(role for name, course in policy.courses.items() if name not in good for role in course.roles)


def standings(policy: Policy, people: Iterable[Person], known: Sequence[Completion], day: date) -> list[Standing]:
    """How every active person stands with each course that a role of his requires, the most pressing first."""
    found = [
        standing
        for person in people
        if person.active
        for standing in of_person(policy, person.person_id, person.roles, known, day)
    ]
    return sorted(found, key=lambda each: (each.until or date.min, each.person_id, each.course.name))


def of_person(
    policy: Policy, person_id: str, roles: Sequence[str], known: Sequence[Completion], day: date
) -> list[Standing]:
    """How one person stands with each course that one of these roles requires."""
    own = [each for each in known if each.person_id == person_id and each.withdrawn is None]
    return [
        _standing(person_id, tuple(role for role in roles if role in course.roles), course, own, day)
        for course in policy.courses.values()
        if set(course.roles) & set(roles)
    ]


def _standing(person_id: str, roles: tuple[str, ...], course: Course, own: Iterable[Completion], day: date) -> Standing:
    done = [each for each in own if each.course == course.name]
    last = max(done, key=lambda each: (each.completed_on, each.recorded), default=None)
    until = last_day(last.completed_on, course.months) if last else None
    if until is None:
        state = "missing"
    elif until < day:
        state = "lapsed"
    else:
        state = "soon" if until < day + SOON else "current"
    return Standing(person_id, course, roles, last, until, state)


def _post(
    core: Core, session: Session, name: EventName, said: Mapping[str, Any], query: Query, row: Mapping[str, Any]
) -> None:
    event = core.new_id()
    common = {"book": core.book.book_id, "event": event, "token_sha256": session.token_sha256}
    core.post(Unit([Line(Kind.EVENT, event, code=name, payload=said)], also=[(query, {**common, **row})]))
