"""Clients: programs of the platform, with a bearer token `rf_…` of which only the SHA-256 is kept."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from ringfence.authority.actors import Client, Session, hash_of
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import CLIENT_IS_NOT_KNOWN, SCOPE_IS_UNKNOWN
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line

PREFIX: Final = "rf_"
SCOPES: Final = frozenset(
    {
        "customers:read",
        "customers:write",
        "orders:read",
        "orders:write",
        "statements:read",
        "statements:write",
        "journal:read",
        "journal:post",
        "crossings:write",
        "evidence:read",
        "position:read",
        "metrics",
    }
)


@dataclass(frozen=True)
class NewClient:
    """A client and its token, which is shown once."""

    client: Client
    token: str = field(repr=False)


@dataclass(frozen=True)
class ClientLine:
    """A client in a list."""

    client_id: str
    scopes: tuple[str, ...]
    active: bool
    added: int


def add_client(core: Core, session: Session, client_id: str, scopes: Collection[str]) -> NewClient:
    """Give a program of the platform a token. A security administrator does it alone: a client approves nothing."""
    session.require_role("security_admin")
    for scope in sorted(scopes):
        if scope not in SCOPES:
            raise SCOPE_IS_UNKNOWN(scope=scope)
    token, event, given = PREFIX + secrets.token_urlsafe(32), core.new_id(), sorted(scopes)
    said = {
        "person": f"client:{client_id}",
        "change": "client added",
        "scopes": given,
        "by": session.person_id,
    }
    row = {
        "book": core.book.book_id,
        "event": event,
        "token_sha256": session.token_sha256,
        "client": client_id,
        "client_token_sha256": hash_of(token),
        "scopes": given,
    }
    line = Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said)
    core.post(Unit([line], also=[(QUERIES.add_client, row)]))
    return NewClient(Client(client_id, frozenset(given), hash_of(token)), token)


def revoke_client(core: Core, session: Session, client_id: str) -> None:
    """Take a client's token back, for good."""
    session.require_role("security_admin")
    event = core.new_id()
    said = {"person": f"client:{client_id}", "change": "client revoked", "by": session.person_id}
    row = {
        "book": core.book.book_id,
        "event": event,
        "token_sha256": session.token_sha256,
        "client": client_id,
    }
    line = Line(Kind.EVENT, event, code=EventName.PERSON_CHANGED, payload=said)
    core.post(Unit([line], also=[(QUERIES.revoke_client, row)]))


def client_of(core: Core, token: str) -> Client:
    """The client of a bearer token; `client_is_not_known`."""
    if not token.startswith(PREFIX):
        raise CLIENT_IS_NOT_KNOWN()
    asked = {"book": core.book.book_id, "token_sha256": hash_of(token)}
    with core.connection() as connection:
        row = connection.execute(QUERIES.client_of, asked).fetchone()
    if row is None:
        raise CLIENT_IS_NOT_KNOWN()
    return Client(row[0], frozenset(row[1]), hash_of(token))


def clients(connection: Connection, book: int) -> list[ClientLine]:
    """Every client, also revoked ones."""
    rows = connection.execute(QUERIES.clients, {"book": book})
    return [ClientLine(name, tuple(scopes), active, added) for name, scopes, active, added in rows]
