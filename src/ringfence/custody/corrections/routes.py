"""Corrections over HTTP: proposed by a treasurer, approved by others."""

from typing import Annotated
from uuid import UUID

from fastapi import Body
from pydantic import Field

from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.authority.standing.acts import REASON_CHARACTERS_MAX
from ringfence.authority.standing.routes import PROPOSING, ChangeProposed
from ringfence.custody import corrections
from ringfence.custody.own.routes import router
from ringfence.custody.refusals import TRANSFER_CANNOT_BE_CORRECTED
from ringfence.ledger.model import Result
from ringfence.ledger.refusals import RESULT_REFUSALS
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client

__all__ = ["router"]


class NewCorrection(Answer):
    transfer: UUID = Field(description="The id of the journal's row: a transfer, or the post of a held one.")
    reason: str = Field(max_length=REASON_CHARACTERS_MAX)


@router.post(
    "/corrections",
    dependencies=FOR_PEOPLE,
    summary="Propose to take a transfer back, whole (people only)",
    responses=refuses(
        *PROPOSING,
        RESULT_REFUSALS[Result.CORRECTED_TRANSFER_MUST_EXIST],
        RESULT_REFUSALS[Result.TRANSFER_ALREADY_CORRECTED],
        TRANSFER_CANNOT_BE_CORRECTED,
    ),
)
def propose_correction(visit: Client, given: Annotated[NewCorrection, Body()]) -> ChangeProposed:
    made = corrections.propose(visit.core, session_of(visit), given.transfer, given.reason)
    return ChangeProposed(proposal=made.proposal_id, sha256=made.payload_sha256.hex())
