"""Customers and custodian accounts.

Registering a customer opens a file of due diligence and no account: there is a wallet once the file is verified. A
custodian account is opened in the ledger at once.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.authority.actors import Actor, maker_of
from ringfence.banking.desk import CustodianAccount, custodian_accounts
from ringfence.banking.payee import added_event, payee_sha256, registered_payee
from ringfence.core import Core
from ringfence.custody.guarding import found_rules
from ringfence.custody.payees.queries import QUERIES as PAYEES
from ringfence.custody.queries import QUERIES
from ringfence.custody.refusals import (
    CUSTODIAN_ACCOUNT_MUST_EXIST,
    CUSTOMER_ID_IS_NOT_A_WORD,
    CUSTOMER_IS_REGISTERED_ALREADY,
    CUSTOMER_MUST_EXIST,
    IDENTITY_NUMBER_IS_MALFORMED,
    PHONE_IS_MALFORMED,
)
from ringfence.database.connection import Connection
from ringfence.diligence.applying import Application, opened_file
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.money import currency
from ringfence.vault.fields import IDENTITY_NUMBER, PAYEE, PAYEE_ACCOUNT, PHONE, Shape, normalised
from ringfence.vault.keeping import Vault, owner

_WORD: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_IDENTITY_NUMBER: Final = re.compile(r"[A-Z0-9]{5,30}", re.ASCII)
_PHONE: Final = re.compile(r"\+?[0-9]{5,20}", re.ASCII)


@dataclass(frozen=True)
class Customer:
    """`bank` is the custodian account that holds the money; `available` and `frozen` are ledger account numbers, None
    until the customer is verified.
    """

    customer_id: str
    name: str
    nature: str
    bank: str
    currency: str
    available: int | None
    frozen: int | None
    registered_at: datetime

    @property
    def reference(self) -> str:
        """What a payer writes so that the money finds this customer."""
        return f"RF-{self.customer_id}"


def fees_due(unit: str) -> str:
    """The account of fees that are earned but still lie in the pool; a sweep takes them out."""
    return f"fees:due:{unit}"


def platform_funding(unit: str) -> str:
    """The account of the platform's own money that was paid in to cover a shortfall."""
    return f"platform:funding:{unit}"


def open_custodian_account(
    core: Core, bank: str, account: str, *, scheme: str, identification: str, holder: str, bank_code: str, unit: str
) -> CustodianAccount:
    """Open the cashbook of a custodian account for client money, with its account for unallocated receipts, and once
    for a book and currency those of fees and of the platform; the pool is guarded from then on, and watched.
    """
    name = f"bank:{bank}:{account}"
    _open_accounts(
        core,
        [
            Account(0, name, unit, "debit", None, None, f"bank:{bank}", "client"),
            Account(0, f"unallocated:{bank}:{account}", unit, "credit", 0, None, "unallocated", "client"),
            Account(0, fees_due(unit), unit, "credit", 0, None, "platform", "client"),
            Account(0, platform_funding(unit), unit, "credit", None, None, "platform", "own"),
        ],
    )
    with core.connection() as connection:
        number = reading.account(connection, core.book.book_id, name).account
    found_rules(core, unit, name, number)
    row = {"book": core.book.book_id, "name": name, "bank": bank, "scheme": scheme, "identification": identification}
    row |= {"holder": holder, "bank_code": bank_code, "currency": unit, "pool": "client"}
    said = {"account": name, "bank": bank, "currency": unit}
    opened = _event(core, EventName.CUSTODIAN_ACCOUNT_OPENED, f"custodian account {name}", said)
    core.post(Unit([opened], [(QUERIES.insert_bank_account, row)]))
    with core.connection() as connection:
        return custodian_account(connection, core.book.book_id, name)


def register(
    core: Core,
    vault: Vault,
    customer_id: str,
    *,
    name: str,
    nature: str,
    payee_account: str,
    bank: str,
    identity_number: str | None = None,
    phone: str | None = None,
    by: Actor = None,
    applies: Application | None = None,
) -> Customer:
    """Register a customer, whose money is to be held at the custodian account `bank`: a file of due diligence is
    opened, and no account in the ledger; the account given is the first payee. The same again changes nothing; other
    particulars under the same id are refused, and so is the identity number of another customer in the same role. What
    is sensitive goes into the vault; `identity_number_is_malformed`, `phone_is_malformed`,
    `identity_has_an_account_already`.
    """
    if not _WORD.fullmatch(customer_id):
        raise CUSTOMER_ID_IS_NOT_A_WORD(customer=customer_id[:60])
    if identity_number is not None and not _IDENTITY_NUMBER.fullmatch(normalised(Shape.IDENTITY, identity_number)):
        raise IDENTITY_NUMBER_IS_MALFORMED()
    if phone is not None and not _PHONE.fullmatch(normalised(Shape.PHONE, phone)):
        raise PHONE_IS_MALFORMED()
    with core.connection() as connection:
        held_at = custodian_account(connection, core.book.book_id, bank)
        known = find_customer(connection, core.book.book_id, customer_id)
    if known is not None:
        same = (known.name, known.nature, known.bank) == (name, nature, bank)
        given = ((PAYEE_ACCOUNT, payee_account), (IDENTITY_NUMBER, identity_number), (PHONE, phone))
        if not same or not all(vault.has(what, customer_id, value) for what, value in given):
            raise CUSTOMER_IS_REGISTERED_ALREADY(customer=customer_id)
        return known
    whose, unit = owner(customer_id), currency(held_at.currency).code
    row = {"book": core.book.book_id, "customer_id": customer_id, "name": name, "nature": nature, "bank": bank}
    row |= {"currency": unit, "at": core.clock()}
    opened, file = opened_file(
        core,
        vault,
        customer_id,
        name=name,
        nature=nature,
        identity_number=identity_number,
        applies=applies or Application(),
    )
    also: list[Statement] = [file, (QUERIES.insert_customer, row)]
    for what, value in ((PAYEE_ACCOUNT, payee_account), (IDENTITY_NUMBER, identity_number), (PHONE, phone)):
        if value is not None:
            also.append(vault.keep(whose, what, customer_id, value))
    said = {"customer": customer_id, "nature": nature, "bank": bank}
    registered = _event(core, EventName.CUSTOMER_REGISTERED, f"customer {customer_id}", said)
    payee, first = _first_payee(core, vault, customer_id, name, payee_account, maker_of(by))
    core.post(Unit([registered, opened, payee], [*also, *first]))
    with core.connection() as connection:
        return customer(connection, core.book.book_id, customer_id)


def _first_payee(
    core: Core, vault: Vault, customer_id: str, name: str, account: str, maker: str
) -> tuple[Line, list[Statement]]:
    """The account that a customer is registered with is the first payee, and needs no approval of its own."""
    payee_id = registered_payee(core.book.book_id, customer_id)
    sha256 = payee_sha256(core.book.name, payee_id, customer_id, name, account, vault.payee_salt(payee_id))
    said = {
        "payee": str(payee_id),
        "customer": customer_id,
        "account": vault.fingerprint(account),
        "sha256": sha256,
        "proposal": None,
        "maker": maker,
    }
    event = Line(Kind.EVENT, added_event(payee_id), code=EventName.PAYEE_ADDED, payload=said)
    row = {"book": core.book.book_id, "event": event.id, "payee": payee_id, "customer": customer_id}
    kept = vault.keep(owner(customer_id), PAYEE, str(payee_id), account)
    return event, [(PAYEES.found_payee, row | {"sha256": sha256, "maker": maker}), kept]


def customer(connection: Connection, book: int, customer_id: str) -> Customer:
    """A customer by id, or `customer_must_exist`."""
    found = find_customer(connection, book, customer_id)
    if found is None:
        raise CUSTOMER_MUST_EXIST(customer=customer_id[:60])
    return found


def find_customer(connection: Connection, book: int, customer_id: str) -> Customer | None:
    with connection.cursor(row_factory=class_row(Customer)) as cursor:
        return cursor.execute(QUERIES.customer, {"book": book, "customer_id": customer_id}).fetchone()


def customers(
    connection: Connection, book: int, search: str = "", *, after: str = "", limit: int = 50
) -> list[Customer]:
    """Customers whose id or name contains `search`, by id, beginning after the id `after`."""
    pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    question = {"book": book, "pattern": pattern, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(Customer)) as cursor:
        return cursor.execute(QUERIES.customers, question).fetchall()


def custodian_account(connection: Connection, book: int, name: str) -> CustodianAccount:
    """A custodian account by its ledger name, or `custodian_account_must_exist`."""
    for each in custodian_accounts(connection, book):
        if each.name == name:
            return each
    raise CUSTODIAN_ACCOUNT_MUST_EXIST(account=name[:100])


def accounts_of(customer_id: str) -> tuple[str, str]:
    """The names of a wallet's two accounts in the ledger: available and frozen money."""
    return f"{owner(customer_id)}:available", f"{owner(customer_id)}:frozen"


def opening_line(core: Core, name: str, unit: str, whose: str) -> Line:
    """The row that opens an account of a customer. Its id follows from the name, so that a retry is a replay."""
    return _opening(core, Account(0, name, unit, "credit", 0, None, whose, "client"))


def _open_accounts(core: Core, accounts: list[Account]) -> None:
    """Open each account that is not there yet."""
    for account in accounts:
        core.post(Unit([_opening(core, account)]))


def _opening(core: Core, account: Account) -> Line:
    identity = derived(UUID(int=core.book.book_id), f"account {account.name}")
    return Line(Kind.ACCOUNT_OPENED, identity, payload=account.payload())


def _event(core: Core, name: EventName, what: str, said: dict[str, str]) -> Line:
    identity = derived(UUID(int=core.book.book_id), what)
    return Line(Kind.EVENT, identity, code=name, payload=said)
