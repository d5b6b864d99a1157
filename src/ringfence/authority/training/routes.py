"""Training over HTTP: who stands how with the courses that the roles require, and what is recorded of it."""

from datetime import UTC, date
from typing import Annotated

from fastapi import Body, Path
from pydantic import Field

from ringfence.authority import people, training
from ringfence.authority.policy import policy_in_force
from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE, PERSON_MUST_EXIST
from ringfence.authority.routes import FOR_PEOPLE, router, session_of
from ringfence.authority.training import Completion, Standing
from ringfence.authority.training.refusals import (
    COMPLETION_IS_OF_A_DAY_THAT_HAS_COME,
    COMPLETION_IS_RECORDED_BY_ANOTHER,
    COMPLETION_MUST_EXIST,
    COURSE_MUST_EXIST,
)
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, Visit


class StandingAnswer(Answer):
    """A person and a course that a role requires; `state`: current, soon (within 30 days), lapsed, missing."""

    person: str
    course: str
    roles: list[str]
    completed_on: date | None
    until: date | None = Field(description="The last day on which it is good.")
    state: str = Field(examples=["current"])


class CompletionAnswer(Answer):
    sequence: int = Field(description="The row of the journal that recorded it.")
    person: str
    course: str
    completed_on: date
    recorded_by: str
    withdrawn: int | None


class TrainingAnswer(Answer):
    people: list[StandingAnswer]
    completions: list[CompletionAnswer]


class NewCompletion(Answer):
    person: str = Field(max_length=32, examples=["grace"])
    course: str = Field(max_length=32, examples=["custody-essentials"])
    completed_on: date


def read(visit: Visit) -> tuple[list[Standing], list[Completion]]:
    """How everybody stands today, and what is recorded."""
    with visit.core.connection() as connection:
        policy = policy_in_force(connection, visit.book, visit.now).policy
        staff = people.people(connection, visit.book)
        known = training.completions(connection, visit.book)
    return training.standings(policy, staff, known, visit.now.astimezone(UTC).date()), known


@router.get(
    "/training",
    dependencies=FOR_PEOPLE,
    summary="Who stands how with the courses that roles require (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def standing(visit: Client) -> TrainingAnswer:
    found, known = read(visit)
    return TrainingAnswer(
        people=[
            StandingAnswer(
                person=each.person_id,
                course=each.course.name,
                roles=list(each.roles),
                completed_on=each.completion.completed_on if each.completion else None,
                until=each.until,
                state=each.state,
            )
            for each in found
        ],
        completions=[
            CompletionAnswer(
                sequence=each.recorded,
                person=each.person_id,
                course=each.course,
                completed_on=each.completed_on,
                recorded_by=each.recorded_by,
                withdrawn=each.withdrawn,
            )
            for each in known
        ],
    )


@router.post(
    "/training/completions",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Record that somebody else completed a course (security administrators and auditors)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        COMPLETION_IS_RECORDED_BY_ANOTHER,
        PERSON_MUST_EXIST,
        COURSE_MUST_EXIST,
        COMPLETION_IS_OF_A_DAY_THAT_HAS_COME,
    ),
)
def record(visit: Client, given: Annotated[NewCompletion, Body()]) -> None:
    training.record(visit.core, session_of(visit), given.person, given.course, given.completed_on)


@router.delete(
    "/training/completions/{sequence}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Withdraw a completion that was recorded at a row (security administrators and auditors)",
    responses=refuses(PERSON_LACKS_THE_ROLE, COMPLETION_MUST_EXIST),
)
def withdraw(visit: Client, sequence: Annotated[int, Path(ge=0, le=2**62)]) -> None:
    training.withdraw(visit.core, session_of(visit), sequence)
