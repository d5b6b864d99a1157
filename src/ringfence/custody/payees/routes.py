"""Payees over HTTP: a customer's accounts elsewhere, proposed by one, agreed on by others, removed by one."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Body, Path
from pydantic import Field

from ringfence.authority.refusals import MAKER_MAY_NOT_MAKE_THIS, PERSON_LACKS_THE_ROLE, SCOPE_IS_MISSING
from ringfence.banking.account_number import ACCOUNT_NUMBER_IS_MALFORMED
from ringfence.banking.payee import payee_proposal, registered_payee
from ringfence.custody.customers import customer
from ringfence.custody.orders import Desk
from ringfence.custody.payees import register
from ringfence.custody.payees.register import Payee
from ringfence.custody.payees.telling import stopper
from ringfence.custody.personal.routes import router
from ringfence.custody.refusals import (
    CUSTOMER_MUST_EXIST,
    PAYEE_ID_ALREADY_HAS_OTHER_CONTENT,
    PAYEE_IS_BEING_PAID,
    PAYEE_IS_KNOWN_ALREADY,
    PAYEE_MUST_EXIST,
)
from ringfence.custody.routes import READ_CUSTOMERS, WRITE_CUSTOMERS, maker
from ringfence.vault.fields import PAYEE
from ringfence.vault.keeping import masks
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, Visit

__all__ = ["router"]


class NewPayee(Answer):
    id: UUID = Field(description="Given by the maker; the same again is the same payee.")
    account: str = Field(min_length=1, max_length=34, description="Held in the customer's own name.")


class PayeeAnswer(Answer):
    """An account that a customer may be paid to. Large payments wait while it is new."""

    id: UUID
    customer: str
    state: str = Field(examples=["proposed", "active", "removed"])
    account: str | None = Field(description="Masked.", examples=["NL26••••0001"])
    registered: bool = Field(description="The account that the customer was registered with; it never waits.")
    maker: str
    proposed_at: datetime
    added_at: datetime | None
    removed_at: datetime | None
    removed_by: str | None
    proposal: UUID | None = Field(description="What people decide on, if it is a new payee.")


class PayeeList(Answer):
    payees: list[PayeeAnswer]


@router.get(
    "/customers/{id}/payees",
    dependencies=READ_CUSTOMERS,
    summary="Accounts that a customer may be paid to, the latest first",
    responses=refuses(CUSTOMER_MUST_EXIST),
)
def list_payees(visit: Client, id: Annotated[str, Path(max_length=40)]) -> PayeeList:  # noqa: A002 - the API's word
    with visit.core.connection() as connection:
        customer(connection, visit.book, id)
        found = register.payees_of(connection, visit.book, id)
    return PayeeList(payees=payee_answers(visit, found))


@router.post(
    "/customers/{id}/payees",
    dependencies=WRITE_CUSTOMERS,
    summary="Propose another account that a customer may be paid to; somebody else approves it",
    responses=refuses(
        SCOPE_IS_MISSING,
        PERSON_LACKS_THE_ROLE,
        MAKER_MAY_NOT_MAKE_THIS,
        CUSTOMER_MUST_EXIST,
        ACCOUNT_NUMBER_IS_MALFORMED,
        PAYEE_IS_KNOWN_ALREADY,
        PAYEE_ID_ALREADY_HAS_OTHER_CONTENT,
    ),
)
def propose_payee(
    visit: Client,
    id: Annotated[str, Path(max_length=40)],  # noqa: A002 - the API's word
    given: Annotated[NewPayee, Body()],
) -> PayeeAnswer:
    proposed = register.propose(visit.desk(Desk), given.id, id, given.account, by=maker(visit))
    [answer] = payee_answers(visit, [proposed])
    return answer


@router.delete(
    "/customers/{id}/payees/{payee}",
    dependencies=WRITE_CUSTOMERS,
    summary="Remove a payee, alone and at once; what waits for it is cancelled",
    responses=refuses(SCOPE_IS_MISSING, PERSON_LACKS_THE_ROLE, PAYEE_MUST_EXIST, PAYEE_IS_BEING_PAID),
)
def remove_payee(
    visit: Client,
    id: Annotated[str, Path(max_length=40)],  # noqa: A002 - the API's word
    payee: UUID,
) -> PayeeAnswer:
    [answer] = payee_answers(visit, [removed(visit, id, payee)])
    return answer


def removed(visit: Visit, customer_id: str, payee_id: UUID) -> Payee:
    """Remove a payee of this customer; `payee_must_exist`."""
    by = stopper(visit.person.actor)
    with visit.core.connection() as connection:
        if register.payee(connection, visit.book, payee_id).customer_id != customer_id:
            raise PAYEE_MUST_EXIST()
    return register.remove(visit.desk(Desk), payee_id, by=by)


def payee_answers(visit: Visit, found: list[Payee]) -> list[PayeeAnswer]:
    with visit.core.connection() as connection:
        masked = masks(connection, visit.book, [PAYEE], [str(each.payee_id) for each in found])
    return [
        PayeeAnswer(
            id=each.payee_id,
            customer=each.customer_id,
            state=each.state,
            account=masked[str(each.payee_id)].get(PAYEE.name),
            registered=(first := each.payee_id == registered_payee(visit.book, each.customer_id)),
            maker=each.maker,
            proposed_at=each.proposed_at,
            added_at=each.added_at,
            removed_at=each.removed_at,
            removed_by=each.removed_by,
            proposal=None if first else payee_proposal(each.payee_id),
        )
        for each in found
    ]
