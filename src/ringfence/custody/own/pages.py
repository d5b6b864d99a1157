"""A customer's own pages: the wallet with its lines, the orders, and a withdrawal that a passkey signs.

The page that asks for the signature is rendered from the document's bytes and from nothing else; the form sends the
same bytes back with what the device said.
"""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path
from fastapi.responses import Response

from ringfence.authority.origin.documents import read
from ringfence.authority.passkeys.assertions import from_text, relying_party, to_text
from ringfence.authority.passkeys.pages import Raw
from ringfence.authority.routes import assertion_of, session_of
from ringfence.custody import own
from ringfence.custody.orders import Desk, orders
from ringfence.custody.own.routes import own_amount
from ringfence.custody.routes import place_after, place_of, wallet
from ringfence.ledger import reading
from ringfence.ledger.routes import code_word
from ringfence.web.fields import PAGE_ROWS, Sequence, Text
from ringfence.web.visit import HOME_OF_CUSTOMERS, Signed, Visit

OWN_NOTICES: Final = ("withdrawal_placed",)
LATEST_SHOWN: Final = 5

pages = APIRouter()


@pages.get("/my")
def own_wallet(visit: Signed, before: Sequence = None) -> Response:
    who = own.whose(visit.core, session_of(visit))
    account, last = f"customer:{who.customer_id}:available", reading.LATEST if before is None else before
    parts = wallet(visit, who)
    with visit.core.connection() as connection:
        lines = reading.statement(connection, visit.book, account, last=last, limit=PAGE_ROWS)
        recent = orders(connection, visit.book, customer_id=who.customer_id, limit=LATEST_SHOWN)
    return visit.page(
        "custody/my.html",
        customer=who,
        parts=parts,
        lines=lines,
        orders=recent,
        code_word=code_word,
        older=f"/my?{urlencode({'before': lines[-1].sequence})}" if len(lines) == PAGE_ROWS else None,
        newest=HOME_OF_CUSTOMERS if before is not None else None,
    )


@pages.get("/my/orders")
def own_orders(visit: Signed, before: Text = None) -> Response:
    who = own.whose(visit.core, session_of(visit)).customer_id
    with visit.core.connection() as connection:
        found = orders(connection, visit.book, customer_id=who, before=place_of(before), limit=PAGE_ROWS)
    older = urlencode({"before": place_after(found[-1])}) if len(found) == PAGE_ROWS else None
    return visit.page(
        "custody/my_orders.html",
        orders=found,
        older=f"/my/orders?{older}" if older else None,
        newest="/my/orders" if before else None,
    )


@pages.post("/my/withdrawals/documents")
def draw_up(visit: Signed, amount: Annotated[str, Form(max_length=30)]) -> Response:
    """The order as it is to be signed; nothing is kept of it yet."""
    document = own.draft(visit.desk(Desk), session_of(visit), own_amount(visit, amount.strip())).canonical()
    return to_sign(visit, document)


@pages.post("/my/withdrawals")
def withdraw(
    visit: Signed,
    document: Annotated[str, Form(max_length=8_000)],
    credential: Raw,
    client_data: Raw,
    authenticator_data: Raw,
    signature: Raw,
) -> Response:
    raw = {
        "credential": credential,
        "client_data": client_data,
        "authenticator_data": authenticator_data,
        "signature": signature,
    }
    signed = from_text("document", document)
    own.place(visit.desk(Desk), session_of(visit), signed, assertion_of(raw), relying_party(visit.origin))
    return visit.go(HOME_OF_CUSTOMERS, said="withdrawal_placed")


@pages.post("/customers/{customer_id}/logins")
def propose_login(
    visit: Signed,
    customer_id: Annotated[str, Path(max_length=40)],
    login: Annotated[str, Form(max_length=40)],
    name: Annotated[str, Form(max_length=200)],
) -> Response:
    """Propose a login for a customer. The one-time password is on the answer's page and nowhere else."""
    made = own.propose(visit.core, session_of(visit), customer_id, login.strip(), name.strip())
    there = f"/approvals/{made.drafted.proposal_id}"
    return visit.page("authority/shown_once.html", whose=login.strip(), shown=made.one_time_password, there=there)


def to_sign(visit: Visit, document: bytes) -> Response:
    question = own.question(visit.core, session_of(visit), document, relying_party(visit.origin))
    return visit.page(
        "custody/my_sign.html",
        order=read(document),
        text=document.decode(),
        document=to_text(document),
        question=question,
    )
