"""The page of corrections: what was proposed, and a form that names a row of the journal."""

from typing import Annotated
from uuid import UUID

from fastapi import Form
from fastapi.responses import Response

from ringfence.authority import proposals
from ringfence.authority.roles import Role
from ringfence.authority.routes import session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.custody import corrections
from ringfence.custody.own.pages import pages
from ringfence.web.visit import Signed, Visit

NOTICES = ("correction_proposed",)


@pages.get("/corrections")
def page(visit: Signed, transfer: str = "") -> Response:
    with visit.core.connection() as connection:
        found = corrections.latest(connection, visit.book)
    return visit.page(
        "custody/corrections.html",
        found=found,
        transfer=transfer[:36],
        may_propose=visit.person.has_role(Role.TREASURER),
        reason_max=REASON_CHARACTERS_MAX,
    )


@pages.post("/corrections")
def propose(
    visit: Signed,
    transfer: Annotated[UUID, Form()],
    reason: Annotated[str, Form(max_length=REASON_CHARACTERS_MAX)] = "",
) -> Response:
    made = corrections.propose(visit.core, session_of(visit), transfer, reason)
    return visit.go(f"/approvals/{made.proposal_id}", said="correction_proposed")


def carry_out(visit: Visit, proposal_id: UUID) -> None:
    if proposals.is_complete(visit.core, proposal_id):
        corrections.carry_out(visit.core, proposal_id)
