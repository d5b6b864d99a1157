"""A log over plain HTTP, after C2SP tlog-tiles: whoever has a client for such logs reads ours with it.

    GET /log/<book>/checkpoint                  the last checkpoint; it is not to be kept longer than it takes to sign
    GET /log/<book>/tile/<level>/<index>        tiles and bundles, also partial ones: they never change
    GET /log/<book>/checkpoints/<size>          what was signed before, and
    GET /log/<book>/cosignatures/<size>         what witnesses signed under it, beside C2SP

A program of its own, `ringfence evidence serve`, which has no key and no database, and reads what the notary wrote and
nothing else: no other file of the folder has an address. Who can reach it reads every row of the book, so nobody runs
it who did not mean to, and a proxy decides who comes in. The core does not serve it: what it says of itself is what is
checked here.
"""

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from ringfence.evidence.tiles import LOG_FILE_IS_MISSING, read_file
from ringfence.refusal import Refused

REQUESTS_AT_ONCE: Final = 256
SILENCE_SECONDS_MAX: Final = 10.0
KEPT_FOR_GOOD: Final = "public, max-age=31536000, immutable"
KEPT_SHORTLY: Final = "public, max-age=2"
TILES_TYPE: Final = "application/octet-stream"
NOTES_TYPE: Final = "text/plain; charset=utf-8"
_BOOK: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)
_INDEX: Final = r"(x[0-9]{3}/){0,6}[0-9]{3}(\.p/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
_TILE: Final = re.compile(rf"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/{_INDEX}", re.ASCII)
_SIZE: Final = re.compile(r"(checkpoints|cosignatures)/(0|[1-9][0-9]{0,18})", re.ASCII)


def application(evidence: Path) -> FastAPI:
    """Every log below this folder, by the name of its book."""
    app = FastAPI(title="Ringfence log", docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/log/{book}/{path:path}", methods=["GET", "HEAD"])
    def file(book: str, path: str) -> Response:
        return answer(evidence / book, path) if _BOOK.fullmatch(book) else _nothing()

    return app


def answer(log: Path, path: str) -> Response:
    """The file of a log under an address of C2SP's, or 404."""
    if path == "checkpoint":
        kind, kept = NOTES_TYPE, KEPT_SHORTLY
    elif _TILE.fullmatch(path):
        kind, kept = TILES_TYPE, KEPT_FOR_GOOD
    elif _SIZE.fullmatch(path):
        kind, kept = NOTES_TYPE, KEPT_FOR_GOOD if path.startswith("checkpoints") else KEPT_SHORTLY
    else:
        return _nothing()
    try:
        content = read_file(log, path)
    except Refused as refused:
        if refused.refusal is LOG_FILE_IS_MISSING:
            return _nothing()
        return PlainTextResponse(f"{refused.name}\n", 500)
    return Response(content, headers={"Content-Type": kind, "Cache-Control": kept, "X-Content-Type-Options": "nosniff"})


def _nothing() -> Response:
    return PlainTextResponse("not found\n", 404)


class Impatient(H11Protocol):
    """A connection that is closed unless it asks something within a few seconds. Without a proxy in front, those who
    say nothing would keep out those who do.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_again()

    def _look_again(self) -> None:
        self.loop.call_later(SILENCE_SECONDS_MAX, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        elif not self.transport.is_closing():
            self._look_again()


def serve(app: FastAPI, host: str, port: int, at_once: int = REQUESTS_AT_ONCE, **settings: Any) -> None:
    """Answer until stopped."""
    quiet: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "http": Impatient}
    quiet |= {"limit_concurrency": at_once, **settings}
    uvicorn.Server(uvicorn.Config(app, host=host, port=port, **quiet)).run()
