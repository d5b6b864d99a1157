"""Authority over HTTP: a session for a program of a person's own, proposals, decisions, people, the policy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path
from pydantic import Field

from ringfence.authority import clients, codes, people, proposals, sessions
from ringfence.authority.actors import Session
from ringfence.authority.door import sign_in
from ringfence.authority.passkeys.assertions import (
    Assertion,
    approval_challenge,
    from_text,
    relying_party,
    require_our_page,
    to_text,
)
from ringfence.authority.passkeys.refusals import (
    APPROVAL_MUST_BE_SIGNED,
    ASSERTION_IS_NOT_VALID,
    CHALLENGE_DOES_NOT_FIT,
    ORIGIN_IS_NOT_OURS,
    PAGE_WAS_EMBEDDED,
    PASSKEY_ANSWER_IS_NOT_BASE64URL,
    PASSKEY_COUNTER_WENT_BACK,
    PASSKEY_IS_NOT_KNOWN,
    PASSKEY_IS_SOMEBODY_ELSES,
    PASSKEY_MUST_WAIT,
    PASSKEY_SIGNATURE_DOES_NOT_VERIFY,
    USER_WAS_NOT_VERIFIED,
)
from ringfence.authority.refusals import (
    CLIENT_MUST_EXIST,
    CODE_DOES_NOT_FIT,
    CODE_IS_NEEDED_FIRST,
    CODE_SECRET_MUST_HAVE_20_BYTES,
    MAKER_MAY_NOT_BE_CHECKER,
    MAKER_MAY_NOT_CHECK,
    MAKER_MAY_NOT_MAKE_THIS,
    PAYLOAD_WAS_CHANGED,
    PERSON_DECIDED_ALREADY,
    PERSON_HAS_A_SHORT_NAME,
    PERSON_ID_MUST_BE_A_WORD,
    PERSON_IS_A_PERSON_ALREADY,
    PERSON_LACKS_THE_ROLE,
    PERSON_MUST_EXIST,
    PROPOSAL_HAS_EXPIRED,
    PROPOSAL_IS_NOT_OPEN,
    PROPOSAL_MUST_EXIST,
    ROLE_IS_UNKNOWN,
    ROLES_CONFLICT,
    SCOPE_IS_UNKNOWN,
    SESSION_IS_NOT_VALID,
    SIGN_IN_IS_BUSY,
    SIGN_IN_MUST_WAIT,
    SIGN_IN_REFUSED,
)
from ringfence.authority.roles import Role
from ringfence.refusal import Fault, Refused
from ringfence.web.answers import Answer, Money, money, refuses
from ringfence.web.visit import Anybody, Client, Visit, address_of, scoped

router = APIRouter()
entrance = APIRouter()
RAW_CHARACTERS_MAX: Final = 32_000
OF_A_PASSKEY = (
    PASSKEY_ANSWER_IS_NOT_BASE64URL,
    ASSERTION_IS_NOT_VALID,
    ORIGIN_IS_NOT_OURS,
    PAGE_WAS_EMBEDDED,
    PASSKEY_IS_NOT_KNOWN,
    USER_WAS_NOT_VERIFIED,
    PASSKEY_SIGNATURE_DOES_NOT_VERIFY,
    PASSKEY_COUNTER_WENT_BACK,
)
WATCHES = (Role.AUDITOR, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN)
ORDERS = [scoped("orders:read")]


def session_of(visit: Client) -> Session:
    """The session of a person; a program of the platform decides nothing."""
    actor = visit.person.actor
    if not isinstance(actor, Session):
        raise PERSON_LACKS_THE_ROLE()
    return actor


FOR_PEOPLE = [Depends(session_of)]


class SignIn(Answer):
    name: str = Field(max_length=200)
    password: str = Field(max_length=1000)
    code: str = Field("", max_length=10, description="Of the person's device for codes, if there is one.")


class CodeDevice(Answer):
    """A secret that a device has taken, and what it shows."""

    password: str = Field(max_length=1000)
    secret: str = Field(max_length=60, description="20 bytes in base32.")
    code: str = Field(max_length=10, examples=["287082"])


class SessionToken(Answer):
    """Send it as `Authorization: Bearer`; it is shown once and ends with the session."""

    token: str
    person: str
    roles: list[str]
    ends_at: datetime


class PasskeyAssertion(Answer):
    """What a device said when a passkey was used: base64url without padding, as browsers write it."""

    credential: str = Field(max_length=RAW_CHARACTERS_MAX)
    client_data: str = Field(max_length=RAW_CHARACTERS_MAX)
    authenticator_data: str = Field(max_length=RAW_CHARACTERS_MAX)
    signature: str = Field(max_length=RAW_CHARACTERS_MAX)


class DecisionAnswer(Answer):
    person: str
    decided: str = Field(examples=["approve"])
    at: datetime
    sequence: int
    passkey: str | None = Field(description="The passkey that signed it, in hexadecimal digits; null: a session alone.")


class ProposalAnswer(Answer):
    """A proposal: what exactly is proposed, who must approve it, who has decided."""

    id: UUID
    act: str
    state: str
    order_id: UUID | None
    maker: str
    amount: Money | None
    facts: dict[str, str]
    sha256: str = Field(description="Of the canonical bytes; an approval names it.")
    payload: str = Field(description="The canonical bytes, as text.")
    challenge: str = Field(description="What a passkey signs: SHA-256 of the bytes under a tag, base64url.")
    people: int = Field(description="How many people must approve.")
    roles: list[str]
    signed: bool = Field(description="Each by a passkey.")
    decisions: list[DecisionAnswer]
    made_at: datetime
    expires_at: datetime


class ProposalList(Answer):
    proposals: list[ProposalAnswer]


class Decide(Answer):
    decision: Literal["approve", "reject"]
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the bytes that were read.")
    reason: str = Field("", max_length=500)
    assertion: PasskeyAssertion | None = Field(None, description="A passkey's signature under an approval.")


class Decided(Answer):
    approvals: int
    complete: bool
    sequence: int


class PersonAnswer(Answer):
    id: str
    name: str
    active: bool
    roles: list[str]


class PeopleAnswer(Answer):
    people: list[PersonAnswer]


class PersonChange(Answer):
    """A new person, or other roles for one; with `new_password`, a one-time password."""

    id: str = Field(max_length=32, examples=["grace"])
    name: str = Field(max_length=100)
    roles: list[str] = Field(max_length=6)
    new_password: bool = Field(description="A new person needs one.")


class PersonProposed(Answer):
    """The password is shown once; it opens nothing before the proposal is approved, and is changed at once."""

    proposal: UUID
    sha256: str
    one_time_password: str | None


class NewClient(Answer):
    id: str = Field(max_length=32, examples=["platform"])
    scopes: list[str] = Field(min_length=1, max_length=20, examples=[["orders:read", "orders:write"]])


class ClientToken(Answer):
    """Send it as `Authorization: Bearer`; it is shown once."""

    id: str
    scopes: list[str]
    token: str


class ClientAnswer(Answer):
    id: str
    scopes: list[str]
    active: bool
    sequence: int = Field(description="The row of the journal that says so.")


class ClientList(Answer):
    clients: list[ClientAnswer]


@entrance.post(
    "/sessions",
    summary="Sign in: a person's token",
    responses=refuses(SIGN_IN_REFUSED, SIGN_IN_MUST_WAIT, SIGN_IN_IS_BUSY),
)
def open_session(visit: Anybody, given: Annotated[SignIn, Body()]) -> SessionToken:
    opened = sign_in(visit.core, given.name, given.password, address_of(visit.request), given.code)
    return session_token_of(opened)


@router.delete("/sessions/current", status_code=204, summary="Sign out", responses=refuses(SESSION_IS_NOT_VALID))
def close_session(visit: Client) -> None:
    sessions.sign_out(visit.core, session_of(visit))


@router.put(
    "/code-device",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Set up a device for codes: from now on a sign-in by password takes a code as well (people only)",
    responses=refuses(
        SIGN_IN_REFUSED,
        SIGN_IN_MUST_WAIT,
        CODE_SECRET_MUST_HAVE_20_BYTES,
        CODE_IS_NEEDED_FIRST,
        CODE_DOES_NOT_FIT,
    ),
)
def set_code_device(visit: Client, given: Annotated[CodeDevice, Body()]) -> None:
    codes.set_device(visit.core, session_of(visit), given.password, codes.secret_of(given.secret), given.code)


@router.get("/proposals", dependencies=ORDERS, summary="What waits for approval, the oldest first", responses=refuses())
def pending(visit: Client) -> ProposalList:
    with visit.core.connection() as connection:
        return ProposalList(
            proposals=[_proposal(each) for each in proposals.pending(connection, visit.book, visit.now)]
        )


@router.get("/proposals/{id}", dependencies=ORDERS, summary="One proposal", responses=refuses(PROPOSAL_MUST_EXIST))
def one(visit: Client, id: UUID) -> ProposalAnswer:  # noqa: A002 - the API's word
    with visit.core.connection() as connection:
        return _proposal(proposals.proposal_of(connection, visit.book, id))


@router.post(
    "/proposals/{id}/decisions",
    summary="Approve or reject exactly the bytes of a SHA-256 (people only)",
    responses=refuses(
        PROPOSAL_MUST_EXIST,
        PERSON_DECIDED_ALREADY,
        PROPOSAL_IS_NOT_OPEN,
        PROPOSAL_HAS_EXPIRED,
        PAYLOAD_WAS_CHANGED,
        MAKER_MAY_NOT_CHECK,
        PERSON_LACKS_THE_ROLE,
        *OF_A_PASSKEY,
        CHALLENGE_DOES_NOT_FIT,
        PASSKEY_IS_SOMEBODY_ELSES,
        PASSKEY_MUST_WAIT,
        APPROVAL_MUST_BE_SIGNED,
    ),
)
def decide(visit: Client, id: UUID, given: Annotated[Decide, Body()]) -> Decided:  # noqa: A002 - the API's word
    assertion = assertion_of(given.assertion.model_dump()) if given.assertion else None
    found = decide_and_carry_out(visit, id, bytes.fromhex(given.sha256), given.decision, given.reason, assertion)
    return Decided(approvals=found.count, complete=found.complete, sequence=found.sequence)


@router.get("/people", summary="The staff and their roles", responses=refuses(PERSON_LACKS_THE_ROLE))
def staff(visit: Client) -> PeopleAnswer:
    session_of(visit)
    with visit.core.connection() as connection:
        found = people.people(connection, visit.book)
    return PeopleAnswer(
        people=[
            PersonAnswer(id=each.person_id, name=each.display_name, active=each.active, roles=list(each.roles))
            for each in found
        ]
    )


@router.post(
    "/people",
    dependencies=FOR_PEOPLE,
    summary="Propose a person, other roles or a new password (security administrators only)",
    responses=refuses(
        PERSON_LACKS_THE_ROLE,
        MAKER_MAY_NOT_MAKE_THIS,
        PERSON_ID_MUST_BE_A_WORD,
        PERSON_HAS_A_SHORT_NAME,
        ROLE_IS_UNKNOWN,
        ROLES_CONFLICT,
        MAKER_MAY_NOT_BE_CHECKER,
    ),
)
def propose_person(visit: Client, given: Annotated[PersonChange, Body()]) -> PersonProposed:
    made = people.propose_person(
        visit.core, session_of(visit), given.id, given.name, given.roles, new_password=given.new_password
    )
    drafted = made.drafted
    return PersonProposed(
        proposal=drafted.proposal_id,
        sha256=drafted.payload_sha256.hex(),
        one_time_password=made.one_time_password,
    )


@router.post(
    "/people/{id}/deactivation",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Take all roles and sessions from a person at once (security administrators only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, PERSON_MUST_EXIST),
)
def deactivate_person(visit: Client, id: Annotated[str, Path(max_length=32)]) -> None:  # noqa: A002 - the API's word
    people.deactivate(visit.core, session_of(visit), id)


@router.get(
    "/clients",
    dependencies=FOR_PEOPLE,
    summary="Programs of the platform, also revoked ones (people only)",
    responses=refuses(PERSON_LACKS_THE_ROLE),
)
def list_clients(visit: Client) -> ClientList:
    require_watch(visit)
    with visit.core.connection() as connection:
        found = clients.clients(connection, visit.book)
    return ClientList(
        clients=[
            ClientAnswer(id=each.client_id, scopes=list(each.scopes), active=each.active, sequence=each.added)
            for each in found
        ]
    )


@router.post(
    "/clients",
    dependencies=FOR_PEOPLE,
    summary="Give a program a token (security administrators only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, SCOPE_IS_UNKNOWN, PERSON_ID_MUST_BE_A_WORD, PERSON_IS_A_PERSON_ALREADY),
)
def add_client(visit: Client, given: Annotated[NewClient, Body()]) -> ClientToken:
    made = clients.add_client(visit.core, session_of(visit), given.id, set(given.scopes))
    return ClientToken(id=made.client.client_id, scopes=sorted(made.client.scopes), token=made.token)


@router.delete(
    "/clients/{id}",
    status_code=204,
    dependencies=FOR_PEOPLE,
    summary="Take a program's token back, for good (security administrators only)",
    responses=refuses(PERSON_LACKS_THE_ROLE, CLIENT_MUST_EXIST),
)
def revoke_client(visit: Client, id: Annotated[str, Path(max_length=32)]) -> None:  # noqa: A002 - the API's word
    revoke(visit, id)


def session_token_of(opened: sessions.SignedIn) -> SessionToken:
    return SessionToken(
        token=opened.token,
        person=opened.session.person_id,
        roles=sorted(opened.session.roles),
        ends_at=opened.session.ends_at,
    )


def revoke(visit: Visit, client_id: str) -> None:
    """Take a program's token back; `client_must_exist`."""
    session = session_of(visit)
    session.require_role(Role.SECURITY_ADMIN)
    with visit.core.connection() as connection:
        known = {each.client_id for each in clients.clients(connection, visit.book) if each.active}
    if client_id not in known:
        raise CLIENT_MUST_EXIST(client=client_id)
    clients.revoke_client(visit.core, session, client_id)


def require_watch(visit: Visit) -> None:
    """Sessions and programs are for those who watch over them."""
    if not visit.person.has_role(*WATCHES):
        raise PERSON_LACKS_THE_ROLE()


def decide_and_carry_out(
    visit: Visit,
    proposal_id: UUID,
    payload_sha256: bytes,
    decision: str,
    reason: str,
    assertion: Assertion | None = None,
) -> proposals.Decided:
    """A person's yes or no; what that settles is carried out at once. If something forbids that now (no day is open,
    the core's own round was faster), the decision stands, and the round carries it out.
    """
    session = session_of(visit)
    if decision == "approve":
        if assertion is not None:
            _require_asked_here(visit, proposal_id, assertion)
        decided = proposals.approve(visit.core, session, proposal_id, payload_sha256, reason, assertion)
    else:
        decided = proposals.reject(visit.core, session, proposal_id, payload_sha256, reason)
    if decided.complete or decision == "reject":
        with visit.core.connection() as connection:
            act = proposals.proposal_of(connection, visit.book, proposal_id).act
        carries_out = visit.shell.carries_out.get(act)
        try:
            if carries_out:
                carries_out(visit, proposal_id)
        except Refused as no:
            if no.refusal.fault is not Fault.STATE:
                raise
    return decided


def _require_asked_here(visit: Visit, proposal_id: UUID, assertion: Assertion) -> None:
    """The passkey was asked about these bytes, on a page at the address where this one is."""
    ours = relying_party(visit.origin)
    with visit.core.connection() as connection:
        payload = proposals.proposal_of(connection, visit.book, proposal_id).payload
    require_our_page(assertion.client_data, "webauthn.get", approval_challenge(payload), ours.origin, ours.rp_id)


def assertion_of(said: Mapping[str, str]) -> Assertion:
    """What a device said, from the fields of a form or an answer of JSON; `passkey_answer_is_not_base64url`."""
    names = ("credential", "client_data", "authenticator_data", "signature")
    return Assertion(*(from_text(name, said[name]) for name in names))


def _proposal(found: proposals.Proposal) -> ProposalAnswer:
    terms = found.terms
    return ProposalAnswer(
        id=found.proposal_id,
        act=found.act,
        state=found.state,
        order_id=found.order_id,
        maker=found.maker,
        amount=money(terms.amount, terms.unit.code) if terms.amount is not None and terms.unit else None,
        facts=dict(terms.facts),
        sha256=found.payload_sha256.hex(),
        payload=found.payload.decode(),
        challenge=to_text(approval_challenge(found.payload)),
        people=found.people,
        roles=list(found.roles),
        signed=found.signed,
        decisions=[
            DecisionAnswer(
                person=each.person_id,
                decided=each.decided,
                at=each.at,
                sequence=each.sequence,
                passkey=each.assertion.credential_id.hex() if each.assertion else None,
            )
            for each in found.decisions
        ],
        made_at=found.made_at,
        expires_at=found.expires_at,
    )
