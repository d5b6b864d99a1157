"""Escrow over HTTP: agreements, what parties say about them, release and return.

An agreement carries the id that its maker gave it, and the same again is answered as it stands. A program needs the
scope `orders:write`, a person the role of a treasurer; what a party says is said by the party's own token.
"""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query
from pydantic import Field

from ringfence.authority.actors import Actor
from ringfence.authority.passkeys.assertions import relying_party
from ringfence.authority.passkeys.refusals import CHALLENGE_DOES_NOT_FIT, PASSKEY_MUST_WAIT, PASSKEYS_NEED_A_HOST_NAME
from ringfence.authority.refusals import (
    MAKER_MAY_NOT_MAKE_THIS,
    PERSON_LACKS_THE_ROLE,
    SCOPE_IS_MISSING,
    SESSION_IS_NOT_VALID,
)
from ringfence.authority.routes import FOR_PEOPLE, OF_A_PASSKEY, session_of
from ringfence.custody import own
from ringfence.custody.orders import Desk
from ringfence.custody.own.refusals import CUSTOMER_HAS_NO_PASSKEY_HERE
from ringfence.custody.own.routes import DocumentToSign, SignedDocument, signed, to_sign
from ringfence.custody.refusals import CUSTOMER_MUST_EXIST, CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT, NO_DAY_IS_OPEN
from ringfence.custody.routes import READ, STANDING_IN_THE_WAY, WRITE, maker, place_of
from ringfence.escrow import agreements, releasing, saying
from ringfence.escrow.agreements import REFERENCE_CHARACTERS_MAX
from ringfence.escrow.conditions import Trace
from ringfence.escrow.document import read_json, said_of
from ringfence.escrow.reading import Standing, agreement, agreements_of_party, heard, look
from ringfence.escrow.reading import agreements as standing_agreements
from ringfence.escrow.refusals import (
    AGREEMENT_ID_ALREADY_HAS_OTHER_CONTENT,
    AGREEMENT_ID_IS_AN_ORDERS,
    AGREEMENT_IS_NOT_IN_FORCE,
    AGREEMENT_IS_NOT_VALID,
    AGREEMENT_IS_NOT_WAITING,
    AGREEMENT_MUST_EXIST,
    AGREEMENT_MUST_EXPIRE_LATER,
    CLAIM_IS_OPEN_ALREADY,
    CLAIM_MUST_BE_OPEN,
    CONDITION_IS_NOT_VALID,
    DOCUMENT_IS_NOT_JSON,
    MILESTONE_IS_APPROVED_ALREADY,
    PARTY_MUST_BE_NAMED,
    PARTY_MUST_SIGN,
    PARTY_MUST_SPEAK_FOR_ITSELF,
    REASON_OF_A_CLAIM_MUST_BE_SHORT,
    RELEASE_IS_NOT_ALLOWED,
    RETURN_IS_NOT_ALLOWED,
    SETTLEMENT_MUST_FIT_THE_TRANCHE,
    TRANCHE_HAS_ENDED,
    TRANCHE_MUST_EXIST,
)
from ringfence.escrow.telling import formula
from ringfence.escrow.word import challenge_of
from ringfence.incident.refusals import BRAKE_IS_PULLED
from ringfence.money import AMOUNT_IS_NOT_A_DECIMAL, parse_minor
from ringfence.vault.keeping import Vault
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Limit, Text
from ringfence.web.refusals import ADDRESS_IS_FOR_CUSTOMERS
from ringfence.web.visit import Client, Visit

router = APIRouter()
SAYING: Final = (
    SCOPE_IS_MISSING,
    AGREEMENT_MUST_EXIST,
    AGREEMENT_IS_NOT_IN_FORCE,
    SESSION_IS_NOT_VALID,
    PARTY_MUST_BE_NAMED,
    PARTY_MUST_SPEAK_FOR_ITSELF,
)
ENDING: Final = (
    SCOPE_IS_MISSING,
    PERSON_LACKS_THE_ROLE,
    AGREEMENT_MUST_EXIST,
    AGREEMENT_IS_NOT_IN_FORCE,
    TRANCHE_MUST_EXIST,
    TRANCHE_HAS_ENDED,
    NO_DAY_IS_OPEN,
)
Name = Annotated[str, Path(max_length=40)]


class NewAgreement(Answer):
    """Amounts are decimal strings of the currency. A condition is data over a closed vocabulary of versioned
    functions.
    """

    agreement: str = Field(
        max_length=40, description="A UUID given by the maker; the same again is the same agreement."
    )
    payer: str = Field(max_length=40, examples=["c0001"])
    currency: str = Field(pattern="^[A-Z]{3}$", examples=["EUR"])
    parties: dict[str, str] = Field(examples=[{"buyer": "customer:c0001", "courier": "person:bella"}])
    claims: dict[str, Any] | None = Field(None, examples=[{"by": ["buyer"], "arbiters": ["courier"], "needed": 1}])
    tranches: list[dict[str, Any]] = Field(description="name, payees (customer and amount), release, return")
    expires_at: str = Field(max_length=40, examples=["2026-04-01T00:00:00Z"])
    reference: str = Field("", max_length=REFERENCE_CHARACTERS_MAX)


class Milestone(Answer):
    milestone: str = Field(max_length=40)
    party: str = Field(max_length=40, description="The name in the agreement under which the caller speaks.")


class NewClaim(Answer):
    id: UUID = Field(description="Given by who claims.")
    tranche: str = Field(max_length=40)
    party: str = Field(max_length=40)
    reason: str = Field(max_length=saying.REASON_CHARACTERS_MAX)


class Settlement(Answer):
    party: str = Field(max_length=40, description="The arbiter.")
    payees_get: str = Field(max_length=40, description="Of the tranche, in its currency; the rest is the payer's.")


class TruthAnswer(Answer):
    """Whether a condition is true now."""

    allows: bool
    formula: str = Field(description="Each function with + (true now) or - (not).")
    trace: dict[str, Any] = Field(description="The same as an object, with the rows of the journal that decided.")
    trace_sha256: str


class TrancheAnswer(Answer):
    name: str
    amount: Money
    state: str = Field(examples=["held", "released", "returned"])
    paid: Money | None = Field(description="What the payees got.")
    ended: int | None = Field(description="The row of the journal that ended it.")
    due: Money | None = Field(description="What the payees would get now.")
    release: TruthAnswer | None
    give_back: TruthAnswer | None = Field(description="The return.")


class AgreementAnswer(Answer):
    id: UUID
    sha256: str
    state: str = Field(examples=["refused", "awaiting_approval", "in_force", "called_off", "ended"])
    because: str
    payer: str
    amount: Money
    reference: str
    maker: str
    proposed_at: datetime
    moved_at: datetime
    document: dict[str, Any]
    tranches: list[TrancheAnswer]


class AgreementPage(Answer):
    agreements: list[AgreementAnswer]
    next: str | None = Field(description="The `before` of the next page, if there is one.")


class ReleaseAnswer(Answer):
    """Done, or a proposal that people have to approve first."""

    agreement: AgreementAnswer
    proposal: UUID | None


class OwnAgreements(Answer):
    agreements: list[AgreementAnswer]


@router.get("/escrow/agreements", dependencies=READ, summary="Escrow agreements, the latest first", responses=refuses())
def list_agreements(
    visit: Client,
    state: Text = None,
    customer: Text = None,
    before: Annotated[str | None, Query(max_length=80, description="From `next` of the page before.")] = None,
    limit: Limit = PAGE_ROWS,
) -> AgreementPage:
    with visit.core.connection() as connection:
        found = standing_agreements(
            connection, visit.book, state=state, customer=customer, before=place_of(before), limit=limit
        )
    return AgreementPage(
        agreements=[agreement_answer(visit, each) for each in found],
        next=after(found[-1]) if len(found) == limit else None,
    )


@router.get(
    "/escrow/agreements/{id}",
    dependencies=READ,
    summary="One agreement, with what is true about it now",
    responses=refuses(AGREEMENT_MUST_EXIST),
)
def one_agreement(visit: Client, id: UUID) -> AgreementAnswer:  # noqa: A002 - the API's word
    with visit.core.connection() as connection:
        found = agreement(connection, visit.book, id)
    return agreement_answer(visit, found)


@router.post(
    "/escrow/agreements",
    dependencies=WRITE,
    summary="Propose an agreement and hold its money",
    responses=refuses(
        SCOPE_IS_MISSING,
        PERSON_LACKS_THE_ROLE,
        MAKER_MAY_NOT_MAKE_THIS,
        DOCUMENT_IS_NOT_JSON,
        AGREEMENT_IS_NOT_VALID,
        CONDITION_IS_NOT_VALID,
        AGREEMENT_ID_ALREADY_HAS_OTHER_CONTENT,
        AGREEMENT_ID_IS_AN_ORDERS,
        AGREEMENT_MUST_EXPIRE_LATER,
        BRAKE_IS_PULLED,
        NO_DAY_IS_OPEN,
        CUSTOMER_MUST_EXIST,
        CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT,
        AMOUNT_IS_NOT_A_DECIMAL,
        *STANDING_IN_THE_WAY,
    ),
)
def propose(visit: Client, given: Annotated[NewAgreement, Body()]) -> AgreementAnswer:
    """What is signed is what was sent: the body is read again strictly, so that no name in it stands twice."""
    by = maker(visit)
    read_json(visit.request.state.body)
    said = given.model_dump(exclude={"reference"})
    return agreement_answer(visit, agreements.propose(visit.desk(Desk), said, by=by, reference=given.reference))


@router.post(
    "/escrow/agreements/{id}/withdrawal",
    dependencies=WRITE,
    summary="Call off an agreement that nobody has approved yet",
    responses=refuses(SCOPE_IS_MISSING, PERSON_LACKS_THE_ROLE, AGREEMENT_MUST_EXIST, AGREEMENT_IS_NOT_WAITING),
)
def withdraw(visit: Client, id: UUID) -> AgreementAnswer:  # noqa: A002 - the API's word
    maker(visit)
    return agreement_answer(visit, agreements.withdraw(visit.core, id))


@router.post(
    "/escrow/agreements/{id}/milestones",
    dependencies=WRITE,
    summary="A party approves a milestone",
    responses=refuses(*SAYING, MILESTONE_IS_APPROVED_ALREADY),
)
def approve_milestone(
    visit: Client,
    id: UUID,  # noqa: A002 - the API's word
    given: Annotated[Milestone, Body()],
) -> AgreementAnswer:
    done = saying.approve_milestone(visit.core, id, given.milestone, given.party, by=speaker(visit))
    return agreement_answer(visit, done)


@router.post(
    "/escrow/agreements/{id}/claims",
    dependencies=WRITE,
    summary="A party opens a claim: the tranche stays where it is until it is settled",
    responses=refuses(
        *SAYING, TRANCHE_MUST_EXIST, TRANCHE_HAS_ENDED, CLAIM_IS_OPEN_ALREADY, REASON_OF_A_CLAIM_MUST_BE_SHORT
    ),
)
def open_claim(
    visit: Client,
    id: UUID,  # noqa: A002 - the API's word
    given: Annotated[NewClaim, Body()],
) -> AgreementAnswer:
    by = speaker(visit)
    vault = visit.desk(Vault)
    done = saying.open_claim(visit.core, vault, id, given.id, given.tranche, given.party, given.reason, by=by)
    return agreement_answer(visit, done)


@router.get(
    "/my/escrow",
    dependencies=FOR_PEOPLE,
    summary="Agreements in which the customer is a party, the latest first (customers only)",
    responses=refuses(ADDRESS_IS_FOR_CUSTOMERS),
)
def own_agreements(visit: Client, limit: Limit = PAGE_ROWS) -> OwnAgreements:
    who = own.whose(visit.core, session_of(visit)).customer_id
    with visit.core.connection() as connection:
        found = agreements_of_party(connection, visit.book, who, limit)
    return OwnAgreements(agreements=[agreement_answer(visit, each) for each in found])


@router.post(
    "/my/escrow/{id}/words/documents",
    dependencies=FOR_PEOPLE,
    summary="Draw up the words by which the customer approves a milestone, to be signed (customers only)",
    responses=refuses(
        ADDRESS_IS_FOR_CUSTOMERS,
        PASSKEYS_NEED_A_HOST_NAME,
        CUSTOMER_HAS_NO_PASSKEY_HERE,
        AGREEMENT_MUST_EXIST,
        PARTY_MUST_BE_NAMED,
    ),
)
def draw_up_words(visit: Client, id: UUID, given: Annotated[Milestone, Body()]) -> DocumentToSign:  # noqa: A002
    document = saying.draft_milestone(visit.core, session_of(visit), id, given.milestone, given.party)
    return to_sign(visit, document, challenge_of(document))


@router.post(
    "/my/escrow/words",
    dependencies=FOR_PEOPLE,
    summary="Say what was signed (customers only)",
    responses=refuses(
        ADDRESS_IS_FOR_CUSTOMERS,
        PARTY_MUST_SIGN,
        AGREEMENT_MUST_EXIST,
        AGREEMENT_IS_NOT_IN_FORCE,
        PARTY_MUST_BE_NAMED,
        PARTY_MUST_SPEAK_FOR_ITSELF,
        MILESTONE_IS_APPROVED_ALREADY,
        CHALLENGE_DOES_NOT_FIT,
        *OF_A_PASSKEY,
        PASSKEY_MUST_WAIT,
    ),
)
def say_signed(visit: Client, given: Annotated[SignedDocument, Body()]) -> AgreementAnswer:
    done = saying.speak(visit.core, session_of(visit), *signed(given), relying_party(visit.origin))
    return agreement_answer(visit, done)


@router.post(
    "/escrow/agreements/{id}/claims/{claim}/settlements",
    dependencies=WRITE,
    summary="An arbiter says what the payees get",
    responses=refuses(*SAYING, CLAIM_MUST_BE_OPEN, SETTLEMENT_MUST_FIT_THE_TRANCHE, AMOUNT_IS_NOT_A_DECIMAL),
)
def settle_claim(
    visit: Client,
    id: UUID,  # noqa: A002 - the API's word
    claim: UUID,
    given: Annotated[Settlement, Body()],
) -> AgreementAnswer:
    payees_get = settled_amount(visit, id, given.payees_get)
    done = saying.settle_claim(visit.core, id, claim, given.party, payees_get, by=speaker(visit))
    return agreement_answer(visit, done)


@router.post(
    "/escrow/agreements/{id}/tranches/{name}/release",
    dependencies=WRITE,
    summary="Release a tranche if its condition is true, or ask people to approve that",
    responses=refuses(*ENDING, MAKER_MAY_NOT_MAKE_THIS, BRAKE_IS_PULLED, RELEASE_IS_NOT_ALLOWED),
)
def release(visit: Client, id: UUID, name: Name) -> ReleaseAnswer:  # noqa: A002 - the API's word
    done = releasing.release(visit.core, id, name, by=maker(visit))
    return ReleaseAnswer(agreement=agreement_answer(visit, done.standing), proposal=done.proposal)


@router.post(
    "/escrow/agreements/{id}/tranches/{name}/return",
    dependencies=WRITE,
    summary="Return a tranche to the payer if its return is true",
    responses=refuses(*ENDING, RETURN_IS_NOT_ALLOWED),
)
def give_back(visit: Client, id: UUID, name: Name) -> AgreementAnswer:  # noqa: A002 - the API's word
    maker(visit)
    return agreement_answer(visit, releasing.give_back(visit.core, id, name))


def speaker(visit: Visit) -> Actor:
    """Whoever calls; whether that is the party, the database finds by the token."""
    actor: Actor = visit.person.actor
    return actor


def settled_amount(visit: Visit, agreement_id: UUID, text: str) -> int:
    """Minor units of what an arbiter gives the payees; `settlement_must_fit_the_tranche` below nothing."""
    with visit.core.connection() as connection:
        unit = agreement(connection, visit.book, agreement_id).terms.unit
    found = parse_minor(text.strip(), unit)
    if found < 0:
        raise SETTLEMENT_MUST_FIT_THE_TRANCHE()
    return found


def after(found: Standing) -> str:
    """Where the page after this agreement begins."""
    return f"{found.proposed_at.isoformat()}~{found.agreement_id}"


def agreement_answer(visit: Visit, found: Standing) -> AgreementAnswer:
    unit = found.terms.unit.code
    with visit.core.connection() as connection:
        said = heard(connection, found) if found.state == "in_force" else None
    parts = []
    for each in found.tranches:
        seen = look(found, said, each.name, visit.now) if said is not None and each.state == "held" else None
        parts.append(
            TrancheAnswer(
                name=each.name,
                amount=money(each.amount, unit),
                state=each.state,
                paid=None if each.paid is None else money(each.paid, unit),
                ended=each.ended,
                due=None if seen is None else money(seen.due, unit),
                release=None if seen is None else _truth(seen.release),
                give_back=None if seen is None else _truth(seen.give_back),
            )
        )
    return AgreementAnswer(
        id=found.agreement_id,
        sha256=found.sha256,
        state=found.state,
        because=found.because,
        payer=found.terms.payer,
        amount=money(found.terms.amount, unit),
        reference=found.reference,
        maker=found.maker,
        proposed_at=found.proposed_at,
        moved_at=found.moved_at,
        document=said_of(found.terms),
        tranches=parts,
    )


def _truth(trace: Trace) -> TruthAnswer:
    return TruthAnswer(allows=trace.allows, formula=formula(trace), trace=trace.said(), trace_sha256=trace.sha256())
