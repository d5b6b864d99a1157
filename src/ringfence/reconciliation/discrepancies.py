"""What is left over: looking at discrepancies, accepting one, and what a person might try first.

A discrepancy closes by itself, in the run that no longer finds it. By hand it can only be accepted, by a named person
with a reason: it leaves the list of open ones, stays in the balance proof, and still closes when its match comes. The
journal holds the SHA-256 of the reason, whose text may name people.

Suggestions are worked out when somebody looks, from what is open now; they are nobody's word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from psycopg.rows import class_row

from ringfence.core import Core
from ringfence.custody.days import current_day
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.money import currency, format_minor
from ringfence.reconciliation.calendar import Calendar
from ringfence.reconciliation.matching import DiscrepancyKind
from ringfence.reconciliation.queries import QUERIES
from ringfence.reconciliation.refusals import (
    ACCEPTANCE_NEEDS_A_PERSON_AND_A_REASON,
    DISCREPANCY_IS_NOT_OPEN,
    DISCREPANCY_MUST_EXIST,
)

State = Literal["open", "accepted", "closed"]
NEAR_DAYS: Final = 5
SUGGESTED_FROM: Final = 2_000  # open discrepancies that are compared with one another, the oldest first
FIRST: Final = (date.min, UUID(int=0))


@dataclass(frozen=True)
class Discrepancy:
    """One discrepancy with both sides. `difference` is what the bank's balance has more than ours because of it; a day
    is the booking day of its side, `since` the day on which its item was first left over.
    """

    discrepancy_id: UUID
    account_name: str
    kind: DiscrepancyKind
    currency: str
    since: date
    opened_day: date
    opened_at: datetime
    difference: int
    sequence: int | None
    books_amount: int | None
    books_day: date | None
    journal_id: UUID | None
    order_id: UUID | None
    key_kind: str | None
    key: str | None
    entry_key: str | None
    bank_amount: int | None
    bank_day: date | None
    statement_id: str | None
    bank_reference: str | None
    end_to_end_id: str | None
    counterparty_name: str | None
    remittance: str | None
    accepted_by: str | None
    accepted_reason: str | None
    accepted_day: date | None
    accepted_at: datetime | None
    closed_because: str | None
    closed_day: date | None
    closed_at: datetime | None

    @property
    def state(self) -> State:
        if self.closed_at is not None:
            return "closed"
        return "accepted" if self.accepted_at is not None else "open"

    @property
    def decimal(self) -> str:
        return format_minor(self.difference, currency(self.currency))

    @property
    def keys(self) -> frozenset[str]:
        """What either side is known by."""
        return frozenset(key for key in (self.key, self.bank_reference, self.end_to_end_id) if key)

    def age(self, on: date, calendar: Calendar) -> int:
        """Business days since the item was first left over, on a day (or when it closed)."""
        return calendar.business_days_between(self.since, min(on, self.closed_day or on))


@dataclass(frozen=True)
class OpenCount:
    """Open discrepancies of one account and kind: how many, minor units, and since when the oldest."""

    account_name: str
    kind: DiscrepancyKind
    currency: str
    items: int
    difference: int
    since: date


@dataclass(frozen=True)
class Advised:
    """A receipt in the books that the bank has announced for a day after its last statement."""

    discrepancy_id: UUID
    account_name: str
    currency: str
    amount: int
    booking_date: date


Reason = Literal["advised", "same_key", "same_key_at_other_account", "same_amount_near_date"]


@dataclass(frozen=True)
class Suggestion:
    """What a person might look at first. `others` are open discrepancies that could be the other half; `on` is the day
    for which the bank has announced the item.
    """

    reason: Reason
    others: tuple[UUID, ...] = field(default=())
    on: date | None = None


@dataclass(frozen=True)
class StatementItem:
    """An entry of a statement with what became of it: matched to row `sequence`, undone by another entry of the bank,
    or left over as a discrepancy of `kind`.
    """

    key: str
    amount: int
    booking_date: date
    reversal: bool
    bank_reference: str | None
    end_to_end_id: str | None
    counterparty_name: str | None
    remittance: str | None
    sequence: int | None
    matched_by: str | None
    order_id: UUID | None
    counter_key: str | None
    discrepancy_id: UUID | None
    kind: DiscrepancyKind | None


def discrepancies(
    connection: Connection,
    book: int,
    *,
    state: State | None = "open",
    account_name: str | None = None,
    after: tuple[date, UUID] = FIRST,
    limit: int = 100,
) -> list[Discrepancy]:
    """Discrepancies, the oldest first; `after` is (since, discrepancy_id) of the last one of the page before."""
    question = {"book": book, "account_name": account_name, "state": state, "discrepancy": None, "limit": limit}
    with connection.cursor(row_factory=class_row(Discrepancy)) as cursor:
        page = {"after_since": after[0], "after_id": after[1]}
        return cursor.execute(QUERIES.discrepancies, question | page).fetchall()


def discrepancy(connection: Connection, book: int, discrepancy_id: UUID) -> Discrepancy:
    """A discrepancy by id, or `discrepancy_must_exist`."""
    question = {"book": book, "account_name": None, "state": None, "discrepancy": discrepancy_id, "limit": 1}
    with connection.cursor(row_factory=class_row(Discrepancy)) as cursor:
        page = {"after_since": FIRST[0], "after_id": FIRST[1]}
        found = cursor.execute(QUERIES.discrepancies, question | page).fetchone()
    if found is None:
        raise DISCREPANCY_MUST_EXIST(discrepancy=discrepancy_id)
    return found


def open_counts(connection: Connection, book: int) -> list[OpenCount]:
    """How many discrepancies are open, by account and kind."""
    with connection.cursor(row_factory=class_row(OpenCount)) as cursor:
        return cursor.execute(QUERIES.open_counts, {"book": book}).fetchall()


def advised(connection: Connection, book: int) -> list[Advised]:
    """Receipts in the books that the bank has announced for a later day than its last statement."""
    with connection.cursor(row_factory=class_row(Advised)) as cursor:
        return cursor.execute(QUERIES.advised, {"book": book}).fetchall()


def statement_items(
    connection: Connection, book: int, account_name: str, statement_id: str, *, after: str = "", limit: int = 100
) -> list[StatementItem]:
    """Entries of a statement with what became of them, by key, beginning after the key `after`."""
    question = {"book": book, "account_name": account_name, "statement_id": statement_id, "after": after}
    with connection.cursor(row_factory=class_row(StatementItem)) as cursor:
        return cursor.execute(QUERIES.statement_items, question | {"limit": limit}).fetchall()


def accept(core: Core, discrepancy_id: UUID, *, person: str, reason: str) -> Discrepancy:
    """Accept an open discrepancy: a named person says why it may stand. The same again changes nothing."""
    book = core.book.book_id
    if not person.strip() or not 10 <= len(reason.strip()) <= 500:
        raise ACCEPTANCE_NEEDS_A_PERSON_AND_A_REASON()
    with core.connection() as connection:
        found = discrepancy(connection, book, discrepancy_id)
        day = current_day(connection, book)
    if (found.state, found.accepted_by, found.accepted_reason) == ("accepted", person, reason):
        return found
    if found.state != "open":
        raise DISCREPANCY_IS_NOT_OPEN(discrepancy=discrepancy_id)
    said = {"discrepancy": str(discrepancy_id), "account": found.account_name, "because": "accepted", "person": person}
    said |= {"reason_sha256": sha256(reason.encode()).hexdigest(), "difference": found.decimal, "day": day.isoformat()}
    identity = derived(discrepancy_id, "accepted")
    event = Line(Kind.EVENT, identity, code=EventName.DISCREPANCY_CLOSED, value_date=day, payload=said)
    row = {"book": book, "discrepancy": discrepancy_id, "person": person, "reason": reason, "day": day}
    core.post(Unit([event], [(QUERIES.accept_discrepancy, row | {"at": core.clock()})]))
    with core.connection() as connection:
        return discrepancy(connection, book, discrepancy_id)


def suggestions(found: Sequence[Discrepancy], announced: Sequence[Advised] = ()) -> dict[UUID, Suggestion]:
    """For each discrepancy the best guess, if there is one, in this order: the bank has announced it; an item of the
    other side has its key; so has one at another account; exactly as much is missing on the other side within 5 days.
    """
    told = {each.discrepancy_id: Suggestion("advised", on=each.booking_date) for each in announced}
    return {
        each.discrepancy_id: guess
        for each in found
        if (guess := told.get(each.discrepancy_id) or _guess(each, found[:SUGGESTED_FROM])) is not None
    }


def _guess(about: Discrepancy, found: Sequence[Discrepancy]) -> Suggestion | None:
    other_side = {"missing_at_bank": "missing_in_books", "missing_in_books": "missing_at_bank"}.get(about.kind)
    if other_side is None:
        return None
    others = [each for each in found if each.kind == other_side and each.currency == about.currency]
    here = [each for each in others if each.account_name == about.account_name]
    same_key = [each.discrepancy_id for each in here if each.keys & about.keys]
    if same_key:
        return Suggestion("same_key", tuple(same_key))
    elsewhere = [each.discrepancy_id for each in others if each.keys & about.keys]
    if elsewhere:
        return Suggestion("same_key_at_other_account", tuple(elsewhere))
    near = [each for each in here if each.difference == -about.difference and _days_apart(each, about) <= NEAR_DAYS]
    near.sort(key=lambda each: (_days_apart(each, about), each.discrepancy_id))
    return Suggestion("same_amount_near_date", tuple(each.discrepancy_id for each in near)) if near else None


def _days_apart(one: Discrepancy, other: Discrepancy) -> int:
    first, second = one.books_day or one.bank_day, other.books_day or other.bank_day
    return abs((first - second).days) if first and second else NEAR_DAYS + 1
