"""What is said to a provider over HTTP: where it is reached, its keys, and a code for tokens.

Discovery (OpenID Connect Discovery 1.0, 4.3): the issuer it says must be the one that was asked, letter for letter. Its
addresses are https, on this machine http; nothing follows a redirect, and no answer is longer than 256 KiB.
"""

import base64
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ringfence.authority.providers import IdentityProvider
from ringfence.authority.providers.refusals import (
    PROVIDER_DECLINED,
    PROVIDER_IS_UNREACHABLE,
    PROVIDER_KEY_IS_USABLE,
)

SECONDS_MAX: Final = 5.0
BYTES_MAX: Final = 262_144
KEYS_MAX: Final = 16
LOCAL: Final = ("127.0.0.1", "localhost")
_ERROR: Final = re.compile(r"[a-z_]{1,60}", re.ASCII)
_SAID: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class Metadata:
    """Where a provider is reached, as it says itself."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    says_issuer: bool  # in its answers, RFC 9207
    secret_in_form: bool  # takes client_secret_post and not client_secret_basic


@dataclass(frozen=True)
class Tokens:
    """What a code was good for."""

    id_token: str = field(repr=False)
    access_token: str | None = field(repr=False)


def metadata_of(provider: IdentityProvider) -> Metadata:
    """`provider_is_unreachable`, also if what it says is not about itself."""
    said = _asked(provider, "GET", f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if said.get("issuer") != provider.issuer:
        raise PROVIDER_IS_UNREACHABLE(provider=provider.name, detail="it says another issuer")
    found = tuple(str(said.get(name, "")) for name in _SAID)
    local = provider.issuer.startswith("http://")
    if not all(_reaches(each, local=local) for each in found):
        raise PROVIDER_IS_UNREACHABLE(provider=provider.name, detail="an address that is not https")
    ways = said.get("token_endpoint_auth_methods_supported")
    in_form = isinstance(ways, list) and "client_secret_post" in ways and "client_secret_basic" not in ways
    return Metadata(
        found[0], found[1], found[2], said.get("authorization_response_iss_parameter_supported") is True, in_form
    )


def exchange(provider: IdentityProvider, found: Metadata, code: str, verifier: str, redirect_uri: str) -> Tokens:
    """The tokens of a code (RFC 6749, 4.1.3; RFC 7636, 4.5); `provider_declined`, `provider_is_unreachable`."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers = {}
    if found.secret_in_form:
        form |= {"client_id": provider.client_id, "client_secret": provider.secret}
    else:
        pair = f"{quote(provider.client_id, safe='')}:{quote(provider.secret, safe='')}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    said = _asked(provider, "POST", found.token_endpoint, form, headers)
    id_token, access_token = said.get("id_token"), said.get("access_token")
    if not isinstance(id_token, str):
        raise PROVIDER_IS_UNREACHABLE(provider=provider.name, detail="it gave no ID token")
    return Tokens(id_token, access_token if isinstance(access_token, str) else None)


def keys_of(provider: IdentityProvider, found: Metadata) -> list[dict[str, str]]:
    """The provider's signing keys that count here, as proposals carry them; `provider_key_is_usable` if none does."""
    listed = _asked(provider, "GET", found.jwks_uri).get("keys")
    usable = [key for each in listed if (key := usable_key(each))] if isinstance(listed, list) else []
    by_kid = {key["kid"]: key for key in usable[:KEYS_MAX]}
    if not by_kid:
        raise PROVIDER_KEY_IS_USABLE()
    return [by_kid[kid] for kid in sorted(by_kid)]


def usable_key(given: Any) -> dict[str, str] | None:
    """A JSON Web Key (RFC 7517) for ES256 or RS256; None for anything else.

    >>> usable_key({"kty": "oct", "kid": "1", "k": "c2VjcmV0"})
    """
    if not isinstance(given, dict) or given.get("use", "sig") != "sig" or not isinstance(given.get("kid"), str):
        return None
    kid = given["kid"]
    if not 0 < len(kid) <= 200 or not kid.isprintable():
        return None
    if given.get("kty") == "EC" and given.get("crv") == "P-256" and given.get("alg", "ES256") == "ES256":
        x, y = given.get("x"), given.get("y")
        if _bits(x) and _bits(y) and _bytes(x) == _bytes(y) == 32:
            return {"alg": "ES256", "kid": kid, "x": str(x), "y": str(y)}
    if given.get("kty") == "RSA" and given.get("e") == "AQAB" and given.get("alg", "RS256") == "RS256":
        n = given.get("n")
        if 2048 <= _bits(n) <= 4096 and _bits(n) == 8 * _bytes(n):
            return {"alg": "RS256", "kid": kid, "n": str(n)}
    return None


def _raw(text: Any) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,700}", text):
        return b""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _bits(text: Any) -> int:
    return int.from_bytes(_raw(text)).bit_length()


def _bytes(text: Any) -> int:
    return len(_raw(text))


def _reaches(address: str, *, local: bool) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (local and parts.scheme == "http" and host in LOCAL))


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that are trusted, read once: reading them takes longer than asking."""
    import httpx

    return httpx.create_ssl_context()


def _asked(
    provider: IdentityProvider,
    method: str,
    url: str,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object that is answered."""
    import httpx

    body = bytearray()
    try:
        with (
            httpx.Client(verify=_trusted(), timeout=SECONDS_MAX, follow_redirects=False) as client,
            client.stream(method, url, data=form, headers={"accept": "application/json", **(headers or {})}) as answer,
        ):
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > BYTES_MAX:
                    raise PROVIDER_IS_UNREACHABLE(provider=provider.name, detail="the answer is too long")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PROVIDER_IS_UNREACHABLE(provider=provider.name, detail=type(error).__name__) from error
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if method == "POST" and answer.status_code in (400, 401) and isinstance(said, dict):
        code = said.get("error")
        raise PROVIDER_DECLINED(code=code if isinstance(code, str) and _ERROR.fullmatch(code) else "(no reason)")
    if answer.status_code != httpx.codes.OK or not isinstance(said, dict):
        raise PROVIDER_IS_UNREACHABLE(provider=provider.name, detail=f"status {answer.status_code}")
    return said
