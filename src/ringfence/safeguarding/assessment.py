"""Testing a day: requirement against resource, at one cut-off for the ledger and the bank.

What the bank has and our books do not is owed to somebody: it counts as unallocated on the side of the requirement too,
each discrepancy by itself, so that finding it neither makes nor covers a shortfall.

`assess` answers for a day whose accounts are reconciled, and changes nothing. `carry_out` does so and journals the
answer; if nothing has changed since the last test of the day, that one is the answer.

In transit, by name: `announced`, a receipt in the books that the bank has announced for a later day; `paid`, a payment
that the bank has confirmed and not booked, which counts negative because that money is as good as gone; and `named`,
what the caller says is segregated and not yet placed (a card acquirer's settlement, say).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from ringfence.banking.desk import CustodianAccount, custodian_accounts
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.money import Currency, currency, format_minor
from ringfence.reconciliation.calendar import Calendar, calendar_of
from ringfence.reconciliation.runs import Run, last_run
from ringfence.safeguarding.formulas import (
    Outcome,
    Requirement,
    Share,
    concentration,
    d_plus_one_test,
    total_test,
)
from ringfence.safeguarding.queries import QUERIES
from ringfence.safeguarding.refusals import (
    ACCOUNT_IS_NOT_RECONCILED,
    ACCOUNTS_ARE_RECONCILED_AT_DIFFERENT_POINTS,
    CURRENCY_HAS_NO_CLIENT_ACCOUNT,
    TEST_MUST_EXIST,
)
from ringfence.safeguarding.requirement import funding_at, requirement_at

DEFAULT_PROFILE: Final = "eu-psd2"


@dataclass(frozen=True)
class InTransit:
    """Money that is neither in the bank's closing balance nor lost. Minor units; negative: it is on its way out."""

    kind: Literal["announced", "paid", "named"]
    name: str
    currency: str
    amount: int
    received_on: date


@dataclass(frozen=True)
class AccountSide:
    """A custodian account on both sides, from its run: minor units, and the bank's statement."""

    name: str
    bank: str
    bank_closing: int
    cashbook: int
    statement_id: str
    fingerprint: str
    discrepancies: int


@dataclass(frozen=True)
class Assessment:
    """Whether all of it is there, for a day and a currency, in minor units. `sequence` is the cut-off; `cashbook`,
    `fees_due` and `funding` (the platform's own money that was paid in) stand beside and explain.
    """

    day: date
    currency: str
    sequence: int
    required: Requirement
    items: tuple[InTransit, ...]
    insured: int
    d_plus_one: Outcome
    fees_due: int
    funding: int
    accounts: tuple[AccountSide, ...]

    @property
    def bank(self) -> int:
        return sum(account.bank_closing for account in self.accounts)

    @property
    def cashbook(self) -> int:
        return sum(account.cashbook for account in self.accounts)

    @property
    def in_transit(self) -> int:
        return sum(item.amount for item in self.items)

    @property
    def total(self) -> Outcome:
        """The total test."""
        return total_test(self.required.total, bank=self.bank, in_transit=self.in_transit, insured=self.insured)

    @property
    def shares(self) -> tuple[Share, ...]:
        """How much lies at each bank, the largest first."""
        by_bank: dict[str, int] = {}
        for account in self.accounts:
            by_bank[account.bank] = by_bank.get(account.bank, 0) + account.bank_closing
        return concentration(by_bank)

    def said(self) -> dict[str, Any]:
        """What SAFEGUARDING_TESTED says; amounts are decimal strings."""
        unit = currency(self.currency)
        return {
            "accounts": [_account_said(account, unit) for account in self.accounts],
            "bank": format_minor(self.bank, unit),
            "cashbook": format_minor(self.cashbook, unit),
            "concentration": [
                {"bank": share.bank, "amount": format_minor(share.amount, unit), "per_million": share.per_million}
                for share in self.shares
            ],
            "currency": self.currency,
            "customers": self.required.customers,
            "d_plus_one": _outcome_said(self.d_plus_one, unit),
            "day": self.day.isoformat(),
            "fees_due": format_minor(self.fees_due, unit),
            "funding": format_minor(self.funding, unit),
            "in_transit": [
                {"kind": item.kind, "name": item.name, "amount": format_minor(item.amount, unit)} for item in self.items
            ],
            "insured": format_minor(self.insured, unit),
            "negative": format_minor(self.required.negative, unit),
            "negative_customers": self.required.negative_customers,
            "owed": format_minor(self.required.owed, unit),
            "sequence": self.sequence,
            "total": _outcome_said(self.total, unit),
            "unallocated": format_minor(self.required.unallocated, unit),
            "unrecorded": format_minor(self.required.unrecorded, unit),
        }


@dataclass(frozen=True)
class SafeguardingTest:
    """A test as it was journaled, in minor units; `number` counts the tests of the same day."""

    test_id: UUID
    day: date
    currency: str
    number: int
    sequence: int
    customers: int
    owed: int
    unallocated: int
    unrecorded: int
    negative_customers: int
    negative: int
    requirement: int
    bank: int
    in_transit: int
    insured: int
    resource: int
    d_plus_one_requirement: int
    d_plus_one_resource: int
    cashbook: int
    fees_due: int
    funding: int
    tested_at: datetime

    @property
    def total(self) -> Outcome:
        return Outcome(self.requirement, self.resource)

    @property
    def d_plus_one(self) -> Outcome:
        return Outcome(self.d_plus_one_requirement, self.d_plus_one_resource)


def assess(
    connection: Connection,
    book: int,
    day: date,
    unit: str,
    *,
    in_transit: Iterable[InTransit] = (),
    insured: int = 0,
    calendar: Calendar | None = None,
) -> Assessment:
    """Requirement and resource of a reconciled day in the currency `unit`. Refused by name while an account of client
    money is not reconciled for it, or has moved since.
    """
    accounts = [
        account
        for account in custodian_accounts(connection, book)
        if account.pool == "client" and account.currency == unit
    ]
    if not accounts:
        raise CURRENCY_HAS_NO_CLIENT_ACCOUNT(currency=unit[:10])
    sides = [(account, _run(connection, book, account, day)) for account in accounts]
    cut = max(run.cut for _, run in sides)
    for account, run in sides:
        if reading.balance(connection, book, account.name, before=cut).balance != run.cashbook_closing:
            raise ACCOUNTS_ARE_RECONCILED_AT_DIFFERENT_POINTS(account=account.name, day=day)

    owed = requirement_at(connection, book, unit, cut)
    required = owed.requirement.with_unrecorded(sum(_unrecorded(connection, book, run) for _, run in sides))
    items = [item for _, run in sides for item in _in_transit(connection, book, run)]
    items += [item for item in in_transit if item.currency == unit]
    found = tuple(
        AccountSide(
            name=account.name,
            bank=account.bank,
            bank_closing=run.bank_closing,
            cashbook=run.cashbook_closing,
            statement_id=run.statement_id,
            fingerprint=run.fingerprint,
            discrepancies=run.discrepancies,
        )
        for account, run in sides
    )
    return Assessment(
        day=day,
        currency=unit,
        sequence=cut,
        required=required,
        items=tuple(items),
        insured=insured,
        d_plus_one=_d_plus_one(required, found, items, insured, day, calendar or calendar_of(DEFAULT_PROFILE)),
        fees_due=owed.fees_due,
        funding=funding_at(connection, book, unit, cut),
        accounts=found,
    )


def carry_out(
    core: Core,
    day: date,
    unit: str,
    *,
    in_transit: Iterable[InTransit] = (),
    insured: int = 0,
    calendar: Calendar | None = None,
) -> SafeguardingTest:
    """Assess a day and journal the answer; the last test of the day is the answer if nothing has changed since."""
    book = core.book.book_id
    with core.connection() as connection:
        found = assess(connection, book, day, unit, in_transit=in_transit, insured=insured, calendar=calendar)
        last = next(iter(history(connection, book, day=day, currency=unit, limit=1)), None)
        same = last is not None and _same(told(connection, book, last), found.said())
    if last is not None and same:
        return last
    number = last.number + 1 if last else 1
    identity = derived(UUID(int=book), f"safeguarding {day.isoformat()} {unit} {number}")
    event = Line(Kind.EVENT, identity, code=EventName.SAFEGUARDING_TESTED, value_date=day, payload=found.said())
    row = _row(found) | {"book_id": book, "number": number, "test_id": str(identity)}
    row |= {"tested_at": core.clock().isoformat()}
    core.post(Unit([event], [(QUERIES.insert_test, {"row": Jsonb(row)})]))
    with core.connection() as connection:
        return last_test(connection, book, day, unit)


def history(
    connection: Connection, book: int, *, day: date | None = None, currency: str | None = None, limit: int = 100
) -> list[SafeguardingTest]:
    """Tests, the latest day first, within a day the latest first."""
    question = {"book": book, "day": day, "currency": currency, "limit": limit}
    with connection.cursor(row_factory=class_row(SafeguardingTest)) as cursor:
        return cursor.execute(QUERIES.tests, question).fetchall()


def last_test(connection: Connection, book: int, day: date, unit: str) -> SafeguardingTest:
    """The last test of a day, or `test_must_exist`."""
    for found in history(connection, book, day=day, currency=unit, limit=1):
        return found
    raise TEST_MUST_EXIST(day=day, currency=unit[:10])


def told(connection: Connection, book: int, found: SafeguardingTest) -> dict[str, Any]:
    """A test in full, as the journal has it: accounts, items in transit, concentration."""
    row = connection.execute(QUERIES.event_said, {"book": book, "id": found.test_id}).fetchone()
    if row is None:
        raise TEST_MUST_EXIST(day=found.day, currency=found.currency)
    return dict(json.loads(row[0]))


# -- pieces ---------------------------------------------------------------------------------------------------------


def _run(connection: Connection, book: int, account: CustodianAccount, day: date) -> Run:
    found = last_run(connection, book, account.name, day)
    if found is None:
        raise ACCOUNT_IS_NOT_RECONCILED(account=account.name, day=day)
    return found


def _unrecorded(connection: Connection, book: int, run: Run) -> int:
    question = {"book": book, "account_name": run.account_name, "run": run.number}
    row = connection.execute(QUERIES.unrecorded, question).fetchone()
    return int(row[0]) if row else 0


def _in_transit(connection: Connection, book: int, run: Run) -> list[InTransit]:
    question = {"book": book, "account_name": run.account_name, "run": run.number, "day": run.day}
    items = []
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(QUERIES.in_transit, question):
            name = f"{run.account_name} row {row['sequence']}"
            if row["amount"] < 0:
                items.append(InTransit("paid", name, run.currency, row["amount"], row["received_on"]))
            elif row["announced_for"] is not None:
                items.append(InTransit("announced", name, run.currency, row["amount"], row["received_on"]))
    return items


def _d_plus_one(
    required: Requirement,
    accounts: Sequence[AccountSide],
    items: Sequence[InTransit],
    insured: int,
    day: date,
    calendar: Calendar,
) -> Outcome:
    """Receipts may stay outside until the end of the business day after they came; payments out are gone."""
    within = sum(
        item.amount for item in items if item.amount > 0 and calendar.next_business_day(item.received_on) >= day
    )
    leaving = sum(item.amount for item in items if item.amount < 0)
    bank = sum(account.bank_closing for account in accounts) + leaving
    return d_plus_one_test(required.total, insured=insured, within_limit=within, bank=bank)


def _row(found: Assessment) -> dict[str, Any]:
    return {
        "day": found.day.isoformat(),
        "currency": found.currency,
        "sequence": found.sequence,
        "customers": found.required.customers,
        "owed": found.required.owed,
        "unallocated": found.required.unallocated,
        "unrecorded": found.required.unrecorded,
        "negative_customers": found.required.negative_customers,
        "negative": found.required.negative,
        "requirement": found.required.total,
        "bank": found.bank,
        "in_transit": found.in_transit,
        "insured": found.insured,
        "resource": found.total.resource,
        "d_plus_one_requirement": found.d_plus_one.requirement,
        "d_plus_one_resource": found.d_plus_one.resource,
        "cashbook": found.cashbook,
        "fees_due": found.fees_due,
        "funding": found.funding,
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two tests say the same but for the cut-off, which moves with every row of the journal."""
    return dict(one) | {"sequence": 0} == dict(other) | {"sequence": 0}


def _outcome_said(outcome: Outcome, unit: Currency) -> dict[str, str]:
    names = ("requirement", "resource", "difference", "shortfall", "excess")
    return {name: format_minor(getattr(outcome, name), unit) for name in names}


def _account_said(account: AccountSide, unit: Currency) -> dict[str, Any]:
    return {
        "account": account.name,
        "bank": format_minor(account.bank_closing, unit),
        "cashbook": format_minor(account.cashbook, unit),
        "discrepancies": account.discrepancies,
        "fingerprint": account.fingerprint,
        "statement": account.statement_id,
    }
