"""What machines ask: is it alive, and how is it doing? Neither says anything about the book's money."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from ringfence.console.guard import Meters
from ringfence.core import Core
from ringfence.ledger import reading
from ringfence.refusal import Refused
from ringfence.web import refusals
from ringfence.web.visit import bearer_token, shell_of, signed_claim, signer

METRICS_ROLES: Final = ("auditor", "system_admin", "security_admin")
METRICS_SCOPE: Final = "metrics"
_LOCAL: Final = ("127.0.0.1", "::1")
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def routes(core: Core, meters: Meters) -> APIRouter:
    """/healthz for everybody; /metrics for this machine, or by token or signature for a caller who may read them."""
    router = APIRouter(include_in_schema=False)
    head = Gauge("ringfence_book_head", "Rows in the journal.", ["book"], registry=meters.registry)
    missing = Gauge("ringfence_entries_lag_rows", "Rows without entries.", ["book"], registry=meters.registry)
    waited = Gauge(
        "ringfence_entries_lag_seconds", "How long the first of them waits.", ["book"], registry=meters.registry
    )

    @router.get("/healthz")
    def health() -> Response:
        try:
            with core.connection() as connection:
                connection.execute(b"SELECT 1")
        except Refused:
            return JSONResponse({"status": "database"}, status_code=503)
        return JSONResponse({"status": "ok"})

    @router.get("/metrics")
    def metrics(request: Request) -> Response:
        local = request.client is not None and request.client.host in _LOCAL
        forwarded = any(name in request.headers for name in _FORWARDED)  # a proxy of this machine is not this machine
        if not local or forwarded:
            shell, claim, token = shell_of(request), signed_claim(request), bearer_token(request)
            caller = signer(shell, claim) if claim else shell.door.bearer(token) if token else None
            if caller is None or not (caller.has_role(*METRICS_ROLES) or METRICS_SCOPE in caller.scopes):
                raise refusals.METRICS_ARE_FOR_THE_MACHINE()
        with core.connection() as connection:
            lag = reading.lag(connection, core.book.book_id)
        head.labels(core.book.name).set(lag.reached + lag.rows)
        missing.labels(core.book.name).set(lag.rows)
        waited.labels(core.book.name).set(lag.seconds)
        return Response(generate_latest(meters.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
