"""Saying who asks for a payment, in the append that places its order."""

from dataclasses import dataclass, field
from typing import Final

from ringfence.authority.actors import Actor, Client, Session
from ringfence.authority.origin import Payment
from ringfence.authority.origin.refusals import ORDER_MUST_SAY_WHO_ASKED, ORIGIN_IS_NOT_ACCEPTED
from ringfence.authority.origin.requests import read_signed_text, require_asked
from ringfence.authority.policy import PolicyVersion, act_of
from ringfence.core import Core
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement
from ringfence.ledger.model import Kind, Line

WORD: Final = "origin"


class _Queries(NamedQueries):
    state_program_origin: Query
    origin_event: Query
    program_key: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/origin.sql")


@dataclass(frozen=True)
class Stated:
    """The line that says who asked, the statements beside it, and the content that names the payee, for the vault."""

    line: Line
    also: tuple[Statement, ...]
    content: str = field(repr=False)


def stated(core: Core, policy: PolicyVersion, by: Actor, payment: Payment) -> Stated | None:
    """What an order's unit says of who asks for its payment; None where the policy does not ask, or staff does, whose
    proposal says it. `order_must_say_who_asked`, `origin_is_not_accepted`, and what `requests` refuses.
    """
    accepted = act_of(policy, payment.act).asked_by
    if not accepted:
        return None
    asked_by = "staff" if isinstance(by, Session) else "program" if isinstance(by, Client) else "system"
    if asked_by not in accepted:
        raise ORIGIN_IS_NOT_ACCEPTED(asked_by=asked_by)
    return _by_program(core, by, payment) if isinstance(by, Client) else None


def _by_program(core: Core, by: Client, payment: Payment) -> Stated:
    if by.request is None:
        raise ORDER_MUST_SAY_WHO_ASKED()
    require_asked(read_signed_text(by.request.base), by.request.content, payment)
    event = derived(payment.order_id, WORD)
    said = {
        "order": str(payment.order_id),
        "asked_by": "program",
        "client": by.client_id,
        "key": by.request.key_id,
        "base": by.request.base.decode("latin-1"),
        "signature": by.request.signature.hex(),
    }
    row = {
        "book": core.book.book_id,
        "event": event,
        "order_id": payment.order_id,
        "request_sha256": by.token_sha256,
    }
    line = Line(Kind.EVENT, event, order_id=payment.order_id, code=EventName.ORIGIN_STATED, payload=said)
    return Stated(line, ((QUERIES.state_program_origin, row),), by.request.content.decode())
