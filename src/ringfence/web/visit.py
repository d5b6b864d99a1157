"""One request: who asks, in which language, and how it is answered.

A page takes `visit: Signed` (somebody is signed in) or `visit: Anybody`; an endpoint of the API takes `caller: Client`.

A form's token is HMAC-SHA-256, under the random value of a cookie that only this host sets, over the session's token;
so a form of another session, of another browser or of nobody is refused, and nothing is stored for it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ringfence.core import Core
from ringfence.refusal import Refused
from ringfence.web import refusals
from ringfence.web.shell import LANGUAGE_COOKIE, Caller, Entry, Part, Shell
from ringfence.web.signature import Claim, Incoming, claim_of, is_signed
from ringfence.web.words import LANGUAGES, Language, preferred

SAFE_METHODS: Final = ("GET", "HEAD")
PASSWORD_PATH: Final = "/password"  # noqa: S105 - an address
FORM_FIELD: Final = "form_token"
HOME_OF_CUSTOMERS: Final = "/my"
OWN_PATHS: Final = ("/my", "/api/v1/my")
SHARED_PATHS: Final = (PASSWORD_PATH, "/passkeys", "/code-device", "/sessions", "/api/v1/passkeys", "/api/v1/sessions")


AnyDesk = TypeVar("AnyDesk")


@dataclass(frozen=True)
class Visit:
    """A request of a caller (None: nobody is signed in)."""

    request: Request
    shell: Shell
    caller: Caller | None
    language: Language

    @property
    def core(self) -> Core:
        return self.shell.core

    @property
    def book(self) -> int:
        return self.shell.core.book.book_id

    @property
    def now(self) -> datetime:
        return self.shell.core.clock()

    @property
    def person(self) -> Caller:
        """The caller, where there must be one."""
        if self.caller is None:
            raise refusals.NOBODY_IS_SIGNED_IN()
        return self.caller

    @property
    def origin(self) -> str:
        """The address that this page has in the reader's browser, as browsers write it: scheme, host, perhaps a port.
        The host is one that this program answers for.
        """
        return f"{'https' if self.shell.secure else 'http'}://{self.request.headers.get('host', '').lower()}"

    def desk(self, kind: type[AnyDesk]) -> AnyDesk:
        """What a domain holds while the core runs, by its type."""
        found: AnyDesk = self.shell.desks[kind]
        return found

    def say(self, text: str, **facts: Any) -> str:
        return self.shell.templates.say(self.language, text, **facts)

    def word(self, context: str, name: str) -> str:
        return self.shell.templates.word(self.language, context, name)

    def fragment(self, template: str, **facts: Any) -> str:
        """HTML of a template with the names every template knows."""
        common = self._common()
        if taken := common.keys() & facts.keys():
            raise ValueError(f"{template}: {sorted(taken)} mean something else in every template")
        return self.shell.templates.render(self.language, template, {**common, **facts})

    def page(self, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
        """A whole page; it carries the cookie its forms rest on, if the browser has none yet."""
        response = HTMLResponse(self.fragment(template, **facts), status_code=status)
        if self.shell.form_cookie not in self.request.cookies:
            set_cookie(self.shell, response, self.shell.form_cookie, self._form_secret)
        return response

    def go(self, path: str, said: str | None = None, **query: Any) -> RedirectResponse:
        """On to another page of ours (303), which shows the notice `said`."""
        asked = {name: value for name, value in (query | {"said": said}).items() if value is not None}
        return RedirectResponse(f"{path}?{urlencode(asked)}" if asked else path, status_code=303)

    @property
    def form_token(self) -> str:
        return form_token(self._form_secret, session_token(self.request, self.shell))

    @property
    def _form_secret(self) -> str:
        """The cookie's value; on a first visit a new one, the same for the whole request."""
        state = self.request.state
        if not hasattr(state, "form_secret"):
            state.form_secret = self.request.cookies.get(self.shell.form_cookie) or secrets.token_urlsafe(32)
        return str(state.form_secret)

    def badge(self, entry: Entry) -> int:
        """How many wait behind an entry of the navigation; none when that cannot be read now."""
        try:
            return entry.badge(self) if entry.badge else 0
        except Refused:
            return 0

    def _navigation(self, caller: Caller) -> list[tuple[Part, list[Entry]]]:
        """The parts of the navigation that are the caller's, each with its entries."""
        seen = [each for each in self.shell.entries if (each.part is Part.OWN) == caller.is_customer]
        return [(part, of_it) for part in Part if (of_it := [each for each in seen if each.part is part])]

    def _common(self) -> Mapping[str, Any]:
        said = self.request.query_params.get("said")
        return {
            "visit": self,
            "caller": self.caller,
            "book": self.shell.core.book,
            "now": self.now,
            "path": self.request.url.path,
            "here": here(self.request),
            "static": self.shell.static,
            "form_field": FORM_FIELD,
            "notice": said if said in self.shell.notices else None,
            "navigation": self._navigation(self.caller) if self.caller else (),
        }


def shell_of(request: Request) -> Shell:
    shell: Shell = request.app.state.shell
    return shell


def language_of(request: Request) -> Language:
    """The cookie's language on pages, else what Accept-Language asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    for language in LANGUAGES:
        if language == chosen and not is_api(request):
            return language
    return preferred(request.headers.get("accept-language", ""))


def here(request: Request) -> str:
    """The address of a page, to come back to; a notice is not shown twice."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "said"]
    return request.url.path + (f"?{urlencode(query)}" if query else "")


def is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")


def session_token(request: Request, shell: Shell) -> str:
    return request.cookies.get(shell.session_cookie, "")


def bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def signed_claim(request: Request) -> Claim | None:
    """What a request with a signature says of itself, as `web.signature` reads it; None if it has none.

    The method and the body are those that the guard saw: a question for the head alone is one for the whole to us.
    """
    if not is_signed(request.headers):
        return None
    shell, scope = shell_of(request), request.scope
    incoming = Incoming(
        method=request.state.method,
        scheme="https" if shell.secure else scope["scheme"],
        authority=request.headers.get("host", ""),
        path=scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=request.state.body,
    )
    return claim_of(incoming)


def address_of(request: Request) -> str | None:
    """Where a request comes from: behind a proxy of this machine, what the proxy says (X-Forwarded-For)."""
    return request.client.host if request.client else None


def form_token(secret: str, session: str) -> str:
    return hmac.new(secret.encode(), b"ringfence/form/v1\0" + session.encode(), hashlib.sha256).hexdigest()


def set_cookie(shell: Shell, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """For this host only, not for scripts, and never sent from another site."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=shell.secure, httponly=True, samesite="strict")


def local_path(text: str | None, otherwise: str = "/") -> str:
    """A path of ours, from a field that anybody may have written."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or any(ord(c) < 32 for c in text):
        return otherwise
    parts = urlsplit(text)
    return text if not parts.scheme and not parts.netloc else otherwise


def require_place(caller: Caller, path: str) -> None:
    """A customer's login reaches what is named here and nothing else; `address_is_for_staff`. What is customers' own is
    for nobody of the staff and no program; `address_is_for_customers`.
    """
    own = any(path == each or path.startswith(f"{each}/") for each in OWN_PATHS)
    shared = any(path == each or path.startswith(f"{each}/") for each in SHARED_PATHS)
    if caller.is_customer and not (own or shared):
        raise refusals.ADDRESS_IS_FOR_STAFF()
    if own and not caller.is_customer:
        raise refusals.ADDRESS_IS_FOR_CUSTOMERS()


def anybody(request: Request) -> Visit:
    shell = shell_of(request)
    token = session_token(request, shell)
    request.state.caller = shell.door.person(token) if token else None
    return Visit(request, shell, request.state.caller, language_of(request))


def signed(visit: Annotated[Visit, Depends(anybody)]) -> Visit:
    if visit.caller is None:
        raise refusals.NOBODY_IS_SIGNED_IN()
    if visit.caller.must_change_password and visit.request.url.path != PASSWORD_PATH:
        raise refusals.NEW_PASSWORD_IS_NEEDED()
    require_place(visit.caller, visit.request.url.path)
    return visit


async def guard_form(request: Request) -> None:
    """What changes something came from a form of this session. Checked for every page before anything else."""
    if request.method in SAFE_METHODS:
        return
    shell = shell_of(request)
    given = (await request.form()).get(FORM_FIELD)
    secret = request.cookies.get(shell.form_cookie, "")
    expected = form_token(secret, session_token(request, shell))
    if not secret or not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise refusals.FORM_IS_STALE()


def client(request: Request) -> Visit:
    """A caller of the API: by the signature of the request if it has one, by its bearer token, or for questions by the
    cookie of a browser that is signed in.
    """
    shell = shell_of(request)
    claim = signed_claim(request)
    caller = signer(shell, claim) if claim else _bearer(request, shell)
    if caller is None:
        raise refusals.NOBODY_IS_SIGNED_IN()
    if caller.must_change_password:
        raise refusals.NEW_PASSWORD_IS_NEEDED()
    request.state.caller = caller
    require_place(caller, request.url.path)
    return Visit(request, shell, caller, language_of(request))


def signer(shell: Shell, claim: Claim) -> Caller:
    """The program that signed a request; refused by the door's names."""
    [found] = shell.door.signed([claim])
    if isinstance(found, Refused):
        raise found
    return found


def _bearer(request: Request, shell: Shell) -> Caller | None:
    token = bearer_token(request)
    if not token:
        token = session_token(request, shell)
        if token and request.method not in SAFE_METHODS:
            raise refusals.COOKIE_DOES_NOT_AUTHORISE()
    return shell.door.bearer(token) if token else None


class Scoped:
    """A dependency of an endpoint: what a program's token must reach to ask it. People ask by their session."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    def __call__(self, visit: Annotated[Visit, Depends(client)]) -> None:
        visit.shell.door.require_scope(visit.person, self.scope)


def scoped(scope: str) -> Any:
    """What to put into an endpoint's `dependencies`."""
    return Depends(Scoped(scope))


Anybody = Annotated[Visit, Depends(anybody)]
Signed = Annotated[Visit, Depends(signed)]
Client = Annotated[Visit, Depends(client)]
