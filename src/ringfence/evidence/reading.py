"""What the other processes may know of the notary's work: how far it has signed, and what it found.

Money may leave only from rows that are signed: the gateway asks `last_signed` and compares.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from ringfence.database.connection import Connection
from ringfence.evidence.queries import QUERIES


@dataclass(frozen=True)
class SignedCheckpoint:
    """The first `size` rows of the journal hash to `root`; `note` is the signed checkpoint."""

    size: int
    root: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True)
class Alarm:
    """What the notary found when it had signed `signed_size` rows: a refusal's name and its facts."""

    signed_size: int
    name: str
    facts: dict[str, Any]
    raised_at: datetime


def last_signed(connection: Connection, book: int) -> SignedCheckpoint | None:
    with connection.cursor(row_factory=class_row(SignedCheckpoint)) as cursor:
        return cursor.execute(QUERIES.last_checkpoint, {"book": book}).fetchone()


def alarms(connection: Connection, book: int, limit: int = 100) -> list[Alarm]:
    """The latest first."""
    with connection.cursor(row_factory=class_row(Alarm)) as cursor:
        return cursor.execute(QUERIES.alarms, {"book": book, "limit": limit}).fetchall()
