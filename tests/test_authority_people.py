"""People and roles: the first of a book, later ones by two people's will, and power taken away at once."""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pytest

from authority_world import QUICK, STAFF, World, password_of, world_of
from ringfence.authority import people, proposals, roles, sessions
from ringfence.authority.people import Founder, PersonProposal
from ringfence.authority.roles import Role
from ringfence.ledger.codes import EventName
from ringfence.refusal import Refused


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def refusal_of(act: Callable[..., object], *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def person(world: World, login: str) -> people.Person:
    return next(each for each in people.people(world.connect("auditor"), world.book) if each.person_id == login)


def propose(world: World, login: str, *given: str, new_password: bool = True) -> PersonProposal:
    return people.propose_person(
        world.core, world.session("sara"), login, login.title(), given, new_password=new_password, cost=QUICK
    )


def approve(world: World, by: str, made: PersonProposal) -> None:
    proposals.approve(world.core, world.session(by), made.drafted.proposal_id, made.drafted.payload_sha256)


def test_the_first_people_come_together_with_the_first_policy_and_only_once(world):
    found = people.people(world.connect("auditor"), world.book)
    assert {each.person_id: set(each.roles) for each in found} == STAFF
    assert [said["person"] for said in world.events(EventName.PERSON_CHANGED)] == list(STAFF)
    [policy] = world.events(EventName.POLICY_SET)
    assert policy["version"] == 1
    again = [Founder("mallory", "Mallory", {"approver"}, "my own long password")]
    assert refusal_of(people.found, world.core, again, cost=QUICK) == "book_has_its_people_already"


@pytest.mark.parametrize(
    ("founder", "name"),
    [
        (Founder("Mallory", "M", {"approver"}, "correct horse battery"), "person_id_must_be_a_word"),
        (Founder("system", "M", {"approver"}, "correct horse battery"), "person_id_must_be_a_word"),
        (Founder("client:x", "M", {"approver"}, "correct horse battery"), "person_id_must_be_a_word"),
        (Founder("tess", "T", {"approver"}, "correct horse battery"), "person_is_a_person_already"),
        (Founder("mallory", "", {"approver"}, "correct horse battery"), "person_has_a_short_name"),
        (Founder("mallory", "M", {"king"}, "correct horse battery"), "role_is_unknown"),
        (Founder("mallory", "M", {"platform"}, "correct horse battery"), "role_is_unknown"),
        (Founder("mallory", "M", {"approver"}, "too short"), "password_is_too_weak"),
        (Founder("mallory", "M", {"system_admin", "security_admin"}, "correct horse battery"), "roles_conflict"),
        (Founder("mallory", "M", {"auditor", "approver"}, "correct horse battery"), "roles_conflict"),
        (Founder("mallory", "M", {"treasurer", "approver"}, "correct horse battery"), "maker_may_not_be_checker"),
    ],
)
def test_a_founder_who_may_not_be_leaves_nobody_behind(database, founder, name):
    with world_of(database, founded=False) as world:
        first = Founder("tess", "Tess", {"treasurer"}, password_of("tess"))
        assert refusal_of(people.found, world.core, [first, founder], cost=QUICK) == name
        assert people.people(world.connect("core"), world.book) == []
        people.found(world.core, [first], cost=QUICK)


def test_python_and_database_agree_on_which_roles_conflict(world):
    owner = world.connect("owner")
    for size in range(4):
        for held in combinations(Role, size):
            question = {"roles": [str(role) for role in held]}
            [in_sql] = owner.execute(b"SELECT authority.roles_conflict(%(roles)s)", question).fetchone()
            assert in_sql == roles.conflict(held), held
            [in_sql] = owner.execute(b"SELECT authority.roles_make_and_check(%(roles)s)", question).fetchone()
            assert in_sql == roles.makes_and_checks(held), held


def test_a_person_is_added_by_two_and_changes_the_one_time_password_first(world):
    made = propose(world, "nora", "approver")
    assert refusal_of(people.change_person, world.core, made.drafted.proposal_id) == "proposal_is_not_complete"
    assert refusal_of(approve, world, "sara", made) == "maker_may_not_check"
    assert refusal_of(approve, world, "sven", made) == "person_lacks_the_role"  # two administrators alone suffice not
    approve(world, "abel", made)
    people.change_person(world.core, made.drafted.proposal_id)
    people.change_person(world.core, made.drafted.proposal_id)  # a retry after a crash changes nothing
    assert person(world, "nora").roles == ("approver",)
    fresh = sessions.sign_in(world.core, "nora", made.one_time_password).session
    assert fresh.must_change_password
    payout = proposals.propose(world.core, world.session("tess"), world.new_id(), "correction", facts={})
    assert (
        refusal_of(proposals.approve, world.core, fresh, payout.proposal_id, payout.payload_sha256)
        == "password_must_be_changed_first"
    )
    people.change_password(world.core, fresh, made.one_time_password, "my very own words", cost=QUICK)
    proposals.approve(world.core, fresh, payout.proposal_id, payout.payload_sha256)


def test_only_a_security_administrator_proposes_people(world):
    for login in ("tess", "abel", "rita", "otto", "sven"):
        session = world.session(login)
        given = (world.core, session, "nora", "Nora", ["approver"])
        assert refusal_of(people.propose_person, *given, new_password=False) == "maker_may_not_make_this"


@pytest.mark.parametrize("login", ["", "N", "client:x", "a b", "system", "x" * 33, "Ünal"])
def test_a_login_is_a_word(world, login):
    assert refusal_of(propose, world, login, "approver") == "person_id_must_be_a_word"


def test_other_roles_replace_the_old_ones_from_that_row_on(world):
    made = propose(world, "tess", "approver", "risk_officer", new_password=False)
    approve(world, "rita", made)
    people.change_person(world.core, made.drafted.proposal_id)
    assert person(world, "tess").roles == ("approver", "risk_officer")
    assert sessions.sign_in(world.core, "tess", password_of("tess")).session.roles == {"approver", "risk_officer"}
    rows = world.connect("auditor").execute(
        b"SELECT role, withdrawn IS NULL FROM authority.person_role WHERE person_id = 'tess' ORDER BY role"
    )
    assert rows.fetchall() == [("approver", True), ("risk_officer", True), ("treasurer", False)]


def test_conflicting_roles_are_not_even_proposed(world):
    assert refusal_of(propose, world, "tess", "auditor", "treasurer", new_password=False) == "roles_conflict"
    for checker in ("approver", "risk_officer"):
        made = (propose, world, "tess", checker, "treasurer")
        assert refusal_of(*made, new_password=False) == "maker_may_not_be_checker"


def test_the_database_grants_no_conflicting_roles_whatever_was_approved(world):
    """The core proposes what it should refuse, and another approves it: the roles are not given."""
    for held, name in (("treasurer approver", "maker_may_not_be_checker"), ("auditor approver", "roles_conflict")):
        facts = {"person": "tess", "display_name": "Tess", "roles": held}
        made = proposals.propose(world.core, world.session("sara"), world.new_id(), "person_change", facts=facts)
        proposals.approve(world.core, world.session("rita"), made.proposal_id, made.payload_sha256)
        assert refusal_of(people.change_person, world.core, made.proposal_id) == name
    assert person(world, "tess").roles == ("treasurer",)


def test_who_leaves_is_out_at_once(world):
    tess = sessions.sign_in(world.core, "tess", password_of("tess"))
    assert refusal_of(people.deactivate, world.core, world.session("abel"), "tess") == "person_lacks_the_role"
    people.deactivate(world.core, world.session("sara"), "tess")
    assert refusal_of(sessions.session_of, world.core, tess.token) == "session_is_not_valid"
    assert refusal_of(sessions.sign_in, world.core, "tess", password_of("tess")) == "sign_in_refused"
    assert (person(world, "tess").active, person(world, "tess").roles) == (False, ())
    assert refusal_of(people.deactivate, world.core, world.session("sara"), "tess") == "person_must_exist"
    assert refusal_of(people.deactivate, world.core, world.session("sara"), "nobody") == "person_must_exist"


def test_who_left_comes_back_by_two_peoples_will(world):
    people.deactivate(world.core, world.session("sara"), "tess")
    made = propose(world, "tess", "treasurer")
    approve(world, "rita", made)
    people.change_person(world.core, made.drafted.proposal_id)
    assert sessions.sign_in(world.core, "tess", made.one_time_password).session.must_change_password
    assert refusal_of(sessions.sign_in, world.core, "tess", password_of("tess")) == "sign_in_refused"
