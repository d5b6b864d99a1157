"""Rule packs over HTTP: which rules orders are judged by, and how to propose others."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body
from pydantic import AwareDatetime, Field

from ringfence.authority.refusals import MAKER_MAY_NOT_MAKE_THIS, PERSON_LACKS_THE_ROLE, RULE_PACK_MUST_EXIST
from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.authority.rule_packs import packs
from ringfence.risk.packs import propose
from ringfence.risk.refusals import LIST_HAS_A_NAME_OF_ONE_WORD, RISK_PROFILE_IS_UNKNOWN, RISK_RULES_ARE_WRONG
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, scoped

DOCUMENT_CHARACTERS_MAX = 40_000
LISTS_MAX = 50

router = APIRouter()


class RulePackAnswer(Answer):
    """The risk rules from a time on; RISK_DECISION says the SHA-256 of those that an order was judged by."""

    version: int
    effective_from: datetime
    sha256: str
    lists: list[str] = Field(description="Sanctions lists that have to be screened, by name.")
    sequence: int = Field(description="The row of the journal that set it.")


class RulePackList(Answer):
    packs: list[RulePackAnswer]


class NewRulePack(Answer):
    document: str = Field(max_length=DOCUMENT_CHARACTERS_MAX, description="The whole file of rules, TOML.")
    lists: list[Annotated[str, Field(max_length=60)]] = Field(max_length=LISTS_MAX)
    effective_from: AwareDatetime | None = Field(None, description="Absent: once it is approved.")


class RulePackProposed(Answer):
    """Who has to agree is in the policy; an approval names the SHA-256 of the proposal."""

    proposal: UUID
    sha256: str


@router.get(
    "/rule-packs",
    dependencies=[scoped("orders:read")],
    summary="The risk rules of the book by version, the latest first",
    responses=refuses(),
)
def list_packs(visit: Client) -> RulePackList:
    with visit.core.connection() as connection:
        found = packs(connection, visit.book)
    return RulePackList(
        packs=[
            RulePackAnswer(
                version=each.version,
                effective_from=each.effective_from,
                sha256=each.sha256,
                lists=list(each.lists),
                sequence=each.sequence,
            )
            for each in found
        ]
    )


@router.post(
    "/rule-packs/proposals",
    dependencies=FOR_PEOPLE,
    summary="Propose other risk rules, whole, in force once others have approved them (people only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        MAKER_MAY_NOT_MAKE_THIS,
        RULE_PACK_MUST_EXIST,
        RISK_RULES_ARE_WRONG,
        RISK_PROFILE_IS_UNKNOWN,
        LIST_HAS_A_NAME_OF_ONE_WORD,
    ),
)
def propose_pack(visit: Client, given: Annotated[NewRulePack, Body()]) -> RulePackProposed:
    made = propose(visit.core, session_of(visit), given.document, given.lists, given.effective_from)
    return RulePackProposed(proposal=made.proposal_id, sha256=made.payload_sha256.hex())
