"""Ciphertexts of fields: their form, and how they are bound to where they belong.

    version (1) | algorithm (1) | field key's id (16) | nonce (12) | ciphertext | tag (16)

The associated data are the text `ringfence/vault/field/v1`, the book, the place and the row, each behind its length,
and then the first 30 bytes of the ciphertext itself; so it opens in one book, column and row alone, and nobody can call
it another algorithm's or another key's.

>>> key = FieldKey(UUID(int=5), "customer:c1", "aes-256-gcm", b"k" * 32)
>>> sealed = seal(key, 1, Spot(7, "custody.customer.phone", "c1"), b"13812345678", b"n" * 12)
>>> key_of(sealed) == key.key_id, len(sealed) - len(b"13812345678")
(True, 46)
>>> unseal(key, 1, Spot(7, "custody.customer.phone", "c1"), sealed)
b'13812345678'
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

from ringfence.vault.refusals import (
    ALGORITHM_IS_NOT_AVAILABLE,
    CIPHERTEXT_DOES_NOT_BELONG_HERE,
    CIPHERTEXT_IS_MALFORMED,
)

VERSION: Final = 1
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 2 + 16 + NONCE_BYTES
KEY_BYTES: Final = {"aes-256-gcm": 32, "sm4-gcm": 16}
TAG: Final = b"ringfence/vault/field/v1"


@dataclass(frozen=True)
class Spot:
    """Where a value belongs: `place` is its schema, table and column, `row` what identifies the row there."""

    book: int
    place: str
    row: str


@dataclass(frozen=True)
class FieldKey:
    """A field key in the clear, in memory only."""

    key_id: UUID
    owner: str
    algorithm: str
    secret: bytes = field(repr=False)


def seal(key: FieldKey, number: int, spot: Spot, value: bytes, nonce: bytes) -> bytes:
    """The ciphertext of a value at a spot. `number` is that of the key's algorithm; the nonce must be new."""
    header = bytes((VERSION, number)) + key.key_id.bytes + nonce
    return header + encrypt(key.algorithm, key.secret, nonce, value, bound_to(spot, header))


def unseal(key: FieldKey, number: int, spot: Spot, sealed: bytes) -> bytes:
    """The value, if the ciphertext belongs to this spot and key; `ciphertext_does_not_belong_here`."""
    header = header_of(sealed, spot.place)
    if header[:18] != bytes((VERSION, number)) + key.key_id.bytes:
        raise CIPHERTEXT_DOES_NOT_BELONG_HERE(place=spot.place)
    try:
        return decrypt(key.algorithm, key.secret, header[18:], sealed[HEADER_BYTES:], bound_to(spot, header))
    except InvalidTag as error:
        raise CIPHERTEXT_DOES_NOT_BELONG_HERE(place=spot.place) from error


def header_of(sealed: bytes, place: str = "") -> bytes:
    """The first 30 bytes; `ciphertext_is_malformed`."""
    if len(sealed) < HEADER_BYTES + TAG_BYTES or sealed[0] != VERSION:
        raise CIPHERTEXT_IS_MALFORMED(place=place)
    return sealed[:HEADER_BYTES]


def key_of(sealed: bytes) -> UUID:
    """The id of the field key that it names."""
    return UUID(bytes=header_of(sealed)[2:18])


def number_of(sealed: bytes) -> int:
    """The number of the algorithm that it names."""
    return header_of(sealed)[1]


def bound_to(spot: Spot, header: bytes) -> bytes:
    parts = (TAG, str(spot.book).encode(), spot.place.encode(), spot.row.encode())
    return b"".join(len(part).to_bytes(4) + part for part in parts) + header


def encrypt(algorithm: str, secret: bytes, nonce: bytes, value: bytes, associated: bytes) -> bytes:
    """Ciphertext and tag."""
    if algorithm == "aes-256-gcm":
        return AESGCM(secret).encrypt(nonce, value, associated)
    if algorithm == "sm4-gcm":
        try:
            work = Cipher(SM4(secret), modes.GCM(nonce)).encryptor()
        except UnsupportedAlgorithm as error:
            raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=algorithm) from error
        work.authenticate_additional_data(associated)
        return work.update(value) + work.finalize() + work.tag
    raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=algorithm)


def decrypt(algorithm: str, secret: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """The value of ciphertext and tag; InvalidTag if they are not of this key, nonce and associated data."""
    if algorithm == "aes-256-gcm":
        return AESGCM(secret).decrypt(nonce, sealed, associated)
    if algorithm == "sm4-gcm":
        body, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        try:
            work = Cipher(SM4(secret), modes.GCM(nonce, tag)).decryptor()
        except UnsupportedAlgorithm as error:
            raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=algorithm) from error
        work.authenticate_additional_data(associated)
        return work.update(body) + work.finalize()
    raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=algorithm)


def available(algorithm: str) -> bool:
    """Whether the library at hand has it."""
    size = KEY_BYTES.get(algorithm)
    if size is None:
        return False
    try:
        encrypt(algorithm, bytes(size), bytes(NONCE_BYTES), b"", b"")
    except Exception:  # noqa: BLE001 - whatever a library says, it does not have it
        return False
    return True
