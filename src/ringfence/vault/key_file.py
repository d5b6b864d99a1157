"""Wrapping keys as files of the installation: keys/vault/<id>.key, mode 0600.

A file is two lines: the algorithm, and the secret as hexadecimal digits: 32 bytes for AES-256-GCM; for the hybrid 96,
the seed of ML-KEM-768 (64) and the private key of X25519 (32). What is wrapped begins with a version byte:

    aes-256-gcm             01 | 01 | nonce (12) | ciphertext | tag (16); the context is associated data
    hpke-x25519-mlkem768    01 | 03 | what HPKE gives: encapsulated key (1,120), ciphertext, tag; the context is `info`

HPKE (RFC 9180) with HKDF-SHA-256 and AES-256-GCM: who records a wrapped key today and has a quantum computer later has
to break X25519 and ML-KEM-768 both.
"""

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence.keys import KEY_CANNOT_BE_KEPT, KEY_IS_DAMAGED
from ringfence.vault.refusals import (
    ALGORITHM_IS_NOT_AVAILABLE,
    WRAPPED_KEY_DOES_NOT_OPEN,
    WRAPPING_KEY_IS_MISSING,
)

AES: Final = "aes-256-gcm"
HYBRID: Final = "hpke-x25519-mlkem768"
SECRET_BYTES: Final = {AES: 32, HYBRID: 96}
NUMBERS: Final = {AES: 1, HYBRID: 3}
VERSION: Final = 1
_NONCE_BYTES: Final = 12
_WORD: Final = re.compile(r"[a-z0-9-]{1,80}", re.ASCII)


class KeyFiles:
    """A folder of wrapping keys. `randomness(n)` gives n bytes."""

    def __init__(self, folder: Path, randomness: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.folder = folder
        self.randomness = randomness

    def make(self, key: str, algorithm: str) -> None:
        if algorithm not in SECRET_BYTES or (algorithm == HYBRID and not hybrid_is_available()):
            raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=algorithm)
        path = self._path(key)
        text = f"{algorithm}\n{self.randomness(SECRET_BYTES[algorithm]).hex()}\n"
        new = path.with_suffix(f".{self.randomness(4).hex()}.new")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(new, path)  # whole or not at all, and never over a key that is there
            except FileExistsError:
                return
            finally:
                new.unlink()
            self._settle()
        except OSError as error:
            raise KEY_CANNOT_BE_KEPT(path=path, detail=error.strerror or type(error).__name__) from error

    def wrap(self, key: str, secret: bytes, context: bytes) -> bytes:
        algorithm, own = self._read(key)
        head = bytes((VERSION, NUMBERS[algorithm]))
        if algorithm == AES:
            nonce = self.randomness(_NONCE_BYTES)
            return head + nonce + AESGCM(own).encrypt(nonce, secret, context)
        suite, private = _hybrid(own)
        return head + bytes(suite.encrypt(secret, private.public_key(), info=context))

    def unwrap(self, key: str, wrapped: bytes, context: bytes) -> bytes:
        algorithm, own = self._read(key)
        head, body = wrapped[:2], wrapped[2:]
        if head != bytes((VERSION, NUMBERS[algorithm])):
            raise WRAPPED_KEY_DOES_NOT_OPEN(key=key)
        try:
            if algorithm == AES:
                return AESGCM(own).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], context)
            suite, private = _hybrid(own)
            return bytes(suite.decrypt(body, private, info=context))
        except (InvalidTag, ValueError) as error:
            raise WRAPPED_KEY_DOES_NOT_OPEN(key=key) from error

    def _path(self, key: str) -> Path:
        if not _WORD.fullmatch(key):
            raise WRAPPING_KEY_IS_MISSING(key=key[:80])
        return self.folder / f"{key}.key"

    def _read(self, key: str) -> tuple[str, bytes]:
        path = self._path(key)
        try:
            algorithm, _, digits = path.read_text(encoding="ascii").strip().partition("\n")
            secret = bytes.fromhex(digits)
        except FileNotFoundError as error:
            raise WRAPPING_KEY_IS_MISSING(key=key) from error
        except OSError as error:
            raise KEY_CANNOT_BE_KEPT(path=path, detail=error.strerror or type(error).__name__) from error
        except ValueError as error:
            raise KEY_IS_DAMAGED(path=path) from error
        if len(secret) != SECRET_BYTES.get(algorithm):
            raise KEY_IS_DAMAGED(path=path)
        return algorithm, secret

    def _settle(self) -> None:
        """The folder's entry of a new key is on the disk before anything is wrapped under it."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def hybrid_is_available() -> bool:
    """Whether the library at hand has the hybrid."""
    try:
        suite, private = _hybrid(bytes(SECRET_BYTES[HYBRID]))
        suite.encrypt(b"", private.public_key(), info=b"")
    except Exception:  # noqa: BLE001 - whatever a library says, it does not have it
        return False
    return True


def _hybrid(secret: bytes) -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives.asymmetric import mlkem
        from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
    except ImportError as error:
        raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=HYBRID) from error
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(secret[:64])
    curve = X25519PrivateKey.from_private_bytes(secret[64:])
    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM), MLKEM768X25519PrivateKey(lattice, curve)
