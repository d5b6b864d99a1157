"""The page of passkeys: one's own, a new one, and everybody's for who watches over people."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Form
from fastapi.responses import Response

from ringfence.authority import codes
from ringfence.authority.passkeys import keys, signing
from ringfence.authority.passkeys.assertions import RelyingParty, approval_challenge, relying_party, to_text
from ringfence.authority.passkeys.routes import Credential, propose, question_of, shown_to
from ringfence.authority.proposals import Proposal
from ringfence.authority.roles import Role
from ringfence.authority.routes import RAW_CHARACTERS_MAX, assertion_of, session_of
from ringfence.authority.sessions import SignedIn
from ringfence.authority.standing.pages import pages
from ringfence.core import Core
from ringfence.refusal import Fault, Refused
from ringfence.web.answers import status_of
from ringfence.web.visit import Signed, Visit

Raw = Annotated[str, Form(max_length=RAW_CHARACTERS_MAX)]


@pages.get("/passkeys")
def passkeys(visit: Signed) -> Response:
    try:
        question, sentence = question_of(visit).model_dump(), None
    except Refused as no:
        question, sentence = None, no.sentence(visit.language)
    return visit.page(
        "authority/passkeys.html",
        passkeys=shown_to(visit),
        question=question,
        sentence=sentence,
        mine=session_of(visit).person_id,
        administers=visit.person.has_role(Role.SECURITY_ADMIN),
        label_max=keys.LABEL_CHARACTERS_MAX,
    )


@pages.post("/passkeys")
def propose_passkey(
    visit: Signed,
    label: Annotated[str, Form(max_length=200)],
    challenge: Raw,
    client_data: Raw,
    attestation_object: Raw,
) -> Response:
    proposal, _ = propose(visit, label, challenge, client_data, attestation_object)
    there = "/passkeys" if visit.person.is_customer else f"/approvals/{proposal}"
    return visit.go(there, said="passkey_proposed")


@pages.get("/code-device")
def code_device(visit: Signed) -> Response:
    """The lesser way: a new secret for a device, shown until it is used."""
    return _code_device(visit, secrets.token_bytes(codes.SECRET_BYTES))


@pages.post("/code-device")
def set_code_device(
    visit: Signed,
    secret: Annotated[str, Form(max_length=60)],
    code: Annotated[str, Form(max_length=10)],
    password: Annotated[str, Form(max_length=1000)],
) -> Response:
    taken = codes.secret_of(secret)
    try:
        codes.set_device(visit.core, session_of(visit), password, taken, code)
    except Refused as no:
        if no.refusal.fault not in (Fault.IDENTITY, Fault.PERMISSION):
            raise
        visit.request.state.refused = no.name
        return _code_device(visit, taken, sentence=no.sentence(visit.language), status=status_of(no.refusal))
    return visit.go("/passkeys", said="code_device_set")


def _code_device(visit: Visit, secret: bytes, *, sentence: str | None = None, status: int = 200) -> Response:
    text = codes.text_of(secret)
    return visit.page(
        "authority/code_device.html",
        status=status,
        secret=text,
        groups=[text[at : at + 4] for at in range(0, len(text), 4)],
        address=codes.uri_of(session_of(visit).person_id, secret),
        sentence=sentence,
    )


@pages.post("/passkeys/{credential}/revocation")
def revoke_passkey(visit: Signed, credential: Credential) -> Response:
    keys.revoke(visit.core, session_of(visit), bytes.fromhex(credential))
    return visit.go("/passkeys", said="passkey_revoked")


def approval_question(visit: Visit, proposal: Proposal) -> dict[str, Any] | None:
    """What the person's device is asked to sign: exactly the bytes that the page shows. None without a fitting key."""
    ours = party_at(visit.origin)
    if ours is None:
        return None
    with visit.core.connection() as connection:
        known = keys.in_use(connection, visit.book, session_of(visit).person_id)
    allow = [to_text(each.credential_id) for each in known if each.rp_id == ours.rp_id]
    challenge = to_text(approval_challenge(proposal.payload))
    return {"challenge": challenge, "rp_id": ours.rp_id, "allow": allow} if allow else None


def sign_in_question(core: Core, origin: str) -> dict[str, Any] | None:
    """What the sign-in page asks of devices: any key of this place."""
    ours = party_at(origin)
    if ours is None:
        return None
    return {"challenge": to_text(keys.new_challenge(core)), "rp_id": ours.rp_id, "allow": []}


def sign_in_by_passkey(core: Core, origin: str, said: Mapping[str, str]) -> SignedIn:
    """A new session, by what a device said."""
    return signing.sign_in(core, assertion_of(said), relying_party(origin))


def party_at(origin: str) -> RelyingParty | None:
    try:
        return relying_party(origin)
    except Refused:
        return None
