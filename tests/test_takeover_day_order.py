"""The order that running balances reveal, and the differences that no order explains.

Amounts are crowns in the samples' tables: `number date amount balance`, a star after the number marks a derived amount.
"""

import doctest
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import permutations, product
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.money import currency, parse_minor
from ringfence.takeover import day_order
from ringfence.takeover.day_order import Chain, Movement, Reason, chain, replayed

CZK = currency("CZK")
UNIT = 10
FIRST = date(1993, 1, 1)


def movements(table: str) -> list[Movement]:
    rows = (line.split() for line in table.strip().splitlines())
    return [
        Movement(
            int(number.rstrip("*")),
            FIRST + timedelta(int(day) - 1),
            parse_minor(amount, CZK),
            parse_minor(balance, CZK),
            number.endswith("*"),
        )
        for number, day, amount, balance in rows
    ]


def found(rows: Iterable[Movement], opening: int = 0) -> Chain:
    """The chain, after its lines were shown to reproduce every balance."""
    rows = list(rows)
    result = chain(rows, rounding_unit=UNIT, opening=opening)
    assert sorted(row.number for row in result.movements) == sorted(row.number for row in rows)
    assert replayed(result, opening) == {row.number: row.balance for row in rows}
    return result


def order(result: Chain) -> list[int]:
    return [row.number for row in result.movements]


def lines(result: Chain) -> list[tuple[str, int, int, int | None, int]]:
    """Reason, day of the month, amount, after, before."""
    return [(line.reason.value, line.date.day, line.amount, line.after, line.before) for line in result.differences]


def test_the_module_keeps_its_worked_examples() -> None:
    assert doctest.testmod(day_order).failed == 0


def test_a_day_is_put_in_the_order_of_its_balances() -> None:
    """The export says withdrawal, interest, deposit; the balances say deposit, withdrawal, interest."""
    result = found(
        movements("""
            1 1  100.00  100.00
            2 2  -30.00  120.00
            3 2    2.00  122.00
            4 2   50.00  150.00
        """)
    )
    assert order(result) == [1, 4, 2, 3]
    assert not result.differences


def test_a_day_that_returns_to_its_opening_balance_is_one_walk() -> None:
    """In and out again, twice: any walk will do, and it is the same one whatever the order of the rows."""
    rows = movements("""
        1 1  100.00  100.00
        5 2   10.00  110.00
        6 2  -10.00  100.00
        7 2   10.00  110.00
        8 2  -10.00  100.00
        9 3    1.00  101.00
    """)
    assert order(found(rows)) == [1, 5, 6, 7, 8, 9]
    assert all(order(found(shuffled)) == [1, 5, 6, 7, 8, 9] for shuffled in permutations(rows))


def test_a_rounding_is_a_line_between_two_movements() -> None:
    result = found(
        movements("""
            1  1 1000.00 1000.00
            2* 2    4.10 1004.10
            3* 3    4.10 1008.30
            4  4   -8.30 1000.00
        """)
    )
    assert lines(result) == [("rounding", 3, 10, 2, 3)]


def test_interest_is_what_is_rounded_where_either_could_be() -> None:
    """Interest and deposit of day 2 both lead from 100.00 to 100.10, so whichever is second is 0.10 off."""
    result = found(
        movements("""
            1  1  100.00  100.00
            2* 2    0.10  100.10
            3  2    0.10  100.10
        """)
    )
    assert order(result) == [1, 3, 2]
    assert lines(result) == [("rounding", 2, -10, 3, 2)]


def test_an_exact_book_has_no_rounding() -> None:
    """Nothing derived has happened, so nothing is hidden behind the figures: 0.10 is missing, not rounded."""
    result = found(
        movements("""
            1 1  100.00  100.00
            2 2   10.00  110.10
        """)
    )
    assert lines(result) == [("unexplained", 2, 10, 1, 2)]


def test_roundings_that_no_exact_book_allows_are_unexplained() -> None:
    """One interest can hide 0.05 and shift a balance by 0.10 once; a deposit cannot shift it by 0.10 again the same
    way.
    """
    result = found(
        movements("""
            1  1  100.00  100.00
            2* 2    1.00  101.10
            3  3   10.00  111.20
        """)
    )
    assert lines(result) == [("rounding", 2, 10, 1, 2), ("unexplained", 3, 10, 2, 3)]


def test_a_missing_row_shows_once_by_its_amount() -> None:
    """A deposit of 50.00 between rows 1 and 3 was cut out of the file."""
    result = found(
        movements("""
            1 1  100.00  100.00
            3 3  -20.00  130.00
            4 4   10.00  140.00
        """)
    )
    assert lines(result) == [("unexplained", 3, 5000, 1, 3)]


def test_a_row_missing_inside_a_shuffled_day_leaves_the_rest_proven() -> None:
    """Day 2 was +40, +50, -30, +1, and lost its +50."""
    result = found(
        movements("""
            1 1  100.00  100.00
            2 2    1.00  161.00
            3 2  -30.00  160.00
            4 2   40.00  140.00
            5 3   10.00  171.00
        """)
    )
    assert order(result) == [1, 4, 3, 2, 5]
    assert lines(result) == [("unexplained", 2, 5000, 4, 3)]


def test_an_altered_amount_shows_once_at_its_row() -> None:
    """Row 3 was -30.00; the file says -35.00."""
    result = found(
        movements("""
            1 1  100.00  100.00
            4 2    2.00  122.00
            3 2  -35.00  120.00
            2 2   50.00  150.00
            5 3    8.00  130.00
        """)
    )
    assert order(result) == [1, 2, 3, 4, 5]
    assert lines(result) == [("unexplained", 2, 500, 2, 3)]


def test_an_altered_balance_shows_twice_and_cancels_out() -> None:
    """Row 2's balance was 150.00. Within the day alone, either order costs two differences; the day after decides."""
    result = found(
        movements("""
            1 1  100.00  100.00
            3 2  -30.00  120.00
            2 2   50.00  157.00
            4 3   10.00  130.00
        """)
    )
    assert order(result) == [1, 2, 3, 4]
    assert lines(result) == [("unexplained", 2, 700, 1, 2), ("unexplained", 2, -700, 2, 3)]


def test_an_altered_balance_on_the_last_day_cancels_out_too() -> None:
    """Interest of 5.00 led to 105.00, the fee to 90.40. Fee and then interest would also need two differences, and
    smaller ones, but they would leave money unexplained.
    """
    result = found(
        movements("""
            1  1  100.00  100.00
            2  2  -14.60   90.40
            3* 2    5.00   85.00
        """)
    )
    assert lines(result) == [("unexplained", 2, -2000, 1, 3), ("unexplained", 2, 2000, 3, 2)]


def test_a_day_that_was_cut_shows_what_is_missing() -> None:
    """The last day's interest of 95.00 is behind the end of the file; only the fee after it is there."""
    result = found(
        movements("""
            1 1  100.00  100.00
            2 2  -14.60  180.40
        """)
    )
    assert lines(result) == [("unexplained", 2, 9500, 1, 2)]


def test_a_book_that_begins_in_the_middle_shows_what_was_brought_forward() -> None:
    result = found(
        movements("""
            1 1  100.00  600.00
            2 2   10.00  610.00
        """)
    )
    assert lines(result) == [("unexplained", 1, 50000, None, 1)]


def test_an_account_without_movements_has_an_empty_chain() -> None:
    assert chain([], rounding_unit=UNIT) == Chain((), ())


DAYS = st.lists(
    st.lists(st.tuples(st.integers(-9, 9).filter(bool).map(lambda crowns: crowns * 100), st.booleans()), max_size=12),
    min_size=1,
    max_size=5,
)


def walk(days: Sequence[Sequence[tuple[int, bool]]], random: Random) -> list[Movement]:
    """A book that is kept exactly, with its rows shuffled and numbered at random."""
    numbers = list(range(1, 1 + sum(map(len, days))))
    random.shuffle(numbers)
    rows, balance = [], 0
    for index, day in enumerate(days):
        for amount, derived in day:
            balance += amount
            rows.append(Movement(numbers.pop(), FIRST + timedelta(index), amount, balance, derived))
    random.shuffle(rows)
    return rows


@given(DAYS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_random_walk_shuffled_within_its_days_is_proven_without_a_difference(days, random) -> None:
    """Small round amounts, so that balances recur and many walks fit: one of them is found."""
    rows = walk(days, random)
    result = found(rows)
    assert not result.differences
    assert result == found(reversed(rows))


@given(DAYS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_book_kept_to_the_heller_and_shown_to_ten_needs_roundings_only(days, random) -> None:
    """Derived amounts have hidden hellers. The figures shown are within half a unit, and no rounding is over a unit."""

    def shown(exact: int) -> int:
        return (exact + UNIT // 2) // UNIT * UNIT

    rows, balance, number = [], 0, 0
    for index, day in enumerate(days):
        for amount, derived in day[:1]:
            number += 1
            exact = amount + random.randrange(UNIT) if derived else amount
            balance += exact
            rows.append(Movement(number, FIRST + timedelta(index), shown(exact), shown(balance), derived))
    result = found(rows)
    assert all(line.reason is Reason.ROUNDING and abs(line.amount) == UNIT for line in result.differences)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 2**32))
@settings(deadline=None)
def test_one_altered_amount_is_one_difference(sizes, seed) -> None:
    """Large amounts, so that no balance recurs. Whatever row is altered, its account is short by that much, once."""
    random = Random(seed)
    rows = walk([[(random.randrange(-(10**12), 10**12), False) for _ in range(size)] for size in sizes], random)
    place = random.randrange(len(rows))
    altered = rows[place]
    wrong = altered.amount + random.choice([-1, 1]) * random.randrange(UNIT + 1, 10**6)
    rows[place] = Movement(altered.number, altered.date, wrong, altered.balance)
    result = found(rows)
    assert [(line.reason, line.date, line.amount, line.before) for line in result.differences] == [
        (Reason.UNEXPLAINED, altered.date, altered.amount - wrong, altered.number)
    ]


def least_explanation(rows: Sequence[Movement]) -> tuple[int, ...]:
    """The model: every order of every day, weighed as the module's docstring says."""
    days = [[row for row in rows if row.date == day] for day in sorted({row.date for row in rows})]
    best = (len(rows) + 1, 0, 0, 0, 0)
    for orders in product(*(permutations(day) for day in days)):
        balance, weight = 0, [0, 0, 0, 0]
        for row in (row for day in orders for row in day):
            difference = abs(row.balance - row.amount - balance)
            if difference == UNIT:
                weight[2 if row.derived else 1] += 1
            elif difference:
                weight[0] += 1
                weight[3] += difference
            balance = row.balance
        left = abs(balance - sum(row.amount for row in rows)) if weight[0] else 0
        best = min(best, (weight[0], left, *weight[1:]))
    return best


ANY_ROW = st.tuples(
    st.integers(0, 1),
    st.sampled_from([-300, -200, -110, -100, -90, -10, 10, 90, 100, 110, 200, 300]),
    st.sampled_from([0, 10, 100, 110, 190, 200, 210, 300]),
    st.booleans(),
)


@given(st.lists(ANY_ROW, min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_any_rows_get_the_least_explanation(given_rows) -> None:
    """Against all orders of all days: never more unexplained differences than the fewest, and over one day the
    least weight in every place.
    """
    rows = [
        Movement(number, FIRST + timedelta(day), amount, balance, derived)
        for number, (day, amount, balance, derived) in enumerate(given_rows, 1)
    ]
    least = least_explanation(rows)
    result = found(rows)
    weight = [0, 0, 0, 0]
    derived = {row.number: row.derived for row in rows}
    for line in result.differences:
        if abs(line.amount) == UNIT:
            weight[2 if derived[line.before] else 1] += 1
        else:
            weight[0] += 1
            weight[3] += abs(line.amount)
    assert weight[0] == least[0]
    if len({row.date for row in rows}) == 1:
        left = abs(sum(line.amount for line in result.differences)) if weight[0] else 0
        assert (weight[0], left, *weight[1:]) == least


@given(st.integers(9, 40), st.integers(0, 3), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_a_long_day_with_missing_rows_has_one_difference_for_each(size, missing, random) -> None:
    """Balances that never recur; rows are taken out of the middle of a long, shuffled day, none beside another."""
    rows, balance = [], 0
    for number in range(1, size + 1):
        amount = 100 * 2**number
        balance += amount
        rows.append(Movement(number, FIRST, amount, balance))
    gone = random.sample(range(2, size, 2), missing)
    kept = [row for row in rows if row.number not in gone]
    random.shuffle(kept)
    result = found(kept)
    assert [(line.amount, line.after, line.before) for line in result.differences] == [
        (100 * 2**number, number - 1, number + 1) for number in sorted(gone)
    ]


@pytest.mark.parametrize("fits", [True, False])
def test_a_day_of_many_movements_is_quick(fits: bool) -> None:
    """Ten thousand rows in one day, in a walk over few balances; then the same with rows that belong nowhere."""
    random = Random(1)
    rows, balance = [], 0
    for number in range(1, 10_001):
        amount = random.choice([-200, -100, 100, 200])
        balance += amount
        if fits or number % 3:
            rows.append(Movement(number, FIRST, amount if fits else amount + random.randrange(10**9), balance))
    random.shuffle(rows)
    began = process_time()
    result = chain(rows, rounding_unit=UNIT)
    assert process_time() - began < 5
    assert replayed(result) == {row.number: row.balance for row in rows}
    assert bool(result.differences) is not fits
