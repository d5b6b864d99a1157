"""The brake on a real PostgreSQL: one person stops, two others go on, and the journal says which it is."""

from collections.abc import Iterator

import pytest
from authority_world import World, world_of

from ringfence.authority import proposals
from ringfence.incident import brake


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def test_one_person_stops_and_two_others_go_on(world):
    state = brake.pull(world.core, world.session("tess"), "the bank called")
    assert (state.pulled, state.by, state.reason) == (True, "tess", "the bank called")
    made = brake.propose_release(world.core, world.session("tess"), "settled with the bank")
    for person in ("abel", "rita"):
        assert brake.brake_state(world.connect("gateway"), world.book).pulled
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)
    assert brake.brake_state(world.connect("gateway"), world.book).pulled
    assert not brake.release(world.core, made.proposal_id).pulled
    assert not brake.brake_state(world.connect("gateway"), world.book).pulled
