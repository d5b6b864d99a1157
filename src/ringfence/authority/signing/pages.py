"""The page of one program: the keys that it signs with, and whether it must."""

from datetime import date
from typing import Annotated, Final

from fastapi import Form, Path
from fastapi.responses import Response

from ringfence.authority import signing
from ringfence.authority.roles import Role
from ringfence.authority.routes import require_watch, session_of
from ringfence.authority.signing.routes import ClientId
from ringfence.authority.standing.pages import pages
from ringfence.web.fields import end_of
from ringfence.web.visit import Signed

SIGNING_NOTICES: Final = ("key_added", "key_revoked", "signing_set")


@pages.get("/clients/{client_id}")
def program(visit: Signed, client_id: ClientId) -> Response:
    require_watch(visit)
    with visit.core.connection() as connection:
        found = signing.program_of(connection, visit.book, client_id)
        keys = signing.keys(connection, visit.book, client_id)
    return visit.page(
        "authority/program.html",
        program=found,
        keys=keys,
        administers=visit.person.has_role(Role.SECURITY_ADMIN),
    )


@pages.post("/clients/{client_id}/keys")
def add_key(
    visit: Signed,
    client_id: ClientId,
    public_key: Annotated[str, Form(max_length=signing.KEY_TEXT_CHARACTERS_MAX)],
    last_day: Annotated[date, Form()],
    scopes: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006 - no box is ticked; FastAPI copies it
) -> Response:
    key = signing.read_public_key(public_key)
    signing.add_key(visit.core, session_of(visit), client_id, key, scopes, end_of(last_day))
    return visit.go(f"/clients/{client_id}", said="key_added")


@pages.post("/clients/{client_id}/keys/{fingerprint}/revocation")
def revoke_key(visit: Signed, client_id: ClientId, fingerprint: Annotated[str, Path(max_length=64)]) -> Response:
    signing.revoke_key(visit.core, session_of(visit), client_id, fingerprint)
    return visit.go(f"/clients/{client_id}", said="key_revoked")


@pages.post("/clients/{client_id}/keys/{fingerprint}/admission")
def admit_key(visit: Signed, client_id: ClientId, fingerprint: Annotated[str, Path(max_length=64)]) -> Response:
    made = signing.propose_admission(visit.core, session_of(visit), client_id, fingerprint)
    return visit.go(f"/approvals/{made.proposal_id}", said="change_proposed")


@pages.post("/clients/{client_id}/signing")
def set_signing(visit: Signed, client_id: ClientId, signed_only: Annotated[bool, Form()]) -> Response:
    signing.set_signed_only(visit.core, session_of(visit), client_id, signed_only=signed_only)
    return visit.go(f"/clients/{client_id}", said="signing_set")
