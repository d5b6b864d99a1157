"""What the bank says, taken to the orders: sent, paid, rejected, arrived, returned.

The gateway puts the bank's sheets on the shelf (`banking.*`); the core takes each once and acts on it in one append.
Money moves on the bank's word only, and a time-out is no word.

An advice of money that arrived (camt.054) finds its owner by what the payer wrote:
  the reference and the amount of an expected order, or the reference of one customer (`RF-<customer>`);
anything else, two customers in one text, or a payer whom risk holds, is an unallocated receipt: owed to somebody. So is
what an account's maximum keeps out, or the tier of its owner's verification, or that he is not verified, restricted or
gone: the bank has the money already, and it is owed to somebody.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.authority.rule_packs import judged
from ringfence.banking.desk import sheet
from ringfence.core import Core
from ringfence.custody import lifecycle
from ringfence.custody.customers import (
    Customer,
    custodian_account,
    find_customer,
    platform_funding,
)
from ringfence.custody.days import current_day
from ringfence.custody.deciding import end_order
from ringfence.custody.orders import (
    PURPOSES,
    Asked,
    Desk,
    Order,
    find_order,
    hold_of,
    inserted,
    move,
    moved_event,
    order,
    state_event,
)
from ringfence.custody.queries import QUERIES
from ringfence.custody.refusals import WALLET_HAS_NO_ROOM
from ringfence.custody.wallets import may_receive, receiving, wallet_of
from ringfence.diligence.refusals import CUSTOMER_IS_RESTRICTED, CUSTOMER_MUST_BE_VERIFIED
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.ledger.reading import account
from ringfence.refusal import Refused
from ringfence.risk.decision import OrderFacts, Outcome
from ringfence.vault.fields import ADVICE_ACCOUNT

TAKEN_AT_A_TIME: Final = 500
KEPT_OUT: Final = (
    Result.BALANCE_MUST_NOT_EXCEED_ITS_MAXIMUM.word,
    Result.ACCOUNT_MUST_BE_OPEN.word,
    CUSTOMER_MUST_BE_VERIFIED.name,
    CUSTOMER_IS_RESTRICTED.name,
    WALLET_HAS_NO_ROOM.name,
)
"""Refusals by which money that has arrived is kept from whose it is."""
_REFERENCE: Final = re.compile(r"\bRF-([a-z0-9][a-z0-9-]{0,39})(?![a-z0-9-])", re.ASCII)


@dataclass(frozen=True)
class Advice:
    """One line of a credit or debit advice, with the custodian account that it is about."""

    account_name: str
    key: str
    amount: int  # minor units; positive: it arrived
    booking_date: date
    reversal: bool
    bank_reference: str | None
    end_to_end_id: str | None
    original_reference: str | None
    counterparty_name: str | None
    remittance: str | None
    currency: str
    pool: str
    ledger_account: int
    counterparty_account: str | None = field(default=None, repr=False)  # from the vault

    @property
    def texts(self) -> str:
        return " ".join(text for text in (self.remittance, self.end_to_end_id) if text)


def mark_sent(desk: Desk) -> int:
    """Move the orders whose payment the gateway has handed to the bank; returns how many."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        day = current_day(connection, book)
        found = connection.execute(QUERIES.submitted_orders, {"book": book, "limit": TAKEN_AT_A_TIME}).fetchall()
        sent = [order(connection, book, row[0]) for row in found]
    for each in sent:
        becomes = lifecycle.moves(each.kind, each.state, "sent to the bank")
        core.post(Unit([moved_event(each, becomes, day)], [move(core, each, becomes)]))
    return len(sent)


def note_files(desk: Desk) -> int:
    """Put the bank's new statements, and every file that failed its gates, into the journal; returns how many."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        found = connection.execute(QUERIES.new_files, {"book": book, "limit": TAKEN_AT_A_TIME}).fetchall()
    for sha256, bank, message, outcome, reason in found:
        name = EventName.STATEMENT_IMPORTED if outcome == "read" else EventName.STATEMENT_QUARANTINED
        said = {"sha256": sha256, "bank": bank, "message": message, "reason": reason}
        event = Line(Kind.EVENT, derived(UUID(int=book), f"file {sha256}"), code=name, payload=said)
        core.post(Unit([event], [(QUERIES.insert_file_noted, {"book": book, "sha256": sha256})]))
    return len(found)


def take_statuses(desk: Desk) -> int:
    """Act on the bank's new answers to payment orders; returns how many there were."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        day = current_day(connection, book)
        found = connection.execute(QUERIES.new_statuses, {"book": book, "limit": TAKEN_AT_A_TIME}).fetchall()
    for order_id, code, outcome, reasons in found:
        with core.connection() as connection:
            about = order(connection, book, order_id)
        said = {"order": str(order_id), "code": code, "outcome": outcome, "reasons": reasons}
        identity = derived(order_id, f"status {code}")
        event = Line(Kind.EVENT, identity, order_id=order_id, code=EventName.PAYMENT_STATUS, payload=said)
        taken = (QUERIES.insert_status_taken, {"book": book, "order_id": order_id, "code": code})
        core.post(Unit([replace(event, value_date=day)], [taken]))
        if about.state in ("released", "sent") and outcome == "settled":
            _paid(core, about, day)
        elif about.state in ("released", "sent") and outcome == "failed":
            end_order(desk, about, "rejected by the bank")
    return len(found)


def take_advices(desk: Desk) -> int:
    """Act on new advices of money that arrived or left; returns how many there were."""
    core, book = desk.core, desk.core.book.book_id
    with core.connection() as connection:
        day = current_day(connection, book)
        with connection.cursor(row_factory=class_row(Advice)) as cursor:
            found = cursor.execute(QUERIES.new_advices, {"book": book, "limit": TAKEN_AT_A_TIME}).fetchall()
    payers = desk.vault.open_all(ADVICE_ACCOUNT, [sheet(each.account_name, each.key) for each in found])
    for each in found:
        advice = replace(each, counterparty_account=payers.get(sheet(each.account_name, each.key)))
        if advice.amount < 0:
            _take_debit(core, advice, day)
        else:
            _take_credit(desk, advice, day)
    return len(found)


def _paid(core: Core, about: Order, day: date) -> None:
    with core.connection() as connection:
        hold = hold_of(connection, core.book.book_id, about.order_id)
    if hold is None:
        raise RuntimeError(f"order {about.order_id} has no hold")
    becomes = lifecycle.moves(about.kind, about.state, "paid by the bank")
    post = replace(hold, kind=Kind.POST, id=derived(about.order_id, "post"), refers_to=hold.id, value_date=day)
    known = _cash_movement(core, str(about.account_name), post.id, "end_to_end_id", about.order_id.hex)
    core.post(Unit([moved_event(about, becomes, day), post], [move(core, about, becomes), known]))


def _take_debit(core: Core, advice: Advice, day: date) -> None:
    """Money that left: ours if it carries the id of one of our payments; otherwise it is for reconciliation to find."""
    about = _order_named(core, advice.end_to_end_id)
    if about is not None and about.state in ("released", "sent") and about.amount == -advice.amount:
        _paid(core, about, day)
    _shelve(core, advice, about.order_id if about else None, day)


def _returned_order(core: Core, advice: Advice) -> Order | None:
    """The settled payment that comes back with this credit (退汇): our own id, the same account, the whole amount. What
    differs in any of these is a receipt like another, and people say whose it is.
    """
    for reference in (advice.end_to_end_id, advice.original_reference):
        about = _order_named(core, reference)
        exactly = about is not None and (about.account_name, about.amount) == (advice.account_name, advice.amount)
        if about is not None and exactly and about.state == "settled":
            return about
    return None


def _take_credit(desk: Desk, advice: Advice, day: date) -> None:
    """Money that arrived. If something keeps it from whose it is, it waits there for the owner, under an id of its own:
    the ledger's "no" is final for the first.
    """
    try:
        if (paid := _returned_order(desk.core, advice)) is not None:
            _take_return(desk.core, advice, paid, day)
        else:
            _take_receipt(desk, advice, day)
    except Refused as refused:
        if refused.name not in KEPT_OUT:
            raise
        _take_receipt(desk, advice, day, kept_out=True)


def _take_return(core: Core, advice: Advice, paid: Order, day: date) -> None:
    becomes = lifecycle.moves(paid.kind, paid.state, "returned by the bank")
    with core.connection() as connection:
        hold = hold_of(connection, core.book.book_id, paid.order_id)
    if hold is None:
        raise RuntimeError(f"order {paid.order_id} has no hold")
    back = Line(Kind.TRANSFER, derived(paid.order_id, "return"), hold.credit_account, hold.debit_account, paid.amount)
    back = replace(back, order_id=paid.order_id, code=Purpose.BANK_RETURN, value_date=day)
    known = _cash_movement(core, advice.account_name, back.id, "bank_reference", advice.bank_reference or advice.key)
    receipt = _receipt(core, advice, paid.order_id)
    core.post(Unit([moved_event(paid, becomes, day), back], [move(core, paid, becomes), known, receipt]))


def _take_receipt(desk: Desk, advice: Advice, day: date, *, kept_out: bool = False) -> None:
    core, book = desk.core, desk.core.book.book_id
    if _is_told_twice(core, advice):
        _shelve(core, advice, None, day)  # the statement will say whether the bank has it twice as well
        return
    what = "receipt kept out" if kept_out else "receipt"
    order_id = derived(UUID(int=book), f"{what} {advice.account_name} {advice.key}")
    with core.connection() as connection:
        expected = None if kept_out else _expected(connection, book, advice)
        owner = None if kept_out else _owner(connection, book, advice)
        receives = owner is not None and may_receive(core, connection, owner, advice.amount)
        bank = custodian_account(connection, book, advice.account_name)
        unallocated = account(connection, book, bank.unallocated).account
        funding = account(connection, book, platform_funding(bank.currency)).account
    if expected is not None:
        order_id = expected.order_id
    asked = Asked(order_id, "deposit", advice.amount, advice.currency, f"bank:{bank.bank}", None)
    asked = replace(asked, account_name=advice.account_name, payee_name=advice.counterparty_name)
    asked = replace(asked, payee_account=advice.counterparty_account, reference=(advice.texts or advice.key)[:140])
    if expected is not None and expected.kind == "funding":
        _credit(desk, advice, replace(asked, kind="funding"), expected, funding, day, [])
        return
    facts = OrderFacts(
        order_id=order_id,
        kind="deposit",
        customer=owner.customer_id if owner else None,
        amount=advice.amount,
        currency=advice.currency,
        payee=desk.fingerprint(advice.counterparty_account) if advice.counterparty_account else None,
        payee_name=advice.counterparty_name,
        at=core.clock(),
        day=day,
    )
    with desk.risk.ruling(facts) as ruling:
        if owner is None or not receives or ruling.decision.outcome != Outcome.ALLOW:
            _credit(desk, advice, asked, None, unallocated, day, [ruling.line])
        else:
            found = replace(asked, customer_id=owner.customer_id)
            target = wallet_of(owner).available
            _credit(desk, advice, found, expected, target, day, [ruling.line])


def _is_told_twice(core: Core, advice: Advice) -> bool:
    key = advice.bank_reference or advice.key
    question = {
        "book": core.book.book_id,
        "account_name": advice.account_name,
        "key_kind": "bank_reference",
        "key": key,
    }
    with core.connection() as connection:
        return connection.execute(QUERIES.cash_movement_by_key, question | {"key": key}).fetchone() is not None


def _credit(
    desk: Desk,
    advice: Advice,
    asked: Asked,
    expected: Order | None,
    target: int,
    day: date,
    decided: list[Line],
) -> None:
    core = desk.core
    known_owner = asked.customer_id is not None or asked.kind == "funding"
    act = "received by the bank" if known_owner else "received, owner unknown"
    state = lifecycle.moves(asked.kind, expected.state if expected else None, act)
    money = Line(Kind.TRANSFER, derived(asked.order_id, "money"), advice.ledger_account, target, advice.amount)
    purpose = PURPOSES[asked.kind] if known_owner else Purpose.UNALLOCATED_RECEIPT
    money = replace(money, order_id=asked.order_id, code=purpose, value_date=day)
    if expected is not None:
        event, placed = moved_event(expected, state, day), [move(core, expected, state)]
    else:
        event, placed = state_event(asked, state, None, day), inserted(desk, asked, state, day)
    key = advice.bank_reference or advice.key
    known = _cash_movement(core, advice.account_name, money.id, "bank_reference", key)
    also = [*placed, known, _receipt(core, advice, asked.order_id), *(judged(core, line) for line in decided)]
    if asked.customer_id is not None:
        also += receiving(core, asked.customer_id, money.id)
    core.post(Unit([event, *decided, money], also))


def _expected(connection: Any, book: int, advice: Advice) -> Order | None:
    for text in (advice.remittance, advice.end_to_end_id):
        if text:
            question = {"book": book, "reference": text.strip(), "amount": advice.amount}
            with connection.cursor(row_factory=class_row(Order)) as cursor:
                found: Order | None = cursor.execute(QUERIES.expected_deposit, question).fetchone()
            if found is not None and found.account_name == advice.account_name:
                return found
    return None


def _owner(connection: Any, book: int, advice: Advice) -> Customer | None:
    expected = _expected(connection, book, advice)
    named = {expected.customer_id} if expected and expected.customer_id else set(_REFERENCE.findall(advice.texts))
    if len(named) != 1:
        return None
    found = find_customer(connection, book, str(named.pop()))
    return found if found is not None and found.bank == advice.account_name else None


def _order_named(core: Core, reference: str | None) -> Order | None:
    """The order whose payment carries this end-to-end id."""
    if not reference or not re.fullmatch(r"[0-9a-f]{32}", reference):
        return None
    with core.connection() as connection:
        return find_order(connection, core.book.book_id, UUID(hex=reference))


def _cash_movement(core: Core, account_name: str, journal_id: UUID, kind: str, key: str) -> Statement:
    row = {"book": core.book.book_id, "account_name": account_name, "journal_id": journal_id}
    return QUERIES.insert_cash_movement, row | {"key_kind": kind, "key": key}


def _receipt(core: Core, advice: Advice, order_id: UUID | None) -> Statement:
    row = {"book": core.book.book_id, "account_name": advice.account_name, "key": advice.key, "order_id": order_id}
    return QUERIES.insert_receipt, row


def _shelve(core: Core, advice: Advice, order_id: UUID | None, day: date) -> None:
    """Note that a sheet was seen, when it moved nothing."""
    identity = derived(UUID(int=core.book.book_id), f"advice {advice.account_name} {advice.key}")
    said = {"account": advice.account_name, "key": advice.key, "order": str(order_id) if order_id else None}
    event = Line(Kind.EVENT, identity, order_id=order_id, code=EventName.ADVICE_SHELVED, value_date=day, payload=said)
    core.post(Unit([event], [_receipt(core, advice, order_id)]))
