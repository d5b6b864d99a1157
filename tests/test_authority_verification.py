"""The gateway's count: a true record bears its act, and a record with one thing changed does not."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authority_world import World, world_of
from policies import unsigned_toml
from ringfence.authority import people, policies, proposals, terms, verification
from ringfence.authority.policy import read_toml
from ringfence.authority.proposals import Drafted
from ringfence.authority.terms import Terms
from ringfence.authority.verification import Record, Said
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.money import currency
from ringfence.refusal import Refused

EUR = currency("EUR")


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def approved(world: World, *persons: str, amount: int = 9_000_000) -> Drafted:
    facts = {"creditor_name": "Erika Beispiel", "creditor_account": "DE89370400440532013000"}
    made = proposals.propose(
        world.core,
        world.session("tess"),
        world.new_id(),
        "payout",
        order=UUID(int=9),
        amount=amount,
        unit=EUR,
        facts=facts,
    )
    for person in persons:
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)
    return made


def record(world: World, made: Drafted) -> Record:
    return verification.record_of(world.connect("gateway"), world.book, made.proposal_id)


def verdict(world: World, found: Record) -> str:
    refused = verification.verify(found, world.clock())
    return "holds" if refused is None else refused.name


def test_the_gateway_counts_as_many_people_as_the_policy_asks_for(world):
    assert verdict(world, record(world, approved(world))) == "approvals_do_not_suffice"
    assert verdict(world, record(world, approved(world, "abel"))) == "approvals_do_not_suffice"
    made = approved(world, "abel", "anna")
    found = record(world, made)
    assert verdict(world, found) == "holds"
    assert verification.verified_terms(found, world.clock()) == terms.read(made.payload)
    assert found.last_sequence == found.proposal.decisions[-1].sequence
    assert verification.approvals_of(world.connect("gateway"), 1, made.proposal_id) == found.proposal.decisions


def test_a_rejected_proposal_bears_nothing(world):
    made = approved(world, "abel")
    proposals.reject(world.core, world.session("anna"), made.proposal_id, made.payload_sha256)
    assert verdict(world, record(world, made)) == "proposal_was_rejected"


def test_an_approval_lapses(world):
    found = record(world, approved(world, "abel", "anna"))
    world.later(hours=72)
    assert verdict(world, found) == "proposal_has_expired"


def test_an_approval_outlives_the_approvers_role_and_password(world):
    """Who held the role when deciding has decided; the gateway pays later, when the person has left."""
    made = approved(world, "abel", "anna")
    people.deactivate(world.core, world.session("sara"), "abel")
    assert verdict(world, record(world, made)) == "holds"


def test_an_approval_is_judged_by_the_policy_of_its_time(world):
    made = approved(world, "abel", amount=2_000_000)
    stricter = read_toml(unsigned_toml().replace("people = 1", "people = 2"))
    change = policies.propose_policy(world.core, world.session("rita"), stricter, world.clock())
    for person in ("abel", "sven"):
        proposals.approve(world.core, world.session(person), change.proposal_id, change.payload_sha256)
    policies.change_policy(world.core, change.proposal_id)
    assert verdict(world, record(world, made)) == "holds"


def test_an_event_that_the_core_forges_is_no_approval(world):
    """The core appends PROPOSAL_APPROVED by itself, and makes the journal say that somebody has the role."""
    made = approved(world, "abel")
    said = {"proposal": str(made.proposal_id), "person": "anna", "sha256": made.payload_sha256.hex(), "count": 2}
    forged = Line(Kind.EVENT, world.new_id(), code=EventName.PROPOSAL_APPROVED, payload=said)
    granted = {"person": "otto", "change": "changed", "roles": ["approver"]}
    role = Line(Kind.EVENT, world.new_id(), code=EventName.PERSON_CHANGED, payload=granted)
    world.core.post(Unit([forged, role]))
    assert verdict(world, record(world, made)) == "approvals_do_not_suffice"


def test_a_row_that_an_administrator_writes_is_no_approval(world):
    """With the owner's hand: triggers off, an approval inserted that the journal does not know; then one that leans on
    somebody else's event; then the maker changed, so that the maker could count.
    """
    made = approved(world, "abel")
    owner = world.connect("owner")
    insert = (
        "INSERT INTO authority.approval SELECT book_id, proposal_id, 'anna', payload_sha256, decided, reason, at,"
        " sequence + {} FROM authority.approval"
    )
    owner.execute(insert.format(1_000).encode())
    owner.commit()
    assert verdict(world, record(world, made)) == "record_contradicts_itself"
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute(insert.replace("'anna'", "'theo'").format(0).encode())
    owner.rollback()
    other = approved(world, "anna", amount=8_000_000)
    owner.execute(b"ALTER TABLE authority.proposal DISABLE TRIGGER USER")
    owner.execute(b"UPDATE authority.proposal SET maker = 'theo' WHERE proposal_id = %(p)s", {"p": other.proposal_id})
    owner.commit()
    assert verdict(world, record(world, other)) == "record_contradicts_itself"


Change = Callable[[Record], Record]


def record_with(**changes: Any) -> Change:
    return lambda found: dataclasses.replace(found, **changes)


def grants(granted: int, withdrawn: int | None) -> Change:
    """Every grant began and ended at other rows."""

    def apply(found: Record) -> Record:
        moved = tuple(dataclasses.replace(each, granted=granted, withdrawn=withdrawn) for each in found.grants)
        return dataclasses.replace(found, grants=moved)

    return apply


def nonsense_about_roles(found: Record) -> Record:
    events = tuple(dataclasses.replace(each, says={**each.says, "roles": 7}) for each in found.person_events)
    return dataclasses.replace(found, person_events=events)


def proposal(**changes: Any) -> Change:
    return lambda found: dataclasses.replace(found, proposal=dataclasses.replace(found.proposal, **changes))


def decisions(change: Callable[[list[Any]], list[Any]]) -> Change:
    def apply(found: Record) -> Record:
        return proposal(decisions=tuple(change(list(found.proposal.decisions))))(found)

    return apply


def first_decision(**changes: Any) -> Change:
    return decisions(lambda each: [dataclasses.replace(each[0], **changes), *each[1:]])


def said(name: EventName, **changes: Any) -> Change:
    """What an event says is changed; `at` and `code` are its own."""

    def apply(found: Record) -> Record:
        events = dict(found.events)
        sequence = next(number for number, event in sorted(events.items()) if event.code == name)
        event: Said = events[sequence]
        own = {key: changes[key] for key in ("posted_at", "code") if key in changes}
        says: Mapping[str, Any] = {**event.says, **{k: v for k, v in changes.items() if k not in own}}
        events[sequence] = dataclasses.replace(event, says=says, **own)
        return dataclasses.replace(found, events=events)

    return apply


def payload(old: bytes, new: bytes) -> Change:
    """The bytes are changed, and the hash with them wherever the table keeps it."""

    def apply(found: Record) -> Record:
        changed = found.proposal.payload.replace(old, new)
        assert changed != found.proposal.payload
        digest = terms.hash_of(changed)
        return proposal(payload=changed, payload_sha256=digest)(found)

    return apply


def other_policy(found: Record) -> Record:
    lax = read_toml(unsigned_toml().replace("people = 2", "people = 1"))
    return dataclasses.replace(found, policy=dataclasses.replace(found.policy, policy=lax))


CHANGES: dict[str, tuple[Change, str]] = {
    "nothing": (record_with(), "holds"),
    "state is believed by nobody": (proposal(state="rejected"), "holds"),
    "one byte of the payload": (proposal(payload=b"x"), "payload_was_changed"),
    "the amount": (payload(b'"9000000"', b'"9000001"'), "record_contradicts_itself"),
    "the payee": (payload(b"DE89370400440532013000", b"DE02120300000000202051"), "record_contradicts_itself"),
    "the form": (payload(b"proposal v1", b"proposal v2"), "terms_are_not_valid"),
    "white space": (payload(b'"act":', b'"act": '), "terms_are_not_valid"),
    "the order": (proposal(order_id=UUID(int=8)), "record_contradicts_itself"),
    "the act": (proposal(act="funding"), "record_contradicts_itself"),
    "the book": (record_with(book=2), "record_contradicts_itself"),
    "fewer people": (proposal(people=1), "record_contradicts_itself"),
    "other roles": (proposal(roles=("approver", "treasurer")), "record_contradicts_itself"),
    "the maker": (proposal(maker="abel"), "record_contradicts_itself"),
    "a later expiry": (proposal(expires_at=None), "record_contradicts_itself"),
    "a policy nobody set": (other_policy, "record_contradicts_itself"),
    "the making is not in the journal": (proposal(made=0), "record_contradicts_itself"),
    "the journal made it otherwise": (said(EventName.PROPOSAL_MADE, sha256="00"), "record_contradicts_itself"),
    "the journal has another event": (said(EventName.PROPOSAL_MADE, code=1), "record_contradicts_itself"),
    "the journal set another policy": (said(EventName.POLICY_SET, sha256="00"), "record_contradicts_itself"),
    "somebody rejected": (first_decision(decided="reject"), "proposal_was_rejected"),
    "one decision less": (decisions(lambda each: each[1:]), "approvals_do_not_suffice"),
    "none": (decisions(lambda _: []), "approvals_do_not_suffice"),
    "one person twice": (decisions(lambda each: [each[0], each[0]]), "record_contradicts_itself"),
    "one person as two": (first_decision(person_id="theo"), "record_contradicts_itself"),
    "other bytes approved": (first_decision(payload_sha256=bytes(32)), "payload_was_changed"),
    "approved before it was made": (first_decision(sequence=1), "record_contradicts_itself"),
    "the journal says somebody else": (said(EventName.PROPOSAL_APPROVED, person="x"), "record_contradicts_itself"),
    "the journal says other bytes": (said(EventName.PROPOSAL_APPROVED, sha256="00"), "record_contradicts_itself"),
    "the journal says reject": (
        said(EventName.PROPOSAL_APPROVED, code=EventName.PROPOSAL_REJECTED),
        "record_contradicts_itself",
    ),
    "no grants": (record_with(grants=()), "approvals_do_not_suffice"),
    "grants that came later": (grants(10**6, None), "approvals_do_not_suffice"),
    "grants that had ended": (grants(0, 1), "approvals_do_not_suffice"),
    "the journal knows no role": (record_with(person_events=()), "approvals_do_not_suffice"),
    "the journal says nonsense about roles": (nonsense_about_roles, "approvals_do_not_suffice"),
}


def test_a_record_with_one_thing_changed_does_not_bear_the_act(world):
    found = record(world, approved(world, "abel", "anna"))
    for name, (change, expected) in CHANGES.items():
        assert verdict(world, change(found)) == expected, name


def test_the_maker_never_counts_although_everything_else_fits(world):
    """A record in which the maker's approval stands: the database would not have taken it, and the gateway does not."""
    found = record(world, approved(world, "abel", "anna"))
    as_maker = proposal(maker="abel")(found)
    as_maker = said(EventName.PROPOSAL_MADE, maker="abel")(as_maker)
    assert verdict(world, as_maker) == "approvals_do_not_suffice"


TERMS = st.builds(
    Terms,
    book=st.integers(1, 2**31 - 1),
    proposal=st.uuids(),
    act=st.from_regex(r"[a-z][a-z_]{0,30}", fullmatch=True),
    order=st.one_of(st.none(), st.uuids()),
    amount=st.integers(0, 2**63 - 1),
    unit=st.sampled_from([currency("EUR"), currency("JPY"), currency("BHD")]),
    facts=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4),
    policy_version=st.integers(1, 1000),
    expires_at=st.integers(0, 2**52).map(
        lambda micros: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    ),
)


@settings(max_examples=80, deadline=None)
@given(TERMS)
def test_terms_are_read_as_they_were_written(given_terms):
    assert terms.read(terms.write(given_terms)) == given_terms


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_changed_byte_is_refused_or_says_something_else(data):
    payload_bytes = terms.write(data.draw(TERMS))
    place = data.draw(st.integers(0, len(payload_bytes) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != payload_bytes[place]))
    changed = payload_bytes[:place] + bytes([byte]) + payload_bytes[place + 1 :]
    try:
        read = terms.read(changed)
    except Refused as refused:
        name = refused.name
        assert name == "terms_are_not_valid"
        return
    assert terms.write(read) == changed != payload_bytes


SAMPLE = Terms(
    1, UUID(int=7), "payout", None, 5, currency("EUR"), {"a": "b"}, 1, datetime(2026, 3, 2, tzinfo=UTC), UUID(int=9)
)
BOOLEAN_BOOK = terms.write(SAMPLE).replace(b'"book":1', b'"book":true')
SURROGATE = terms.write(SAMPLE).replace(b'"a":"b"', b'"a":"\\ud800"')
NESTED = terms.write(SAMPLE).replace(b'{"a":"b"}', b'{"a":{"b":"c"}}')


@pytest.mark.parametrize(
    "payload_bytes",
    [b"", b"null", b"[]", b"{}", b'{"form":1}', b"\xff", b'"x"', b"NaN", b"[" * 5_000, BOOLEAN_BOOK, SURROGATE, NESTED],
)
def test_bytes_that_are_no_terms_are_refused_by_name(payload_bytes):
    with pytest.raises(Refused, match="terms_are_not_valid"):
        terms.read(payload_bytes)


def test_terms_stand_for_their_time_only(world):
    made = approved(world, "abel", "anna")
    assert terms.read(made.payload).expires_at - world.clock() <= timedelta(hours=72)
