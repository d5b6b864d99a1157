"""One's own password: changed by whoever is signed in, and first of all by whoever got it from somebody else."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from ringfence.refusal import Fault, Refused
from ringfence.web.answers import status_of
from ringfence.web.visit import PASSWORD_PATH, Signed, session_token

pages = APIRouter()


@pages.get(PASSWORD_PATH)
def password_form(visit: Signed) -> Response:
    return visit.page("password.html", sentence=None)


@pages.post(PASSWORD_PATH)
def change_password(
    visit: Signed,
    old: Annotated[str, Form(max_length=1000)],
    new: Annotated[str, Form(max_length=1000)],
) -> Response:
    """The session goes on with the new password; what the rules say against it is shown beside the form."""
    try:
        visit.shell.door.change_password(session_token(visit.request, visit.shell), old, new)
    except Refused as no:
        if no.refusal.fault is Fault.MACHINE:
            raise
        visit.request.state.refused = no.name
        status, sentence = status_of(no.refusal), no.sentence(visit.language)
        return visit.page("password.html", status=status, sentence=sentence)
    return visit.go("/", said="password_changed")
