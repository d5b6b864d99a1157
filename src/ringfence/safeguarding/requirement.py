"""The requirement as the ledger has it at a row of the journal, customer by customer.

A line is one owner: what we owe him, available and frozen together, and what of it counts. Lines can be had for any
row of the past, so the requirement of any test can be taken apart again, also after a failure of the platform.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from ringfence.custody.customers import platform_funding
from ringfence.database.connection import Connection
from ringfence.ledger import reading
from ringfence.ledger.reading import LATEST
from ringfence.money import Currency, format_minor
from ringfence.safeguarding.formulas import Requirement
from ringfence.safeguarding.queries import QUERIES

CSV_COLUMNS: Final = ("owner", "currency", "available", "frozen", "balance", "counted")
PAGE: Final = 5_000


@dataclass(frozen=True)
class RequirementLine:
    """What one owner is owed, in minor units. `owner` is `customer:<id>`, or `unallocated`."""

    owner: str
    available: int
    frozen: int

    @property
    def balance(self) -> int:
        return self.available + self.frozen

    @property
    def counted(self) -> int:
        """What it adds to the requirement: never less than nothing."""
        return max(self.balance, 0)


@dataclass(frozen=True)
class Owed:
    """The requirement, and beside it the platform's fees that lie in the pool."""

    requirement: Requirement
    fees_due: int


def requirement_at(connection: Connection, book: int, currency: str, before: int = LATEST) -> Owed:
    """The requirement in a currency as it was before row `before` of the journal."""
    question = {"book": book, "currency": currency, "before": before}
    row = connection.execute(QUERIES.requirement, question).fetchone() or (0, 0, 0, 0, 0, 0)
    owed, unallocated, negative, customers, negative_customers, fees_due = row
    return Owed(Requirement(owed, unallocated, negative, customers, negative_customers), fees_due)


def funding_at(connection: Connection, book: int, currency: str, before: int = LATEST) -> int:
    """The platform's own money in the pool: what it has paid in to cover a shortfall, in minor units."""
    name = platform_funding(currency)
    found = reading.balances(connection, book, name, before=before)
    return sum(each.balance for each in found if each.name == name)


def requirement_lines(
    connection: Connection, book: int, currency: str, *, before: int = LATEST, after: str = "", limit: int = 100
) -> list[RequirementLine]:
    """Lines of the requirement by owner, beginning after the owner `after`."""
    question = {"book": book, "currency": currency, "before": before, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(RequirementLine)) as cursor:
        return cursor.execute(QUERIES.requirement_lines, question).fetchall()


def requirement_csv(connection: Connection, book: int, unit: Currency, *, before: int = LATEST) -> Iterator[str]:
    """Every line as CSV (RFC 4180), a piece at a time; amounts are decimal strings. The column `counted` adds up to the
    requirement, but for what our books do not have yet.
    """
    yield _csv([CSV_COLUMNS])
    after = ""
    while lines := requirement_lines(connection, book, unit.code, before=before, after=after, limit=PAGE):
        yield _csv(
            (line.owner, unit.code, *(format_minor(amount, unit) for amount in _amounts(line))) for line in lines
        )
        after = lines[-1].owner


def _amounts(line: RequirementLine) -> tuple[int, int, int, int]:
    return line.available, line.frozen, line.balance, line.counted


def _csv(rows: object) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()
