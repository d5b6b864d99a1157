"""Who acts: a person in a session, or a client of the platform. Both are shown to the database by a token's hash.

An operation takes `by: Session | Client | None`; None is the system itself, where the policy lets it make a proposal.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from ringfence.authority.refusals import (
    PASSWORD_MUST_BE_CHANGED_FIRST,
    PERSON_LACKS_THE_ROLE,
    SCOPE_IS_MISSING,
)

SYSTEM: Final = "system"


@dataclass(frozen=True)
class Session:
    """A person who is signed in. Neither the token nor its hash is ever shown."""

    session_id: UUID
    person_id: str
    display_name: str
    roles: frozenset[str]
    opened_at: datetime
    ends_at: datetime
    must_change_password: bool
    opened_by: str  # "password", "code" (and a password) or "passkey"
    token_sha256: bytes = field(repr=False)

    @property
    def maker(self) -> str:
        """The word that a proposal of this person carries."""
        return self.person_id

    def has_role(self, *roles: str) -> bool:
        return not self.roles.isdisjoint(roles)

    def require_role(self, *roles: str) -> None:
        """`password_must_be_changed_first`, or `person_lacks_the_role` unless one of them is held."""
        if self.must_change_password:
            raise PASSWORD_MUST_BE_CHANGED_FIRST()
        if not self.has_role(*roles):
            raise PERSON_LACKS_THE_ROLE()


@dataclass(frozen=True)
class SignedContent:
    """What a program signed of a request (RFC 9421), raw: whoever has the key's public half can verify it again."""

    key_id: str
    base: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Client:
    """A program of the platform; `request` is what it signed, if it signed."""

    client_id: str
    scopes: frozenset[str]
    token_sha256: bytes = field(repr=False)
    request: SignedContent | None = field(default=None, repr=False, compare=False)

    @property
    def maker(self) -> str:
        return f"client:{self.client_id}"

    def require_scope(self, scope: str) -> None:
        """`scope_is_missing` unless the token reaches that far."""
        if scope not in self.scopes:
            raise SCOPE_IS_MISSING(scope=scope)


Actor = Session | Client | None


def maker_of(actor: Actor) -> str:
    """The word for who makes a proposal."""
    return SYSTEM if actor is None else actor.maker


def is_staff(maker: str) -> bool:
    """Whether the word for who made something is that of a person of the staff, not of a program or the system."""
    return maker != SYSTEM and ":" not in maker


def token_of(actor: Actor) -> bytes | None:
    """What the database finds the actor by."""
    return None if actor is None else actor.token_sha256


def hash_of(token: str) -> bytes:
    """What is kept of a token: 256 random bits need no stretching."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
