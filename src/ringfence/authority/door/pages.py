"""The page of one's own sessions, with the limits of the door."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Form
from fastapi.responses import Response

from ringfence.authority import door, sessions
from ringfence.authority.door import Limits
from ringfence.authority.door.routes import Seconds
from ringfence.authority.roles import Role
from ringfence.authority.routes import session_of
from ringfence.authority.standing.pages import pages
from ringfence.web.visit import Signed

DOOR_NOTICES: Final = ("limits_set",)
Minutes = Annotated[int, Form(ge=1, le=1000)]


@pages.get("/sessions")
def own_sessions(visit: Signed) -> Response:
    own = session_of(visit)
    with visit.core.connection() as connection:
        found = door.open_sessions(connection, visit.book, visit.now, own.person_id)
        limits = door.limits(connection, visit.book)
    return visit.page(
        "authority/sessions.html",
        sessions=found,
        own=own.session_id,
        limits=limits,
        administers=visit.person.has_role(Role.SECURITY_ADMIN),
    )


@pages.post("/sessions/{session_id}/end")
def end_own(visit: Signed, session_id: UUID) -> Response:
    sessions.revoke(visit.core, session_of(visit), session_id)
    return visit.go("/sessions", said="session_ended")


@pages.post("/door")
def set_limits(
    visit: Signed,
    idle_minutes: Minutes,
    session_minutes: Minutes,
    signature_seconds: Annotated[Seconds, Form()],
) -> Response:
    new = Limits(idle_minutes * 60, session_minutes * 60, signature_seconds)
    door.set_limits(visit.core, session_of(visit), new)
    return visit.go("/sessions", said="limits_set")
