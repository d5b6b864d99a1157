"""In, out, and the language: the pages that somebody who is not signed in may reach.

Who comes back from another place comes by its link, and the browser then sends none of our cookies (SameSite=Strict).
So the first answer is a page of ours that loads itself once more; that time they are sent.
"""

from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ringfence.refusal import Fault, Refused
from ringfence.web import refusals
from ringfence.web.answers import status_of
from ringfence.web.shell import LANGUAGE_COOKIE
from ringfence.web.visit import Anybody, Visit, address_of, local_path, session_token, set_cookie

Raw = Annotated[str, Form(max_length=32_000)]
Place = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,31}$")]
Said = Annotated[str, Query(max_length=4000)]
YEAR_SECONDS: Final = 365 * 24 * 3600
WAY_SECONDS: Final = 600
_ANSWERED_BY_THE_FORM: Final = (Fault.IDENTITY, Fault.PERMISSION, Fault.UNKNOWN, Fault.STATE, Fault.INPUT)

pages = APIRouter()


@pages.get("/sign-in")
def sign_in_form(visit: Anybody, back: str = "/") -> Response:
    if visit.caller:
        return visit.go(local_path(back))
    return _form(visit, back)


@pages.post("/sign-in")
def sign_in(
    visit: Anybody,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    code: Annotated[str, Form(max_length=10)] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """The token of a new session goes into a cookie; the one before it, if any, is ended."""
    return _entered(visit, lambda address: visit.shell.door.sign_in(name.strip(), password, code, address), back, name)


@pages.post("/sign-in/passkey")
def sign_in_by_passkey(
    visit: Anybody,
    credential: Raw,
    client_data: Raw,
    authenticator_data: Raw,
    signature: Raw,
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """The same by what a device said."""
    said = {
        "credential": credential,
        "client_data": client_data,
        "authenticator_data": authenticator_data,
        "signature": signature,
    }
    return _entered(visit, lambda address: visit.shell.door.sign_in_by_passkey(visit.origin, said, address), back, "")


def _entered(visit: Visit, enter: Callable[[str | None], str], back: str, name: str) -> Response:
    try:
        token = enter(address_of(visit.request))
    except Refused as no:
        if no.refusal.fault not in _ANSWERED_BY_THE_FORM:
            raise
        visit.request.state.refused = no.name
        return _form(visit, back, name=name, sentence=no.sentence(visit.language), status=status_of(no.refusal))
    return _inside(visit, token, local_path(back))


def _inside(visit: Visit, token: str, path: str) -> Response:
    before = session_token(visit.request, visit.shell)
    if before:
        visit.shell.door.sign_out(before)
    answer = visit.go(path)
    set_cookie(visit.shell, answer, visit.shell.session_cookie, token)
    return answer


@pages.get("/sign-in/with/{provider}")
def set_out(visit: Anybody, provider: Place, back: Said = "/") -> Response:
    """To another place to sign in there. Nothing is changed here by setting out."""
    try:
        out = visit.shell.door.set_out(provider, visit.origin, local_path(back))
    except Refused as no:
        return _declined(visit, no, back)
    answer = RedirectResponse(out.url, status_code=303)
    set_cookie(visit.shell, answer, visit.shell.way_cookie, out.kept, seconds=WAY_SECONDS)
    return answer


@pages.get("/sign-in/return/{provider}")
def come_back(
    visit: Anybody,
    provider: Place,
    state: Said = "",
    code: Said = "",
    iss: Annotated[str | None, Query(max_length=4000)] = None,
    error: Said = "",
    again: Annotated[str, Query(max_length=1)] = "",
) -> Response:
    """Back from there. What the browser kept counts once."""
    kept = visit.request.cookies.get(visit.shell.way_cookie, "")
    said = {"state": state, "code": code, "error": error} | ({} if iss is None else {"iss": iss})
    if not kept and not again:
        # Without a cookie for forms: the browser has one, and only did not send it.
        onward = f"{visit.request.url.path}?{urlencode(said | {'again': '1'})}"
        return HTMLResponse(visit.fragment("come_back.html", onward=onward))
    try:
        token = session_token(visit.request, visit.shell)
        back = visit.shell.door.come_back(provider, visit.origin, kept, said, address_of(visit.request), token)
    except Refused as no:
        answer = _declined(visit, no, "/")
    else:
        path = local_path(back.path)
        answer = _inside(visit, back.token, path) if back.token else visit.go(path, said=back.said)
    answer.delete_cookie(visit.shell.way_cookie, path="/", secure=visit.shell.secure, httponly=True, samesite="strict")
    return answer


def _declined(visit: Visit, no: Refused, back: str) -> Response:
    """Somebody who is signed in is told so; everybody else beside the form, which is another way in."""
    if visit.caller:
        raise no
    visit.request.state.refused = no.name
    return _form(visit, back, sentence=no.sentence(visit.language), status=status_of(no.refusal))


def _form(visit: Visit, back: str, *, name: str = "", sentence: str | None = None, status: int = 200) -> Response:
    question = visit.shell.door.passkey_question(visit.origin)
    return visit.page(
        "sign_in.html",
        status=status,
        back=local_path(back),
        name=name,
        sentence=sentence,
        question=question,
        elsewhere=visit.shell.door.elsewhere(visit.language),
    )


@pages.post("/sign-out")
def sign_out(visit: Anybody) -> Response:
    token = session_token(visit.request, visit.shell)
    if token:
        visit.shell.door.sign_out(token)
    answer = visit.go("/sign-in")
    for cookie in (visit.shell.session_cookie, visit.shell.form_cookie):
        answer.delete_cookie(cookie, path="/", secure=visit.shell.secure, httponly=True, samesite="strict")
    return answer


@pages.post("/language")
def choose_language(
    visit: Anybody, language: Annotated[str, Form(max_length=8)], back: Annotated[str, Form(max_length=2000)] = "/"
) -> Response:
    if language not in visit.shell.languages:
        raise refusals.REQUEST_IS_MALFORMED(detail="language")
    answer = visit.go(local_path(back))
    set_cookie(visit.shell, answer, LANGUAGE_COOKIE, language, seconds=YEAR_SECONDS)
    return answer
