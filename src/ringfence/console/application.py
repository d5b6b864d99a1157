"""The application: modules in, ASGI out.

The order of doors on a page: the form's token (if it changes something), then the session, then the page's own reading
of its fields. An endpoint of the API: the token, then its fields. So nobody learns what an address takes before he may
ask.
"""

import hashlib
import mimetypes
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from babel.support import NullTranslations
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from jinja2 import PackageLoader
from starlette.exceptions import HTTPException

from ringfence import __version__
from ringfence.console import check, documentation, password, position, session, watch
from ringfence.console.guard import Guard, Meters
from ringfence.core import Core
from ringfence.refusal import Refused
from ringfence.web import refusals
from ringfence.web.answers import refusal_answer
from ringfence.web.shell import Door, Module, Shell
from ringfence.web.templates import Templates
from ringfence.web.visit import client, guard_form, signed
from ringfence.web.words import LANGUAGES, Language, translations

OWN_WORDS: Final[Mapping[str, Sequence[str]]] = {"notice": ["password_changed"]}
LOCAL_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")


def application(
    core: Core,
    door: Door,
    modules: Sequence[Module],
    *,
    desks: Sequence[Any] = (),
    hosts: Sequence[str] = LOCAL_HOSTS,
    secure: bool = False,
    meters: Meters | None = None,
) -> FastAPI:
    """The console and the API of one book. `desks` are what domains hold while the core runs; `hosts` are the names it
    answers for; `secure` says that readers come by https (through a proxy), so that cookies are bound to it.
    """
    meters = meters or Meters()
    app = FastAPI(
        title="Ringfence",
        version=__version__,
        description="Customers' money, kept apart: the book, its orders, its evidence.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    files = static_files()
    all_words = [OWN_WORDS, *(module.words for module in modules)]
    app.state.shell = Shell(
        core=core,
        door=door,
        desks={type(desk): desk for desk in desks},
        templates=templates_of(modules),
        entries=sorted((entry for module in modules for entry in module.entries), key=lambda entry: entry.order),
        panels=sorted((panel for module in modules for panel in module.panels), key=lambda panel: panel.order),
        carries_out={act: does for module in modules for act, does in module.carries_out.items()},
        notices=frozenset(name for words in all_words for name in words.get("notice", ())),
        static={name: f"/static/{name}?v={hashlib.sha256(body).hexdigest()[:12]}" for name, body in files.items()},
        secure=secure,
        languages=LANGUAGES,
    )
    for module in modules:  # first: an address is found by trying one after the other, and some of these are hot
        if module.entrance:
            app.include_router(module.entrance, prefix="/api/v1", tags=[module.package])
    app.include_router(watch.routes(core, meters))
    app.include_router(_static(files))
    app.include_router(check.pages, include_in_schema=False)
    app.include_router(session.pages, dependencies=[Depends(guard_form)], include_in_schema=False)
    own = (position.pages, password.pages, documentation.pages)
    for pages in (*own, *(module.pages for module in modules if module.pages)):
        app.include_router(pages, dependencies=[Depends(guard_form), Depends(signed)], include_in_schema=False)
    for module in modules:
        if module.router:
            app.include_router(module.router, prefix="/api/v1", dependencies=[Depends(client)], tags=[module.package])
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _nothing_there)
    app.add_middleware(
        Guard, hosts=tuple(host.lower() for host in hosts), secure=secure, new_id=core.new_id, meters=meters
    )
    return app


def templates_of(modules: Sequence[Module]) -> Templates:
    """The console's templates, those of each module's package, and the catalogues of all languages."""
    folder = resources.files("ringfence.console") / "languages"
    catalogues: dict[Language, NullTranslations] = {
        "en": translations(folder / "en.po"),
        "zh": translations(folder / "zh.po"),
    }
    return Templates(
        PackageLoader("ringfence.console", "templates"),
        {
            module.package: PackageLoader(f"ringfence.{module.package}", "templates")
            for module in modules
            if module.pages
        },
        catalogues,
    )


def static_files() -> dict[str, bytes]:
    folder = resources.files("ringfence.console") / "static"
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir(), key=lambda file: file.name)}


def _static(files: dict[str, bytes]) -> APIRouter:
    """A handful of files, kept in memory; an address with a version may be kept for good."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{name}")
    async def static_file(name: str, v: str = "") -> Response:
        if name not in files:
            raise refusals.ADDRESS_LEADS_NOWHERE(path=f"/static/{name[:80]}")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        kept = "public, max-age=31536000, immutable" if v else "no-cache"
        return Response(files[name], media_type=kind, headers={"Cache-Control": kept})

    return router


def _refused(request: Request, no: Exception) -> Response:
    assert isinstance(no, Refused)  # noqa: S101 - registered for it
    request.state.refused = no.name
    return refusal_answer(request, no)


def _malformed(request: Request, no: Exception) -> Response:
    """Names what is wrong, never what was given: it may have been a password."""
    assert isinstance(no, RequestValidationError)  # noqa: S101 - registered for it
    wrong = [
        f"{'.'.join(str(part) for part in each['loc'][1:]) or each['loc'][0]}: {each['msg']}" for each in no.errors()
    ]
    return _refused(request, refusals.REQUEST_IS_MALFORMED(detail="; ".join(wrong)[:400]))


def _nothing_there(request: Request, no: Exception) -> Response:
    assert isinstance(no, HTTPException)  # noqa: S101 - registered for it
    facts: dict[str, Any] = {"path": request.url.path[:200]}
    if no.status_code == 405:
        answer = _refused(request, refusals.METHOD_IS_NOT_OFFERED(**facts, method=request.method))
        answer.headers.update({name: value for name, value in (no.headers or {}).items() if name.lower() == "allow"})
        return answer
    if no.status_code == 404:
        return _refused(request, refusals.ADDRESS_LEADS_NOWHERE(**facts))
    return _refused(request, refusals.REQUEST_IS_MALFORMED(detail=str(no.detail)[:200]))
