"""Training: whose course has lapsed approves nothing; neither core, nor database, nor gateway lets it through."""

import dataclasses
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authority_world import QUICK, STAFF, World, password_of, world_of
from policies import unsigned_toml
from ringfence.authority import people, policies, proposals, training, verification
from ringfence.authority.people import Founder
from ringfence.authority.policy import read_document, read_toml
from ringfence.authority.proposals import Drafted
from ringfence.authority.training import last_day
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.money import currency
from ringfence.refusal import Refused

COURSES = """
[courses.aml]
title = { en = "Money laundering: what to look for", zh = "反洗钱基础" }
months = 12
roles = ["approver"]

[courses.custody]
title = { en = "Customers' money", zh = "客户资金" }
months = 6
roles = ["approver", "risk_officer"]
"""
POLICY = read_toml(unsigned_toml() + COURSES)
TODAY = date(2026, 3, 2)


@pytest.fixture
def world(database) -> Iterator[World]:
    """A book whose policy has two courses; anna has both."""
    with world_of(database, founded=False) as found:
        staff = [Founder(person, person.title(), roles, password_of(person)) for person, roles in STAFF.items()]
        people.found(found.core, staff, POLICY, cost=QUICK)
        record(found, "anna", "aml")
        record(found, "anna", "custody")
        yield found


def refusal_of(act, *given, **named) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def record(world, person, course, on=TODAY, by="sara"):
    training.record(world.core, world.session(by), person, course, on)


def last_recorded(world) -> int:
    return training.completions(world.connect("core"), world.book)[-1].recorded


def payout(world, amount=20_000_00) -> Drafted:
    facts = {"creditor_name": "Erika Beispiel", "creditor_account": "DE89370400440532013000"}
    by = world.session("tess")
    return proposals.propose(world.core, by, world.new_id(), "payout", amount=amount, unit=currency("EUR"), facts=facts)


def approve(world, person, made):
    return proposals.approve(world.core, world.session(person), made.proposal_id, made.payload_sha256)


def sign_in_again(world):
    world.signed_in.clear()


def test_who_lacks_a_course_of_the_role_approves_nothing_and_still_rejects(world):
    made = payout(world)
    assert refusal_of(approve, world, "abel", made) == "course_has_lapsed"
    record(world, "abel", "aml")
    assert refusal_of(approve, world, "abel", made) == "course_has_lapsed"
    record(world, "abel", "custody")
    assert approve(world, "abel", made).complete
    other = payout(world)
    training.withdraw(world.core, world.session("otto"), last_recorded(world))
    assert refusal_of(approve, world, "abel", other) == "course_has_lapsed"
    proposals.reject(world.core, world.session("abel"), other.proposal_id, other.payload_sha256)


def test_the_right_ends_with_the_last_day_of_the_course(world):
    """custody, 6 months from 2 March: good on 2 September, over on 3 September, good again the day it is done again."""
    world.clock.now = datetime(2026, 9, 2, 23, 50, tzinfo=UTC)
    sign_in_again(world)
    assert approve(world, "anna", payout(world)).complete
    world.later(minutes=15)
    assert refusal_of(approve, world, "anna", payout(world)) == "course_has_lapsed"
    record(world, "anna", "custody", date(2026, 9, 3))
    assert approve(world, "anna", payout(world)).complete


def test_another_role_that_may_approve_and_needs_no_such_course_is_enough(world):
    """A hold is released by approvers or risk officers; rita needs custody, and not aml."""
    made = proposals.propose(world.core, world.session("tess"), world.new_id(), "hold_release", facts={"why": "x"})
    assert refusal_of(approve, world, "rita", made) == "course_has_lapsed"
    record(world, "rita", "custody")
    approve(world, "rita", made)
    assert refusal_of(approve, world, "abel", made) == "course_has_lapsed"
    assert refusal_of(approve, world, "sven", made) == "person_lacks_the_role"


def test_completions_are_recorded_by_those_who_watch_and_never_ones_own(world):
    assert refusal_of(record, world, "abel", "aml", by="abel") == "person_lacks_the_role"
    assert refusal_of(record, world, "sara", "aml", by="sara") == "completion_is_recorded_by_another"
    assert refusal_of(record, world, "nobody", "aml") == "person_must_exist"
    assert refusal_of(record, world, "abel", "cooking") == "course_must_exist"
    assert refusal_of(record, world, "abel", "aml", TODAY + timedelta(days=1)) == "completion_is_of_a_day_that_has_come"
    record(world, "abel", "aml", TODAY - timedelta(days=100), by="otto")
    assert (
        refusal_of(training.withdraw, world.core, world.session("abel"), last_recorded(world))
        == "person_lacks_the_role"
    )
    training.withdraw(world.core, world.session("sara"), last_recorded(world))
    assert refusal_of(training.withdraw, world.core, world.session("sara"), last_recorded(world)) == (
        "completion_must_exist"
    )
    said = world.events(EventName.COURSE_COMPLETED)[-1]
    assert said == {"person": "abel", "course": "aml", "completed_on": "2025-11-22", "by": "otto"}
    [gone] = world.events(EventName.COMPLETION_WITHDRAWN)
    assert gone == {"person": "abel", "course": "aml", "completion": last_recorded(world), "by": "sara"}


def test_the_database_records_no_approval_that_the_core_makes_up(world):
    """The core skips the question and calls the function of the approval, with an event that says all is well."""
    made, session = payout(world), world.session("abel")
    said = {"proposal": str(made.proposal_id), "person": "abel", "sha256": made.payload_sha256.hex(), "count": 1}
    line = Line(Kind.EVENT, world.new_id(), code=EventName.PROPOSAL_APPROVED, payload=said)
    row = {
        "book": world.book,
        "event": line.id,
        "token_sha256": session.token_sha256,
        "proposal": made.proposal_id,
        "payload_sha256": made.payload_sha256,
        "decision": "approve",
        "reason": "",
        **dict.fromkeys(("credential", "client_data", "authenticator_data", "signature")),
    }
    assert refusal_of(world.core.post, Unit([line], [(proposals.QUERIES.decide, row)])) == "course_has_lapsed"
    event = {"book": world.book, "token_sha256": session.token_sha256, "person": "abel", "course": "aml"}
    forged = {"person": "abel", "course": "aml", "completed_on": "2026-03-02", "by": "sara"}
    line = Line(Kind.EVENT, world.new_id(), code=EventName.COURSE_COMPLETED, payload=forged)
    query = training.QUERIES.record_completion
    unit = Unit([line], [(query, event | {"event": line.id, "completed_on": TODAY})])
    assert refusal_of(world.core.post, unit) == "person_lacks_the_role"


def verdict(world, found) -> str:
    refused = verification.verify(found, world.clock())
    return "holds" if refused is None else refused.name


def test_the_gateway_asks_whether_the_course_was_current_when_the_approval_was_given(world):
    """It holds after the course has lapsed later, and falls with each thing taken out of the record."""
    world.clock.now = datetime(2026, 9, 2, 23, 50, tzinfo=UTC)
    sign_in_again(world)
    made = payout(world)
    approve(world, "anna", made)
    found = verification.record_of(world.connect("gateway"), world.book, made.proposal_id)
    assert verdict(world, found) == "holds"
    assert verification.record_of(world.connect("notary"), world.book, made.proposal_id) == found
    [first, second] = found.course_events
    without = "approvals_do_not_suffice"
    gone = dataclasses.replace(second, code=EventName.COMPLETION_WITHDRAWN, says={"completion": second.sequence})
    late = [dataclasses.replace(each, recorded=found.last_sequence + 1) for each in found.completions]
    older = dataclasses.replace(found.completions[1], completed_on=TODAY - timedelta(days=1))
    withdrawn = dataclasses.replace(found.completions[0], withdrawn=found.last_sequence)
    for change, expected in (
        ({"completions": ()}, without),
        ({"completions": found.completions[:1]}, without),
        ({"completions": (found.completions[0], older)}, without),
        ({"completions": (withdrawn, found.completions[1])}, without),
        ({"completions": tuple(late)}, without),
        ({"course_events": ()}, without),
        ({"course_events": (first,)}, without),
        ({"course_events": (first, dataclasses.replace(second, says={**second.says, "person": "abel"}))}, without),
        ({"course_events": (first, second, dataclasses.replace(gone, sequence=second.sequence + 1))}, without),
        ({"course_events": (first, second)}, "holds"),
    ):
        assert verdict(world, dataclasses.replace(found, **change)) == expected, change
    world.later(hours=1)
    sign_in_again(world)
    training.withdraw(world.core, world.session("sara"), second.sequence)
    assert verdict(world, verification.record_of(world.connect("gateway"), world.book, made.proposal_id)) == "holds"


def test_an_approval_that_the_owner_wrote_without_the_course_does_not_count_at_the_gateway(world):
    """Somebody with the owner's rights switches the question off for a moment; the gateway asks it again."""
    owner = world.connect("owner")
    made = payout(world)
    [(body,)] = owner.execute(b"SELECT prosrc FROM pg_catalog.pg_proc WHERE proname = 'suspended_roles'").fetchall()
    signature = b"(book integer, document jsonb, person text, at timestamptz) RETURNS text[] LANGUAGE sql STABLE"
    head = b"CREATE OR REPLACE FUNCTION authority.suspended_roles" + signature + b" SECURITY DEFINER"
    owner.execute(head + b" SET search_path = pg_catalog AS $$ SELECT '{}'::text[] $$")
    owner.commit()
    approve(world, "abel", made)
    owner.execute(head + b" SET search_path = pg_catalog AS $x$" + body.encode() + b"$x$")
    owner.commit()
    found = verification.record_of(world.connect("gateway"), world.book, made.proposal_id)
    assert found.proposal.state == "complete"
    assert verdict(world, found) == "approvals_do_not_suffice"


def test_a_book_without_courses_asks_for_none(database):
    with world_of(database) as world:
        made = payout(world)
        assert approve(world, "abel", made).complete
        found = verification.record_of(world.connect("gateway"), world.book, made.proposal_id)
        assert (verdict(world, found), found.completions) == ("holds", ())


def test_a_policy_that_adds_a_course_holds_for_proposals_made_under_it(database):
    """A proposal is judged by the policy of the time when it was made; completions may be recorded before it begins."""
    with world_of(database) as world:
        before = payout(world)
        change = policies.propose_policy(world.core, world.session("rita"), POLICY, world.clock() + timedelta(hours=1))
        for person in ("abel", "sven"):
            approve(world, person, change)
        policies.change_policy(world.core, change.proposal_id)
        record(world, "anna", "aml")
        record(world, "anna", "custody")
        world.later(hours=2)
        sign_in_again(world)
        after = payout(world)
        assert refusal_of(approve, world, "abel", after) == "course_has_lapsed"
        assert approve(world, "anna", after).complete
        assert approve(world, "abel", before).complete


def test_the_page_of_who_stands_how_names_the_most_pressing_first(world):
    record(world, "abel", "aml", TODAY - timedelta(days=400))
    record(world, "abel", "custody", TODAY - timedelta(days=170))
    with world.core.connection() as connection:
        staff = people.people(connection, world.book)
        known = training.completions(connection, world.book)
    found = training.standings(POLICY, staff, known, TODAY)
    assert [(each.person_id, each.course.name, each.state) for each in found if each.person_id != "theo"] == [
        ("rita", "custody", "missing"),
        ("abel", "aml", "lapsed"),
        ("abel", "custody", "soon"),
        ("anna", "custody", "current"),
        ("anna", "aml", "current"),
    ]


WRONG = {
    "no word": '[courses."A B"]\ntitle = { en = "x", zh = "x" }\nmonths = 1\nroles = ["approver"]',
    "no months": '[courses.x1]\ntitle = { en = "x", zh = "x" }\nroles = ["approver"]',
    "no time": '[courses.x1]\ntitle = { en = "x", zh = "x" }\nmonths = 0\nroles = ["approver"]',
    "too long": '[courses.x1]\ntitle = { en = "x", zh = "x" }\nmonths = 121\nroles = ["approver"]',
    "no role": '[courses.x1]\ntitle = { en = "x", zh = "x" }\nmonths = 1\nroles = []',
    "a role that nobody knows": '[courses.x1]\ntitle = { en = "x", zh = "x" }\nmonths = 1\nroles = ["cook"]',
    "one language": '[courses.x1]\ntitle = { en = "x" }\nmonths = 1\nroles = ["approver"]',
    "no table": "courses = 1\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_course_that_is_none_is_no_policy(text):
    whole = text + unsigned_toml() if text.startswith("courses =") else unsigned_toml() + text
    assert refusal_of(read_toml, whole) == "policy_is_not_valid"


def test_a_policy_with_courses_is_read_back_from_its_bytes():
    assert read_document(POLICY.document) == POLICY
    assert read_document(read_toml(unsigned_toml()).document).courses == {}


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 120))
def test_months_are_counted_as_people_do(day, months):
    last = last_day(day, months)
    assert (last.year * 12 + last.month) - (day.year * 12 + day.month) == months
    assert last.day == day.day or (last.day < day.day and (last + timedelta(days=1)).day == 1)


def test_python_and_database_count_months_alike(world):
    owner = world.connect("owner")
    for day, months in (
        (date(2026, 1, 31), 1),
        (date(2028, 2, 29), 12),
        (date(2026, 12, 31), 2),
        (date(2026, 8, 31), 6),
    ):
        query = b"SELECT (%(day)s::date + make_interval(months => %(months)s))::date"
        assert owner.execute(query, {"day": day, "months": months}).fetchone() == (last_day(day, months),)
