"""The policy: read strictly, the same in Python and in the database, and changed by people only."""

import doctest
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from authority_world import World, world_of
from ringfence.authority import policies, proposals, terms
from ringfence.authority import policy as policy_module
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
    for module in (policy_module, terms):
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
    said = json.loads(read_toml(default_toml()).document)
    *road, last = path.split("/")
    place = said
    for step in road:
        place = place[int(step) if isinstance(place, list) else step]
    if value is None:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return rfc8785.dumps(said)


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


def test_python_and_database_ask_for_the_same_people(world):
    """Whatever the policy and the amount: the database enforces what the page showed and the gateway counts."""
    owner = world.connect("owner")
    question = b"SELECT authority.required(%(document)s::jsonb, 'payout', %(currency)s, %(amount)s::numeric)"

    @settings(max_examples=60, deadline=None)
    @given(BANDS, PEOPLE, st.one_of(st.none(), st.integers(0, 12_000)), st.sampled_from(["EUR", "CZK"]))
    def holds(bands: list[Any], otherwise: dict[str, Any], amount: int | None, code: str) -> None:
        act = {"title": {"en": "a", "zh": "b"}, "makers": ["client"], "stands_hours": 1}
        said = {"acts": {"payout": act | {"bands": {"EUR": bands}, "otherwise": otherwise}}}
        policy = read_document(rfc8785.dumps(said))
        unit = None if amount is None else currency(code)
        asked = {"document": policy.document.decode(), "currency": unit and unit.code, "amount": amount}
        [in_sql] = owner.execute(question, asked).fetchone()
        assert Requirement(in_sql["people"], tuple(in_sql["roles"])) == required(policy, "payout", amount, unit)

    holds()


def change(world: World, policy: Policy, days: int = 0) -> proposals.Drafted:
    made = policies.propose_policy(world.core, world.session("rita"), policy, world.clock() + timedelta(days=days))
    for person in ("abel", "sven"):
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)
    return made


def stricter() -> Policy:
    return read_toml(default_toml().replace('up_to_minor = "1000000"', 'up_to_minor = "1"'))


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
