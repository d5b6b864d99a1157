"""What stands over a book, told as scenarios: limits, closed periods, guarded pools, monitors."""

from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

import numpy as np
import pytest

from ledger_search import JUNK_PAYLOADS, NOON
from ringfence.ledger import standing
from ringfence.ledger.model import Account, Batch, Kind, Line, Result, batch
from ringfence.ledger.rules import Balances, apply
from ringfence.ledger.standing import ClosedPeriod, Guard, Limits, Monitor, Watched

TODAY = date(2026, 3, 2)
YESTERDAY = date(2026, 3, 1)
LEAVE = UUID(int=7)
BANK, ALICE, BOB, FEES = 1, 2, 3, 4
ACCOUNTS = (
    Account(BANK, "bank", "EUR", "debit", None, None, "bank:main", "client"),
    Account(ALICE, "alice", "EUR", "credit", 0, None, "customer:alice", "client"),
    Account(BOB, "bob", "EUR", "credit", 0, None, "customer:bob", "client"),
    Account(FEES, "fees", "EUR", "debit", None, None, "platform", "own"),
)
FEE = 105


@dataclass
class World:
    """A bank account and two customers of one pool, and the platform's own pocket in another."""

    balances: Balances = field(default_factory=Balances)
    number: int = 0

    def line(self, kind: Kind = Kind.TRANSFER, debit: int = 0, credit: int = 0, amount: int = 0, **more) -> Line:
        self.number += 1
        return Line(kind, UUID(int=self.number), debit, credit, amount, **({"value_date": TODAY} | more))

    def said(self, what) -> Line:
        self.number += 1
        identity = UUID(int=self.number)
        return what.line(identity) if isinstance(what, ClosedPeriod) else what.line(identity, TODAY)

    def post(self, *chains: list[Line]) -> tuple[list[str], list[tuple[int, str, bool, int]]]:
        """The answers, and the turns: behind which row, which monitor, on or off, at what value."""
        given = batch(chains)
        applied = apply(self.balances, given, np.full(len(given), NOON), {})
        turns = [(after, turn.monitor, turn.on, turn.value) for after, turn in applied.turns]
        return [Result(int(each)).word for each in applied.results], turns

    def play(self, *table: tuple[Line, str]) -> None:
        """Rows of one batch, each with the answer that it gets."""
        assert self.words(*(line for line, _ in table)) == [answer for _, answer in table]

    def words(self, *lines: Line) -> list[str]:
        return self.post(*([line] for line in lines))[0]


@pytest.fixture
def world() -> World:
    found = World()
    for account in ACCOUNTS:
        assert found.words(found.line(Kind.ACCOUNT_OPENED, payload=account.payload())) == ["posted"]
    assert found.words(found.line(debit=BANK, credit=ALICE, amount=1000)) == ["posted"]
    return found


def test_new_limits_hold_from_the_next_row_on_and_change_nothing_before(world):
    """Alice has 1000; from now on she must keep 400, then 2000: what she has stays, and only more may come."""
    world.play(
        (world.line(debit=ALICE, credit=BOB, amount=100), "posted"),
        (world.said(Limits(ALICE, 400, None, LEAVE)), "posted"),
        (world.line(debit=ALICE, credit=BOB, amount=501), "balance_must_not_fall_below_its_minimum"),
        (world.line(debit=ALICE, credit=BOB, amount=500), "posted"),
        (world.said(Limits(ALICE, 2000, None, LEAVE)), "posted"),
        (world.line(debit=ALICE, credit=BOB, amount=1), "balance_must_not_fall_below_its_minimum"),
        (world.line(debit=BOB, credit=ALICE, amount=1), "posted"),
    )
    assert world.balances.available(ALICE) == 401


def test_what_is_held_counts_against_a_minimum_and_what_is_expected_against_a_maximum(world):
    world.play(
        (world.said(Limits(BOB, 0, 300, LEAVE)), "posted"),
        (world.line(Kind.PENDING, ALICE, BOB, 200), "posted"),
        (world.line(debit=ALICE, credit=BOB, amount=101), "balance_must_not_exceed_its_maximum"),
        (world.line(debit=ALICE, credit=BANK, amount=801), "balance_must_not_fall_below_its_minimum"),
        (world.line(debit=ALICE, credit=BOB, amount=100), "posted"),
    )


def test_limits_name_their_account_twice_alike_and_it_is_open(world):
    other = world.said(Limits(ALICE, 0, None, LEAVE))
    world.play(
        (
            Line(other.kind, other.id, BOB, order_id=LEAVE, value_date=TODAY, payload=other.payload),
            "payload_must_be_valid",
        ),
        (world.said(Limits(9, 0, None, LEAVE)), "account_must_exist"),
        (world.line(Kind.ACCOUNT_CLOSED, BOB), "posted"),
        (world.said(Limits(BOB, 0, None, LEAVE)), "account_must_be_open"),
    )


def test_nothing_enters_a_closed_period_not_even_the_end_of_a_hold(world):
    hold = world.line(Kind.PENDING, ALICE, BOB, 100)
    late = {"refers_to": hold.id, "value_date": YESTERDAY}
    assert world.words(hold, world.said(ClosedPeriod(YESTERDAY, LEAVE))) == ["posted", "posted"]
    world.play(
        (world.line(debit=ALICE, credit=BOB, amount=1, value_date=YESTERDAY), "value_date_must_be_in_an_open_period"),
        (world.line(Kind.POST, ALICE, BOB, 100, **late), "value_date_must_be_in_an_open_period"),
        (world.line(Kind.VOID, ALICE, BOB, **late), "value_date_must_be_in_an_open_period"),
        (world.line(Kind.POST, ALICE, BOB, 100, refers_to=hold.id), "posted"),
    )


def test_a_period_is_closed_forwards_and_not_before_its_last_day_has_come(world):
    world.play(
        (world.said(ClosedPeriod(date(2026, 3, 3), LEAVE)), "period_must_have_ended"),
        (world.said(ClosedPeriod(YESTERDAY, LEAVE)), "posted"),
        (world.said(ClosedPeriod(YESTERDAY, LEAVE)), "period_must_be_later_than_the_last_closed"),
        (world.said(ClosedPeriod(TODAY, LEAVE)), "posted"),
    )


def test_money_leaves_a_guarded_pool_only_while_all_that_is_owed_stays_covered(world):
    """The pool holds 1000 and owes 1000. 50 of the platform's own may go in, and out again, and no more; a fee may."""
    world.play(
        (world.said(Guard("client", (FEE,))), "posted"),
        (world.line(debit=FEES, credit=BANK, amount=1), "pool_must_stay_covered"),
        (world.line(debit=BANK, credit=FEES, amount=50), "posted"),
        (world.line(Kind.PENDING, FEES, BANK, 20), "posted"),
        (world.line(debit=FEES, credit=BANK, amount=31), "pool_must_stay_covered"),
        (world.line(debit=FEES, credit=BANK, amount=31, code=FEE), "posted"),
        (world.line(debit=FEES, credit=BANK, amount=1), "pool_must_stay_covered"),
        (world.line(debit=ALICE, credit=BOB, amount=1000), "posted"),
        (world.line(debit=BOB, credit=BANK, amount=1000), "posted"),
    )
    cover = world.balances.cover("client", "EUR")
    assert (cover.posted, cover.reserved) == (19, 20)


def test_a_hold_that_is_older_than_the_guard_is_reserved(world):
    hold = world.line(Kind.PENDING, FEES, BANK, 20)
    world.play(
        (hold, "posted"),
        (world.line(debit=BANK, credit=FEES, amount=20), "posted"),
        (world.said(Guard("client", ())), "posted"),
        (world.line(debit=FEES, credit=BANK, amount=1), "pool_must_stay_covered"),
        (world.line(Kind.VOID, FEES, BANK, refers_to=hold.id), "posted"),
        (world.line(debit=FEES, credit=BANK, amount=20), "posted"),
    )


def test_a_monitor_turns_when_its_condition_comes_and_when_it_goes_and_once_each(world):
    low = Monitor("alice is low", Watched(account=ALICE), "available", below=500, above=None)
    answers, turns = world.post(
        [world.said(low)],
        [world.line(debit=ALICE, credit=BOB, amount=500)],
        [world.line(Kind.PENDING, ALICE, BOB, 1)],
        [world.line(debit=ALICE, credit=BOB, amount=1)],
        [world.line(debit=BOB, credit=ALICE, amount=2)],
    )
    assert answers == ["posted"] * 5
    assert turns == [(2, "alice is low", True, 499), (4, "alice is low", False, 500)]


def test_what_happens_within_a_chain_is_looked_at_when_the_chain_is_whole(world):
    low = Monitor("alice is low", Watched(account=ALICE), "balance", below=500, above=None)
    there, back = world.line(debit=ALICE, credit=BOB, amount=900), world.line(debit=BOB, credit=ALICE, amount=900)
    fails = [world.line(debit=ALICE, credit=BOB, amount=900), world.line(debit=BOB, credit=ALICE, amount=9000)]
    _, turns = world.post([world.said(low)], [there, back], fails, [world.line(debit=ALICE, credit=BOB, amount=501)])
    assert turns == [(5, "alice is low", True, 499)]


def test_monitors_turn_in_the_order_of_their_names_and_see_groups_and_pools(world):
    watch = {"currency": "EUR", "pool": "client"}
    customers = Watched(owner_class="customer", side="credit", **watch)
    _, turns = world.post(
        [world.said(Monitor("z: owed", customers, "balance", below=None, above=1000))],
        [world.said(Monitor("é: expected", customers, "expected", below=None, above=0))],
        [world.said(Monitor("a: cover", Watched(**watch), "cover", below=0, above=None))],
        [world.line(debit=BANK, credit=BOB, amount=1), world.line(Kind.PENDING, BANK, BOB, 5)],
        [world.line(debit=FEES, credit=BANK, amount=1)],
    )
    assert turns == [(4, "z: owed", True, 1001), (4, "é: expected", True, 5), (5, "a: cover", True, -1)]


def test_a_monitor_that_is_set_again_begins_anew(world):
    def low(below: int | None) -> Line:
        return world.said(Monitor("low", Watched(account=ALICE), "balance", below, None, LEAVE))

    _, turns = world.post([low(2000)], [low(3000)], [low(None)], [low(500)])
    assert turns == [(0, "low", True, 1000), (1, "low", True, 1000)]


READERS = {
    Kind.ACCOUNT_OPENED: standing.account_of,
    Kind.ACCOUNT_LIMITED: standing.limits_of,
    Kind.PERIOD_CLOSED: standing.closed_period_of,
    Kind.POOL_GUARDED: standing.guard_of,
    Kind.MONITOR_SET: standing.monitor_of,
}


@pytest.mark.parametrize("payload", [each for each in JUNK_PAYLOADS if not each.startswith(b'{"account":9,')])
@pytest.mark.parametrize("kind", READERS)
def test_a_payload_that_does_not_say_what_it_must_is_refused_by_name(world, kind, payload):
    given = batch([[world.line(kind)]])
    applied = apply(world.balances, Batch(given.rows, {0: payload}), np.array([NOON]), {})
    assert Result(int(applied.results[0])) == Result.PAYLOAD_MUST_BE_VALID


def test_what_is_written_is_read_again():
    watched = Watched(0, "customer", "client", "EUR", "credit")
    for kind, said in (
        (Kind.ACCOUNT_LIMITED, Limits(7, -(2**63), 2**63 - 1, LEAVE)),
        (Kind.PERIOD_CLOSED, ClosedPeriod(TODAY, LEAVE)),
        (Kind.POOL_GUARDED, Guard("client", (7, 105), LEAVE)),
        (Kind.MONITOR_SET, Monitor("owed", watched, "held", -5, None)),
        (Kind.MONITOR_SET, Monitor("cover", Watched(pool="client", currency="EUR"), "cover", None, 2**63 - 1, LEAVE)),
    ):
        line = said.line(LEAVE) if isinstance(said, ClosedPeriod) else said.line(LEAVE, TODAY)
        assert line.kind == kind
        assert READERS[kind](batch([[line]]).payloads[0]) == said
