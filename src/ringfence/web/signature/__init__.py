"""HTTP Message Signatures (RFC 9421) of requests, by Ed25519, with the digest of the body (RFC 9530).

The nouns
  component   a piece of a request that a signature covers: a header field by its small name, or what is derived:
              `@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query`
  base        the text that is signed: a line for each covered component, the last one for the signature's parameters
  claim       what a signed request says of itself: which key, when, by which nonce; not yet whether it is true

What a request must cover, so that a signature is good for nothing else: `@method`; `@target-uri`, or both `@path` and
`@query`; `content-digest`, when there is a body. Its parameters `created`, `nonce` and `keyid` are of the base and so
covered always. One signature a request; a parameter of a component (`;sf`, `;bs`, `;tr`, …) is not known.

`claim_of` is pure: it knows no key, no clock and no other request. Whoever knows keys compares `Claim.fits`, the time,
and that no nonce comes twice.

>>> post = Incoming("POST", "https", "api.example", "/api/v1/withdrawals", "", (("content-type", "a/b"),), b"")
>>> signed_text(post, ("@method", "@target-uri"), '("@method" "@target-uri");created=1;keyid="k"').decode().splitlines()
['"@method": POST', '"@target-uri": https://api.example/api/v1/withdrawals', \
'"@signature-params": ("@method" "@target-uri");created=1;keyid="k"']
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ringfence.web.signature.fields import Bare, InnerList, Item, Token, read_dictionary, written
from ringfence.web.signature.refusals import (
    CONTENT_DIGEST_MUST_FIT,
    SIGNATURE_CANNOT_BE_READ,
    SIGNATURE_COMPONENT_IS_NOT_KNOWN,
    SIGNATURE_MUST_BE_ED25519,
    SIGNATURE_MUST_COVER,
    SIGNATURE_MUST_SAY,
)

ALGORITHM: Final = "ed25519"
SIGNATURE_BYTES: Final = 64
NONCE_CHARACTERS_MAX: Final = 128
KEY_ID_CHARACTERS_MAX: Final = 200
DIGESTS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_FOLDS: Final = re.compile(r"[ \t]*\r?\n[ \t]*")


@dataclass(frozen=True)
class Incoming:
    """A request as it came: `path` and `query` (without its question mark) as they were sent, headers in their order,
    names small.
    """

    method: str
    scheme: str
    authority: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)

    def values(self, name: str) -> list[str]:
        return [_FOLDS.sub(" ", value).strip(" \t") for each, value in self.headers if each == name]


@dataclass(frozen=True)
class Claim:
    """What a request says of itself: signed by this key, at this second since 1970, under this nonce."""

    key_id: str
    nonce: str
    created: int
    expires: int | None
    base: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    content: bytes = field(default=b"", repr=False)

    def fits(self, public_key: bytes) -> bool:
        """Whether the holder of the key signed it."""
        return fits(public_key, self.signature, self.base)


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether a request comes with a signature, and so is judged by it and by nothing else."""
    return "signature" in headers or "signature-input" in headers


def claim_of(request: Incoming) -> Claim:
    """The claim of a request. Refused in this order: `signature_cannot_be_read`, `signature_component_is_not_known`,
    `signature_must_cover`, `signature_must_say`, `signature_must_be_ed25519`, `content_digest_must_fit`.
    """
    covered, signature = _only_signature(request)
    names = _names(covered)
    base = signed_text(request, names, written(covered))
    _require_covered(request, names)
    said = covered.parameters
    key_id = _text(said, "keyid", KEY_ID_CHARACTERS_MAX)
    nonce = _text(said, "nonce", NONCE_CHARACTERS_MAX)
    created = _second(said, "created")
    expires = _second(said, "expires") if "expires" in said else None
    if said.get("alg", ALGORITHM) != ALGORITHM or len(signature) != SIGNATURE_BYTES:
        raise SIGNATURE_MUST_BE_ED25519()
    if request.body or "content-digest" in names:
        require_digest(request)
    return Claim(key_id, nonce, created, expires, base, signature, request.body)


def signed_text(request: Incoming, names: tuple[str, ...], parameters: str) -> bytes:
    """The signature base (RFC 9421, 2.5); `signature_component_is_not_known`."""
    lines = [f'"{name}": {component(request, name)}' for name in names]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode("latin-1")


def component(request: Incoming, name: str) -> str:
    """The value of a component (RFC 9421, 2.1 and 2.2); `signature_component_is_not_known`."""
    query = f"?{request.query}" if request.query else ""
    authority = request.authority.lower().removesuffix(_DEFAULT_PORTS.get(request.scheme, ""))
    derived = {
        "@method": request.method,
        "@target-uri": f"{request.scheme}://{authority}{request.path}{query}",
        "@authority": authority,
        "@scheme": request.scheme,
        "@request-target": f"{request.path}{query}",
        "@path": request.path or "/",
        "@query": query or "?",
    }
    if name in derived:
        return derived[name]
    values = request.values(name)
    if name.startswith("@") or not values:
        raise SIGNATURE_COMPONENT_IS_NOT_KNOWN(component=name[:80])
    return ", ".join(values)


def fits(public_key: bytes, signature: bytes, base: bytes) -> bool:
    """Whether an Ed25519 signature is that of a key over a base."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, base)
    except InvalidSignature:
        return False
    return True


def require_digest(request: Incoming) -> None:
    """Content-Digest names the body by SHA-256, SHA-512 or both, and each of them fits; `content_digest_must_fit`."""
    given = _dictionary(request, "content-digest")
    known = {name: member for name, member in given.items() if name in DIGESTS}
    for name, member in known.items():
        digest = member.value if isinstance(member, Item) else None
        expected = DIGESTS[name](request.body).digest()
        if not isinstance(digest, bytes) or not hmac.compare_digest(digest, expected):
            raise CONTENT_DIGEST_MUST_FIT()
    if not known:
        raise CONTENT_DIGEST_MUST_FIT()


def _only_signature(request: Incoming) -> tuple[InnerList, bytes]:
    """What the one signature of a request covers, and its bytes."""
    inputs, signatures = _dictionary(request, "signature-input"), _dictionary(request, "signature")
    if len(inputs) != 1 or inputs.keys() != signatures.keys():
        raise SIGNATURE_CANNOT_BE_READ(detail="Signature-Input and Signature have one label, the same in both")
    [covered], [signature] = inputs.values(), signatures.values()
    if not isinstance(covered, InnerList) or not isinstance(signature, Item) or not isinstance(signature.value, bytes):
        raise SIGNATURE_CANNOT_BE_READ(detail="a list of components, and a byte sequence")
    return covered, signature.value


def _dictionary(request: Incoming, name: str) -> dict[str, Item | InnerList]:
    try:
        return read_dictionary(", ".join(request.values(name)))
    except ValueError as error:
        raise SIGNATURE_CANNOT_BE_READ(detail=f"{name}: {error}") from error


def _names(covered: InnerList) -> tuple[str, ...]:
    names = []
    for item in covered.items:
        if not isinstance(item.value, str) or item.value != item.value.lower():
            raise SIGNATURE_CANNOT_BE_READ(detail="components are small names in quotation marks")
        if item.parameters:
            raise SIGNATURE_COMPONENT_IS_NOT_KNOWN(component=written(item)[:80])
        if item.value in names:
            raise SIGNATURE_CANNOT_BE_READ(detail=f"{item.value[:80]} is covered twice")
        names.append(item.value)
    return tuple(names)


def _require_covered(request: Incoming, names: tuple[str, ...]) -> None:
    needed = ["@method"]
    if "@target-uri" not in names:
        needed += ["@path", "@query"] if "@path" in names else ["@target-uri"]
    if request.body:
        needed.append("content-digest")
    for name in needed:
        if name not in names:
            raise SIGNATURE_MUST_COVER(component=name)


def _text(said: Mapping[str, Bare | Token], name: str, characters_max: int) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= characters_max:
        raise SIGNATURE_MUST_SAY(parameter=name)
    return value


def _second(said: Mapping[str, Bare | Token], name: str) -> int:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise SIGNATURE_MUST_SAY(parameter=name)
    return value
