"""What is kept of the trees: figures, leaves, auditors' notes, and why one is missing."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from psycopg.rows import class_row

from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.liabilities.queries import QUERIES
from ringfence.liabilities.refusals import LIABILITIES_ARE_NOT_PROVEN
from ringfence.liabilities.tree import HASH_BYTES, Grown, Mode, Row, grow_from

LEAF_BYTES: Final = 72  # id, amount, hash


@dataclass(frozen=True)
class Proven:
    """A tree that was published: figures in minor units; `sequence` is the row that says so."""

    day: date
    currency: str
    sequence: int
    mode: str
    root: bytes
    count: int
    total: int
    negative_count: int
    negative_total: int
    unallocated: int
    cut_off: int
    requirement: int
    resource: int
    proven_at: datetime


@dataclass(frozen=True)
class Attested:
    """An auditor's note about a tree."""

    day: date
    currency: str
    auditor: str
    sequence: int
    note: str
    attested_at: datetime


@dataclass(frozen=True)
class Unproven:
    """A closed day whose tree was refused: a refusal's name and its facts."""

    day: date
    currency: str
    name: str
    facts: dict[str, Any]
    refused_at: datetime


@dataclass(frozen=True)
class Kept:
    """The leaves of a tree as they are kept, and the tree over them."""

    identities: tuple[bytes, ...]
    grown: Grown


def history(
    connection: Connection, book: int, *, day: date | None = None, currency: str | None = None, limit: int | None = 100
) -> list[Proven]:
    """Published trees, the latest day first; without a limit all of them."""
    question = {"book": book, "day": day, "currency": currency, "limit": limit}
    with connection.cursor(row_factory=class_row(Proven)) as cursor:
        return cursor.execute(QUERIES.proven, question).fetchall()


def proven(connection: Connection, book: int, day: date, currency: str) -> Proven:
    """One tree, or `liabilities_are_not_proven`."""
    for found in history(connection, book, day=day, currency=currency, limit=1):
        return found
    raise LIABILITIES_ARE_NOT_PROVEN(day=day, currency=currency[:10])


def attestations(
    connection: Connection, book: int, day: date | None = None, currency: str | None = None
) -> list[Attested]:
    question = {"book": book, "day": day, "currency": currency}
    with connection.cursor(row_factory=class_row(Attested)) as cursor:
        return cursor.execute(QUERIES.attested, question).fetchall()


def unproven(connection: Connection, book: int) -> list[Unproven]:
    """What could not be published, the oldest first."""
    with connection.cursor(row_factory=class_row(Unproven)) as cursor:
        return cursor.execute(QUERIES.unproven, {"book": book}).fetchall()


def event_of(connection: Connection, book: int, found: Proven) -> dict[str, Any]:
    """What LIABILITIES_PROVEN says, as the journal has it."""
    row = connection.execute(QUERIES.row_said, {"book": book, "sequence": found.sequence}).fetchone()
    if row is None or row[0] != EventName.LIABILITIES_PROVEN:
        raise LIABILITIES_ARE_NOT_PROVEN(day=found.day, currency=found.currency)
    return dict(json.loads(bytes(row[1])))


def kept_leaves(connection: Connection, book: int, found: Proven) -> Kept:
    """The leaves of a published tree. The last trees that were read stay in memory: they do not change."""
    question = {"book": book, "day": found.day, "currency": found.currency}
    content = b"".join(bytes(part) for (part,) in connection.execute(QUERIES.leaves, question))
    return _kept(found.mode, content)


@lru_cache(maxsize=2)
def _kept(mode: str, content: bytes) -> Kept:
    starts = range(0, len(content), LEAF_BYTES)
    sums = tuple(int.from_bytes(content[at + HASH_BYTES : at + HASH_BYTES + 8]) for at in starts)
    hashes = b"".join(content[at + HASH_BYTES + 8 : at + LEAF_BYTES] for at in starts)
    identities = tuple(content[at : at + HASH_BYTES] for at in starts)
    return Kept(identities, grow_from(Mode(mode), Row(hashes, sums)))
