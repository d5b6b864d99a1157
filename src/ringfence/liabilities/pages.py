"""The page of liabilities: of each closed day the total, how many customers, who owes, the bank's statement, and who
signed.
"""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from ringfence.liabilities import reading
from ringfence.liabilities.own.pages import pages as own_pages
from ringfence.liabilities.routes import router, signed_by
from ringfence.liabilities.tree import Mode
from ringfence.web.fields import PAGE_ROWS
from ringfence.web.shell import Entry, Module, Panel, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

pages = APIRouter()
pages.include_router(own_pages)


@pages.get("/liabilities")
def trees(visit: Signed) -> Response:
    return visit.page("liabilities/trees.html", **_trees(visit, PAGE_ROWS))


def _trees(visit: Visit, limit: int = 1) -> dict[str, Any]:
    with visit.core.connection() as connection:
        found = reading.history(connection, visit.book, limit=limit)
        notes = reading.attestations(connection, visit.book)
        refused = reading.unproven(connection, visit.book)
        statements = {each.sequence: reading.event_of(connection, visit.book, each)["statements"] for each in found}
    return {
        "trees": [(each, statements[each.sequence], signed_by(each, notes)) for each in found],
        "refused": refused,
    }


def _unproven(visit: Visit) -> int:
    with visit.core.connection() as connection:
        return len(reading.unproven(connection, visit.book))


MODULE: Final = Module(
    package="liabilities",
    router=router,
    pages=pages,
    panels=[Panel("liabilities", msg("Proof of liabilities"), 75, "liabilities/panel.html", _trees)],
    entries=[
        Entry("/liabilities", msg("Liabilities"), Part.BANK, 65, _unproven),
        Entry("/my/proofs", msg("Proofs"), Part.OWN, 4),
    ],
    words={"mode of proof": [each.value for each in Mode]},
)
