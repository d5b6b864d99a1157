"""What is left over: looking at discrepancies, accepting one, and what a person might try first.

A discrepancy closes by itself, in the run that no longer finds it. By hand it can only be accepted, by a named person
with a reason: it leaves the list of open ones, stays in the balance proof, and still closes when its match comes. The
journal holds the SHA-256 of the reason, whose text may name people.

Suggestions are worked out when somebody looks, from what is open now; they are nobody's word.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
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
from ringfence.vault.keeping import Vault

State = Literal["open", "accepted", "closed"]
NEAR_DAYS: Final = 5
SUGGESTED_MAX: Final = 10  # other halves that a suggestion names
MIRRORS_LOOKED_AT: Final = 200  # of one amount, the oldest first
FIRST: Final = (date.min, UUID(int=0))
_OTHER_SIDE: Final[dict[DiscrepancyKind, DiscrepancyKind]] = {
    "missing_at_bank": "missing_in_books",
    "missing_in_books": "missing_at_bank",
}


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


def accept(core: Core, vault: Vault, discrepancy_id: UUID, *, person: str, reason: str) -> Discrepancy:
    """Accept an open discrepancy: a named person says why it may stand. The same again changes nothing. The journal has
    a keyed digest of the reason.
    """
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
    digest = vault.digest_of_reason(discrepancy_id, reason)
    said |= {"reason_digest": digest, "difference": found.decimal, "day": day.isoformat()}
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
    by_key: defaultdict[tuple[str, str, str], list[Discrepancy]] = defaultdict(list)
    by_amount: defaultdict[tuple[str, str, str, int], list[Discrepancy]] = defaultdict(list)
    for each in found:
        by_amount[each.kind, each.currency, each.account_name, each.difference].append(each)
        for key in each.keys:
            by_key[each.kind, each.currency, key].append(each)
    guesses = {}
    for each in found:
        other_side = _OTHER_SIDE.get(each.kind)
        if guess := told.get(each.discrepancy_id):
            guesses[each.discrepancy_id] = guess
        elif other_side is not None:
            same_key = [other for key in each.keys for other in by_key[other_side, each.currency, key]]
            mirror = by_amount[other_side, each.currency, each.account_name, -each.difference]
            if guess := _same_key(each, same_key) or _same_amount(each, mirror):
                guesses[each.discrepancy_id] = guess
    return guesses


def _same_key(about: Discrepancy, others: Sequence[Discrepancy]) -> Suggestion | None:
    here = [each.discrepancy_id for each in others if each.account_name == about.account_name]
    if here:
        return Suggestion("same_key", _few(here))
    elsewhere = [each.discrepancy_id for each in others]
    return Suggestion("same_key_at_other_account", _few(elsewhere)) if elsewhere else None


def _same_amount(about: Discrepancy, mirror: Sequence[Discrepancy]) -> Suggestion | None:
    near = [(_days_apart(each, about), each.discrepancy_id) for each in mirror[:MIRRORS_LOOKED_AT]]
    ids = [identity for apart, identity in sorted(near) if apart <= NEAR_DAYS]
    return Suggestion("same_amount_near_date", _few(ids)) if ids else None


def _few(ids: Sequence[UUID]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(ids))[:SUGGESTED_MAX]


def _days_apart(one: Discrepancy, other: Discrepancy) -> int:
    first, second = one.books_day or one.bank_day, other.books_day or other.bank_day
    return abs((first - second).days) if first and second else NEAR_DAYS + 1
