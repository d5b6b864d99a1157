"""What browsers and devices say, read strictly. Nothing here knows a database.

Checked of client data, in this order (Web Authentication, 7.1 and 7.2; the library behind this leaves the last three
to us or looks at them less strictly): it is JSON of the wanted type; the challenge is the one that was given; the
origin is the page's own; the page stood in no other page (`crossOrigin` false or absent, no `topOrigin`).

>>> approval_challenge(b"pay 5.00 to Alice") == approval_challenge(b"pay 5.01 to Alice")
False
>>> origin_fits("https://pay.example.org", "example.org"), origin_fits("https://example.org.evil.net", "example.org")
(True, False)
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import bytes_to_base64url, parse_attestation_object
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)

from ringfence.authority.passkeys.refusals import (
    ASSERTION_IS_NOT_VALID,
    CHALLENGE_DOES_NOT_FIT,
    ORIGIN_IS_NOT_OURS,
    PAGE_WAS_EMBEDDED,
    PASSKEY_ANSWER_IS_NOT_BASE64URL,
    PASSKEY_MUST_BE_ES256,
    PASSKEY_SIGNATURE_DOES_NOT_VERIFY,
    PASSKEYS_NEED_A_HOST_NAME,
    REGISTRATION_IS_NOT_VALID,
    USER_WAS_NOT_VERIFIED,
)

APPROVAL_TAG: Final = b"ringfence approval v1\0"
ES256: Final = COSEAlgorithmIdentifier.ECDSA_SHA_256
FIELD_BYTES_MAX: Final = 16_384
_USER_PRESENT_AND_VERIFIED: Final = 0x05
# What a stranger's bytes make the library raise; all of it says that they are not what they should be.
_UNREADABLE: Final = (WebAuthnException, ValueError, TypeError, KeyError, IndexError, AttributeError)
_POINT: Final = re.compile(rb"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20(.{32})\x22\x58\x20(.{32})", re.DOTALL)
_ORIGIN: Final = re.compile(r"(https?)://([a-z0-9.-]+)(?::[0-9]{1,5})?", re.ASCII)
_HOST_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)


@dataclass(frozen=True)
class RelyingParty:
    """Whom keys are for: a host name, and the address at which its pages are."""

    rp_id: str
    origin: str


@dataclass(frozen=True)
class Assertion:
    """A use of a key, raw."""

    credential_id: bytes
    client_data: bytes = field(repr=False)
    authenticator_data: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True)
class Registration:
    """A new key, raw."""

    client_data: bytes = field(repr=False)
    attestation_object: bytes = field(repr=False)


@dataclass(frozen=True)
class NewKey:
    """What a registration says, once it holds."""

    credential_id: bytes
    public_key: bytes  # COSE
    aaguid: UUID
    counter: int


def relying_party(origin: str) -> RelyingParty:
    """Of the pages at an address like https://custody.example:8400; `passkeys_need_a_host_name`."""
    host = origin.partition("://")[2].rpartition("]")[2].partition(":")[0].lower()
    if not _HOST_NAME.fullmatch(host):
        raise PASSKEYS_NEED_A_HOST_NAME(host=origin.partition("://")[2][:80])
    return RelyingParty(host, origin.lower())


def origin_fits(origin: Any, rp_id: str) -> bool:
    """Whether pages of an origin may use keys of a relying party: its own host or one beneath it, by https; localhost
    by http as well. The database holds the same rule.
    """
    found = _ORIGIN.fullmatch(origin) if isinstance(origin, str) else None
    if found is None or (found[1] != "https" and rp_id != "localhost"):
        return False
    return found[2] == rp_id or found[2].endswith(f".{rp_id}")


def approval_challenge(payload: bytes) -> bytes:
    """What a key signs when it approves: exactly these bytes, under a tag that nothing else has."""
    return challenge_under(APPROVAL_TAG, payload)


def challenge_under(tag: bytes, payload: bytes) -> bytes:
    """What a key signs of exactly these bytes, for what the tag stands for."""
    return hashlib.sha256(tag + payload).digest()


def to_text(raw: bytes) -> str:
    """base64url without padding, as browsers write it."""
    return bytes_to_base64url(raw)


def from_text(name: str, text: str) -> bytes:
    """The bytes of a field; `passkey_answer_is_not_base64url`."""
    if (
        len(text) > FIELD_BYTES_MAX * 4 // 3
        or not re.fullmatch(r"[A-Za-z0-9_-]*", text, re.ASCII)
        or len(text) % 4 == 1
    ):
        raise PASSKEY_ANSWER_IS_NOT_BASE64URL(field=name, bytes_max=FIELD_BYTES_MAX)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def require_our_page(client_data: bytes, kind: str, challenge: bytes | None, origin: str | None, rp_id: str) -> None:
    """`assertion_is_not_valid`, `challenge_does_not_fit`, `origin_is_not_ours`, `page_was_embedded`. Without a
    challenge or an origin these two are somebody else's to compare; the origin fits the relying party in any case.
    """
    try:
        said = json.loads(client_data)
    except (ValueError, RecursionError) as error:
        raise ASSERTION_IS_NOT_VALID(detail="client data") from error
    if not isinstance(said, Mapping) or said.get("type") != kind:
        raise ASSERTION_IS_NOT_VALID(detail="type")
    if challenge is not None and said.get("challenge") != to_text(challenge):
        raise CHALLENGE_DOES_NOT_FIT()
    if (origin is not None and said.get("origin") != origin) or not origin_fits(said.get("origin"), rp_id):
        raise ORIGIN_IS_NOT_OURS()
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise PAGE_WAS_EMBEDDED()


def verify_assertion(found: Assertion, challenge: bytes, rp_id: str, public_key: bytes) -> int:
    """The counter of a use of a key for a challenge, if it holds from these bytes alone; else refused by name. Neither
    whose key it is nor when it was used is looked at here.
    """
    require_our_page(found.client_data, "webauthn.get", challenge, None, rp_id)
    _require_flags(found.authenticator_data)
    if not _POINT.fullmatch(public_key):
        raise PASSKEY_MUST_BE_ES256()
    said = json.loads(found.client_data)
    credential = AuthenticationCredential(
        id=to_text(found.credential_id),
        raw_id=found.credential_id,
        response=AuthenticatorAssertionResponse(
            client_data_json=found.client_data,
            authenticator_data=found.authenticator_data,
            signature=found.signature,
        ),
    )
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=rp_id,
            expected_origin=said["origin"],
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _UNREADABLE as error:
        raise PASSKEY_SIGNATURE_DOES_NOT_VERIFY() from error
    return verified.new_sign_count


def read_registration(found: Registration, challenge: bytes, ours: RelyingParty) -> NewKey:
    """A new key, if what the device says of it holds. An attestation is verified as far as it goes without trusted
    roots, and no make of device is required. Refused by those of `require_our_page`, `user_was_not_verified`,
    `passkey_must_be_es256`, `registration_is_not_valid`.
    """
    require_our_page(found.client_data, "webauthn.create", challenge, ours.origin, ours.rp_id)
    try:
        credential_id = _credential_of(found)
        verified = verify_registration_response(
            credential=RegistrationCredential(
                id=to_text(credential_id),
                raw_id=credential_id,
                response=AuthenticatorAttestationResponse(
                    client_data_json=found.client_data, attestation_object=found.attestation_object
                ),
            ),
            expected_challenge=challenge,
            expected_rp_id=ours.rp_id,
            expected_origin=ours.origin,
            require_user_verification=True,
            supported_pub_key_algs=[ES256],
        )
    except _UNREADABLE as error:
        raise REGISTRATION_IS_NOT_VALID(detail=str(error)[:200].rstrip(".")) from error
    return NewKey(verified.credential_id, verified.credential_public_key, UUID(verified.aaguid), verified.sign_count)


def _credential_of(found: Registration) -> bytes:
    said = parse_attestation_object(found.attestation_object).auth_data
    if not said.flags.up or not said.flags.uv:
        raise USER_WAS_NOT_VERIFIED()
    if said.attested_credential_data is None:
        raise REGISTRATION_IS_NOT_VALID(detail="no key is in it")
    if not _POINT.fullmatch(said.attested_credential_data.credential_public_key):
        raise PASSKEY_MUST_BE_ES256()
    return said.attested_credential_data.credential_id


def _require_flags(authenticator_data: bytes) -> None:
    if len(authenticator_data) < 37:
        raise ASSERTION_IS_NOT_VALID(detail="authenticator data")
    if authenticator_data[32] & _USER_PRESENT_AND_VERIFIED != _USER_PRESENT_AND_VERIFIED:
        raise USER_WAS_NOT_VERIFIED()
