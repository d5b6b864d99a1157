"""Customers over HTTP by what is personal of them: looking up by a value, and proposing to erase."""

from typing import Annotated, Literal

from fastapi import Body, Path
from pydantic import Field

from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.authority.standing.routes import PROPOSING, ChangeProposed
from ringfence.custody.customers import customer
from ringfence.custody.orders import Desk
from ringfence.custody.personal import erasure
from ringfence.custody.refusals import CUSTOMER_MUST_EXIST, CUSTOMER_MUST_HAVE_NO_MONEY
from ringfence.custody.routes import READ_CUSTOMERS, CustomerPage, customer_answer, router
from ringfence.vault.fields import OF_A_CUSTOMER
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client

__all__ = ["router"]


class LookUp(Answer):
    """Asked in the body, so that the value stands in no address and no log."""

    field: Literal["identity_number", "phone", "payee_account"]
    value: str = Field(min_length=1, max_length=40)


class NewErasure(Answer):
    reason: str = Field(max_length=REASON_CHARACTERS_MAX)


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
