"""The order: what it is, where it stands, and the rows that every step of it writes.

Each step is an ORDER_STATE event with an id that follows from order and state, so that a step happens once, and a
conditional move of the order's row in the same append, so that two people cannot move it from one state twice.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row, dict_row

from ringfence.core import Core
from ringfence.custody.queries import QUERIES
from ringfence.custody.refusals import ORDER_MUST_EXIST
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement
from ringfence.ledger.model import Kind, Line
from ringfence.money import currency, format_minor
from ringfence.risk.desk import Desk as RiskDesk
from ringfence.vault.fields import ORDER_ACCOUNT, ORIGIN, PAYMENT
from ringfence.vault.keeping import BOOK, Vault, owner

PURPOSES: Final = {
    "deposit": Purpose.DEPOSIT,
    "withdrawal": Purpose.WITHDRAWAL,
    "freeze": Purpose.FREEZE,
    "release": Purpose.RELEASE,
    "transfer": Purpose.CUSTOMER_TRANSFER,
    "fee": Purpose.PLATFORM_FEE,
    "escrow": Purpose.ESCROW,
    "fee_sweep": Purpose.FEE_SWEEP,
    "allocation": Purpose.ALLOCATION,
    "funding": Purpose.FUNDING,
}
PAYOUTS: Final = ("withdrawal", "fee_sweep")
LATEST_ID: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Desk:
    """Where orders are placed: the core, the risk engine, and the vault of what is sensitive."""

    core: Core
    risk: RiskDesk
    vault: Vault

    def fingerprint(self, account: str) -> str:
        """What stands for a payee's account where the account itself must not stand (journal, risk features)."""
        return self.vault.fingerprint(account)


@dataclass(frozen=True)
class Order:
    """An order as it stands. `amount` is in minor units of `currency`; the payee's account is in the vault."""

    order_id: UUID
    kind: str
    state: str
    day: date
    customer_id: str | None
    other_customer: str | None
    account_name: str | None
    currency: str
    amount: int
    payee_name: str | None
    reference: str
    maker: str
    asked: str
    placed_at: datetime
    moved_at: datetime

    @property
    def decimal(self) -> str:
        return format_minor(self.amount, currency(self.currency))


@dataclass(frozen=True)
class Asked:
    """What a caller asks for: the part of an order that an exact replay repeats."""

    order_id: UUID
    kind: str
    amount: int
    currency: str
    maker: str
    customer_id: str | None = None
    other_customer: str | None = None
    account_name: str | None = None
    payee_name: str | None = None
    payee_account: str | None = None
    reference: str = ""

    def digest(self, vault: Vault) -> str:
        told: tuple[str | None, ...] = (self.kind, str(self.amount), self.currency, self.customer_id)
        told += (self.other_customer, self.account_name, self.payee_name, self.payee_account, self.reference)
        return vault.digest(json.dumps(told, ensure_ascii=False))


def order(connection: Connection, book: int, order_id: UUID) -> Order:
    """An order by id, or `order_must_exist`."""
    found = find_order(connection, book, order_id)
    if found is None:
        raise ORDER_MUST_EXIST(order=order_id)
    return found


def find_order(connection: Connection, book: int, order_id: UUID) -> Order | None:
    with connection.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(QUERIES.order_by_id, {"book": book, "order_id": order_id}).fetchone()


def orders(
    connection: Connection,
    book: int,
    *,
    state: str | None = None,
    kind: str | None = None,
    customer_id: str | None = None,
    day: date | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Order]:
    """Orders, the latest first; `before` is (placed_at, order_id) of the last one of the page before."""
    before_at, before_id = before or ("infinity", LATEST_ID)
    question = {"book": book, "state": state, "kind": kind, "customer": customer_id, "day": day, "limit": limit}
    with connection.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(QUERIES.orders, question | {"before_at": before_at, "before_id": before_id}).fetchall()


def orders_by_state(connection: Connection, book: int, day: date | None = None) -> list[dict[str, Any]]:
    """Counts and sums (minor units) by kind, state and currency."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(QUERIES.orders_by_state, {"book": book, "day": day}).fetchall()


def unallocated(connection: Connection, book: int) -> list[Order]:
    """Receipts that wait for their owner, the oldest first."""
    with connection.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(QUERIES.unallocated, {"book": book}).fetchall()


def hold_of(connection: Connection, book: int, order_id: UUID) -> Line | None:
    """The pending transfer of an order, if it has one."""
    hold = derived(order_id, "hold")
    row = connection.execute(QUERIES.hold, {"book": book, "id": hold}).fetchone()
    if row is None:
        return None
    debit, credit, amount, code, value_date = row
    return Line(Kind.PENDING, hold, debit, credit, amount, order_id=order_id, code=code, value_date=value_date)


def state_event(asked: Asked, state: str, before: str | None, day: date, desk: Desk | None = None) -> Line:
    """The ORDER_STATE event of a step. Its id follows from order and state, so that a step is written once."""
    said = {
        "order": str(asked.order_id),
        "kind": asked.kind,
        "state": state,
        "from": before,
        "customer": asked.customer_id,
        "amount": format_minor(asked.amount, currency(asked.currency)),
        "currency": asked.currency,
        "payee": desk.fingerprint(asked.payee_account) if desk and asked.payee_account else None,
        "maker": asked.maker,
        "day": day.isoformat(),
    }
    identity = derived(asked.order_id, f"state {state}")
    line = Line(Kind.EVENT, identity, order_id=asked.order_id, code=EventName.ORDER_STATE, payload=said)
    return replace(line, value_date=day)


def moved_event(found: Order, becomes: str, day: date) -> Line:
    asked = Asked(found.order_id, found.kind, found.amount, found.currency, found.maker, found.customer_id)
    return state_event(asked, becomes, found.state, day)


def payment_event(order_id: UUID, payment: bytes, day: date) -> Line:
    """The PAYMENT_ORDERED event: the hash of exactly what may be paid."""
    said = {"order": str(order_id), "sha256": sha256(payment).hexdigest()}
    identity = derived(order_id, "payment")
    line = Line(Kind.EVENT, identity, order_id=order_id, code=EventName.PAYMENT_ORDERED, payload=said)
    return replace(line, value_date=day)


def move(core: Core, found: Order, becomes: str) -> Statement:
    row = {"book": core.book.book_id, "order_id": found.order_id, "seen": found.state, "becomes": becomes}
    return QUERIES.move_order, row | {"at": core.clock()}


def payment_order(core: Core, order_id: UUID, account_name: str | None) -> Statement:
    row = {"book": core.book.book_id, "order_id": order_id, "account_name": account_name}
    return QUERIES.insert_payment_order, row | {"at": core.clock()}


def inserted(desk: Desk, asked: Asked, state: str, day: date) -> list[Statement]:
    """What puts an order's row down: the row, and the payee's account in the vault. The account that a customer pays is
    the customer's own; one that paid in is somebody's, and under the book's key.
    """
    row: dict[str, Any] = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
    row |= {"book": desk.core.book.book_id, "state": state, "day": day, "asked": asked.digest(desk.vault)}
    put: list[Statement] = [(QUERIES.insert_order, row | {"at": desk.core.clock()})]
    if asked.payee_account:
        whose = owner_of(asked)
        put.append(desk.vault.keep(whose, ORDER_ACCOUNT, str(asked.order_id), asked.payee_account))
    return put


def kept_payment(desk: Desk, asked: Asked, payment: bytes) -> Statement:
    """The canonical instruction, in the vault from placement on: what people approve is what moves."""
    return desk.vault.keep(owner_of(asked), PAYMENT, str(asked.order_id), payment.decode())


def kept_origin(desk: Desk, asked: Asked, content: str) -> Statement:
    """What was asked for, as it was signed, in the vault: it names the payee."""
    return desk.vault.keep(owner_of(asked), ORIGIN, str(asked.order_id), content)


def owner_of(asked: Asked) -> str:
    """Whose field key the payee's account of an order is under."""
    return owner(asked.customer_id) if asked.customer_id and asked.kind == "withdrawal" else BOOK


def stored(core: Core, order_id: UUID) -> Order:
    with core.connection() as connection:
        return order(connection, core.book.book_id, order_id)
