"""Providers and identities: proposed, approved by somebody else, set and bound by the database, taken away by one.

A proposal carries a provider's keys and their thumbprints (RFC 7638), which the provider shows as well, so that people
compare something they can read. The database computes the thumbprints again.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import rfc8785
from psycopg.rows import class_row

from ringfence.authority import proposals
from ringfence.authority.actors import Actor, Session
from ringfence.authority.proposals import Drafted
from ringfence.authority.providers import QUERIES, IdentityProvider
from ringfence.authority.providers.refusals import (
    IDENTITY_IS_BOUND_ALREADY,
    IDENTITY_MUST_EXIST,
    PERSON_IS_BOUND_THERE_ALREADY,
    PROVIDER_MUST_EXIST,
)
from ringfence.authority.providers.speaking import keys_of, metadata_of
from ringfence.authority.refusals import ACT_IS_NOT_IN_THE_POLICY
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import Query
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Fault, Refused

SET: Final = "provider_change"
BIND: Final = "identity_binding"
RAW_FACTS: Final = ("keys",)


@dataclass(frozen=True)
class Registered:
    """A provider as people approved it, with the thumbprints of the keys that count now."""

    provider: str
    issuer: str
    client_id: str
    subject_claim: str
    acr: list[str]
    registered: int
    removed: int | None
    thumbprints: list[str]

    @property
    def name(self) -> str:
        return self.provider

    def is_of(self, provider: IdentityProvider) -> bool:
        """Whether the settings say what was approved."""
        wanted = (provider.issuer, provider.client_id, provider.subject, list(provider.acr))
        return self.removed is None and (self.issuer, self.client_id, self.subject_claim, self.acr) == wanted


@dataclass(frozen=True)
class Identity:
    """A person here is a subject there."""

    person_id: str
    provider: str
    issuer: str
    subject: str
    proposal_id: UUID
    bound: int
    bound_at: datetime
    used_at: datetime | None
    released: int | None


def registered(connection: Connection, book: int) -> list[Registered]:
    """All providers of a book, also removed ones, by name."""
    with connection.cursor(row_factory=class_row(Registered)) as cursor:
        return cursor.execute(QUERIES.providers, {"book": book}).fetchall()


def identities(connection: Connection, book: int, person_id: str | None = None) -> list[Identity]:
    """Identities of a person, or of everybody, also released ones, the latest first."""
    with connection.cursor(row_factory=class_row(Identity)) as cursor:
        return cursor.execute(QUERIES.identities, {"book": book, "person": person_id}).fetchall()


def propose_provider(core: Core, by: Actor, provider: IdentityProvider) -> Drafted:
    """Propose a provider of the settings with the keys that it shows now. `provider_is_unreachable`,
    `provider_key_is_usable`.
    """
    return proposals.propose(core, by, core.new_id(), SET, facts=_facts_of(provider))


def propose_new_keys(core: Core, provider: IdentityProvider) -> Drafted | None:
    """Propose the keys that a provider shows, if they are others than count now and nobody proposed them yet. Nobody
    has to be here for it.
    """
    book, facts = core.book.book_id, _facts_of(provider)
    with core.connection() as connection:
        known = {each.name: each for each in registered(connection, book)}
        now = core.clock()
        waiting = [*proposals.pending(connection, book, now, SET), *proposals.complete(connection, book, now, SET)]
    if provider.name not in known or not known[provider.name].is_of(provider):
        return None
    same = sorted(known[provider.name].thumbprints) == sorted(facts["thumbprints"].split())
    if same or any(dict(each.terms.facts) == facts for each in waiting):
        return None
    try:
        return proposals.propose(core, None, core.new_id(), SET, facts=facts)
    except Refused as no:
        if no.refusal is not ACT_IS_NOT_IN_THE_POLICY:
            raise
        return None


def _facts_of(provider: IdentityProvider) -> dict[str, str]:
    keys = keys_of(provider, metadata_of(provider))
    return {
        "provider": provider.name,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "subject_claim": provider.subject,
        "acr": " ".join(provider.acr) or "none",
        "keys": rfc8785.dumps(list(keys)).decode(),
        "thumbprints": " ".join(thumbprint_of(key) for key in keys),
    }


def thumbprint_of(key: dict[str, str]) -> str:
    """What people compare (RFC 7638, 3).

    >>> thumbprint_of({"alg": "RS256", "kid": "1", "n": "AA"})[:10]
    'D-OMxujHsM'
    """
    if key["alg"] == "ES256":
        members = {"crv": "P-256", "kty": "EC", "x": key["x"], "y": key["y"]}
    else:
        members = {"e": "AQAB", "kty": "RSA", "n": key["n"]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def set_provider(core: Core, proposal_id: UUID) -> None:
    """Set a provider and its keys as a complete proposal says; doing it again changes nothing."""
    with core.connection() as connection:
        facts = proposals.proposal_of(connection, core.book.book_id, proposal_id).terms.facts
    said: dict[str, Any] = {name: facts.get(name, "") for name in ("provider", "issuer", "client_id")}
    said |= {"keys": facts.get("thumbprints", "").split(), "proposal": str(proposal_id)}
    _carry_out(core, proposal_id, EventName.PROVIDER_SET, said, QUERIES.set_provider)


def remove_provider(core: Core, session: Session, name: str) -> None:
    """Shut a provider out at once. A security administrator does it alone. `person_lacks_the_role`,
    `provider_must_exist`.
    """
    session.require_role("security_admin")
    with core.connection() as connection:
        if not any(each.name == name and each.removed is None for each in registered(connection, core.book.book_id)):
            raise PROVIDER_MUST_EXIST()
    said = {"provider": name, "by": session.person_id}
    _post(core, session, EventName.PROVIDER_REMOVED, said, QUERIES.remove_provider, {"provider": name})


def propose_binding(core: Core, session: Session, provider: IdentityProvider, subject: str) -> Drafted:
    """Propose that the person of the session is this subject; `identity_is_bound_already`,
    `person_is_bound_there_already`.
    """
    with core.connection() as connection:
        known = [each for each in identities(connection, core.book.book_id) if each.released is None]
    there = [each for each in known if each.issuer == provider.issuer]
    if any(each.subject == subject for each in there):
        raise IDENTITY_IS_BOUND_ALREADY()
    if any(each.person_id == session.person_id for each in there):
        raise PERSON_IS_BOUND_THERE_ALREADY()
    facts = {
        "person": session.person_id,
        "provider": provider.name,
        "issuer": provider.issuer,
        "subject": subject,
    }
    return proposals.propose(core, session, core.new_id(), BIND, facts=facts)


def bind(core: Core, proposal_id: UUID) -> None:
    """Bind as a complete proposal says; doing it again changes nothing."""
    with core.connection() as connection:
        terms = proposals.proposal_of(connection, core.book.book_id, proposal_id).terms
    facts = terms.facts
    said = {name: facts.get(name, "") for name in ("person", "provider", "issuer")}
    said |= {
        "subject_sha256": subject_sha256(terms.nonce, facts.get("issuer", ""), facts.get("subject", "")),
        "proposal": str(proposal_id),
    }
    _carry_out(core, proposal_id, EventName.IDENTITY_BOUND, said, QUERIES.bind_identity)


def release(core: Core, session: Session, name: str, person_id: str) -> None:
    """Release an identity for good, and end the sessions that it opened: one's own, or as security administrator
    anybody's. `identity_must_exist`, `person_lacks_the_role`.
    """
    if person_id != session.person_id:
        session.require_role("security_admin")
    with core.connection() as connection:
        known = identities(connection, core.book.book_id, person_id)
        found = [each for each in known if each.provider == name and each.released is None]
        if not found:
            raise IDENTITY_MUST_EXIST()
        drawn = proposals.proposal_of(connection, core.book.book_id, found[0].proposal_id).terms.nonce
    said = {
        "person": person_id,
        "provider": name,
        "subject_sha256": subject_sha256(drawn, found[0].issuer, found[0].subject),
        "by": session.person_id,
    }
    row = {"provider": name, "person": person_id}
    _post(core, session, EventName.IDENTITY_RELEASED, said, QUERIES.release_identity, row)


def subject_sha256(nonce: UUID, issuer: str, subject: str) -> str:
    """What the journal says of a subject, which may be an address of mail: keyed by the random nonce of the proposal
    that bound it. Who has the journal alone can try no addresses; who has the proposal sees that it is this subject.
    """
    return hashlib.sha256(f"ringfence subject v2\n{nonce}\n{issuer}\n{subject}".encode()).hexdigest()


def carry_out_all(core: Core) -> int:
    """Set and bind what has been approved and was not carried out, as after a crash in between; how many. What the
    database refuses is left alone.
    """

    def carried_out(act: str, does: Callable[[Core, UUID], object]) -> int:
        with core.connection() as connection:
            waiting = proposals.complete(connection, core.book.book_id, core.clock(), act)
        left = set(Fault) - {Fault.MACHINE}
        return proposals.carry_out_each(waiting, lambda each: does(core, each.proposal_id), leaving=left)

    return carried_out(SET, set_provider) + carried_out(BIND, bind)


def _carry_out(core: Core, proposal_id: UUID, name: EventName, said: dict[str, Any], query: Query) -> None:
    event = derived(proposal_id, "carried out")
    row = {"book": core.book.book_id, "event": event, "proposal": proposal_id}
    core.post(Unit([Line(Kind.EVENT, event, code=name, payload=said)], also=[(query, row)]))


def _post(
    core: Core, session: Session, name: EventName, said: dict[str, Any], query: Query, row: dict[str, Any]
) -> None:
    event = core.new_id()
    common = {"book": core.book.book_id, "event": event, "token_sha256": session.token_sha256}
    core.post(Unit([Line(Kind.EVENT, event, code=name, payload=said)], also=[(query, common | row)]))
