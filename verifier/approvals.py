"""Approvals that were signed by passkeys (W3C Web Authentication), verified from the rows alone.

PROPOSAL_MADE says whether the approvals of a proposal have to be signed. PASSKEY_ENROLLED says a person's public key,
by a proposal of that person which others approved; PASSKEY_REVOKED, or the person's leaving, ends it. PROPOSAL_APPROVED
of a signed approval says the credential, the challenge (SHA-256 of the proposal's bytes under a tag; they are not in
the journal), the client data, the authenticator data and the signature. It holds if the key was that person's, had
waited as long as its enrolment says, and made the signature over this challenge on a page of its own host, having
verified its user. An enrolment says the wait of the policy under which it was proposed, and none if it is of the staff
and no row before it moves or holds money: the founding of a book.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from book import EVENT, MOVEMENTS, Row
from folder import parse_json
from proposals import HOUR_MICROSECONDS, POLICY_SET, PROPOSAL_APPROVED, PROPOSAL_MADE, Proposals
from words import Wrong

PERSON_CHANGED, PASSKEY_ENROLLED, PASSKEY_REVOKED = 1030, 1032, 1033
ENROLMENT: Final = "key_enrolment"
WAIT_HOURS: Final = 24  # of a policy that says nothing of it
PRESENT_AND_VERIFIED: Final = 0x05
# A P-256 key in COSE, in the one form that CTAP2 has for it.
_KEY: Final = re.compile(rb"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20(.{32})\x22\x58\x20(.{32})", re.DOTALL)
_ORIGIN: Final = re.compile(r"(https?)://([a-z0-9.-]+)(?::[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class Passkey:
    person: str
    host: str
    key: ec.EllipticCurvePublicKey
    approves_from: int  # microseconds since 1970


@dataclass
class Approvals:
    """What the rows so far say about proposals and passkeys; `add` raises `Wrong` at the row that does not hold."""

    proposals: Proposals = field(default_factory=Proposals)
    passkeys: dict[str, Passkey] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    waits: dict[int, int] = field(default_factory=dict)  # by version of the policy: hours that a new passkey waits
    moved: bool = False  # has any row moved or held money?
    approvals: int = 0
    signed: int = 0

    def add(self, row: Row, payload: bytes) -> None:
        self.moved = self.moved or row.kind in MOVEMENTS
        if row.kind != EVENT or row.code not in _READERS:
            return
        try:
            _READERS[row.code](self, row, parse_json(payload))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Wrong("approval_is_malformed", sequence=row.sequence) from None

    def _made(self, row: Row, said: dict[str, Any]) -> None:
        self.proposals.made(row, said)

    def _policy(self, _: Row, said: dict[str, Any]) -> None:
        document = parse_json(said["document"])
        self.waits[said["version"]] = int(document.get("passkeys", {}).get("wait_hours", WAIT_HOURS))

    def _approved(self, row: Row, said: dict[str, Any]) -> None:
        asked = self.proposals.get(said["proposal"])
        self.approvals += 1
        if "signature" in said:
            self.require_signature(row, said)
            self.signed += 1
        elif asked is not None and asked.signed:
            raise Wrong("approval_lacks_its_signature", sequence=row.sequence, person=said["person"])
        self.proposals.approved(said)

    def _person(self, _: Row, said: dict[str, Any]) -> None:
        if said.get("change") == "deactivated":
            self.ended |= {name for name, each in self.passkeys.items() if each.person == said["person"]}

    def _enrolled(self, row: Row, said: dict[str, Any]) -> None:
        asked, person = self.proposals.get(said["proposal"]), said["person"]
        makers = (person, f"customer:{person}")  # the staff's own, or a customer's own login
        if said["credential"] in self.passkeys or asked is None or asked.act != ENROLMENT or asked.maker not in makers:
            raise Wrong("passkey_is_not_its_owners", sequence=row.sequence, person=person)
        if len(asked.approved_by - {person}) < max(1, asked.people):
            raise Wrong("passkey_is_not_its_owners", sequence=row.sequence, person=person)
        point = _KEY.fullmatch(bytes.fromhex(said["public_key"]))
        if point is None:
            raise Wrong("approval_is_malformed", sequence=row.sequence)
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(point[1]), int.from_bytes(point[2]), ec.SECP256R1())
        hours, founding = int(said["wait_hours"]), asked.maker == person and not self.moved
        if not founding and hours < self.waits.get(asked.policy or 0, 0):
            raise Wrong("passkey_waits_too_briefly", sequence=row.sequence, person=person)
        waits_until = row.posted_at + hours * HOUR_MICROSECONDS
        self.passkeys[said["credential"]] = Passkey(person, said["rp_id"], numbers.public_key(), waits_until)

    def _revoked(self, _: Row, said: dict[str, Any]) -> None:
        self.ended.add(said["credential"])

    def require_signature(self, row: Row, said: dict[str, Any]) -> None:
        """Is what a row says the signature of a passkey that its person could use then?"""
        name, person = said["credential"], said["person"]
        used = self.passkeys.get(name)
        if used is None or used.person != person or name in self.ended or row.posted_at < used.approves_from:
            raise Wrong("approval_is_by_another_passkey", sequence=row.sequence, person=person)
        client, device = bytes.fromhex(said["client_data"]), bytes.fromhex(said["authenticator_data"])
        if not _fits(parse_json(client), device, bytes.fromhex(said["challenge"]), used.host):
            raise Wrong("approval_is_signed_for_something_else", sequence=row.sequence, person=person)
        signature, signed = bytes.fromhex(said["signature"]), device + hashlib.sha256(client).digest()
        try:
            used.key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Wrong("approval_is_forged", sequence=row.sequence, person=person) from None


_READERS: Final = {
    PROPOSAL_MADE: Approvals._made,  # noqa: SLF001 - the class's own
    PROPOSAL_APPROVED: Approvals._approved,  # noqa: SLF001
    POLICY_SET: Approvals._policy,  # noqa: SLF001
    PERSON_CHANGED: Approvals._person,  # noqa: SLF001
    PASSKEY_ENROLLED: Approvals._enrolled,  # noqa: SLF001
    PASSKEY_REVOKED: Approvals._revoked,  # noqa: SLF001
}


def _fits(client: dict[str, Any], device: bytes, challenge: bytes, host: str) -> bool:
    """Was this challenge signed on a page of the host that stood in no other page, by a user who was verified?"""
    spelled = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
    origin = _ORIGIN.fullmatch(client["origin"])
    ours = origin is not None and (origin[1] == "https" or host == "localhost")
    return (
        (client["type"], client["challenge"]) == ("webauthn.get", spelled)
        and origin is not None
        and ours
        and (origin[2] == host or origin[2].endswith(f".{host}"))
        and client.get("crossOrigin", False) is False
        and "topOrigin" not in client
        and len(device) >= 37
        and device[:32] == hashlib.sha256(host.encode()).digest()
        and device[32] & PRESENT_AND_VERIFIED == PRESENT_AND_VERIFIED
    )
