"""What parties say about an agreement in force: a milestone is approved, a claim is opened, a claim is settled.

Each is an event of the journal and a fact of the agreement, in one append. The database finds the speaker by the token:
a person speaks for himself, a program for itself and for the customers of its platform, a customer's own login for the
customer by a passkey (`draft_milestone`, `speak`). Nothing that was said is taken back; an arbiter may say otherwise as
long as the claim is not settled.
"""

import secrets
from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from ringfence.authority.actors import Actor, Session, SignedOrder, maker_of, token_of
from ringfence.authority.passkeys.assertions import Assertion, RelyingParty, require_our_page
from ringfence.authority.passkeys.counter import journaled
from ringfence.authority.people import customer_of
from ringfence.core import Core
from ringfence.custody.days import current_day
from ringfence.custody.refusals import NO_DAY_IS_OPEN
from ringfence.database.connection import Connection
from ringfence.escrow.queries import QUERIES
from ringfence.escrow.reading import Standing, agreement
from ringfence.escrow.refusals import (
    AGREEMENT_MUST_EXIST,
    CLAIM_IS_OPEN_ALREADY,
    MILESTONE_IS_APPROVED_ALREADY,
    PARTY_MUST_BE_NAMED,
    PARTY_MUST_SIGN,
    REASON_OF_A_CLAIM_MUST_BE_SHORT,
)
from ringfence.escrow.word import challenge_of, read, written
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.refusal import Refusal, Refused
from ringfence.vault.keeping import Vault

REASON_CHARACTERS_MAX: Final = 500
SIGNED: Final = ("credential", "client_data", "authenticator_data", "signature")


def approve_milestone(core: Core, agreement_id: UUID, milestone: str, party: str, *, by: Actor) -> Standing:
    """A party approves a milestone, once; the same again changes nothing. `agreement_is_not_in_force`,
    `party_must_be_named`, `party_must_speak_for_itself`, `milestone_is_approved_already` (through somebody else).
    """
    said = {"milestone": milestone, "party": party}
    identity = derived(agreement_id, f"milestone {milestone} by {party}")
    return _say(core, agreement_id, identity, EventName.MILESTONE_APPROVED, said, by, MILESTONE_IS_APPROVED_ALREADY)


def open_claim(
    core: Core, vault: Vault, agreement_id: UUID, claim_id: UUID, tranche: str, party: str, reason: str, *, by: Actor
) -> Standing:
    """A party opens a claim on a tranche: until it is settled, the money stays where it is. The journal has a
    keyed digest of the reason. `reason_of_a_claim_must_be_short`, `tranche_must_exist`, `tranche_has_ended`, and what
    saying refuses.
    """
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise REASON_OF_A_CLAIM_MUST_BE_SHORT(characters=REASON_CHARACTERS_MAX)
    said = {"claim": str(claim_id), "tranche": tranche, "party": party}
    said |= {"reason_digest": vault.digest_of_reason(claim_id, reason.strip())}
    identity = derived(agreement_id, f"claim {claim_id}")
    told = reason.strip()
    return _say(core, agreement_id, identity, EventName.CLAIM_OPENED, said, by, CLAIM_IS_OPEN_ALREADY, told)


def settle_claim(core: Core, agreement_id: UUID, claim_id: UUID, party: str, payees_get: int, *, by: Actor) -> Standing:
    """An arbiter says what the payees get of the tranche, in minor units; the rest is the payer's. The claim is settled
    when enough arbiters have said the same. `claim_must_be_open`, `settlement_must_fit_the_tranche`.
    """
    said = {"claim": str(claim_id), "party": party, "payees_get": str(payees_get)}
    return _say(core, agreement_id, core.new_id(), EventName.CLAIM_SETTLED, said, by, CLAIM_IS_OPEN_ALREADY)


def _say(
    core: Core,
    agreement_id: UUID,
    identity: UUID,
    name: EventName,
    said: dict[str, Any],
    by: Actor,
    taken: Refusal,
    reason: str = "",
) -> Standing:
    book = core.book.book_id
    with core.connection() as connection:
        agreement(connection, book, agreement_id)
        day = _day(connection, book, core.clock().date())
    payload = {"agreement": str(agreement_id), "by": maker_of(by)} | said
    signed = by.order if isinstance(by, Session) else None
    raw: dict[str, bytes | None] = dict.fromkeys(("document", *SIGNED))
    if signed is not None:
        used = signed.assertion
        given = (used.credential_id, used.client_data, used.authenticator_data, used.signature)
        raw |= {"document": signed.document, **dict(zip(SIGNED, given, strict=True))}
        payload |= {name: value.hex() for name, value in zip(SIGNED, given, strict=True)}
        word = read(signed.document)
        payload |= {"document": signed.document.decode(), "challenge": challenge_of(signed.document).hex()}
        payload |= {"customer": word.customer, "person": word.person}
    event = Line(Kind.EVENT, identity, order_id=agreement_id, code=name, value_date=day, payload=payload)
    row = {"book": book, "event": identity, "number": int(name), "token_sha256": token_of(by), **raw}
    try:
        with journaled(core, signed.assertion.credential_id if signed else None):
            core.post(Unit([event], [(QUERIES.say, row | {"agreement": agreement_id, "reason": reason})]))
    except Refused as refused:
        if refused.name == Result.ID_ALREADY_HAS_OTHER_CONTENT.word:
            raise taken() from refused
        raise
    with core.connection() as connection:
        return agreement(connection, book, agreement_id)


def draft_milestone(core: Core, session: Session, agreement_id: UUID, milestone: str, party: str) -> bytes:
    """The words by which a customer approves a milestone, to be signed; `agreement_must_exist` for an agreement that is
    none of the customer's, `party_must_be_named`.
    """
    with core.connection() as connection:
        customer_id = customer_of(connection, core.book.book_id, session.person_id)
        found = agreement(connection, core.book.book_id, agreement_id)
    if f"customer:{customer_id}" not in found.terms.parties.values():
        raise AGREEMENT_MUST_EXIST(agreement=agreement_id)
    if party not in found.terms.milestones.get(milestone, ()):
        raise PARTY_MUST_BE_NAMED()
    says = {"milestone": milestone, "party": party}
    nonce = secrets.token_hex(16)
    return written(
        agreement_id, found.sha256, customer_id, session.person_id, EventName.MILESTONE_APPROVED, says, nonce
    )


def speak(core: Core, session: Session, document: bytes, used: Assertion, ours: RelyingParty) -> Standing:
    """A customer says what was signed; `party_must_sign`, what `require_our_page` and `approve_milestone` refuse."""
    word = read(document)
    if word.event != EventName.MILESTONE_APPROVED or word.says.keys() != {"milestone", "party"}:
        raise PARTY_MUST_SIGN()
    require_our_page(used.client_data, "webauthn.get", challenge_of(document), ours.origin, ours.rp_id)
    by = replace(session, order=SignedOrder(document, used))
    milestone, party = str(word.says["milestone"]), str(word.says["party"])
    return approve_milestone(core, word.agreement_id, milestone, party, by=by)


def _day(connection: Connection, book: int, today: date) -> date:
    """The open business day. Words need none: a claim is opened on a Sunday too, and no money moves by it."""
    try:
        return current_day(connection, book)
    except Refused as refused:
        if refused.refusal is not NO_DAY_IS_OPEN:
            raise
        return today
