"""A customer's file from application to closing, and what may not happen on the way."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import psycopg
import pytest

from custody_world import PAYEE, authorised_standing_alone, custody_world, verified, verify
from ringfence.authority import proposals
from ringfence.custody import customers, deciding, placing
from ringfence.custody.orders import order, unallocated
from ringfence.diligence import evidence, proof
from ringfence.diligence.advancing import advance, advance_all, lapse_all
from ringfence.diligence.applying import Application
from ringfence.diligence.deciding import (
    ACT,
    close_customer,
    judge_match,
    missing,
    months_later,
    restrict_customer,
)
from ringfence.diligence.files import whole_file
from ringfence.diligence.lifecycle import EVENTS, LIFECYCLE, STATES
from ringfence.diligence.profiles import Limits, profile_of
from ringfence.diligence.queries import QUERIES
from ringfence.diligence.simulated_provider import SimulatedProvider
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused
from ringfence.risk.lists import Entry, ListedName, SanctionsList
from ringfence.risk.screening import Screen

BANK = "bank:alpha:client"
LISTED = "Orsolan Veskarimov"  # on the sample list
SCAN = "0f" * 32
FILE_ACTS = {act: number.value for act, number in EVENTS.items()}


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, customers_=1) as found:
        yield found


def register(world, customer="c9", name="Ann Nine", number="NL99001", nature="person", **applies):
    application = Application(**applies)
    return customers.register(
        world.core,
        world.desk.vault,
        customer,
        name=name,
        nature=nature,
        payee_account=PAYEE,
        bank=BANK,
        identity_number=number,
        applies=application,
    )


def bring(world, customer="c9", kind="passport", by=None, **other):
    given = {"kind": kind, "country": "LT", "sha256": SCAN} | other
    return evidence.take_document(world.diligence, customer, by=by, **given)


def whole(world, customer="c9"):
    with world.core.connection() as connection:
        return whole_file(connection, world.core.book.book_id, customer)


def state(world, customer="c9"):
    return whole(world, customer).file.state


def accounts(world):
    with world.core.connection() as connection:
        return {each.name for each in reading.balances(connection, world.core.book.book_id, "customer:%", fresh=True)}


def withdraw(world, customer, amount):
    return placing.place_withdrawal(
        world.desk, world.new_id(), customer, amount, payee_account=PAYEE, by=world.sessions["tina"]
    )


def waiting(world):
    with world.core.connection() as connection:
        return [each.amount for each in unallocated(connection, world.core.book.book_id)]


def proposed(world):
    with world.core.connection() as connection:
        return proposals.pending(connection, world.core.book.book_id, world.now, ACT)


def approve(world, *who):
    for about in proposed(world):
        for person in who:
            proposals.approve(world.core, world.sessions[person], about.proposal_id, about.payload_sha256)


# -- the lifecycle ---------------------------------------------------------------------------------------------------


def test_the_database_allows_exactly_what_the_table_does(world):
    with world.core.connection() as connection:
        allowed = set(connection.execute(b"SELECT number, before, after FROM diligence.moves()").fetchall())
    assert allowed == {(FILE_ACTS[act], before, after) for before, act, after in LIFECYCLE if before is not None}
    assert {after for _, _, after in LIFECYCLE} == set(STATES)


def test_registration_opens_a_file_and_no_wallet_and_verification_opens_it_in_one_append(world):
    """Before: no account, nothing leaves, nothing is expected; what comes waits. After: all of it goes."""
    before = accounts(world)
    found = register(world)
    assert (found.available, found.frozen, accounts(world)) == (None, None, before)
    for refused in (
        lambda: withdraw(world, "c9", 1),
        lambda: placing.place_freeze(world.desk, world.new_id(), "c9", 1, by=world.sessions["tina"], reference="x"),
        lambda: placing.announce_deposit(world.desk, world.new_id(), "c9", 1, by=world.sessions["tina"], reference="x"),
        lambda: placing.place_transfer(world.desk, world.new_id(), "c1", "c9", 1, by=world.sessions["tina"]),
    ):
        with pytest.raises(Refused, match="customer_must_be_verified"):
            refused()
    world.pay_in("c9", 40_00)
    assert waiting(world) == [40_00]
    with world.core.connection() as connection:
        [receipt] = unallocated(connection, world.core.book.book_id)
    with pytest.raises(Refused, match="customer_must_be_verified"):
        placing.propose_allocation(world.desk, world.new_id(), receipt.order_id, "c9", by=world.sessions["tina"])

    who = verify(world.diligence, "c9")
    assert accounts(world) - before == {"customer:c9:available", "customer:c9:frozen"}
    assert [each.act for each in proof_of(world)] == [
        "applied", "document taken", "identity answered", "names screened", "verified",
    ]  # fmt: skip
    with world.core.connection() as connection:
        number = reading.account(connection, world.core.book.book_id, "customer:c9:available").account
        last = proof_of(world)[-1]
        chain = connection.execute(
            b"SELECT kind, posted_at = %(at)s FROM ledger.journal WHERE sequence BETWEEN %(last)s - 2 AND %(last)s",
            {"last": last.sequence, "at": last.posted_at},
        ).fetchall()
    assert who.available == number
    assert sorted(chain) == [(Kind.ACCOUNT_OPENED, True), (Kind.ACCOUNT_OPENED, True), (Kind.EVENT, True)]
    identity = world.new_id()
    placing.propose_allocation(world.desk, identity, receipt.order_id, "c9", by=world.sessions["tina"])
    world.approve(identity, "adam")
    assert deciding.decide_order(world.desk, identity).state == "settled"
    assert withdraw(world, "c9", 10_00).state == "released"


def proof_of(world, customer="c9"):
    with world.core.connection() as connection:
        return proof.steps(connection, world.core.book.book_id, customer)


def test_the_journal_holds_the_steps_and_nothing_personal(world):
    register(world, name="Zoraida Unmistakable", number="XJ-555-666-777")
    bring(world, number="E-998877665")
    advance(world.diligence, "c9")
    said = json.dumps([each.said for each in proof_of(world)])
    assert SCAN in said
    for personal in ("Zoraida", "XJ555666777", "XJ-555", "998877665", "LT"):
        assert personal not in said


def test_one_identity_has_one_account_in_a_role_even_if_two_apply_at_once(world):
    def apply(customer):
        try:
            return register(world, customer, number="DUP-4711").customer_id
        except Refused as refused:
            return refused.name

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(apply, ["d1", "d2", "d3", "d4"]))
    assert [each for each in answers if each != "identity_has_an_account_already"] == [answers[0]]
    assert answers.count("identity_has_an_account_already") == 3
    assert register(world, "e1", number="dup 4711", role="lender").customer_id == "e1", "another role"
    close_customer(world.diligence, world.sessions["tina"], answers[0])
    assert register(world, "d5", number="DUP4711").customer_id == "d5", "the old one is closed"


# -- the provider ----------------------------------------------------------------------------------------------------


def test_a_provider_that_is_down_or_slow_is_asked_again_under_the_same_id(world):
    """Down at first, then found; nobody is asked twice for one answer."""
    for provider, first in (
        (SimulatedProvider(unavailable=100), "unavailable"),
        (SimulatedProvider(later=100), "later"),
    ):
        customer = first[:8]
        desk = replace(world.diligence, provider=provider)
        register(world, customer, number=f"N{customer}")
        bring(world, customer)
        advance_all(desk)
        [party] = whole(world, customer).parties
        assert (party.answer, party.attempts, state(world, customer)) == (first, 1, "documents")
        advance_all(desk)
        assert whole(world, customer).parties[0].attempts == 1, "not before its time"
        world.wait(seconds=6)
        advance_all(desk)
        assert state(world, customer) == "verified"
        asked = [each.said for each in proof_of(world, customer) if each.act == "identity answered"]
        assert [each["answer"] for each in asked] == [first, "match"]
        assert len({each["inquiry"] for each in asked}) == 1


def test_who_is_not_found_stays_without_a_wallet_until_other_papers_come(world):
    register(world)
    bring(world)
    desk = replace(world.diligence, provider=SimulatedProvider(no_match=100))
    advance_all(desk)
    assert (state(world), whole(world).parties[0].answer) == ("documents", "no_match")
    assert missing(whole(world), desk.profile, world.now.date()) == ["identity", "screening"]
    assert advance_all(desk) == 0
    bring(world, sha256="1f" * 32)
    advance_all(world.diligence)
    assert state(world) == "verified"


def test_documents_that_are_no_evidence_are_refused_by_name(world):
    register(world)
    yesterday = world.now.date() - timedelta(days=1)
    for given, name in (
        ({"kind": "library_card"}, "document_kind_is_unknown"),
        ({"country": "lt"}, "document_country_is_a_code"),
        ({"sha256": "00"}, "document_digest_is_malformed"),
        ({"number": "!"}, "document_number_is_malformed"),
        ({"expires": yesterday}, "document_has_expired"),
        ({"party": "nobody"}, "party_of_the_file_must_be_named"),
        ({"customer": "nobody"}, "customer_has_no_file"),
    ):
        with pytest.raises(Refused) as said:
            bring(world, **given)
        assert said.value.name == name
    first = bring(world)
    assert bring(world) == first, "the same again"


# -- the lists -------------------------------------------------------------------------------------------------------


def test_a_likeness_waits_for_a_person_who_did_not_collect_the_papers(world):
    """Somebody else: verified. The judge is no collector, and no program."""
    register(world, name=LISTED)
    rita, adam = world.sessions["rita"], world.sessions["adam"]
    bring(world, by=rita)
    advance_all(world.diligence)
    assert (state(world), whole(world).parties[0].screening) == ("documents", "potential")
    assert whole(world).parties[0].matches[0]["entry"] == "RF-001"
    for who, verdict, name in (
        (rita, "somebody else", "collector_may_not_decide"),
        (world.sessions["tina"], "somebody else", "person_lacks_the_role"),
        (adam, "perhaps", "verdict_is_unknown"),
    ):
        with pytest.raises(Refused, match=name):
            judge_match(world.diligence, who, "c9", "customer", verdict, "another birthday")
    judge_match(world.diligence, adam, "c9", "customer", "somebody else", "another birthday")
    advance_all(world.diligence)
    assert state(world) == "verified"
    with pytest.raises(Refused, match="match_is_not_open"):
        judge_match(world.diligence, adam, "c9", "customer", "the same", "after all")


def test_a_true_match_restricts_and_only_people_lift_it(world):
    register(world, name=LISTED)
    bring(world)
    advance_all(world.diligence)
    judge_match(world.diligence, world.sessions["adam"], "c9", "customer", "the same", "the same passport")
    found = whole(world).file
    assert (found.state, found.restriction, found.direction, found.was_verified) == (
        "restricted",
        "listed",
        "none",
        False,
    )
    with pytest.raises(Refused, match="customer_must_be_verified"):
        withdraw(world, "c9", 1)


def test_new_lists_are_looked_up_for_everybody_and_a_customer_may_turn_out_to_be_on_them(world):
    entry = Entry("N-1", "person", (ListedName("Ann Number 1"),))
    news = SanctionsList("news", date(2026, 3, 2), "ab" * 32, (), (entry,))
    desk = replace(world.diligence, screen=Screen((*world.diligence.screen.lists, news)))
    before = len(proof_of(world, "c1"))
    assert advance_all(desk) == 1
    assert advance_all(desk) == 0
    assert len(proof_of(world, "c1")) == before + 1
    assert (state(world, "c1"), whole(world, "c1").parties[0].screening) == ("verified", "potential")


# -- firms -----------------------------------------------------------------------------------------------------------


def own(world, party, share, nature="person", **other):
    given = {"name": f"Owner {party}", "identity_number": f"O-{party}-1", "share_bp": share} | other
    return evidence.name_owner(world.diligence, "firm", party, nature=nature, by=None, **given)


def lacks(world):
    return missing(whole(world, "firm"), world.diligence.profile, world.now.date())


def test_a_firm_is_known_by_its_beneficial_owners_down_to_natural_persons(world):
    """Half is a person's, half a holding's; the holding is nobody's until its own owner is named."""
    register(world, "firm", name="Firm Ltd", number="REG-10001", nature="firm")
    bring(world, "firm", "licence")
    advance_all(world.diligence)
    assert (state(world, "firm"), lacks(world)) == ("screened", ["owners"])
    own(world, "ann", 5_000)
    own(world, "holding", 5_000, "firm")
    advance_all(world.diligence)
    assert (state(world, "firm"), lacks(world)) == ("screened", ["owners"])
    own(world, "bob", 10_000, parent="holding")
    advance_all(world.diligence)
    assert state(world, "firm") == "verified"
    assert all(each.answer == "match" and each.screening == "clear" for each in whole(world, "firm").parties)


def test_what_nobody_is_named_for_must_not_be_enough_to_own_the_firm(world):
    """80 % named: 20 % could be nobody's. 60 % named: 40 % could, unless somebody controls it otherwise."""
    register(world, "firm", name="Firm Ltd", number="REG-10001", nature="firm")
    bring(world, "firm", "licence")
    own(world, "ann", 6_000)
    advance_all(world.diligence)
    assert lacks(world) == ["owners"]
    own(world, "bob", 2_000)
    assert "owners" not in lacks(world)
    evidence.withdraw_owner(world.diligence, "firm", "bob", by=None)
    assert "owners" in lacks(world)
    own(world, "chief", None, control="senior_manager")
    assert "owners" not in lacks(world)
    advance_all(world.diligence)
    assert state(world, "firm") == "verified"


def test_owners_that_make_no_sense_are_refused_by_name(world):
    register(world, "firm", name="Firm Ltd", number="REG-10001", nature="firm")
    own(world, "ann", 6_000)
    assert own(world, "ann", 6_000).file.step == 2, "the same again"
    for party, share, other, name in (
        ("ann", 1_000, {}, "party_is_named_already"),
        ("bob", 4_001, {}, "shares_must_not_exceed_the_whole"),
        ("bob", 0, {}, "owner_owns_or_controls"),
        ("bob", None, {}, "owner_owns_or_controls"),
        ("bob", None, {"control": "magic"}, "owner_owns_or_controls"),
        ("bob", 1_000, {"parent": "ann"}, "only_a_firm_has_owners"),
        ("bob", 1_000, {"parent": "zoe"}, "party_of_the_file_must_be_named"),
        ("customer", 1_000, {}, "party_is_a_word"),
        ("bob", 1_000, {"identity_number": "?"}, "document_number_is_malformed"),
    ):
        with pytest.raises(Refused) as said:
            own(world, party, share, **other)
        assert said.value.name == name


def test_a_listed_owner_keeps_the_firm_out(world):
    register(world, "firm", name="Firm Ltd", number="REG-10001", nature="firm")
    bring(world, "firm", "licence")
    own(world, "ann", 10_000, name=LISTED)
    advance_all(world.diligence)
    assert lacks(world) == ["screening"]
    judge_match(world.diligence, world.sessions["adam"], "firm", "ann", "the same", "the same passport")
    assert state(world, "firm") == "restricted"


# -- tiers and people ------------------------------------------------------------------------------------------------


def test_a_tier_limits_what_a_customer_has_and_pays(world):
    """150.00 of balance, 50.00 a payment, 150.00 a month; above it receipts wait and payments are refused."""
    verified(world.diligence, "c9", name="Small", bank=BANK, tier="simplified")
    world.pay_in("c9", 140_00)
    world.pay_in("c9", 10_01)
    assert (world.balance("customer:c9:available"), waiting(world)) == ((140_00, 0), [10_01])
    world.pay_in("c1", 500_00)
    with pytest.raises(Refused, match="balance_would_be_above_the_tier"):
        placing.place_transfer(world.desk, world.new_id(), "c1", "c9", 10_01, by=world.sessions["tina"])
    placing.place_transfer(world.desk, world.new_id(), "c1", "c9", 10_00, by=world.sessions["tina"])
    with pytest.raises(Refused, match="payment_is_above_the_tier") as said:
        withdraw(world, "c9", 50_01)
    assert said.value.facts == {"limit": "50.00", "amount": "50.01", "currency": "EUR", "period": "a payment"}
    for _ in range(2):
        withdraw(world, "c9", 50_00)
    placing.place_transfer(world.desk, world.new_id(), "c9", "c1", 40_00, by=world.sessions["tina"])
    with pytest.raises(Refused, match="payment_is_above_the_tier") as said:
        placing.place_transfer(world.desk, world.new_id(), "c9", "c1", 10_01, by=world.sessions["tina"])
    assert said.value.facts["period"] == "a month"
    with world.core.connection() as connection:
        found = connection.execute(
            b"SELECT count(*) FROM ledger.account WHERE name = 'customer:c9:available' AND maximum IS NOT NULL"
        ).fetchone()
    assert found == (0,), "the limit is asked for, and no property of the account"


def test_the_figures_of_the_payment_classes_are_those_of_the_profile():
    china = profile_of("cn-reserve")
    assert [china.tier(f"class-{each}", "person").limits for each in (1, 2, 3)] == [
        Limits("CNY", lifetime=1_000_00),
        Limits("CNY", year=100_000_00),
        Limits("CNY", year=200_000_00),
    ]
    assert not any(each.verified for each in china.tiers.values() if "PBoC" in each.source)
    with pytest.raises(Refused, match="tier_is_unknown"):
        china.tier("class-1", "firm")
    with pytest.raises(Refused, match="diligence_profile_is_unknown"):
        profile_of("atlantis")


def test_people_decide_in_the_enhanced_tier_and_no_collector_among_them(world):
    """Rita collected and approves: it does not count. Adam approves the file as it is: it does. New papers void it."""
    register(world, tier="enhanced")
    bring(world, by=world.sessions["rita"])
    advance_all(world.diligence)
    assert missing(whole(world), world.diligence.profile, world.now.date()) == ["documents"]
    bring(world, kind="address_proof")
    advance_all(world.diligence)
    assert (state(world), len(proposed(world))) == ("screened", 1)
    assert advance_all(world.diligence) == 0
    approve(world, "rita")
    advance_all(world.diligence)
    assert (state(world), len(proposed(world))) == ("screened", 1), "others are asked"
    [stale] = proposed(world)
    bring(world, kind="income_proof")
    proposals.approve(world.core, world.sessions["adam"], stale.proposal_id, stale.payload_sha256)
    advance_all(world.diligence)
    assert (state(world), len(proposed(world))) == ("screened", 1), "he approved another file"
    approve(world, "adam")
    advance_all(world.diligence)
    assert state(world) == "verified"
    assert proof_of(world)[-1].said["proposal"] is not None
    assert advance_all(world.diligence) == 0


def test_the_database_itself_refuses_a_collectors_approval(world):
    register(world, tier="enhanced")
    bring(world, by=world.sessions["rita"])
    bring(world, kind="address_proof")
    advance_all(world.diligence)
    [about] = proposed(world)
    approve(world, "rita")
    found = whole(world).file
    said = {"customer": "c9", "step": found.step + 1, "state": "verified", "tier": "enhanced", "limits": {}}
    said |= {"review_due": "2027-01-01", "lapses_on": "2027-01-02", "proposal": str(about.proposal_id)}
    line = Line(Kind.EVENT, world.new_id(), code=EventName.CUSTOMER_VERIFIED, payload=said)
    row = {"book": world.core.book.book_id, "event": line.id, "customer": "c9", "proposal": about.proposal_id}
    with pytest.raises(Refused, match="collector_may_not_decide"):
        world.core.post(Unit([line], [(QUERIES.verify, row)]))


def test_a_customer_of_high_risk_is_for_people_in_every_tier(world):
    verified(world.diligence, "c9", name="Risky", bank=BANK, risk_class="high")
    assert state(world) == "screened"
    advance_all(world.diligence)
    approve(world, "bella")
    advance_all(world.diligence)
    assert state(world) == "verified"
    assert whole(world).file.review_due == months_later(world.now.date(), 12)


def test_another_tier_takes_more_evidence(world):
    verified(world.diligence, "c9", name="Growing", bank=BANK, tier="simplified")
    evidence.ask_tier(world.diligence, "c9", "standard", by=None)
    advance_all(world.diligence)
    found = whole(world).file
    assert (found.tier, found.limits, found.state) == ("standard", {}, "verified")
    evidence.ask_tier(world.diligence, "c9", "enhanced", by=None)
    advance_all(world.diligence)
    assert (whole(world).file.tier, proposed(world)) == ("standard", [])
    with pytest.raises(Refused, match="tier_is_unknown"):
        evidence.ask_tier(world.diligence, "c9", "golden", by=None)


# -- restricted, lapsed, closed --------------------------------------------------------------------------------------


def test_of_a_restricted_customer_nothing_leaves_and_money_still_comes(world):
    world.pay_in("c1", 30_000_00)
    verified(world.diligence, "c2", name="Other", bank=BANK)
    large = withdraw(world, "c1", 20_000_00)
    restrict_customer(world.diligence, world.sessions["rita"], "c1", None, "the police ask")
    for refused in (
        lambda: withdraw(world, "c1", 1),
        lambda: placing.place_transfer(world.desk, world.new_id(), "c1", "c2", 1, by=world.sessions["tina"]),
        lambda: placing.place_fee(world.desk, world.new_id(), "c1", 1, by=world.sessions["tina"], reference="t"),
    ):
        with pytest.raises(Refused, match="customer_is_restricted"):
            refused()
    freeze = placing.place_freeze(
        world.desk, world.new_id(), "c1", 100_00, by=world.sessions["tina"], reference="lawful order"
    )
    assert freeze.state == "settled"
    world.approve(large.order_id, "adam", "bella")
    assert deciding.decide_order(world.desk, large.order_id).state == large.state, "it waits"
    world.pay_in("c1", 5_00)
    assert waiting(world) == []
    restrict_customer(world.diligence, world.sessions["rita"], "c1", "none", "the court says so")
    world.pay_in("c1", 7_00)
    assert waiting(world) == [7_00]


def test_the_gateway_believes_the_journal_and_not_the_file(database, tmp_path):
    """Somebody with every right in the database lifts a restriction there; the payment is withheld, also while no
    notary asks about customers.
    """
    with custody_world(database, tmp_path, customers_=1, asks=authorised_standing_alone) as world:
        world.pay_in("c1", 500_00)
        restrict_customer(world.diligence, world.sessions["rita"], "c1", None, "the police ask")
        pays_nothing(world, database)


def pays_nothing(world, database):
    with database.connect("owner") as owner:
        owner.execute("UPDATE diligence.file SET state = 'verified', restriction = NULL, direction = NULL")
    paid = withdraw(world, "c1", 100_00)
    assert paid.state == "released"
    before = list(world.bank.balances().values())
    world.turn()
    with world.core.connection() as connection:
        assert order(connection, world.core.book.book_id, paid.order_id).state == "released"
        withheld = connection.execute(b"SELECT reason FROM banking.withheld").fetchall()
    assert {reason for (reason,) in withheld} == {"customer_is_restricted"}
    assert list(world.bank.balances().values()) == before


def test_who_has_no_file_in_the_journal_is_paid_nothing(world):
    with world.core.connection() as connection:
        for customer, amount, name in (
            ("nobody", 1, "customer_was_not_verified"),
            ("c9", 1, "customer_was_not_verified"),
            ("small", 50_01, "payment_is_above_the_tier"),
        ):
            if customer == "c9":
                register(world)
            if customer == "small":
                verified(world.diligence, "small", name="Small", bank=BANK, tier="simplified")
                proof.require_verified(connection, world.core.book.book_id, customer, 50_00)
            with pytest.raises(Refused, match=name):
                proof.require_verified(connection, world.core.book.book_id, customer, amount)


def test_a_verification_lapses_with_its_review_or_its_first_document_and_new_papers_renew_it(world):
    """The passport ends after 30 days; 14 days of grace; then nothing leaves until another one is there."""
    register(world)
    ends = world.now.date() + timedelta(days=30)
    bring(world, expires=ends)
    advance_all(world.diligence)
    found = whole(world).file
    assert (found.lapses_on, found.review_due) == (ends + timedelta(days=1), months_later(world.now.date(), 24))
    world.wait(days=44)
    assert lapse_all(world.diligence) == 0
    world.wait(days=1)
    assert lapse_all(world.diligence) == 1
    found = whole(world).file
    assert (found.state, found.restriction, found.direction) == ("restricted", "document_expired", "in")
    assert advance_all(world.diligence) == 0
    bring(world, sha256="2f" * 32, expires=ends + timedelta(days=1_000))
    advance_all(world.diligence)
    found = whole(world).file
    assert (found.state, found.restriction) == ("verified", None)
    world.wait(days=800)
    advance_all(world.diligence)
    assert whole(world).file.restriction == "review_lapsed"


def test_a_persons_restriction_is_lifted_by_people_and_not_by_papers(world):
    restrict_customer(world.diligence, world.sessions["tina"], "c1", "in", "he does not answer")
    bring(world, "c1", sha256="3f" * 32)
    advance_all(world.diligence)
    assert state(world, "c1") == "restricted"
    approve(world, "adam")
    advance_all(world.diligence)
    assert state(world, "c1") == "verified"


def test_only_an_empty_customer_is_closed_and_then_nothing_comes_in_any_more(world):
    world.pay_in("c1", 5_00)
    with pytest.raises(Refused, match="customer_must_have_no_money"):
        close_customer(world.diligence, world.sessions["tina"], "c1")
    assert state(world, "c1") == "verified"
    verified(world.diligence, "c2", name="Other", bank=BANK)
    placing.place_transfer(world.desk, world.new_id(), "c1", "c2", 5_00, by=world.sessions["tina"])
    with pytest.raises(Refused, match="person_lacks_the_role"):
        close_customer(world.diligence, world.sessions["adam"], "c1")
    close_customer(world.diligence, world.sessions["tina"], "c1")
    assert state(world, "c1") == "closed"
    world.pay_in("c1", 3_00)
    assert waiting(world) == [3_00]
    with pytest.raises(Refused, match="customer_must_be_verified"):
        withdraw(world, "c1", 1)
    with pytest.raises(Refused, match="file_may_not_do_that_now"):
        bring(world, "c1", kind="licence")


# -- what the core may not write -------------------------------------------------------------------------------------


def test_the_core_writes_no_file_but_by_a_step_that_says_it(world):
    for statement in (
        "UPDATE diligence.file SET state = 'verified'",
        "INSERT INTO diligence.document SELECT * FROM diligence.document",
        "DELETE FROM diligence.document",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), world.core.pool.connection() as connection:
            connection.execute(statement)
    register(world)
    found = whole(world).file
    said = {"customer": "c9", "step": found.step + 1, "state": "verified", "tier": "standard", "limits": {}}
    said |= {"review_due": "2027-01-01", "lapses_on": "2027-01-02", "proposal": None}

    def step(act, query, more=None, **other):
        line = Line(Kind.EVENT, world.new_id(), code=EVENTS[act], payload=said | other)
        row = {"book": world.core.book.book_id, "event": line.id, "customer": "c9", "proposal": None} | (more or {})
        world.core.post(Unit([line], [(query, row)]))

    with pytest.raises(Refused, match="file_may_not_do_that_now"):
        step("verified", QUERIES.verify)
    with pytest.raises(Refused, match="file_moved_meanwhile"):
        step("verified", QUERIES.verify, step=found.step)
    with pytest.raises(Refused, match="event_must_say_what_happens"):
        step("closed", QUERIES.close_file, {"customer": "c1"}, state="closed", step=whole(world, "c1").file.step + 1)
    with pytest.raises(Refused, match="customer_has_no_file"):
        step("closed", QUERIES.close_file, {"customer": "nobody"}, state="closed")
    bring(world)
    with pytest.raises(Refused, match="file_may_not_do_that_now"):
        step("names screened", QUERIES.take_screening, state="screened", step=3, parties={}, lists="x")
