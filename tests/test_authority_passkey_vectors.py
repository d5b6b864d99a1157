"""The test vectors of W3C Web Authentication, level 3: each holds, or is refused by the rule that it breaks.

The vectors show what devices may say; not all of it is said to us. We want the user verified, the page alone, and
a P-256 key, so a vector that lacks one of these has to be refused, and by that name.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from webauthn.helpers import parse_attestation_object

from ringfence.authority.passkeys.assertions import (
    Assertion,
    Registration,
    RelyingParty,
    read_registration,
    verify_assertion,
)
from ringfence.refusal import Refused

pytestmark = pytest.mark.real_files
OURS = RelyingParty("example.org", "https://example.org")
VERIFIED, EMBEDDED, KIND = "user_was_not_verified", "page_was_embedded", "passkey_must_be_es256"
# By vector: what becomes of the registration, what of the assertion.
EXPECTED = {
    "none-es256": (VERIFIED, VERIFIED),  # both without the flag UV
    "packed-self-es256": ("holds", VERIFIED),
    "none-es256-crossOrigin": (EMBEDDED, EMBEDDED),  # crossOrigin: true
    "none-es256-topOrigin": (EMBEDDED, EMBEDDED),  # and topOrigin
    "none-es256-long-credential-id": (VERIFIED, "holds"),  # 1,023 bytes
    "packed-es256": ("holds", "holds"),
    "packed-es384": (VERIFIED, KIND),
    "packed-es512": (KIND, VERIFIED),
    "packed-rs256": (KIND, VERIFIED),
    "packed-eddsa": (VERIFIED, VERIFIED),
    "packed-ed448": (VERIFIED, KIND),
    # The attestation names the manufacturer "id:00000000", which makes no TPM.
    "tpm-es256": ("registration_is_not_valid", "holds"),
    # The chain has its leaf alone, and the library takes the last certificate of a chain for Google's root.
    "android-key-es256": ("registration_is_not_valid", VERIFIED),
    "apple-es256": (VERIFIED, VERIFIED),
    "fido-u2f-es256": (VERIFIED, VERIFIED),  # U2F knows no verified user
}


@pytest.fixture(scope="module")
def vectors(real_files: Path) -> dict[str, list[dict[str, Any]]]:
    found = json.loads((real_files / "vectors" / "webauthn" / "vectors.json").read_text())
    blocks = {each["id"]: each["blocks"] for each in found if len(each["blocks"]) == 2}
    return {
        name: [{key: bytes.fromhex(text) for key, text in block.items()} for block in pair]
        for name, pair in blocks.items()
    }


def verdict(act, *given: Any) -> str:
    try:
        act(*given)
    except Refused as refused:
        return refused.name
    return "holds"


def registration_of(block: dict[str, bytes]) -> Registration:
    return Registration(block["clientDataJSON"], block["attestationObject"])


def public_key_of(block: dict[str, bytes]) -> bytes:
    return parse_attestation_object(block["attestationObject"]).auth_data.attested_credential_data.credential_public_key


def assertion_of(made: dict[str, bytes], used: dict[str, bytes]) -> Assertion:
    return Assertion(made["credential_id"], used["clientDataJSON"], used["authenticatorData"], used["signature"])


def test_every_vector_holds_or_is_refused_by_the_rule_that_it_breaks(vectors):
    found = {}
    for name, (made, used) in vectors.items():
        registered = verdict(read_registration, registration_of(made), made["challenge"], OURS)
        key, assertion = public_key_of(made), assertion_of(made, used)
        found[name] = (registered, verdict(verify_assertion, assertion, used["challenge"], OURS.rp_id, key))
    assert found == EXPECTED


def test_the_database_verifies_the_signature_of_every_vector_of_es256(vectors, database):
    """Flags and pages apart: the arithmetic alone, also of those that are refused for other reasons."""
    owner, tried = database.connect("owner"), 0
    for name, (made, used) in vectors.items():
        if "es256" not in name or "rs256" in name:
            continue
        key = public_key_of(made)
        asked = b"SELECT authority.es256_verifies(%s, %s || sha256(%s), %s)"
        facts = (key[10:42] + key[45:77], used["authenticatorData"], used["clientDataJSON"], used["signature"])
        assert owner.execute(asked, facts).fetchone() == (True,), name
        other = (*facts[:2], facts[2] + b" ", facts[3])
        assert owner.execute(asked, other).fetchone() == (False,), name
        tried += 1
    assert tried == 10


def test_no_byte_of_a_vector_can_be_changed(vectors):
    made, used = vectors["packed-es256"]
    key, good = public_key_of(made), assertion_of(made, used)
    for field in ("client_data", "authenticator_data", "signature"):
        raw = getattr(good, field)
        for place in range(0, len(raw), 3):
            changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
            facts = {"client_data": good.client_data, "authenticator_data": good.authenticator_data}
            facts |= {"signature": good.signature, field: changed}
            wrong = Assertion(good.credential_id, **facts)
            assert verdict(verify_assertion, wrong, used["challenge"], OURS.rp_id, key) != "holds", (field, place)
