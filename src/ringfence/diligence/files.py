"""The file: what is known of a customer, and the rows that every step of it writes.

The id of a step's event follows from book, customer and number of the step, so that a step is taken once: who was
slower is told `file_moved_meanwhile` by the journal itself, and looks again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import Query
from ringfence.diligence.lifecycle import EVENTS, moves
from ringfence.diligence.profiles import Limits, Profile, limits_of
from ringfence.diligence.provider import Provider
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.refusals import (
    CUSTOMER_HAS_NO_FILE,
    FILE_MAY_NOT_DO_THAT_NOW,
    FILE_MOVED_MEANWHILE,
    PARTY_MUST_BE_NAMED,
)
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.refusal import Refused
from ringfence.risk.screening import Screen
from ringfence.vault.keeping import Vault

CUSTOMER: Final = "customer"
"""The party that is the customer."""


@dataclass(frozen=True)
class Wallet:
    """What opens a customer's accounts: rows and statements for the unit of the step."""

    chain: tuple[Line, ...] = ()
    also: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class Wallets:
    """What custody lends: the currency of a customer's wallet; what opens it, for the event that verifies; and its
    closing, which refuses while there is money in it.
    """

    unit: Callable[[str], str]
    opening: Callable[[str, UUID], Wallet]
    close: Callable[[str], None]


@dataclass(frozen=True)
class Desk:
    """Where due diligence is done: core, vault, lists, provider, the regime's tiers, custody's wallets."""

    core: Core
    vault: Vault
    screen: Screen
    provider: Provider
    profile: Profile
    wallets: Wallets


@dataclass(frozen=True)
class File:
    """A file as it stands. `asks` is the tier that is asked for, `tier` the one that was given."""

    customer_id: str
    role: str
    nature: str
    name: str = field(repr=False)
    state: str
    step: int
    asks: str
    risk_class: str
    tier: str | None
    limits: Mapping[str, str] | None
    verified_step: int | None
    verified_at: datetime | None
    review_due: date | None
    lapses_on: date | None
    restriction: str | None
    direction: str | None
    opened_at: datetime
    moved_at: datetime

    @property
    def limited(self) -> Limits:
        return limits_of(self.limits)

    @property
    def was_verified(self) -> bool:
        """Whether there is a wallet."""
        return self.verified_step is not None

    def restricted_from(self, profile: Profile) -> date | None:
        """The day on which the file is restricted unless it is renewed."""
        return None if self.lapses_on is None else self.lapses_on + timedelta(days=profile.grace_days)


@dataclass(frozen=True)
class Party:
    """Somebody of a file. `share_bp` is a share of the parent in hundredths of a percent."""

    party: str
    name: str = field(repr=False)
    nature: str
    parent: str | None
    share_bp: int | None
    control: str | None
    answer: str | None
    attempts: int
    ask_after: datetime | None
    screening: str | None
    matches: Sequence[Mapping[str, Any]] | None
    lists: str | None
    named: int

    @property
    def is_found(self) -> bool:
        return self.answer == "match"

    def is_to_be_asked(self, at: datetime) -> bool:
        """Whether the provider is to be asked for this party now: at first, or again."""
        return self.answer is None or (
            self.answer in ("later", "unavailable") and self.ask_after is not None and self.ask_after <= at
        )

    @property
    def is_clear(self) -> bool:
        return self.screening in ("clear", "cleared")


@dataclass(frozen=True)
class Document:
    step: int
    party: str
    kind: str
    country: str
    expires: date | None
    sha256: bytes
    taken_by: str
    taken_at: datetime


@dataclass(frozen=True)
class Whole:
    """A file with everybody and everything in it."""

    file: File
    parties: tuple[Party, ...]
    documents: tuple[Document, ...]

    def party(self, word: str) -> Party:
        """Somebody of the file; `party_of_the_file_must_be_named`."""
        for each in self.parties:
            if each.party == word:
                return each
        raise PARTY_MUST_BE_NAMED(party=word[:40])


# -- reading ---------------------------------------------------------------------------------------------------------


def find_file(connection: Connection, book: int, customer_id: str) -> File | None:
    with connection.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(QUERIES.file, {"book": book, "customer": customer_id}).fetchone()


def file_of(connection: Connection, book: int, customer_id: str) -> File:
    """A customer's file, or `customer_has_no_file`."""
    found = find_file(connection, book, customer_id)
    if found is None:
        raise CUSTOMER_HAS_NO_FILE()
    return found


def whole_file(connection: Connection, book: int, customer_id: str) -> Whole:
    """A customer's file with parties and documents; `customer_has_no_file`."""
    asked = {"book": book, "customer": customer_id}
    found = file_of(connection, book, customer_id)
    with connection.cursor(row_factory=class_row(Party)) as cursor:
        parties = cursor.execute(QUERIES.parties, asked).fetchall()
    with connection.cursor(row_factory=class_row(Document)) as cursor:
        documents = cursor.execute(QUERIES.documents, asked).fetchall()
    return Whole(found, tuple(parties), tuple(documents))


def files(
    connection: Connection,
    book: int,
    *,
    state: str | None = None,
    due_by: date | None = None,
    after: str = "",
    limit: int = 50,
) -> list[File]:
    """Files by customer id; `due_by`: the verified ones that lapse by that day."""
    asked = {"book": book, "state": state, "due_by": due_by, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(QUERIES.files, asked).fetchall()


def counted(connection: Connection, book: int) -> dict[str, int]:
    """How many files are in which state."""
    return {str(state): int(count) for state, count in connection.execute(QUERIES.counted, {"book": book})}


def due(connection: Connection, book: int, due_by: date) -> int:
    """How many verified files lapse by a day."""
    row = connection.execute(QUERIES.due, {"book": book, "due_by": due_by}).fetchone()
    return int(row[0]) if row else 0


def unsettled(connection: Connection, book: int, at: datetime) -> int:
    """How many files the core is not done with: somebody is still to be asked for, screened or verified by it."""
    row = connection.execute(QUERIES.unsettled, {"book": book, "at": at}).fetchone()
    return int(row[0]) if row else 0


def is_before_people(connection: Connection, book: int, customer_id: str, at: datetime) -> bool:
    """Whether people are asked, or have said no, since the file's last step."""
    asked = {"book": book, "customer": customer_id, "at": at}
    row = connection.execute(QUERIES.is_before_people, asked).fetchone()
    return bool(row and row[0])


def potential_matches(connection: Connection, book: int) -> int:
    """How many likenesses wait for a person's judgement."""
    row = connection.execute(QUERIES.potential, {"book": book}).fetchone()
    return int(row[0]) if row else 0


# -- steps -----------------------------------------------------------------------------------------------------------


def file_id(book: int, customer_id: str) -> UUID:
    """What inquiries and proposals about a file are derived from."""
    return derived(UUID(int=book), f"file {customer_id}")


def step_id(book: int, customer_id: str, step: int) -> UUID:
    """The id of a step's event."""
    return derived(UUID(int=book), f"file {customer_id} {step}")


def step_line(core: Core, found: File, act: str, becomes: str, said: Mapping[str, Any]) -> Line:
    """The event of the next step of a file; `file_may_not_do_that_now`."""
    if becomes not in moves(found.state, act):
        raise FILE_MAY_NOT_DO_THAT_NOW(state=found.state, act=act)
    book, step = core.book.book_id, found.step + 1
    told = {"customer": found.customer_id, "step": step, "state": becomes, **said}
    identity = step_id(book, found.customer_id, step)
    return Line(Kind.EVENT, identity, code=EVENTS[act], payload=told)


def taken(core: Core, query: Query, line: Line, **more: Any) -> Statement:
    """The statement that takes a step, beside its event."""
    customer_id = (line.payload or {})["customer"]
    return query, {"book": core.book.book_id, "event": line.id, "customer": customer_id, **more}


def post_step(core: Core, line: Line, also: Sequence[Statement], wallet: Wallet | None = None) -> None:
    """Append a step, with what opens a wallet in the same chain; `file_moved_meanwhile`."""
    lent = wallet or Wallet()
    post_steps(core, [*lent.chain, line], [*also, *lent.also])


def post_steps(core: Core, chain: Sequence[Line], also: Sequence[Statement]) -> None:
    """Append several steps that belong together; `file_moved_meanwhile`."""
    try:
        core.post(Unit(chain, also))
    except Refused as refused:
        if refused.name == Result.ID_ALREADY_HAS_OTHER_CONTENT.word:
            raise FILE_MOVED_MEANWHILE() from refused
        raise
