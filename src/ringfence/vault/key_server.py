"""Wrapping keys in a key server, over HTTPS: the shape of Google Cloud KMS (v1, REST), which others offer as well.

    POST <ring>/cryptoKeys?cryptoKeyId=<id>    {"purpose": "ENCRYPT_DECRYPT"}; 409: it is there already
    POST <ring>/cryptoKeys/<id>:encrypt        {"plaintext", "additionalAuthenticatedData"} gives {"ciphertext"}
    POST <ring>/cryptoKeys/<id>:decrypt        {"ciphertext", "additionalAuthenticatedData"} gives {"plaintext"}

Bytes are base64. The token is read anew for each request, so that whoever renews it need not tell us. Nothing is tried
twice here: whoever asked meets `key_server_does_not_answer`, which is the machine's fault, and asks again.
"""

import base64
import binascii
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ringfence.vault.refusals import (
    KEY_SERVER_DOES_NOT_ANSWER,
    KEY_SERVER_REFUSES,
    WRAPPED_KEY_DOES_NOT_OPEN,
    WRAPPING_KEY_IS_MISSING,
)

SECONDS_MAX: Final = 5


class KeyServer:
    """A key ring of a server. `token` is the file of its bearer token."""

    def __init__(self, ring: str, token: Path) -> None:
        if not ring.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise ValueError("[server] url must begin with https://")
        self.ring = ring.rstrip("/")
        self.token = token

    def make(self, key: str, algorithm: str) -> None:  # noqa: ARG002 - the server chooses its own
        self._ask(key, f"cryptoKeys?cryptoKeyId={quote(key, safe='')}", {"purpose": "ENCRYPT_DECRYPT"}, fine=(409,))

    def wrap(self, key: str, secret: bytes, context: bytes) -> bytes:
        asked = {"plaintext": _text(secret), "additionalAuthenticatedData": _text(context)}
        return _bytes(self._ask(key, f"cryptoKeys/{quote(key, safe='')}:encrypt", asked), "ciphertext")

    def unwrap(self, key: str, wrapped: bytes, context: bytes) -> bytes:
        asked = {"ciphertext": _text(wrapped), "additionalAuthenticatedData": _text(context)}
        return _bytes(self._ask(key, f"cryptoKeys/{quote(key, safe='')}:decrypt", asked), "plaintext")

    def _ask(self, key: str, path: str, said: dict[str, str], fine: tuple[int, ...] = ()) -> dict[str, Any]:
        import httpx

        try:
            headers = {"authorization": f"Bearer {self.token.read_text(encoding='utf-8').strip()}"}
            answer = httpx.post(
                f"{self.ring}/{path}", json=said, headers=headers, timeout=SECONDS_MAX, follow_redirects=False
            )
        except OSError as error:
            raise KEY_SERVER_DOES_NOT_ANSWER(detail=f"its token: {error.strerror}") from error
        except httpx.HTTPError as error:
            raise KEY_SERVER_DOES_NOT_ANSWER(detail=type(error).__name__) from error
        if answer.status_code in (401, 403):
            raise KEY_SERVER_REFUSES(key=key)
        if answer.status_code == 404:
            raise WRAPPING_KEY_IS_MISSING(key=key)
        if answer.status_code == 400:
            raise WRAPPED_KEY_DOES_NOT_OPEN(key=key)
        if not answer.is_success and answer.status_code not in fine:
            raise KEY_SERVER_DOES_NOT_ANSWER(detail=f"status {answer.status_code}")
        try:
            found = answer.json()
        except ValueError as error:
            raise KEY_SERVER_DOES_NOT_ANSWER(detail="no JSON") from error
        return found if isinstance(found, dict) else {}


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(found: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(str(found[name]), validate=True)
    except (KeyError, binascii.Error) as error:
        raise KEY_SERVER_DOES_NOT_ANSWER(detail=f"no {name}") from error
