"""The vault over HTTP: what is kept under which keys, and a whole value for a person who may see it."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body
from pydantic import Field

from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE
from ringfence.authority.routes import FOR_PEOPLE, session_of
from ringfence.vault.census import census
from ringfence.vault.keeping import Vault
from ringfence.vault.refusals import (
    FIELD_IS_NEVER_SHOWN,
    FIELD_IS_NOT_KEPT,
    FIELD_IS_UNKNOWN,
    FIELD_WAS_ERASED,
    REVEAL_MUST_HAVE_A_REASON,
)
from ringfence.vault.reveal import NOTE_CHARACTERS_MAX, REASONS, reveal
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client, scoped

router = APIRouter()


class KeyLine(Answer):
    """Field keys of one algorithm and state under one wrapping key."""

    wrapping_id: str
    provider: str
    wrap: str = Field(description="Algorithm of the wrapping key.", examples=["aes-256-gcm"])
    wrapping_state: Literal["active", "leaving", "retired"]
    algorithm: str | None = Field(description="Of the field keys; absent where there are none.")
    state: Literal["active", "leaving", "retired", "destroyed"] | None
    keys: int
    fields: int


class RotationOnItsWay(Answer):
    rotation: str
    keys: Literal["wrapping", "field"]
    began_at: datetime


class VaultAnswer(Answer):
    keys: list[KeyLine]
    rotations: list[RotationOnItsWay] = Field(description="Those that are on their way.")
    fields: int
    left_under_retired_keys: int = Field(description="0: no row uses a key that has left or is leaving.")


class NewReveal(Answer):
    field: str = Field(max_length=80, examples=["custody.customer.phone"])
    row: str = Field(max_length=400, description="The customer's or order's id.", examples=["c0001"])
    reason: str = Field(max_length=40, examples=list(REASONS))
    note: str = Field("", max_length=NOTE_CHARACTERS_MAX, description="For colleagues; not in the journal.")


class RevealAnswer(Answer):
    field: str
    row: str
    value: str
    sequence: int = Field(description="The row of the journal that says who saw it and why.")


@router.get(
    "/vault",
    dependencies=[scoped("position:read")],
    summary="What is kept under which keys",
    responses=refuses(),
)
def status(visit: Client) -> VaultAnswer:
    with visit.core.connection() as connection:
        return VaultAnswer(**census(connection, visit.book).as_json())


@router.post(
    "/vault/reveals",
    dependencies=FOR_PEOPLE,
    summary="See a whole value, for a reason that is journaled (people only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        FIELD_IS_UNKNOWN,
        FIELD_IS_NEVER_SHOWN,
        FIELD_IS_NOT_KEPT,
        FIELD_WAS_ERASED,
        REVEAL_MUST_HAVE_A_REASON,
    ),
)
def see(visit: Client, given: Annotated[NewReveal, Body()]) -> RevealAnswer:
    vault = visit.desk(Vault)
    found = reveal(visit.core, vault, session_of(visit), given.field, given.row, given.reason, given.note)
    return RevealAnswer(field=given.field, row=given.row, value=found.value, sequence=found.sequence)
