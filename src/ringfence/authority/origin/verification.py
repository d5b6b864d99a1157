"""Did somebody ask for this payment? Verified from bytes, signatures and the journal; no state column is believed.

Of an origin that a program stated, checked in this order:

  1. ORIGIN_STATED names the order and a key; the table has the key, and PROGRAM_KEY_ADMITTED says the same of it, at
     the row that the table names and before the origin, by a proposal that others approved (`authority.verification`);
  2. it reaches `orders:write`, had not ended, and neither it nor its program was revoked before, by the table and by
     the journal;
  3. the signature is that of the key over the base; the base was signed at the time of the row, and names the key;
  4. the request went to the address of this act, its body is the one that the base names, and it asks for exactly this
     order, customer, amount and payee.

The core can append any event, but admits no key and signs as no program.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ringfence.authority.actors import is_staff
from ringfence.authority.origin import Payment
from ringfence.authority.origin.refusals import ORIGIN_IS_NOT_ACCEPTED, PAYMENT_LACKS_ITS_ORIGIN
from ringfence.authority.origin.requests import SCOPE, read_signed_text, require_asked, verifies
from ringfence.authority.origin.stating import QUERIES, WORD
from ringfence.authority.passkeys.verification import Said
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
    """A payment, the book, when its money was held, and a way to the content that the vault keeps of its origin."""

    book: int
    payment: Payment
    held_at: datetime
    content: Callable[[], bytes] = field(repr=False)


def require_origin(connection: Connection, asking: Asking) -> str:
    """Who asked ("program", "staff"), or "" where the policy of the time did not want to know. Of staff the caller
    verifies the approvals. `payment_lacks_its_origin`, `origin_is_not_accepted`, and what `requests` refuses.
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


def _program(connection: Connection, asking: Asking, event: Said) -> None:
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
    require_asked(text, asking.content(), asking.payment)


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


_VERIFIED: Final = {"program": _program}
