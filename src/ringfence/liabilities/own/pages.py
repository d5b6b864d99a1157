"""The pages of a customer's own proofs, and the statement as one file that is read without us."""

from datetime import date
from hashlib import sha256

import rfc8785
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from ringfence.authority.routes import session_of
from ringfence.custody import own
from ringfence.evidence.keys import key_lines, read_verifier
from ringfence.evidence.routes import Log
from ringfence.liabilities import reading
from ringfence.liabilities.routes import own_statement, signed_by
from ringfence.web.fields import PAGE_ROWS
from ringfence.web.visit import Signed

pages = APIRouter()


@pages.get("/my/proofs")
def own_proofs(visit: Signed) -> Response:
    who = own.whose(visit.core, session_of(visit))
    with visit.core.connection() as connection:
        found = reading.history(connection, visit.book, currency=who.currency, limit=PAGE_ROWS)
        notes = reading.attestations(connection, visit.book, currency=who.currency)
    keys = key_lines(read_verifier(visit.desk(Log).folder)) if found else None
    return visit.page(
        "liabilities/my_proofs.html",
        customer=who,
        days=[(each, signed_by(each, notes)) for each in found],
        keys=keys,
        fingerprint=_in_fours(sha256(keys.encode()).hexdigest()) if keys else None,
    )


@pages.get("/my/statements/{proven_day}")
def own_statement_file(visit: Signed, proven_day: date) -> Response:
    """What moved on a day, what was there at its end, and the proof, in one file to keep."""
    who = own.whose(visit.core, session_of(visit))
    found = own_statement(visit, proven_day)
    document = visit.fragment(
        "liabilities/statement.html",
        customer=who,
        statement=found,
        balance=int(found.proof["balance"]),
        proof=rfc8785.dumps(found.proof).decode(),
    )
    name = f"statement-{visit.core.book.name}-{who.customer_id}-{proven_day.isoformat()}.html"
    return HTMLResponse(document, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _in_fours(digits: str) -> str:
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
