"""Authority's pages: what waits for approval, one proposal with everything it says, people and sessions, the policy.

A proposal's page is rendered from its canonical bytes and from nothing else; the form names their SHA-256, so what a
person saw is what a person approves.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import Form, Path
from fastapi.responses import Response

from ringfence.authority import (
    clients,
    people,
    policies,
    proposals,
    sessions,
)
from ringfence.authority.actors import Client, Session, SignedContent
from ringfence.authority.door import let_in_person, open_sessions, sign_in
from ringfence.authority.door.pages import DOOR_NOTICES
from ringfence.authority.in_force.routes import router
from ringfence.authority.notifications import WHAT
from ringfence.authority.notifications.pages import NOTIFICATION_NOTICES, unread
from ringfence.authority.passkeys.keys import ACT, RAW_FACTS, enrol
from ringfence.authority.passkeys.pages import Raw, approval_question, sign_in_by_passkey, sign_in_question
from ringfence.authority.policy import ORIGINS, Policy, policy_in_force
from ringfence.authority.policy import policies as policy_versions
from ringfence.authority.providers import NOBODY, Directory
from ringfence.authority.providers import registration as providers
from ringfence.authority.providers.pages import PROVIDER_NOTICES, come_back, elsewhere, set_out
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import FROM_THE_DATABASE
from ringfence.authority.review.pages import REVIEW_NOTICES
from ringfence.authority.review.pages import panel as review_panel
from ringfence.authority.roles import STAFF, Role
from ringfence.authority.routes import WATCHES, assertion_of, decide_and_carry_out, entrance, revoke, session_of
from ringfence.authority.signing import ACT as PROGRAM_KEY
from ringfence.authority.signing import SignedRequest, admit, callers
from ringfence.authority.signing.pages import SIGNING_NOTICES
from ringfence.authority.standing import acts
from ringfence.authority.standing.pages import TONES, monitors_on, pages
from ringfence.authority.training.pages import TONES as TRAINING_TONES
from ringfence.authority.training.pages import TRAINING_NOTICES
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.ledger.standing import COVER, MEASURES
from ringfence.refusal import Fault, Refused
from ringfence.web.shell import Caller, Door, Entry, Module, Panel, Part
from ringfence.web.signature import Claim
from ringfence.web.visit import Signed, Visit
from ringfence.web.words import msg

SESSIONS_SHOWN: Final = 50
Words = Annotated[list[str], Form(max_length=20)]


@pages.get("/approvals")
def approvals(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        waiting = proposals.pending(connection, visit.book, visit.now)
        decided = [each for each in proposals.latest(connection, visit.book) if each.state != "open"]
        policy = policy_in_force(connection, visit.book, visit.now).policy
        objections = {
            each.proposal_id: objection(visit, connection, each.proposal_id, each.payload_sha256, "approve")
            for each in waiting
        }
    return visit.page(
        "authority/approvals.html",
        waiting=waiting,
        decided=decided,
        objections=objections,
        titles=_titles(visit, policy),
    )


@pages.get("/approvals/{proposal_id}")
def approval(visit: Signed, proposal_id: UUID) -> Response:
    with visit.core.connection() as connection:
        found = proposals.proposal_of(connection, visit.book, proposal_id)
        policy = policy_in_force(connection, visit.book, visit.now).policy
        against = {
            decision: objection(visit, connection, proposal_id, found.payload_sha256, decision)
            for decision in ("approve", "reject")
        }
    return visit.page(
        "authority/approval.html",
        proposal=found,
        question=approval_question(visit, found) if found.state == "open" else None,
        raw_facts=(*RAW_FACTS, *providers.RAW_FACTS),
        by_provider=isinstance(visit.person.actor, Session) and visit.person.actor.opened_by == "provider",
        terms=found.terms,
        against=against,
        titles=_titles(visit, policy),
    )


@pages.post("/approvals/{proposal_id}")
def decide(
    visit: Signed,
    proposal_id: UUID,
    decision: Annotated[Literal["approve", "reject"], Form()],
    sha256: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
    reason: Annotated[str, Form(max_length=500)] = "",
    credential: Raw = "",
    client_data: Raw = "",
    authenticator_data: Raw = "",
    signature: Raw = "",
) -> Response:
    raw = {
        "credential": credential,
        "client_data": client_data,
        "authenticator_data": authenticator_data,
        "signature": signature,
    }
    assertion = assertion_of(raw) if credential else None
    decided = decide_and_carry_out(visit, proposal_id, bytes.fromhex(sha256), decision, reason, assertion)
    said = "rejected" if decision == "reject" else "approved_by_all" if decided.complete else "approved"
    return visit.go(f"/approvals/{proposal_id}", said=said)


@pages.get("/people")
def staff(visit: Signed) -> Response:
    """Everybody sees who holds which role; sessions and programs are for those who watch over them."""
    watches = visit.person.has_role(*WATCHES)
    with visit.core.connection() as connection:
        found = people.people(connection, visit.book)
        opened = sessions.sessions(connection, visit.book, SESSIONS_SHOWN) if watches else []
        still = open_sessions(connection, visit.book, visit.now) if watches else []
        programs = clients.clients(connection, visit.book) if watches else []
    return visit.page(
        "authority/people.html",
        people=found,
        sessions=opened,
        still_open={each.session_id for each in still},
        clients=programs,
        watches=watches,
        administers=visit.person.has_role(Role.SECURITY_ADMIN),
        every_role=list(STAFF),
        every_scope=sorted(clients.SCOPES),
        **(review_panel(visit) if watches else {}),
    )


@pages.post("/people/proposals")
def propose_person(
    visit: Signed,
    login: Annotated[str, Form(max_length=40)],
    name: Annotated[str, Form(max_length=200)],
    roles: Words = [],  # noqa: B006 - no box is ticked; FastAPI copies it
    new_password: Annotated[bool, Form()] = False,
) -> Response:
    """Propose a person or other roles. A one-time password is on the answer's page and nowhere else."""
    made = people.propose_person(
        visit.core, session_of(visit), login.strip(), name.strip(), roles, new_password=new_password
    )
    there = f"/approvals/{made.drafted.proposal_id}"
    if made.one_time_password is None:
        return visit.go(there, said="person_proposed")
    return visit.page("authority/shown_once.html", whose=login.strip(), shown=made.one_time_password, there=there)


@pages.post("/people/{person_id}/deactivation")
def deactivate(visit: Signed, person_id: Annotated[str, Path(max_length=40)]) -> Response:
    people.deactivate(visit.core, session_of(visit), person_id)
    return visit.go("/people", said="person_left")


@pages.post("/clients")
def add_client(visit: Signed, client: Annotated[str, Form(max_length=40)], scopes: Words = []) -> Response:  # noqa: B006 - as above
    """Give a program a token. It is on the answer's page and nowhere else."""
    made = clients.add_client(visit.core, session_of(visit), client.strip(), set(scopes))
    return visit.page("authority/shown_once.html", whose=made.client.client_id, shown=made.token, there="/people")


@pages.post("/clients/{client_id}/revocation")
def revoke_client(visit: Signed, client_id: Annotated[str, Path(max_length=40)]) -> Response:
    revoke(visit, client_id)
    return visit.go("/people", said="client_revoked")


@pages.post("/sessions/{session_id}/revocation")
def revoke_session(visit: Signed, session_id: UUID) -> Response:
    sessions.revoke(visit.core, session_of(visit), session_id)
    return visit.go("/people", said="session_ended")


@pages.get("/policy")
def policy(visit: Signed) -> Response:
    with visit.core.connection() as connection:
        found = policy_in_force(connection, visit.book, visit.now)
        versions = policy_versions(connection, visit.book)
    return visit.page("authority/policy.html", found=found, versions=versions, titles=_titles(visit, found.policy))


def objection(
    visit: Visit, connection: Connection, proposal_id: UUID, payload_sha256: bytes, decision: str
) -> Refused | None:
    """Why this person may not decide so, by the database's own word; None if nothing is against it."""
    actor = visit.person.actor
    if not isinstance(actor, Session):
        return None
    asked = {
        "book": visit.book,
        "token_sha256": actor.token_sha256,
        "proposal": proposal_id,
        "payload_sha256": payload_sha256,
        "decision": decision,
        "at": visit.now,
    }
    row = connection.execute(QUERIES.objection, asked).fetchone()
    return FROM_THE_DATABASE[row[0]]() if row and row[0] else None


def waiting_for(visit: Visit) -> int:
    """How many proposals this person may decide on now."""
    with visit.core.connection() as connection:
        found = proposals.pending(connection, visit.book, visit.now)
        return sum(
            objection(visit, connection, each.proposal_id, each.payload_sha256, "approve") is None for each in found
        )


def _panel(visit: Visit) -> dict[str, object]:
    with visit.core.connection() as connection:
        waiting = proposals.pending(connection, visit.book, visit.now)
        policy = policy_in_force(connection, visit.book, visit.now).policy
        mine = {
            each.proposal_id
            for each in waiting
            if objection(visit, connection, each.proposal_id, each.payload_sha256, "approve") is None
        }
    return {"waiting": waiting, "mine": mine, "titles": _titles(visit, policy)}


def _titles(visit: Visit, policy: Policy) -> dict[str, str]:
    return {name: act.title_zh if visit.language == "zh" else act.title_en for name, act in policy.acts.items()}


def door(core: Core, directory: Directory = NOBODY) -> Door:
    """How callers come in: people by password, passkey or one of these identity providers, and then by session;
    programs by their token or a signature of each request.
    """

    def person(token: str) -> Caller | None:
        try:
            session = sessions.session_of(core, token)
        except Refused as no:
            if no.refusal.fault is Fault.IDENTITY:
                return None
            raise
        return Caller(
            maker=session.maker,
            name=session.display_name,
            roles=session.roles,
            scopes=frozenset(),
            must_change_password=session.must_change_password,
            actor=session,
        )

    def bearer(token: str) -> Caller | None:
        if not token.startswith(clients.PREFIX):
            return person(token)
        try:
            client = clients.client_of(core, token)
        except Refused as no:
            if no.refusal.fault is Fault.IDENTITY:
                return None
            raise
        return _caller(client)

    def signed(claims: Sequence[Claim]) -> list[Caller | Refused]:
        asked = [
            SignedRequest(
                each.key_id,
                each.nonce,
                each.created,
                each.expires,
                each.fits,
                SignedContent(each.key_id, each.base, each.signature, each.content),
            )
            for each in claims
        ]
        return [each if isinstance(each, Refused) else _caller(each) for each in callers(core, asked)]

    def sign_out(token: str) -> None:
        found = person(token)
        if found:
            sessions.sign_out(core, found.actor)

    def require_scope(caller: Caller, scope: str) -> None:
        if not isinstance(caller.actor, Session):
            caller.actor.require_scope(scope)

    return Door(
        sign_in=lambda name, password, code, address: sign_in(core, name, password, address, code).token,
        passkey_question=lambda origin: sign_in_question(core, origin),
        sign_in_by_passkey=lambda origin, said, address: (
            let_in_person(core, address, lambda: sign_in_by_passkey(core, origin, said)).token
        ),
        person=person,
        bearer=bearer,
        signed=signed,
        sign_out=sign_out,
        change_password=lambda token, old, new: people.change_password(
            core, sessions.session_of(core, token), old, new
        ),
        require_scope=require_scope,
        elsewhere=lambda language: elsewhere(core, directory, language),
        set_out=lambda name, origin, back: set_out(core, directory, name, origin, back),
        come_back=lambda name, origin, kept, answer, address, token: come_back(
            core, directory, name, origin, kept, answer, address, token
        ),
    )


def _caller(client: Client) -> Caller:
    return Caller(client.maker, client.client_id, frozenset(), client.scopes, must_change_password=False, actor=client)


def _if_complete(visit: Visit, proposal_id: UUID, does: Callable[[Core, UUID], object]) -> None:
    if proposals.is_complete(visit.core, proposal_id):
        does(visit.core, proposal_id)


MODULE: Final = Module(
    package="authority",
    router=router,
    entrance=entrance,
    pages=pages,
    panels=[Panel("approvals", msg("Waiting for approval"), 40, "authority/panel.html", _panel)],
    entries=[
        Entry("/approvals", msg("Approvals"), Part.TODAY, 30, waiting_for),
        Entry("/rules", msg("Rules"), Part.CONTROL, 95, monitors_on),
        Entry("/people", msg("People"), Part.CONTROL, 110),
        Entry("/passkeys", msg("Passkeys"), Part.CONTROL, 112),
        Entry("/passkeys", msg("Passkeys"), Part.OWN, 113),
        Entry(
            "/notifications",
            msg("Notifications"),
            Part.CONTROL,
            114,
            unread,
            msg("Something changed about how you sign in."),
        ),
    ],
    carries_out={
        "person_change": lambda visit, proposal_id: _if_complete(visit, proposal_id, people.change_person),
        ACT: lambda visit, proposal_id: _if_complete(visit, proposal_id, enrol),
        PROGRAM_KEY: lambda visit, proposal_id: _if_complete(visit, proposal_id, admit),
        "policy_change": lambda visit, proposal_id: _if_complete(visit, proposal_id, policies.change_policy),
        providers.SET: lambda visit, proposal_id: _if_complete(visit, proposal_id, providers.set_provider),
        providers.BIND: lambda visit, proposal_id: _if_complete(visit, proposal_id, providers.bind),
        **dict.fromkeys(
            acts.ACTS.values(),
            lambda visit, proposal_id: _if_complete(visit, proposal_id, acts.carry_out),
        ),
    },
    words={
        "role": [*Role, "client", "system"],
        "proposal state": ["open", "complete", "rejected", "carried_out"],
        "decision": ["approve", "reject"],
        "asked by": list(ORIGINS),
        "notice": [
            "approved", "approved_by_all", "rejected", "session_ended", "person_proposed", "person_left",
            "client_revoked", "change_proposed", "monitor_set", "passkey_proposed", "passkey_revoked",
            "code_device_set", *SIGNING_NOTICES, *TRAINING_NOTICES, *REVIEW_NOTICES, *DOOR_NOTICES,
            *PROVIDER_NOTICES, *NOTIFICATION_NOTICES,
        ],
        "fact": [
            "person", "roles", "display_name", "document", "version", "effective_from", "sha256", "account", "number",
            "currency", "minimum", "maximum", "minimum_before", "maximum_before", "through", "pool", "codes",
            "codes_before", "monitor", "owner_class", "side", "measure", "below", "above", "below_before",
            "above_before", "reason", "row", "label", "rp_id", "credential", "aaguid", "counter", "public_key",
            "client_data", "attestation_object", "provider", "issuer", "client_id", "subject_claim", "acr", "keys",
            "thumbprints", "subject", "client", "key", "scopes", "expires_at",
        ],
        "measure": [*MEASURES, COVER],
        "monitor state": list(TONES),
        "training state": list(TRAINING_TONES),
        "notification": list(WHAT),
    },
)  # fmt: skip
