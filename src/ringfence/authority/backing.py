"""The notary's other question: did people do what an event of the journal says?

The core can append any event. Behind one that says that people did something stands a row of a table that the core
cannot write, put there by a function that asked for the person's session, password or passkey, in the same append: a
proposal, a decision, a policy, a passkey, a course, a program's key, who asked for a payment. The row names the event
by its sequence. The payee that a customer is registered with is agreed on by nobody: its event has the one id that
follows from the customer.

PAYMENT_ORDERED says that a payment may leave. It is so when, checked in this order:

  1. its id follows from the order, and so do those of the hold and of the decision of risk, which stand before it;
  2. money is held, and risk allowed it, or held it, by the rule pack in force at that row;
  3. somebody asked for it, as the policy of the time of the hold wants (`origin.verification`): the key was admitted,
     and the signature is its own. The request's body is in the vault, which the gateway sees and the notary does not;
  4. what risk held was approved as `hold_release`; and where the policy of that time asks for people for this amount,
     at the hour of risk's decision and with its score,
     or staff asked, they approved this order, amount, currency and the SHA-256 of these bytes (`verification`).

The gateway asks the same, and more, before it pays. Here the row is named before anybody builds on it.

Two movements of money are approved by people, and are so when:

  a correction   names a proposal of the act `correction` as its order; people approved this transfer, these accounts
                 and this amount before the row, and the proposal was spent for it
  own money      of purpose FUNDING: the policy of the time asks nobody, or people approved this order and amount as
                 `funding`, in time and before the row. The bank's money may come later than an approval stands
"""

import json
from datetime import datetime
from typing import Final
from uuid import UUID

from ringfence.authority.cooling_off import added_event, registered_payee
from ringfence.authority.escalations import Seen
from ringfence.authority.origin import Payment
from ringfence.authority.origin.verification import Asking, require_origin
from ringfence.authority.policy import policy_in_force, required
from ringfence.authority.queries import QUERIES as AUTHORITY
from ringfence.authority.rule_packs import objection
from ringfence.authority.verification import record_of, score_of, verified_terms
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.evidence.authorisation import (
    MOVEMENT_LACKS_APPROVAL,
    ROW_SAYS_WHAT_NOBODY_DID,
    MovedRow,
    SaidRow,
)
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Kind
from ringfence.money import currency
from ringfence.refusal import Refused


class _Queries(NamedQueries):
    stands_behind: Query
    hold: Query
    event: Query
    currency: Query
    first_of_order: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/backing.sql")
CORRECTION: Final = "correction"
FUNDING: Final = "funding"


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
    if row.event == EventName.PAYEE_ADDED:
        customer = str(json.loads(row.payload).get("customer"))
        if row.id == added_event(registered_payee(row.book, customer)):
            return ""
    asked = {"book": row.book, "sequence": row.sequence, "code": int(row.event)}
    if connection.execute(QUERIES.stands_behind, asked).fetchone() is None:
        return "no table knows of it"
    return _waits(connection, row) if row.event == EventName.PASSKEY_ENROLLED else ""


def _waits(connection: Connection, row: SaidRow) -> str:
    """Why the wait that an enrolment says is too short; nothing if it is not."""
    said = json.loads(row.payload)
    credential = bytes.fromhex(said["credential"])
    found = connection.execute(AUTHORITY.keys_enrolled, {"book": row.book, "credentials": [credential]}).fetchone()
    too_short = found is None or int(said["wait_hours"]) < found[7]
    return "the passkey waits longer by the policy" if too_short else ""


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
    if decision:
        why = objection(connection, row.book, json.loads(bytes(decision[0])), decision[1], decision[2])
        if why:
            return f"risk decided {why}"
    _, amount, unit, debited, held_at = hold
    act = "payout" if str(debited).startswith("customer:") else "fee_sweep"
    policy = policy_in_force(connection, row.book, row.posted_at)
    seen = Seen(decision[1] if decision else row.posted_at, score_of(connection, row.book, order))
    needed = required(policy, act, amount, currency(unit), seen).people
    customer = str(debited).removeprefix("customer:").rpartition(":")[0] if act == "payout" else "platform"
    payment = Payment(act, order, customer, amount, unit, "", "")
    by_staff = _asked_by(connection, row.book, payment, held_at) == "staff"
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
        return require_origin(
            connection,
            Asking(
                book=book,
                name="",
                payment=payment,
                held_at=held_at,
                content=_body_is_not_here,
                mandate=lambda _: _body_is_not_here(),
            ),
        )
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


def correction_id(proposal: UUID) -> UUID:
    """The id of the row that carries a correction out: one proposal, one row."""
    return derived(proposal, "carried out")


def correction_facts(transfer: UUID, debit: int, credit: int) -> dict[str, str]:
    """What a proposal says of a correction beside the amount: the transfer that it takes back, and its accounts."""
    return {"transfer": str(transfer), "debit_account": str(debit), "credit_account": str(credit)}


def require_movement(connection: Connection, row: MovedRow) -> None:
    """Return if people approved this movement of money; else raise `movement_lacks_approval` with its sequence and why.
    Role notary, in the snapshot in which the row was read.
    """
    correcting = row.kind == Kind.CORRECTION
    try:
        because = _correction(connection, row) if correcting else _funding(connection, row)
    except Refused as refused:
        because = refused.name
    if because:
        what = CORRECTION if correcting else FUNDING
        raise MOVEMENT_LACKS_APPROVAL(sequence=row.sequence, what=what, because=because)


def _correction(connection: Connection, row: MovedRow) -> str:
    record = record_of(connection, row.book, row.order_id)
    terms = verified_terms(record, row.posted_at)
    if record.last_sequence >= row.sequence:
        return "decided after the row"
    wanted = correction_facts(row.refers_to, row.debit_account, row.credit_account)
    if (terms.act, terms.amount) != (CORRECTION, row.amount) or not wanted.items() <= terms.facts.items():
        return "something else was approved"
    if row.id != correction_id(row.order_id) or record.proposal.carried_out != row.sequence:
        return "the proposal was spent elsewhere, or not at all"
    return ""


def _funding(connection: Connection, row: MovedRow) -> str:
    code = connection.execute(QUERIES.currency, {"book": row.book, "account": row.credit_account}).fetchone()
    unit = currency(str(code[0]) if code else "")
    placed = connection.execute(QUERIES.first_of_order, {"book": row.book, "order": row.order_id}).fetchone()
    policy = policy_in_force(connection, row.book, placed[0] if placed else row.posted_at)
    if not required(policy, FUNDING, row.amount, unit, Seen(row.posted_at)).people:
        return ""
    record = record_of(connection, row.book, derived(row.order_id, f"proposal {FUNDING}"))
    decided = max((each.at for each in record.proposal.decisions), default=row.posted_at)
    terms = verified_terms(record, decided)
    if record.last_sequence >= row.sequence:
        return "decided after the row"
    if (terms.act, terms.order, terms.amount, terms.unit) != (FUNDING, row.order_id, row.amount, unit):
        return "something else was approved"
    return ""
