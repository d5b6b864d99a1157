"""Evidence's pages: the last checkpoint and its lag, the notary's alarms, and the proof of one row."""

from datetime import UTC, datetime
from pathlib import Path as Folder
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response

from ringfence.evidence import reading
from ringfence.evidence.checkpoint import parse_text
from ringfence.evidence.cosignature import time_of
from ringfence.evidence.note import parse_note
from ringfence.evidence.routes import Log, receipt_of, router
from ringfence.evidence.witnessing import read_witnessed
from ringfence.ledger.reading import book_named
from ringfence.web.shell import Entry, Module, Panel, Part
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
        "witnessed": _witnessed(visit.desk(Log).folder) if Log in visit.shell.desks else None,
    }


def _witnessed(log: Folder) -> dict[str, Any] | None:
    """What the checkpoint says that enough witnesses signed, and who they are; readers check whether it holds."""
    note = read_witnessed(log)
    if note is None:
        return None
    parsed = parse_note(note)
    checkpoint = parse_text(parsed.text)
    lines = [line for line in parsed.signatures if line.name != checkpoint.origin]
    by = sorted({line.name for line in lines})
    at = datetime.fromtimestamp(max(time_of(line) for line in lines), UTC) if lines else None
    return {"size": checkpoint.size, "by": by, "at": at}


MODULE: Final = Module(
    package="evidence",
    router=router,
    pages=pages,
    panels=[Panel("checkpoint", msg("Last checkpoint"), 70, "evidence/panel.html", _checkpoint)],
    entries=[Entry("/evidence", msg("Evidence"), Part.BOOK, 90)],
)
