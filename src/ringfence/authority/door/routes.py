"""Sessions and the limits of the door over HTTP: one's own sessions, and for those who watch, everybody's."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Body
from pydantic import Field

from ringfence.authority import door, sessions
from ringfence.authority.door import DOOR_LIMITS_ARE_WITHIN_BOUNDS, Limits
from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE, SESSION_IS_NOT_VALID, SESSION_MUST_EXIST
from ringfence.authority.routes import FOR_PEOPLE, WATCHES, router, session_of
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client

Seconds = Annotated[int, Field(ge=1, le=100_000)]


class SessionAnswer(Answer):
    id: UUID
    person: str
    opened_at: datetime
    seen_at: datetime
    ends_at: datetime
    current: bool = Field(description="The session of this request.")


class SessionList(Answer):
    sessions: list[SessionAnswer]


class LimitsAnswer(Answer):
    """Seconds: without a request, in all, and the age of a signed request."""

    idle_seconds: Seconds
    session_seconds: Seconds
    signature_seconds: Seconds


@router.get(
    "/sessions",
    dependencies=FOR_PEOPLE,
    summary="Open sessions: one's own; for auditors and administrators everybody's",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def list_sessions(visit: Client) -> SessionList:
    own = session_of(visit)
    whose = None if visit.person.has_role(*WATCHES) else own.person_id
    with visit.core.connection() as connection:
        found = door.open_sessions(connection, visit.book, visit.now, whose)
    return SessionList(
        sessions=[
            SessionAnswer(
                id=each.session_id,
                person=each.person_id,
                opened_at=each.opened_at,
                seen_at=each.seen_at,
                ends_at=each.ends_at,
                current=each.session_id == own.session_id,
            )
            for each in found
        ]
    )


@router.delete(
    "/sessions/{id}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="End a session: one's own; as security administrator anybody's",
    responses=refuses(PERSON_LACKS_THE_ROLE, SESSION_IS_NOT_VALID, SESSION_MUST_EXIST),
)
def end_session(visit: Client, id: UUID) -> None:  # noqa: A002 - the API's word
    sessions.revoke(visit.core, session_of(visit), id)


@router.get(
    "/door",
    dependencies=FOR_PEOPLE,
    summary="How long sessions and signed requests last (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def limits(visit: Client) -> LimitsAnswer:
    with visit.core.connection() as connection:
        found = door.limits(connection, visit.book)
    return LimitsAnswer(
        idle_seconds=found.idle_seconds,
        session_seconds=found.session_seconds,
        signature_seconds=found.signature_seconds,
    )


@router.put(
    "/door",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Set how long sessions and signed requests last (security administrators only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, DOOR_LIMITS_ARE_WITHIN_BOUNDS),
)
def set_limits(visit: Client, given: Annotated[LimitsAnswer, Body()]) -> None:
    new = Limits(given.idle_seconds, given.session_seconds, given.signature_seconds)
    door.set_limits(visit.core, session_of(visit), new)
