"""Proposals and approvals on a real PostgreSQL: nobody moves money alone, tried from Python and in SQL."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from authority_world import World, world_of
from ringfence.authority import clients, people, proposals, sessions
from ringfence.authority.actors import Actor
from ringfence.authority.policy import policy_in_force
from ringfence.authority.proposals import Decided, Drafted, draft
from ringfence.authority.queries import QUERIES
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.storage import head_of
from ringfence.money import currency
from ringfence.refusal import Refused

EUR = currency("EUR")
ONE_APPROVER, TWO_APPROVERS = 2_000_000, 9_000_000  # minor units; above 10,000.00 and above 50,000.00
FACTS = {"creditor_name": "Erika Beispiel", "creditor_account": "DE89370400440532013000"}


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def payout(world: World, by: str | Actor = "tess", amount: int = ONE_APPROVER) -> Drafted:
    maker = world.session(by) if isinstance(by, str) else by
    return proposals.propose(
        world.core, maker, world.new_id(), "payout", order=world.new_id(), amount=amount, unit=EUR, facts=FACTS
    )


def approve(world: World, person: str, made: Drafted) -> Decided:
    return proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)


def reject(world: World, person: str, made: Drafted) -> Decided:
    return proposals.reject(world.core, world.session(person), made.proposal_id, made.payload_sha256, "who is it?")


def refusal_of(act: Callable[..., object], *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def state(world: World, made: Drafted) -> str:
    return proposals.proposal_of(world.connect("core"), world.book, made.proposal_id).state


def test_a_payout_above_the_limit_is_approved_by_somebody_else(world):
    """20,000.00 EUR: one approver, and not the treasurer who made it."""
    made = payout(world)
    decided = proposals.approve(world.core, world.session("abel"), made.proposal_id, made.payload_sha256, "checked")
    assert (decided.count, decided.complete) == (1, True)
    assert state(world, made) == "complete"
    [said] = world.events(EventName.PROPOSAL_APPROVED)
    assert said == {
        "proposal": str(made.proposal_id),
        "person": "abel",
        "sha256": made.payload_sha256.hex(),
        "count": 1,
    }


def test_a_large_payout_needs_two_people_and_says_how_many_are_missing(world):
    made = payout(world, amount=TWO_APPROVERS)
    assert approve(world, "abel", made).complete is False
    standing = proposals.proposal_of(world.connect("core"), world.book, made.proposal_id)
    assert (standing.state, standing.approved_by, standing.missing) == ("open", ("abel",), 1)
    assert approve(world, "anna", made) == Decided(made.proposal_id, 2, True, head_of(world.connect("core"), 1) - 1)
    assert [each["count"] for each in world.events(EventName.PROPOSAL_APPROVED)] == [1, 2]


def test_nobody_approves_what_he_made_even_with_the_role_of_an_approver(world):
    """A risk officer may propose other limits and approve those of somebody else."""
    made = proposals.propose(world.core, world.session("rita"), world.new_id(), "limit_change", facts=FACTS)
    assert refusal_of(approve, world, "rita", made) == "maker_may_not_check"
    approve(world, "anna", made)
    assert approve(world, "abel", made).complete


def test_nobody_decides_twice(world):
    made = payout(world, amount=TWO_APPROVERS)
    approve(world, "abel", made)
    assert refusal_of(approve, world, "abel", made) == "person_decided_already"
    assert refusal_of(reject, world, "abel", made) == "person_decided_already"
    assert state(world, made) == "open"


@pytest.mark.parametrize("person", ["tess", "rita", "otto", "sven", "sara"])
def test_only_the_roles_of_the_policy_approve(world, person):
    made = payout(world, by="theo")
    assert refusal_of(approve, world, person, made) == "person_lacks_the_role"


def test_an_approval_names_the_bytes_and_other_bytes_are_refused(world):
    made = payout(world)
    other = made.payload.replace(b'"2000000"', b'"2000001"')
    assert other != made.payload
    digest = hashlib.sha256(other).digest()
    assert (
        refusal_of(proposals.approve, world.core, world.session("abel"), made.proposal_id, digest)
        == "payload_was_changed"
    )


def test_a_proposal_expires(world):
    made = payout(world)
    world.later(hours=72)
    world.signed_in.clear()
    assert refusal_of(approve, world, "abel", made) == "proposal_has_expired"
    assert proposals.pending(world.connect("core"), world.book, world.clock()) == []


def test_a_rejection_closes_the_proposal_for_all(world):
    made = payout(world, amount=TWO_APPROVERS)
    approve(world, "abel", made)
    rejected = reject(world, "anna", made)
    assert (rejected.count, rejected.complete) == (1, False)
    assert state(world, made) == "rejected"
    assert refusal_of(approve, world, "theo", made) == "proposal_is_not_open"


def test_the_maker_may_withdraw_and_a_stranger_may_not_reject(world):
    made = payout(world)
    assert refusal_of(reject, world, "otto", made) == "person_lacks_the_role"
    reject(world, "tess", made)
    assert state(world, made) == "rejected"


def test_a_session_that_ended_approves_nothing(world):
    made = payout(world)
    session = world.session("abel")
    sessions.sign_out(world.core, session)
    assert refusal_of(approve, world, "abel", made) == "session_is_not_valid"


def test_an_unknown_proposal_is_refused_by_name(world):
    assert (
        refusal_of(proposals.approve, world.core, world.session("abel"), UUID(int=1), bytes(32))
        == "proposal_must_exist"
    )


def test_a_client_of_the_platform_makes_and_people_approve(world):
    token = clients.add_client(world.core, world.session("sara"), "shop", ["orders:write"]).token
    made = payout(world, by=clients.client_of(world.core, token))
    assert proposals.proposal_of(world.connect("core"), world.book, made.proposal_id).maker == "client:shop"
    assert approve(world, "abel", made).complete


def test_the_policy_says_who_may_make(world):
    assert refusal_of(payout, world, by="rita") == "maker_may_not_make_this"
    assert refusal_of(payout, world, by=None) == "maker_may_not_make_this"


def test_what_nobody_has_to_approve_is_not_proposed(world):
    """Below the limit nobody, if a program asks; one other, if a person of the staff does."""
    with world.core.connection() as connection:
        policy = policy_in_force(connection, world.book, world.clock())
    small = {"amount": 1_000_000, "unit": currency("EUR"), "facts": {}}
    drafting = (draft, world.core, policy, world.new_id(), "payout")
    assert refusal_of(*drafting, by=None, **small) == "approval_is_not_required"
    made = payout(world, amount=1_000_000)
    with world.core.connection() as connection:
        assert proposals.proposal_of(connection, world.book, made.proposal_id).people == 1


def test_a_proposal_is_written_with_the_unit_that_it_is_part_of_or_not_at_all(world):
    """The order's own projection fails: neither the order's event nor the proposal is there."""
    with world.core.connection() as connection:
        policy = policy_in_force(connection, world.book, world.clock())
    identity, order = world.new_id(), world.new_id()
    drafted = draft(
        world.core,
        policy,
        identity,
        "payout",
        by=world.session("tess"),
        order=order,
        amount=ONE_APPROVER,
        unit=EUR,
        facts=FACTS,
    )
    accepted = Line(Kind.EVENT, order, order_id=order, code=EventName.ORDER_STATE, payload={"state": "accepted"})
    broken = (QUERIES.revoke_client, {"book": world.book, "event": order, "token_sha256": None, "client": "x"})
    head = head_of(world.connect("core"), world.book)
    assert refusal_of(world.core.post, Unit([accepted, drafted.line], [*drafted.also, broken]))
    assert head_of(world.connect("core"), world.book) == head
    assert proposals.proposals_of_order(world.connect("core"), world.book, order) == []
    world.core.post(Unit([accepted, drafted.line], drafted.also))
    [found] = proposals.proposals_of_order(world.connect("core"), world.book, order)
    assert (found.proposal_id, found.terms.amount, found.terms.facts) == (identity, ONE_APPROVER, FACTS)


def spend(world: World, made: Drafted, act: str = "payout") -> None:
    event = Line(Kind.EVENT, world.new_id(), code=EventName.PAYMENT_ORDERED, payload={"order": "x"})
    world.core.post(Unit([event], [proposals.carrying_out(world.core, made.proposal_id, act, event)]))


def test_a_complete_proposal_is_carried_out_once(world):
    made = payout(world)
    assert refusal_of(spend, world, made) == "proposal_is_not_complete"
    approve(world, "abel", made)
    [found] = proposals.complete(world.connect("core"), world.book, world.clock(), "payout")
    assert found.proposal_id == made.proposal_id
    assert refusal_of(spend, world, made, "hold_release") == "proposal_is_not_complete"
    spend(world, made)
    assert state(world, made) == "carried_out"
    assert refusal_of(spend, world, made) == "proposal_is_not_complete"


def test_a_complete_proposal_is_not_carried_out_after_its_time(world):
    made = payout(world)
    approve(world, "abel", made)
    world.later(hours=72)
    assert refusal_of(spend, world, made) == "proposal_has_expired"


def test_two_approvers_at_the_same_moment_are_both_counted(world):
    made = [payout(world, amount=TWO_APPROVERS) for _ in range(5)]
    world.session("abel"), world.session("anna")
    with ThreadPoolExecutor(10) as pool:
        tasks = [pool.submit(approve, world, person, each) for each in made for person in ("abel", "anna")]
        decided = [task.result() for task in tasks]
    for each in made:
        counts = sorted((d.count, d.complete) for d in decided if d.proposal_id == each.proposal_id)
        assert counts == [(1, False), (2, True)]
        assert state(world, each) == "complete"


def test_the_same_approver_twice_at_the_same_moment_is_counted_once(world):
    made = payout(world, amount=TWO_APPROVERS)
    world.session("abel")

    def attempt(number: int) -> str:
        try:
            session = world.session("abel")
            proposals.approve(world.core, session, made.proposal_id, made.payload_sha256, f"click {number % 2}")
        except Refused as refused:
            return refused.name
        return "approved"

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(attempt, range(6)))
    assert answers == ["approved"] + ["person_decided_already"] * 5
    standing = proposals.proposal_of(world.connect("core"), world.book, made.proposal_id)
    assert (standing.state, standing.approved_by) == ("open", ("abel",))
    assert len(world.events(EventName.PROPOSAL_APPROVED)) == 1


def test_whoever_lost_the_role_in_between_approves_no_more(world):
    made = payout(world)
    session = world.session("abel")
    people.deactivate(world.core, world.session("sara"), "abel")
    assert (
        refusal_of(proposals.approve, world.core, session, made.proposal_id, made.payload_sha256)
        == "session_is_not_valid"
    )


def test_a_book_without_a_policy_has_no_proposals(database):
    with world_of(database, founded=False) as world:
        assert refusal_of(payout, world, by=None) == "policy_must_exist"
        assert refusal_of(forge_proposal, world, {}) == "policy_must_exist"


def forge_proposal(world: World, changes: dict[str, object]) -> None:
    """What a core that does not ask Python's draft might send: any bytes, any event."""
    identity, event = world.new_id(), world.new_id()
    payload = b'{"form":"ringfence proposal v1"}'
    line = Line(Kind.EVENT, event, code=EventName.PROPOSAL_MADE, payload={"proposal": str(identity)} | changes)
    row = {"book": world.book, "event": event, "proposal": identity, "payload": payload, "token_sha256": None}
    world.core.post(Unit([line], [(QUERIES.make_proposal, row)]))
