"""A customer's wallet: opened by verification, closed when it is empty, and who may pay and receive with it.

Before an order is placed these are checked in this order:

  1  the customer is verified: there is a wallet
  2  who pays is not restricted; who receives is not restricted to receive nothing
  3  the payment, and all payments of the month, the year or ever with it, are within the tier of who pays
  4  the wallet of who receives has room for it

All but the third are asked of the database again in the append (`diligence.require_standing`, `custody.require_room`),
so that nobody is restricted and no other money comes in between: the notary looks at each row. What a customer moves
between available and frozen is his own, and a lawful order may want it frozen: for that he only has to be verified.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from ringfence.authority.standing.reading import opened_account
from ringfence.core import Core
from ringfence.custody.customers import Customer, accounts_of, customer, opening_line
from ringfence.custody.queries import QUERIES
from ringfence.custody.refusals import CUSTOMER_MUST_HAVE_NO_MONEY
from ringfence.database.connection import Connection
from ringfence.diligence import standing
from ringfence.diligence.files import File, Wallet, Wallets
from ringfence.diligence.refusals import CUSTOMER_MUST_BE_VERIFIED
from ringfence.ledger import reading
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line

DEEDS: Final[dict[str, standing.Deed]] = {
    "withdrawal": "pay",
    "transfer": "pay",
    "fee": "pay",
    "escrow": "pay",
    "freeze": "keep",
    "release": "keep",
}
"""What an order of a kind is to due diligence."""
COUNTED: Final = ("withdrawal", "transfer", "escrow")
"""Payments that the limits of a tier count."""


@dataclass(frozen=True)
class Accounts:
    """The two ledger accounts of a wallet."""

    available: int
    frozen: int


def wallet_of(who: Customer) -> Accounts:
    """The accounts of a customer; `customer_must_be_verified` while there are none."""
    if who.available is None or who.frozen is None:
        raise CUSTOMER_MUST_BE_VERIFIED()
    return Accounts(who.available, who.frozen)


# -- who may -----------------------------------------------------------------------------------------------------------


def require_order(
    core: Core, kind: str, who: Customer, amount: int, day: date, to: Customer | None = None
) -> list[Statement]:
    """An order of this kind may be placed; gives the statements with which the append asks again."""
    book, deed = core.book.book_id, DEEDS[kind]
    with core.connection() as connection:
        payer = standing.require(connection, book, who.customer_id, deed)
        if kind in COUNTED:
            standing.require_payment(payer, amount, day, lambda since: _paid_since(connection, book, who, since))
        if to is not None:
            _require_room(core, connection, standing.require(connection, book, to.customer_id, "receive"), to, amount)
    asked = [standing.required(book, who.customer_id, deed)]
    return asked if to is None else [*asked, standing.required(book, to.customer_id, "receive")]


def receiving(core: Core, customer_id: str, credited: UUID) -> list[Statement]:
    """The statements with which the append of the row `credited` asks whether the customer may receive that money."""
    book = core.book.book_id
    room = (QUERIES.require_room, {"book": book, "customer": customer_id, "credited": credited})
    return [standing.required(book, customer_id, "receive"), room]


def may_pay(core: Core, customer_id: str, kind: str) -> bool:
    """Whether an order that was placed may still go on."""
    with core.connection() as connection:
        return standing.may(connection, core.book.book_id, customer_id, DEEDS[kind]) is not None


def may_receive(core: Core, connection: Connection, who: Customer, amount: int) -> bool:
    """Whether money that is there may be credited to a customer."""
    found = standing.may(connection, core.book.book_id, who.customer_id, "receive")
    if found is None:
        return False
    limit = found.limited.balance
    return limit is None or _held_by(core, connection, who) + amount <= limit


def require_receiver(core: Core, connection: Connection, who: Customer, amount: int) -> None:
    """`customer_must_be_verified`, `customer_is_restricted`, `balance_would_be_above_the_tier`."""
    found = standing.require(connection, core.book.book_id, who.customer_id, "receive")
    _require_room(core, connection, found, who, amount)


def _require_room(core: Core, connection: Connection, found: File, who: Customer, amount: int) -> None:
    if found.limited.balance is not None:
        standing.require_room(found, _held_by(core, connection, who) + amount)


def _paid_since(connection: Connection, book: int, who: Customer, since: date) -> int:
    question = {"book": book, "customer": who.customer_id, "since": since}
    row = connection.execute(QUERIES.paid_since, question).fetchone()
    return int(row[0]) if row else 0


def _held_by(core: Core, connection: Connection, who: Customer) -> int:
    """All that a wallet has, frozen money included."""
    core.entries.follow(connection)
    parts = accounts_of(who.customer_id)
    return sum(reading.balance(connection, core.book.book_id, name).balance for name in parts)


# -- what due diligence is lent --------------------------------------------------------------------------------------


def lent(core: Core) -> Wallets:
    """Custody's wallets, for the package that decides who has one."""
    return Wallets(
        unit=lambda customer_id: _customer(core, customer_id).currency,
        opening=lambda customer_id, event: opening(core, customer_id, event),
        close=lambda customer_id: close(core, customer_id),
    )


def opening(core: Core, customer_id: str, event: UUID) -> Wallet:
    """The rows that open a customer's accounts and the statement that notes them, for the append of the event that
    verifies the customer; nothing, if there is a wallet.
    """
    who = _customer(core, customer_id)
    if who.available is not None:
        return Wallet()
    available, frozen = accounts_of(customer_id)
    names = {"available": available, "frozen": frozen}
    row = {"book": core.book.book_id, "event": event, "customer": customer_id}
    lines = tuple(opening_line(core, name, who.currency, f"customer:{customer_id}") for name in names.values())
    return Wallet(lines, ((QUERIES.open_wallet, row | names),))


def close(core: Core, customer_id: str) -> None:
    """Close a customer's accounts; `customer_must_have_no_money`. Closed ones stay closed."""
    require_empty(core, customer_id, coming=True)
    who, book = _customer(core, customer_id), core.book.book_id
    for number in (who.available, who.frozen):
        with core.connection() as connection:
            found = opened_account(connection, book, number) if number is not None else None
        if found is not None and found.closed is None:
            core.post(Unit([Line(Kind.ACCOUNT_CLOSED, core.new_id(), debit_account=found.account.account)]))


def require_empty(core: Core, customer_id: str, *, coming: bool = False) -> None:
    """`customer_must_have_no_money` unless nothing is in the wallet or on its way out of it, nor, with `coming`, held
    for it elsewhere.
    """
    with core.connection() as connection:
        found = customer(connection, core.book.book_id, customer_id)
        if found.available is None:
            return
        reading.project(connection, core.book.book_id)
        for name in accounts_of(customer_id):
            there = reading.balance(connection, core.book.book_id, name)
            if there.balance or there.held or (coming and there.expected):
                raise CUSTOMER_MUST_HAVE_NO_MONEY(customer=customer_id)


def _customer(core: Core, customer_id: str) -> Customer:
    with core.connection() as connection:
        return customer(connection, core.book.book_id, customer_id)
