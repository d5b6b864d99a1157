"""Safeguarding over HTTP: the position now, and every day's test."""

from datetime import date, datetime

from fastapi import APIRouter
from pydantic import Field

from ringfence.reconciliation.calendar import Calendar
from ringfence.safeguarding.assessment import SafeguardingTest, history
from ringfence.safeguarding.position import Position, live_position
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Day, Limit
from ringfence.web.visit import Client, Visit, scoped

router = APIRouter()
READ = [scoped("position:read")]


class CurrencyAnswer(Answer):
    """One currency: what must be there, and what is there as far as the banks have told."""

    currency: str
    requirement: Money
    resource: Money
    shortfall: Money
    excess: Money
    cashbook: Money
    owed: Money
    unallocated: Money
    fees_due: Money
    funding: Money = Field(description="The platform's own money that was paid in to cover a shortfall.")


class MissingStatement(Answer):
    account: str
    day: date
    due_at: datetime


class PositionAnswer(Answer):
    day: date | None = Field(description="The open business day.")
    currencies: list[CurrencyAnswer]
    discrepancies: int
    oldest_discrepancy_days: int | None
    missing_statements: list[MissingStatement]


class SafeguardingTestAnswer(Answer):
    """A test as it was journaled: the total test and the D+1 test of a day and a currency."""

    day: date
    currency: str
    number: int
    sequence: int = Field(description="The cut-off: rows before it count.")
    customers: int
    requirement: Money
    resource: Money
    shortfall: Money
    excess: Money
    bank: Money
    in_transit: Money
    insured: Money
    d_plus_one_requirement: Money
    d_plus_one_resource: Money
    tested_at: datetime


class SafeguardingTestList(Answer):
    tests: list[SafeguardingTestAnswer]


@router.get("/position", dependencies=READ, summary="Is all of it there, now?", responses=refuses())
def position(visit: Client) -> PositionAnswer:
    found = position_now(visit)
    return PositionAnswer(
        day=found.day,
        currencies=[
            CurrencyAnswer(
                currency=each.currency,
                requirement=money(each.requirement, each.currency),
                resource=money(each.resource, each.currency),
                shortfall=money(each.shortfall, each.currency),
                excess=money(each.excess, each.currency),
                cashbook=money(each.cashbook, each.currency),
                owed=money(each.required.owed, each.currency),
                unallocated=money(each.required.unallocated, each.currency),
                fees_due=money(each.fees_due, each.currency),
                funding=money(each.funding, each.currency),
            )
            for each in found.currencies
        ],
        discrepancies=found.discrepancies,
        oldest_discrepancy_days=found.oldest_discrepancy_days,
        missing_statements=[
            MissingStatement(account=each.account_name, day=each.day, due_at=each.due_at)
            for each in found.missing_statements
        ],
    )


@router.get("/safeguarding-tests", dependencies=READ, summary="Tests, the latest day first", responses=refuses())
def list_tests(visit: Client, day: Day = None, limit: Limit = PAGE_ROWS) -> SafeguardingTestList:
    with visit.core.connection() as connection:
        found = history(connection, visit.book, day=day, limit=limit)
    return SafeguardingTestList(tests=[_test(each) for each in found])


def position_now(visit: Visit) -> Position:
    """The position by the calendar of the installation."""
    with visit.core.connection() as connection:
        return live_position(connection, visit.book, calendar=visit.shell.desks.get(Calendar))


def _test(found: SafeguardingTest) -> SafeguardingTestAnswer:
    unit = found.currency
    return SafeguardingTestAnswer(
        day=found.day,
        currency=unit,
        number=found.number,
        sequence=found.sequence,
        customers=found.customers,
        requirement=money(found.requirement, unit),
        resource=money(found.resource, unit),
        shortfall=money(found.total.shortfall, unit),
        excess=money(found.total.excess, unit),
        bank=money(found.bank, unit),
        in_transit=money(found.in_transit, unit),
        insured=money(found.insured, unit),
        d_plus_one_requirement=money(found.d_plus_one_requirement, unit),
        d_plus_one_resource=money(found.d_plus_one_resource, unit),
        tested_at=found.tested_at,
    )
