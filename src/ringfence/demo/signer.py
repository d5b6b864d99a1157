"""The demo's program signs what it asks for, as docs/operate/signed-requests.md tells programs to."""

import base64
import hashlib
import secrets
import time
from collections.abc import Generator

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Signer(httpx.Auth):
    """Signs each request: RFC 9421, Ed25519, with a Content-Digest (RFC 9530) if there is a body."""

    requires_request_body = True

    def __init__(self, key_id: str, key: Ed25519PrivateKey) -> None:
        self._key_id, self._key = key_id, key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        parts = {"@method": request.method, "@target-uri": str(request.url)}
        if request.content:
            digest = base64.b64encode(hashlib.sha256(request.content).digest()).decode()
            request.headers["Content-Digest"] = parts["content-digest"] = f"sha-256=:{digest}:"
        covered = " ".join(f'"{name}"' for name in parts)
        nonce = secrets.token_urlsafe(16)
        said = f'({covered});created={int(time.time())};nonce="{nonce}";keyid="{self._key_id}";alg="ed25519"'
        text = [f'"{name}": {value}' for name, value in parts.items()] + [f'"@signature-params": {said}']
        signature = base64.b64encode(self._key.sign("\n".join(text).encode())).decode()
        request.headers["Signature-Input"] = f"sig1={said}"
        request.headers["Signature"] = f"sig1=:{signature}:"
        yield request
