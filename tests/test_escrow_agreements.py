"""Agreements from their proposal to their end: money that waits, what is said, what is released and returned."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from custody_world import DAY, verified
from escrow_world import DELIVERED, date_reached, escrow_world
from ringfence.authority import proposals
from ringfence.core import Core
from ringfence.custody import days
from ringfence.custody.orders import orders
from ringfence.custody.personal import erasure
from ringfence.diligence.advancing import advance
from ringfence.diligence.deciding import judge_match
from ringfence.escrow import agreements, releasing, saying
from ringfence.escrow.document import order_of
from ringfence.incident import brake
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Journal
from ringfence.ledger.reading import events
from ringfence.ledger.writer import Writer
from ringfence.refusal import Refused
from ringfence.safeguarding.requirement import requirement_at, requirement_lines


@pytest.fixture
def escrow(database, tmp_path):
    with escrow_world(database, tmp_path) as found:
        yield found
        found.world.notary.step(found.world.now)  # whatever a test did in earnest is signed
        assert found.world.notary.step(found.world.now) is None


def refused(call, *arguments, **options):
    with pytest.raises(Refused) as found:
        call(*arguments, **options)
    return found.value.name


def said_of(escrow, code):
    with escrow.core.connection() as connection:
        return [each.said for each in events(connection, escrow.book, code)]


def test_money_waits_for_its_condition_and_stays_the_payers_client_money_until_then(escrow):
    """c1's 100.00 wait for the courier; they count in the requirement as c1's, then as c2's; the sum is the same."""

    def required():
        with escrow.core.connection() as connection:
            whole = requirement_at(connection, escrow.book, "EUR").requirement.total
            lines = requirement_lines(connection, escrow.book, "EUR")
        return whole, {each.owner: each.balance for each in lines if each.balance}

    found = escrow.propose()
    assert found.state == "in_force"
    assert (escrow.balance("c1"), escrow.balance("c2")) == ((1_000_00, 100_00), (0, 0))
    assert required() == (1_000_00, {"customer:c1": 1_000_00})
    assert refused(escrow.release, found) == "release_is_not_allowed"
    assert refused(escrow.give_back, found) == "return_is_not_allowed"
    erase = (erasure.propose_erasure, escrow.core, escrow.person("tina"))
    assert refused(*erase, "c2", "money is on its way") == "customer_must_have_no_money"
    escrow.approve(found)
    escrow.approve(found)  # again, as after a lost answer
    assert len(said_of(escrow, EventName.MILESTONE_APPROVED)) == 1
    assert escrow.release(found).standing.state == "ended"
    assert (escrow.balance("c1"), escrow.balance("c2")) == ((900_00, 0), (100_00, 0))
    assert required() == (1_000_00, {"customer:c1": 900_00, "customer:c2": 100_00})
    assert refused(escrow.release, found) == "tranche_has_ended"
    assert refused(escrow.give_back, found) == "tranche_has_ended"
    [said] = said_of(escrow, EventName.ESCROW_RELEASED)
    assert (said["amount_minor"], said["proposal"]) == ("10000", None)


def test_tranches_are_paid_one_by_one_to_payees_by_shares_and_the_rest_returns_in_time(escrow):
    """300.00 in two tranches, the second 7 to 3: the first is released by a date, the second comes back when time is
    over, both by the core's rounds alone.
    """
    first = {
        "name": "first",
        "payees": [{"customer": "c2", "amount": "200.00"}],
        "release": date_reached("2026-03-05T00:00:00Z"),
    }
    shares = [{"customer": "c2", "share": 7}, {"customer": "c3", "share": 3}]
    second = {"name": "second", "amount": "100.01", "payees": shares, "release": DELIVERED}
    found = escrow.propose(first, second)
    amounts = [(each.customer, each.amount) for each in found.terms.tranches[1].payees]
    assert (found.terms.amount, amounts) == (300_01, [("c2", 70_01), ("c3", 30_00)])
    escrow.world.turn()
    assert [each.state for each in escrow.standing(found).tranches] == ["held", "held"]
    escrow.world.wait(days=4)
    escrow.world.turn()
    assert [each.state for each in escrow.standing(found).tranches] == ["released", "held"]
    assert (escrow.balance("c1"), escrow.balance("c2")) == ((800_00, 100_01), (200_00, 0))
    escrow.world.wait(days=20)
    escrow.world.turn()
    ended = escrow.standing(found)
    assert (ended.state, [each.state for each in ended.tranches]) == ("ended", ["released", "returned"])
    assert (escrow.balance("c1"), escrow.balance("c3")) == ((800_00, 0), (0, 0))
    with escrow.core.connection() as connection:
        placed = orders(connection, escrow.book, kind="escrow")
    assert sorted((each.other_customer, each.state) for each in placed) == [
        ("c2", "cancelled"), ("c2", "settled"), ("c3", "cancelled"),
    ]  # fmt: skip


def test_a_claim_stops_everything_until_it_is_settled_and_its_settlement_divides_the_money(escrow):
    """Delivered, but broken: two judges must say the same. They disagree, time goes by, nothing moves; then they agree
    on 30.00 of 100.00. Of another agreement all is settled for the payer, and it goes back to him.
    """
    two = {"by": ["buyer"], "arbiters": ["judge", "second-judge"], "needed": 2}
    soon = "2026-03-02T09:10:00Z"
    found, other = escrow.propose(claims=two, expires_at=soon), escrow.propose(expires_at=soon)
    escrow.approve(found)
    claim, late = escrow.claim(found), escrow.claim(other)
    escrow.world.wait(minutes=12)
    assert refused(escrow.release, found) == "release_is_not_allowed"
    assert refused(escrow.give_back, found) == "return_is_not_allowed"
    escrow.settle(found, claim, 100_00)
    escrow.settle(found, claim, 20_00, party="second-judge", by="adam")
    assert refused(escrow.release, found) == "release_is_not_allowed"
    assert refused(escrow.settle, found, claim, 100_01) == "settlement_must_fit_the_tranche"
    escrow.settle(found, claim, 30_00)
    escrow.settle(found, claim, 30_00, party="second-judge", by="adam")
    assert refused(escrow.settle, found, claim, 100_00) == "claim_must_be_open"
    assert escrow.release(found).standing.tranches[0].paid == 30_00
    assert (escrow.balance("c1"), escrow.balance("c2")) == ((970_00, 100_00), (30_00, 0))
    assert refused(escrow.claim, found) == "agreement_is_not_in_force"

    escrow.settle(other, late, 0)
    escrow.world.turn()
    assert escrow.standing(other).tranches[0].state == "returned"
    assert escrow.balance("c1") == (970_00, 0)


def test_a_fact_is_said_by_who_is_named_for_it_and_by_nobody_else(escrow):
    """Not by a stranger, not for somebody else, not by the core alone, not about what is not there."""
    found = escrow.propose()
    say = saying.approve_milestone
    tina, bella = escrow.person("tina"), escrow.person("bella")
    where = (escrow.core, found.agreement_id)
    assert refused(say, *where, "delivered", "seller", by=escrow.shop) == "party_must_be_named"
    assert refused(say, *where, "delivered", "stranger", by=bella) == "party_must_be_named"
    assert refused(say, *where, "paid", "courier", by=bella) == "party_must_be_named"
    assert refused(say, *where, "delivered", "courier", by=tina) == "party_must_speak_for_itself"
    assert refused(say, *where, "delivered", "courier", by=escrow.shop) == "party_must_speak_for_itself"
    assert refused(say, *where, "delivered", "buyer", by=bella) == "party_must_speak_for_itself"
    assert refused(say, *where, "delivered", "courier", by=None) == "session_is_not_valid"
    assert refused(escrow.settle, found, escrow.core.new_id(), 1) == "claim_must_be_open"
    claim = escrow.claim(found)
    assert refused(escrow.settle, found, claim, 1, party="courier", by="bella") == "party_must_be_named"
    assert refused(escrow.settle, found, claim, 1, by="adam") == "party_must_speak_for_itself"
    assert refused(escrow.claim, found, "none") == "tranche_must_exist"
    spoken = (escrow.core, escrow.world.desk.vault, found.agreement_id)
    assert (
        refused(saying.open_claim, *spoken, claim, "all", "buyer", " ", by=escrow.shop)
        == "reason_of_a_claim_must_be_short"
    )
    assert (
        refused(saying.open_claim, *spoken, claim, "all", "buyer", "other", by=escrow.shop) == "claim_is_open_already"
    )
    missing = escrow.core.new_id()
    assert refused(say, escrow.core, missing, "delivered", "courier", by=bella) == "agreement_must_exist"
    assert said_of(escrow, EventName.MILESTONE_APPROVED) == []
    days.close_day(escrow.core, DAY, {}, escrow.world.now)  # words need no business day, money does
    escrow.settle(found, claim, 1_00)
    escrow.approve(found)
    assert refused(escrow.release, found) == "no_day_is_open"


def test_people_approve_large_agreements_and_large_releases_and_exactly_those(escrow, database):
    """Above 10,000.00 one person is asked before the agreement is in force, and one before money leaves it. What is
    asked shows the conditions and their hash. A rejected one gives the money back; so does one that is withdrawn.
    """
    escrow.world.pay_in("c1", 40_000_00)
    large = {"name": "all", "payees": [{"customer": "c2", "amount": "12000.00"}], "release": DELIVERED}
    found = escrow.propose(large)
    assert (found.state, escrow.balance("c1")) == ("awaiting_approval", (41_000_00, 12_000_00))
    assert refused(escrow.approve, found) == "agreement_is_not_in_force"
    with escrow.core.connection() as connection:
        [asked] = proposals.proposals_of_order(connection, escrow.book, found.agreement_id)
    facts = asked.terms.facts
    assert (asked.act, facts["agreement_sha256"], facts["payees"]) == (
        "escrow_agreement",
        found.sha256,
        "all: c2 12000.00",
    )
    assert 'has approved "delivered"' in facts["release"]
    proposals.approve(escrow.core, escrow.person("adam"), asked.proposal_id, asked.payload_sha256)
    releasing.carry_out(escrow.core, asked.proposal_id)
    assert escrow.standing(found).state == "in_force"
    assert refused(agreements.withdraw, escrow.core, found.agreement_id) == "agreement_is_not_waiting"

    escrow.approve(found)
    waiting = escrow.release(found)
    assert (waiting.proposal, waiting.standing.state) == (escrow.release(found).proposal, "in_force")
    with escrow.core.connection() as connection:
        asked = proposals.proposal_of(connection, escrow.book, waiting.proposal)
    claim = escrow.claim(found)  # while people think about it
    proposals.approve(escrow.core, escrow.person("adam"), asked.proposal_id, asked.payload_sha256)
    assert refused(releasing.carry_out, escrow.core, asked.proposal_id) == "release_is_not_allowed"
    escrow.settle(found, claim, 12_000_00)
    escrow.world.turn()
    assert (escrow.standing(found).state, escrow.balance("c2")) == ("ended", (12_000_00, 0))
    [said] = said_of(escrow, EventName.ESCROW_RELEASED)
    assert said["proposal"] == str(asked.proposal_id)

    no, gone = escrow.propose(large), escrow.propose(large)
    agreements.withdraw(escrow.core, gone.agreement_id)
    with escrow.core.connection() as connection:
        [asked] = proposals.proposals_of_order(connection, escrow.book, no.agreement_id)
    proposals.reject(escrow.core, escrow.person("adam"), asked.proposal_id, asked.payload_sha256)
    escrow.world.turn()
    assert [escrow.standing(each).because for each in (no, gone)] == ["rejected", "withdrawn"]
    with escrow.core.connection() as connection:
        order = orders(connection, escrow.book, limit=1)[0].order_id
    assert refused(escrow.propose, large, agreement=str(order)) == "agreement_id_is_an_orders"
    assert escrow.balance("c1") == (29_000_00, 0)

    with database.connect("core") as core, pytest.raises(Exception, match="no such event"):
        core.execute(b"SELECT escrow.agree(1, gen_random_uuid(), %s, NULL)", [no.agreement_id])


def test_risk_the_brake_and_the_payers_balance_stand_in_the_way_as_of_other_orders(escrow):
    """A hold of risk is released by two people before the agreement is in force; a listed payee is refused; a pulled
    brake stops agreements and releases, and lets money go back.
    """
    core = escrow.core
    verified(escrow.world.diligence, "c9", name="Orsolan Veskarimov", bank="bank:alpha:client")
    judge_match(escrow.world.diligence, escrow.person("adam"), "c9", "customer", "somebody else", "another birthday")
    advance(escrow.world.diligence, "c9")
    listed = {"name": "all", "payees": [{"customer": "c9", "amount": "1.00"}], "release": DELIVERED}
    assert escrow.propose(listed).state == "refused"
    more = {"name": "all", "payees": [{"customer": "c2", "amount": "5000.00"}], "release": DELIVERED}
    assert refused(escrow.propose, more) == "balance_must_not_fall_below_its_minimum"

    small = {"name": "all", "payees": [{"customer": "c2", "amount": "1.00"}], "release": DELIVERED}
    found = [escrow.propose(small) for _ in range(6)]
    held = next(each for each in found if each.state == "awaiting_approval")
    with core.connection() as connection:
        [asked] = agreements.proposals_about(connection, held)
    assert (asked.act, asked.order_id) == ("hold_release", order_of(held.agreement_id, "all", "c2"))
    for person in ("adam", "rita"):
        proposals.approve(core, escrow.person(person), asked.proposal_id, asked.payload_sha256)
    escrow.world.turn()
    assert escrow.standing(held).state == "in_force"

    back, kept = found[0], found[1]
    escrow.approve(kept)
    brake.pull(core, escrow.person("rita"), "something is wrong")
    assert refused(escrow.propose, small) == "brake_is_pulled"
    assert refused(escrow.release, kept) == "brake_is_pulled"
    escrow.world.wait(days=30)
    escrow.world.turn()
    assert [escrow.standing(each).tranches[0].state for each in (back, kept)] == ["returned", "held"]


def test_a_release_and_a_return_at_once_are_one_of_them(escrow, database):
    """Two cores whose clocks stand on either side of a deadline: before it the money is the seller's, after it the
    buyer's. Twelve threads ask for both of three tranches at once. Whatever comes first, each tranche ends once, and
    the money is where its row says; the clock that went back appends nothing.
    """
    names = ["one", "two", "three"]
    until = {"not": date_reached("2026-03-10T00:00:00Z")}
    some = [{"name": each, "payees": [{"customer": "c2", "amount": "10.00"}], "release": until} for each in names]
    found = escrow.propose(*some, expires_at="2026-03-10T00:00:00Z", claims=None)
    ahead = datetime(2026, 3, 10, tzinfo=UTC)
    second = Writer(Journal(lambda: database.server.connect("core", database.name), escrow.book), lambda: ahead)
    late = Core(escrow.core.book, second, escrow.core.pool, lambda: ahead, escrow.core.new_id)

    def end(name, core):
        try:
            if core is late:
                releasing.give_back(core, found.agreement_id, name)
            else:
                releasing.release(core, found.agreement_id, name, by=None)
        except Refused as no:
            return no.name
        return "released" if core is escrow.core else "returned"

    with ThreadPoolExecutor(12) as threads:
        asked = [threads.submit(end, name, core) for name in names * 2 for core in (escrow.core, late)]
        answers = [each.result() for each in asked]
    second.close()
    released, returned = said_of(escrow, EventName.ESCROW_RELEASED), said_of(escrow, EventName.ESCROW_RETURNED)
    assert set(answers) <= {"released", "returned", "tranche_has_ended", "clock_must_not_go_back"}
    assert sorted(each["tranche"] for each in (*released, *returned)) == sorted(names)
    assert ("released" in answers, "returned" in answers) == (bool(released), bool(returned))
    assert escrow.balance("c2") == (len(released) * 10_00, 0)
    assert escrow.balance("c1") == (1_000_00 - len(released) * 10_00, 0)
    escrow.world.clock[0] = ahead
