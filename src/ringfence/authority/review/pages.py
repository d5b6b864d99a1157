"""The panel of findings on the page of people, and the button by which somebody says to have reviewed them."""

from typing import Any, Final

from fastapi.responses import Response

from ringfence.authority import review
from ringfence.authority.review.routes import read
from ringfence.authority.routes import session_of
from ringfence.authority.standing.pages import pages
from ringfence.authority.training import RECORDERS
from ringfence.web.visit import Signed, Visit

REVIEW_NOTICES: Final = ("access_reviewed",)


def panel(visit: Visit) -> dict[str, Any]:
    """What the panel shows to those who watch over people."""
    found, _, reviews = read(visit)
    return {
        "findings": [(each.rule.name, each.sentence(visit.language)) for each in found],
        "reviews": reviews,
        "may_review": visit.person.has_role(*RECORDERS),
    }


@pages.post("/access/reviews")
def record(visit: Signed) -> Response:
    review.record(visit.core, session_of(visit))
    return visit.go("/people", said="access_reviewed")
