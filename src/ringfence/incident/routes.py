"""The brake and the indicators over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import Field

from ringfence.authority.actors import Session
from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE
from ringfence.incident import brake
from ringfence.incident.indicators import Figures, Indicator, evaluate, turns_of
from ringfence.incident.refusals import BRAKE_IS_NOT_PULLED, REASON_IS_MISSING
from ringfence.incident.thresholds import Thresholds
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, Visit, scoped

router = APIRouter()
READ = [scoped("position:read")]


@dataclass(frozen=True)
class Lookout:
    """What the indicators are read from: whoever knows the whole book gives `figures`."""

    figures: Callable[[], Figures]
    thresholds: Thresholds


class BrakeAnswer(Answer):
    """While it is pulled, no payout leaves the gateway."""

    pulled: bool
    since: datetime | None
    by: str
    reason: str
    sequence: int | None = Field(description="The row of the journal that says so; none if it was never pulled.")


class Reason(Answer):
    reason: str = Field(min_length=1, max_length=brake.REASON_CHARACTERS_MAX)


class ReleaseProposed(Answer):
    proposal: UUID


class IndicatorAnswer(Answer):
    name: str
    title: str
    level: str = Field(examples=["green"], pattern="^(green|amber|red)$")
    value: int | None = Field(description="Absent: nobody can say.")
    unit: str
    shown: str = Field(examples=["100.00 %"])
    since: datetime
    pulls_the_brake: bool


class IndicatorList(Answer):
    indicators: list[IndicatorAnswer]


@router.get("/brake", dependencies=READ, summary="Is the brake pulled?", responses=refuses())
def state(visit: Client) -> BrakeAnswer:
    with visit.core.connection() as connection:
        return _answer(brake.brake_state(connection, visit.book))


@router.post(
    "/brake/pulls",
    summary="Stop every payout at once (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, REASON_IS_MISSING),
)
def pull(visit: Client, given: Annotated[Reason, Body()]) -> BrakeAnswer:
    return _answer(brake.pull(visit.core, session_of(visit), given.reason))


@router.post(
    "/brake/releases",
    summary="Propose to release the brake; two others approve (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, REASON_IS_MISSING, BRAKE_IS_NOT_PULLED),
)
def propose_release(visit: Client, given: Annotated[Reason, Body()]) -> ReleaseProposed:
    drafted = brake.propose_release(visit.core, session_of(visit), given.reason)
    return ReleaseProposed(proposal=drafted.proposal_id)


@router.get("/indicators", dependencies=READ, summary="Green, amber and red", responses=refuses())
def indicators(visit: Client) -> IndicatorList:
    return IndicatorList(
        indicators=[
            IndicatorAnswer(
                name=each.name,
                title=each.title(visit.language),
                level=each.level.value,
                value=each.value,
                unit=each.unit,
                shown=each.shown(visit.language),
                since=each.since,
                pulls_the_brake=each.pulls,
            )
            for each in look(visit)
        ]
    )


def look(visit: Visit) -> tuple[Indicator, ...]:
    """The indicators as they stand now."""
    lookout = visit.desk(Lookout)
    figures = lookout.figures()
    with visit.core.connection() as connection:
        return evaluate(figures, lookout.thresholds, turns_of(connection, visit.book))


def session_of(visit: Visit) -> Session:
    """The session of a person; a program pulls no brake."""
    actor = visit.person.actor
    if not isinstance(actor, Session):
        raise PERSON_LACKS_THE_ROLE()
    return actor


def _answer(found: brake.Brake) -> BrakeAnswer:
    return BrakeAnswer(
        pulled=found.pulled,
        since=found.since,
        by=found.by,
        reason=found.reason,
        sequence=found.sequence if found.sequence >= 0 else None,
    )
