"""Orders: placing them, and moving them along their lifecycle. One straight path each, checks in declared order.

Placing
  1  the same order again is answered with the order as it stands; the same id with other content is refused
  2  a business day is open; the customer exists; the amount is positive and of the customer's currency
  3  risk decides: allow, hold or refuse
  4  one append: the order's state, the decision, the money (moved, held or left alone), and what follows at once:
     a proposal for people, or the payment order for the gateway

If the money is not there, the ledger refuses the append whole: nothing is left but the refusal's own rows, and the
answer is final for that order id.

Moving: `decide_proposal` takes what people decided to the order's next state. It may be repeated after any crash.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row, dict_row

from ringfence.authority import policy as policies
from ringfence.authority import proposals
from ringfence.banking.instruction import Instruction
from ringfence.core import Core
from ringfence.custody import lifecycle
from ringfence.custody.customers import Customer, custodian_account, customer, fees_due
from ringfence.custody.days import current_day
from ringfence.custody.queries import QUERIES
from ringfence.custody.refusals import (
    AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE,
    CUSTOMERS_MUST_BE_DIFFERENT,
    CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT,
    ORDER_ID_ALREADY_HAS_OTHER_CONTENT,
    ORDER_MUST_EXIST,
    PAYEE_NAME_MUST_BE_THE_CUSTOMERS,
    RECEIPT_MUST_BE_UNALLOCATED,
)
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line, canonical
from ringfence.money import currency, format_minor
from ringfence.risk.decision import Decision, OrderFacts, Outcome
from ringfence.risk.store import Risk

PURPOSES: Final = {
    "deposit": Purpose.DEPOSIT,
    "withdrawal": Purpose.WITHDRAWAL,
    "freeze": Purpose.FREEZE,
    "release": Purpose.RELEASE,
    "transfer": Purpose.CUSTOMER_TRANSFER,
    "fee": Purpose.PLATFORM_FEE,
    "fee_sweep": Purpose.FEE_SWEEP,
    "allocation": Purpose.ALLOCATION,
    "funding": Purpose.FUNDING,
}
PAYOUTS: Final = ("withdrawal", "fee_sweep")
LATEST_ID: Final = UUID(int=2**128 - 1)
LATEST_TIME: Final = datetime.max


@dataclass(frozen=True)
class Desk:
    """Where orders are placed: the core, the risk engine, and the key that turns a payee's account into a fingerprint."""

    core: Core
    risk: Risk
    payee_key: bytes

    def fingerprint(self, account: str) -> str:
        """What stands for a payee's account where the account itself must not stand (journal, risk features)."""
        return hmac_digest(self.payee_key, account.replace(" ", "").upper().encode(), "sha256")[:16].hex()


@dataclass(frozen=True)
class Order:
    """An order as it stands. `amount` is in minor units of `currency`; `payment` is the canonical instruction."""

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
    payee_account: str | None
    reference: str
    maker: str
    asked: str
    payment: bytes | None
    proposal_id: UUID | None
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

    def digest(self) -> str:
        told = (self.kind, str(self.amount), self.currency, self.customer_id, self.other_customer, self.account_name)
        told += (self.payee_name, self.payee_account, self.reference)
        return sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Movement:
    """From which ledger account to which."""

    debit: int
    credit: int


# -- placing -------------------------------------------------------------------------------------------------------------


def place_withdrawal(
    desk: Desk, order_id: UUID, customer_id: str, amount: int, *, payee_account: str, maker: str, reference: str = ""
) -> Order:
    """Hold the money and have it paid to the customer's own account at another bank (提现)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
        bank = custodian_account(connection, desk.core.book.book_id, who.bank)
    asked = Asked(order_id, "withdrawal", amount, who.currency, maker, customer_id, account_name=bank.name)
    asked = replace(asked, payee_name=who.name, payee_account=payee_account, reference=reference)
    return _place(desk, asked, who, Movement(who.available, bank.ledger_account))


def place_freeze(desk: Desk, order_id: UUID, customer_id: str, amount: int, *, maker: str, reference: str) -> Order:
    """Move money from available to frozen, for a bid or by a lawful order (冻结)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
    asked = Asked(order_id, "freeze", amount, who.currency, maker, customer_id, reference=reference)
    return _place(desk, asked, who, Movement(who.available, who.frozen))


def place_release(desk: Desk, order_id: UUID, customer_id: str, amount: int, *, maker: str, reference: str) -> Order:
    """Move money from frozen back to available (解冻)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
    asked = Asked(order_id, "release", amount, who.currency, maker, customer_id, reference=reference)
    return _place(desk, asked, who, Movement(who.frozen, who.available))


def place_transfer(
    desk: Desk, order_id: UUID, customer_id: str, to_customer: str, amount: int, *, maker: str, reference: str = ""
) -> Order:
    """Move money from one customer to another at the same custodian account."""
    if customer_id == to_customer:
        raise CUSTOMERS_MUST_BE_DIFFERENT()
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
        other = customer(connection, desk.core.book.book_id, to_customer)
    if who.bank != other.bank:
        raise CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT(one=customer_id, other=to_customer)
    asked = Asked(order_id, "transfer", amount, who.currency, maker, customer_id, to_customer, reference=reference)
    asked = replace(asked, payee_name=other.name)
    return _place(desk, asked, who, Movement(who.available, other.available))


def place_fee(desk: Desk, order_id: UUID, customer_id: str, amount: int, *, maker: str, reference: str) -> Order:
    """Take a fee of the published tariff from available money; `reference` names the tariff's line."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
        due = _account_number(connection, desk.core.book.book_id, fees_due(who.currency))
    asked = Asked(order_id, "fee", amount, who.currency, maker, customer_id, reference=reference)
    return _place(desk, asked, who, Movement(who.available, due))


def place_fee_sweep(
    desk: Desk, order_id: UUID, account_name: str, amount: int, *, payee_name: str, payee_account: str, maker: str
) -> Order:
    """Pay earned fees out of the pool to the platform's own account; people approve it like any payout."""
    with desk.core.connection() as connection:
        bank = custodian_account(connection, desk.core.book.book_id, account_name)
        due = _account_number(connection, desk.core.book.book_id, fees_due(bank.currency))
    asked = Asked(order_id, "fee_sweep", amount, bank.currency, maker, account_name=account_name)
    asked = replace(asked, payee_name=payee_name, payee_account=payee_account)
    return _place(desk, asked, None, Movement(due, bank.ledger_account))


def announce_deposit(desk: Desk, order_id: UUID, customer_id: str, amount: int, *, maker: str, reference: str) -> Order:
    """Expect a payment with this reference and amount; nothing is credited before the bank has it (充值)."""
    with desk.core.connection() as connection:
        who = customer(connection, desk.core.book.book_id, customer_id)
    asked = Asked(order_id, "deposit", amount, who.currency, maker, customer_id, account_name=who.bank)
    return _announce(desk, replace(asked, reference=reference))


def announce_funding(
    desk: Desk, order_id: UUID, account_name: str, amount: int, *, maker: str, reference: str
) -> Order:
    """Expect the platform's own money, paid in to cover a shortfall."""
    with desk.core.connection() as connection:
        bank = custodian_account(connection, desk.core.book.book_id, account_name)
    asked = Asked(order_id, "funding", amount, bank.currency, maker, account_name=account_name, reference=reference)
    return _announce(desk, asked)


def propose_allocation(desk: Desk, order_id: UUID, receipt: UUID, customer_id: str, *, maker: str) -> Order:
    """Say whose an unallocated receipt is; somebody else has to agree before it is credited."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        found = order(connection, book, receipt)
        who = customer(connection, book, customer_id)
        day = current_day(connection, book)
        policy = policies.in_force(connection, book)
    if found.state != "unallocated" or found.account_name != who.bank:
        raise RECEIPT_MUST_BE_UNALLOCATED(order=receipt)
    asked = Asked(order_id, "allocation", found.amount, found.currency, maker, customer_id)
    asked = replace(asked, account_name=found.account_name, reference=str(receipt))
    if known := _replayed(core, asked):
        return known
    payload = {"tag": "ringfence/allocation/v1", "book": core.book.name, "order": str(order_id)}
    payload |= {"receipt": str(receipt), "customer": customer_id, "amount": found.decimal, "currency": found.currency}
    state = lifecycle.moves("allocation", None, "proposed")
    proposal = _proposal(core, policy, "allocation", asked, canonical(payload))
    row = _order_row(core, asked, state, day) | {"proposal_id": proposal.proposal_id}
    event = state_event(asked, state, None, day)
    core.post(Unit([event, proposal.line], [(QUERIES.insert_order, row), *proposal.statements]))
    return _stored(core, order_id)


def _announce(desk: Desk, asked: Asked) -> Order:
    core = desk.core
    if known := _replayed(core, asked):
        return known
    _check_amount(asked)
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
    state = lifecycle.moves(asked.kind, None, "announced")
    row = _order_row(core, asked, state, day)
    core.post(Unit([state_event(asked, state, None, day)], [(QUERIES.insert_order, row)]))
    return _stored(core, asked.order_id)


def _place(desk: Desk, asked: Asked, who: Customer | None, money: Movement) -> Order:
    core, book = desk.core, desk.core.book.book_id
    if known := _replayed(core, asked):
        return known
    _check_amount(asked)
    with core.connection() as connection:
        day = current_day(connection, book)
        policy = policies.in_force(connection, book)
    if asked.kind == "withdrawal" and who is not None and asked.payee_name != who.name:
        raise PAYEE_NAME_MUST_BE_THE_CUSTOMERS()

    facts = _facts(desk, asked, day)
    with desk.risk.deciding(facts) as decision:
        payout = asked.kind in PAYOUTS
        needed = policies.required(policy, "payout", asked.amount, asked.currency) if payout else None
        act = _first_act(decision, payout=payout, people=needed.people if needed else 0)
        state = lifecycle.moves(asked.kind, None, act)
        row = _order_row(core, asked, state, day)
        chain = [state_event(asked, state, None, day, desk), desk.risk.event(decision, facts, day)]
        also: list[Statement] = []

        if state not in ("refused",):
            chain.append(_money_line(asked, money, day, at_once=state == "settled"))
        if payout and state != "refused":
            row["payment"] = _instruction(core, asked, day, policy.version).canonical()
        if state in ("held", "awaiting_approval"):
            act_of_people = "hold_release" if state == "held" else "payout"
            payload = row["payment"] or _hold_payload(core, asked, day)
            proposal = _proposal(core, policy, act_of_people, asked, payload)
            row["proposal_id"] = proposal.proposal_id
            chain.append(proposal.line)
            also += proposal.statements
        if state == "released":
            chain.append(payment_event(asked.order_id, row["payment"], day))
            also.append(_payment_order(core, asked.order_id, asked.account_name, row["payment"]))
        core.post(Unit(chain, [(QUERIES.insert_order, row), *also]))
    return _stored(core, asked.order_id)


def _first_act(decision: Decision, *, payout: bool, people: int) -> str:
    if decision.outcome == Outcome.REFUSE:
        return "refused by risk"
    if decision.outcome == Outcome.HOLD:
        return "held by risk"
    return "placed above the limit" if payout and people else "placed"


# -- what people decided -------------------------------------------------------------------------------------------------


def decide_proposal(desk: Desk, proposal_id: UUID) -> Order | None:
    """Take a decided proposal to its order: released or rejected. None while it is undecided, or not about an order."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        verdict = proposals.verdict(connection, book, proposal_id)
        with connection.cursor(row_factory=class_row(Order)) as cursor:
            question = {"book": book, "proposal_id": proposal_id}
            found = cursor.execute(QUERIES.order_by_proposal, question).fetchone()
    if found is None or verdict == "open" or found.state not in ("held", "awaiting_approval"):
        return found
    if verdict == "approved":
        return _release(desk, found)
    return withdraw_order(desk, found, "rejected by a person")


def cancel(desk: Desk, order_id: UUID) -> Order:
    """Cancel an order on which nobody has decided yet; what was held is released."""
    with desk.core.connection() as connection:
        found = order(connection, desk.core.book.book_id, order_id)
    return withdraw_order(desk, found, "cancelled")


def withdraw_order(desk: Desk, found: Order, act: str) -> Order:
    """End an order without money: void what it holds and move it by `act` (rejected, cancelled, failed)."""
    core = desk.core
    becomes = lifecycle.moves(found.kind, found.state, act)
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
        hold = hold_of(connection, core.book.book_id, found.order_id)
    chain = [_moved_event(found, becomes, day)]
    if hold is not None:
        void = derived(found.order_id, "void")
        chain.append(replace(hold, kind=Kind.VOID, id=void, amount=0, refers_to=hold.id, value_date=day))
    core.post(Unit(chain, [_move(core, found, becomes)]))
    return _stored(core, found.order_id)


def _release(desk: Desk, found: Order) -> Order:
    core = desk.core
    act = "released by two people" if found.state == "held" else "approved"
    becomes = lifecycle.moves(found.kind, found.state, act)
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
        hold = hold_of(connection, core.book.book_id, found.order_id)
    chain = [_moved_event(found, becomes, day)]
    also = [_move(core, found, becomes)]
    if found.kind in PAYOUTS and found.payment is not None:
        chain.append(payment_event(found.order_id, found.payment, day))
        also.append(_payment_order(core, found.order_id, found.account_name, found.payment))
    elif found.kind == "allocation":
        chain.append(_allocation_line(core, found, day))
    elif hold is not None:
        post = derived(found.order_id, "post")
        chain.append(replace(hold, kind=Kind.POST, id=post, refers_to=hold.id, value_date=day))
    core.post(Unit(chain, also))
    return _stored(core, found.order_id)


def _allocation_line(core: Core, found: Order, day: date) -> Line:
    with core.connection() as connection:
        bank = custodian_account(connection, core.book.book_id, str(found.account_name))
        who = customer(connection, core.book.book_id, str(found.customer_id))
        waiting = _account_number(connection, core.book.book_id, bank.unallocated)
    identity = derived(found.order_id, "money")
    money = Line(Kind.TRANSFER, identity, waiting, who.available, found.amount, order_id=found.order_id)
    return replace(money, code=Purpose.ALLOCATION, value_date=day)


# -- reading -------------------------------------------------------------------------------------------------------------


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


# -- pieces --------------------------------------------------------------------------------------------------------------


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


def payment_event(order_id: UUID, payment: bytes, day: date) -> Line:
    """The PAYMENT_ORDERED event: the hash of exactly what may be paid."""
    said = {"order": str(order_id), "sha256": sha256(payment).hexdigest()}
    identity = derived(order_id, "payment")
    line = Line(Kind.EVENT, identity, order_id=order_id, code=EventName.PAYMENT_ORDERED, payload=said)
    return replace(line, value_date=day)


def _moved_event(found: Order, becomes: str, day: date) -> Line:
    asked = Asked(found.order_id, found.kind, found.amount, found.currency, found.maker, found.customer_id)
    return state_event(asked, becomes, found.state, day)


def _move(core: Core, found: Order, becomes: str) -> Statement:
    row = {"book": core.book.book_id, "order_id": found.order_id, "seen": found.state, "becomes": becomes}
    return QUERIES.move_order, row | {"at": core.clock()}


def _money_line(asked: Asked, money: Movement, day: date, *, at_once: bool) -> Line:
    kind, word = (Kind.TRANSFER, "money") if at_once else (Kind.PENDING, "hold")
    line = Line(kind, derived(asked.order_id, word), money.debit, money.credit, asked.amount, order_id=asked.order_id)
    return replace(line, code=PURPOSES[asked.kind], value_date=day)


def _instruction(core: Core, asked: Asked, day: date, policy_version: int) -> Instruction:
    return Instruction(
        book=core.book.name,
        order_id=asked.order_id,
        customer=asked.customer_id or "platform",
        debtor_account=asked.account_name or "",
        creditor_name=asked.payee_name or "",
        creditor_account=asked.payee_account or "",
        currency=asked.currency,
        amount=format_minor(asked.amount, currency(asked.currency)),
        execution_date=day,
        policy_version=policy_version,
        salt=core.new_id().hex,
    )


def _hold_payload(core: Core, asked: Asked, day: date) -> bytes:
    said = {"tag": "ringfence/hold/v1", "book": core.book.name, "order": str(asked.order_id), "kind": asked.kind}
    said |= {"customer": str(asked.customer_id), "amount": format_minor(asked.amount, currency(asked.currency))}
    return canonical(said | {"currency": asked.currency, "day": day.isoformat(), "reference": asked.reference})


def _payment_order(core: Core, order_id: UUID, account_name: str | None, payment: bytes) -> Statement:
    row = {"book": core.book.book_id, "order_id": order_id, "account_name": account_name, "payload": payment}
    return QUERIES.insert_payment_order, row | {"at": core.clock()}


def _proposal(core: Core, policy: policies.Policy, act: str, asked: Asked, payload: bytes) -> proposals.Drafted:
    needed = policies.required(policy, act, asked.amount, asked.currency)
    if act == "hold_release" and asked.kind in PAYOUTS:
        payout = policies.required(policy, "payout", asked.amount, asked.currency)
        needed = max(needed, payout, key=lambda each: each.people)
    return proposals.draft(
        core.book.book_id,
        derived(asked.order_id, "proposal"),
        act=act,
        order_id=asked.order_id,
        payload=payload,
        maker=asked.maker,
        needed=needed,
        policy=policy,
        at=core.clock(),
    )


def _facts(desk: Desk, asked: Asked, day: date) -> OrderFacts:
    return OrderFacts(
        order_id=asked.order_id,
        kind=asked.kind,
        customer=asked.customer_id or "platform",
        amount=asked.amount,
        currency=asked.currency,
        payee=desk.fingerprint(asked.payee_account) if asked.payee_account else None,
        payee_name=asked.payee_name,
        at=desk.core.clock(),
        day=day,
    )


def _order_row(core: Core, asked: Asked, state: str, day: date) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
    row |= {"book": core.book.book_id, "state": state, "day": day, "asked": asked.digest()}
    return row | {"payment": None, "proposal_id": None, "at": core.clock()}


def _replayed(core: Core, asked: Asked) -> Order | None:
    with core.connection() as connection:
        found = find_order(connection, core.book.book_id, asked.order_id)
    if found is not None and found.asked != asked.digest():
        raise ORDER_ID_ALREADY_HAS_OTHER_CONTENT(order=asked.order_id)
    return found


def _stored(core: Core, order_id: UUID) -> Order:
    with core.connection() as connection:
        return order(connection, core.book.book_id, order_id)


def _check_amount(asked: Asked) -> None:
    if asked.amount <= 0:
        raise AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE(amount=asked.amount)


def _account_number(connection: Connection, book: int, name: str) -> int:
    from ringfence.ledger.reading import account

    return account(connection, book, name).account
