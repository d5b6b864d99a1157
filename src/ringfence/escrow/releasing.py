"""Releasing a tranche, returning it, and what the core does by itself when a condition has come true.

    release     the payees get what is due to them: the release is true by the facts before this row, the brake is
                released, and as many people have approved the amount as the policy asks for
    give_back   the payer gets all of it: the return is true. Nobody has to approve it, and the brake does not stop it:
                the money stays whose it is

A row says the hash of the condition, the hash of the trace, and the last fact that was looked at. The database refuses
it if somebody said something meanwhile, or a date of the condition passed between the look and the append; then it is
looked at again. A release and a return at once are one of the two.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ringfence.authority import proposals
from ringfence.authority.actors import Actor
from ringfence.authority.escalations import Seen
from ringfence.authority.policy import PolicyVersion, policy_in_force, required
from ringfence.authority.proposals import Proposal
from ringfence.core import Core
from ringfence.custody import lifecycle
from ringfence.custody.days import current_day
from ringfence.custody.lifecycle import ORDER_MAY_NOT_DO_THAT_NOW
from ringfence.custody.orders import hold_of, move, moved_event, order
from ringfence.custody.refusals import ORDER_MOVED_MEANWHILE
from ringfence.custody.wallets import receiving
from ringfence.database.connection import Connection
from ringfence.diligence import standing as diligence
from ringfence.escrow import conditions
from ringfence.escrow.agreements import KIND, decide, returned_order, returned_rows
from ringfence.escrow.conditions import last_change, next_change, sha256_of
from ringfence.escrow.document import order_of, parts
from ringfence.escrow.queries import QUERIES
from ringfence.escrow.reading import Look, Standing, agreement, heard, look
from ringfence.escrow.refusals import (
    AGREEMENT_IS_NOT_IN_FORCE,
    FACTS_HAVE_CHANGED_MEANWHILE,
    RELEASE_IS_NOT_ALLOWED,
    RETURN_IS_NOT_ALLOWED,
    TRANCHE_HAS_ENDED,
)
from ringfence.escrow.telling import formula, tell
from ringfence.incident import brake
from ringfence.incident.refusals import BRAKE_IS_PULLED
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Statement, Unit
from ringfence.ledger.model import Kind, Line, Result
from ringfence.money import format_minor
from ringfence.refusal import Fault, Refused

ACT: Final = "escrow_release"
LOOKED_AT_A_TIME: Final = 500
AGAIN: Final = timedelta(seconds=1)  # while people are asked, or the brake is pulled
LATER: Final = timedelta(minutes=1)  # after a refusal that a little patience does not cure
_ATTEMPTS: Final = 20
_SOMEBODY_WAS_FASTER: Final = (FACTS_HAVE_CHANGED_MEANWHILE, ORDER_MAY_NOT_DO_THAT_NOW, ORDER_MOVED_MEANWHILE)
_TAKEN: Final = {
    Result.ID_ALREADY_HAS_OTHER_CONTENT.word,
    Result.PENDING_TRANSFER_ALREADY_POSTED.word,
    Result.PENDING_TRANSFER_ALREADY_VOIDED.word,
    TRANCHE_HAS_ENDED.name,
}


@dataclass(frozen=True)
class Asked:
    """What came of asking for a release: it is done, or `proposal` waits for people."""

    standing: Standing
    proposal: UUID | None


@dataclass(frozen=True)
class _Case:
    """One look at a tranche: everything that a row about it rests on."""

    standing: Standing
    name: str
    seen: Look
    last: int
    day: date


def release(core: Core, agreement_id: UUID, tranche: str, *, by: Actor) -> Asked:
    """Release a tranche if its condition is true, or ask people to approve that. `agreement_is_not_in_force`,
    `tranche_must_exist`, `tranche_has_ended`, `brake_is_pulled`, `release_is_not_allowed`.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _release(core, agreement_id, tranche, by)
        except Refused as refused:
            if refused.refusal not in _SOMEBODY_WAS_FASTER:
                raise
    raise FACTS_HAVE_CHANGED_MEANWHILE()


def give_back(core: Core, agreement_id: UUID, tranche: str) -> Standing:
    """Return a tranche to the payer if its return is true; refused as `release` is, and `return_is_not_allowed`."""
    for _ in range(_ATTEMPTS):
        try:
            return _give_back(core, agreement_id, tranche)
        except Refused as refused:
            if refused.refusal not in _SOMEBODY_WAS_FASTER:
                raise
    raise FACTS_HAVE_CHANGED_MEANWHILE()


def turn(core: Core) -> int:
    """What is to be done by itself: proposals that were decided, tranches whose condition has come true. What is
    refused keeps nothing else waiting, and is looked at again later. Returns how many moved.
    """
    asked = {"book": core.book.book_id, "at": core.clock(), "limit": LOOKED_AT_A_TIME}
    with core.connection() as connection:
        found = connection.execute(QUERIES.to_look_at, asked).fetchall()
    return sum(_attend(core, agreement_id) for agreement_id, _ in found)


def carry_out(core: Core, proposal_id: UUID) -> None:
    """Do what people have approved, if they have: put an agreement in force, release a tranche. It may be asked
    again.
    """
    with core.connection() as connection:
        proposal = proposals.proposal_of(connection, core.book.book_id, proposal_id)
    about = proposal.order_id
    if about is None:
        return
    if proposal.act == ACT:
        if proposal.state == "complete":
            release(core, about, proposal.terms.facts.get("tranche", ""), by=None)
    else:
        decide(core, about)


def _attend(core: Core, agreement_id: UUID) -> int:
    """Do what may be done about an agreement, and say when to look again."""
    with core.connection() as connection:
        standing = agreement(connection, core.book.book_id, agreement_id)
    moved, times = 0, []
    if standing.state == "awaiting_approval":
        done, again = _patiently(core, lambda: (decide(core, agreement_id).state != standing.state, None))
        moved, times = int(done), [again or core.clock() + AGAIN]
    for part in standing.tranches if standing.state == "in_force" else ():
        if part.state == "held":
            done, again = _patiently(core, lambda name=part.name: _attend_tranche(core, agreement_id, name))  # type: ignore[misc]
            moved += done
            times += [] if again is None else [again]
    with core.connection() as connection:
        _look_again(connection, standing, min(times, default=None))
    return moved


def _patiently(core: Core, attempt: Callable[[], tuple[bool, datetime | None]]) -> tuple[bool, datetime | None]:
    """Whether something moved, and when to look again; a refusal is looked at again later, unless the machine
    failed.
    """
    try:
        return attempt()
    except Refused as refused:
        if refused.refusal.fault is Fault.MACHINE:
            raise
        return False, core.clock() + (AGAIN if refused.refusal is BRAKE_IS_PULLED else LATER)


def _attend_tranche(core: Core, agreement_id: UUID, name: str) -> tuple[bool, datetime | None]:
    """Release or return a tranche if it may be; while people are asked, look again soon."""
    case = _case(core, agreement_id, name)
    if case.seen.release.allows:
        waits = release(core, agreement_id, name, by=None).proposal is not None
        return not waits, core.clock() + AGAIN if waits else None
    if case.seen.give_back.allows:
        give_back(core, agreement_id, name)
        return True, None
    changes = [next_change(each.condition, case.seen.facts.now) for each in (case.seen.release, case.seen.give_back)]
    return False, min((each for each in changes if each is not None), default=None)


def _look_again(connection: Connection, standing: Standing, at: datetime | None) -> None:
    row = {"book": standing.terms.book, "agreement": standing.agreement_id, "seen": standing.last_fact, "again": at}
    connection.execute(QUERIES.looked, row)


def _case(core: Core, agreement_id: UUID, name: str) -> _Case:
    book = core.book.book_id
    with core.connection() as connection:
        standing = agreement(connection, book, agreement_id)
        if standing.state not in ("in_force", "ended"):
            raise AGREEMENT_IS_NOT_IN_FORCE()
        _, part = standing.tranche(name)
        if part.state != "held":
            raise TRANCHE_HAS_ENDED()
        said = heard(connection, standing)
        day = current_day(connection, book)
    return _Case(standing, name, look(standing, said, name, core.clock()), said.last, day)


# -- release -----------------------------------------------------------------------------------------------------------


def _release(core: Core, agreement_id: UUID, name: str, by: Actor) -> Asked:
    book = core.book.book_id
    case = _case(core, agreement_id, name)
    with core.connection() as connection:
        brake.require_released(connection, book)
        policy = policy_in_force(connection, book, core.clock())
        about = [each for each in proposals.proposals_of_order(connection, book, agreement_id) if each.act == ACT]
    if not case.seen.release.allows:
        raise RELEASE_IS_NOT_ALLOWED(tranche=name, why=formula(case.seen.release))
    proposal = None
    if required(policy, ACT, case.seen.due, case.standing.terms.unit, Seen(core.clock())).people:
        waiting = [each for each in about if _is_about(each, case) and each.expires_at > core.clock()]
        proposal = next((each for each in waiting if each.state == "complete"), None)
        if proposal is None:
            return _ask(core, case, policy, waiting, about, by)
    with core.connection() as connection:
        chain, also = _released_rows(core, connection, case)
    said = {"proposal": str(proposal.proposal_id) if proposal else None}
    _end(core, case, EventName.ESCROW_RELEASED, case.seen.due, chain, also, said)
    with core.connection() as connection:
        return Asked(agreement(connection, book, agreement_id), None)


def _ask(
    core: Core, case: _Case, policy: PolicyVersion, waiting: list[Proposal], about: list[Proposal], by: Actor
) -> Asked:
    """The proposal that waits, or a new one. The system asks once on the same facts, a person may ask again."""
    for each in waiting:
        if each.state == "open":
            return Asked(case.standing, each.proposal_id)
    identity = core.new_id() if by else derived(case.standing.agreement_id, f"release {case.name} on {case.last}")
    if identity not in {each.proposal_id for each in about}:
        drafted = proposals.draft(
            core,
            policy,
            identity,
            ACT,
            by=by,
            order=case.standing.agreement_id,
            amount=case.seen.due,
            unit=case.standing.terms.unit,
            facts=_facts_for_people(case),
        )
        core.post(Unit([drafted.line], drafted.also))
    return Asked(case.standing, identity)


def _is_about(proposal: Proposal, case: _Case) -> bool:
    """Whether people were asked about this tranche and this amount."""
    terms = proposal.terms
    return terms.facts.get("tranche") == case.name and terms.amount == case.seen.due


def _facts_for_people(case: _Case) -> dict[str, str]:
    terms, seen = case.standing.terms, case.seen
    shares = parts(seen.tranche, seen.due)
    return {
        "agreement": str(terms.agreement_id),
        "agreement_sha256": case.standing.sha256,
        "tranche": case.name,
        "payer": terms.payer,
        "payees": ", ".join(f"{who} {format_minor(amount, terms.unit)}" for who, amount in shares.items()),
        "condition": tell(seen.release.condition),
        "condition_sha256": sha256_of(seen.release.condition),
        "trace": formula(seen.release),
        "trace_sha256": seen.release.sha256(),
    }


def _released_rows(core: Core, connection: Connection, case: _Case) -> tuple[list[Line], list[Statement]]:
    chain: list[Line] = []
    also: list[Statement] = []
    terms, book = case.standing.terms, core.book.book_id
    for customer, amount in parts(case.seen.tranche, case.seen.due).items():
        identity = order_of(terms.agreement_id, case.name, customer)
        hold = hold_of(connection, book, identity)
        if not amount or hold is None:
            rows, statement = returned_order(core, connection, identity, case.day)
        else:
            placed = order(connection, book, identity)
            becomes = lifecycle.moves(KIND, placed.state, "released by its condition")
            post = replace(hold, kind=Kind.POST, id=derived(identity, "post"), amount=amount, refers_to=hold.id)
            rows = [moved_event(placed, becomes, case.day), replace(post, value_date=case.day)]
            statement = move(core, placed, becomes)
            also += [diligence.required(book, terms.payer, "pay"), *receiving(core, customer, post.id)]
        chain += rows
        also.append(statement)
    return chain, also


# -- return ------------------------------------------------------------------------------------------------------------


def _give_back(core: Core, agreement_id: UUID, name: str) -> Standing:
    case = _case(core, agreement_id, name)
    if not case.seen.give_back.allows:
        raise RETURN_IS_NOT_ALLOWED(tranche=name, why=formula(case.seen.give_back))
    with core.connection() as connection:
        chain, also = returned_rows(core, connection, case.standing.terms, [name], case.day)
    _end(core, case, EventName.ESCROW_RETURNED, case.seen.tranche.amount, chain, also, {})
    with core.connection() as connection:
        return agreement(connection, core.book.book_id, agreement_id)


def _end(
    core: Core,
    case: _Case,
    name: EventName,
    amount: int,
    chain: list[Line],
    also: list[Statement],
    more: dict[str, Any],
) -> None:
    """One append: the event with its hashes, the money, the orders, and the tranche's end. Both ends of a tranche have
    the same id, so that the journal itself takes one of them only.
    """
    trace = case.seen.release if name == EventName.ESCROW_RELEASED else case.seen.give_back
    terms, now = case.standing.terms, case.seen.facts.now
    said = {
        "agreement": str(terms.agreement_id),
        "tranche": case.name,
        "amount_minor": str(amount),
        "condition_sha256": conditions.sha256_of(trace.condition),
        "trace_sha256": trace.sha256(),
        "facts": case.last,
    } | more
    identity = derived(terms.agreement_id, f"ended {case.name}")
    event = Line(Kind.EVENT, identity, order_id=terms.agreement_id, code=name, value_date=case.day, payload=said)
    row = {
        "book": core.book.book_id,
        "event": identity,
        "number": int(name),
        "agreement": terms.agreement_id,
        "tranche": case.name,
        "seen": case.last,
        "since": last_change(trace.condition, now),
        "until": next_change(trace.condition, now),
        "proposal": UUID(more["proposal"]) if more.get("proposal") else None,
    }
    try:
        core.post(Unit([event, *chain], [*also, (QUERIES.end_tranche, row)]))
    except Refused as refused:
        if refused.name in _TAKEN:
            raise TRANCHE_HAS_ENDED() from refused
        raise
