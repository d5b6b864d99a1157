"""Agreements as they stand, and what is true about each tranche now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from ringfence.database.connection import Connection
from ringfence.escrow import document as documents
from ringfence.escrow.conditions import Facts, Trace, evaluate
from ringfence.escrow.document import Agreement, Tranche, due, release_of, return_of
from ringfence.escrow.facts import Heard, heard_of
from ringfence.escrow.queries import QUERIES
from ringfence.escrow.refusals import AGREEMENT_MUST_EXIST, TRANCHE_MUST_EXIST

LATEST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True)
class StandingTranche:
    """A tranche as it stands: held, released or returned; `paid` is what the payees got, `ended` the row that says
    so.
    """

    name: str
    amount: int
    state: str
    paid: int | None
    ended: int | None


@dataclass(frozen=True)
class Standing:
    """An agreement as it stands, with its terms read from the bytes."""

    terms: Agreement
    document: bytes = field(repr=False)
    sha256: str
    reference: str
    maker: str
    state: str
    because: str
    proposed: int
    agreed: int | None
    last_fact: int
    proposed_at: datetime
    moved_at: datetime
    tranches: tuple[StandingTranche, ...]

    @property
    def agreement_id(self) -> UUID:
        return self.terms.agreement_id

    def tranche(self, name: str) -> tuple[Tranche, StandingTranche]:
        """A tranche as it was agreed and as it stands; `tranche_must_exist`."""
        terms = self.terms.tranche(name)
        found = next((each for each in self.tranches if each.name == name), None)
        if terms is None or found is None:
            raise TRANCHE_MUST_EXIST(tranche=name[:60])
        return terms, found


@dataclass(frozen=True)
class Look:
    """What is true about a tranche now: may it be released, may it be returned, and what would the payees get?"""

    tranche: Tranche
    facts: Facts
    release: Trace
    give_back: Trace
    due: int


@dataclass(frozen=True)
class Word:
    """Something that a party said, with the reason that is for people."""

    sequence: int
    code: int
    party: str
    said_by: str
    milestone: str | None
    claim: UUID | None
    tranche: str | None
    payees_get: int | None
    reason: str


def agreement(connection: Connection, book: int, agreement_id: UUID) -> Standing:
    """An agreement by id, or `agreement_must_exist`."""
    found = find_agreement(connection, book, agreement_id)
    if found is None:
        raise AGREEMENT_MUST_EXIST(agreement=agreement_id)
    return found


def find_agreement(connection: Connection, book: int, agreement_id: UUID) -> Standing | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(QUERIES.agreement, {"book": book, "agreement": agreement_id}).fetchone()
    return None if row is None else _standing(connection, book, [row])[0]


def agreements(
    connection: Connection,
    book: int,
    *,
    state: str | None = None,
    customer: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Standing]:
    """Agreements, the latest first: of a state, of a customer who pays or is paid; `before` is (proposed_at,
    agreement_id) of the last one of the page before.
    """
    before_at, before_id = before or ("infinity", LATEST_ID)
    asked = {"book": book, "state": state, "customer": customer, "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(QUERIES.agreements, asked | {"before_at": before_at, "before_id": before_id}).fetchall()
    return _standing(connection, book, rows)


def agreements_of_party(connection: Connection, book: int, customer: str, limit: int = 50) -> list[Standing]:
    """Agreements in which a customer is a party, the latest first."""
    asked = {"book": book, "party": f"customer:{customer}", "limit": limit}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(QUERIES.agreements_of_party, asked).fetchall()
    return _standing(connection, book, rows)


def _standing(connection: Connection, book: int, rows: list[dict[str, Any]]) -> list[Standing]:
    asked = {"book": book, "agreements": [row["agreement_id"] for row in rows]}
    parts: dict[UUID, list[StandingTranche]] = {}
    for owner, *columns in connection.execute(QUERIES.tranches, asked):
        parts.setdefault(owner, []).append(StandingTranche(*columns))
    return [_standing_of(row, tuple(parts.get(row["agreement_id"], ()))) for row in rows]


def _standing_of(row: Mapping[str, Any], tranches: tuple[StandingTranche, ...]) -> Standing:
    names = ("sha256", "reference", "maker", "state", "because", "proposed", "agreed", "last_fact", "proposed_at")
    kept = {name: row[name] for name in (*names, "moved_at")}
    document = bytes(row["document"])
    return Standing(documents.read(document), document, tranches=tranches, **kept)


def heard(connection: Connection, standing: Standing) -> Heard:
    """What was said about an agreement so far."""
    return heard_of(connection, standing.terms, standing.proposed)


def look(standing: Standing, said: Heard, name: str, now: datetime) -> Look:
    """What is true about a tranche at a time, by what was said."""
    terms, _ = standing.tranche(name)
    facts = said.of(name, now)
    release = evaluate(release_of(standing.terms, terms), facts)
    return Look(terms, facts, release, evaluate(return_of(standing.terms, terms), facts), due(terms, facts))


def words(connection: Connection, book: int, agreement_id: UUID) -> list[Word]:
    """What parties said about an agreement, in order."""
    return [Word(*row) for row in connection.execute(QUERIES.facts, {"book": book, "agreement": agreement_id})]


def counted(connection: Connection, book: int) -> list[dict[str, Any]]:
    """Counts and sums (minor units) of agreements by state and currency."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(QUERIES.counted, {"book": book}).fetchall()


def waiting(connection: Connection, book: int) -> int:
    """How many agreements wait for people's approval."""
    row = connection.execute(QUERIES.waiting, {"book": book}).fetchone()
    return int(row[0]) if row else 0
