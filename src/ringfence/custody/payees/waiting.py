"""Waiting: whether an order may go to its payee now, and if not, until when and why.

The gateway decides by the same facts (`banking.clearance`): what the policy in force says, when the notary first signed
the row that added the payee, and what went there already.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from ringfence.authority.cooling_off import waits_until
from ringfence.authority.policy import policy_in_force
from ringfence.banking.payee import registered_payee
from ringfence.custody.orders import Order
from ringfence.custody.payees.queries import QUERIES
from ringfence.custody.payees.register import Payee, payee_of_order
from ringfence.database.connection import Connection
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement
from ringfence.money import currency, format_minor

_WARNING: Final = (
    "This payee is new. More than {limit} {currency} to it waits for {hours} hours after it was added: the money is"
    " held and leaves on {until} UTC. If you did not ask for this payment, cancel it now; until then nothing is lost."
)
_WARNING_ZH: Final = (
    "该收款账户为新增账户。新增后 {hours} 小时内，累计超过 {limit} {currency} 的付款须等待：资金已冻结，"
    "将于 {until} UTC 付出。若非本人意愿，请立即撤销；在此之前资金不会付出。"
)


@dataclass(frozen=True)
class Wait:
    """An order waits until then, because its payee is younger than so many hours and the sum is above the limit."""

    until: datetime
    hours: int
    limit: str  # decimal
    currency: str

    def warning(self, language: str = "en") -> str:
        """What whoever sees the order is told."""
        until = self.until.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        text = _WARNING_ZH if language == "zh" else _WARNING
        return text.format(limit=self.limit, currency=self.currency, hours=self.hours, until=until)


@dataclass(frozen=True)
class Prospect:
    """How it stands with one more payment to a payee: what was let go there before, and whether this one waits."""

    let_go: int
    wait: Wait | None


def prospect(connection: Connection, book: int, found: Payee, code: str, amount: int, at: datetime) -> Prospect:
    """How it stands at a time with a payment of an amount in minor units."""
    row = connection.execute(QUERIES.let_go_to, {"book": book, "payee": found.payee_id}).fetchone()
    let_go = int(row[0]) if row else 0
    said = policy_in_force(connection, book, at).policy.cooling_off
    if said is None or found.added_at is None or found.payee_id == registered_payee(book, found.customer_id):
        return Prospect(let_go, None)
    since = at if found.signed_at is None else max(found.added_at, found.signed_at)
    until, rule = waits_until(said, code, let_go + amount, since), said.of(code)
    if until is None or until <= at:
        return Prospect(let_go, None)
    return Prospect(let_go, Wait(until, rule.wait_hours, format_minor(rule.above_minor, currency(code)), code))


def wait_of(connection: Connection, book: int, found: Order, at: datetime) -> Wait | None:
    """How long an order that is cooling off still waits; None: it does not."""
    payee = payee_of_order(connection, book, found.order_id) if found.state == "cooling_off" else None
    return prospect(connection, book, payee, found.currency, found.amount, at).wait if payee else None


def pays(book: int, order_id: UUID, payee_id: UUID) -> Statement:
    """The statement that says whom an order pays."""
    return QUERIES.insert_order_payee, {"book": book, "order_id": order_id, "payee": payee_id}


def letting_go(book: int, order_id: UUID, before: int) -> Statement:
    """The statement that holds what is let go against what was counted with (`payee_was_paid_meanwhile`)."""
    row = {"book": book, "event": derived(order_id, "payment"), "order_id": order_id, "before": before}
    return QUERIES.let_go, row
