"""Was this approved? Counted again from the record, believing no state column.

The gateway reads a `Record` and asks `verify` before money leaves. It holds when, checked in this order:

  1. the proposal's bytes are canonical, have the hash that is kept, and say this book, proposal, act and order;
  2. PROPOSAL_MADE in the journal says the same hash, act, maker, people, roles and policy version;
  3. the policy of that version has the hash that POLICY_SET says, and asks for these people of an act of this amount,
     at the time of PROPOSAL_MADE and with the score that risk gave the order in the journal;
  4. nobody rejected it; every approval has its own PROPOSAL_APPROVED, after the proposal and before it expired, with
     the same person and hash;
  5. the signature of each that carries one holds (`passkeys.verification`), and where the policy wants them signed each
     carries one;
  6. at least so many distinct people, none of them the maker, approved, each holding one of the roles at that row by
     both the grants and PERSON_CHANGED in the journal, and having completed on that day what that role requires by the
     policy, by both the records and COURSE_COMPLETED in the journal;
  7. the proposal has not expired now.

The core can append any event, but no approval, policy or grant; somebody who writes those tables as their owner leaves
a journal that does not say it. Either alone is seen here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ringfence.authority import terms as payloads
from ringfence.authority.escalations import Seen
from ringfence.authority.passkeys.refusals import APPROVAL_MUST_BE_SIGNED
from ringfence.authority.passkeys.verification import EnrolledKey, Said, SignedApproval, require_signature
from ringfence.authority.policy import PolicyVersion, Requirement, policy_version, required
from ringfence.authority.proposals import Decision, Proposal, proposal_of
from ringfence.authority.queries import QUERIES
from ringfence.authority.refusals import (
    APPROVALS_DO_NOT_SUFFICE,
    PAYLOAD_WAS_CHANGED,
    PROPOSAL_HAS_EXPIRED,
    PROPOSAL_WAS_REJECTED,
    RECORD_CONTRADICTS_ITSELF,
)
from ringfence.authority.terms import Terms
from ringfence.authority.training import QUERIES as TRAINING
from ringfence.authority.training import Completion, completions, suspended_roles
from ringfence.database.connection import Connection
from ringfence.ledger.codes import EventName
from ringfence.refusal import Refused


@dataclass(frozen=True)
class Grant:
    """A role of a person from one row of the journal to another (exclusive); None: to this day."""

    person_id: str
    role: str
    granted: int
    withdrawn: int | None

    def holds_at(self, sequence: int) -> bool:
        return self.granted <= sequence and (self.withdrawn is None or sequence < self.withdrawn)


@dataclass(frozen=True)
class Record:
    """All that is kept about one proposal: rows of authority's tables, and what the journal says at their sequences."""

    book: int
    proposal: Proposal
    policy: PolicyVersion
    grants: tuple[Grant, ...]
    events: Mapping[int, Said]
    person_events: tuple[Said, ...]
    keys: tuple[EnrolledKey, ...] = ()
    key_events: tuple[Said, ...] = ()
    completions: tuple[Completion, ...] = ()
    course_events: tuple[Said, ...] = ()
    score: int | None = None  # the highest that risk gave the order

    @property
    def needed(self) -> Requirement:
        """What the policy asks of what was proposed, when it was proposed."""
        terms = self.proposal.terms
        seen = Seen(self.proposal.made_at, self.score)
        return required(self.policy, terms.act, terms.amount, terms.unit, seen, maker=self.proposal.maker)

    @property
    def last_sequence(self) -> int:
        """The last row of the journal that the approval rests on: a checkpoint should cover it."""
        return max([self.proposal.made, self.policy.sequence, *(each.sequence for each in self.proposal.decisions)])


def record_of(connection: Connection, book: int, proposal_id: UUID) -> Record:
    """Read the record of a proposal; `proposal_must_exist`. Role core or gateway."""
    proposal = proposal_of(connection, book, proposal_id)
    policy = policy_version(connection, book, proposal.policy_version)
    persons = [each.person_id for each in proposal.decisions]
    sequences = [proposal.made, policy.sequence, *(each.sequence for each in proposal.decisions)]
    credentials = [each.assertion.credential_id for each in proposal.decisions if each.assertion]
    asked = {
        "book": book,
        "persons": persons,
        "sequences": sequences,
        "last": max(sequences),
        "credentials": credentials,
        "credential_names": [each.hex() for each in credentials],
    }
    grants = [Grant(*row) for row in connection.execute(QUERIES.roles_held, asked)]
    events = [_said_of(row) for row in connection.execute(QUERIES.events_at, asked)]
    person_events = [_said_of(row) for row in connection.execute(QUERIES.person_events, asked)]
    by_sequence = {event.sequence: event for event in events}
    whole = Record(book, proposal, policy, tuple(grants), by_sequence, tuple(person_events))
    if proposal.order_id is not None:
        whole = replace(whole, score=score_of(connection, book, proposal.order_id))
    if credentials:
        keys = tuple(_key_of(row) for row in connection.execute(QUERIES.keys_enrolled, asked))
        key_events = tuple(_said_of(row) for row in connection.execute(QUERIES.key_events, asked))
        whole = replace(whole, keys=keys, key_events=key_events)
    if policy.policy.courses:
        course_events = tuple(_said_of(row) for row in connection.execute(TRAINING.course_events, asked))
        completed = tuple(completions(connection, book, persons))
        whole = replace(whole, completions=completed, course_events=course_events)
    return whole


def score_of(connection: Connection, book: int, order_id: UUID) -> int | None:
    """The highest score that the journal's decisions of risk give an order; None: there is none."""
    row = connection.execute(QUERIES.score_of, {"book": book, "order_id": order_id}).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def approvals_of(connection: Connection, book: int, proposal_id: UUID) -> tuple[Decision, ...]:
    """The decisions on a proposal, in the order of the journal."""
    return proposal_of(connection, book, proposal_id).decisions


def verify(record: Record, at: datetime) -> Refused | None:
    """Why the record does not bear the act at a time, or None if it does. Compare the terms with what you do:
    `verified_terms` gives them.
    """
    try:
        verified_terms(record, at)
    except Refused as refused:
        return refused
    return None


def verified_terms(record: Record, at: datetime) -> Terms:
    """What was approved, if it holds at a time; else raises `payload_was_changed`, `terms_are_not_valid`,
    `record_contradicts_itself`, `proposal_was_rejected`, `signature_of_an_approval_fails`, `approval_must_be_signed`,
    `approvals_do_not_suffice` or `proposal_has_expired`.
    """
    terms = _verified_payload(record)
    _verify_making(record, terms)
    approvals = _verified_approvals(record, terms)
    needed = record.needed
    people = {each.person_id for each in approvals if _may_count(record, each, needed.roles)}
    if not needed.people or len(people) < needed.people:
        raise APPROVALS_DO_NOT_SUFFICE(count=len(people), people=needed.people, detail="")
    if at >= terms.expires_at:
        raise PROPOSAL_HAS_EXPIRED()
    return terms


def _verified_payload(record: Record) -> Terms:
    proposal = record.proposal
    if payloads.hash_of(proposal.payload) != proposal.payload_sha256:
        raise PAYLOAD_WAS_CHANGED()
    terms = proposal.terms
    says = (terms.book, terms.proposal, terms.act, terms.order, terms.policy_version, terms.expires_at)
    kept = (
        record.book,
        proposal.proposal_id,
        proposal.act,
        proposal.order_id,
        record.policy.version,
        proposal.expires_at,
    )
    if says != kept:
        raise RECORD_CONTRADICTS_ITSELF(detail="the bytes say something else than the row")
    return terms


def _verify_making(record: Record, terms: Terms) -> None:
    proposal, policy = record.proposal, record.policy
    needed = record.needed
    if (proposal.people, proposal.roles, proposal.signed) != (needed.people, needed.roles, needed.signed):
        raise RECORD_CONTRADICTS_ITSELF(detail="the row asks for other people than the policy")
    made: dict[str, Any] = {
        "proposal": str(proposal.proposal_id),
        "act": terms.act,
        "sha256": proposal.payload_sha256.hex(),
        "maker": proposal.maker,
        "people": needed.people,
        "roles": list(needed.roles),
        "policy_version": policy.version,
    }
    if needed.signed:
        made["signed"] = True
    _require_said(record, proposal.made, EventName.PROPOSAL_MADE, made, proposal.made_at)
    set_as = {"version": policy.version, "sha256": policy.policy.sha256.hex()}
    _require_said(record, policy.sequence, EventName.POLICY_SET, set_as, None)
    if policy.sequence >= proposal.made or policy.effective_from > proposal.made_at:
        raise RECORD_CONTRADICTS_ITSELF(detail="the policy was not in force when the proposal was made")


def _verified_approvals(record: Record, terms: Terms) -> Sequence[Decision]:
    proposal = record.proposal
    sequences = [each.sequence for each in proposal.decisions]
    if len(set(sequences)) != len(sequences):
        raise RECORD_CONTRADICTS_ITSELF(detail="two decisions rest on one event")
    for each in proposal.decisions:
        if each.decided != "approve":
            raise PROPOSAL_WAS_REJECTED(person=each.person_id)
        if each.payload_sha256 != proposal.payload_sha256:
            raise PAYLOAD_WAS_CHANGED()
        if not proposal.made < each.sequence or each.at >= terms.expires_at:
            raise RECORD_CONTRADICTS_ITSELF(detail=f"{each.person_id} decided before it was made or after it expired")
        approved = {
            "proposal": str(proposal.proposal_id),
            "sha256": proposal.payload_sha256.hex(),
            "person": each.person_id,
        }
        _require_said(record, each.sequence, EventName.PROPOSAL_APPROVED, approved, each.at)
        _require_signature(record, each)
    return proposal.decisions


def _require_signature(record: Record, decision: Decision) -> None:
    if decision.assertion is not None:
        event = record.events.get(decision.sequence)
        approval = SignedApproval(decision.person_id, decision.assertion, decision.at, event, record.proposal.payload)
        require_signature(approval, record.keys, record.key_events)
    elif record.proposal.signed:
        raise APPROVAL_MUST_BE_SIGNED()


def _require_said(record: Record, sequence: int, name: EventName, says: Mapping[str, Any], at: datetime | None) -> None:
    event = record.events.get(sequence)
    if event is None or event.code != name or (at is not None and event.posted_at != at):
        raise RECORD_CONTRADICTS_ITSELF(detail=f"row {sequence} of the journal is not {name.name} at its time")
    if any(event.says.get(key) != value for key, value in says.items()):
        raise RECORD_CONTRADICTS_ITSELF(detail=f"row {sequence} of the journal says something else")


def _may_count(record: Record, approval: Decision, roles: Sequence[str]) -> bool:
    if approval.person_id == record.proposal.maker:
        return False
    granted = {
        grant.role
        for grant in record.grants
        if grant.person_id == approval.person_id and grant.holds_at(approval.sequence)
    }
    said: set[str] = set()
    for event in record.person_events:
        if event.sequence <= approval.sequence and event.says.get("person") == approval.person_id:
            said = _roles_said(event, said)
    day = approval.at.astimezone(UTC).date()
    completed = _completed(record, approval)
    suspended = suspended_roles(record.policy.policy, completed, approval.person_id, day)
    return not (granted & said - suspended).isdisjoint(roles)


def _completed(record: Record, approval: Decision) -> list[Completion]:
    """The completions that stand at the row of an approval, by the table and by the journal alike."""
    before = [event for event in record.course_events if event.sequence <= approval.sequence]
    said = {event.sequence: event.says for event in before if event.code == EventName.COURSE_COMPLETED}
    gone = {event.says.get("completion") for event in before if event.code == EventName.COMPLETION_WITHDRAWN}
    return [
        each
        for each in record.completions
        if each.stands_at(approval.sequence)
        and each.recorded not in gone
        and {"person": each.person_id, "course": each.course, "completed_on": each.completed_on.isoformat()}.items()
        <= said.get(each.recorded, {}).items()
    ]


def _roles_said(event: Said, before: set[str]) -> set[str]:
    """The roles that a PERSON_CHANGED leaves: those it names, or as before if it is about something else."""
    roles = event.says.get("roles", list(before))
    return {role for role in roles if isinstance(role, str)} if isinstance(roles, list) else set()


def _key_of(row: tuple[Any, ...]) -> EnrolledKey:
    return EnrolledKey(bytes(row[0]), row[1], row[2], bytes(row[3]), *row[4:])


def _said_of(row: tuple[Any, ...]) -> Said:
    return Said(row[0], row[1], row[2], row[3], json.loads(bytes(row[4])))
