"""Sessions: a person signs in, is recognised for a while, and leaves.

The token is 256 random bits, given to the person's browser and nowhere else; only its SHA-256 is kept. A session ends
after 30 minutes without a request, after 12 hours, when it is revoked, when the person leaves or changes the password.

Failed attempts lock a login for 2 s after the fourth, and twice as long each time, up to 15 minutes. A login that
nobody has answers with the same words after the same work, and is locked alike.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.authority import passwords
from ringfence.authority.actors import Session, hash_of
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import (
    CODE_DOES_NOT_FIT,
    SESSION_IS_NOT_VALID,
    SESSION_MUST_EXIST,
    SIGN_IN_MUST_WAIT,
    SIGN_IN_REFUSED,
)
from ringfence.authority.roles import Role
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused

ALARM_FAILURES: Final = 5  # and again whenever they have doubled
LOGIN_CHARACTERS_MAX: Final = 32


@dataclass(frozen=True)
class SignedIn:
    """A fresh session, and the token that leads back to it: for a cookie that scripts cannot read."""

    session: Session
    token: str = field(repr=False)


@dataclass(frozen=True)
class SessionLine:
    """A session in a list: nothing of its token."""

    session_id: UUID
    person_id: str
    opened_by: str
    opened_at: datetime
    seen_at: datetime
    ends_at: datetime
    revoked_at: datetime | None


def sign_in(core: Core, login: str, password: str, code: str = "") -> SignedIn:
    """Open a session; somebody with a device for codes (`codes`) gives the code as well. Refused in this order:
    `sign_in_must_wait`, `sign_in_is_busy`, `sign_in_refused` (whatever does not fit: the answer does not tell).
    """
    login = login.strip().lower()[: LOGIN_CHARACTERS_MAX + 1].replace("\0", "")
    attempt = try_password(core, login, password, code.strip())
    if not attempt.fits:
        raise SIGN_IN_REFUSED()
    token, session_id, event = secrets.token_urlsafe(32), core.new_id(), core.new_id()
    said: dict[str, Any] = {"person": login, "session": str(session_id), "failures_before": attempt.failures}
    said["by"] = "code" if attempt.has_device else "password"
    line = Line(Kind.EVENT, event, code=EventName.SIGNED_IN, payload=said)
    opened = {
        "book": core.book.book_id,
        "event": event,
        "login": login,
        "stretched": attempt.stretched,
        "code": code.strip(),
        "session": session_id,
        "token_sha256": hash_of(token),
    }
    try:
        core.post(Unit([line], also=[(QUERIES.open_session, opened)]))
    except Refused as refused:
        if refused.refusal is CODE_DOES_NOT_FIT:  # another sign-in was faster with the same code
            raise SIGN_IN_REFUSED() from refused
        raise
    return SignedIn(session_of(core, token), token)


def session_of(core: Core, token: str) -> Session:
    """The session of a token, which counts as a sign of life; `session_is_not_valid`."""
    with core.connection() as connection:
        asked = {"book": core.book.book_id, "token_sha256": hash_of(token), "at": core.clock()}
        row = connection.execute(QUERIES.touch_session, asked).fetchone()
    if row is None:
        raise SESSION_IS_NOT_VALID()
    session_id, person_id, display_name, roles, opened_at, ends_at, must_change, opened_by = row
    return Session(
        session_id,
        person_id,
        display_name,
        frozenset(roles),
        opened_at,
        ends_at,
        must_change,
        opened_by,
        hash_of(token),
    )


def sign_out(core: Core, session: Session) -> None:
    """End this session. Ending it twice is ending it."""
    try:
        revoke(core, session, session.session_id)
    except Refused as refused:
        if refused.refusal not in (SESSION_IS_NOT_VALID, SESSION_MUST_EXIST):
            raise


def revoke(core: Core, session: Session, session_id: UUID) -> None:
    """End a session: one's own, or as security administrator anybody's, which goes into the journal. In this order:
    `session_is_not_valid`, `session_must_exist`, `person_lacks_the_role`.
    """
    book = core.book.book_id
    with core.connection() as connection:
        asked = {"book": book, "token_sha256": session.token_sha256, "session": session_id, "at": core.clock()}
        row = connection.execute(QUERIES.end_own_session, asked).fetchone()
    whose = row[0] if row else None
    if whose == session.person_id:
        return
    session.require_role(Role.SECURITY_ADMIN)
    event = core.new_id()
    said = {"person": whose, "change": "session ended", "session": str(session_id), "by": session.person_id}
    ended = asked | {"event": event}
    line = Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said)
    core.post(Unit([line], also=[(QUERIES.end_session, ended)]))


def sessions(connection: Connection, book: int, limit: int = 200) -> list[SessionLine]:
    """Sessions, the latest first."""
    with connection.cursor(row_factory=class_row(SessionLine)) as cursor:
        return cursor.execute(QUERIES.sessions, {"book": book, "limit": limit}).fetchall()


@dataclass(frozen=True)
class Attempt:
    """A password that was tried: whether it fits, what it was stretched to, and the failures in a row."""

    fits: bool
    stretched: bytes = field(repr=False)
    failures: int
    has_device: bool  # for codes


def try_password(core: Core, login: str, password: str, code: str | None = None) -> Attempt:
    """Try a password, and a code with it unless that is None; the same work is done for a login that nobody has. An
    attempt that fails is counted before this returns; `sign_in_must_wait` while the login is locked.
    """
    book = core.book.book_id
    with core.connection() as connection:
        now = core.clock()
        asked = {"book": book, "login": login, "at": now}
        row = connection.execute(QUERIES.begin_sign_in, asked).fetchone()
        assert row is not None  # noqa: S101 - the function gives one row
        salt, memory_kib, passes, lanes, locked_until = row
    if locked_until is not None:
        raise _wait(locked_until, now)
    if salt is None:  # the book has no people: there is nobody to be told apart from
        raise SIGN_IN_REFUSED()
    stretched = passwords.stretch(password, bytes(salt), passwords.Cost(memory_kib, passes, lanes))
    with core.connection() as connection:
        now = core.clock()
        tried = {"book": book, "login": login, "stretched": stretched, "at": now, "code": code}
        row = connection.execute(QUERIES.try_password, tried).fetchone()
        assert row is not None  # noqa: S101 - the function gives one row
        fits, failures, locked_until, has_device = row
    if locked_until is not None:
        raise _wait(locked_until, now)
    if not fits:
        _raise_alarm(core, login, failures)
    return Attempt(fits, stretched, failures, has_device)


def _wait(locked_until: datetime, now: datetime) -> Refused:
    return SIGN_IN_MUST_WAIT(seconds=max(1, round((locked_until - now).total_seconds())))


def _raise_alarm(core: Core, login: str, failures: int) -> None:
    """Journal failures in a row at 5, 10, 20, …, for people that exist: a mistyped login may be anything."""
    times, rest = divmod(failures, ALARM_FAILURES)
    if rest or times & (times - 1) or not times:
        return
    with core.connection() as connection:
        known = any(person[0] == login for person in connection.execute(QUERIES.people, {"book": core.book.book_id}))
    if known:
        said = {"alarm": "sign-in failures", "person": login, "failures": failures}
        # Not waited for: the answer must not take longer for people that exist.
        core.writer.send(Unit([Line(Kind.EVENT, core.new_id(), code=EventName.ALARM_RAISED, payload=said)]))
