"""The notary's other question: did people do what an event of the journal says?

The core can append any event. Behind one that says that people did something stands a row of a table that the core
cannot write, put there by a function that asked for the person's session, password or passkey, in the same append: a
proposal, a decision, a policy, a passkey, a course, a program's key, who asked for a payment. The row names the event
by its sequence.

PAYMENT_ORDERED says that a payment may leave. It is so when, checked in this order:

  1. its id follows from the order, and so do those of the hold and of the decision of risk, which stand before it;
  2. money is held, and risk allowed it, or held it;
  3. somebody asked for it, as the policy of the time of the hold wants (`origin.verification`): the key was admitted,
     and the signature is its own. The request's body is in the vault, which the gateway sees and the notary does not;
  4. what risk held was approved as `hold_release`; and where the policy of that time asks for people for this amount,
     or staff asked, they approved this order, amount, currency and the SHA-256 of these bytes (`verification`).

The gateway asks the same, and more, before it pays. Here the row is named before anybody builds on it.
"""

import json
from datetime import datetime
from uuid import UUID

from ringfence.authority.origin import Payment
from ringfence.authority.origin.verification import Asking, require_origin
from ringfence.authority.policy import policy_in_force, required
from ringfence.authority.verification import record_of, verified_terms
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.evidence.authorisation import ROW_SAYS_WHAT_NOBODY_DID, SaidRow
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Kind
from ringfence.money import currency
from ringfence.refusal import Refused


class _Queries(NamedQueries):
    stands_behind: Query
    hold: Query
    event: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/backing.sql")


def require_backing(connection: Connection, row: SaidRow) -> None:
    """Return if people did what the event says; else raise `row_says_what_nobody_did` with its sequence and why. Role
    notary, in the snapshot in which the row was read.
    """
    try:
        because = _payment(connection, row) if row.event == EventName.PAYMENT_ORDERED else _deed(connection, row)
    except Refused as refused:
        because = refused.name
    if because:
        raise ROW_SAYS_WHAT_NOBODY_DID(sequence=row.sequence, event=row.event.name, because=because)


def _deed(connection: Connection, row: SaidRow) -> str:
    asked = {"book": row.book, "sequence": row.sequence, "code": int(row.event)}
    return "" if connection.execute(QUERIES.stands_behind, asked).fetchone() else "no table knows of it"


def _payment(connection: Connection, row: SaidRow) -> str:
    said = json.loads(row.payload)
    try:
        order = UUID(str(said.get("order")))
    except ValueError:
        return "it names no order"
    if row.id != derived(order, "payment"):
        return "its id is not the order's"
    before = {"book": row.book, "before": row.sequence}
    hold = connection.execute(QUERIES.hold, before | {"id": derived(order, "hold")}).fetchone()
    if hold is None or hold[0] != Kind.PENDING:
        return "no money is held for it"
    decision = connection.execute(QUERIES.event, before | {"id": derived(order, "risk decision")}).fetchone()
    outcome = json.loads(bytes(decision[0])).get("outcome") if decision else "no decision"
    if outcome not in ("allow", "hold"):
        return f"risk did not allow it ({outcome})"
    _, amount, unit, debited, held_at = hold
    act = "payout" if str(debited).startswith("customer:") else "fee_sweep"
    needed = required(policy_in_force(connection, row.book, row.posted_at), act, amount, currency(unit)).people
    by_staff = _asked_by(connection, row.book, Payment(act, order, "", amount, unit, "", ""), held_at) == "staff"
    wanted = (order, amount, unit, said.get("sha256"))
    for each, asked in (("hold_release", outcome == "hold"), (act, by_staff or needed > 0)):
        if asked and (why := _approval(connection, row, order, each, wanted)):
            return why
    return ""


class _BodyIsNotHere(Exception):  # noqa: N818 - named as what it says
    """Everything was verified but what the vault keeps."""


def _body_is_not_here() -> bytes:
    raise _BodyIsNotHere


def _asked_by(connection: Connection, book: int, payment: Payment, held_at: datetime) -> str:
    try:
        return require_origin(connection, Asking(book, payment, held_at, _body_is_not_here))
    except _BodyIsNotHere:
        return "program"


def _approval(connection: Connection, row: SaidRow, order: UUID, act: str, wanted: tuple[object, ...]) -> str:
    record = record_of(connection, row.book, derived(order, f"proposal {act}"))
    terms = verified_terms(record, row.posted_at)
    if record.last_sequence >= row.sequence:
        return "decided after the row"
    unit = terms.unit.code if terms.unit else None
    if (terms.act, terms.order, terms.amount, unit, terms.facts.get("payment_sha256")) != (act, *wanted):
        return "something else was approved"
    return ""
