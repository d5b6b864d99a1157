"""The linter of access: every conflict of the present state, also those that nobody granted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from authority_world import World, world_of
from policies import unsigned_toml
from ringfence.authority import clients, people, policies, proposals, review, sessions, signing
from ringfence.authority.policy import PolicyVersion, default_toml, read_toml
from ringfence.authority.review import Colleague, State, findings, serving
from ringfence.authority.training import Completion
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.refusal import Refused
from test_authority_training import COURSES

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def refusal_of(act, *given, **named) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def colleague(person, *roles, added=NOW - 2 * DAY, seen=NOW) -> Colleague:
    return Colleague(person, list(roles), added, seen)


# Everything twice: nothing is found.
STAFF = (
    colleague("tess", "treasurer"),
    colleague("tina", "treasurer"),
    colleague("abel", "approver"),
    colleague("anna", "approver"),
    colleague("rita", "risk_officer"),
    colleague("ruth", "risk_officer"),
    colleague("otto", "auditor"),
    colleague("olga", "auditor"),
    colleague("sven", "system_admin"),
    colleague("sofia", "system_admin"),
    colleague("sara", "security_admin"),
    colleague("saul", "security_admin"),
)
POLICY = PolicyVersion(1, NOW - 3 * DAY, read_toml(unsigned_toml()), 8)
SOUND = State(STAFF, (POLICY,), (), (), None)


def staff(*changed: Colleague, without: str = "") -> tuple[Colleague, ...]:
    """STAFF with somebody else in the place of whoever has the same name, and without some."""
    kept = [each for each in STAFF if each.person_id not in {*(one.person_id for one in changed), *without.split()}]
    return (*kept, *changed)


def version(text, number=2, begins=NOW - DAY) -> PolicyVersion:
    return PolicyVersion(number, begins, read_toml(text), 9)


def otherwise(act, people, *roles, makers=None) -> str:
    """The default policy with another requirement for an act, and perhaps other makers."""
    head, _, rest = unsigned_toml().partition(f"[acts.{act}]")
    own, bracket, tail = rest.partition("\n[acts.")
    lines = [line for line in own.splitlines() if not line.startswith("otherwise")]
    if makers:
        lines = [f"makers = {list(makers)}" if line.startswith("makers") else line for line in lines]
    named = ", ".join(f'"{role}"' for role in roles)
    own = "\n".join([lines[0], *lines[1:4], f"otherwise = {{ people = {people}, roles = [{named}] }}", *lines[4:]])
    return head + f"[acts.{act}]" + own.replace("'", '"') + bracket + tail


def names(state, at=NOW) -> list[str]:
    return [each.rule.name for each in findings(state, at)]


def test_where_everything_is_held_twice_nothing_is_found():
    assert names(SOUND) == []


FIVE = otherwise("period_close", 5, "approver", "risk_officer")
WRONG = {
    "a policy that asks for signatures of whom has no passkey": (
        replace(SOUND, versions=(version(default_toml()),), people=staff(replace(STAFF[2], has_passkey=True))),
        "checker_has_no_passkey: anna has no passkey, and can approve nothing that is signed as approver.",
    ),
    "an administrator who approves": (
        replace(SOUND, people=staff(colleague("sven", "approver", "system_admin"))),
        "roles_conflict_now: sven holds roles that nobody may hold together: approver, system_admin.",
    ),
    "a treasurer who approves": (
        replace(SOUND, people=staff(colleague("tess", "approver", "treasurer"))),
        "roles_conflict_now: tess holds roles that nobody may hold together: approver, treasurer.",
    ),
    "a policy that lets a risk officer make what approvers check": (
        replace(
            SOUND,
            people=staff(colleague("rita", "approver", "risk_officer")),
            versions=(version(otherwise("correction", 1, "approver", makers=["risk_officer"])),),
        ),
        (
            "person_makes_and_checks: rita may propose correction as risk_officer and approve it as approver"
            " (policy version 2)."
        ),
    ),
    "nobody to propose": (
        replace(SOUND, people=staff(without="tess tina")),
        "act_cannot_be_proposed: Nobody may propose correction: no active person holds treasurer (policy version 1).",
    ),
    "a policy that asks for more people than there are": (
        replace(SOUND, versions=(POLICY, version(FIVE, 2, NOW + DAY))),
        (
            "act_cannot_be_approved: period_close needs 5 to approve, besides its proposer, of approver, risk_officer;"
            " 4 could (policy version 2)."
        ),
    ),
    "one who would have to approve what she made": (
        replace(
            SOUND,
            people=staff(without="ruth"),
            versions=(version(otherwise("correction", 1, "risk_officer", makers=["risk_officer"])),),
        ),
        (
            "act_cannot_be_approved: correction needs 1 to approve, besides its proposer, of risk_officer; 0 could"
            " (policy version 2)."
        ),
    ),
    "approvers whose courses have lapsed": (
        replace(SOUND, versions=(version(unsigned_toml() + COURSES),)),
        (
            "act_cannot_be_approved: correction needs 1 to approve, besides its proposer, of approver; 0 could"
            " (policy version 2)."
        ),
    ),
    "a checking role held by makers only": (
        replace(
            SOUND,
            people=staff(colleague("abel", "approver", "risk_officer"), colleague("anna", "approver", "risk_officer")),
        ),
        (
            "checkers_are_makers: limit_change is checked by approver, and everybody who is may also propose it"
            " (policy version 1)."
        ),
    ),
    "a role of nobody": (
        replace(SOUND, people=staff(without="otto olga")),
        "role_is_held_by_nobody: Nobody is auditor.",
    ),
    "a role of one": (
        replace(SOUND, people=staff(without="olga")),
        "role_is_held_by_one: otto alone is auditor; nobody stands in.",
    ),
    "somebody who never came": (
        replace(SOUND, people=staff(colleague("otto", "auditor", added=NOW - 31 * DAY, seen=None))),
        "person_never_signed_in: otto has never signed in since 2026-01-30.",
    ),
    "somebody who is asleep": (
        replace(SOUND, people=staff(colleague("otto", "auditor", seen=NOW - 91 * DAY))),
        "person_has_not_signed_in: otto was last here on 2025-12-01.",
    ),
    "a course that lapses within the month": (
        replace(
            SOUND,
            versions=(version(unsigned_toml() + COURSES),),
            completions=(Completion("abel", "aml", NOW.date() - 350 * DAY, "sara", 3, None),),
        ),
        "course_lapses_soon: aml of abel is good until 2026-03-17.",
    ),
    "a course that is missing": (
        replace(SOUND, versions=(version(unsigned_toml() + COURSES),)),
        "course_is_missing: rita has not completed custody, or not for too long, and approves nothing as risk_officer.",
    ),
    "a key that ends": (
        replace(SOUND, keys=(("demo/shop/1", NOW + 29 * DAY), ("demo/shop/2", NOW + 31 * DAY))),
        "client_key_ends: The key demo/shop/1 ends on 2026-03-31.",
    ),
    "a book of a year that nobody reviewed": (
        replace(SOUND, people=staff(colleague("otto", "auditor", added=NOW - 184 * DAY))),
        "access_review_is_due: Access was last reviewed on –; it is due every six months.",
    ),
}


@pytest.mark.parametrize(("state", "told"), WRONG.values(), ids=WRONG)
def test_each_thing_that_is_not_as_it_should_be_is_found(state, told):
    said = [f"{each.rule.name}: {each.sentence()}" for each in findings(state, NOW)]
    assert told in said
    assert all(each.sentence("zh") != each.sentence() for each in findings(state, NOW))


def test_every_rule_is_found_by_one_of_these():
    assert {told.partition(":")[0] for _, told in WRONG.values()} == {each.name for each in review.RULES}


def test_the_state_of_a_book_is_read_with_what_was_written_past_the_rules(world):
    """An owner gives a role by hand, a person leaves, a policy is on its way: all of it is found."""
    world.session("tess")
    sara = world.session("sara")
    owner = world.connect("owner")
    owner.execute(b"INSERT INTO authority.person_role VALUES (1, 'sven', 'approver', 1, NULL)")
    owner.commit()
    clients.add_client(world.core, sara, "shop", ["orders:read"])
    expires_at = world.clock() + 20 * DAY
    key = signing.add_key(world.core, sara, "shop", bytes(range(32)), ["orders:read"], expires_at)
    hungry = read_toml(otherwise("correction", 5, "approver"))
    made = policies.propose_policy(world.core, world.session("rita"), hungry, world.clock() + 20 * DAY)
    for person in ("abel", "anna"):
        proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)
    policies.change_policy(world.core, made.proposal_id)
    people.deactivate(world.core, sara, "theo")
    for role in ("core", "reader", "auditor"):
        state = review.read_state(world.connect(role), world.book, world.clock())
        found = {each.rule.name: each.sentence() for each in findings(state, world.clock())}
        assert [each.version for each in state.versions] == [1, 2]
        assert "theo" not in {each.person_id for each in state.people}
        assert found["roles_conflict_now"].startswith("sven holds")
        assert "besides its proposer, of approver; 3 could (policy version 2)" in found["act_cannot_be_approved"]
        assert key in found["client_key_ends"]
        assert found.keys() == {
            "roles_conflict_now", "act_cannot_be_approved", "role_is_held_by_one", "client_key_ends",
        }  # fmt: skip


def test_a_review_is_a_persons_word_about_exactly_this_state(world):
    sessions_before = [world.session(person) for person in ("otto", "sara", "tess")]
    otto, _, tess = sessions_before
    assert refusal_of(review.record, world.core, tess) == "person_lacks_the_role"
    state = review.read_state(world.connect("auditor"), world.book, world.clock())
    count = review.record(world.core, otto)
    assert count == len(findings(state, world.clock())) > 0
    [said] = world.events(EventName.ACCESS_REVIEWED)
    assert said == {"person": "otto", "findings": count, "state_sha256": state.sha256.hex()}
    [kept] = review.reviews(world.connect("auditor"), world.book)
    assert (kept.person_id, kept.findings, bytes(kept.state_sha256)) == ("otto", count, state.sha256)
    clients.add_client(world.core, world.session("sara"), "shop", ["orders:read"])
    same = review.read_state(world.connect("auditor"), world.book, world.clock())
    assert same.sha256 == state.sha256  # a token alone is no right over people's acts
    people.deactivate(world.core, world.session("sara"), "tess")
    changed = review.read_state(world.connect("auditor"), world.book, world.clock())
    assert changed.sha256 != state.sha256
    assert "access_review_is_due" not in names(changed, world.clock())
    assert "access_review_is_due" in names(changed, world.clock() + 184 * DAY)
    session = sessions.sign_in(world.core, "otto", "correct horse " + b"otto".hex()).session
    review.record(world.core, session)
    assert len(review.reviews(world.connect("auditor"), world.book)) == 2


# -- who serves which book ---------------------------------------------------------------------------------------------


def served(login, role, *books, shared=False):
    return serving.Login(login, shared, books, (role,) if isinstance(role, str) else role)


def whole(book):
    return [served(f"{role}_{book}", role, book) for role in ("core", "gateway", "notary")]


def named(found):
    return [(each.rule.name, *each.facts.values()) for each in found]


def test_logins_that_join_what_is_apart_are_found_across_books():
    """
    two books by shared logins                              -> nothing: one trust domain, and it says so
    one of them has its own                                 -> the other shares
    a core that serves both; a login that is core and notary; a book without a notary   -> each by name
    an auditor of both                                      -> nothing
    """
    shared = [served(f"ringfence_{role}", role, "east", "west", shared=True) for role in ("core", "gateway", "notary")]
    assert serving.findings(["east", "west"], shared) == []
    left = [served(f"ringfence_{role}", role, "west", shared=True) for role in ("core", "gateway", "notary")]
    logins = [*left, *whole("east"), served("visitor", "auditor", "east", "west")]
    assert named(serving.findings(["east", "west"], logins)) == [
        ("book_shares_its_logins", "west", "ringfence_core, ringfence_gateway, ringfence_notary")
    ]
    both = [*whole("east"), *whole("west"), served("wide", "core", "east", "west")]
    assert named(serving.findings(["east", "west"], both)) == [
        ("login_serves_several_books", "wide", "core", "east, west")
    ]
    two = [*whole("east")[:2], served("two", ("core", "notary"), "east")]
    assert named(serving.findings(["east"], two)) == [("login_has_several_roles", "two", "core, notary")]
    assert named(serving.findings(["east"], whole("east")[:2])) == [("book_is_served_by_nobody", "east", "notary")]
    assert all(each.sentence(language) for each in serving.findings(["east"], two) for language in ("en", "zh"))


def test_the_database_says_who_serves_its_books(database):
    with database.connect("core") as core:
        reading.open_book(core, "demo", core.execute("SELECT now()").fetchone()[0])
    books, logins = serving.read_logins(database.connect("owner"))
    assert serving.findings(books, logins) == []
    [told] = serving.served_by(books, logins)
    assert {each["login"]: each["roles"] for each in told["logins"]} == {
        f"ringfence_{role}": [role] for role in ("core", "gateway", "notary", "reader", "auditor")
    }
