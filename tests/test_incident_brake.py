"""The brake on a real PostgreSQL: one person stops, two others go on, and the journal says which it is."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from authority_world import World, world_of
from ringfence.authority import proposals
from ringfence.authority.proposals import Drafted
from ringfence.incident import brake
from ringfence.incident.brake import Brake, Pull, Release, brake_state
from ringfence.incident.queries import QUERIES
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.storage import head_of
from ringfence.refusal import Refused


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def refusal_of(act: Callable[..., object], *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def seen_by_the_gateway(world: World) -> Brake:
    return brake_state(world.connect("gateway"), world.book)


def pull(world: World, person: str = "tess", reason: str = "the bank called") -> Brake:
    return brake.pull(world.core, world.session(person), reason)


def propose(world: World, person: str = "tess") -> Drafted:
    return brake.propose_release(world.core, world.session(person), "settled with the bank")


def approve(world: World, made: Drafted, *persons: str) -> None:
    for person in persons:
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)


def release(world: World, *, by: tuple[str, ...] = ("abel", "rita")) -> Brake:
    made = propose(world)
    approve(world, made, *by)
    return brake.release(world.core, made.proposal_id)


def test_a_book_begins_with_the_brake_released(world):
    assert seen_by_the_gateway(world) == brake.NEVER_PULLED
    brake.require_released(world.connect("gateway"), world.book)


def test_one_person_stops_and_two_others_go_on(world):
    state = pull(world)
    assert (state.pulled, state.by, state.reason) == (True, "tess", "the bank called")
    assert refusal_of(brake.require_released, world.connect("gateway"), world.book) == "brake_is_pulled"
    made = propose(world)
    for person in ("abel", "rita"):
        assert seen_by_the_gateway(world).pulled
        approve(world, made, person)
    assert seen_by_the_gateway(world).pulled  # approved is not released: somebody still has to do it
    assert not brake.release(world.core, made.proposal_id).pulled
    brake.require_released(world.connect("gateway"), world.book)
    assert not brake.release(world.core, made.proposal_id).pulled  # a retry after a crash changes nothing
    assert len(world.events(EventName.BRAKE_RELEASED)) == 1


def test_pulling_twice_is_one_brake(world):
    world.session("abel")
    first = pull(world)
    head = head_of(world.connect("core"), world.book)
    assert pull(world, "abel", "me too") == first
    assert head_of(world.connect("core"), world.book) == head


def test_pulled_by_many_at_the_same_moment_it_is_one_brake_and_one_release_ends_it(world):
    for person in ("tess", "abel", "rita", "sven"):
        world.session(person)
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(lambda person: pull(world, person, person), ("tess", "abel", "rita", "sven")))
    assert all(state.pulled for state in states)
    state = seen_by_the_gateway(world)
    assert state.by == state.reason == world.events(EventName.BRAKE_PULLED)[0]["by"]
    assert not release(world).pulled
    assert pull(world).pulled


@pytest.mark.parametrize(("person", "may"), [("sven", True), ("sara", True), ("rita", True), ("otto", False)])
def test_staff_may_pull_and_who_only_reads_may_not(world, person, may):
    if may:
        assert pull(world, person).pulled
    else:
        assert refusal_of(pull, world, person) == "person_lacks_the_role"
        assert not seen_by_the_gateway(world).pulled


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_a_pull_says_why(world, reason):
    assert refusal_of(pull, world, "tess", reason) == "reason_is_missing"


def test_the_maker_of_the_release_is_not_one_of_the_two(world):
    pull(world)
    made = propose(world, "abel")
    assert refusal_of(approve, world, made, "abel") == "maker_may_not_check"
    approve(world, made, "rita")
    assert refusal_of(brake.release, world.core, made.proposal_id) == "proposal_is_not_complete"
    assert seen_by_the_gateway(world).pulled


def test_only_a_pulled_brake_is_released(world):
    assert refusal_of(propose, world) == "brake_is_not_pulled"


def test_who_pulls_after_a_release_was_proposed_is_heard(world):
    pull(world)
    made = propose(world)
    approve(world, made, "abel", "rita")
    again = pull(world, "sven", "not settled at all")
    assert [each.reason for each in again.again] == ["not settled at all"]
    assert refusal_of(brake.release, world.core, made.proposal_id) == "brake_was_pulled_again"
    assert seen_by_the_gateway(world).pulled
    fresh = propose(world)
    facts = proposals.proposal_of(world.connect("core"), world.book, fresh.proposal_id).terms.facts
    assert facts["pulled_because"] == "the bank called / not settled at all"
    approve(world, fresh, "abel", "rita")
    assert not brake.release(world.core, fresh.proposal_id).pulled


def forge(world: World, **said: Any) -> None:
    line = Line(Kind.EVENT, world.new_id(), code=EventName.BRAKE_RELEASED, payload=said)
    world.core.post(Unit([line]))


def test_an_event_that_claims_a_release_changes_nothing(world):
    """The core may append anything; the gateway asks for the approvals. Tried: nonsense, an unknown proposal, one not
    approved, one approved by one, an approved payout, and the release of an earlier pull.
    """
    pull(world)
    old = propose(world)
    approve(world, old, "abel", "rita")
    brake.release(world.core, old.proposal_id)
    pull(world, "sven", "again")
    lonely = propose(world)
    approve(world, lonely, "abel")
    payout = proposals.propose(world.core, world.session("tess"), world.new_id(), "payout", facts={"pulled": "1"})
    approve(world, payout, "abel", "anna")
    claims = [{}, {"proposal": 7}, {"proposal": ["x"]}, {"proposal": "x"}, {"proposal": str(world.new_id())}]
    claims += [{"proposal": str(each.proposal_id)} for each in (lonely, payout, old)]
    for claim in claims:
        forge(world, **claim)
        assert seen_by_the_gateway(world).pulled, claim
    state = seen_by_the_gateway(world)
    assert (state.reason, len(state.ignored)) == ("again", len(claims))
    assert not release(world).pulled


def test_a_release_approved_beforehand_holds_no_pull_that_comes_later(world):
    """Two people approve the release of a pull that has not happened yet, by guessing its row."""
    pull(world)
    for person in ("abel", "rita", "sven"):
        world.session(person)
    facts = {"pulled": str(head_of(world.connect("core"), world.book) + 20)}
    early = proposals.propose(world.core, world.session("tess"), world.new_id(), brake.ACT, facts=facts)
    approve(world, early, "abel", "rita")
    while head_of(world.connect("core"), world.book) < int(facts["pulled"]):
        world.core.post(Unit([Line(Kind.EVENT, world.new_id(), code=EventName.DAY_OPENED, payload={})]))
    state = brake.pull(world.core, world.session("sven"), "the real one")
    assert str(state.last_pull) == facts["pulled"]
    forge(world, proposal=str(early.proposal_id), pulled=facts["pulled"])
    assert seen_by_the_gateway(world).pulled
    assert refusal_of(brake.release, world.core, early.proposal_id) == "brake_was_pulled_again"


def test_the_database_lets_no_release_pass_that_python_would_not(world):
    pull(world)
    made = propose(world)
    approve(world, made, "abel")
    said = {"proposal": str(made.proposal_id), "pulled": "0"}
    line = Line(Kind.EVENT, world.new_id(), code=EventName.BRAKE_RELEASED, payload=said)
    row = {"book": world.book, "event": line.id, "proposal": made.proposal_id}
    unit = Unit([line], [(QUERIES.release_brake, row)])
    assert refusal_of(world.core.post, unit) == "proposal_is_not_complete"
    approve(world, made, "rita")
    assert refusal_of(world.core.post, unit) == "event_must_say_what_happens"


def test_a_release_is_not_carried_out_twice_nor_after_its_time(world):
    pull(world)
    made = propose(world)
    approve(world, made, "abel", "rita")
    world.later(hours=12)
    assert refusal_of(brake.release, world.core, made.proposal_id) == "proposal_has_expired"
    assert seen_by_the_gateway(world).pulled


def test_the_history_tells_who_pulled_and_who_released(world):
    pull(world)
    release(world)
    forge(world, proposal="x")
    pull(world, "sven", "again")
    history = brake.brake_history(world.connect("auditor"), world.book)
    told = [(type(each), each.by, each.holds if isinstance(each, Release) else each.reason) for each in history]
    assert told == [
        (Pull, "sven", "again"),
        (Release, "", False),
        (Release, "abel, rita", True),
        (Pull, "tess", "the bank called"),
    ]
    assert len(brake.brake_history(world.connect("auditor"), world.book, limit=2)) == 2


def test_no_role_writes_the_indicators_table(world):
    for role in ("core", "gateway", "notary", "reader", "auditor"):
        connection = world.connect(role)
        for statement in (
            "INSERT INTO incident.indicator VALUES (1, 'x', 'green', now(), 1)",
            "UPDATE incident.indicator SET level = 'green'",
            "DELETE FROM incident.indicator",
        ):
            with pytest.raises(psycopg.Error) as refused, connection.transaction():
                connection.execute(statement.encode())
            assert refused.value.sqlstate in {"42501", "25006"}, f"{role}: {statement}"
