"""A witness over HTTP: POST /add-checkpoint as C2SP tlog-witness says, and GET /logs for people: what was signed last.

It needs no database, no login and no more memory than one request. Requests of logs that it does not watch end before a
signature is verified; those that it does watch are for its log's key to make. TLS is a proxy's.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ringfence.evidence.cosignature import time_of
from ringfence.evidence.note import Verifier, encode_base64
from ringfence.evidence.serving import serve as serve_quietly
from ringfence.evidence.witness.requests import REQUEST_BYTES_MAX, Answer
from ringfence.evidence.witness.witness import Witness

BACKLOG: Final = 64
REQUESTS_AT_ONCE: Final = 128
BODY_SECONDS_MAX: Final = 10.0


def application(witness: Witness, logs: list[Verifier]) -> FastAPI:
    """The two addresses of a witness."""
    app = FastAPI(title="Ringfence witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        """A body that is too long, or does not end, is none; whoever went away hears nothing."""
        body = bytearray()
        with suppress(ClientDisconnect, TimeoutError):
            async with asyncio.timeout(BODY_SECONDS_MAX):
                async for piece in request.stream():
                    body += piece
                    if len(body) > REQUEST_BYTES_MAX:
                        break
        return _response(await run_in_threadpool(witness.add_checkpoint, bytes(body)))

    @app.get("/logs")
    def signed() -> JSONResponse:
        return JSONResponse({"logs": [last_signed(witness, log) for log in logs]})

    return app


def last_signed(witness: Witness, log: Verifier) -> dict[str, Any]:
    """What a witness signed last for a log, as JSON says it."""
    last = witness.last_signed(log.name)
    if last is None:
        return {"origin": log.name, "size": None, "root": None, "signed_at": None}
    checkpoint, lines = last
    root, at = encode_base64(checkpoint.root), max(time_of(line) for line in lines)
    return {"origin": log.name, "size": checkpoint.size, "root": root, "signed_at": at}


def serve(app: FastAPI, host: str, port: int) -> None:
    """Answer until stopped."""
    serve_quietly(app, host, port, REQUESTS_AT_ONCE, backlog=BACKLOG)


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {"Content-Type": answer.type})
