"""Did somebody ask for this payment? Verified from bytes, signatures and the journal; no state column is believed.

Of an origin that a program stated, checked in this order:

  1. ORIGIN_STATED names the order and a key; the table has the key, and PROGRAM_KEY_ADMITTED says the same of it, at
     the row that the table names and before the origin, by a proposal that others approved (`authority.verification`);
  2. it reaches `orders:write`, had not ended, and neither it nor its program was revoked before, by the table and by
     the journal;
  3. the signature is that of the key over the base; the base was signed at the time of the row, and names the key;
  4. the request went to the address of this act, its body is the one that the base names, and it asks for exactly this
     order, customer, amount and payee.

Of an origin that a customer stated:

  1. the login is that customer's, as the table and the row of PERSON_CHANGED that it names say, and holds the role;
  2. the passkey was the login's, had waited and was not revoked, and signed the event's challenge
     (`passkeys.verification`);
  3. the challenge is that of exactly the document's bytes, which ask for this order, customer, amount and payee.

Of an origin under a mandate:

  1. MANDATE_GIVEN, at the row that the table names, has the signature of a passkey of the customer's login;
  2. by neither table nor journal was it revoked before, and what it says holds: the customer, the program, the purpose,
     the end, the cap of one, and that of the period with all that the journal says was asked under it before;
  3. all that is verified of a program, whose request names the mandate;
  4. the document is the one that was signed, says the same as the journal, and names the payee.

What needs the vault comes last in each, so that who has no key of it, the notary, verifies all the rest.

The core can append any event, but admits no key, binds no login, and signs as nobody.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ringfence.authority.actors import is_staff
from ringfence.authority.origin import Payment
from ringfence.authority.origin.documents import challenge_of, read
from ringfence.authority.origin.documents import require_asked as require_document
from ringfence.authority.origin.mandates import Mandate, Terms, mandate_of, require_payee
from ringfence.authority.origin.mandates import challenge_of as mandate_challenge
from ringfence.authority.origin.mandates import read as read_mandate
from ringfence.authority.origin.refusals import (
    MANDATE_CAP_IS_EXCEEDED,
    MANDATE_HAS_EXPIRED,
    MANDATE_IS_NOT_FOR_THIS,
    MANDATE_PERIOD_CAP_IS_EXCEEDED,
    MANDATE_WAS_REVOKED,
    ORIGIN_IS_NOT_ACCEPTED,
    PAYMENT_LACKS_ITS_ORIGIN,
)
from ringfence.authority.origin.requests import SCOPE, read_signed_text, require_asked, verifies
from ringfence.authority.origin.stating import PURPOSE_OF, QUERIES, WORD
from ringfence.authority.passkeys.assertions import Assertion
from ringfence.authority.passkeys.verification import EnrolledKey, Said, SignedApproval, require_signature
from ringfence.authority.policy import act_of, policy_in_force
from ringfence.authority.proposals import proposal_of
from ringfence.authority.queries import QUERIES as AUTHORITY
from ringfence.authority.refusals import PROPOSAL_MUST_EXIST
from ringfence.authority.signing import ACT
from ringfence.authority.verification import record_of, verified_terms
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.refusal import Refused

SIGNED_BEFORE: Final = timedelta(minutes=16)  # the longest that a door may take a signature for, and a minute
SIGNED_AHEAD: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class ProgramKey:
    """A key of a program as the table has it."""

    client_id: str
    public_key: bytes
    scopes: list[str]
    expires_at: datetime
    admitted: int | None
    revoked: int | None


@dataclass(frozen=True)
class Asking:
    """A payment, the book, when its money was held, and ways to what the vault keeps of its origin."""

    book: int
    name: str  # of the book
    payment: Payment
    held_at: datetime
    content: Callable[[], bytes] = field(repr=False)
    mandate: Callable[[UUID], bytes] = field(repr=False)  # the document of a mandate


def require_origin(connection: Connection, asking: Asking) -> str:
    """Who asked ("program", "customer", "mandate", "staff"), or "" where the policy of the time did not want to know.
    Of staff the caller verifies the approvals. `payment_lacks_its_origin`, `origin_is_not_accepted`, and what
    `requests`, `documents` and `mandates` refuse.
    """
    policy = policy_in_force(connection, asking.book, asking.held_at)
    accepted = act_of(policy, asking.payment.act).asked_by
    if not accepted:
        return ""
    event = _stated(connection, asking)
    asked_by = "staff" if event is None else str(event.says.get("asked_by"))
    if asked_by not in accepted:
        if event is None:
            raise PAYMENT_LACKS_ITS_ORIGIN(because="the journal does not say who asked")
        raise ORIGIN_IS_NOT_ACCEPTED(asked_by=asked_by)
    if event is None:
        _require_staff(connection, asking)
    else:
        _VERIFIED[asked_by](connection, asking, event)
    return asked_by


def _stated(connection: Connection, asking: Asking) -> Said | None:
    asked = {"book": asking.book, "id": derived(asking.payment.order_id, WORD)}
    row = connection.execute(QUERIES.origin_event, asked).fetchone()
    return _said_of(row) if row else None


def _said_of(row: tuple[Any, ...]) -> Said:
    said = json.loads(bytes(row[4]))
    return Said(row[0], row[1], row[2], row[3], said if isinstance(said, dict) else {})


def _require_staff(connection: Connection, asking: Asking) -> None:
    """A person of the staff proposed it; that others approved is counted with the approvals."""
    proposal = derived(asking.payment.order_id, f"proposal {asking.payment.act}")
    try:
        found = proposal_of(connection, asking.book, proposal)
    except Refused as no:
        if no.name != PROPOSAL_MUST_EXIST.name:
            raise
        raise PAYMENT_LACKS_ITS_ORIGIN(because="no program signed for it and nobody proposed it") from no
    if not is_staff(found.maker):
        raise PAYMENT_LACKS_ITS_ORIGIN(because=f"{found.maker} proposed it and signed nothing")


def _program(connection: Connection, asking: Asking, event: Said, mandate: UUID | None = None) -> None:
    says = event.says
    key = _key(connection, asking.book, says)
    _require_admitted(connection, asking.book, event, key)
    _require_in_force(connection, asking.book, event, key)
    try:
        raw, signature = str(says["base"]).encode("latin-1"), bytes.fromhex(says["signature"])
    except (KeyError, ValueError, TypeError) as error:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the signature cannot be read") from error
    if not verifies(key.public_key, signature, raw):
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the signature is not that of the key")
    text = read_signed_text(raw)
    created = datetime.fromtimestamp(text.created, UTC)
    if text.key_id != says["key"] or not event.posted_at - SIGNED_BEFORE <= created <= event.posted_at + SIGNED_AHEAD:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="it was signed at another time, or for another key")
    require_asked(text, asking.content(), asking.payment, mandate)


def _key(connection: Connection, book: int, says: Mapping[str, Any]) -> ProgramKey:
    row = connection.execute(QUERIES.program_key, {"book": book, "key": str(says.get("key"))}).fetchone()
    if row is None or row[0] != says.get("client"):
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the key is not one of the program's")
    return ProgramKey(row[0], bytes(row[1]), *row[2:])


def _require_admitted(connection: Connection, book: int, event: Said, key: ProgramKey) -> None:
    """The journal says that the key was admitted, as others approved."""
    if key.admitted is None or key.admitted >= event.sequence:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the key had not been admitted")
    rows = connection.execute(AUTHORITY.events_at, {"book": book, "sequences": [key.admitted]}).fetchall()
    admitted = _said_of(rows[0]) if rows else None
    if admitted is None or admitted.code != EventName.PROGRAM_KEY_ADMITTED:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the journal does not say that the key was admitted")
    try:
        record = record_of(connection, book, UUID(str(admitted.says["proposal"])))
        terms = verified_terms(record, admitted.posted_at)
        facts = dict(terms.facts)
        fits = (
            terms.act == ACT
            and admitted.id == derived(terms.proposal, "carried out")
            and admitted.says == facts | {"proposal": str(terms.proposal)}
            and (facts["client"], facts["key"]) == (key.client_id, event.says["key"])
            and facts["public_key"] == key.public_key.hex()
            and facts["scopes"].split() == key.scopes
            and datetime.fromisoformat(facts["expires_at"]) == key.expires_at
        )
    except (KeyError, ValueError) as error:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="what was admitted cannot be read") from error
    if not fits:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="another key was admitted")


def _require_in_force(connection: Connection, book: int, event: Said, key: ProgramKey) -> None:
    if SCOPE not in key.scopes:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the key does not reach so far")
    if key.expires_at <= event.posted_at:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the key had expired")
    if key.revoked is not None and key.revoked < event.sequence:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the key had been revoked")
    asked = {"book": book, "persons": [f"client:{key.client_id}"], "last": event.sequence}
    for row in connection.execute(AUTHORITY.person_events, asked):
        said = _said_of(row).says
        gone = said.get("change") == "client key revoked" and said.get("key") == event.says["key"]
        if gone or said.get("change") == "client revoked":
            raise PAYMENT_LACKS_ITS_ORIGIN(because="the key or its program had been revoked")


def _customer(connection: Connection, asking: Asking, event: Said) -> None:
    challenge = require_login_signed(connection, asking.book, asking.payment.customer, event)
    document = asking.content()
    if challenge != challenge_of(document):
        raise PAYMENT_LACKS_ITS_ORIGIN(because="something else was signed")
    require_document(read(document), asking.name, asking.payment)


def require_login_signed(connection: Connection, book: int, customer: str, event: Said) -> bytes:
    """The challenge that a login of this customer signed by a passkey, as an event says; `payment_lacks_its_origin`."""
    _require_login(connection, book, customer, event)
    return _require_passkey(connection, book, event)


def _require_passkey(connection: Connection, book: int, event: Said) -> bytes:
    """The challenge that the event's person signed by a passkey that could be used then."""
    says = event.says
    try:
        raw = [bytes.fromhex(says[name]) for name in ("credential", "client_data", "authenticator_data", "signature")]
        used, challenge = Assertion(*raw), bytes.fromhex(says["challenge"])
    except (KeyError, ValueError, TypeError) as error:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the signature cannot be read") from error
    asked = {
        "book": book,
        "credentials": [used.credential_id],
        "credential_names": [used.credential_id.hex()],
        "last": event.sequence,
    }
    keys = [EnrolledKey(bytes(row[0]), row[1], row[2], bytes(row[3]), *row[4:]) for row in _enrolled(connection, asked)]
    key_events = [_said_of(row) for row in connection.execute(AUTHORITY.key_events, asked)]
    signed = SignedApproval(str(says.get("person")), used, event.posted_at, event, challenge)
    try:
        require_signature(signed, keys, key_events)
    except Refused as no:
        raise PAYMENT_LACKS_ITS_ORIGIN(because=str(no.facts.get("because", "")).rstrip(".")) from no
    return challenge


def _enrolled(connection: Connection, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return connection.execute(AUTHORITY.keys_enrolled, asked).fetchall()


def _require_login(connection: Connection, book: int, customer: str, event: Said) -> None:
    """The login is that customer's, by the table and by the journal, and was not ended before."""
    person = str(event.says.get("person"))
    row = connection.execute(AUTHORITY.customer_of, {"book": book, "person": person}).fetchone()
    if row is None or row[0] != customer or event.says.get("customer") != customer:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the login is not that customer's")
    asked = {"book": book, "persons": [person], "last": event.sequence}
    said = [_said_of(each) for each in connection.execute(AUTHORITY.person_events, asked)]
    bound = [each.says.get("customer") for each in said if each.sequence == row[1]]
    roles = [each.says["roles"] for each in said if "roles" in each.says]
    if bound != [customer] or not roles or roles[-1] != ["customer"]:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the journal does not say that the login is that customer's")


def _mandate(connection: Connection, asking: Asking, event: Said) -> None:
    """A program asked, within what the customer had signed; the cap of the period is counted over the journal."""
    known, given = _given(connection, asking, event)
    challenge = require_login_signed(connection, asking.book, asking.payment.customer, given)
    terms = _terms_said(given)
    _require_standing(connection, asking, event, known)
    _require_within(connection, asking, event, terms)
    _program(connection, asking, event, known.mandate_id)
    document = asking.mandate(known.mandate_id)
    if challenge != mandate_challenge(document):
        raise PAYMENT_LACKS_ITS_ORIGIN(because="another mandate was signed")
    found = read_mandate(document)
    if found.book != asking.name or replace(found, book="", payees=(), nonce="") != terms:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the mandate says something else than the journal")
    require_payee(found, asking.payment)


def _given(connection: Connection, asking: Asking, event: Said) -> tuple[Mandate, Said]:
    """The mandate as the table has it, and the row of the journal that gave it."""
    try:
        known = mandate_of(connection, asking.book, UUID(str(event.says.get("mandate"))))
    except (ValueError, Refused) as no:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="there is no such mandate") from no
    rows = connection.execute(AUTHORITY.events_at, {"book": asking.book, "sequences": [known.given]}).fetchall()
    given = _said_of(rows[0]) if rows else None
    if given is None or given.code != EventName.MANDATE_GIVEN or given.sequence >= event.sequence:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the journal does not say that the mandate was given")
    if given.says.get("mandate") != str(known.mandate_id):
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the journal says another mandate")
    return known, given


def _terms_said(given: Said) -> Terms:
    """What the journal says of a mandate: all but its payees."""
    says = given.says
    try:
        return Terms(
            book="",
            mandate_id=UUID(says["mandate"]),
            customer=says["customer"],
            person=says["person"],
            client=says["client"],
            purposes=tuple(says["purposes"]),
            currency=says["currency"],
            cap=int(says["cap_minor"]),
            period_cap=int(says["period_cap_minor"]),
            period_days=int(says["period_days"]),
            payees=(),
            expires_at=datetime.fromisoformat(says["expires_at"]),
            nonce="",
        )
    except (KeyError, ValueError, TypeError) as error:
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the mandate cannot be read") from error


def _require_standing(connection: Connection, asking: Asking, event: Said, known: Mandate) -> None:
    """Neither the table nor the journal revokes it before."""
    asked = {"book": asking.book, "before": event.sequence, "mandate": str(known.mandate_id)}
    in_the_journal = connection.execute(QUERIES.mandate_revoked, asked).fetchone() is not None
    if in_the_journal or (known.revoked is not None and known.revoked < event.sequence):
        raise MANDATE_WAS_REVOKED()


def _require_within(connection: Connection, asking: Asking, event: Said, terms: Terms) -> None:
    payment = asking.payment
    if (terms.customer, terms.client) != (payment.customer, event.says.get("client")):
        raise PAYMENT_LACKS_ITS_ORIGIN(because="the mandate is another customer's or another program's")
    if PURPOSE_OF.get(payment.act) not in terms.purposes or terms.currency != payment.currency:
        raise MANDATE_IS_NOT_FOR_THIS()
    if event.posted_at >= terms.expires_at:
        raise MANDATE_HAS_EXPIRED()
    if payment.amount > terms.cap:
        raise MANDATE_CAP_IS_EXCEEDED()
    asked = {"book": asking.book, "before": event.sequence, "mandate": str(terms.mandate_id)}
    since = event.posted_at - timedelta(days=terms.period_days)
    orders = [row[0] for row in connection.execute(QUERIES.asked_under, asked | {"since": since})]
    ids = [derived(order, word) for order in orders for word in ("hold", "money")]
    row = connection.execute(QUERIES.amount_of_rows, {"book": asking.book, "ids": ids}).fetchone()
    if row is None or row[0] + payment.amount > terms.period_cap:
        raise MANDATE_PERIOD_CAP_IS_EXCEEDED()


_VERIFIED: Final = {"program": _program, "customer": _customer, "mandate": _mandate}
