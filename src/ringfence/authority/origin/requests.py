r"""A program's signed request as an origin, read from its bytes alone: the signature's base and the request's body.

The base (RFC 9421, 2.5) is a line for each covered component. It may cover only what says what is asked for, so that
nothing secret of a request stands in the journal: no header of authorisation, no cookie, and no query.

>>> base = b'"@method": POST\n"@target-uri": https://a.example/api/v1/withdrawals\n' \
...     b'"content-digest": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n' \
...     b'"@signature-params": ("@method" "@target-uri" "content-digest");created=7;nonce="n";' \
...     b'keyid="demo/shop/0011223344556677"'
>>> found = read_signed_text(base)
>>> found.path, found.key_id, found.created
('/api/v1/withdrawals', 'demo/shop/0011223344556677', 7)
>>> found.fits(b""), found.fits(b"{}")
(True, False)
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ringfence.authority.origin import Payment
from ringfence.authority.origin.refusals import (
    SIGNED_ORDER_IS_NO_ORIGIN,
    SIGNED_ORDER_NEEDS_A_SALT,
    SOMETHING_ELSE_WAS_ASKED_FOR,
)
from ringfence.money import currency, parse_minor
from ringfence.refusal import Refused

PATHS: Final = {"payout": "/api/v1/withdrawals", "fee_sweep": "/api/v1/fee-sweeps"}
BASE_BYTES_MAX: Final = 4_096
CONTENT_BYTES_MAX: Final = 16_384
SCOPE: Final = "orders:write"
COVERED: Final = frozenset(
    {
        "@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query",
        "content-digest", "content-type", "content-length", "date",
    }
)  # fmt: skip
_LINE: Final = re.compile(r'"([a-z0-9@-]+)": (.*)', re.ASCII)
_PARAMETERS: Final = re.compile(r'\([^()]*\)((?:;[a-z]+=(?:[0-9]{1,15}|"[^"\\]*"))*)', re.ASCII)
_PARAMETER: Final = re.compile(r';([a-z]+)=(?:([0-9]{1,15})|"([^"\\]*)")', re.ASCII)
_DIGEST: Final = re.compile(r"(sha-256|sha-512)=:([A-Za-z0-9+/=]*):", re.ASCII)
_DIGESTS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_SALT: Final = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)


@dataclass(frozen=True)
class SignedText:
    """What a signature's base says."""

    method: str
    path: str
    key_id: str
    created: int
    digests: Mapping[str, bytes] = field(hash=False)

    def fits(self, content: bytes) -> bool:
        """Whether this is the request's body."""
        return all(_DIGESTS[name](content).digest() == digest for name, digest in self.digests.items())


def verifies(public_key: bytes, signature: bytes, base: bytes) -> bool:
    """Whether an Ed25519 signature is that of a key over a base."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, base)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_signed_text(base: bytes) -> SignedText:
    """What a base says, if it is one that an origin may have; `signed_order_is_no_origin`."""
    lines = [_LINE.fullmatch(line) for line in base.decode("latin-1").split("\n")]
    said = {line[1]: line[2] for line in lines if line}
    if len(base) > BASE_BYTES_MAX or len(said) != len(lines) or lines[-1] is None:
        raise SIGNED_ORDER_IS_NO_ORIGIN(because="the signature's base cannot be read")
    parameters = _PARAMETERS.fullmatch(said.pop("@signature-params", ""))
    if parameters is None or lines[-1][1] != "@signature-params":
        raise SIGNED_ORDER_IS_NO_ORIGIN(because="the signature's parameters cannot be read")
    for name in sorted(said.keys() - COVERED):
        raise SIGNED_ORDER_IS_NO_ORIGIN(because=f"it covers {name}")
    told = {name: number or text for name, number, text in _PARAMETER.findall(parameters[1])}
    digests = {name: _bytes_of(text) for name, text in _DIGEST.findall(said.get("content-digest", ""))}
    if not {"created", "keyid"} <= told.keys() or not digests:
        raise SIGNED_ORDER_IS_NO_ORIGIN(because="it lacks created, keyid or the digest of its body")
    return SignedText(said.get("@method", ""), _path_of(said), told["keyid"], int(told["created"] or 0), digests)


def require_asked(text: SignedText, content: bytes, payment: Payment) -> None:
    """Return if the request asks for exactly this payment. `signed_order_is_no_origin`, `signed_order_needs_a_salt`,
    `something_else_was_asked_for`.
    """
    if (text.method, text.path) != ("POST", PATHS[payment.act]):
        raise SIGNED_ORDER_IS_NO_ORIGIN(because="it was sent to another address")
    if len(content) > CONTENT_BYTES_MAX or not text.fits(content):
        raise SIGNED_ORDER_IS_NO_ORIGIN(because="its body is another")
    try:
        said = json.loads(content.decode(), object_pairs_hook=_once)
        amount = said["amount"]
        asked = {
            "order": UUID(said["id"]),
            "amount": parse_minor(amount["amount"], currency(amount["currency"])),
            "currency": amount["currency"],
            "creditor_account": said["payee_account"],
            "customer": said.get("customer", "platform"),
            "creditor_name": said.get("payee_name", payment.creditor_name),
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Refused) as error:
        raise SIGNED_ORDER_IS_NO_ORIGIN(because="its body says no payment") from error
    if not isinstance(said.get("salt"), str) or not _SALT.fullmatch(said["salt"]):
        raise SIGNED_ORDER_NEEDS_A_SALT()
    wanted = {
        "order": payment.order_id,
        "amount": payment.amount,
        "currency": payment.currency,
        "creditor_account": payment.creditor_account,
        "customer": payment.customer,
        "creditor_name": payment.creditor_name,
    }
    for name, value in wanted.items():
        if asked[name] != value:
            raise SOMETHING_ELSE_WAS_ASKED_FOR(field=name)


def _path_of(said: Mapping[str, str]) -> str:
    """The path of the address, which has no query; empty if the parts do not say one."""
    paths = {said["@path"]} if "@path" in said and said.get("@query") == "?" else set()
    if "@target-uri" in said:
        parts = urlsplit(said["@target-uri"])
        paths.add(parts.path if not parts.query and not parts.fragment else "")
    return paths.pop() if len(paths) == 1 else ""


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name stands twice: of what was signed there are no two readings."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
