"""The founding of a book under the policy that comes along: a password approves nothing but the way to a passkey, and
before any money has moved a new passkey of the staff does not wait. Database, gateway, notary, stranger say the same.
"""

import dataclasses
import json
from collections.abc import Iterator

import pytest

from authority_world import Device, World, device_of, enrolled, money_moves, world_of
from ringfence.authority import proposals, verification
from ringfence.authority.passkeys import assertions, keys
from ringfence.authority.policy import default_toml, read_toml
from ringfence.authority.proposals import Drafted
from ringfence.authority.standing.verification import authorised
from ringfence.evidence.authorisation import SaidRow
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.refusal import Refused
from test_authority_passkeys import refusal_of
from test_verifier_approvals import journal_of
from test_verifier_approvals import verdict as verdict_of_a_stranger

WAY_TO_A_PASSKEY = {"key_enrolment", "identity_binding"}


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database, policy=read_toml(default_toml())) as found:
        yield found


def proposed(world: World) -> Drafted:
    """An act of one approver."""
    return proposals.propose(world.core, world.session("tess"), world.new_id(), "allocation", facts={"why": "ours"})


def signs(world: World, person: str, device: Device, made: Drafted) -> proposals.Decided:
    signed = device.assertion(assertions.approval_challenge(made.payload))
    return proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256, assertion=signed)


def waits(world: World) -> list[int]:
    return [said["wait_hours"] for said in world.events(EventName.PASSKEY_ENROLLED)]


def test_every_act_is_signed_but_the_way_to_a_passkey():
    """Also each band that asks anybody."""
    for act in read_toml(default_toml()).acts.values():
        asked = [act.otherwise, *(band.requirement for bands in act.bands.values() for band in bands)]
        assert {each.signed for each in asked if each.people} == {act.name not in WAY_TO_A_PASSKEY}, act.name


def test_a_password_approves_nothing_that_moves_money(world):
    made = proposed(world)
    refused = refusal_of(proposals.approve, world.core, world.session("abel"), made.proposal_id, made.payload_sha256)
    assert refused == "approval_must_be_signed"


def test_a_key_of_the_founding_approves_at_once_and_everybody_finds_that_right(world):
    device, made = enrolled(world, "abel"), proposed(world)
    assert waits(world) == [0]
    assert signs(world, "abel", device, made).complete
    record = verification.record_of(world.connect("gateway"), world.book, made.proposal_id)
    assert verification.verify(record, world.clock()) is None
    assert verdict_of_a_stranger(journal_of(world)) == (2, 1, 1)
    assert notary_objects(world) == ""


def test_once_money_has_moved_a_key_waits_and_nobody_believes_another_word(world):
    """Whoever writes that it waits less, is told by the gateway, the notary and the stranger."""
    old = enrolled(world, "anna")
    money_moves(world)
    device, made = enrolled(world, "abel"), proposed(world)
    assert waits(world) == [0, 24]
    assert refusal_of(signs, world, "abel", device, made) == "passkey_must_wait"
    assert signs(world, "anna", old, made).complete
    late = proposed(world)
    world.later(hours=25)
    world.signed_in.clear()
    assert signs(world, "abel", device, late).complete
    record = verification.record_of(world.connect("gateway"), world.book, late.proposal_id)
    assert verification.verify(record, world.clock()) is None
    said = [dataclasses.replace(each, says={**each.says, "wait_hours": 0}) for each in record.key_events]
    refused = verification.verify(dataclasses.replace(record, key_events=tuple(said)), world.clock())
    assert refused is not None
    assert "shorter wait" in refused.facts["because"]
    assert notary_objects(world) == ""
    assert notary_objects(world, wait_hours=23) == "row_says_what_nobody_did"


def test_the_database_takes_no_other_wait_than_the_rule_gives(world, monkeypatch):
    """A core that says zero after money has moved is refused."""
    money_moves(world)
    made = device_of(world).proposed(world, "abel")
    proposals.approve(world.core, world.session("sara"), made.proposal_id, made.payload_sha256)
    monkeypatch.setattr(keys, "_enrolled", lambda facts, _, proposal: ENROLLED(facts, 0, proposal))
    assert refusal_of(keys.enrol, world.core, made.proposal_id) == "event_must_say_what_happens"


ENROLLED = keys._enrolled


def notary_objects(world: World, **said: object) -> str:
    """What the notary finds wrong with the last enrolment, if it said something else."""
    connection = world.connect("notary")
    last = reading.events(connection, world.book, EventName.PASSKEY_ENROLLED)
    found = max(last, key=lambda each: each.sequence)
    row = SaidRow(
        world.book,
        found.sequence,
        EventName.PASSKEY_ENROLLED,
        derived(world.new_id(), "any"),
        found.posted_at,
        json.dumps(found.said | said).encode(),
    )
    try:
        authorised(connection, row)
    except Refused as refused:
        return refused.name
    return ""
