"""Saying who asks for a payment, in the append that places its order."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from ringfence.authority.actors import Actor, Client, Session
from ringfence.authority.origin import Payment
from ringfence.authority.origin.documents import challenge_of, read
from ringfence.authority.origin.documents import require_asked as require_document
from ringfence.authority.origin.refusals import ORDER_MUST_SAY_WHO_ASKED, ORIGIN_IS_NOT_ACCEPTED
from ringfence.authority.origin.requests import read_signed_text, require_asked
from ringfence.authority.policy import PAYING, PolicyVersion, act_of
from ringfence.core import Core
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement
from ringfence.ledger.model import Kind, Line

WORD: Final = "origin"
PURPOSE_OF: Final = {"payout": "withdrawal"}  # what a mandate calls an act, where its word is another


class _Queries(NamedQueries):
    state_program_origin: Query
    state_customer_origin: Query
    state_mandate_origin: Query
    origin_event: Query
    program_key: Query
    give_mandate: Query
    revoke_mandate: Query
    mandates: Query
    mandate_revoked: Query
    asked_under: Query
    amount_of_rows: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/origin.sql")


@dataclass(frozen=True)
class Stated:
    """The line that says who asked, the statements beside it, and the content that names the payee, for the vault."""

    line: Line
    also: tuple[Statement, ...]
    content: str = field(repr=False)
    credential_id: bytes | None = None  # the passkey that was used


def stated(
    core: Core, policy: PolicyVersion, by: Actor, payment: Payment, mandate: UUID | None = None
) -> Stated | None:
    """What an order's unit says of who asks for its payment; None where the policy does not ask, or staff does, whose
    proposal says it. Under a mandate it is said in any case. `order_must_say_who_asked`, `origin_is_not_accepted`, and
    what `requests` refuses.
    """
    accepted = act_of(policy, payment.act).asked_by if payment.act in PAYING else ()
    asked_by = "mandate" if mandate else _kind_of(by)
    if accepted and asked_by not in accepted:
        raise ORIGIN_IS_NOT_ACCEPTED(asked_by=asked_by)
    if mandate and not isinstance(by, Client):
        raise ORIGIN_IS_NOT_ACCEPTED(asked_by=_kind_of(by))
    if not accepted and not mandate:
        return None
    if isinstance(by, Client):
        return _by_program(core, by, payment, mandate)
    return _by_customer(core, by, payment) if isinstance(by, Session) and by.is_customer else None


def _kind_of(by: Actor) -> str:
    if isinstance(by, Session):
        return "customer" if by.is_customer else "staff"
    return "program" if isinstance(by, Client) else "system"


def _by_program(core: Core, by: Client, payment: Payment, mandate: UUID | None) -> Stated:
    if by.request is None:
        raise ORDER_MUST_SAY_WHO_ASKED()
    require_asked(read_signed_text(by.request.base), by.request.content, payment, mandate)
    event = derived(payment.order_id, WORD)
    said = {
        "order": str(payment.order_id),
        "asked_by": "program",
        "client": by.client_id,
        "key": by.request.key_id,
        "base": by.request.base.decode("latin-1"),
        "signature": by.request.signature.hex(),
    }
    if mandate:
        said |= {"asked_by": "mandate", "mandate": str(mandate)}
    row = {
        "book": core.book.book_id,
        "event": event,
        "order_id": payment.order_id,
        "request_sha256": by.token_sha256,
        "mandate": mandate,
        "purpose": PURPOSE_OF.get(payment.act, payment.act),
        "customer": payment.customer,
        "currency": payment.currency,
        "amount": payment.amount,
    }
    query = QUERIES.state_mandate_origin if mandate else QUERIES.state_program_origin
    line = Line(Kind.EVENT, event, order_id=payment.order_id, code=EventName.ORIGIN_STATED, payload=said)
    return Stated(line, ((query, row),), by.request.content.decode())


def _by_customer(core: Core, by: Session, payment: Payment) -> Stated:
    if by.order is None:
        raise ORDER_MUST_SAY_WHO_ASKED()
    document, used = by.order.document, by.order.assertion
    require_document(read(document), core.book.name, payment)
    raw = {
        "credential": used.credential_id,
        "client_data": used.client_data,
        "authenticator_data": used.authenticator_data,
        "signature": used.signature,
    }
    event = derived(payment.order_id, WORD)
    said = {
        "order": str(payment.order_id),
        "asked_by": "customer",
        "customer": payment.customer,
        "person": by.person_id,
        "challenge": challenge_of(document).hex(),
        **{name: value.hex() for name, value in raw.items()},
    }
    row = {
        "book": core.book.book_id,
        "event": event,
        "order_id": payment.order_id,
        "token_sha256": by.token_sha256,
        "document": document,
    }
    line = Line(Kind.EVENT, event, order_id=payment.order_id, code=EventName.ORIGIN_STATED, payload=said)
    return Stated(line, ((QUERIES.state_customer_origin, row | raw),), document.decode(), used.credential_id)
