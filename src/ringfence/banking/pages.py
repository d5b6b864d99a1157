"""Banking's pages: custodian accounts beside the bank's word, statements with their entries, and the quarantine."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response

from ringfence.banking.queries import QUERIES
from ringfence.banking.routes import currencies, positions, router, shelf, statement_of
from ringfence.web.fields import PAGE_ROWS
from ringfence.web.shell import Entry, Module, Panel, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

pages = APIRouter()


@pages.get("/statements")
def statements(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        found = shelf(connection, QUERIES.statements, book=visit.book, limit=PAGE_ROWS)
        quarantined = shelf(connection, QUERIES.files, book=visit.book, outcome="quarantined", limit=PAGE_ROWS)
        read = shelf(connection, QUERIES.files, book=visit.book, outcome="read", limit=PAGE_ROWS)
        units = currencies(connection, visit.book)
    return visit.page("banking/statements.html", statements=found, quarantined=quarantined, read=read, units=units)


@pages.get("/statements/{account}/{statement_id}")
def statement(
    visit: Signed,
    account: Annotated[str, Path(max_length=200)],
    statement_id: Annotated[str, Path(max_length=200)],
) -> Response:
    found, entries, unit = statement_of(visit, account, statement_id)
    return visit.page("banking/statement.html", statement=found, entries=entries, unit=unit)


def _panel(visit: Visit) -> dict[str, Any]:
    return {"positions": positions(visit)}


def _quarantined(visit: Visit) -> int:
    with visit.core.connection() as connection:
        return len(shelf(connection, QUERIES.files, book=visit.book, outcome="quarantined", limit=PAGE_ROWS))


MODULE: Final = Module(
    package="banking",
    router=router,
    pages=pages,
    panels=[Panel("bank-accounts", msg("Custodian accounts"), 50, "banking/panel.html", _panel)],
    entries=[Entry("/statements", msg("Statements"), Part.BANK, 50, _quarantined)],
    words={"file outcome": ["read", "quarantined"]},
)
