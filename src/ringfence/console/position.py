"""Today's position on one page: the panels of all domains, read anew every few seconds.

Each panel is read by itself: one that is refused says so in its place, one that fails shows its incident's number, and
the others stand.
"""

from typing import Final

import structlog
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from ringfence.refusal import Refused
from ringfence.web import refusals
from ringfence.web.shell import Panel
from ringfence.web.visit import Signed, Visit

REFRESH_SECONDS: Final = 5

pages = APIRouter()


@pages.get("/")
def position(visit: Signed) -> Response:
    return visit.page("position.html", panels=_panels(visit), refresh_seconds=REFRESH_SECONDS)


@pages.get("/position/panels")
def panels(visit: Signed) -> Response:
    """The panels alone, for the page to put in place of those it shows."""
    return HTMLResponse(visit.fragment("panels.html", panels=_panels(visit)))


def _panels(visit: Visit) -> list[tuple[Panel, Markup]]:
    return [(panel, _read(visit, panel)) for panel in visit.shell.panels]


def _read(visit: Visit, panel: Panel) -> Markup:
    try:
        # What a template escaped is safe to put into a template.
        return Markup(visit.fragment(panel.template, **panel.facts(visit)))  # noqa: S704
    except Refused as no:
        return Markup(visit.fragment("panel_refused.html", sentence=no.sentence(visit.language)))  # noqa: S704
    except Exception:  # noqa: BLE001 - one panel's defect is recorded and does not take the page with it
        incident = visit.core.new_id()
        structlog.get_logger("http").exception("incident", incident=str(incident), panel=panel.name)
        sentence = refusals.PROGRAM_FAILED(incident=incident).sentence(visit.language)
        return Markup(visit.fragment("panel_refused.html", sentence=sentence))  # noqa: S704
