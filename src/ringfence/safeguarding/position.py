"""The position now: what must be there by live balances, and what is there as far as the bank has told.

The bank's side of an account is its last closing balance, plus what it announced for later days, less the payments of
ours that it has confirmed since. That is an estimate on the bank's word, not a test: the day's end tests.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from psycopg.rows import class_row, dict_row

from ringfence.custody.days import days
from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.money import currency, format_minor
from ringfence.reconciliation.calendar import Calendar, calendar_of
from ringfence.safeguarding.assessment import DEFAULT_PROFILE
from ringfence.safeguarding.formulas import PER_MILLION, Outcome, Requirement, Share, concentration
from ringfence.safeguarding.queries import QUERIES
from ringfence.safeguarding.requirement import funding_at, requirement_at

STATEMENT_DUE: Final = time(8, tzinfo=UTC)


@dataclass(frozen=True)
class LiveAccount:
    """A client account, in minor units: the bank's last closing, what it announced since, what it paid for us since;
    `unrecorded` is the part of the closing that our books do not have.
    """

    name: str
    bank: str
    currency: str
    statement_day: date | None
    closing: int
    unrecorded: int
    announced: int
    paid: int
    cashbook: int

    @property
    def resource(self) -> int:
        return self.closing + self.announced + self.paid

    @property
    def difference(self) -> int:
        """What the bank has more than our cashbook, as far as it has told."""
        return self.resource - self.cashbook


@dataclass(frozen=True)
class DueStatement:
    """A statement that a bank owes for the open day, or has delivered."""

    account_name: str
    day: date
    due_at: datetime
    arrived_at: datetime | None

    def is_late(self, at: datetime) -> bool:
        return self.arrived_at is None and at > self.due_at


@dataclass(frozen=True)
class CurrencyPosition:
    """One currency, in minor units."""

    currency: str
    required: Requirement
    fees_due: int
    funding: int
    accounts: tuple[LiveAccount, ...]

    @property
    def total(self) -> Outcome:
        return Outcome(self.required.total, sum(account.resource for account in self.accounts))

    @property
    def requirement(self) -> int:
        return self.total.requirement

    @property
    def resource(self) -> int:
        return self.total.resource

    @property
    def shortfall(self) -> int:
        return self.total.shortfall

    @property
    def excess(self) -> int:
        return self.total.excess

    @property
    def cashbook(self) -> int:
        return sum(account.cashbook for account in self.accounts)

    @property
    def cover_per_million(self) -> int | None:
        """Resource in millionths of the requirement, rounded down; None where nothing is required."""
        return self.resource * PER_MILLION // self.requirement if self.requirement else None

    @property
    def shares(self) -> tuple[Share, ...]:
        by_bank: dict[str, int] = {}
        for account in self.accounts:
            by_bank[account.bank] = by_bank.get(account.bank, 0) + account.resource
        return concentration(by_bank)


@dataclass(frozen=True)
class Position:
    """The whole book. `day` is the open business day, up to which ages are counted; None where there is none."""

    day: date | None
    currencies: tuple[CurrencyPosition, ...]
    discrepancies: int
    oldest_discrepancy_days: int | None
    oldest_discrepancy_at: datetime | None
    statements: tuple[DueStatement, ...]

    @property
    def missing_statements(self) -> tuple[DueStatement, ...]:
        return tuple(each for each in self.statements if each.arrived_at is None)

    def as_json(self) -> dict[str, Any]:
        """For programs. The figures at the top are those of the currency with the largest shortfall, which is the only
        one in most books; all currencies follow.
        """
        said = [_currency_said(each) for each in self.currencies]
        worst = max(range(len(said)), key=lambda place: self.currencies[place].shortfall, default=None)
        top = {} if worst is None else {name: value for name, value in said[worst].items() if name != "accounts"}
        return {
            "day": self.day.isoformat() if self.day else None,
            **top,
            "discrepancies": self.discrepancies,
            "oldest_discrepancy_days": self.oldest_discrepancy_days,
            "missing_statements": [
                {"account": each.account_name, "day": each.day.isoformat(), "due_at": each.due_at.isoformat()}
                for each in self.missing_statements
            ],
            "currencies": said,
        }


def live_position(
    connection: Connection,
    book: int,
    *,
    calendar: Calendar | None = None,
    statement_due: time = STATEMENT_DUE,
    fresh: bool = True,
) -> Position:
    """The position of a book now. Statements of a day are due at `statement_due` on the next business day. `fresh`
    reads the journal to its head first (role core).
    """
    chosen = calendar or calendar_of(DEFAULT_PROFILE)
    if fresh:
        reading.project(connection, book)
    with connection.cursor(row_factory=class_row(LiveAccount)) as cursor:
        accounts = cursor.execute(QUERIES.live_accounts, {"book": book}).fetchall()
    currencies = []
    for unit in sorted({account.currency for account in accounts}):
        owed = requirement_at(connection, book, unit)
        paid_in = funding_at(connection, book, unit)
        ours = tuple(account for account in accounts if account.currency == unit)
        required = owed.requirement.with_unrecorded(sum(account.unrecorded for account in ours))
        currencies.append(CurrencyPosition(unit, required, owed.fees_due, paid_in, ours))
    open_day: date | None = next((each["day"] for each in days(connection, book, 1) if each["closed_at"] is None), None)
    items, since, opened_at = connection.execute(QUERIES.oldest_open, {"book": book}).fetchone() or (0, None, None)
    return Position(
        day=open_day,
        currencies=tuple(currencies),
        discrepancies=items,
        oldest_discrepancy_days=chosen.business_days_between(since, open_day) if since and open_day else None,
        oldest_discrepancy_at=opened_at,
        statements=due_statements(connection, book, open_day, chosen, statement_due) if open_day else (),
    )


def due_statements(
    connection: Connection, book: int, day: date, calendar: Calendar, statement_due: time = STATEMENT_DUE
) -> tuple[DueStatement, ...]:
    """The statements of a day: when each is due, and when it came."""
    due_at = datetime.combine(calendar.next_business_day(day), statement_due)
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(QUERIES.due_statements, {"book": book, "day": day}).fetchall()
    return tuple(DueStatement(each["account_name"], day, due_at, each["arrived_at"]) for each in found)


def _currency_said(position: CurrencyPosition) -> dict[str, Any]:
    unit = currency(position.currency)
    figures = {
        "requirement": position.requirement,
        "resource": position.resource,
        "shortfall": position.shortfall,
        "excess": position.excess,
        "cashbook": position.cashbook,
        "owed": position.required.owed,
        "unallocated": position.required.unallocated,
        "unrecorded": position.required.unrecorded,
        "negative": position.required.negative,
        "fees_due": position.fees_due,
        "funding": position.funding,
    }
    return {
        "currency": position.currency,
        **{name: format_minor(amount, unit) for name, amount in figures.items()},
        "accounts": [
            {
                "account": account.name,
                "statement_day": account.statement_day.isoformat() if account.statement_day else None,
                **{
                    name: format_minor(getattr(account, name), unit)
                    for name in ("closing", "unrecorded", "announced", "paid", "cashbook")
                },
            }
            for account in position.accounts
        ],
    }
