"""What a proposal says: canonical bytes, read strictly.

The payload is one JSON object in canonical bytes (RFC 8785). The page that asks for approval is rendered from exactly
these bytes, the approval names their SHA-256, and the gateway compares them with what it pays, so a change of amount or
payee voids the approval (dynamic linking: Commission Delegated Regulation (EU) 2018/389, Article 5).

>>> from datetime import UTC
>>> terms = Terms(
...     book=1,
...     proposal=UUID(int=7),
...     act="payout",
...     order=UUID(int=5),
...     amount=250_000,
...     unit=currency("EUR"),
...     facts={"creditor_account": "DE89370400440532013000", "creditor_name": "Erika Beispiel"},
...     policy_version=1,
...     expires_at=datetime(2026, 3, 5, 12, tzinfo=UTC),
...     nonce=UUID(int=9),
... )
>>> print(write(terms).decode())  # doctest: +NORMALIZE_WHITESPACE +ELLIPSIS
{"act":"payout","amount_minor":"250000","book":1,"currency":"EUR","expires_at":"2026-03-05T12:00:00.000000Z","facts":...
>>> read(write(terms)) == terms
True
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import rfc8785

from ringfence.authority.refusals import TERMS_ARE_NOT_VALID
from ringfence.money import INT64_MAX, Currency, currency
from ringfence.refusal import Refused

FORM: Final = "ringfence proposal v1"
BYTES_MAX: Final = 50_000
_FIELDS: Final = {
    "form", "book", "proposal", "act", "order", "amount_minor", "currency", "facts", "policy_version", "expires_at",
    "nonce",
}  # fmt: skip
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_ACT: Final = re.compile(r"[a-z][a-z_]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Terms:
    """What is proposed. `facts` is whatever a person must see and the gateway must find: text by name."""

    book: int
    proposal: UUID
    act: str
    order: UUID | None
    amount: int | None  # minor units
    unit: Currency | None
    facts: Mapping[str, str] = field(hash=False)
    policy_version: int
    expires_at: datetime
    nonce: UUID  # random: the hash of the bytes is in the journal, and must not tell them to whoever guesses


def write(terms: Terms) -> bytes:
    """The canonical bytes."""
    return rfc8785.dumps(
        {
            "form": FORM,
            "book": terms.book,
            "proposal": str(terms.proposal),
            "act": terms.act,
            "order": None if terms.order is None else str(terms.order),
            "amount_minor": None if terms.amount is None else str(terms.amount),
            "currency": None if terms.unit is None else terms.unit.code,
            "facts": dict(terms.facts),
            "policy_version": terms.policy_version,
            "expires_at": terms.expires_at.astimezone(UTC).strftime(_TIME),
            "nonce": str(terms.nonce),
        }
    )


def hash_of(payload: bytes) -> bytes:
    """SHA-256 of the bytes: what people approve."""
    return hashlib.sha256(payload).digest()


def read(payload: bytes) -> Terms:
    """The terms of exactly these bytes; `terms_are_not_valid` if they are not what `write` would write."""
    if len(payload) > BYTES_MAX:
        raise TERMS_ARE_NOT_VALID(detail="the bytes are too many")
    try:
        terms = _terms_of(json.loads(payload))
        again = write(terms)
    except (ValueError, TypeError, KeyError, RecursionError, Refused) as error:
        raise TERMS_ARE_NOT_VALID(detail=f"{type(error).__name__} while reading") from error
    if again != payload:
        raise TERMS_ARE_NOT_VALID(detail="the bytes are not canonical")
    return terms


def _terms_of(said: Any) -> Terms:
    if not isinstance(said, dict) or said.keys() != _FIELDS or said["form"] != FORM or not _ACT.fullmatch(said["act"]):
        raise ValueError
    if type(said["book"]) is not int or type(said["policy_version"]) is not int:
        raise TypeError
    amount = None if said["amount_minor"] is None else int(said["amount_minor"])
    if (amount is None) != (said["currency"] is None) or (amount is not None and not 0 <= amount <= INT64_MAX):
        raise ValueError
    facts = said["facts"]
    if not isinstance(facts, dict) or not all(
        isinstance(name, str) and isinstance(text, str) for name, text in facts.items()
    ):
        raise TypeError
    return Terms(
        book=said["book"],
        proposal=UUID(said["proposal"]),
        act=said["act"],
        order=None if said["order"] is None else UUID(said["order"]),
        amount=amount,
        unit=None if said["currency"] is None else currency(said["currency"]),
        facts=facts,
        policy_version=said["policy_version"],
        expires_at=datetime.strptime(said["expires_at"], _TIME).replace(tzinfo=UTC),
        nonce=UUID(said["nonce"]),
    )
