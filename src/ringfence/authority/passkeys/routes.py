"""Passkeys over HTTP: signing in by one, one's own keys, taking a key back.

A program of a person's own that speaks to a device asks for a challenge, lets the device answer, and sends the answer.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Body, Path
from pydantic import Field

from ringfence.authority.door import let_in_person
from ringfence.authority.passkeys import keys, signing
from ringfence.authority.passkeys.assertions import Registration, from_text, relying_party, to_text
from ringfence.authority.passkeys.refusals import (
    CHALLENGE_DOES_NOT_FIT,
    CHALLENGE_IS_NOT_OURS,
    CHALLENGE_IS_TOO_OLD,
    CHALLENGE_WAS_USED,
    ORIGIN_IS_NOT_OURS,
    PAGE_WAS_EMBEDDED,
    PASSKEY_ANSWER_IS_NOT_BASE64URL,
    PASSKEY_HAS_A_SHORT_LABEL,
    PASSKEY_IS_ENROLLED_ALREADY,
    PASSKEY_MUST_BE_ES256,
    PASSKEY_MUST_EXIST,
    PASSKEYS_NEED_A_HOST_NAME,
    REGISTRATION_IS_NOT_VALID,
    USER_WAS_NOT_VERIFIED,
)
from ringfence.authority.refusals import PERSON_LACKS_THE_ROLE, SIGN_IN_MUST_WAIT
from ringfence.authority.routes import (
    FOR_PEOPLE,
    OF_A_PASSKEY,
    RAW_CHARACTERS_MAX,
    WATCHES,
    PasskeyAssertion,
    SessionToken,
    assertion_of,
    entrance,
    router,
    session_of,
    session_token_of,
)
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Anybody, Client, Visit, address_of

Credential = Annotated[str, Path(pattern="^([0-9a-f]{2}){16,1023}$", max_length=2046)]


class SignInQuestion(Answer):
    """What to ask a device: any key of this place, the user verified. Good for five minutes, once."""

    challenge: str = Field(description="base64url")
    rp_id: str = Field(examples=["localhost"])
    allow: list[str] = Field(description="Empty: the device says whose key it is.")


class EnrolmentQuestion(Answer):
    """What to ask a device for a new key. The user is verified, and the key stays in the device."""

    challenge: str = Field(description="base64url")
    rp_id: str
    rp_name: str
    user_id: str = Field(description="base64url")
    user_name: str
    user_display_name: str
    exclude: list[str] = Field(description="Keys that the person has already, base64url.")


class NewPasskey(Answer):
    """What a device said of a new key, base64url, and what its owner calls it."""

    label: str = Field(max_length=200, examples=["security key on my ring"])
    challenge: str = Field(max_length=200)
    client_data: str = Field(max_length=RAW_CHARACTERS_MAX)
    attestation_object: str = Field(max_length=RAW_CHARACTERS_MAX)


class PasskeyProposed(Answer):
    """Somebody else approves it; from then on it signs in, and after a time it approves."""

    proposal: UUID
    sha256: str


class PasskeyAnswer(Answer):
    credential: str = Field(description="Hexadecimal digits.")
    person: str
    label: str
    rp_id: str
    aaguid: UUID = Field(description="The make of the device, as far as it says so.")
    enrolled_at: datetime
    approves_from: datetime
    used_at: datetime | None
    uses: int = Field(description="As the device counts; 0 if it does not.")
    revoked: bool
    sequence: int = Field(description="The row of the journal that enrolled it.")


class PasskeyList(Answer):
    passkeys: list[PasskeyAnswer]


@entrance.post(
    "/sessions/passkey/challenges",
    summary="Begin to sign in by a passkey",
    responses=refuses(PASSKEYS_NEED_A_HOST_NAME),
)
def sign_in_question(visit: Anybody) -> SignInQuestion:
    rp_id = relying_party(visit.origin).rp_id
    return SignInQuestion(challenge=to_text(keys.new_challenge(visit.core)), rp_id=rp_id, allow=[])


@entrance.post(
    "/sessions/passkey",
    summary="Sign in by a passkey: a person's token",
    responses=refuses(
        SIGN_IN_MUST_WAIT,
        PASSKEYS_NEED_A_HOST_NAME,
        *OF_A_PASSKEY,
        CHALLENGE_IS_NOT_OURS,
        CHALLENGE_IS_TOO_OLD,
        CHALLENGE_WAS_USED,
    ),
)
def open_session(visit: Anybody, given: Annotated[PasskeyAssertion, Body()]) -> SessionToken:
    found = assertion_of(given.model_dump())
    party = relying_party(visit.origin)
    opened = let_in_person(visit.core, address_of(visit.request), lambda: signing.sign_in(visit.core, found, party))
    return session_token_of(opened)


@router.get(
    "/passkeys",
    dependencies=FOR_PEOPLE,
    summary="One's own passkeys; everybody's for who watches over them (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def list_passkeys(visit: Client) -> PasskeyList:
    return PasskeyList(
        passkeys=[
            PasskeyAnswer(
                credential=each.credential_id.hex(),
                person=each.person_id,
                label=each.label,
                rp_id=each.rp_id,
                aaguid=each.aaguid,
                enrolled_at=each.enrolled_at,
                approves_from=each.approves_from,
                used_at=each.used_at,
                uses=each.counter,
                revoked=each.revoked is not None,
                sequence=each.enrolled,
            )
            for each in shown_to(visit)
        ]
    )


@router.post(
    "/passkeys/challenges",
    dependencies=FOR_PEOPLE,
    summary="Begin to enrol a passkey of one's own (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, PASSKEYS_NEED_A_HOST_NAME),
)
def enrolment_question(visit: Client) -> EnrolmentQuestion:
    return question_of(visit)


@router.post(
    "/passkeys",
    dependencies=FOR_PEOPLE,
    summary="Propose a passkey of one's own (people only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        PASSKEYS_NEED_A_HOST_NAME,
        PASSKEY_ANSWER_IS_NOT_BASE64URL,
        CHALLENGE_IS_NOT_OURS,
        CHALLENGE_IS_TOO_OLD,
        CHALLENGE_DOES_NOT_FIT,
        ORIGIN_IS_NOT_OURS,
        PAGE_WAS_EMBEDDED,
        USER_WAS_NOT_VERIFIED,
        REGISTRATION_IS_NOT_VALID,
        PASSKEY_MUST_BE_ES256,
        PASSKEY_HAS_A_SHORT_LABEL,
        PASSKEY_IS_ENROLLED_ALREADY,
    ),
)
def propose_passkey(visit: Client, given: Annotated[NewPasskey, Body()]) -> PasskeyProposed:
    proposal, digest = propose(visit, given.label, given.challenge, given.client_data, given.attestation_object)
    return PasskeyProposed(proposal=proposal, sha256=digest.hex())


@router.delete(
    "/passkeys/{credential}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Take a passkey back for good: one's own, or as security administrator anybody's (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, PASSKEY_MUST_EXIST),
)
def revoke_passkey(visit: Client, credential: Credential) -> None:
    keys.revoke(visit.core, session_of(visit), bytes.fromhex(credential))


def shown_to(visit: Visit) -> list[keys.Passkey]:
    """Everybody's keys for who watches over people, else one's own."""
    whose = None if visit.person.has_role(*WATCHES) else session_of(visit).person_id
    with visit.core.connection() as connection:
        return keys.passkeys(connection, visit.book, whose)


def question_of(visit: Visit) -> EnrolmentQuestion:
    """What a device is asked for a new key of the person who is here; `passkeys_need_a_host_name`."""
    rp_id, session = relying_party(visit.origin).rp_id, session_of(visit)
    with visit.core.connection() as connection:
        known = keys.in_use(connection, visit.book, session.person_id)
    return EnrolmentQuestion(
        challenge=to_text(keys.new_challenge(visit.core)),
        rp_id=rp_id,
        rp_name="Ringfence 资金存管",
        user_id=to_text(keys.user_id_of(visit.core, session.person_id)),
        user_name=session.person_id,
        user_display_name=session.display_name,
        exclude=[to_text(each.credential_id) for each in known],
    )


def propose(visit: Visit, label: str, challenge: str, client_data: str, attestation_object: str) -> tuple[UUID, bytes]:
    """The proposal of a key of the person who is here, and its SHA-256."""
    registration = Registration(
        from_text("client_data", client_data), from_text("attestation_object", attestation_object)
    )
    drafted = keys.propose_key(
        visit.core,
        session_of(visit),
        label,
        registration,
        from_text("challenge", challenge),
        relying_party(visit.origin),
    )
    return drafted.proposal_id, drafted.payload_sha256
