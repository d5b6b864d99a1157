"""Safeguarding's pages: the verdict of the position page, the history of days, one day's test in full."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response

from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.safeguarding.assessment import history, last_test, told
from ringfence.safeguarding.position import CurrencyPosition, Position
from ringfence.safeguarding.routes import position_now, router
from ringfence.web import chart
from ringfence.web.fields import PAGE_ROWS
from ringfence.web.shell import Entry, Module, Panel, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

COURSE_ROWS_MAX: Final = 50_000  # rows of the journal that the day's line is drawn from
DAYS_DRAWN: Final = 60

pages = APIRouter()


@pages.get("/safeguarding")
def days(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        tests = history(connection, visit.book, limit=PAGE_ROWS)
    by_currency: dict[str, list[Any]] = {}
    for each in reversed(tests):
        by_currency.setdefault(each.currency, []).append(each)
    drawn = {}
    for unit, found in by_currency.items():
        last_of_day = list({each.day: each for each in found}.values())[-DAYS_DRAWN:]
        required = [(float(each.day.toordinal()), each.requirement) for each in last_of_day]
        there = [(float(each.day.toordinal()), each.resource) for each in last_of_day]
        frame = chart.frame(required, there)
        drawn[unit] = (frame.steps(required), frame.steps(there), frame.area(there), len(last_of_day))
    return visit.page("safeguarding/days.html", tests=tests, drawn=drawn, **_verdict(visit))


@pages.get("/safeguarding/{day}/{currency}")
def one_day(visit: Signed, day: date, currency: Annotated[str, Path(pattern="^[A-Z]{3}$")]) -> Response:
    with visit.core.connection() as connection:
        test = last_test(connection, visit.book, day, currency)
        said = told(connection, visit.book, test)
    return visit.page("safeguarding/day.html", test=test, told=said)


def _verdict(visit: Visit) -> dict[str, Any]:
    position = position_now(visit)
    with visit.core.connection() as connection:
        opened = [each.sequence for each in reading.events(connection, visit.book, EventName.DAY_OPENED)]
        head = reading.book_named(connection, visit.core.book.name).head
        first = max(opened[-1] if opened else 0, head - COURSE_ROWS_MAX)
        courses = {
            each.currency: _course(
                each, reading.pool_course(connection, visit.book, "client", each.currency, first=first, last=head)
            )
            for each in position.currencies
        }
    return {"position": position, "courses": courses, "verdict": _word(position), "late": _late(visit, position)}


def _course(now: CurrencyPosition, changes: list[reading.Change]) -> dict[str, Any] | None:
    """What was owed in the course of the day, back from what is owed now; None before anything moved."""
    if len(changes) < 2:
        return None
    owed, points = now.requirement, [(changes[-1].at.timestamp(), now.requirement)]
    for later, earlier in zip(changes[::-1], changes[-2::-1], strict=False):
        owed -= later.owed
        points.append((earlier.at.timestamp(), owed))
    points.reverse()
    frame = chart.frame(points, height=60)
    return {"line": frame.steps(points), "area": frame.area(points), "first": changes[0].at, "last": changes[-1].at}


def _late(visit: Visit, position: Position) -> int:
    return sum(each.is_late(visit.now) for each in position.statements)


def _word(position: Position) -> str:
    if not position.currencies:
        return "nothing"
    return "missing" if any(each.shortfall for each in position.currencies) else "there"


MODULE: Final = Module(
    package="safeguarding",
    router=router,
    pages=pages,
    panels=[Panel("safeguarding", msg("Is all of it there?"), 10, "safeguarding/panel.html", _verdict, "whole")],
    entries=[Entry("/safeguarding", msg("Safeguarding"), Part.BANK, 60)],
    words={"in transit": ["announced", "paid", "named"]},
)
