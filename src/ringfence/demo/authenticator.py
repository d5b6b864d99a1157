"""A virtual authenticator: key pairs in memory that say, byte for byte, what a device and a browser would say.

It is for the demo and for tests. It keeps no secret safe and asks nobody, so it verifies whoever has the program;
what it makes are the real structures of Web Authentication: client data, authenticator data with its flags and
counter, an attestation object of format `none`, and ECDSA signatures over P-256.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT: Final = 0x01
VERIFIED: Final = 0x04
ATTESTED: Final = 0x40
AAGUID: Final = b"ringfence-demo\0\0"


def text_of(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def bytes_in_cbor(raw: bytes) -> bytes:
    """A byte string in CBOR, up to 65,535 bytes."""
    size = len(raw)
    head = bytes([0x40 | size]) if size < 24 else bytes([0x58, size]) if size < 256 else b"\x59" + size.to_bytes(2)
    return head + raw


@dataclass
class Authenticator:
    """One device with one key pair, for one relying party, in a browser at one origin."""

    rp_id: str
    origin: str
    randomness: Callable[[int], bytes]
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    counts: bool = True  # many devices do not, and say 0 each time
    key: ec.EllipticCurvePrivateKey = field(init=False, repr=False)
    credential_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        scalar = int.from_bytes(self.randomness(40)) % (2**255) + 1
        self.key = ec.derive_private_key(scalar, ec.SECP256R1())
        self.credential_id = self.randomness(32)

    @property
    def public_key(self) -> bytes:
        """COSE, in the canonical order of CTAP2: EC2, ES256, P-256, x, y."""
        point = self.key.public_key().public_numbers()
        return (
            b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + point.x.to_bytes(32) + b"\x22\x58\x20" + point.y.to_bytes(32)
        )

    def register(self, challenge: str) -> dict[str, str]:
        """Answer to `navigator.credentials.create`: client data and attestation object, base64url."""
        attested = AAGUID + len(self.credential_id).to_bytes(2) + self.credential_id + self.public_key
        said = self._said_by_device(self.flags | ATTESTED) + attested
        made = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData" + bytes_in_cbor(said)
        client_data = self._said_by_browser("webauthn.create", challenge)
        return {"client_data": text_of(client_data), "attestation_object": text_of(made)}

    def sign(self, challenge: str, **client: Any) -> dict[str, str]:
        """Answer to `navigator.credentials.get`; `client` is said by the browser besides."""
        self.counter += self.counts
        said = self._said_by_device(self.flags)
        client_data = self._said_by_browser("webauthn.get", challenge, **client)
        signature = self.key.sign(said + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return {
            "credential": text_of(self.credential_id),
            "client_data": text_of(client_data),
            "authenticator_data": text_of(said),
            "signature": text_of(signature),
        }

    def _said_by_device(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4)

    def _said_by_browser(self, kind: str, challenge: str, **client: Any) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False} | client
        return json.dumps(said, separators=(",", ":")).encode()
