"""Proposals: an act is written down in bytes, and people decide on exactly these bytes.

States: open → complete → carried out; open → rejected. An open or complete proposal that is past its time is dead,
although nothing says so but the time.

Another package puts a proposal into its own unit, so that the order, the hold and the proposal are one append::

    policy = policy_in_force(connection, core.book.book_id, at)
    needed = required(policy, "payout", amount, unit, Seen(at, score))
    if needed.people:
        drafted = draft(core, policy, derived(order_id, "payout"), "payout", by=client, order=order_id, amount=amount,
                        unit=unit, score=score, facts={"creditor_name": …, "creditor_account": …})
        unit = Unit([*lines, drafted.line], also=[*projections, *drafted.also])

When it is complete, the unit that acts on it takes `carrying_out(...)` into its `also`; the database then counts the
approvals again and lets it happen once.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row

from ringfence.authority import terms as payloads
from ringfence.authority.actors import Actor, Session, maker_of, token_of
from ringfence.authority.escalations import Seen
from ringfence.authority.passkeys.assertions import Assertion, approval_challenge
from ringfence.authority.passkeys.counter import journaled
from ringfence.authority.policy import PolicyVersion, act_of, policy_in_force, required
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import (
    APPROVAL_IS_NOT_REQUIRED,
    DECISION_WAS_COUNTED_MEANWHILE,
    FROM_THE_DATABASE,
    PERSON_DECIDED_ALREADY,
    PROPOSAL_MUST_EXIST,
    REASON_MUST_BE_SHORT,
    REQUIREMENT_CHANGED_MEANWHILE,
)
from ringfence.authority.terms import Terms
from ringfence.core import Core
from ringfence.database.connection import Connection
from ringfence.database.queries import Query
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.money import Currency
from ringfence.refusal import Fault, Refusal, Refused

REASON_CHARACTERS_MAX: Final = 500
_ASSERTED: Final = ("credential_id", "client_data", "authenticator_data", "signature")
_ATTEMPTS: Final = 20  # as many people may decide at the same moment


@dataclass(frozen=True)
class Drafted:
    """A proposal for somebody's unit: the event's line, the statements beside it, and the bytes."""

    proposal_id: UUID
    line: Line
    also: tuple[Statement, ...]
    payload: bytes = field(repr=False)
    payload_sha256: bytes


@dataclass(frozen=True)
class Decision:
    """A person's yes or no. `reason` is for colleagues, and not in the journal."""

    proposal_id: UUID
    person_id: str
    payload_sha256: bytes
    decided: str  # "approve" or "reject"
    reason: str
    at: datetime
    sequence: int
    assertion: Assertion | None = None  # a passkey's signature over the proposal's bytes


@dataclass(frozen=True)
class Proposal:
    """A proposal as it stands, with what has been decided."""

    proposal_id: UUID
    act: str
    order_id: UUID | None
    payload: bytes = field(repr=False)
    payload_sha256: bytes
    maker: str
    people: int
    roles: tuple[str, ...]
    signed: bool
    policy_version: int
    made_at: datetime
    expires_at: datetime
    made: int
    state: str
    carried_out: int | None
    decisions: tuple[Decision, ...]

    @property
    def terms(self) -> Terms:
        """What it says, read from its bytes; `terms_are_not_valid` if they say nothing."""
        return payloads.read(self.payload)

    @property
    def approved_by(self) -> tuple[str, ...]:
        return tuple(each.person_id for each in self.decisions if each.decided == "approve")

    @property
    def missing(self) -> int:
        """How many people are still needed."""
        return max(0, self.people - len(self.approved_by))


@dataclass(frozen=True)
class Decided:
    """What came of a decision: `count` people have approved, and whether those are enough."""

    proposal_id: UUID
    count: int
    complete: bool
    sequence: int


def draft(
    core: Core,
    policy: PolicyVersion,
    proposal_id: UUID,
    act: str,
    *,
    by: Actor,
    order: UUID | None = None,
    amount: int | None = None,
    unit: Currency | None = None,
    facts: Mapping[str, str],
    score: int | None = None,
    at: datetime | None = None,
) -> Drafted:
    """A proposal to be put into a unit. It stands as long as the policy says, from `at` (now) on. `score` is what risk
    gives the order, None where it gives none. `act_is_not_in_the_policy`; `approval_is_not_required`; from the database
    `requirement_changed_meanwhile`, if the hour turned before the append.
    """
    at = at or core.clock()
    rule = act_of(policy, act)
    needed = required(policy, act, amount, unit, Seen(at, score), maker=maker_of(by))
    if not needed.people:
        raise APPROVAL_IS_NOT_REQUIRED()
    expires_at = at + timedelta(hours=rule.stands_hours)
    book = core.book.book_id
    nonce = core.new_id()
    payload = payloads.write(
        Terms(book, proposal_id, act, order, amount, unit, facts, policy.version, expires_at, nonce)
    )
    payloads.read(payload)
    digest = payloads.hash_of(payload)
    event = derived(proposal_id, "made")
    said: dict[str, Any] = {
        "proposal": str(proposal_id),
        "act": act,
        "sha256": digest.hex(),
        "maker": maker_of(by),
        "people": needed.people,
        "roles": list(needed.roles),
        "policy_version": policy.version,
    }
    if needed.signed:
        said["signed"] = True
    line = Line(Kind.EVENT, event, order_id=order, code=EventName.PROPOSAL_MADE, payload=said)
    facts_of_row = {
        "book": book,
        "event": event,
        "proposal": proposal_id,
        "payload": payload,
        "token_sha256": token_of(by),
    }
    return Drafted(proposal_id, line, ((QUERIES.make_proposal, facts_of_row),), payload, digest)


def propose(
    core: Core,
    by: Actor,
    proposal_id: UUID,
    act: str,
    *,
    order: UUID | None = None,
    amount: int | None = None,
    unit: Currency | None = None,
    facts: Mapping[str, str],
    beside: Callable[[UUID], Sequence[Statement]] = lambda _: (),
) -> Drafted:
    """Make a proposal that stands alone, under the policy in force. `beside` gives what is written in the same append,
    from the id of its event.
    """
    with core.connection() as connection:
        policy = policy_in_force(connection, core.book.book_id, core.clock())
    for attempt in range(_ATTEMPTS):
        drafted = draft(core, policy, proposal_id, act, by=by, order=order, amount=amount, unit=unit, facts=facts)
        try:
            core.post(Unit([drafted.line], [*drafted.also, *beside(drafted.line.id)]))
        except Refused as refused:
            if refused.refusal is not REQUIREMENT_CHANGED_MEANWHILE or attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    return drafted


def carrying_out(core: Core, proposal_id: UUID, act: str, event: Line) -> Statement:
    """The statement that spends a complete proposal in the append of `event`: once, or not at all."""
    return QUERIES.carry_out, {
        "book": core.book.book_id,
        "event": event.id,
        "number": event.code,
        "proposal": proposal_id,
        "act": act,
    }


def is_complete(core: Core, proposal_id: UUID) -> bool:
    """Has everybody approved it, and nobody carried it out yet?"""
    with core.connection() as connection:
        return proposal_of(connection, core.book.book_id, proposal_id).state == "complete"


def carry_out_each(
    waiting: Sequence[Proposal], does: Callable[[Proposal], object], *, leaving: Collection[Fault | Refusal]
) -> int:
    """Do what each of these complete proposals says, for the rounds; how many were done. One that is refused in a
    way of `leaving` is left alone, so that it holds up no other; whatever else is refused is raised.
    """
    done = 0
    for each in waiting:
        try:
            does(each)
            done += 1
        except Refused as refused:
            if refused.refusal not in leaving and refused.refusal.fault not in leaving:
                raise
    return done


def approve(
    core: Core,
    session: Session,
    proposal_id: UUID,
    payload_sha256: bytes,
    reason: str = "",
    assertion: Assertion | None = None,
) -> Decided:
    """The person of the session approves exactly the bytes with this SHA-256. Refused, by the database, in this order:
    `session_is_not_valid`, `proposal_must_exist`, `person_decided_already`, `proposal_is_not_open`,
    `proposal_has_expired`, `payload_was_changed`, `maker_may_not_check`, `person_lacks_the_role`, `course_has_lapsed`,
    `password_must_be_changed_first`; without an assertion `approval_must_be_signed` where the policy says so, with one
    what `authority.use_passkey` refuses, `passkey_is_somebody_elses`, `passkey_must_wait`.
    """
    return _decide(core, session, proposal_id, payload_sha256, "approve", reason, assertion)


def reject(core: Core, session: Session, proposal_id: UUID, payload_sha256: bytes, reason: str = "") -> Decided:
    """The person of the session rejects the proposal, for all; refused as `approve` is, but the maker may."""
    return _decide(core, session, proposal_id, payload_sha256, "reject", reason, None)


def _decide(
    core: Core,
    session: Session,
    proposal_id: UUID,
    payload_sha256: bytes,
    decision: str,
    reason: str,
    assertion: Assertion | None,
) -> Decided:
    book = core.book.book_id
    if len(reason) > REASON_CHARACTERS_MAX:
        raise REASON_MUST_BE_SHORT()
    for _ in range(_ATTEMPTS):
        with core.connection() as connection:
            asked = {
                "book": book,
                "token_sha256": session.token_sha256,
                "proposal": proposal_id,
                "payload_sha256": payload_sha256,
                "decision": decision,
            }
            objection = connection.execute(QUERIES.objection, asked | {"at": core.clock()}).fetchone()
            if objection is not None and objection[0] is not None:
                raise FROM_THE_DATABASE[objection[0]]()
            standing = proposal_of(connection, book, proposal_id)
        count = len(standing.approved_by) + (decision == "approve")
        event = derived(proposal_id, f"decision of {session.person_id}")
        said: dict[str, Any] = {
            "proposal": str(proposal_id),
            "sha256": payload_sha256.hex(),
            "person": session.person_id,
            "count": count,
        } | _signed_as(standing.payload, assertion)
        code = EventName.PROPOSAL_APPROVED if decision == "approve" else EventName.PROPOSAL_REJECTED
        line = Line(Kind.EVENT, event, order_id=standing.order_id, code=code, payload=said)
        written = asked | {"event": event, "reason": reason} | _row_of(assertion)
        try:
            with journaled(core, assertion.credential_id if assertion else None):
                [answer] = core.post(Unit([line], also=[(QUERIES.decide, written)]))
        except Refused as refused:
            if refused.name == DECISION_WAS_COUNTED_MEANWHILE.name:
                continue
            if refused.name == Result.ID_ALREADY_HAS_OTHER_CONTENT.word:
                raise PERSON_DECIDED_ALREADY() from refused
            raise
        if answer.replayed:
            raise PERSON_DECIDED_ALREADY()
        return Decided(proposal_id, count, decision == "approve" and count >= standing.people, answer.sequence)
    raise DECISION_WAS_COUNTED_MEANWHILE()


def _signed_as(payload: bytes, assertion: Assertion | None) -> dict[str, str]:
    """What the journal says of a signature: all that it takes to verify it, and the bytes only by their hash."""
    if assertion is None:
        return {}
    said = {name: value.hex() for name, value in _row_of(assertion).items() if value is not None}
    return said | {"challenge": approval_challenge(payload).hex()}


def _row_of(assertion: Assertion | None) -> dict[str, bytes | None]:
    if assertion is None:
        return dict.fromkeys(("credential", "client_data", "authenticator_data", "signature"))
    return {
        "credential": assertion.credential_id,
        "client_data": assertion.client_data,
        "authenticator_data": assertion.authenticator_data,
        "signature": assertion.signature,
    }


# -- reading ---------------------------------------------------------------------------------------------------------


def proposal_of(connection: Connection, book: int, proposal_id: UUID) -> Proposal:
    """One proposal; `proposal_must_exist`."""
    found = _read(connection, book, QUERIES.proposal, {"book": book, "proposal": proposal_id})
    if not found:
        raise PROPOSAL_MUST_EXIST()
    return found[0]


def proposals_of_order(connection: Connection, book: int, order_id: UUID) -> list[Proposal]:
    """The proposals about one order, in the order in which they were made."""
    return _read(connection, book, QUERIES.proposals_of_order, {"book": book, "order_id": order_id})


def pending(connection: Connection, book: int, at: datetime, act: str | None = None) -> list[Proposal]:
    """What waits for somebody's decision, the oldest first."""
    return _in_state(connection, book, "open", at, act)


def complete(connection: Connection, book: int, at: datetime, act: str | None = None) -> list[Proposal]:
    """What everybody has approved and nobody has carried out yet, the oldest first."""
    return _in_state(connection, book, "complete", at, act)


def latest(connection: Connection, book: int, limit: int = 100) -> list[Proposal]:
    """Proposals in any state, the latest first."""
    return _read(connection, book, QUERIES.latest_proposals, {"book": book, "limit": limit})


def _in_state(connection: Connection, book: int, state: str, at: datetime, act: str | None) -> list[Proposal]:
    asked = {"book": book, "state": state, "at": at, "act": act}
    return _read(connection, book, QUERIES.proposals_in_state, asked)


def _read(connection: Connection, book: int, query: Query, asked: Mapping[str, Any]) -> list[Proposal]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, asked).fetchall()
        ids = [row["proposal_id"] for row in rows]
        decisions = [
            _decision_of(row) for row in cursor.execute(QUERIES.approvals, {"book": book, "proposals": ids}).fetchall()
        ]
    return [_proposal_of(row, decisions) for row in rows]


def _decision_of(row: Mapping[str, Any]) -> Decision:
    raw = [row[name] for name in _ASSERTED]
    said = {name: value for name, value in row.items() if name not in _ASSERTED}
    signed = None if raw[0] is None else Assertion(*(bytes(each) for each in raw))
    return Decision(**said | {"payload_sha256": bytes(row["payload_sha256"])}, assertion=signed)


def _proposal_of(row: Mapping[str, Any], decisions: Sequence[Decision]) -> Proposal:
    whole = dict(row) | {
        "payload": bytes(row["payload"]),
        "payload_sha256": bytes(row["payload_sha256"]),
        "roles": tuple(row["roles"]),
        "decisions": tuple(each for each in decisions if each.proposal_id == row["proposal_id"]),
    }
    return Proposal(**whole)
