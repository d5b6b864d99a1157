"""The end of a day: reconcile every account, test every currency, close the day. One path, read downwards.

  1  a day that is closed is answered with its summary
  2  the day is the open one, there are custodian accounts, and the statement of each has come: what is missing is said
     by name, and nothing is changed
  3  one cut-off for everything: the head of the journal now
  4  each account is reconciled (`reconciliation.runs`)
  5  each currency of client money is tested (`assessment`)
  6  DAY_CLOSED, with the summary

A crash between two steps leaves runs and tests that the next attempt finds and keeps. Discrepancies and a shortfall do
not keep a day open: they are found, named and aged, and a shortfall is paid in on the day on which it is found.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from ringfence.banking.desk import CustodianAccount, custodian_accounts
from ringfence.core import Core
from ringfence.custody import days
from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.money import currency, format_minor, parse_minor
from ringfence.reconciliation.calendar import Calendar
from ringfence.reconciliation.master import Master, masters
from ringfence.reconciliation.runs import Run, cut_off, missing_statements, reconcile
from ringfence.safeguarding.assessment import InTransit, SafeguardingTest, carry_out
from ringfence.safeguarding.queries import QUERIES
from ringfence.safeguarding.refusals import (
    DAY_IS_NOT_THE_OPEN_ONE,
    DAY_WAS_NOT_CLOSED_WITH_TESTS,
    NO_CUSTODIAN_ACCOUNT_IS_OPEN,
    STATEMENTS_ARE_MISSING,
)

__all__ = ["ClosedDay", "CurrencyDay", "close_day", "closed_day", "missing_statements", "summary_of", "transfers_of"]


@dataclass(frozen=True)
class AccountDay:
    """A custodian account at the end of a day, in minor units; `open_items` are discrepancies nobody has accepted."""

    name: str
    cashbook: int
    bank: int
    matched: int
    discrepancies: int
    open_items: int


@dataclass(frozen=True)
class CurrencyDay:
    """A currency at the end of a day, in minor units. `discrepancies` counts the open ones; `own_money` is what the
    master holds beyond its sub-accounts, and `unexplained` what of that the platform did not pay in.
    """

    currency: str
    requirement: int
    resource: int
    shortfall: int
    excess: int
    d_plus_one: int
    discrepancies: int
    own_money: int
    unexplained: int
    accounts: tuple[AccountDay, ...]


@dataclass(frozen=True)
class ClosedDay:
    """The summary of a closed day, as DAY_CLOSED says it; `sequence` is the cut-off."""

    day: date
    sequence: int
    currencies: tuple[CurrencyDay, ...]

    def of(self, unit: str) -> CurrencyDay:
        """The figures of one currency, or `day_was_not_closed_with_tests`."""
        for found in self.currencies:
            if found.currency == unit:
                return found
        raise DAY_WAS_NOT_CLOSED_WITH_TESTS(day=self.day)

    def said(self) -> dict[str, Any]:
        """What DAY_CLOSED says; amounts are decimal strings."""
        return {
            "day": self.day.isoformat(),
            "sequence": self.sequence,
            "currencies": [_currency_said(each) for each in self.currencies],
        }

    def as_json(self) -> dict[str, Any]:
        """For programs. The figures at the top are those of the currency with the largest shortfall, which is the only
        one in most books; all currencies follow.
        """
        said = self.said()
        worst = max(range(len(self.currencies)), key=lambda place: self.currencies[place].shortfall, default=None)
        top = {} if worst is None else said["currencies"][worst]
        return {"day": said["day"], **top, "sequence": said["sequence"], "currencies": said["currencies"]}


def close_day(
    core: Core,
    day: date,
    *,
    in_transit: Sequence[InTransit] = (),
    insured: Mapping[str, int] | None = None,
    calendar: Calendar | None = None,
) -> ClosedDay:
    """Reconcile, test and close the open day. `insured` is the cover in minor units by currency, `in_transit` what is
    segregated and not yet placed.
    """
    book = core.book.book_id
    with core.connection() as connection:
        if known := _closed(connection, book, day):
            return known
        open_one = days.current_day(connection, book)
        if open_one != day:
            raise DAY_IS_NOT_THE_OPEN_ONE(day=day, open=open_one)
        accounts = custodian_accounts(connection, book)
        if not accounts:
            raise NO_CUSTODIAN_ACCOUNT_IS_OPEN()
        if missing := missing_statements(connection, book, day):
            raise STATEMENTS_ARE_MISSING(day=day, accounts=", ".join(each.account_name for each in missing))
        reading.project(connection, book)
        cut = cut_off(connection, book, day)

    runs = {account.name: reconcile(core, account.name, day, cut=cut) for account in accounts}
    cover = insured or {}
    tests = [
        carry_out(core, day, unit, in_transit=in_transit, insured=cover.get(unit, 0), calendar=calendar)
        for unit in sorted({account.currency for account in accounts if account.pool == "client"})
    ]
    with core.connection() as connection:
        parts = masters(connection, book, before=cut)
    found = ClosedDay(day, cut, tuple(_currency(each, accounts, runs, parts) for each in tests))
    days.close_day(core, day, found.said(), core.clock())
    return found


def summary_of(connection: Connection, book: int, day: date) -> ClosedDay:
    """The summary of a closed day, or `day_was_not_closed_with_tests`."""
    found = _closed(connection, book, day)
    if found is None:
        raise DAY_WAS_NOT_CLOSED_WITH_TESTS(day=day)
    return found


def closed_day(connection: Connection, book: int, day: date, unit: str) -> CurrencyDay:
    """One currency of a closed day, or `day_was_not_closed_with_tests`."""
    return summary_of(connection, book, day).of(unit)


def transfers_of(connection: Connection, book: int, day: date) -> int:
    """How many rows of the journal moved money on a business day: transfers, posted holds, corrections."""
    question = {"book": book, "day": day, "day_opened": EventName.DAY_OPENED}
    row = connection.execute(QUERIES.transfers_of, question).fetchone()
    return int(row[0]) if row else 0


# -- pieces ---------------------------------------------------------------------------------------------------------


def _closed(connection: Connection, book: int, day: date) -> ClosedDay | None:
    identity = derived(UUID(int=book), f"{EventName.DAY_CLOSED.name} {day.isoformat()}")
    row = connection.execute(QUERIES.event_said, {"book": book, "id": identity}).fetchone()
    if row is None:
        return None
    said = json.loads(row[0])
    if "currencies" not in said:
        raise DAY_WAS_NOT_CLOSED_WITH_TESTS(day=day)
    return ClosedDay(day, said["sequence"], tuple(map(_currency_of, said["currencies"])))


def _currency(
    found: SafeguardingTest, accounts: Iterable[CustodianAccount], runs: Mapping[str, Run], parts: Iterable[Master]
) -> CurrencyDay:
    sides = tuple(_account(runs[each.name]) for each in accounts if each.currency == found.currency)
    master = next((each for each in parts if each.currency == found.currency), Master(found.currency, 0, 0, 0))
    return CurrencyDay(
        currency=found.currency,
        requirement=found.requirement,
        resource=found.resource,
        shortfall=found.total.shortfall,
        excess=found.total.excess,
        d_plus_one=found.d_plus_one.difference,
        discrepancies=sum(side.open_items for side in sides),
        own_money=master.master - master.sub_accounts,
        unexplained=master.difference,
        accounts=sides,
    )


def _account(run: Run) -> AccountDay:
    open_items = run.discrepancies - run.accepted
    return AccountDay(
        run.account_name, run.cashbook_closing, run.bank_closing, run.matched, run.discrepancies, open_items
    )


_AMOUNTS = ("requirement", "resource", "shortfall", "excess", "d_plus_one", "own_money", "unexplained")


def _currency_said(found: CurrencyDay) -> dict[str, Any]:
    unit = currency(found.currency)
    accounts = [
        {
            "account": each.name,
            "bank": format_minor(each.bank, unit),
            "cashbook": format_minor(each.cashbook, unit),
            "discrepancies": each.discrepancies,
            "matched": each.matched,
            "open_items": each.open_items,
        }
        for each in found.accounts
    ]
    amounts = {name: format_minor(getattr(found, name), unit) for name in _AMOUNTS}
    return {"currency": unit.code, **amounts, "discrepancies": found.discrepancies, "accounts": accounts}


def _currency_of(said: Mapping[str, Any]) -> CurrencyDay:
    unit = currency(said["currency"])
    accounts = tuple(
        AccountDay(
            name=each["account"],
            cashbook=parse_minor(each["cashbook"], unit),
            bank=parse_minor(each["bank"], unit),
            matched=each["matched"],
            discrepancies=each["discrepancies"],
            open_items=each["open_items"],
        )
        for each in said["accounts"]
    )
    amounts = {name: parse_minor(said[name], unit) for name in _AMOUNTS}
    return CurrencyDay(unit.code, **amounts, discrepancies=said["discrepancies"], accounts=accounts)
