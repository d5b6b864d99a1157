"""Was an approval signed? From the bytes, the journal, and the key as it was enrolled; no status is believed.

Of an approval that carries an assertion, checked in this order:

  1. PROPOSAL_APPROVED says the same credential, challenge and raw bytes, and the challenge is that of the
     proposal's bytes;
  2. PASSKEY_ENROLLED says the key for this person before the approval, and the table says the same key at that row;
  3. it had waited as long as the journal says, and that is as long as the policy wants of it: not at all if the staff
     enrolled it before any money had moved; and neither the table nor the journal revokes it before the approval;
  4. the client data, flags and signature hold for the challenge, by the public key that the journal says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ringfence.authority.passkeys.assertions import Assertion, verify_assertion
from ringfence.authority.passkeys.refusals import SIGNATURE_OF_AN_APPROVAL_FAILS
from ringfence.ledger.codes import EventName
from ringfence.refusal import Refused


@dataclass(frozen=True)
class Said:
    """An event of the journal."""

    sequence: int
    id: UUID
    code: int
    posted_at: datetime
    says: Mapping[str, Any]


@dataclass(frozen=True)
class EnrolledKey:
    """A key as the table has it."""

    credential_id: bytes
    person_id: str
    rp_id: str
    public_key: bytes = field(repr=False)
    enrolled: int
    approves_from: datetime
    revoked: int | None
    wait_hours: int = 0  # how long it has to wait, found from the policy and the journal


@dataclass(frozen=True)
class SignedApproval:
    """An approval with its signature, and the row of the journal that says it."""

    person_id: str
    assertion: Assertion
    at: datetime
    event: Said | None
    challenge: bytes = field(repr=False)  # of exactly the bytes that were signed


def require_signature(approval: SignedApproval, keys: Sequence[EnrolledKey], events: Sequence[Said]) -> None:
    """Return if the signature holds; else `signature_of_an_approval_fails` says why."""
    try:
        because = _objection(approval, keys, events)
    except Refused as refused:
        because = refused.sentence()
    if because:
        raise SIGNATURE_OF_AN_APPROVAL_FAILS(person=approval.person_id, because=because)


def _objection(approval: SignedApproval, keys: Sequence[EnrolledKey], events: Sequence[Said]) -> str:
    found, event, challenge = approval.assertion, approval.event, approval.challenge
    said = {
        "credential": found.credential_id.hex(),
        "challenge": challenge.hex(),
        "client_data": found.client_data.hex(),
        "authenticator_data": found.authenticator_data.hex(),
        "signature": found.signature.hex(),
    }
    if event is None or any(event.says.get(name) != value for name, value in said.items()):
        return "the journal says another signature, or none."
    key = next((each for each in keys if each.credential_id == found.credential_id), None)
    enrolment = _enrolment_of(approval, key, event.sequence, events)
    if key is None or enrolment is None:
        return "the journal does not say that the passkey was enrolled for this person."
    waits = int(enrolment.says.get("wait_hours", 0))
    if waits < key.wait_hours:
        return "the journal says a shorter wait for the passkey than the policy."
    if approval.at < enrolment.posted_at + timedelta(hours=waits):
        return "the passkey had not waited long enough."
    if _revoked(key, event.sequence, events):
        return "the passkey had been revoked."
    verify_assertion(found, challenge, key.rp_id, key.public_key)
    return ""


def _enrolment_of(
    approval: SignedApproval, key: EnrolledKey | None, before: int, events: Sequence[Said]
) -> Said | None:
    """The journal's row about the key, if it says what the table says."""
    if key is None:
        return None
    as_kept = {
        "person": approval.person_id,
        "credential": key.credential_id.hex(),
        "public_key": key.public_key.hex(),
        "rp_id": key.rp_id,
    }
    for event in events:
        if event.sequence == key.enrolled and event.code == EventName.PASSKEY_ENROLLED and event.sequence < before:
            fits = key.person_id == approval.person_id and all(
                event.says.get(name) == value for name, value in as_kept.items()
            )
            return event if fits else None
    return None


def _revoked(key: EnrolledKey, before: int, events: Sequence[Said]) -> bool:
    in_the_journal = any(
        event.code == EventName.PASSKEY_REVOKED
        and event.says.get("credential") == key.credential_id.hex()
        and key.enrolled < event.sequence < before
        for event in events
    )
    return in_the_journal or (key.revoked is not None and key.revoked < before)
