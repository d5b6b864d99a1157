"""Reconciliation's pages: what is left over, by age; one discrepancy with both sides; the runs with their proof."""

from datetime import date
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import Response

from ringfence.custody.days import current_day
from ringfence.database.connection import Connection
from ringfence.reconciliation.calendar import Calendar
from ringfence.reconciliation.discrepancies import (
    Discrepancy,
    accept,
    advised,
    discrepancies,
    discrepancy,
    open_counts,
    statement_items,
    suggestions,
)
from ringfence.reconciliation.master import masters
from ringfence.reconciliation.matching import KINDS
from ringfence.reconciliation.routes import MAY_ACCEPT, accepter, place_after, place_of, router
from ringfence.reconciliation.runs import run_of, runs
from ringfence.refusal import Refused
from ringfence.vault.keeping import Vault
from ringfence.web.fields import PAGE_ROWS, Text
from ringfence.web.shell import Entry, Module, Panel, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

STATE_TONES: Final = {"open": "watch", "accepted": "waiting", "closed": "good"}
OLD_DAYS: Final = 3  # from here on an open discrepancy is shown as bad

pages = APIRouter()


@pages.get("/discrepancies")
def list_discrepancies(
    visit: Signed,
    state: Literal["open", "accepted", "closed"] = "open",
    account: Text = None,
    after: Annotated[str | None, Query(max_length=80)] = None,
) -> Response:
    with visit.core.connection() as connection:
        found = discrepancies(
            connection, visit.book, state=state, account_name=account, after=place_of(after), limit=PAGE_ROWS
        )
        guesses = suggestions(found, advised(connection, visit.book)) if state == "open" else {}
        ages = _ages(visit, connection, found)
    query: dict[str, Any] = {"state": state} | ({"account": account} if account else {})
    more = urlencode(query | {"after": place_after(found[-1])}) if len(found) == PAGE_ROWS else None
    return visit.page(
        "reconciliation/discrepancies.html",
        found=found,
        ages=ages,
        guesses=guesses,
        state=state,
        account=account,
        tones=STATE_TONES,
        old_days=OLD_DAYS,
        more=f"/discrepancies?{more}" if more else None,
    )


@pages.get("/discrepancies/{discrepancy_id}")
def one_discrepancy(visit: Signed, discrepancy_id: UUID) -> Response:
    with visit.core.connection() as connection:
        found = discrepancy(connection, visit.book, discrepancy_id)
        rest = discrepancies(connection, visit.book, limit=2_000) if found.state == "open" else []
        guess = suggestions(rest, advised(connection, visit.book)).get(discrepancy_id)
        ages = _ages(visit, connection, [found])
    return visit.page(
        "reconciliation/discrepancy.html",
        found=found,
        age=ages[discrepancy_id],
        guess=guess,
        tones=STATE_TONES,
        may_accept=found.state == "open" and visit.person.has_role(*MAY_ACCEPT),
    )


@pages.post("/discrepancies/{discrepancy_id}/acceptance")
def accept_discrepancy(
    visit: Signed, discrepancy_id: UUID, reason: Annotated[str, Form(max_length=500)] = ""
) -> Response:
    accept(visit.core, visit.desk(Vault), discrepancy_id, person=accepter(visit), reason=reason)
    return visit.go(f"/discrepancies/{discrepancy_id}", said="discrepancy_accepted")


@pages.get("/reconciliations")
def list_runs(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        found = runs(connection, visit.book, limit=PAGE_ROWS)
        parts = masters(connection, visit.book, fresh=True)
    return visit.page("reconciliation/runs.html", runs=found, masters=parts)


@pages.get("/reconciliations/{account}/{day}")
def one_run(
    visit: Signed,
    account: Annotated[str, Path(max_length=200)],
    day: date,
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """A run with its proof, and what became of every entry of its statement."""
    with visit.core.connection() as connection:
        run = run_of(connection, visit.book, account, day)
        items = statement_items(connection, visit.book, account, run.statement_id, after=after, limit=PAGE_ROWS)
    more = f"?{urlencode({'after': items[-1].key})}" if len(items) == PAGE_ROWS else None
    return visit.page("reconciliation/run.html", run=run, kinds=KINDS, items=items, more=more)


def _ages(visit: Visit, connection: Connection, found: list[Discrepancy]) -> dict[UUID, int]:
    """Business days since each was first left over; plain days where no calendar is known."""
    try:
        today = current_day(connection, visit.book)
    except Refused:
        today = visit.now.date()
    calendar = visit.shell.desks.get(Calendar)
    return {
        each.discrepancy_id: each.age(today, calendar)
        if calendar
        else (min(today, each.closed_day or today) - each.since).days
        for each in found
    }


def _panel(visit: Visit) -> dict[str, Any]:
    with visit.core.connection() as connection:
        counts = open_counts(connection, visit.book)
        oldest = discrepancies(connection, visit.book, limit=4)
        ages = _ages(visit, connection, oldest)
        reconciled = runs(connection, visit.book, limit=1)
    return {
        "counts": counts,
        "oldest": oldest,
        "ages": ages,
        "last": reconciled[0] if reconciled else None,
        "old_days": OLD_DAYS,
    }


def _open(visit: Visit) -> int:
    with visit.core.connection() as connection:
        return sum(each.items for each in open_counts(connection, visit.book))


MODULE: Final = Module(
    package="reconciliation",
    router=router,
    pages=pages,
    panels=[Panel("discrepancies", msg("Discrepancies"), 45, "reconciliation/panel.html", _panel)],
    entries=[
        Entry("/discrepancies", msg("Discrepancies"), Part.TODAY, 40, _open),
        Entry("/reconciliations", msg("Reconciliations"), Part.BANK, 55),
    ],
    words={
        "discrepancy": list(KINDS),
        "discrepancy state": list(STATE_TONES),
        "matched by": ["end_to_end_id", "bank_reference"],
        "because": ["matched", "undone", "balance_agrees", *(f"became_{kind}" for kind in KINDS)],
        "suggestion": ["advised", "same_key", "same_key_at_other_account", "same_amount_near_date"],
        "notice": ["discrepancy_accepted"],
    },
)
