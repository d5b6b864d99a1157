"""Single sign-on over HTTP: the providers and their keys, and which account of one is whose."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Form, Path
from pydantic import Field

from ringfence.authority.passkeys.refusals import CHALLENGE_WAS_USED
from ringfence.authority.providers import NOBODY, Directory, flow, registration
from ringfence.authority.providers.refusals import (
    ID_TOKEN_ALGORITHM_IS_NOT_ALLOWED,
    ID_TOKEN_IS_FOR_ANOTHER_AUDIENCE,
    ID_TOKEN_IS_NOT_VALID,
    ID_TOKEN_IS_OF_ANOTHER_ISSUER,
    ID_TOKEN_IS_OUT_OF_DATE,
    ID_TOKEN_SIGNATURE_DOES_NOT_VERIFY,
    IDENTITY_IS_NOT_BOUND,
    IDENTITY_MUST_EXIST,
    PROVIDER_IS_NOT_SET_UP,
    PROVIDER_IS_UNREACHABLE,
    PROVIDER_KEY_IS_NOT_KNOWN,
    PROVIDER_KEY_IS_USABLE,
    PROVIDER_MUST_EXIST,
)
from ringfence.authority.refusals import MAKER_MAY_NOT_MAKE_THIS, PERSON_LACKS_THE_ROLE
from ringfence.authority.routes import FOR_PEOPLE, WATCHES, entrance, router, session_of
from ringfence.web.answers import Answer, refuses
from ringfence.web.visit import Anybody, Client, Visit

ProviderName = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,31}$", max_length=32)]


class ProviderAnswer(Answer):
    name: str
    issuer: str
    client_id: str
    keys: list[str] = Field(description="Thumbprints (RFC 7638) of the keys that count.")
    removed: bool
    set_up: bool = Field(description="The settings of this installation say the same.")


class ProviderList(Answer):
    providers: list[ProviderAnswer]


class IdentityAnswer(Answer):
    person: str
    provider: str
    issuer: str
    subject: str
    bound_at: datetime
    used_at: datetime | None
    released: bool
    sequence: int = Field(description="The row of the journal that bound it.")


class IdentityList(Answer):
    identities: list[IdentityAnswer]


class ProviderProposed(Answer):
    """Two other people approve it; they compare the thumbprints with what the provider shows."""

    proposal: UUID
    sha256: str


def directory_of(visit: Visit) -> Directory:
    """The providers of this installation's settings."""
    found: Directory = visit.shell.desks.get(Directory, NOBODY)
    return found


def shown_to(visit: Visit) -> list[registration.Identity]:
    """Everybody's identities for who watches over people, else one's own."""
    whose = None if visit.person.has_role(*WATCHES) else session_of(visit).person_id
    with visit.core.connection() as connection:
        return registration.identities(connection, visit.book, whose)


@router.get(
    "/providers",
    dependencies=FOR_PEOPLE,
    summary="Identity providers for single sign-on (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def list_providers(visit: Client) -> ProviderList:
    settings = directory_of(visit).providers
    with visit.core.connection() as connection:
        known = registration.registered(connection, visit.book)
    return ProviderList(
        providers=[
            ProviderAnswer(
                name=each.name,
                issuer=each.issuer,
                client_id=each.client_id,
                keys=each.thumbprints,
                removed=each.removed is not None,
                set_up=each.name in settings and each.is_of(settings[each.name]),
            )
            for each in known
        ]
    )


@router.post(
    "/providers/{provider}/proposals",
    dependencies=FOR_PEOPLE,
    summary="Propose a provider of the settings, with the keys that it shows now (people only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        PROVIDER_IS_NOT_SET_UP,
        PROVIDER_IS_UNREACHABLE,
        PROVIDER_KEY_IS_USABLE,
        MAKER_MAY_NOT_MAKE_THIS,
    ),
)
def propose_provider(visit: Client, provider: ProviderName) -> ProviderProposed:
    found = directory_of(visit).named(provider)
    drafted = registration.propose_provider(visit.core, session_of(visit), found)
    return ProviderProposed(proposal=drafted.proposal_id, sha256=drafted.payload_sha256.hex())


@router.delete(
    "/providers/{provider}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Shut a provider out at once (security administrators only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, PROVIDER_MUST_EXIST),
)
def remove_provider(visit: Client, provider: ProviderName) -> None:
    registration.remove_provider(visit.core, session_of(visit), provider)


@router.get(
    "/identities",
    dependencies=FOR_PEOPLE,
    summary="One's own accounts at providers; everybody's for who watches over them (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def list_identities(visit: Client) -> IdentityList:
    return IdentityList(
        identities=[
            IdentityAnswer(
                person=each.person_id,
                provider=each.provider,
                issuer=each.issuer,
                subject=each.subject,
                bound_at=each.bound_at,
                used_at=each.used_at,
                released=each.released is not None,
                sequence=each.bound,
            )
            for each in shown_to(visit)
        ]
    )


@router.delete(
    "/providers/{provider}/identities/{person}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Release an account: one's own, or as security administrator anybody's (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, IDENTITY_MUST_EXIST),
)
def release_identity(visit: Client, provider: ProviderName, person: Annotated[str, Path(max_length=40)]) -> None:
    registration.release(visit.core, session_of(visit), provider, person)


@entrance.post(
    "/providers/{provider}/logouts",
    summary="A provider says by a logout token that somebody has signed out there (Back-Channel Logout 1.0)",
    responses=refuses(
        PROVIDER_MUST_EXIST,
        PROVIDER_KEY_IS_NOT_KNOWN,
        ID_TOKEN_IS_NOT_VALID,
        ID_TOKEN_ALGORITHM_IS_NOT_ALLOWED,
        ID_TOKEN_SIGNATURE_DOES_NOT_VERIFY,
        ID_TOKEN_IS_OF_ANOTHER_ISSUER,
        ID_TOKEN_IS_FOR_ANOTHER_AUDIENCE,
        ID_TOKEN_IS_OUT_OF_DATE,
        IDENTITY_IS_NOT_BOUND,
        CHALLENGE_WAS_USED,
    ),
)
def log_out(visit: Anybody, provider: ProviderName, logout_token: Annotated[str, Form(max_length=16_384)]) -> None:
    flow.log_out(visit.core, provider, logout_token)
