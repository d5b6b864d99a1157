"""Incident's pages: the brake with its button, the indicators in words, and the history of both."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import Response

from ringfence.authority import proposals
from ringfence.incident import brake
from ringfence.incident.routes import Lookout, look, router, session_of
from ringfence.incident.thresholds import Level
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.web.fields import PAGE_ROWS
from ringfence.web.shell import Entry, Module, Panel, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

LEVEL_TONES: Final = {Level.GREEN: "good", Level.AMBER: "watch", Level.RED: "bad"}
Reason = Annotated[str, Form(max_length=brake.REASON_CHARACTERS_MAX)]

pages = APIRouter()


@pages.get("/brake")
def history(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        told = brake.brake_history(connection, visit.book)
        alarms = list(reading.events(connection, visit.book, EventName.ALARM_RAISED))[-PAGE_ROWS:][::-1]
    return visit.page("incident/brake.html", history=told, alarms=alarms, **_brake(visit), **_indicators(visit))


@pages.post("/brake/pull")
def pull(visit: Signed, reason: Reason = "") -> Response:
    brake.pull(visit.core, session_of(visit), reason)
    return visit.go("/brake", said="brake_pulled")


@pages.post("/brake/release")
def propose_release(visit: Signed, reason: Reason = "") -> Response:
    drafted = brake.propose_release(visit.core, session_of(visit), reason)
    return visit.go(f"/approvals/{drafted.proposal_id}", said="release_proposed")


def _brake(visit: Visit) -> dict[str, Any]:
    with visit.core.connection() as connection:
        state = brake.brake_state(connection, visit.book)
        waiting = proposals.pending(connection, visit.book, visit.now, brake.ACT)
    return {
        "brake": state,
        "releases": [each for each in waiting if each.made > state.last_pull] if state.pulled else [],
        "may_pull": visit.person.has_role(*brake.MAY_PULL),
        "reason_max": brake.REASON_CHARACTERS_MAX,
    }


def _indicators(visit: Visit) -> dict[str, Any]:
    known = Lookout in visit.shell.desks
    return {"indicators": look(visit) if known else (), "tones": LEVEL_TONES}


def _release(visit: Visit, proposal_id: UUID) -> None:
    if proposals.is_complete(visit.core, proposal_id):
        brake.release(visit.core, proposal_id)


MODULE: Final = Module(
    package="incident",
    router=router,
    pages=pages,
    panels=[
        Panel("brake", msg("Brake"), 20, "incident/brake_panel.html", _brake, "third"),
        Panel("indicators", msg("Indicators"), 30, "incident/indicators_panel.html", _indicators, "two-thirds"),
    ],
    entries=[Entry("/brake", msg("Brake"), Part.TODAY, 100)],
    carries_out={brake.ACT: _release},
    words={
        "level": [level.value for level in Level],
        "notice": ["brake_pulled", "release_proposed"],
        "fact": ["pulled", "pulled_because", "reason"],
    },
)
