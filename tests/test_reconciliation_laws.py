"""Laws: whatever goes wrong between two sides is found as exactly its discrepancy, and the proof always holds."""

import itertools
from collections import Counter
from datetime import date
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation_world import MONDAY, TUESDAY, Told, small_world
from ringfence.custody import customers
from ringfence.ledger.model import Kind
from ringfence.reconciliation import discrepancies, runs
from ringfence.reconciliation.calendar import calendar_of
from ringfence.reconciliation.matching import Entry, Movement, classify, unexplained
from ringfence.refusal import Refused

FAULTS = ["none", "none", "none", "missing_at_bank", "unknown_to_us", "changed", "doubled", "reversed_at_bank"]
ITEMS = st.lists(
    st.tuples(
        st.sampled_from(FAULTS), st.sampled_from(["in", "out"]), st.integers(1, 999), st.integers(1, 99), st.booleans()
    ),
    max_size=12,
)


@pytest.fixture
def world(database):
    with small_world(database) as found:
        found.receive(MONDAY, 10**9, "R0")
        yield found


ACCOUNTS = itertools.count(1)


def new_account(world) -> str:
    number = next(ACCOUNTS)
    name = f"bank:alpha:n{number}"
    customers.open_custodian_account(
        world.core,
        "alpha",
        f"n{number}",
        scheme="IBAN",
        identification=f"LT9{number:017d}",
        holder="Platform clients",
        bank_code="ALPHALT2",
        unit="EUR",
    )
    return name


def traffic(world, account, items):
    """Post our half of each item; return the statement's lines, and what a run must find: (kind, ours, the bank's)."""
    told, expected = [], Counter()
    for number, (fault, direction, amount, change, keyed) in enumerate(items):
        signed = amount if direction == "in" else -amount
        line = Told(signed, f"R{number}", f"E{number}") if keyed or direction == "out" else Told(signed, f"R{number}")
        if fault == "reversed_at_bank":
            told += [line, Told(-signed, line.reference, line.end_to_end, reversal=True)]
            continue
        if fault == "unknown_to_us":
            expected["missing_in_books", None, signed] += 1
            told.append(line)
            continue
        if direction == "in":
            world.receive(MONDAY, amount, f"R{number}", bank=account)
        else:
            world.pay(MONDAY, amount, f"E{number}", bank=account)
        if fault == "missing_at_bank":
            expected["missing_at_bank", signed, None] += 1
        elif fault == "changed":
            other = signed + change if signed > 0 else signed - change
            expected["amount_differs", signed, other] += 1
            told.append(Told(other, line.reference, line.end_to_end))
        else:
            told.append(line)
            if fault == "doubled":
                expected["duplicate_at_bank", None, signed] += 1
                told.append(line)
    return told, expected


def listed(world, account):
    with world.core.connection() as connection:
        found = discrepancies.discrepancies(connection, world.book, account_name=account)
    return Counter((each.kind, each.books_amount, each.bank_amount) for each in found)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(items=ITEMS, opening=st.sampled_from([0, 0, 500]), shuffle=st.randoms(use_true_random=False))
def test_every_fault_is_found_as_exactly_its_discrepancy_and_closes_with_its_match(world, items, opening, shuffle):
    """Random traffic, each item with one fault or none. On the next day the bank brings what it had not, and we book
    what we had not: of those nothing stays open.
    """
    account = new_account(world)
    told, expected = traffic(world, account, items)
    shuffle.shuffle(told)
    world.statement(MONDAY, told, account, opening=opening)
    run = runs.reconcile(world.core, account, MONDAY)
    if opening:
        expected["balance_differs", None, None] = 1
    assert listed(world, account) == expected
    assert run.discrepancies == expected.total()

    late = []
    for number, (fault, direction, amount, _, keyed) in enumerate(items):
        signed = amount if direction == "in" else -amount
        if fault == "missing_at_bank":
            late.append(Told(signed, f"R{number}", f"E{number}" if keyed or signed < 0 else None))
        elif fault == "unknown_to_us" and direction == "in":
            world.move(TUESDAY, account, "unallocated:alpha:client", amount, key=("bank_reference", f"R{number}"))
        elif fault == "unknown_to_us":
            world.pay(TUESDAY, amount, f"E{number}", bank=account)
    world.statement(TUESDAY, late, account)
    runs.reconcile(world.core, account, TUESDAY)
    stays = {key: count for key, count in expected.items() if not key[0].startswith("missing")}
    assert listed(world, account) == Counter(stays)


DAY = date(2026, 3, 2)
KEYS = st.one_of(st.none(), st.sampled_from(["K1", "K2", "K3"]))
AMOUNTS = st.integers(-3, 3).filter(bool)


@st.composite
def sides(draw):
    kinds = ["bank_reference", "end_to_end_id"]
    keys = draw(st.lists(st.tuples(st.sampled_from(kinds), st.sampled_from(["K1", "K2", "K3"])), unique=True))
    movements = []
    for number in range(draw(st.integers(0, 6))):
        kind, key = keys[number] if number < len(keys) else (None, None)
        corrects = draw(st.booleans()) and movements
        refers = draw(st.sampled_from(movements)).journal_id if corrects else None
        row = Kind.CORRECTION if corrects else Kind.TRANSFER
        movements.append(Movement(number, UUID(int=number + 1), draw(AMOUNTS), DAY, row, refers, kind, key))
    entries = [
        Entry(
            f"k{number}",
            draw(AMOUNTS),
            DAY,
            draw(st.booleans()),
            draw(KEYS),
            draw(KEYS),
            draw(st.sampled_from([None, None, "twin"])),
            draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return movements, entries


@given(both=sides(), opening=st.integers(-5, 5))
def test_nothing_is_dropped_nothing_counts_twice_and_the_balances_are_explained(both, opening):
    movements, entries = both
    rest = classify(movements, entries)
    found = [str(each.movement.sequence) for each in rest.findings if each.movement]
    found += [each.entry.key for each in rest.findings if each.entry]
    found += [item for pair in rest.contra for item in (pair.item, pair.counter_item)]
    assert sorted(found) == sorted([str(each.sequence) for each in movements] + [each.key for each in entries])
    cashbook, bank = sum(each.amount for each in movements), opening + sum(each.amount for each in entries)
    left = unexplained(cashbook, bank, rest.findings)
    assert (left.difference if left else 0) == opening


def test_business_days_follow_the_calendar_of_the_regime():
    """Easter 2026, and the spring festival with its worked Saturdays."""
    euro, china = calendar_of("eu-psd2"), calendar_of("cn-marketplace")
    assert euro.next_business_day(date(2026, 4, 2)) == date(2026, 4, 7)
    assert [each for each in range(1, 8) if euro.is_business_day(date(2026, 4, each))] == [1, 2, 7]
    assert china.next_business_day(date(2026, 2, 14)) == date(2026, 2, 24)
    assert china.is_business_day(date(2026, 2, 14))
    assert china.business_days_between(date(2026, 2, 13), date(2026, 2, 28)) == 6
    assert calendar_of("uk-cass15").next_business_day(date(2026, 12, 24)) == date(2026, 12, 29)
    assert calendar_of("us-15c3-3").is_business_day(date(2026, 7, 3))
    assert euro.business_days_between(date(2026, 4, 8), date(2026, 4, 2)) == 0


def test_a_day_that_no_calendar_knows_is_not_guessed():
    with pytest.raises(Refused, match="calendar_does_not_cover_the_day"):
        calendar_of("cn-reserve").is_business_day(date(2027, 1, 4))
    with pytest.raises(Refused, match="calendar_is_unknown"):
        calendar_of("atlantis")
