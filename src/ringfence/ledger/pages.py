"""The ledger's pages: the journal back by its rows, one row, the accounts, one account's statement."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path
from fastapi.responses import Response

from ringfence.ledger import reading
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.model import EPOCH_DAY, Kind
from ringfence.ledger.posting.routes import router as posting_router
from ringfence.ledger.routes import as_of, code_word, router, row_of, until
from ringfence.web.fields import PAGE_ROWS, Day, Sequence, Text, containing
from ringfence.web.shell import Entry, Module, Part
from ringfence.web.visit import Signed
from ringfence.web.words import msg

ACCOUNT_ROWS: Final = 200

pages = APIRouter()


@pages.get("/journal")
def journal(visit: Signed, before: Sequence = None) -> Response:
    with visit.core.connection() as connection:
        rows = reading.journal_page(connection, visit.book, before=until(before), limit=PAGE_ROWS)
        lag = reading.lag(connection, visit.book)
    older = f"/journal?before={rows[-1].sequence}" if rows and rows[-1].sequence else None
    return visit.page(
        "ledger/journal.html",
        rows=rows,
        head=lag.reached + lag.rows,
        lag=lag,
        before=before,
        code_word=code_word,
        older=older,
        newest="/journal" if before is not None else None,
    )


@pages.get("/journal/{sequence}")
def journal_row(visit: Signed, sequence: Annotated[int, Path(ge=0, le=2**62)]) -> Response:
    with visit.core.connection() as connection:
        row = row_of(connection, visit.book, sequence)
        head = reading.book_named(connection, visit.core.book.name).head
    return visit.page(
        "ledger/journal_row.html", row=row, head=head, code_word=code_word, epoch_day=EPOCH_DAY, moves=Kind.CORRECTION
    )


@pages.get("/accounts")
def accounts(
    visit: Signed, name: Text = None, after: Sequence = None, before: Sequence = None, day: Day = None
) -> Response:
    with visit.core.connection() as connection:
        last = as_of(connection, visit, before, day)
        totals = None if after or before is not None or day else reading.totals(connection, visit.book)
        found = reading.balances_page(
            connection, visit.book, containing(name), after=after or 0, before=last, limit=ACCOUNT_ROWS
        )
    asked = {"name": name, "before": before, "day": day}
    query: dict[str, object] = {key: value for key, value in asked.items() if value is not None}
    more = None
    if len(found) == ACCOUNT_ROWS:
        more = "/accounts?" + urlencode({**query, "after": found[-1].account})
    first = "/accounts?" + urlencode(query) if after else None
    return visit.page("ledger/accounts.html", accounts=found, totals=totals, more=more, first=first, asked=asked)


@pages.get("/accounts/{name}")
def account(visit: Signed, name: str, before: Sequence = None, day: Day = None, value_date: Day = None) -> Response:
    with visit.core.connection() as connection:
        last = as_of(connection, visit, before, day)
        standing = reading.balance(connection, visit.book, name, before=last)
        valued = None
        if value_date:
            valued = reading.balance_by_value_date(connection, visit.book, name, value_date, before=last)
        lines = reading.statement(connection, visit.book, name, last=last, limit=PAGE_ROWS)
        names = reading.account_names(connection, visit.book, [line.counter_account for line in lines])
    older = f"/accounts/{name}?before={lines[-1].sequence}" if len(lines) == PAGE_ROWS else None
    return visit.page(
        "ledger/account.html",
        standing=standing,
        lines=lines,
        names=names,
        code_word=code_word,
        before=before,
        day=day,
        valued=valued,
        older=older,
        newest=f"/accounts/{name}" if before is not None or day or value_date else None,
        kept=urlencode({key: value for key, value in {"before": before, "day": day}.items() if value is not None}),
    )


MODULE: Final = Module(
    package="ledger",
    router=router,
    entrance=posting_router,
    pages=pages,
    entries=[
        Entry("/accounts", msg("Accounts"), Part.BOOK, 70),
        Entry("/journal", msg("Journal"), Part.BOOK, 80),
    ],
    words={
        "row kind": [kind.name.lower() for kind in Kind],
        "code": [each.name.lower() for names in (Purpose, EventName) for each in names],
        "side": ["debit", "credit"],
        "pool": ["client", "own"],
        "owner class": ["customer", "platform", "bank", "unallocated", "book"],
    },
)
