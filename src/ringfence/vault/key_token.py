"""Wrapping keys in a hardware security module, by PKCS #11 (v3.0: 2.11.2, AES-GCM).

A key is an AES-256 object of the token, made there, sensitive and not extractable: field keys go in and come out, it
never does. Its label is `ringfence/<id>`. What is wrapped is

    01 | 05 | nonce (12) | ciphertext | tag (16); the context is associated data

Needs the extra `pkcs11` (python-pkcs11) and the module of the maker. Sessions are not for several threads, so one asks
after the other. A PIN that was refused is not tried again before its file says another: tokens lock themselves.
Whatever else goes wrong closes the session, and the next question opens one anew.
"""

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from ringfence.vault.refusals import (
    ALGORITHM_IS_NOT_AVAILABLE,
    KEY_MODULE_DOES_NOT_LOAD,
    KEY_TOKEN_DOES_NOT_ANSWER,
    KEY_TOKEN_IS_MISSING,
    KEY_TOKEN_REFUSES_THE_PIN,
    WRAPPED_KEY_DOES_NOT_OPEN,
    WRAPPING_KEY_IS_MISSING,
)

TOKEN_ALGORITHM: Final = "pkcs11-aes-gcm"  # noqa: S105 - its name
NUMBER: Final = 5
VERSION: Final = 1
_HEAD: Final = bytes((VERSION, NUMBER))
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_KEY_BITS: Final = 256

Answered = TypeVar("Answered")


class KeyToken:
    """A token, by its label. `pin` is the file of the user's PIN; `randomness(n)` gives n bytes."""

    def __init__(
        self, module: str, token: str, pin: Path, randomness: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self.module = module
        self.token = token
        self.pin = pin
        self.randomness = randomness
        self._turn = threading.Lock()
        self._session: Any = None
        self._refused = ""

    def make(self, key: str, algorithm: str) -> None:
        if algorithm != TOKEN_ALGORITHM:
            raise ALGORITHM_IS_NOT_AVAILABLE(algorithm=algorithm)
        self._ask(lambda session: self._make_once(session, key))

    def wrap(self, key: str, secret: bytes, context: bytes) -> bytes:
        nonce = self.randomness(_NONCE_BYTES)

        def encrypt(session: Any) -> bytes:
            return bytes(self._first(session, key).encrypt(secret, **_gcm(nonce, context)))

        return _HEAD + nonce + self._ask(encrypt)

    def unwrap(self, key: str, wrapped: bytes, context: bytes) -> bytes:
        nonce, body = wrapped[2 : 2 + _NONCE_BYTES], wrapped[2 + _NONCE_BYTES :]

        def decrypt(session: Any) -> bytes | None:
            """Two programs may have made the key at once, so that there are two of the name."""
            self._first(session, key)
            if wrapped[:2] != _HEAD or len(body) < _TAG_BYTES:
                return None
            opened = (_opened(each, body, nonce, context) for each in self._keys(session, key))
            return next((each for each in opened if each is not None), None)

        found = self._ask(decrypt)
        if found is None:
            raise WRAPPED_KEY_DOES_NOT_OPEN(key=key)
        return found

    def _first(self, session: Any, key: str) -> Any:
        found = self._keys(session, key)
        if not found:
            raise WRAPPING_KEY_IS_MISSING(key=key[:80])
        return found[0]

    def _keys(self, session: Any, key: str) -> list[Any]:
        import pkcs11

        asked = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.LABEL: f"ringfence/{key}"}
        return sorted(session.get_objects(asked), key=lambda each: bytes(each.id))

    def _make_once(self, session: Any, key: str) -> None:
        if not self._keys(session, key):
            self._make(session, key)

    def _make(self, session: Any, key: str) -> None:
        import pkcs11

        session.generate_key(
            pkcs11.KeyType.AES,
            _KEY_BITS,
            id=self.randomness(16),
            label=f"ringfence/{key}",
            store=True,
            capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
            template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
        )

    def _ask(self, question: Callable[[Any], Answered]) -> Answered:
        try:
            import pkcs11
        except ImportError as error:
            raise KEY_MODULE_DOES_NOT_LOAD(module=self.module, detail="python-pkcs11 is not installed") from error
        with self._turn:
            try:
                self._session = self._session or self._opened()
                return question(self._session)
            except pkcs11.PKCS11Error as error:
                self._session = None
                raise KEY_TOKEN_DOES_NOT_ANSWER(token=self.token, detail=type(error).__name__) from error

    def _opened(self) -> Any:
        """A session of the user; the PIN is read anew."""
        import pkcs11

        try:
            found = pkcs11.lib(self.module).get_token(token_label=self.token)
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned) as error:
            raise KEY_TOKEN_IS_MISSING(token=self.token) from error
        except (OSError, RuntimeError) as error:
            raise KEY_MODULE_DOES_NOT_LOAD(module=self.module, detail=type(error).__name__) from error
        try:
            pin = self.pin.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise KEY_TOKEN_REFUSES_THE_PIN(token=self.token, detail=f"{self.pin.name} cannot be read") from error
        if pin == self._refused:
            raise KEY_TOKEN_REFUSES_THE_PIN(token=self.token, detail="it was not tried again")
        try:
            return found.open(user_pin=pin, rw=True)
        except pkcs11.UserAlreadyLoggedIn:  # by another session of this process: PINs are asked once for all
            return found.open(rw=True)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked) as error:
            self._refused = pin
            raise KEY_TOKEN_REFUSES_THE_PIN(token=self.token, detail=type(error).__name__) from error


def _gcm(nonce: bytes, context: bytes) -> dict[str, Any]:
    import pkcs11

    parameters = pkcs11.GCMParams(nonce, context, _TAG_BYTES * 8)
    return {"mechanism": pkcs11.Mechanism.AES_GCM, "mechanism_param": parameters}


def _opened(key: Any, body: bytes, nonce: bytes, context: bytes) -> bytes | None:
    """None if it does not fit. Tokens have several words for that."""
    import pkcs11

    try:
        return bytes(key.decrypt(body, **_gcm(nonce, context)))
    except (
        pkcs11.EncryptedDataInvalid,
        pkcs11.EncryptedDataLenRange,
        pkcs11.FunctionFailed,
        pkcs11.GeneralError,
        pkcs11.ArgumentsBad,
    ):
        return None
