"""The door: how long a session and a signature last, who knocks too often from one address, and who is inside.

The limits of a book's door are rows of its database, set by a security administrator, and hold for all cores at once,
also for sessions that are open already: seconds without a request (5 to 30 minutes), seconds in all (5 minutes to 12
hours), and how old a signed request may be (10 seconds to 15 minutes). They can be made tighter than the default, which
is the longest for sessions and 5 minutes for signatures, and not wider.

`sessions` locks a login after failures. Here an address is locked, whatever it tries: the 20th failure locks it for 2
seconds, each further one twice as long, up to 15 minutes; an hour of quiet ends the count. An attempt counts before it
is looked at, so that many at once are not free. Of an IPv6 address the network (/64) counts. Only hashes are kept.
"""

import hashlib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from psycopg.rows import class_row

from ringfence.authority import sessions
from ringfence.authority.actors import Session
from ringfence.authority.notifications import came_from
from ringfence.authority.refusals import SIGN_IN_MUST_WAIT
from ringfence.authority.sessions import SessionLine, SignedIn
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.database.refusals import register
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Fault, Refused, refusal

Entered = TypeVar("Entered")
SESSIONS_SHOWN: Final = 200
_NETWORK_BITS: Final = 64

DOOR_LIMITS_ARE_WITHIN_BOUNDS: Final = refusal(
    "door_limits_are_within_bounds",
    Fault.INPUT,
    en="A session ends after 5 to 30 minutes without a request and after 12 hours at most; a signed request is good for"
    " 10 seconds to 15 minutes.",
    zh="会话须在无请求 5 至 30 分钟后结束，总时长不超过 12 小时；签名请求有效期为 10 秒至 15 分钟。",
)
register({"door_limits_are_within_bounds": DOOR_LIMITS_ARE_WITHIN_BOUNDS})


class _Queries(NamedQueries):
    door_limits: Query
    set_door_limits: Query
    knock_at: Query
    let_in_from: Query
    open_sessions: Query


QUERIES = load(_Queries, "ringfence.authority", "sql/door.sql")


@dataclass(frozen=True)
class Limits:
    """Seconds: of a session without a request, of a session in all, of a signed request."""

    idle_seconds: int
    session_seconds: int
    signature_seconds: int


def limits(connection: Connection, book: int) -> Limits:
    """The limits that hold now."""
    with connection.cursor(row_factory=class_row(Limits)) as cursor:
        found = cursor.execute(QUERIES.door_limits, {"book": book}).fetchone()
    assert found is not None  # noqa: S101 - the function gives one row
    return found


def set_limits(core: Core, session: Session, new: Limits) -> None:
    """Set the limits of the book's door; `person_lacks_the_role`, `door_limits_are_within_bounds`."""
    session.require_role("security_admin")
    event = core.new_id()
    seconds = {
        "idle_seconds": new.idle_seconds,
        "session_seconds": new.session_seconds,
        "signature_seconds": new.signature_seconds,
    }
    line = Line(Kind.EVENT, event, code=EventName.DOOR_LIMITS_SET, payload=seconds | {"by": session.person_id})
    row = {"book": core.book.book_id, "event": event, "token_sha256": session.token_sha256}
    core.post(Unit([line], also=[(QUERIES.set_door_limits, row | seconds)]))


def sign_in(core: Core, login: str, password: str, address: str | None, code: str = "") -> SignedIn:
    """`sessions.sign_in` for somebody at an address."""
    return let_in_person(core, address, lambda: sessions.sign_in(core, login, password, code))


def let_in_person(core: Core, address: str | None, enter: Callable[[], SignedIn]) -> SignedIn:
    """`let_in` for a person, who is told if the address is of a place that is new."""
    entered = let_in(core, address, enter)
    came_from(core, entered.session, address)
    return entered


def let_in(core: Core, address: str | None, enter: Callable[[], Entered]) -> Entered:
    """What `enter` gives to somebody at an address (None: on this machine's command line); `sign_in_must_wait` while
    the address is locked, before anything is looked at.
    """
    if address is None:
        return enter()
    asked = {"book": core.book.book_id, "address_sha256": hash_of_address(address)}
    with core.connection() as connection:
        now = core.clock()
        row = connection.execute(QUERIES.knock_at, asked | {"at": now}).fetchone()
    if row is not None and row[0] is not None:
        raise SIGN_IN_MUST_WAIT(seconds=max(1, round((row[0] - now).total_seconds())))
    try:
        entered = enter()
    except Refused as no:
        if no.refusal.fault is Fault.MACHINE:  # nothing was looked at, so nothing was guessed
            _take_back(core, asked)
        raise
    _take_back(core, asked)
    return entered


def _take_back(core: Core, asked: Mapping[str, Any]) -> None:
    """The attempt that was counted beforehand was no failure."""
    with core.connection() as connection:
        connection.execute(QUERIES.let_in_from, asked)


def hash_of_address(address: str) -> bytes:
    """What is kept of an address; of one of IPv6 only its network counts."""
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return hashlib.sha256(address.encode(errors="surrogatepass")).digest()
    if isinstance(given, ipaddress.IPv6Address):
        given = given.ipv4_mapped or ipaddress.IPv6Address(int(given) >> _NETWORK_BITS << _NETWORK_BITS)
    return hashlib.sha256(str(given).encode()).digest()


def open_sessions(connection: Connection, book: int, at: datetime, person_id: str | None = None) -> list[SessionLine]:
    """The sessions that are open at a time, of one person or of everybody, the latest first."""
    with connection.cursor(row_factory=class_row(SessionLine)) as cursor:
        asked = {"book": book, "person": person_id, "at": at, "limit": SESSIONS_SHOWN}
        return cursor.execute(QUERIES.open_sessions, asked).fetchall()
