"""A customer's own pages: the wallet with its lines, the orders, and a withdrawal that a passkey signs.

The page that asks for the signature is rendered from the document's bytes and from nothing else; the form sends the
same bytes back with what the device said.
"""

from collections.abc import Sequence as Many
from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Path
from fastapi.responses import Response

from ringfence.authority.clients import clients
from ringfence.authority.origin import mandates
from ringfence.authority.origin.documents import challenge_of, read
from ringfence.authority.passkeys.assertions import Assertion, from_text, relying_party, to_text
from ringfence.authority.passkeys.pages import Raw
from ringfence.authority.routes import assertion_of, session_of
from ringfence.custody import own
from ringfence.custody.orders import Desk, Order, orders
from ringfence.custody.own.routes import DOCUMENT_CHARACTERS_MAX, own_amount, question
from ringfence.custody.payees import register
from ringfence.custody.payees.routes import PayeeAnswer, payee_answers
from ringfence.custody.payees.telling import waits
from ringfence.custody.payees.waiting import Wait
from ringfence.custody.routes import place_after, place_of, wallet
from ringfence.ledger import reading
from ringfence.ledger.routes import code_word
from ringfence.vault.fields import ORDER_ACCOUNT
from ringfence.vault.keeping import masks
from ringfence.web.fields import PAGE_ROWS, Sequence, Text, end_of
from ringfence.web.visit import HOME_OF_CUSTOMERS, Signed, Visit
from ringfence.web.words import msg

OWN_NOTICES: Final = (
    "withdrawal_placed", "withdrawal_cancelled", "own_payee_removed", "mandate_given", "mandate_revoked",
)  # fmt: skip
LATEST_SHOWN: Final = 5

pages = APIRouter()


def from_form(credential: Raw, client_data: Raw, authenticator_data: Raw, signature: Raw) -> Assertion:
    """What the device said, from the fields that the page's script has filled in."""
    return assertion_of(
        {
            "credential": credential,
            "client_data": client_data,
            "authenticator_data": authenticator_data,
            "signature": signature,
        }
    )


FromForm = Annotated[Assertion, Depends(from_form)]


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
        waits=all_left(visit, recent),
        may_cancel=own.may_cancel,
        payees=[each for each in own_payee_answers(visit) if each.state == "active"],
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
        waits=all_left(visit, found),
        may_cancel=own.may_cancel,
        older=f"/my/orders?{older}" if older else None,
        newest="/my/orders" if before else None,
    )


@pages.get("/my/orders/{order_id}")
def own_order(visit: Signed, order_id: UUID) -> Response:
    found = own.own_order(visit.core, session_of(visit), order_id)
    wait = waits(visit.core, [found], visit.now).get(order_id)
    return visit.page(
        "custody/my_order.html",
        order=found,
        account=masks_of_order(visit, order_id),
        wait=wait,
        left=left(visit, wait) if wait else None,
        may_cancel=own.may_cancel(found),
    )


@pages.post("/my/orders/{order_id}/cancellation")
def cancel_order(visit: Signed, order_id: UUID) -> Response:
    own.cancel_order(visit.desk(Desk), session_of(visit), order_id)
    return visit.go(f"/my/orders/{order_id}", said="withdrawal_cancelled")


@pages.get("/my/payees")
def own_payees(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        said = register.cooling_off(connection, visit.book, visit.now)
    unit = own.whose(visit.core, session_of(visit)).currency
    return visit.page(
        "custody/my_payees.html",
        payees=own_payee_answers(visit),
        rule=said.of(unit) if said else None,
        currency=unit,
    )


@pages.post("/my/payees/{payee}/removal")
def remove_payee(visit: Signed, payee: UUID) -> Response:
    own.remove_payee(visit.desk(Desk), session_of(visit), payee)
    return visit.go("/my/payees", said="own_payee_removed")


@pages.post("/my/withdrawals/documents")
def draw_up(
    visit: Signed,
    amount: Annotated[str, Form(max_length=30)],
    payee: Annotated[UUID | None, Form()] = None,
) -> Response:
    """The order as it is to be signed; nothing is kept of it yet."""
    drafted = own.draft(visit.desk(Desk), session_of(visit), own_amount(visit, amount.strip()), payee)
    document = drafted.canonical()
    return visit.page(
        "custody/my_sign.html",
        **to_sign(visit, document, challenge_of(document)),
        order=read(document),
        wait=own.foreseen(visit.desk(Desk), drafted),
    )


@pages.post("/my/withdrawals")
def withdraw(
    visit: Signed,
    document: Annotated[str, Form(max_length=DOCUMENT_CHARACTERS_MAX)],
    used: FromForm,
) -> Response:
    signed = from_text("document", document)
    own.place(visit.desk(Desk), session_of(visit), signed, used, relying_party(visit.origin))
    return visit.go(HOME_OF_CUSTOMERS, said="withdrawal_placed")


@pages.get("/my/mandates")
def own_mandates(visit: Signed) -> Response:
    who = own.whose(visit.core, session_of(visit))
    with visit.core.connection() as connection:
        programs = [each.client_id for each in clients(connection, visit.book) if each.active]
    return visit.page(
        "custody/my_mandates.html",
        customer=who,
        mandates=(found := own.own_mandates(visit.core, session_of(visit))),
        may_get=own.payees_under(visit.desk(Desk), found),
        payees=[each for each in own_payee_answers(visit) if each.state == "active"],
        programs=programs,
        purposes=mandates.PURPOSES,
        period_days_max=mandates.PERIOD_DAYS_MAX,
    )


@pages.post("/my/mandates/documents")
def draw_up_mandate(
    visit: Signed,
    program: Annotated[str, Form(max_length=32)],
    cap: Annotated[str, Form(max_length=30)],
    period_cap: Annotated[str, Form(max_length=30)],
    period_days: Annotated[int, Form(ge=1, le=mandates.PERIOD_DAYS_MAX)],
    last_day: Annotated[date, Form()],
    purposes: Annotated[list[str], Form(max_length=3)] = [],  # noqa: B006 - no box is ticked; FastAPI copies it
    accounts: Annotated[list[UUID], Form(max_length=mandates.PAYEES_MAX)] = [],  # noqa: B006 - the same
    customers: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """The mandate as it is to be signed; nothing is kept of it yet."""
    wish = own.Wish(
        client=program,
        purposes=tuple(each for each in mandates.PURPOSES if each in purposes),
        cap=own_amount(visit, cap.strip()),
        period_cap=own_amount(visit, period_cap.strip()),
        period_days=period_days,
        payees=own.mandate_payees(visit.desk(Desk), session_of(visit), accounts, customers.split()),
        expires_at=end_of(last_day),
    )
    document = own.draft_mandate(visit.core, session_of(visit), wish).canonical()
    return visit.page(
        "custody/my_mandate_sign.html",
        terms=mandates.read(document),
        **to_sign(visit, document, mandates.challenge_of(document)),
    )


@pages.post("/my/mandates")
def give_mandate(
    visit: Signed,
    document: Annotated[str, Form(max_length=DOCUMENT_CHARACTERS_MAX)],
    used: FromForm,
) -> Response:
    signed = from_text("document", document)
    own.give_mandate(visit.desk(Desk), session_of(visit), signed, used, relying_party(visit.origin))
    return visit.go("/my/mandates", said="mandate_given")


@pages.post("/my/mandates/{mandate_id}/revocation")
def revoke_mandate(visit: Signed, mandate_id: UUID) -> Response:
    own.revoke_mandate(visit.core, session_of(visit), mandate_id)
    return visit.go("/my/mandates", said="mandate_revoked")


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


def to_sign(visit: Visit, document: bytes, challenge: bytes) -> dict[str, Any]:
    """What a page needs that asks for a signature: the bytes as they are, and as its form sends them back."""
    return {"question": question(visit, challenge), "text": document.decode(), "document": to_text(document)}


def left(visit: Visit, wait: Wait) -> str:
    """How long it still is, in hours and minutes, rounded up."""
    minutes = -((visit.now - wait.until) // timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    return visit.say(msg("%(hours)s h %(minutes)s min"), hours=hours, minutes=minutes)


def all_left(visit: Visit, found: Many[Order]) -> dict[UUID, str]:
    """The same for those of these orders that wait, by id."""
    return {order_id: left(visit, each) for order_id, each in waits(visit.core, found, visit.now).items()}


def own_payee_answers(visit: Visit) -> list[PayeeAnswer]:
    return payee_answers(visit, own.own_payees(visit.core, session_of(visit)))


def masks_of_order(visit: Visit, order_id: UUID) -> str | None:
    """The masked account that an order pays."""
    with visit.core.connection() as connection:
        return masks(connection, visit.book, [ORDER_ACCOUNT], [str(order_id)])[str(order_id)].get(ORDER_ACCOUNT.name)
