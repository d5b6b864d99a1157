"""Due diligence over HTTP: files, and the evidence that programs and people bring.

A program needs the scope `customers:write` to bring evidence, a person the role of a treasurer or risk officer. What is
to be judged or decided is for people. The core does the rest in its rounds: it asks the identity provider, looks at the
lists and verifies, so an answer here shows the file as it was just after the step.
"""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query
from pydantic import Field

from ringfence.authority.actors import Actor, Session
from ringfence.authority.refusals import CHANGE_MUST_HAVE_A_REASON, PERSON_LACKS_THE_ROLE, SCOPE_IS_MISSING
from ringfence.authority.roles import Role
from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.diligence import deciding, evidence
from ringfence.diligence.files import CUSTOMER, Desk, File, Whole, files, whole_file
from ringfence.diligence.profiles import Tier
from ringfence.diligence.refusals import (
    COLLECTOR_MAY_NOT_DECIDE,
    CUSTOMER_HAS_NO_FILE,
    DOCUMENT_COUNTRY_IS_A_CODE,
    DOCUMENT_DIGEST_IS_MALFORMED,
    DOCUMENT_HAS_EXPIRED,
    DOCUMENT_KIND_IS_UNKNOWN,
    DOCUMENT_NUMBER_IS_MALFORMED,
    FILE_MAY_NOT_DO_THAT_NOW,
    FILE_MOVED_MEANWHILE,
    MATCH_IS_NOT_OPEN,
    ONLY_A_FIRM_HAS_OWNERS,
    OWNER_OWNS_OR_CONTROLS,
    PARTY_IS_A_WORD,
    PARTY_IS_NAMED_ALREADY,
    PARTY_MUST_BE_NAMED,
    RISK_CLASS_IS_UNKNOWN,
    SHARES_MUST_NOT_EXCEED_THE_WHOLE,
    TIER_IS_UNKNOWN,
)
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.fields import PAGE_ROWS, Limit, Text
from ringfence.web.visit import Client, Visit, scoped

READ: Final = [scoped("customers:read")]
WRITE: Final = [scoped("customers:write")]
MAY_COLLECT: Final = (Role.TREASURER, Role.RISK_OFFICER)
CustomerId = Annotated[str, Path(max_length=40)]
BRINGING: Final = (SCOPE_IS_MISSING, PERSON_LACKS_THE_ROLE, CUSTOMER_HAS_NO_FILE, FILE_MAY_NOT_DO_THAT_NOW)
DECIDING: Final = (PERSON_LACKS_THE_ROLE, CUSTOMER_HAS_NO_FILE, FILE_MAY_NOT_DO_THAT_NOW, FILE_MOVED_MEANWHILE)

router = APIRouter()


class FileAnswer(Answer):
    """A customer's file. `limits` are those of the tier that was given."""

    customer: str
    role: str
    nature: str
    state: str = Field(examples=["applied", "documents", "screened", "verified", "restricted", "closed"])
    step: int = Field(description="How many steps the file has taken; each is an event of the journal.")
    tier_asked: str
    tier: str | None
    limits: dict[str, Money]
    risk_class: str
    verified_at: datetime | None
    review_due: date | None
    restricted_from: date | None = Field(description="Unless it is renewed before that day.")
    restriction: str | None
    direction: str | None
    opened_at: datetime
    moved_at: datetime


class PartyAnswer(Answer):
    party: str
    name: str
    nature: str
    parent: str | None
    share_percent: str | None
    control: str | None
    answer: str | None
    screening: str | None
    matches: list[str] = Field(description="Entries of lists that the name is like: list, entry, likeness.")


class DocumentAnswer(Answer):
    step: int
    party: str
    kind: str
    country: str
    expires: date | None
    sha256: str
    taken_by: str
    taken_at: datetime


class WholeAnswer(Answer):
    file: FileAnswer
    parties: list[PartyAnswer]
    documents: list[DocumentAnswer]
    missing: list[str] = Field(description="What the tier that is asked for still lacks.")
    people: bool = Field(description="Whether people decide once nothing is missing.")


class FilePage(Answer):
    files: list[FileAnswer]
    next: str | None = Field(description="The `after` of the next page, if there is one.")


class TierAnswer(Answer):
    tier: str
    natures: list[str]
    documents: int
    people: bool
    limits: dict[str, Money]
    source: str
    verified: bool = Field(description="Whether the figures were held against the primary text.")


class TierList(Answer):
    profile: str
    owner_share_percent: str
    tiers: list[TierAnswer]


class NewDocument(Answer):
    kind: str = Field(max_length=40, examples=["passport"])
    country: str = Field(max_length=2, examples=["NL"])
    sha256: str = Field(max_length=64, description="Of the scan, which stays where the platform keeps it.")
    expires: date | None = None
    number: str | None = Field(None, max_length=40, description="Kept in cipher.")
    party: str = Field(CUSTOMER, max_length=20, description="Whose it is: the customer's, or an owner's.")


class NewOwner(Answer):
    """Somebody who owns or controls a firm."""

    party: str = Field(max_length=20, description="A word for it in this file.", examples=["owner-1"])
    name: str = Field(min_length=1, max_length=140)
    nature: Literal["person", "firm"]
    identity_number: str = Field(max_length=40, description="Kept in cipher. Of a firm, its number of registration.")
    share_percent: str | None = Field(None, pattern=r"^[0-9]{1,3}(\.[0-9]{1,2})?$", examples=["33.34"])
    control: str | None = Field(None, max_length=40, examples=list(evidence.CONTROLS))
    parent: str = Field(CUSTOMER, max_length=20, description="The firm of this file that it owns or controls.")


class AskedTier(Answer):
    tier: str = Field(max_length=40)
    risk_class: str | None = Field(None, max_length=20)


class Judgement(Answer):
    judged: Literal["the same", "somebody else"]
    reason: str = Field(max_length=REASON_CHARACTERS_MAX)


class NewRestriction(Answer):
    direction: Literal["in", "none"] | None = Field(None, description="The profile's own, if none is given.")
    reason: str = Field(max_length=REASON_CHARACTERS_MAX)


@router.get("/diligence/tiers", dependencies=READ, summary="Tiers of due diligence", responses=refuses())
def list_tiers(visit: Client) -> TierList:
    profile = visit.desk(Desk).profile
    return TierList(
        profile=profile.name,
        owner_share_percent=percent(profile.owner_share_bp),
        tiers=[tier_answer(each) for each in profile.tiers.values()],
    )


@router.get("/diligence/files", dependencies=READ, summary="Files of due diligence, by customer", responses=refuses())
def list_files(
    visit: Client,
    state: Text = None,
    due_within_days: Annotated[int | None, Query(ge=0, le=3_660)] = None,
    after: Text = None,
    limit: Limit = PAGE_ROWS,
) -> FilePage:
    due_by = None if due_within_days is None else visit.now.date() + timedelta(days=due_within_days)
    with visit.core.connection() as connection:
        found = files(connection, visit.book, state=state, due_by=due_by, after=after or "", limit=limit)
    return FilePage(
        files=[file_answer(visit, each) for each in found],
        next=found[-1].customer_id if len(found) == limit else None,
    )


@router.get(
    "/customers/{id}/diligence",
    dependencies=READ,
    summary="A customer's file of due diligence",
    responses=refuses(CUSTOMER_HAS_NO_FILE),
)
def one_file(visit: Client, id: CustomerId) -> WholeAnswer:  # noqa: A002 - the API's word
    with visit.core.connection() as connection:
        return whole_answer(visit, whole_file(connection, visit.book, id))


@router.post(
    "/customers/{id}/documents",
    dependencies=WRITE,
    summary="Bring a document; the same again changes nothing",
    responses=refuses(
        *BRINGING,
        DOCUMENT_KIND_IS_UNKNOWN,
        DOCUMENT_COUNTRY_IS_A_CODE,
        DOCUMENT_DIGEST_IS_MALFORMED,
        DOCUMENT_NUMBER_IS_MALFORMED,
        DOCUMENT_HAS_EXPIRED,
        PARTY_MUST_BE_NAMED,
    ),
)
def bring_document(visit: Client, id: CustomerId, given: Annotated[NewDocument, Body()]) -> WholeAnswer:  # noqa: A002
    return whole_answer(visit, take(visit, id, given))


@router.post(
    "/customers/{id}/owners",
    dependencies=WRITE,
    summary="Name somebody who owns or controls a firm",
    responses=refuses(
        *BRINGING,
        PARTY_IS_A_WORD,
        PARTY_MUST_BE_NAMED,
        ONLY_A_FIRM_HAS_OWNERS,
        OWNER_OWNS_OR_CONTROLS,
        DOCUMENT_NUMBER_IS_MALFORMED,
        PARTY_IS_NAMED_ALREADY,
        SHARES_MUST_NOT_EXCEED_THE_WHOLE,
    ),
)
def name_owner(visit: Client, id: CustomerId, given: Annotated[NewOwner, Body()]) -> WholeAnswer:  # noqa: A002
    return whole_answer(visit, own(visit, id, given))


@router.delete(
    "/customers/{id}/owners/{party}",
    dependencies=WRITE,
    summary="Take an owner out of the file, with everybody who was named through it",
    responses=refuses(*BRINGING, PARTY_MUST_BE_NAMED),
)
def withdraw_owner(visit: Client, id: CustomerId, party: Annotated[str, Path(max_length=20)]) -> WholeAnswer:  # noqa: A002
    return whole_answer(visit, evidence.withdraw_owner(visit.desk(Desk), id, party, by=collector(visit)))


@router.post(
    "/customers/{id}/tier",
    dependencies=WRITE,
    summary="Ask for another tier; evidence and people decide",
    responses=refuses(*BRINGING, TIER_IS_UNKNOWN, RISK_CLASS_IS_UNKNOWN),
)
def ask_tier(visit: Client, id: CustomerId, given: Annotated[AskedTier, Body()]) -> WholeAnswer:  # noqa: A002
    by = collector(visit)
    return whole_answer(visit, evidence.ask_tier(visit.desk(Desk), id, given.tier, by=by, risk_class=given.risk_class))


@router.post(
    "/customers/{id}/matches/{party}",
    dependencies=FOR_PEOPLE,
    summary="Judge whether a likeness is the one on the list (people only)",
    responses=refuses(
        *DECIDING, PARTY_MUST_BE_NAMED, MATCH_IS_NOT_OPEN, COLLECTOR_MAY_NOT_DECIDE, CHANGE_MUST_HAVE_A_REASON
    ),
)
def judge_match(
    visit: Client,
    id: CustomerId,  # noqa: A002 - the API's word
    party: Annotated[str, Path(max_length=20)],
    given: Annotated[Judgement, Body()],
) -> WholeAnswer:
    desk, by = visit.desk(Desk), session_of(visit)
    return whole_answer(visit, deciding.judge_match(desk, by, id, party, given.judged, given.reason))


@router.post(
    "/customers/{id}/restrictions",
    dependencies=FOR_PEOPLE,
    summary="Restrict a customer: nothing leaves until people lift it (people only)",
    responses=refuses(*DECIDING, CHANGE_MUST_HAVE_A_REASON),
)
def restrict(visit: Client, id: CustomerId, given: Annotated[NewRestriction, Body()]) -> WholeAnswer:  # noqa: A002
    desk, by = visit.desk(Desk), session_of(visit)
    return whole_answer(visit, deciding.restrict_customer(desk, by, id, given.direction, given.reason))


@router.post(
    "/customers/{id}/closing",
    dependencies=FOR_PEOPLE,
    summary="Close a customer without money, for good (people only)",
    responses=refuses(*DECIDING),
)
def close(visit: Client, id: CustomerId) -> WholeAnswer:  # noqa: A002 - the API's word
    return whole_answer(visit, deciding.close_customer(visit.desk(Desk), session_of(visit), id))


def collector(visit: Visit) -> Actor:
    """Who brings evidence: a program whose scope was checked, a treasurer, or a risk officer."""
    actor: Actor = visit.person.actor
    if isinstance(actor, Session):
        actor.require_role(*MAY_COLLECT)
    return actor


def take(visit: Visit, customer_id: str, given: NewDocument) -> Whole:
    return evidence.take_document(
        visit.desk(Desk),
        customer_id,
        kind=given.kind,
        country=given.country,
        sha256=given.sha256,
        expires=given.expires,
        number=given.number,
        party=given.party,
        by=collector(visit),
    )


def own(visit: Visit, customer_id: str, given: NewOwner) -> Whole:
    return evidence.name_owner(
        visit.desk(Desk),
        customer_id,
        given.party,
        name=given.name,
        nature=given.nature,
        identity_number=given.identity_number,
        share_bp=None if given.share_percent is None else basis_points(given.share_percent),
        control=given.control,
        parent=given.parent,
        by=collector(visit),
    )


def basis_points(text: str) -> int:
    """Hundredths of a percent of a decimal with at most two places.

    >>> basis_points("33.3"), basis_points("100")
    (3330, 10000)
    """
    whole, _, fraction = text.partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


def percent(share_bp: int) -> str:
    """A share as people write it.

    >>> percent(3334), percent(2500)
    ('33.34', '25')
    """
    whole, fraction = divmod(share_bp, 100)
    return f"{whole}.{fraction:02d}" if fraction else str(whole)


def file_answer(visit: Visit, found: File) -> FileAnswer:
    told: dict[str, Any] = {
        name: getattr(found, name)
        for name in (
            "role", "nature", "state", "step", "tier", "risk_class", "verified_at", "review_due", "restriction",
            "direction", "opened_at", "moved_at",
        )
    }  # fmt: skip
    return FileAnswer(
        customer=found.customer_id,
        tier_asked=found.asks,
        limits=amounts(found.limited.said()),
        restricted_from=found.restricted_from(visit.desk(Desk).profile),
        **told,
    )


def amounts(said: dict[str, str]) -> dict[str, Money]:
    """Limits as amounts."""
    return {name: money(int(text), said["currency"]) for name, text in said.items() if name != "currency"}


def tier_answer(found: Tier) -> TierAnswer:
    return TierAnswer(
        tier=found.name,
        natures=list(found.natures),
        documents=found.documents,
        people=found.people,
        limits=amounts(found.limits.said()),
        source=found.source,
        verified=found.verified,
    )


def whole_answer(visit: Visit, whole: Whole) -> WholeAnswer:
    profile = visit.desk(Desk).profile
    return WholeAnswer(
        file=file_answer(visit, whole.file),
        parties=[
            PartyAnswer(
                party=each.party,
                name=each.name,
                nature=each.nature,
                parent=each.parent,
                share_percent=None if each.share_bp is None else percent(each.share_bp),
                control=each.control,
                answer=each.answer,
                screening=each.screening,
                matches=[f"{one['list']} {one['entry']} {one['score']}" for one in each.matches or ()],
            )
            for each in whole.parties
        ],
        documents=[
            DocumentAnswer(
                step=each.step,
                party=each.party,
                kind=each.kind,
                country=each.country,
                expires=each.expires,
                sha256=bytes(each.sha256).hex(),
                taken_by=each.taken_by,
                taken_at=each.taken_at,
            )
            for each in whole.documents
        ],
        missing=deciding.missing(whole, profile, visit.now.date()),
        people=deciding.needs_people(whole, profile),
    )
