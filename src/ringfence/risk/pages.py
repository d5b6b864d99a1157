"""The page of risk rules: the versions, the rules in force as they are written, and a form for others."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import Response

from ringfence.authority import proposals, rule_packs
from ringfence.authority.roles import Role
from ringfence.authority.routes import session_of
from ringfence.risk import packs
from ringfence.risk.routes import DOCUMENT_CHARACTERS_MAX, router
from ringfence.web.shell import Entry, Module, Part
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

pages = APIRouter()


@pages.get("/rule-packs")
def page(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        versions = rule_packs.packs(connection, visit.book)
        waiting = proposals.pending(connection, visit.book, visit.now, rule_packs.ACT)
    standing = [each for each in versions if each.effective_from <= visit.now]
    return visit.page(
        "risk/rule_packs.html",
        versions=versions,
        waiting=waiting,
        document=standing[0].document.decode() if standing else "",
        lists=" ".join(standing[0].lists) if standing else "",
        may_propose=bool(standing) and visit.person.has_role(Role.RISK_OFFICER),
        document_max=DOCUMENT_CHARACTERS_MAX,
    )


@pages.post("/rule-packs")
def propose(
    visit: Signed,
    document: Annotated[str, Form(max_length=DOCUMENT_CHARACTERS_MAX)],
    lists: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    text = document.replace("\r\n", "\n")  # a browser sends its own ends of lines
    made = packs.propose(visit.core, session_of(visit), text, lists.split())
    return visit.go(f"/approvals/{made.proposal_id}", said="rule_pack_proposed")


def _carry_out(visit: Visit, proposal_id: UUID) -> None:
    if proposals.is_complete(visit.core, proposal_id):
        rule_packs.change(visit.core, proposal_id)


MODULE: Final = Module(
    package="risk",
    router=router,
    pages=pages,
    entries=[Entry("/rule-packs", msg("Risk rules"), Part.CONTROL, 96)],
    carries_out={rule_packs.ACT: _carry_out},
    words={"fact": ["lists"], "notice": ["rule_pack_proposed"]},
)
