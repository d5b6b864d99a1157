"""Mandates: what a customer lets a program ask for, signed once by a passkey, within caps, payees and a time.

The document is canonical JSON (RFC 8785), signed like an order's, under a tag of its own. It names

  client       the program that may ask; nobody else may
  purposes     `freeze` (bids), `transfer` (repayments), `withdrawal` (standing orders)
  cap          the most of one order; `period_cap` the most within any `period_days` days, both in minor units. What
               was ordered counts, also if nothing came of it
  payees       for a transfer `customer:…`, for a withdrawal the account; who is not named gets nothing; a freeze has
               none
  expires_at   the end; the customer may revoke it before, at once and alone

MANDATE_GIVEN says all of it but the payees, whose accounts stand in the vault's copy of the document. Under a mandate
the program signs each request, whose body names the mandate. Caps, time, program and purpose are enforced by PostgreSQL
in the append, the payee by `require_payee` before it; the gateway verifies and counts all of it anew.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from ringfence.authority.actors import Session
from ringfence.authority.origin import Payment
from ringfence.authority.origin.refusals import (
    MANDATE_DOES_NOT_NAME_THE_PAYEE,
    MANDATE_IS_NOT_VALID,
    MANDATE_MUST_EXIST,
)
from ringfence.authority.origin.stating import QUERIES
from ringfence.authority.passkeys.assertions import Assertion, challenge_under
from ringfence.authority.passkeys.counter import journaled
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line, canonical
from ringfence.money import INT64_MAX, currency
from ringfence.refusal import Refused

TAG: Final = "ringfence/mandate/v1"
CHALLENGE_TAG: Final = b"ringfence customer mandate v1\0"
DOCUMENT_BYTES_MAX: Final = 8_192
PAYEES_MAX: Final = 50
PURPOSES: Final = ("freeze", "transfer", "withdrawal")
PERIOD_DAYS_MAX: Final = 366


@dataclass(frozen=True)
class Terms:
    """What a mandate's document says; amounts in minor units."""

    book: str
    mandate_id: UUID
    customer: str
    person: str
    client: str
    purposes: tuple[str, ...]
    currency: str
    cap: int
    period_cap: int
    period_days: int
    payees: tuple[str, ...]
    expires_at: datetime
    nonce: str

    def canonical(self) -> bytes:
        return canonical(
            {
                "tag": TAG,
                "book": self.book,
                "mandate": str(self.mandate_id),
                "customer": self.customer,
                "person": self.person,
                "client": self.client,
                "purposes": list(self.purposes),
                "currency": self.currency,
                "cap_minor": str(self.cap),
                "period_cap_minor": str(self.period_cap),
                "period_days": self.period_days,
                "payees": list(self.payees),
                "expires_at": self.expires_at.astimezone(UTC).isoformat(),
                "nonce": self.nonce,
            }
        )


@dataclass(frozen=True)
class Mandate:
    """A mandate as the table has it. `revoked` is the row of the journal that took it back."""

    mandate_id: UUID
    customer_id: str
    person_id: str
    client_id: str
    purposes: list[str]
    currency: str
    cap: int
    period_cap: int
    period_days: int
    expires_at: datetime
    given: int
    given_at: datetime
    revoked: int | None

    def state_at(self, at: datetime) -> str:
        if self.revoked is not None:
            return "revoked"
        return "active" if at < self.expires_at else "expired"


def challenge_of(document: bytes) -> bytes:
    """What a customer's key signs: exactly these bytes, under a tag that nothing else has."""
    return challenge_under(CHALLENGE_TAG, document)


def new_nonce() -> str:
    return secrets.token_hex(16)


def read(document: bytes) -> Terms:
    """The terms of exactly these bytes; `mandate_is_not_valid` says what is wrong with them."""
    try:
        said: dict[str, Any] = json.loads(document)
        found = Terms(
            book=said["book"],
            mandate_id=UUID(said["mandate"]),
            customer=said["customer"],
            person=said["person"],
            client=said["client"],
            purposes=tuple(said["purposes"]),
            currency=currency(said["currency"]).code,
            cap=int(said["cap_minor"]),
            period_cap=int(said["period_cap_minor"]),
            period_days=said["period_days"],
            payees=tuple(said["payees"]),
            expires_at=datetime.fromisoformat(said["expires_at"]),
            nonce=said["nonce"],
        )
        again = found.canonical()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Refused) as error:
        raise MANDATE_IS_NOT_VALID(detail="the document cannot be read") from error
    if again != document or len(document) > DOCUMENT_BYTES_MAX:
        raise MANDATE_IS_NOT_VALID(detail="the document is not in its canonical form")
    require_valid(found)
    return found


def require_valid(terms: Terms) -> None:
    """`mandate_is_not_valid`."""
    if not terms.purposes or tuple(each for each in PURPOSES if each in terms.purposes) != terms.purposes:
        raise MANDATE_IS_NOT_VALID(detail=f"its purposes are some of {', '.join(PURPOSES)}, in this order")
    if not 0 < terms.cap <= terms.period_cap <= INT64_MAX:
        raise MANDATE_IS_NOT_VALID(detail="the cap of one order is positive and not more than that of a period")
    if type(terms.period_days) is not int or not 0 < terms.period_days <= PERIOD_DAYS_MAX:
        raise MANDATE_IS_NOT_VALID(detail=f"its period has 1 to {PERIOD_DAYS_MAX} days")
    needs_payees = not {"transfer", "withdrawal"}.isdisjoint(terms.purposes)
    if bool(terms.payees) != needs_payees or len(set(terms.payees)) != len(terms.payees):
        raise MANDATE_IS_NOT_VALID(detail="transfers and withdrawals have payees, each named once; freezes have none")
    if len(terms.payees) > PAYEES_MAX or not all(
        isinstance(each, str) and 0 < len(each) <= 60 for each in terms.payees
    ):
        raise MANDATE_IS_NOT_VALID(detail=f"it names at most {PAYEES_MAX} payees")


def payee_of(payment: Payment) -> str:
    """The word for who gets a payment, as mandates name them; empty for a freeze."""
    return payment.creditor_account


def require_payee(terms: Terms, payment: Payment) -> None:
    """`mandate_does_not_name_the_payee`."""
    if payment.act != "freeze" and payee_of(payment) not in terms.payees:
        raise MANDATE_DOES_NOT_NAME_THE_PAYEE()


def give(core: Core, session: Session, document: bytes, used: Assertion, kept: Statement) -> UUID:
    """Give a mandate; `kept` keeps the document in the vault. Refused by the database: `client_must_exist`, what
    `use_passkey` refuses, `passkey_must_wait`, `mandate_expires_within_five_years`.
    """
    terms, event = read(document), core.new_id()
    raw = {
        "credential": used.credential_id,
        "client_data": used.client_data,
        "authenticator_data": used.authenticator_data,
        "signature": used.signature,
    }
    said = {
        "mandate": str(terms.mandate_id),
        "customer": terms.customer,
        "person": terms.person,
        "client": terms.client,
        "purposes": list(terms.purposes),
        "currency": terms.currency,
        "cap_minor": str(terms.cap),
        "period_cap_minor": str(terms.period_cap),
        "period_days": terms.period_days,
        "expires_at": terms.expires_at.astimezone(UTC).isoformat(),
        "challenge": challenge_of(document).hex(),
        **{name: value.hex() for name, value in raw.items()},
    }
    row = {"book": core.book.book_id, "event": event, "token_sha256": session.token_sha256, "document": document}
    line = Line(Kind.EVENT, event, code=EventName.MANDATE_GIVEN, payload=said)
    with journaled(core, used.credential_id):
        core.post(Unit([line], also=[(QUERIES.give_mandate, row | raw), kept]))
    return terms.mandate_id


def revoke(core: Core, session: Session, customer: str, mandate_id: UUID) -> None:
    """Take an own mandate back, at once and for good; `mandate_must_exist`."""
    event = derived(mandate_id, "revoked")
    with core.connection() as connection:
        standing = mandate_of(connection, core.book.book_id, mandate_id)
    if standing.customer_id != customer or standing.revoked is not None:
        raise MANDATE_MUST_EXIST()
    said = {"mandate": str(mandate_id), "customer": customer, "person": session.person_id}
    row = {
        "book": core.book.book_id,
        "event": event,
        "token_sha256": session.token_sha256,
        "mandate": mandate_id,
    }
    line = Line(Kind.EVENT, event, code=EventName.MANDATE_REVOKED, payload=said)
    core.post(Unit([line], also=[(QUERIES.revoke_mandate, row)]))


def mandates(connection: Connection, book: int, customer: str) -> Sequence[Mandate]:
    """The mandates of a customer, also ended ones, the latest first."""
    return _read(connection, {"book": book, "customer": customer, "mandate": None})


def mandate_of(connection: Connection, book: int, mandate_id: UUID) -> Mandate:
    """One mandate; `mandate_must_exist`."""
    found = _read(connection, {"book": book, "customer": None, "mandate": mandate_id})
    if not found:
        raise MANDATE_MUST_EXIST()
    return found[0]


def _read(connection: Connection, asked: dict[str, Any]) -> list[Mandate]:
    with connection.cursor(row_factory=class_row(Mandate)) as cursor:
        return cursor.execute(QUERIES.mandates, asked).fetchall()
