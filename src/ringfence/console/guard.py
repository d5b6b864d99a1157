"""What surrounds every request: its limits, its headers, its number, its line in the log, its place in the metrics.

Checked in this order: host, method, size of the body. The body is read whole before anything else sees the request (it
is small), so nobody downstream meets half of one.
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringfence.refusal import Refused
from ringfence.web import refusals
from ringfence.web.answers import refusal_answer

BODY_BYTES_MAX: Final = 1_048_576
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_PORT: Final = re.compile(r":[0-9]{1,5}$")


@dataclass(frozen=True)
class Meters:
    """What is counted of requests. `route` is the address's pattern, so that ids do not become series."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    incidents: Counter = field(init=False)

    def __post_init__(self) -> None:
        made: dict[str, Any] = {
            "requests": Counter(
                "ringfence_http_requests_total",
                "Requests answered.",
                ["method", "route", "status"],
                registry=self.registry,
            ),
            "seconds": Histogram(
                "ringfence_http_request_seconds",
                "Time to answer.",
                ["route"],
                registry=self.registry,
                buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            ),
            "incidents": Counter(
                "ringfence_http_incidents_total", "Requests that failed for an unknown reason.", registry=self.registry
            ),
        }
        for name, meter in made.items():
            object.__setattr__(self, name, meter)


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(
        self, app: ASGIApp, *, hosts: tuple[str, ...], secure: bool, new_id: Callable[[], UUID], meters: Meters
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.secure = secure
        self.new_id = new_id
        self.meters = meters
        self.log = structlog.get_logger("http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        number = self.new_id()
        started = time.perf_counter()
        answer = _Answer(send, self._headers(scope, number), head_only=scope["method"] == "HEAD")
        refused: str | None = None
        try:
            body = await self._admit(request)
        except Refused as no:
            refused = no.name
            await self._refuse(request, no, answer)
        else:
            scope = {**scope, "method": "GET" if scope["method"] == "HEAD" else scope["method"]}
            # What a signature is of: the method and the bytes as they came.
            scope["state"] = {**scope.get("state", {}), "method": request.method, "body": body}
            try:
                await self.app(scope, _replay(body, receive), answer)
            except Exception:
                self.meters.incidents.inc()
                self.log.exception("incident", incident=str(number), method=scope["method"], path=scope["path"])
                refused = refusals.PROGRAM_FAILED.name
                if not answer.started:
                    await self._refuse(request, refusals.PROGRAM_FAILED(incident=number), answer)
        self._record(scope, number, answer.status, time.perf_counter() - started, refused)

    async def _admit(self, request: Request) -> bytes:
        host = request.headers.get("host", "")
        if _PORT.sub("", host).lower() not in self.hosts:
            raise refusals.HOST_IS_NOT_OURS(host=host[:80])
        if request.method not in METHODS:
            raise refusals.METHOD_IS_NOT_OFFERED(path=request.url.path[:200], method=request.method[:20])
        promised = Headers(scope=request.scope).get("content-length", "0")
        if not promised.isdigit() or int(promised) > BODY_BYTES_MAX:
            raise refusals.REQUEST_IS_TOO_LARGE(bytes_max=BODY_BYTES_MAX)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                raise refusals.REQUEST_IS_TOO_LARGE(bytes_max=BODY_BYTES_MAX)
        return bytes(body)

    async def _refuse(self, request: Request, no: Refused, answer: "_Answer") -> None:
        response = await run_in_threadpool(refusal_answer, request, no)
        await response(request.scope, request.receive, answer)

    def _headers(self, scope: Scope, number: UUID) -> dict[str, str]:
        found = {**HEADERS, "X-Request-Id": str(number), "Cache-Control": "no-store"}
        if self.secure:
            found["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        if scope["path"].startswith("/static/"):
            del found["Cache-Control"]
        return found

    def _record(self, scope: Scope, number: UUID, status: int, seconds: float, refused: str | None) -> None:
        route = getattr(scope.get("route"), "path", "(none)")
        self.meters.requests.labels(scope["method"], route, str(status)).inc()
        self.meters.seconds.labels(route).observe(seconds)
        state = scope.get("state", {})
        caller = state.get("caller")
        self.log.info(
            "request",
            request=str(number),
            method=scope["method"],
            path=scope["path"],  # the query is left out: it may hold what somebody searched for
            status=status,
            milliseconds=round(seconds * 1000, 1),
            caller=caller.maker if caller else None,
            refused=refused or state.get("refused"),
        )


class _Answer:
    """Sends an answer on, with our headers; of an answer to HEAD only the head."""

    def __init__(self, send: Send, headers: dict[str, str], *, head_only: bool) -> None:
        self._send = send
        self._headers = headers
        self._head_only = head_only
        self.started = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
        elif message["type"] == "http.response.body" and self._head_only:
            message = {**message, "body": b""}
        await self._send(message)


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """The body that was read, then whatever the server says next (that the reader has gone)."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
