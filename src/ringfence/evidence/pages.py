"""Evidence's pages: the last checkpoint and its lag, the notary's alarms, and the proof of one row."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response

from ringfence.evidence import reading
from ringfence.evidence.routes import Log, receipt_of, router
from ringfence.ledger.reading import book_named
from ringfence.web.shell import Entry, Module, Panel
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

LAG_ROWS_WATCHED: Final = 1_000

pages = APIRouter()


@pages.get("/evidence")
def evidence(visit: Signed) -> Response:
    return visit.page("evidence/evidence.html", **_checkpoint(visit))


@pages.get("/evidence/rows/{sequence}")
def row_proof(visit: Signed, sequence: Annotated[int, Path(ge=0, le=2**62)]) -> Response:
    made, leaf_hash = receipt_of(visit, sequence)
    return visit.page("evidence/row.html", receipt=made, leaf_hash=leaf_hash.hex(), sequence=sequence)


def _checkpoint(visit: Visit) -> dict[str, Any]:
    with visit.core.connection() as connection:
        signed = reading.last_signed(connection, visit.book)
        alarms = reading.alarms(connection, visit.book)
        head = book_named(connection, visit.core.book.name).head
    return {
        "signed": signed,
        "alarms": alarms,
        "head": head,
        "lag": head - (signed.size if signed else 0),
        "lag_watched": LAG_ROWS_WATCHED,
        "readable": Log in visit.shell.desks,
    }


MODULE: Final = Module(
    package="evidence",
    router=router,
    pages=pages,
    panels=[Panel("checkpoint", msg("Last checkpoint"), 70, "evidence/panel.html", _checkpoint)],
    entries=[Entry("/evidence", msg("Evidence"), 90)],
)
