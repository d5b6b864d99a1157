"""The page of notifications, and the line on every page while one is unread."""

from typing import Annotated, Final

from fastapi import Form
from fastapi.responses import Response

from ringfence.authority import notifications
from ringfence.authority.actors import Session
from ringfence.authority.notifications.routes import own
from ringfence.authority.routes import session_of
from ringfence.authority.standing.pages import pages
from ringfence.web.visit import Signed, Visit

NOTIFICATION_NOTICES: Final = ("notifications_read",)


@pages.get("/notifications")
def own_notifications(visit: Signed) -> Response:
    found = own(visit)
    return visit.page(
        "authority/notifications.html",
        notifications=found,
        unread=sum(each.read_at is None for each in found),
        latest=found[0].number if found else 0,
    )


@pages.post("/notifications")
def read(visit: Signed, up_to: Annotated[int, Form(ge=0, le=2**62)]) -> Response:
    notifications.read(visit.core, session_of(visit), up_to)
    return visit.go("/notifications", said="notifications_read")


def unread(visit: Visit) -> int:
    """How many the person has not read yet."""
    return sum(each.read_at is None for each in own(visit)) if isinstance(visit.person.actor, Session) else 0
