"""The page of training: who may not approve for want of a course, who soon may not, and what is recorded."""

from datetime import date
from typing import Annotated, Final

from fastapi import Form, Path
from fastapi.responses import Response

from ringfence.authority import people, training
from ringfence.authority.policy import policies
from ringfence.authority.routes import session_of
from ringfence.authority.standing.pages import pages
from ringfence.authority.training.routes import read
from ringfence.web.visit import Signed

TONES: Final = {"current": "good", "soon": "watch", "lapsed": "bad", "missing": "bad"}
TRAINING_NOTICES: Final = ("completion_recorded", "completion_withdrawn")


@pages.get("/training")
def standing(visit: Signed) -> Response:
    found, known = read(visit)
    with visit.core.connection() as connection:
        staff = people.people(connection, visit.book)
        courses = sorted({name for each in policies(connection, visit.book) for name in each.policy.courses})
    return visit.page(
        "authority/training.html",
        standings=found,
        completions=known[::-1],
        courses=courses,
        people=[each for each in staff if each.active],
        tones=TONES,
        may_record=visit.person.has_role(*training.RECORDERS),
    )


@pages.post("/training/completions")
def record(
    visit: Signed,
    person: Annotated[str, Form(max_length=40)],
    course: Annotated[str, Form(max_length=40)],
    completed_on: Annotated[date, Form()],
) -> Response:
    training.record(visit.core, session_of(visit), person, course, completed_on)
    return visit.go("/training", said="completion_recorded")


@pages.post("/training/completions/{sequence}/withdrawal")
def withdraw(visit: Signed, sequence: Annotated[int, Path(ge=0, le=2**62)]) -> Response:
    training.withdraw(visit.core, session_of(visit), sequence)
    return visit.go("/training", said="completion_withdrawn")
