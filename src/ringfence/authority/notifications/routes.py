"""Notifications over HTTP: one's own, and that they have been read."""

from datetime import datetime
from typing import Annotated

from fastapi import Body
from pydantic import Field

from ringfence.authority import notifications
from ringfence.authority.notifications import Notification
from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE
from ringfence.authority.routes import FOR_PEOPLE, router, session_of
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, Visit


class NotificationAnswer(Answer):
    number: int
    what: str = Field(examples=["password_changed"])
    at: datetime
    read_at: datetime | None
    sent_at: datetime | None
    sequence: int | None = Field(description="The row of the journal that says it, if one does.")


class NotificationList(Answer):
    notifications: list[NotificationAnswer]


class ReadUpTo(Answer):
    number: int = Field(ge=0, le=2**62)


def own(visit: Visit) -> list[Notification]:
    """Those of the person who is here, the latest first."""
    with visit.core.connection() as connection:
        return notifications.of_session(connection, visit.book, session_of(visit), visit.now)


@router.get(
    "/notifications",
    dependencies=FOR_PEOPLE,
    summary="What one is told about one's means to sign in, the latest first (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def list_notifications(visit: Client) -> NotificationList:
    return NotificationList(
        notifications=[
            NotificationAnswer(
                number=each.number,
                what=each.what,
                at=each.happened_at,
                read_at=each.read_at,
                sent_at=each.sent_at,
                sequence=each.sequence,
            )
            for each in own(visit)
        ]
    )


@router.post(
    "/notifications/read",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="They have been read up to this number (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def read(visit: Client, given: Annotated[ReadUpTo, Body()]) -> None:
    notifications.read(visit.core, session_of(visit), given.number)
