"""Keys of people: proposed by whose they are, approved by somebody else, listed, revoked.

What the approvers sign are the facts of the key, raw registration included; the database enrols exactly these. The
journal says the public key (PASSKEY_ENROLLED) and the end (PASSKEY_REVOKED).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from ringfence.authority import proposals
from ringfence.authority.actors import Session
from ringfence.authority.passkeys.assertions import Registration, RelyingParty, read_registration
from ringfence.authority.passkeys.refusals import PASSKEY_HAS_A_SHORT_LABEL, PASSKEY_IS_ENROLLED_ALREADY
from ringfence.authority.policy import policy_version
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Fault

ACT: Final = "key_enrolment"
LABEL_CHARACTERS_MAX: Final = 60
RAW_FACTS: Final = ("public_key", "client_data", "attestation_object")


@dataclass(frozen=True)
class Passkey:
    """A key as it is kept, without what is raw."""

    credential_id: bytes
    person_id: str
    label: str
    rp_id: str
    public_key: bytes = field(repr=False)
    aaguid: UUID
    proposal_id: UUID
    enrolled: int
    enrolled_at: datetime
    approves_from: datetime
    counter: int
    used_at: datetime | None
    revoked: int | None


def new_challenge(core: Core) -> bytes:
    """A challenge of ours, good for five minutes: to enrol a key, or to sign in."""
    with core.connection() as connection:
        asked = {"book": core.book.book_id, "at": core.clock()}
        row = connection.execute(QUERIES.new_challenge, asked).fetchone()
    assert row is not None  # noqa: S101 - the function gives one row
    return bytes(row[0])


def user_id_of(core: Core, person_id: str) -> bytes:
    """What a device knows a person by: the same for all keys of a person in a book, and not the login itself."""
    return hashlib.sha256(f"ringfence person v1\0{core.book.book_id}\0{core.book.name}\0{person_id}".encode()).digest()


def propose_key(
    core: Core, session: Session, label: str, registration: Registration, challenge: bytes, ours: RelyingParty
) -> Drafted:
    """Propose a key of one's own. Refused in this order: `challenge_is_not_ours`, `challenge_is_too_old`, what
    `read_registration` refuses, `passkey_has_a_short_label`, `passkey_is_enrolled_already`.
    """
    book = core.book.book_id
    with core.connection() as connection:
        connection.execute(QUERIES.require_challenge, {"book": book, "challenge": challenge, "at": core.clock()})
    new = read_registration(registration, challenge, ours)
    if not 0 < len(label.strip()) <= LABEL_CHARACTERS_MAX:
        raise PASSKEY_HAS_A_SHORT_LABEL()
    with core.connection() as connection:
        if new.credential_id in {each.credential_id for each in passkeys(connection, book)}:
            raise PASSKEY_IS_ENROLLED_ALREADY()
    facts = {
        "person": session.person_id,
        "label": label.strip(),
        "rp_id": ours.rp_id,
        "credential": new.credential_id.hex(),
        "aaguid": str(new.aaguid),
        "counter": str(new.counter),
        "public_key": new.public_key.hex(),
        "client_data": registration.client_data.hex(),
        "attestation_object": registration.attestation_object.hex(),
    }
    return proposals.propose(core, session, core.new_id(), ACT, facts=facts)


def enrol(core: Core, proposal_id: UUID) -> None:
    """Enrol the key of a complete proposal; `proposal_is_not_complete`. Doing it again changes nothing."""
    with core.connection() as connection:
        found = proposals.proposal_of(connection, core.book.book_id, proposal_id)
        hours = policy_version(connection, core.book.book_id, found.policy_version).policy.wait_hours
        moved = connection.execute(QUERIES.money_moved, {"book": core.book.book_id}).fetchone() is not None
    if not moved and not found.maker.startswith("customer:"):
        hours = 0  # of the founding
    event = derived(proposal_id, "carried out")
    line = Line(
        Kind.EVENT, event, code=EventName.PASSKEY_ENROLLED, payload=_enrolled(found.terms.facts, hours, proposal_id)
    )
    row = {"book": core.book.book_id, "event": event, "proposal": proposal_id}
    core.post(Unit([line], also=[(QUERIES.enrol_passkey, row)]))


def enrol_all(core: Core) -> int:
    """Enrol what has been approved and was not enrolled, as after a crash in between; how many. What the database
    refuses is left alone.
    """
    with core.connection() as connection:
        waiting = proposals.complete(connection, core.book.book_id, core.clock(), ACT)
    left = (Fault.STATE, Fault.INPUT, Fault.PERMISSION)
    return proposals.carry_out_each(waiting, lambda each: enrol(core, each.proposal_id), leaving=left)


def _enrolled(facts: Mapping[str, str], hours: int, proposal_id: UUID) -> dict[str, Any]:
    said = {name: facts.get(name, "") for name in ("person", "credential", "public_key", "aaguid", "rp_id")}
    return said | {"wait_hours": hours, "proposal": str(proposal_id)}


def revoke(core: Core, session: Session, credential_id: bytes) -> None:
    """Take a key back for good: one's own, or as security administrator anybody's. `passkey_must_exist`,
    `person_lacks_the_role`.
    """
    book, event = core.book.book_id, core.new_id()
    with core.connection() as connection:
        whose = [each.person_id for each in passkeys(connection, book) if each.credential_id == credential_id]
    said = {"person": "".join(whose), "credential": credential_id.hex(), "by": session.person_id}
    row = {"book": book, "event": event, "token_sha256": session.token_sha256, "credential": credential_id}
    line = Line(Kind.EVENT, event, code=EventName.PASSKEY_REVOKED, payload=said)
    core.post(Unit([line], also=[(QUERIES.revoke_passkey, row)]))


def passkeys(connection: Connection, book: int, person_id: str | None = None) -> list[Passkey]:
    """Keys of a person, or of everybody, also revoked ones, the latest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(QUERIES.passkeys, {"book": book, "person": person_id}).fetchall()
    return [Passkey(**row | {name: bytes(row[name]) for name in ("credential_id", "public_key")}) for row in rows]


def in_use(connection: Connection, book: int, person_id: str) -> list[Passkey]:
    """The keys that a person may use now."""
    return [each for each in passkeys(connection, book, person_id) if each.revoked is None]
