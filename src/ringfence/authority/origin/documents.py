"""What a customer signs by a passkey: the canonical bytes of an order, read strictly.

One JSON object in canonical bytes (RFC 8785). The page is rendered from exactly these bytes; the challenge of the
passkey is their SHA-256 under a tag of its own, so another amount or payee is another challenge, and a signature for an
approval is none for an order (dynamic linking: Commission Delegated Regulation (EU) 2018/389, Article 5: the payer is
made aware of the amount and of the payee, and the authentication code is specific to both).

>>> from dataclasses import replace
>>> from datetime import date
>>> said = Withdrawal("demo", UUID(int=7), "c1", "ann", 12_50, "EUR", "Ann Example", "NL91ABNA0417164300",
...                   date(2026, 3, 2), "00" * 16)
>>> read(said.canonical()) == said
True
>>> challenge_of(said.canonical()) == challenge_of(replace(said, amount=12_51).canonical())
False
"""

import json
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from ringfence.authority.origin import Payment
from ringfence.authority.origin.refusals import SIGNED_ORDER_IS_NO_ORIGIN, SOMETHING_ELSE_WAS_ASKED_FOR
from ringfence.ledger.model import canonical
from ringfence.money import currency, format_minor, parse_minor
from ringfence.refusal import Refused

TAG: Final = "ringfence/withdrawal/v1"
CHALLENGE_TAG: Final = b"ringfence customer order v1\0"
DOCUMENT_BYTES_MAX: Final = 4_096


@dataclass(frozen=True)
class Withdrawal:
    """Pay `amount` (minor units) of the customer's money to the creditor; `person` is the login that signs."""

    book: str
    order_id: UUID
    customer: str
    person: str
    amount: int
    currency: str
    creditor_name: str
    creditor_account: str
    on: date
    nonce: str

    @property
    def decimal(self) -> str:
        return format_minor(self.amount, currency(self.currency))

    def canonical(self) -> bytes:
        return canonical(
            {
                "tag": TAG,
                "book": self.book,
                "order": str(self.order_id),
                "customer": self.customer,
                "person": self.person,
                "amount": self.decimal,
                "currency": self.currency,
                "creditor_name": self.creditor_name,
                "creditor_account": self.creditor_account,
                "date": self.on.isoformat(),
                "nonce": self.nonce,
            }
        )


def challenge_of(document: bytes) -> bytes:
    """What a customer's key signs: exactly these bytes, under a tag that nothing else has."""
    return sha256(CHALLENGE_TAG + document).digest()


def read(document: bytes) -> Withdrawal:
    """The order of exactly these bytes; `signed_order_is_no_origin` if they are not what `canonical` would write."""
    try:
        said: dict[str, Any] = json.loads(document)
        found = Withdrawal(
            book=said["book"],
            order_id=UUID(said["order"]),
            customer=said["customer"],
            person=said["person"],
            amount=parse_minor(said["amount"], currency(said["currency"])),
            currency=said["currency"],
            creditor_name=said["creditor_name"],
            creditor_account=said["creditor_account"],
            on=date.fromisoformat(said["date"]),
            nonce=said["nonce"],
        )
        sound = len(document) <= DOCUMENT_BYTES_MAX and len(found.nonce) >= 32 and found.canonical() == document
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Refused):
        sound = False
    if not sound:
        raise SIGNED_ORDER_IS_NO_ORIGIN(because="the document is not in its canonical form")
    return found


def require_asked(found: Withdrawal, book: str, payment: Payment) -> None:
    """Return if the document asks for exactly this payment; `something_else_was_asked_for`."""
    pairs = {
        "book": (found.book, book),
        "order": (found.order_id, payment.order_id),
        "act": ("payout", payment.act),
        "customer": (found.customer, payment.customer),
        "amount": (found.amount, payment.amount),
        "currency": (found.currency, payment.currency),
        "creditor_name": (found.creditor_name, payment.creditor_name),
        "creditor_account": (found.creditor_account, payment.creditor_account),
    }
    for name, (asked, wanted) in pairs.items():
        if asked != wanted:
            raise SOMETHING_ELSE_WAS_ASKED_FOR(field=name)
