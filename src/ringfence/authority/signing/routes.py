"""Keys of programs over HTTP: who may sign, with what, and until when."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Body, Path
from pydantic import AwareDatetime, Field

from ringfence.authority import signing
from ringfence.authority.refusals import (
    ACT_IS_NOT_IN_THE_POLICY,
    CLIENT_MUST_EXIST,
    PERSON_LACKS_THE_ROLE,
    SCOPE_IS_UNKNOWN,
)
from ringfence.authority.routes import FOR_PEOPLE, require_watch, router, session_of
from ringfence.authority.signing.refusals import (
    CLIENT_KEY_IS_A_KEY_ALREADY,
    CLIENT_KEY_MUST_BE_ED25519,
    CLIENT_KEY_MUST_END_WITHIN_TWO_YEARS,
    CLIENT_KEY_MUST_EXIST,
    CLIENT_KEY_REACHES_WHAT_ITS_CLIENT_DOES,
    PROGRAM_KEY_IS_ADMITTED_ALREADY,
)
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Client

ClientId = Annotated[str, Path(max_length=32)]


class KeyAnswer(Answer):
    """A program's public key; `revoked` is the row of the journal that took it back."""

    key: str = Field(examples=["demo/platform/0f1e2d3c4b5a6978"], description="The `keyid` of a signature.")
    fingerprint: str = Field(description="The last part of its name.")
    public_key: str = Field(description="32 bytes, hexadecimal.")
    scopes: list[str]
    expires_at: datetime
    sequence: int = Field(description="The row of the journal that added it.")
    revoked: int | None
    admitted: int | None = Field(description="The row since which the program may ask for payments by it.")


class KeyList(Answer):
    client: str
    signed_only: bool
    keys: list[KeyAnswer]


class NewKey(Answer):
    public_key: str = Field(
        max_length=signing.KEY_TEXT_CHARACTERS_MAX, description="Ed25519: 32 bytes in base64, or PEM."
    )
    scopes: list[str] = Field(min_length=1, max_length=20, examples=[["orders:read", "orders:write"]])
    expires_at: AwareDatetime = Field(description="Within two years.")


class KeyAdded(Answer):
    key: str


class AdmissionProposed(Answer):
    """Somebody else approves it; from then on the program's orders by this key are known to be the program's."""

    proposal: UUID
    sha256: str


class Signing(Answer):
    signed_only: bool = Field(description="Its bearer token opens nothing any more.")


@router.get(
    "/clients/{id}/keys",
    dependencies=FOR_PEOPLE,
    summary="The keys that a program signs with (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, CLIENT_MUST_EXIST),
)
def list_keys(visit: Client, id: ClientId) -> KeyList:  # noqa: A002 - the API's word
    require_watch(visit)
    with visit.core.connection() as connection:
        program = signing.program_of(connection, visit.book, id)
        found = signing.keys(connection, visit.book, id)
    return KeyList(
        client=id,
        signed_only=program.signed_only,
        keys=[
            KeyAnswer(
                key=each.key_id,
                fingerprint=each.fingerprint,
                public_key=bytes(each.public_key).hex(),
                scopes=each.scopes,
                expires_at=each.expires_at,
                sequence=each.added,
                revoked=each.revoked,
                admitted=each.admitted,
            )
            for each in found
        ],
    )


@router.post(
    "/clients/{id}/keys",
    dependencies=FOR_PEOPLE,
    summary="Let a program sign with a key (security administrators only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        CLIENT_KEY_MUST_BE_ED25519,
        SCOPE_IS_UNKNOWN,
        CLIENT_MUST_EXIST,
        CLIENT_KEY_REACHES_WHAT_ITS_CLIENT_DOES,
        CLIENT_KEY_MUST_END_WITHIN_TWO_YEARS,
        CLIENT_KEY_IS_A_KEY_ALREADY,
    ),
)
def add_key(visit: Client, id: ClientId, given: Annotated[NewKey, Body()]) -> KeyAdded:  # noqa: A002 - the API's word
    public_key = signing.read_public_key(given.public_key)
    key = signing.add_key(visit.core, session_of(visit), id, public_key, given.scopes, given.expires_at)
    return KeyAdded(key=key)


@router.delete(
    "/clients/{id}/keys/{fingerprint}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Take a program's key back, for good (security administrators only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, CLIENT_KEY_MUST_EXIST),
)
def revoke_key(visit: Client, id: ClientId, fingerprint: Annotated[str, Path(max_length=64)]) -> None:  # noqa: A002 - the API's word
    signing.revoke_key(visit.core, session_of(visit), id, fingerprint)


@router.post(
    "/clients/{id}/keys/{fingerprint}/admission",
    dependencies=FOR_PEOPLE,
    summary="Propose that a program may ask for payments by a key; somebody else approves it (people only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE, CLIENT_KEY_MUST_EXIST, PROGRAM_KEY_IS_ADMITTED_ALREADY, ACT_IS_NOT_IN_THE_POLICY
    ),
)
def admit_key(visit: Client, id: ClientId, fingerprint: Annotated[str, Path(max_length=64)]) -> AdmissionProposed:  # noqa: A002 - the API's word
    made = signing.propose_admission(visit.core, session_of(visit), id, fingerprint)
    return AdmissionProposed(proposal=made.proposal_id, sha256=made.payload_sha256.hex())


@router.put(
    "/clients/{id}/signing",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Whether a program must sign each request (security administrators only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, CLIENT_MUST_EXIST),
)
def set_signing(visit: Client, id: ClientId, given: Annotated[Signing, Body()]) -> None:  # noqa: A002 - the API's word
    signing.set_signed_only(visit.core, session_of(visit), id, signed_only=given.signed_only)
