"""The policy: read strictly, the same in Python and in the database, and changed by people only."""

import dataclasses
import doctest
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from authority_world import World, world_of
from policies import unsigned_toml
from ringfence.authority import cooling_off, escalations, policies, proposals, terms, verification
from ringfence.authority import policy as policy_module
from ringfence.authority.escalations import Seen
from ringfence.authority.policy import (
    Policy,
    Requirement,
    default_toml,
    policy_in_force,
    read_document,
    read_toml,
    required,
)
from ringfence.authority.roles import STAFF
from ringfence.ledger.codes import EventName
from ringfence.money import INT64_MAX, currency
from ringfence.refusal import Refused

EUR = currency("EUR")


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def refusal_of(act: Callable[..., object], *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def test_the_examples_of_the_docstrings_hold():
    for module in (policy_module, terms, escalations, cooling_off):
        result = doctest.testmod(module)
        assert result.attempted
        assert result.failed == 0


def test_the_first_policy_is_read_and_its_bytes_are_read_again():
    policy = read_toml(default_toml())
    assert read_document(policy.document) == policy
    for act in policy.acts.values():
        assert act.title_en
        assert act.title_zh


@pytest.mark.parametrize(
    ("act", "amount", "people"),
    [
        ("payout", 1, 0),
        ("payout", 1_000_000, 0),
        ("payout", 1_000_001, 1),
        ("payout", 5_000_000, 1),
        ("payout", 5_000_001, 2),
        ("payout", INT64_MAX, 2),
        ("payout", None, 2),
        ("hold_release", 1, 2),
        ("brake_release", None, 2),
        ("funding", 1, 1),
    ],
)
def test_more_money_asks_for_more_people(act, amount, people):
    assert required(read_toml(default_toml()), act, amount, EUR).people == people


def test_an_act_that_the_policy_does_not_know_is_nobodys():
    assert refusal_of(required, read_toml(default_toml()), "gift") == "act_is_not_in_the_policy"


def changed(path: str, value: Any) -> bytes:
    said = json.loads(read_toml(unsigned_toml()).document)
    *road, last = path.split("/")
    place = said
    for step in road:
        place = place[int(step) if isinstance(place, list) else step]
    if value is None:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return rfc8785.dumps(said)


NIGHT = {"zone": "UTC", "from": "22:00", "until": "06:00", "more_people": 1, "roles": ["approver"], "signed": True}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("acts", []),
        ("other", {}),
        ("acts/payout", "free"),
        ("acts/payout/otherwise", None),
        ("acts/payout/extra", 1),
        ("acts/payout/title", {"en": "Pay"}),
        ("acts/payout/title", {"en": "Pay", "zh": 1}),
        ("acts/payout/makers", []),
        ("acts/payout/makers", ["king"]),
        ("acts/payout/stands_hours", 0),
        ("acts/payout/stands_hours", True),
        ("acts/payout/stands_hours", 10_000),
        ("acts/payout/bands", []),
        ("acts/payout/bands/XXX", []),
        ("acts/payout/bands/EUR", []),
        ("acts/payout/bands/EUR/0/up_to_minor", 1_000_000),
        ("acts/payout/bands/EUR/0/up_to_minor", "1e6"),
        ("acts/payout/bands/EUR/0/up_to_minor", "0100"),
        ("acts/payout/bands/EUR/0/up_to_minor", "-1"),
        ("acts/payout/bands/EUR/0/up_to_minor", "99999999999999999999"),
        ("acts/payout/bands/EUR/0/up_to_minor", "5000000"),
        ("acts/payout/bands/EUR/0/up_to_minor", "6000000"),
        ("acts/payout/otherwise/people", -1),
        ("acts/payout/otherwise/people", "2"),
        ("acts/payout/otherwise/people", 0),
        ("acts/payout/otherwise/people", 21),
        ("acts/payout/otherwise/roles", []),
        ("acts/payout/otherwise/roles", ["client"]),
        ("acts/payout/bands/EUR/1/roles", "approver"),
        ("acts/payout/when", {}),
        ("acts/payout/when", []),
        ("acts/payout/when", ["night"]),
        *(
            ("acts/payout/when", [NIGHT | wrong])
            for wrong in (
                {"from": "24:00"},
                {"from": "22"},
                {"until": "22:00"},
                {"zone": "Mars/Base"},
                {"zone": "../etc/passwd"},
                {"zone": 8},
                {"more_people": 0},
                {"more_people": 21},
                {"more_people": True},
                {"roles": []},
                {"roles": ["king"]},
                {"signed": "yes"},
                {"score_from": 0},
                {"score_from": 101},
                {"score_from": "50"},
                {"extra": 1},
            )
        ),
        ("acts/payout/when", [{"more_people": 1, "roles": ["approver"], "signed": False}]),
        ("acts/payout/when", [{"zone": "UTC", "more_people": 1, "roles": ["approver"], "signed": False}]),
        ("acts/payout/when", [{"score_from": 50, "more_people": 0, "roles": [], "signed": False}]),
        ("cooling_off", {}),
        ("cooling_off/otherwise", {"above_minor": 5, "wait_hours": 1}),
        ("cooling_off/otherwise", {"above_minor": "05", "wait_hours": 1}),
        ("cooling_off/otherwise", {"above_minor": "5", "wait_hours": 72}),
        ("cooling_off/otherwise", {"above_minor": "5", "wait_hours": -1}),
        ("cooling_off/currencies", {"XXX": {"above_minor": "5", "wait_hours": 1}}),
        ("cooling_off/currencies", []),
    ],
)
def test_a_policy_that_says_nonsense_is_refused(path, value):
    assert refusal_of(read_document, changed(path, value)) == "policy_is_not_valid"


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b"\xff", b'{"acts": {}}'])
def test_bytes_that_are_no_canonical_policy_are_refused(document):
    assert refusal_of(read_document, document) == "policy_is_not_valid"
    assert refusal_of(read_toml, "acts = [") == "policy_is_not_valid"


PEOPLE = st.builds(
    lambda people, roles: {"people": people, "roles": roles if people else []},
    st.integers(0, 5),
    st.lists(st.sampled_from([str(role) for role in STAFF]), min_size=1, max_size=3, unique=True),
)
LIMITS = st.lists(st.integers(1, 10_000), min_size=1, max_size=4, unique=True)
BANDS = st.builds(
    lambda limits, people: [{"up_to_minor": str(n), **p} for n, p in zip(sorted(limits), people, strict=False)],
    LIMITS,
    st.lists(PEOPLE, min_size=4, max_size=4),
)


CLOCKS = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))
ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
WINDOWS = st.tuples(ZONES, CLOCKS, CLOCKS).filter(lambda each: each[1] != each[2])
ASKED = st.tuples(st.integers(0, 2), st.booleans()).filter(any)


def escalation(window: tuple[str, str, str] | None, score: int | None, asks: tuple[int, bool], roles: list[str]) -> Any:
    people, signed = asks
    said: dict[str, Any] = {"more_people": people, "roles": roles if people else [], "signed": signed}
    said |= dict(zip(("zone", "from", "until"), window, strict=True)) if window else {}
    return said | ({} if score is None and window else {"score_from": score or 50})


ROLES = st.lists(st.sampled_from([str(role) for role in STAFF]), min_size=1, max_size=3, unique=True)
WHEN = st.lists(st.builds(escalation, st.none() | WINDOWS, st.none() | st.integers(1, 100), ASKED, ROLES), max_size=3)
SEEN = st.builds(
    Seen,
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(tzinfo=UTC)),  # noqa: DTZ001
    st.none() | st.integers(0, 100),
)


def test_python_and_database_ask_for_the_same_people(world):
    """Whatever the policy, the amount, the hour and the score: the database enforces what the page showed and the
    gateway counts.
    """
    owner = world.connect("owner")
    question = (
        b"SELECT authority.required(%(document)s::jsonb, 'payout', %(currency)s, %(amount)s::numeric, %(at)s,"
        b" %(score)s::numeric)"
    )

    @settings(max_examples=100, deadline=None)
    @given(BANDS, PEOPLE, st.one_of(st.none(), st.integers(0, 12_000)), st.sampled_from(["EUR", "CZK"]), WHEN, SEEN)
    def holds(
        bands: list[Any], otherwise: dict[str, Any], amount: int | None, code: str, when: list[Any], seen: Seen
    ) -> None:
        act = {"title": {"en": "a", "zh": "b"}, "makers": ["client"], "stands_hours": 1}
        said: dict[str, Any] = {"acts": {"payout": act | {"bands": {"EUR": bands}, "otherwise": otherwise}}}
        if when:
            said["acts"]["payout"]["when"] = when
        policy = read_document(rfc8785.dumps(said))
        unit = None if amount is None else currency(code)
        asked = {"document": policy.document.decode(), "currency": unit and unit.code, "amount": amount}
        [in_sql] = owner.execute(question, asked | {"at": seen.at, "score": seen.score}).fetchone()
        found = Requirement(in_sql["people"], tuple(in_sql["roles"]), in_sql.get("signed", False))
        assert found == required(policy, "payout", amount, unit, seen)

    holds()


def change(world: World, policy: Policy, days: int = 0) -> proposals.Drafted:
    made = policies.propose_policy(world.core, world.session("rita"), policy, world.clock() + timedelta(days=days))
    for person in ("abel", "sven"):
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)
    return made


def stricter() -> Policy:
    return read_toml(unsigned_toml().replace('up_to_minor = "1000000"', 'up_to_minor = "1"'))


def test_a_policy_is_changed_by_those_whom_the_present_one_names(world):
    core = world.connect("core")
    made = policies.propose_policy(world.core, world.session("rita"), stricter(), world.clock())
    assert refusal_of(policies.change_policy, world.core, made.proposal_id) == "proposal_is_not_complete"
    made = change(world, stricter())
    assert policy_in_force(core, world.book, world.clock()).version == 1
    policies.change_policy(world.core, made.proposal_id)
    policies.change_policy(world.core, made.proposal_id)
    found = policy_in_force(core, world.book, world.clock())
    assert (found.version, required(found, "payout", 2, EUR).people) == (2, 1)
    assert [said["sha256"] for said in world.events(EventName.POLICY_SET)][-1] == stricter().sha256.hex()
    assert [each.version for each in policy_module.policies(core, world.book)] == [2, 1]


def test_a_policy_comes_into_force_at_its_time(world):
    policies.change_policy(world.core, change(world, stricter(), days=2).proposal_id)
    core = world.connect("core")
    assert policy_in_force(core, world.book, world.clock()).version == 1
    world.later(days=3)
    assert policy_in_force(core, world.book, world.clock()).version == 2


def test_a_proposal_drafted_under_the_old_policy_is_refused_and_one_made_under_it_stands(world):
    old = policy_in_force(world.connect("core"), world.book, world.clock())
    facts: dict[str, Any] = {"by": world.session("tess"), "amount": 2_000_000, "unit": EUR, "facts": {}}
    standing = proposals.propose(world.core, facts.pop("by"), world.new_id(), "payout", **facts)
    policies.change_policy(world.core, change(world, stricter()).proposal_id)
    late = proposals.draft(world.core, old, world.new_id(), "payout", by=world.session("tess"), **facts)
    assert refusal_of(world.core.post, proposals.Unit([late.line], late.also)) == "policy_has_changed"
    assert proposals.approve(world.core, world.session("abel"), standing.proposal_id, standing.payload_sha256).complete


def test_two_policies_with_the_same_number_do_not_both_come_into_force(world):
    first, second = change(world, stricter()), change(world, stricter(), days=1)
    policies.change_policy(world.core, second.proposal_id)
    assert refusal_of(policies.change_policy, world.core, first.proposal_id) == "policy_version_must_be_next"


# -- time of day and risk ----------------------------------------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "people"),
    [
        ("2026-01-15T21:59:59+01:00", 0),
        ("2026-01-15T22:00:00+01:00", 1),
        ("2026-01-16T05:59:59+01:00", 1),
        ("2026-01-16T06:00:00+01:00", 0),
        ("2026-03-29T00:30:00+01:00", 1),  # the night in which the clocks go forward
        ("2026-03-29T05:59:00+02:00", 1),
        ("2026-03-29T06:00:00+02:00", 0),
        ("2026-07-15T20:30:00+00:00", 1),  # 22:30 in summer
        ("2026-01-15T20:30:00+00:00", 0),  # 21:30 in winter
    ],
)
def test_a_night_is_a_night_on_the_clocks_of_its_zone(moment, people):
    said = read_document(changed("acts/payout/when", [NIGHT | {"zone": "Europe/Berlin"}]))
    assert required(said, "payout", 1, EUR, Seen(at(moment), 0)).people == people


@pytest.mark.parametrize(("score", "people"), [(0, 0), (59, 0), (60, 2), (100, 2), (None, 2)])
def test_an_uneasy_order_asks_for_more_and_one_without_a_score_for_the_most(score, people):
    uneasy = {"score_from": 60, "more_people": 2, "roles": ["risk_officer"], "signed": True}
    said = read_document(changed("acts/payout/when", [uneasy]))
    found = required(said, "payout", 1, EUR, Seen(at("2026-03-02T12:00:00+00:00"), score))
    assert found == (Requirement(2, ("risk_officer",), signed=True) if people else Requirement(0, ()))


def test_escalations_add_up_on_what_the_amount_asks_for():
    both = [NIGHT, {"score_from": 1, "more_people": 1, "roles": ["risk_officer", "approver"], "signed": False}]
    said = read_document(changed("acts/payout/when", both))
    found = required(said, "payout", 2_000_000, EUR, Seen(at("2026-03-02T23:00:00+00:00"), 1))
    assert found == Requirement(3, ("approver", "risk_officer"), signed=True)
    assert required(said, "payout", 2_000_000, EUR, Seen(at("2026-03-02T12:00:00+00:00"), 0)).people == 1


def test_what_only_asks_for_signatures_asks_nobody_where_nobody_is_asked():
    signed = {"score_from": 1, "more_people": 0, "roles": [], "signed": True}
    said = read_document(changed("acts/payout/when", [signed]))
    seen = Seen(at("2026-03-02T12:00:00+00:00"), 50)
    assert required(said, "payout", 1, EUR, seen) == Requirement(0, ())
    assert required(said, "payout", 2_000_000, EUR, seen).signed


def nightly() -> Policy:
    """From 13:00 on, an hour after the test begins, a payout needs one person more."""
    return read_document(changed("acts/payout/when", [NIGHT | {"from": "13:00", "signed": False}]))


def test_the_hour_of_the_proposal_decides_and_not_that_of_the_approval(world):
    policies.change_policy(world.core, change(world, nightly()).proposal_id)
    facts: dict[str, Any] = {"amount": 2_000_000, "unit": EUR, "facts": {}}
    by_day = proposals.propose(world.core, world.session("tess"), world.new_id(), "payout", **facts)
    world.later(minutes=70)
    world.signed_in.clear()
    by_night = proposals.propose(world.core, world.session("tess"), world.new_id(), "payout", **facts)
    gateway = world.connect("gateway")
    for made, people in ((by_day, 1), (by_night, 2)):
        found = verification.record_of(gateway, world.book, made.proposal_id)
        assert found.proposal.people == found.needed.people == people
        for person in ("abel", "anna")[:people]:
            assert verification.verify(found, world.clock()).name == "approvals_do_not_suffice"
            proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)
            found = verification.record_of(gateway, world.book, made.proposal_id)
        assert verification.verify(found, world.clock()) is None


def test_the_database_does_not_take_the_cores_word_for_the_hour(world):
    """A core that drafts by the hour before: fewer people than the time of the append asks for."""
    policies.change_policy(world.core, change(world, nightly()).proposal_id)
    world.later(minutes=70)
    world.signed_in.clear()
    policy = policy_in_force(world.connect("core"), world.book, world.clock())
    facts: dict[str, Any] = {"amount": 2_000_000, "unit": EUR, "facts": {}, "at": world.clock() - timedelta(hours=1)}
    early = proposals.draft(world.core, policy, world.new_id(), "payout", by=world.session("tess"), **facts)
    assert refusal_of(world.core.post, proposals.Unit([early.line], early.also)) == "requirement_changed_meanwhile"


def test_a_forged_hour_is_seen_by_the_gateway(world):
    """A record whose row says another time than the journal, so that fewer people would do."""
    policies.change_policy(world.core, change(world, nightly()).proposal_id)
    world.later(minutes=70)
    world.signed_in.clear()
    facts: dict[str, Any] = {"amount": 2_000_000, "unit": EUR, "facts": {}}
    made = proposals.propose(world.core, world.session("tess"), world.new_id(), "payout", **facts)
    proposals.approve(world.core, world.session("abel"), made.proposal_id, made.payload_sha256)
    found = verification.record_of(world.connect("gateway"), world.book, made.proposal_id)
    earlier = dataclasses.replace(found.proposal, made_at=found.proposal.made_at - timedelta(hours=1), people=1)
    forged = dataclasses.replace(found, proposal=earlier)
    assert verification.verify(forged, world.clock()).name == "record_contradicts_itself"
