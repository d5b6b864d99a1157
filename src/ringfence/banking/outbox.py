"""The outbox: payment orders that were cleared become pain.001 files, one a payment.

For each order that waits, in the order in which they were ordered:
  1  it is cleared (`clearance`), or withheld by the name of what is missing, and looked at again
  2  its file is put into the bank's folder; name and bytes follow from the order alone, so putting it again is the same
  3  the submission is noted

A crash between 2 and 3 puts the same file down again. If the bank has collected the first by then it sees a second copy
with the same message id, pays once, and answers "duplicate", which says nothing of the first (`payment_status`).
"""

import base64
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from psycopg.rows import class_row

from ringfence.banking import exchange
from ringfence.banking.account_number import AccountNumber, Scheme, account_number, iban, other_number
from ringfence.banking.clearance import PAYMENT_IS_NOT_NOTARISED_YET, Waiting, cleared
from ringfence.banking.desk import CustodianAccount, GatewayDesk, custodian_accounts
from ringfence.banking.instruction import Instruction, parse_instruction
from ringfence.banking.payment_file import DebtorAccount, PaymentOrder, payment_file
from ringfence.banking.queries import QUERIES
from ringfence.money import currency
from ringfence.refusal import Fault, Refused
from ringfence.vault.fields import PAYMENT, Shape, mask

SENT_AT_A_TIME: Final = 200


@dataclass(frozen=True)
class Sent:
    """How many payments went out, and how many were withheld."""

    sent: int
    withheld: int


def send_payments(desk: GatewayDesk) -> Sent:
    """Send every payment that may go now."""
    with desk.connection() as connection:
        accounts = {account.name: account for account in custodian_accounts(connection, desk.book.book_id)}
        question = {"book": desk.book.book_id, "limit": SENT_AT_A_TIME}
        with connection.cursor(row_factory=class_row(Waiting)) as cursor:
            waiting = cursor.execute(QUERIES.waiting_payments, question).fetchall()
    outcomes = [_send(desk, each, accounts[each.account_name]) for each in waiting]
    return Sent(outcomes.count("sent"), outcomes.count("withheld"))


def message_id(order: Instruction) -> str:
    """28 characters that follow from the order: a bank refuses a second message of the same id."""
    return "RF" + base64.b32encode(order.order_id.bytes).decode().rstrip("=")


def payment_of(order: Instruction, account: CustodianAccount) -> PaymentOrder:
    """The instruction as the bank wants it."""
    return PaymentOrder(
        instruction_id=order.end_to_end_id,
        end_to_end_id=order.end_to_end_id,
        debtor=DebtorAccount(account.holder, account_number(Scheme(account.scheme), account.identification)),
        creditor_name=order.creditor_name,
        creditor_account=_creditor(order.creditor_account),
        amount_minor=order.minor,
        currency=currency(order.currency),
        requested_execution_date=order.execution_date,
        remittance_text=f"RF-{order.customer}",
    )


def _send(desk: GatewayDesk, waiting: Waiting, account: CustodianAccount) -> str:
    try:
        waiting = replace(waiting, payload=desk.vault.open(PAYMENT, str(waiting.order_id)).encode())
        with desk.connection() as connection:
            order = cleared(desk, connection, waiting, account)
        message = message_id(order)
        content = payment_file(
            [payment_of(order, account)],
            message_id=message,
            created_at=waiting.ordered_at,
            initiating_party=account.holder,
        )
    except Refused as refused:
        if refused.refusal.fault is Fault.MACHINE:
            raise
        if refused.refusal is not PAYMENT_IS_NOT_NOTARISED_YET:
            _withhold(desk, waiting, refused)
            return "withheld"
        return "waits"
    name = f"{message}.pain.001.xml"
    exchange.deliver(desk.folder(account.bank, "to_bank"), name, content)
    row = {"book": desk.book.book_id, "order_id": waiting.order_id, "message_id": message, "file_name": name}
    row |= {"sha256": sha256(content).hexdigest(), "at": desk.clock(), "payee": order.payee, "amount": order.minor}
    with desk.connection() as connection:
        connection.execute(QUERIES.insert_submission, row)
    return "sent"


def _withhold(desk: GatewayDesk, waiting: Waiting, refused: Refused) -> None:
    row = {"book": desk.book.book_id, "order_id": waiting.order_id, "reason": refused.name}
    sentence = refused.sentence()
    for account in _creditors(waiting.payload):  # a refusal may speak of it; what is kept is masked
        sentence = sentence.replace(account, mask(Shape.ACCOUNT, account))
    row |= {"sentence": sentence, "at": desk.clock()}
    with desk.connection() as connection:
        connection.execute(QUERIES.insert_withheld, row)


def _creditors(payload: bytes) -> list[str]:
    try:
        return [parse_instruction(payload).creditor_account]
    except Refused:
        return []


def _creditor(text: str) -> AccountNumber:
    try:
        return iban(text)
    except Refused:
        return other_number(text)
