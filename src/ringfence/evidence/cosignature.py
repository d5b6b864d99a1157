r"""Cosignatures, after C2SP tlog-cosignature v1.0.1: what somebody else signs about a log's checkpoint.

A cosignature says: as of this time, this is the largest tree of this log that I have seen, and it continues every tree
that I have seen before. It is one more signature line on the checkpoint; its bytes are a time (seconds since 1970,
eight bytes) and the signature. Two algorithms:

    0x04  Ed25519 over `cosignature/v1`, `time <decimal>` and the whole text of the checkpoint
    0x06  ML-DSA-44 (FIPS 204) over the structure `subtree/v1`: cosigner's name, time, origin, 0, size, root

The second holds against quantum computers, and says nothing of a checkpoint's further lines. A cosigner may use both,
under one name.

>>> from ringfence.evidence.note import Signer, open_note, parse_note, sign, write_note, Note
>>> text = "example.com/book/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
>>> note = parse_note(sign(text, [Signer.from_seed("example.com/book/1", bytes(32))]))
>>> bank = Cosigner.from_seed("bank.example/witness", ED25519, bytes(range(32)))
>>> cosigned = write_note(Note(text, (*note.signatures, bank.cosign(text, 1_700_000_000))))
>>> [line] = open_note(cosigned, [bank.key]).verified
>>> line.name, time_of(line)
('bank.example/witness', 1700000000)
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ringfence.evidence.checkpoint import SIZE_MAX, parse_text
from ringfence.evidence.note import (
    KEY_ALGORITHM_IS_NOT_A_COSIGNERS,
    KEY_IS_MALFORMED,
    Signature,
    Verifier,
    check_name,
    encode_base64,
    key_id,
    parse_key,
    parse_note,
    parse_private_key,
    private_line,
)
from ringfence.refusal import Refused

ED25519: Final = 4
ML_DSA_44: Final = 6
SEED_BYTES: Final = 32
_PUBLIC_BYTES: Final = {ED25519: 32, ML_DSA_44: 1_312}
_SIGNATURE_BYTES: Final = {ED25519: 64, ML_DSA_44: 2_420}
_NAME_BYTES_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A cosigner's public key: it opens the notes that the cosigner has cosigned."""

    name: str
    algorithm: int  # ED25519 or ML_DSA_44
    public: bytes

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, self.algorithm, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.algorithm]) + self.public)}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether these are a time and this key's signature over a checkpoint's text at that time."""
        time, signed = int.from_bytes(signature[:8], "big"), signature[8:]
        if len(signed) != _SIGNATURE_BYTES[self.algorithm] or time > SIZE_MAX:
            return False
        try:
            said = _message(self.name, self.algorithm, message.decode(), time)
            if self.algorithm == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signed, said)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signed, said)
        except (
            InvalidSignature,
            ValueError,
            Refused,
        ):  # a key that is no point of the curve, a text that is no checkpoint
            return False
        return True


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A cosigner's private key, of which the seed is kept."""

    name: str
    algorithm: int
    seed: bytes = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, algorithm: int, seed: bytes) -> "Cosigner":
        check_name(name)
        if algorithm not in _PUBLIC_BYTES:
            raise KEY_ALGORITHM_IS_NOT_A_COSIGNERS(name=name, algorithm=algorithm)
        if len(seed) != SEED_BYTES or len(name.encode()) > _NAME_BYTES_MAX:
            raise KEY_IS_MALFORMED(which="private")
        return cls(name, algorithm, seed)

    @property
    def key(self) -> CosignerKey:
        return CosignerKey(self.name, self.algorithm, self._private().public_key().public_bytes_raw())

    def under(self, name: str) -> "Cosigner":
        """The same key under another name."""
        return Cosigner.from_seed(name, self.algorithm, self.seed)

    def private_line(self) -> str:
        """The private key as text, without a newline; it belongs into a file that nobody else reads."""
        return private_line(self.name, self.key.key_id, self.algorithm, self.seed)

    def cosign(self, text: str, at: int) -> Signature:
        """The cosignature of a checkpoint's text at a time, in seconds since 1970. ML-DSA signs with chance of its own,
        so that no two signatures are alike.
        """
        signed = self._private().sign(_message(self.name, self.algorithm, text, at))
        return Signature(self.name, self.key.key_id, at.to_bytes(8, "big") + signed)

    def _private(self) -> Ed25519PrivateKey | MLDSA44PrivateKey:
        if self.algorithm == ED25519:
            return Ed25519PrivateKey.from_private_bytes(self.seed)
        return MLDSA44PrivateKey.from_seed_bytes(self.seed)


def time_of(signature: Signature) -> int:
    """When a cosignature was made, in seconds since 1970."""
    return int.from_bytes(signature.signature[:8], "big")


def signed_time(note: bytes, key: Verifier) -> datetime | None:
    """When a log's key signed a checkpoint, as its second signature says; None if the log is signed with one key.
    Nobody has verified it here.
    """
    second = {(each.name, each.key_id) for each in key.also}
    times = [time_of(line) for line in parse_note(note).signatures if (line.name, line.key_id) in second]
    return datetime.fromtimestamp(times[0], UTC) if times else None


def parse_cosigner_key(line: str) -> CosignerKey:
    """A cosigner's public key from its line; `key_algorithm_is_not_a_cosigners`, `key_is_malformed`."""
    name, algorithm, public = parse_key(line)
    if algorithm not in _PUBLIC_BYTES:
        raise KEY_ALGORITHM_IS_NOT_A_COSIGNERS(name=name, algorithm=algorithm)
    if len(public) != _PUBLIC_BYTES[algorithm] or len(name.encode()) > _NAME_BYTES_MAX:
        raise KEY_IS_MALFORMED(which="public")
    return CosignerKey(name, algorithm, public)


def parse_cosigner(line: str) -> Cosigner:
    """A cosigner's private key from its line."""
    name, given, algorithm, seed = parse_private_key(line)
    cosigner = Cosigner.from_seed(name, algorithm, seed)
    if cosigner.key.key_id != given:
        raise KEY_IS_MALFORMED(which="private")
    return cosigner


def _message(name: str, algorithm: int, text: str, at: int) -> bytes:
    """What is signed. The text must be a checkpoint's."""
    checkpoint = parse_text(text)
    if algorithm == ED25519:
        return f"cosignature/v1\ntime {at}\n{text}".encode()
    origin = checkpoint.origin.encode()
    if len(origin) > _NAME_BYTES_MAX:
        raise ValueError(origin)
    tree = at.to_bytes(8, "big"), _short(origin), bytes(8), checkpoint.size.to_bytes(8, "big"), checkpoint.root
    return b"subtree/v1\n\x00" + _short(name.encode()) + b"".join(tree)


def _short(content: bytes) -> bytes:
    """After its length in one byte."""
    return bytes([len(content)]) + content
