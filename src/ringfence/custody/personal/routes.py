"""Customers over HTTP by what is personal of them: registering, looking up by a value, and proposing to erase."""

from typing import Annotated, Literal

from fastapi import Body, Path
from pydantic import Field

from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE
from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.authority.standing.routes import PROPOSING, ChangeProposed
from ringfence.custody.customers import customer, register
from ringfence.custody.orders import Desk
from ringfence.custody.personal import erasure
from ringfence.custody.refusals import (
    CUSTODIAN_ACCOUNT_MUST_EXIST,
    CUSTOMER_ID_IS_NOT_A_WORD,
    CUSTOMER_IS_REGISTERED_ALREADY,
    CUSTOMER_MUST_EXIST,
    CUSTOMER_MUST_HAVE_NO_MONEY,
    IDENTITY_NUMBER_IS_MALFORMED,
    PHONE_IS_MALFORMED,
)
from ringfence.custody.routes import (
    READ_CUSTOMERS,
    WRITE_CUSTOMERS,
    CustomerPage,
    WalletAnswer,
    customer_answer,
    maker,
    router,
    wallet_answer,
)
from ringfence.diligence.applying import application
from ringfence.diligence.files import Desk as DiligenceDesk
from ringfence.diligence.refusals import IDENTITY_HAS_AN_ACCOUNT_ALREADY, ROLE_OF_A_CUSTOMER_IS_A_WORD, TIER_IS_UNKNOWN
from ringfence.diligence.routes import NewDocument, NewOwner, own, take
from ringfence.vault.fields import OF_A_CUSTOMER
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client

__all__ = ["router"]


class NewCustomer(Answer):
    id: str = Field(max_length=40, examples=["c0001"])
    name: str = Field(min_length=1, max_length=140)
    nature: str = Field(pattern="^(person|firm)$")
    payee_account: str = Field(min_length=1, max_length=34, description="The customer's own account elsewhere.")
    bank: str = Field(description="The custodian account that is to hold the money.")
    identity_number: str | None = Field(
        None,
        max_length=40,
        description="Kept in cipher; one customer a number and role. Of a firm, its number of registration. Nobody is"
        " verified without one.",
    )
    phone: str | None = Field(None, max_length=40, description="Kept in cipher.")
    documents: list[NewDocument] = Field([], max_length=5, description="Brought along; more may come later.")
    owners: list[NewOwner] = Field([], max_length=20, description="Of a firm.")
    role: str | None = Field(None, max_length=20, description="A word of the platform's; `holder` if none is given.")
    tier: str | None = Field(None, max_length=40, description="Asked for; the profile's first if none is given.")


class LookUp(Answer):
    """Asked in the body, so that the value stands in no address and no log."""

    field: Literal["identity_number", "phone", "payee_account"]
    value: str = Field(min_length=1, max_length=40)


class NewErasure(Answer):
    reason: str = Field(max_length=REASON_CHARACTERS_MAX)


@router.post(
    "/customers",
    dependencies=WRITE_CUSTOMERS,
    summary="Register a customer",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        CUSTOMER_ID_IS_NOT_A_WORD,
        IDENTITY_NUMBER_IS_MALFORMED,
        PHONE_IS_MALFORMED,
        CUSTOMER_IS_REGISTERED_ALREADY,
        IDENTITY_HAS_AN_ACCOUNT_ALREADY,
        ROLE_OF_A_CUSTOMER_IS_A_WORD,
        TIER_IS_UNKNOWN,
        CUSTODIAN_ACCOUNT_MUST_EXIST,
    ),
)
def register_customer(visit: Client, given: Annotated[NewCustomer, Body()]) -> WalletAnswer:
    by = maker(visit)
    applies = application(visit.desk(DiligenceDesk).profile, given.nature, role=given.role, tier=given.tier)
    register(
        visit.core,
        visit.desk(Desk).vault,
        given.id,
        name=given.name,
        nature=given.nature,
        payee_account=given.payee_account,
        bank=given.bank,
        identity_number=given.identity_number,
        phone=given.phone,
        applies=applies,
        by=by,
    )
    for owned in given.owners:
        own(visit, given.id, owned)
    for paper in given.documents:
        take(visit, given.id, paper)
    return wallet_answer(visit, given.id)


@router.post(
    "/customers/look-ups",
    dependencies=READ_CUSTOMERS,
    summary="Customers by a sensitive value, found without reading one",
    responses=refuses(),
)
def look_up(visit: Client, given: Annotated[LookUp, Body()]) -> CustomerPage:
    [what] = [each for each in OF_A_CUSTOMER if each.name == given.field]
    rows = visit.desk(Desk).vault.find(what, given.value)
    with visit.core.connection() as connection:
        found = [customer(connection, visit.book, row) for row in rows]
    return CustomerPage(customers=[customer_answer(each) for each in found], next=None)


@router.post(
    "/customers/{id}/erasures",
    dependencies=FOR_PEOPLE,
    summary="Propose to erase a customer's sensitive fields for good (people only)",
    responses=refuses(*PROPOSING, CUSTOMER_MUST_EXIST, CUSTOMER_MUST_HAVE_NO_MONEY),
)
def propose_erasure(
    visit: Client,
    id: Annotated[str, Path(max_length=40)],  # noqa: A002 - the API's word
    given: Annotated[NewErasure, Body()],
) -> ChangeProposed:
    made = erasure.propose_erasure(visit.core, session_of(visit), id, given.reason)
    return ChangeProposed(proposal=made.proposal_id, sha256=made.payload_sha256.hex())
