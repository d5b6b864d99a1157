"""Notifications: people are told when their own means to sign in change, or are used from somewhere else.

Written by the database where the change is written (`authority.tell`), so that nobody changes a person's password, keys
or accounts without a trace that the person meets. Unread until the person says so: every page shows it meanwhile. The
core sends each one on as well, at least once, where the installation says how (`sending`). None contains a secret.

A place is the network of an address (the first 24 bits of IPv4, 48 of IPv6), of which only a hash is kept. The first
place of a person is nothing to be told of; each new one is. So is a sign-in after three wrong passwords or more.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from ringfence.authority.actors import Session
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load

WHAT: Final = (
    "password_changed",
    "password_reset",
    "passkey_enrolled",
    "passkey_revoked",
    "code_device_set",
    "identity_bound",
    "identity_released",
    "signed_in_elsewhere",
    "signed_in_after_failures",
)
SHOWN: Final = 100
_NETWORK_BITS: Final = {4: 24, 6: 48}


class _Queries(NamedQueries):
    came_from: Query
    notifications_of: Query
    read_notifications: Query
    unsent_notifications: Query
    notification_was_sent: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/notifications.sql")


@dataclass(frozen=True)
class Notification:
    """What a person is told; `sequence` is the row of the journal, if the journal says it."""

    number: int
    what: str
    happened_at: datetime
    sequence: int | None
    read_at: datetime | None
    sent_at: datetime | None


def came_from(core: Core, session: Session, address: str | None) -> None:
    """The person of this session came from an address (None: this machine's command line)."""
    if address is None:
        return
    asked = {
        "book": core.book.book_id,
        "token_sha256": session.token_sha256,
        "place_sha256": place_sha256(address),
        "at": core.clock(),
    }
    with core.connection() as connection:
        connection.execute(QUERIES.came_from, asked)


def of_session(connection: Connection, book: int, session: Session, at: datetime) -> list[Notification]:
    """One's own, the latest first."""
    asked = {"book": book, "token_sha256": session.token_sha256, "at": at, "latest": SHOWN}
    with connection.cursor(row_factory=class_row(Notification)) as cursor:
        return cursor.execute(QUERIES.notifications_of, asked).fetchall()


def read(core: Core, session: Session, up_to: int) -> int:
    """The person has read the own notifications up to this number; how many were unread."""
    asked = {
        "book": core.book.book_id,
        "token_sha256": session.token_sha256,
        "up_to": up_to,
        "at": core.clock(),
    }
    with core.connection() as connection:
        row = connection.execute(QUERIES.read_notifications, asked).fetchone()
    assert row is not None  # noqa: S101 - the function gives one row
    return int(row[0])


def place_sha256(address: str) -> bytes:
    """What is kept of a place."""
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode(errors="surrogatepass")).digest()
    given = getattr(given, "ipv4_mapped", None) or given
    network = ipaddress.ip_network((given, _NETWORK_BITS[given.version]), strict=False)
    return hashlib.sha256(f"ringfence place v1\n{network}".encode()).digest()
