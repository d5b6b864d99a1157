"""What people decided, taken to the order: released, rejected, cancelled. Each may be repeated after any crash."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Actor, Client
from ringfence.authority.escalations import Seen
from ringfence.authority.policy import policy_in_force, required
from ringfence.authority.proposals import Proposal
from ringfence.authority.queries import QUERIES as AUTHORITY
from ringfence.core import Core
from ringfence.custody import lifecycle
from ringfence.custody.customers import custodian_account, customer
from ringfence.custody.days import current_day
from ringfence.custody.orders import (
    PAYOUTS,
    Desk,
    Order,
    hold_of,
    move,
    moved_event,
    order,
    orders,
    payment_event,
    payment_order,
    stored,
    unallocated,
)
from ringfence.custody.payees.register import payee_of_order
from ringfence.custody.payees.waiting import Prospect, letting_go, prospect
from ringfence.custody.refusals import ORDER_IS_SOMEBODY_ELSES, PAYEE_WAS_PAID_MEANWHILE, WALLET_HAS_NO_ROOM
from ringfence.custody.wallets import DEEDS, may_pay, receiving, require_receiver, wallet_of
from ringfence.database.connection import Connection
from ringfence.diligence.refusals import (
    BALANCE_WOULD_BE_ABOVE_THE_TIER,
    CUSTOMER_IS_RESTRICTED,
    CUSTOMER_MUST_BE_VERIFIED,
)
from ringfence.diligence.standing import required as standing_required
from ringfence.ledger.codes import Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.ledger.reading import account
from ringfence.money import currency
from ringfence.refusal import Refused
from ringfence.risk.reading import decision_of
from ringfence.vault.fields import PAYMENT

ESCROW: Final = "escrow_"  # acts of agreements, which may have the id of an order and are none
KEPT_OUT: Final = (
    Result.BALANCE_MUST_NOT_EXCEED_ITS_MAXIMUM.word,
    CUSTOMER_MUST_BE_VERIFIED.name,
    CUSTOMER_IS_RESTRICTED.name,
    BALANCE_WOULD_BE_ABOVE_THE_TIER.name,
    WALLET_HAS_NO_ROOM.name,
)
"""Refusals by which money is kept from whom people gave it to."""


def decide_order(desk: Desk, order_id: UUID) -> Order:
    """Take what people decided on an order's proposals to the order. Nothing happens while one of them is open."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        found = order(connection, book, order_id)
        asked = proposals.proposals_of_order(connection, book, order_id)
    about = [each for each in asked if not each.act.startswith(ESCROW)]
    if found.state not in ("held", "awaiting_approval"):
        return found
    if any(each.state == "rejected" for each in about):
        return end_order(desk, found, "rejected by a person")
    if any(each.expires_at <= core.clock() for each in about):
        return end_order(desk, found, "not decided in time")
    if found.kind == "allocation" and not _waits_for_its_owner(core, found):
        return end_order(desk, found, "receipt has its owner")
    if found.customer_id and found.kind in DEEDS and not may_pay(core, found.customer_id, found.kind):
        return found  # it waits until the customer is not restricted any more, or until its time is over
    if about and all(each.state == "complete" for each in about):
        try:
            return _decided(desk, found, about)
        except Refused as refused:
            if refused.refusal is PAYEE_WAS_PAID_MEANWHILE:
                return found  # the next round looks again
            if found.kind == "transfer" and refused.name in KEPT_OUT:
                return found  # it waits until who receives may, or until its time is over
            if found.kind != "allocation" or refused.name not in KEPT_OUT:
                raise
            return end_order(desk, found, "kept out by a limit")
    return found


def decide_all(desk: Desk) -> int:
    """`decide_order` for every order that waits; for the core's rounds. Returns how many moved."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        waiting = [
            each
            for state in ("held", "awaiting_approval")
            for each in orders(connection, book, state=state, limit=1_000)
        ]
    return sum(decide_order(desk, each.order_id).state != each.state for each in waiting)


def cool_all(desk: Desk) -> int:
    """Let go what has waited long enough for its new payee, and cancel what waits for one that was removed; for the
    core's rounds. Returns how many moved.
    """
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        waiting = orders(connection, book, state="cooling_off", limit=1_000)
    return sum(cool(desk, each.order_id).state != "cooling_off" for each in waiting)


def cool(desk: Desk, order_id: UUID) -> Order:
    """One of them."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        found = order(connection, book, order_id)
    if found.state != "cooling_off":
        return found
    to = _going_to(core, found)
    if to is None:
        return end_order(desk, found, "payee was removed")
    if to.wait is not None:
        return found
    if _asks_people_now(core, found):
        return end_order(desk, found, "policy asks for people now")
    try:
        return _release(desk, found, (), "payee is old enough", to)
    except Refused as refused:
        if refused.refusal is not PAYEE_WAS_PAID_MEANWHILE:
            raise
        return found  # the next round looks again


def cancel(desk: Desk, order_id: UUID, *, by: Actor = None) -> Order:
    """Cancel an order that nobody has decided on or that waits for its payee; what was held is released. The journal
    says by whom. A program cancels what it placed itself (`order_is_somebody_elses`), people any.
    """
    with desk.core.connection() as connection:
        found = order(connection, desk.core.book.book_id, order_id)
    if isinstance(by, Client) and found.maker != by.maker:
        raise ORDER_IS_SOMEBODY_ELSES()
    return end_order(desk, found, "cancelled", by=by)


def end_order(desk: Desk, found: Order, act: str, *, by: Actor = None) -> Order:
    """End an order without money: void what it holds and move it by `act` (rejected, cancelled, failed)."""
    core = desk.core
    becomes = lifecycle.moves(found.kind, found.state, act)
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
        hold = hold_of(connection, core.book.book_id, found.order_id)
    moved = moved_event(found, becomes, day)
    chain = [moved if by is None else replace(moved, payload={**(moved.payload or {}), "by": by.maker})]
    if hold is not None:
        void = derived(found.order_id, "void")
        chain.append(replace(hold, kind=Kind.VOID, id=void, amount=0, refers_to=hold.id, value_date=day))
    core.post(Unit(chain, [move(core, found, becomes)]))
    return stored(core, found.order_id)


def _decided(desk: Desk, found: Order, about: Sequence[Proposal]) -> Order:
    """Enough people agreed: let it go, or let it wait for its new payee."""
    if found.kind != "withdrawal":
        act = "released by two people" if found.state == "held" else "approved"
        return _release(desk, found, about, act, None)
    to = _going_to(desk.core, found)
    if to is None:
        return end_order(desk, found, "payee was removed")
    if to.wait is None:
        return _release(desk, found, about, "released by two people" if found.state == "held" else "approved", to)
    act = "released to a new payee" if found.state == "held" else "approved to a new payee"
    becomes = lifecycle.moves(found.kind, found.state, act)
    with desk.core.connection() as connection:
        day = current_day(connection, desk.core.book.book_id)
    moved = moved_event(found, becomes, day)
    also = [proposals.carrying_out(desk.core, each.proposal_id, each.act, moved) for each in about]
    desk.core.post(Unit([moved], [move(desk.core, found, becomes), *also]))
    return stored(desk.core, found.order_id)


def _asks_people_now(core: Core, found: Order) -> bool:
    """Whether nobody was asked about a withdrawal, and the policy in force when it has waited asks somebody. Gateway
    and notary would hold it to that.
    """
    book = core.book.book_id
    with core.connection() as connection:
        about = proposals.proposals_of_order(connection, book, found.order_id)
        decided = decision_of(connection, book, found.order_id)
        policy = policy_in_force(connection, book, core.clock())
    seen = Seen(decided.posted_at, decided.score) if decided else Seen(core.clock())
    needed = required(policy, "payout", found.amount, currency(found.currency), seen, maker=found.maker)
    return needed.people > 0 and all(each.act != "payout" for each in about)


def _going_to(core: Core, found: Order) -> Prospect | None:
    """How it stands with a withdrawal's payee; None: it was removed."""
    with core.connection() as connection:
        payee = payee_of_order(connection, core.book.book_id, found.order_id)
        if payee is None or payee.state != "active":
            return None
        return prospect(connection, core.book.book_id, payee, found.currency, found.amount, core.clock())


def _release(desk: Desk, found: Order, about: Sequence[Proposal], act: str, to: Prospect | None) -> Order:
    core = desk.core
    becomes = lifecycle.moves(found.kind, found.state, act)
    with core.connection() as connection:
        day = current_day(connection, core.book.book_id)
        hold = hold_of(connection, core.book.book_id, found.order_id)
    moved = moved_event(found, becomes, day)
    chain = [moved]
    also = [move(core, found, becomes)]
    also += [proposals.carrying_out(core, each.proposal_id, each.act, moved) for each in about]
    if found.customer_id and found.kind in DEEDS:
        also.append(standing_required(core.book.book_id, found.customer_id, DEEDS[found.kind]))
    if found.kind in PAYOUTS:
        payment = desk.vault.open(PAYMENT, str(found.order_id)).encode()
        chain.append(payment_event(found.order_id, payment, day))
        also.append(payment_order(core, found.order_id, found.account_name))
        also += [letting_go(core.book.book_id, found.order_id, to.let_go)] if to else []
    elif found.kind == "allocation":
        chain.append(_allocation_line(core, found, day))
        also += receiving(core, str(found.customer_id), chain[-1].id)
    elif hold is not None:
        post = derived(found.order_id, "post")
        chain.append(replace(hold, kind=Kind.POST, id=post, refers_to=hold.id, value_date=day))
        also += receiving(core, found.other_customer, post) if found.other_customer else []
    core.post(Unit(chain, also))
    return stored(core, found.order_id)


def _waits_for_its_owner(core: Core, found: Order) -> bool:
    """Whether the receipt of an allocation has not been given to somebody by another one."""
    with core.connection() as connection:
        return any(str(each.order_id) == found.reference for each in unallocated(connection, core.book.book_id))


def _allocation_line(core: Core, found: Order, day: date) -> Line:
    with core.connection() as connection:
        bank = custodian_account(connection, core.book.book_id, str(found.account_name))
        who = customer(connection, core.book.book_id, str(found.customer_id))
        waiting = account(connection, core.book.book_id, bank.unallocated).account
        identity = _next_try(connection, core.book.book_id, UUID(found.reference))
        require_receiver(core, connection, who, found.amount)
    credit = wallet_of(who).available
    money = Line(Kind.TRANSFER, identity, waiting, credit, found.amount, order_id=found.order_id)
    return replace(money, code=Purpose.ALLOCATION, value_date=day)


def _next_try(connection: Connection, book: int, receipt: UUID) -> UUID:
    """The id under which a receipt is given away: it follows from the receipt, so that this happens once. One that the
    ledger refused is used up, and the next stands for it.
    """
    number = 1
    while True:
        identity = derived(receipt, "allocated" if number == 1 else f"allocated {number}")
        row = connection.execute(AUTHORITY.kind_of_id, {"book": book, "id": identity}).fetchone()
        if row is None or row[0] != Kind.REFUSAL:
            return identity
        number += 1
