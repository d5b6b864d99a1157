"""An identity provider as companies run them (OpenID Connect), over HTTP in this process, with switches for faults."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from ringfence.authority.providers import Directory, read_directory

SECRET = "what the provider gave & we keep"
CLIENT = "ringfence at corp"


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def part_of(said: dict[str, Any]) -> str:
    return text_of(json.dumps(said).encode())


@dataclass
class SigningKey:
    """A key of a provider, by its id; P-256 or RSA."""

    kid: str
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def alg(self) -> str:
        return "ES256" if isinstance(self.private, ec.EllipticCurvePrivateKey) else "RS256"

    def published(self) -> dict[str, str]:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            numbers = self.private.public_key().public_numbers()
            where = {"x": text_of(numbers.x.to_bytes(32)), "y": text_of(numbers.y.to_bytes(32))}
            return {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, **where}
        n = self.private.public_key().public_numbers().n
        modulus = text_of(n.to_bytes((n.bit_length() + 7) // 8))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "e": "AQAB", "n": modulus}

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())


def elliptic_key(kid: str) -> SigningKey:
    return SigningKey(kid, ec.generate_private_key(ec.SECP256R1()))


def rsa_key(kid: str, bits: int = 2048) -> SigningKey:
    return SigningKey(kid, rsa.generate_private_key(65537, bits))


def under_the_public_key(key: SigningKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """HS256 with what everybody knows as the secret: the confusion of RFC 8725, 2.1."""
    signed = f"{part_of(header)}.{part_of(claims)}"
    public = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    mac = hmac.HMAC(public, hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{text_of(mac.finalize())}"


@dataclass
class IdentityServer:
    """A provider. Whoever comes to its page is `subject`; `claims`, `header` and `token` change what it says of that,
    `metadata` what it says of itself, `failing` lets it answer with a status or nothing sensible.
    """

    clock: Callable[[], datetime]
    key: SigningKey
    url: str = ""
    subject: str = "employee-7"
    keys: list[SigningKey] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    token: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    failing: int | str | None = None
    declines: str | None = None
    asks: bool = False  # on a page of its own, instead of sending browsers straight back
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    exchanged: list[dict[str, str]] = field(default_factory=list)

    def described(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=corp",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def authorised(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to, with a code."""
        if self.declines:
            said = {"error": self.declines, "state": asked["state"], "iss": self.url}
            return f"{asked['redirect_uri']}?{urlencode(said)}"
        code = secrets.token_urlsafe(12)
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"]}
        if self.described()["authorization_response_iss_parameter_supported"]:
            back["iss"] = self.url
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        self.exchanged.append(form)
        pair = base64.b64encode(f"{quote(CLIENT, safe='')}:{quote(SECRET, safe='')}".encode()).decode()
        posted = form.get("client_id") == CLIENT and form.get("client_secret") == SECRET
        if authorization != f"Basic {pair}" and not posted:
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked["client_id"] != CLIENT:
            return 400, {"error": "invalid_grant"}
        if text_of(hashlib.sha256(form["code_verifier"].encode()).digest()) != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        return 200, {
            "access_token": access_token,
            "token_type": "Bearer",
            "id_token": self.id_token(asked["nonce"], access_token),
        }

    def id_token(self, nonce: str, access_token: str) -> str:
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": self.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "at_hash": text_of(hashlib.sha256(access_token.encode()).digest()[:16]),
            **self.claims,
        }
        header = {"alg": self.key.alg, "kid": self.key.kid, "typ": "JWT", **self.header}
        header, claims = ({k: v for k, v in each.items() if v is not None} for each in (header, claims))
        if self.token:
            return self.token(header, claims)
        signed = f"{part_of(header)}.{part_of(claims)}"
        return f"{signed}.{text_of(self.key.sign(signed.encode()))}"


@contextmanager
def identity_server(clock: Callable[[], datetime], key: SigningKey | None = None) -> Iterator[IdentityServer]:
    found = IdentityServer(clock, key or elliptic_key("first"))
    found.keys = [found.key]

    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                location = found.authorised(asked)
                page = f"<!doctype html><title>Corp</title><a id=go href='{escape(location)}'>It is me</a>".encode()
                self.send_response(200 if found.asks else 302)
                self.send_header("Location", location)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)
            elif parts.path == "/keys":
                other = {"kty": "oct", "kid": "shared", "k": text_of(b"secret")}
                self._say(200, {"keys": [other, *(each.published() for each in found.keys)]})
            else:
                self._say(200, found.described())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(*found.exchange(form, self.headers.get("authorization", "")))

        def _say(self, status: int, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            if isinstance(found.failing, int):
                status = found.failing
            elif found.failing == "garbage":
                body = b"<html>"
            elif found.failing == "endless":
                body = b" " * 300_000
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def directory_of(home: Path, **servers: IdentityServer) -> Directory:
    """The settings of an installation that knows these providers, by name."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "client.secret").write_text(f"{SECRET}\n", encoding="utf-8")
    said = [
        f'[{name}]\ntitle = {{ en = "Example {name.title()}", zh = "示例{name}" }}\nissuer = "{each.url}"\n'
        f'client_id = "{CLIENT}"\nsecret_file = "client.secret"\n'
        for name, each in servers.items()
    ]
    (home / "providers.toml").write_text("\n".join(said), encoding="utf-8")
    return read_directory(home)


def location_of(url: str) -> str:
    """Where a browser that goes to a provider's page is sent on to."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname, parts.port)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        with connection.getresponse() as sent:
            assert sent.status == 302
            return sent.headers["location"]


def browser_goes(url: str) -> dict[str, str]:
    """What comes back in that address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location_of(url)).query).items()}
