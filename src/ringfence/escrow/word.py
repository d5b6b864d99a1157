"""What a party who is a customer signs to say something about an agreement: the canonical bytes of its words.

One JSON object (RFC 8785): the agreement by id and by the SHA-256 of its document, who speaks for whom, what the event
of the journal is going to say, and a nonce. The challenge of the passkey is the SHA-256 of these bytes under a tag of
its own, so a signature for a payment or a mandate is none for an agreement. The bytes stand in the journal beside the
signature: they name nobody but by ids.

>>> said = written(UUID(int=7), "00" * 32, "c1", "ann", EventName.MILESTONE_APPROVED, {"party": "buyer"}, "ab" * 16)
>>> read(said).customer, read(said).says
('c1', {'party': 'buyer'})
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from ringfence.escrow.refusals import PARTY_MUST_SIGN
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import canonical

TAG: Final = "ringfence/escrow-word/v1"
CHALLENGE_TAG: Final = b"ringfence escrow word v1\0"
DOCUMENT_BYTES_MAX: Final = 4_096


@dataclass(frozen=True)
class Word:
    """What a login says for a customer about an agreement; `says` is part of what the event says."""

    agreement_id: UUID
    agreement_sha256: str
    customer: str
    person: str
    event: int
    says: Mapping[str, Any]


def written(
    agreement_id: UUID,
    agreement_sha256: str,
    customer: str,
    person: str,
    event: EventName,
    says: Mapping[str, Any],
    nonce: str,
) -> bytes:
    return canonical(
        {
            "tag": TAG,
            "agreement": str(agreement_id),
            "agreement_sha256": agreement_sha256,
            "customer": customer,
            "person": person,
            "event": int(event),
            "says": dict(says),
            "nonce": nonce,
        }
    )


def challenge_of(document: bytes) -> bytes:
    """What a customer's key signs."""
    return sha256(CHALLENGE_TAG + document).digest()


def read(document: bytes) -> Word:
    """The words of exactly these bytes; `party_must_sign` if they are not what `written` would write."""
    try:
        said = json.loads(document)
        fields = {"tag", "agreement", "agreement_sha256", "customer", "person", "event", "says", "nonce"}
        sound = said.keys() == fields and said["tag"] == TAG and len(document) <= DOCUMENT_BYTES_MAX
        texts = (said["agreement_sha256"], said["customer"], said["person"], said["nonce"])
        sound = sound and all(isinstance(each, str) for each in texts) and len(said["nonce"]) >= 32
        sound = sound and canonical(said) == document
        found = Word(UUID(said["agreement"]), *texts[:3], int(said["event"]), dict(said["says"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise PARTY_MUST_SIGN()
    return found
