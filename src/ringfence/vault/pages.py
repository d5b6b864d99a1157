"""The vault's pages: keys and who saw what; and the one page that shows a whole value, once."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Path
from fastapi.responses import Response

from ringfence.authority.routes import session_of
from ringfence.vault.census import census
from ringfence.vault.fields import FIELDS, MAY_SEE, field_of
from ringfence.vault.keeping import Vault, masks
from ringfence.vault.reveal import NOTE_CHARACTERS_MAX, REASONS, reveal, reveals
from ringfence.vault.routes import router
from ringfence.web.fields import PAGE_ROWS
from ringfence.web.shell import Entry, Module, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

pages = APIRouter()
Place = Annotated[str, Path(max_length=80)]
Row = Annotated[str, Path(max_length=400)]


@pages.get("/vault")
def keys(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        found = census(connection, visit.book)
        seen = reveals(connection, visit.book, PAGE_ROWS)
    return visit.page("vault/vault.html", census=found, reveals=seen, fields=FIELDS)


@pages.get("/vault/fields/{place}/{row}")
def ask(visit: Signed, place: Place, row: Row) -> Response:
    return _page(visit, place, row)


@pages.post("/vault/fields/{place}/{row}")
def show(
    visit: Signed,
    place: Place,
    row: Row,
    reason: Annotated[str, Form(max_length=40)],
    note: Annotated[str, Form(max_length=NOTE_CHARACTERS_MAX)] = "",
) -> Response:
    """The value is on the answer's page, which no cache keeps, and nowhere else."""
    found = reveal(visit.core, visit.desk(Vault), session_of(visit), place, row, reason, note)
    return _page(visit, place, row, value=found.value, sequence=found.sequence)


def _page(visit: Visit, place: str, row: str, **shown: Any) -> Response:
    what = field_of(place)
    with visit.core.connection() as connection:
        masked = masks(connection, visit.book, [what], [row])[row].get(what.name)
    return visit.page(
        "vault/reveal.html",
        field=what,
        row=row,
        masked=masked,
        reasons=REASONS,
        note_max=NOTE_CHARACTERS_MAX,
        may_see=visit.person.has_role(*MAY_SEE),
        value=shown.get("value"),
        sequence=shown.get("sequence"),
    )


MODULE: Final = Module(
    package="vault",
    router=router,
    pages=pages,
    entries=[Entry("/vault", msg("Vault"), Part.BOOK, 95)],
    words={
        "vault field": sorted({each.name for each in FIELDS.values()}),
        "reveal reason": list(REASONS),
        "key state": ["active", "leaving", "retired", "destroyed"],
        "vault keys": ["wrapping", "field"],
    },
)
