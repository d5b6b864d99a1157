"""The payees' part of a customer's page: listed, proposed and removed."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Path
from fastapi.responses import Response

from ringfence.authority import proposals
from ringfence.banking.payee import ACT, payee_proposal
from ringfence.custody.orders import Desk
from ringfence.custody.own.pages import pages
from ringfence.custody.payees import register
from ringfence.custody.payees.routes import payee_answers, removed
from ringfence.custody.routes import maker
from ringfence.web.visit import Signed, Visit


def shown(visit: Visit, customer_id: str) -> dict[str, Any]:
    """What the page of a customer shows of payees; the proposals that people can still decide on are linked."""
    with visit.core.connection() as connection:
        found = register.payees_of(connection, visit.book, customer_id)
        asked = {each.proposal_id: each for each in proposals.pending(connection, visit.book, visit.now, ACT)}
        said = register.cooling_off(connection, visit.book, visit.now)
    return {
        "payees": payee_answers(visit, found),
        "payee_proposals": asked,
        "cooling_off": said,
        "payee_identity": visit.core.new_id(),
    }


@pages.post("/customers/{customer_id}/payees")
def propose_payee(
    visit: Signed,
    customer_id: Annotated[str, Path(max_length=40)],
    identity: Annotated[UUID, Form()],
    account: Annotated[str, Form(min_length=1, max_length=42)],
) -> Response:
    made = register.propose(visit.core, visit.desk(Desk).vault, identity, customer_id, account.strip(), by=maker(visit))
    return visit.go(f"/approvals/{payee_proposal(made.payee_id)}", said="payee_proposed")


@pages.post("/customers/{customer_id}/payees/{payee}/removal")
def remove_payee(visit: Signed, customer_id: Annotated[str, Path(max_length=40)], payee: UUID) -> Response:
    removed(visit, customer_id, payee)
    return visit.go(f"/customers/{customer_id}", said="payee_removed")


def carry_out(visit: Visit, proposal_id: UUID) -> None:
    """Add the payee of a proposal that has just become complete."""
    with visit.core.connection() as connection:
        about = proposals.proposal_of(connection, visit.book, proposal_id)
    if about.state == "complete":
        register.add(visit.core, visit.desk(Desk).vault, UUID(about.terms.facts["payee"]))
