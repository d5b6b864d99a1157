"""The order that running balances reveal.

A bank's export says of each movement of an account: the date, the amount, and the balance after it. Within a day the
export need not keep the order, but the balances do. A movement leads from the balance `before` it (its balance less its
amount) to its `balance`; so a day is a walk through balances that uses every movement once, and begins where the day
before it ended. Here 5.00 came before -2.00, whatever the file's order was::

    >>> day = date(1993, 1, 31)
    >>> found = chain([Movement(1, day, -200, 1300), Movement(2, day, 500, 1500)], rounding_unit=10, opening=1000)
    >>> [movement.number for movement in found.movements], found.differences
    ([2, 1], ())

Where one balance does not follow from the one before, the step has a **difference**: balance - amount - balance before.
It is never absorbed. Adding the differences as lines of their own reproduces the running balance at every movement, in
any order; the right order is the one that needs the smallest explanation:

1. the fewest differences that are no rounding, over the whole life of the account and not day by day;
2. if there are any, the ending at which they cancel out most nearly: all differences together are the closing balance
   less the opening balance less all amounts, so this decides only how the last day ends;
3. then the fewest roundings of movements whose amount was not derived (see below), then of the others;
4. then the smallest differences under 1, added up; then the order of the movements' numbers.

The result depends on the set of movements alone, not on the order in which they are given.

**Rounding.** An export may show figures rounded to a unit (0.10) of an exact book (0.01). Each balance shown is then
within half a unit of the exact one; each *derived* amount (interest, an instalment) is within half a unit of the exact
one, and any other amount is exact. So a step can be off by one unit, and by nothing else. A difference of one unit
counts as a rounding only while one exact book fits all steps since the last unexplained difference: the margin
(exact balance - balance shown) is followed as an interval and must not become empty. Interest of 1.96 is shown as 2.00
and 10.00 + 1.96 as 12.00; a second 1.96 makes 13.92, shown as 13.90, one unit less than the figures shown add up to::

    >>> shown = [Movement(1, day, 1000, 1000), Movement(2, day, 200, 1200, derived=True)]
    >>> found = chain([*shown, Movement(3, day, 200, 1390, derived=True)], rounding_unit=10)
    >>> [(line.amount, line.reason.value, line.after, line.before) for line in found.differences]
    [(-10, 'rounding', 2, 3)]

An **unexplained** difference is a fact about the source: a row that is missing shows once, by its amount, at the first
row after it; an altered amount shows once, at its row; an altered balance shows twice, at its row and, with the
opposite sign, at the next, and the two cancel out.

**Cost.** A day that fits exactly is an Eulerian path, found in linear time however long the day is. For any other day
of at most eight movements every order is weighed (subset by subset, 2ⁿ·n² steps and never n!). A longer one is first
taken apart into the fewest walks that fit exactly, which are then joined: all ways are weighed up to eight walks, and
beyond that the nearest balance is taken next. Only a long day that does not fit may get a larger explanation than it
needs, and the difference is then in plain sight.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import groupby, pairwise
from typing import Final

WEIGHED_MAX: Final = 8  # movements, or walks, of a day of which every order is weighed


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of one account, in minor units; `amount` is negative when money left, `balance` is the one after."""

    number: int
    date: date
    amount: int
    balance: int
    derived: bool = False  # the amount was computed (interest, an instalment), so what is shown of it may be rounded

    @property
    def before(self) -> int:
        return self.balance - self.amount


class Reason(Enum):
    ROUNDING = "rounding"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to be added between two movements for the running balance to follow."""

    date: date
    amount: int
    after: int | None  # number of the movement that precedes it; None: it precedes all
    before: int  # number of the movement that follows it, whose date it has
    reason: Reason


@dataclass(frozen=True, slots=True)
class Chain:
    """The movements of an account in their order, and the differences in theirs."""

    movements: tuple[Movement, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, order=True)
class _Cost:
    """How large an explanation is; fields in order of weight."""

    unexplained: int = 0
    roundings: int = 0
    derived_roundings: int = 0
    unexplained_sum: int = 0

    def __add__(self, other: "_Cost") -> "_Cost":
        return _Cost(
            self.unexplained + other.unexplained,
            self.roundings + other.roundings,
            self.derived_roundings + other.derived_roundings,
            self.unexplained_sum + other.unexplained_sum,
        )


@dataclass(frozen=True, slots=True)
class _State:
    """One way to have explained all days so far; `past` is the state before its last day."""

    cost: _Cost
    day: tuple[Movement, ...] = ()
    past: "_State | None" = None

    @property
    def rank(self) -> tuple[_Cost, list[int]]:
        return self.cost, [movement.number for movement in self.day]


_Walk = tuple[Movement, ...]
_States = dict[int, _State]  # by closing balance
_Edges = dict[int | None, list[tuple[Movement | None, int | None]]]  # None: outside, where walks begin and end


def chain(movements: Iterable[Movement], *, rounding_unit: int, opening: int = 0) -> Chain:
    """The order of one account's movements that needs the smallest explanation, and that explanation."""
    states: _States = {opening: _State(_Cost())}
    by_date = sorted(movements, key=lambda movement: (movement.date, movement.number))
    explained = opening + sum(movement.amount for movement in by_date)
    for _, day in groupby(by_date, key=lambda movement: movement.date):
        states = _after_day(states, list(day), rounding_unit)
    days: list[_Walk] = []
    unexplained = any(state.cost.unexplained for state in states.values())
    endings = (
        (abs(closing - explained) if unexplained else 0, state.rank, closing) for closing, state in states.items()
    )
    state: _State | None = states[min(endings)[2]]
    while state is not None:
        days.append(state.day)
        state = state.past
    ordered = tuple(movement for day in reversed(days) for movement in day)
    return Chain(ordered, tuple(_differences(ordered, rounding_unit, opening)))


def _after_day(states: _States, day: Sequence[Movement], unit: int) -> _States:
    """The closing balances with which a day can end. A state with one unexplained difference more than another is
    dropped: whatever follows it can follow the other too, for one difference more.
    """
    found: _States = {}
    for opening, state in states.items():
        walk = _exact(day, opening)
        if walk:
            _keep(found, walk[-1].balance, _State(state.cost, tuple(walk), state))
    if not found:
        if len(day) <= WEIGHED_MAX:
            found = _weighed(states, [(movement,) for movement in day], unit)
        else:
            found = _joined(states, day, unit)
    fewest = min(state.cost.unexplained for state in found.values())
    return {closing: state for closing, state in found.items() if state.cost.unexplained == fewest}


def _keep(found: _States, closing: int, state: _State) -> None:
    known = found.get(closing)
    if known is None or state.rank < known.rank:
        found[closing] = state


# -- a day that fits ---------------------------------------------------------------------------------------------------


def _exact(day: Sequence[Movement], opening: int) -> list[Movement] | None:
    """The walk from `opening` through all movements of a day (given by number), each following from the one before."""
    if len(day) == 1:
        return list(day) if day[0].before == opening else None
    walk = [movement for movement, _ in _circuit(_edges(day), opening) if movement]
    fits = len(walk) == len(day) and walk[0].before == opening
    return walk if fits and all(next_.before == last.balance for last, next_ in pairwise(walk)) else None


def _edges(day: Sequence[Movement]) -> _Edges:
    """Where one can go from each balance; the lowest number is last, to be taken first."""
    edges: _Edges = defaultdict(list)
    for movement in reversed(day):
        edges[movement.before].append((movement, movement.balance))
    return edges


def _circuit(edges: _Edges, start: int | None) -> list[tuple[Movement | None, int | None]]:
    """Hierholzer's algorithm: an Eulerian path from `start`, if there is one; the edges that were used are removed."""
    path: list[tuple[Movement | None, int | None]] = []
    open_: list[tuple[Movement | None, int | None]] = [(None, start)]
    while open_:
        onward = edges.get(open_[-1][1])
        if onward:
            open_.append(onward.pop())
        else:
            path.append(open_.pop())
    return path[-2::-1]  # without the start, which no edge led to


# -- a day that does not fit -------------------------------------------------------------------------------------------


def _cost(opening: int, movement: Movement, unit: int) -> _Cost:
    difference = abs(movement.before - opening)
    if difference == 0:
        return _Cost()
    if difference == unit:
        return _Cost(derived_roundings=1) if movement.derived else _Cost(roundings=1)
    return _Cost(unexplained=1, unexplained_sum=difference)


def _weighed(states: _States, walks: Sequence[_Walk], unit: int) -> _States:
    """For each walk that can be last, the cheapest order of all walks (Held and Karp, 1962)."""
    size = len(walks)
    # For each set of walks and the last of them: cost, order, state it came from.
    best: dict[tuple[int, int], tuple[_Cost, tuple[int, ...], int]] = {}
    for index, walk in enumerate(walks):
        best[1 << index, index] = min(
            (state.cost + _cost(opening, walk[0], unit), (index,), opening) for opening, state in states.items()
        )
    joins = [[_cost(last[-1].balance, next_[0], unit) for next_ in walks] for last in walks]
    for chosen in range(1, 1 << size):
        for last in range(size):
            if not chosen >> last & 1:
                continue
            cost, order, origin = best[chosen, last]
            for index in range(size):
                if chosen >> index & 1:
                    continue
                key = chosen | 1 << index, index
                longer = cost + joins[last][index], (*order, index), origin
                if key not in best or longer < best[key]:
                    best[key] = longer
    found: _States = {}
    for last in range(size):
        cost, order, origin = best[(1 << size) - 1, last]
        day = tuple(movement for index in order for movement in walks[index])
        _keep(found, day[-1].balance, _State(cost, day, states[origin]))
    return found


def _joined(states: _States, day: Sequence[Movement], unit: int) -> _States:
    """A long day: the fewest walks that fit exactly, joined from the cheapest state so far."""
    opening, state = min(states.items(), key=lambda item: (item[1].rank, item[0]))
    first, walks = _walks(day, opening)
    closing = first[-1].balance if first else opening
    if walks and len(walks) <= WEIGHED_MAX:
        begun = {closing: _State(state.cost)}
        return {
            end: _State(joined.cost, first + joined.day, state) for end, joined in _weighed(begun, walks, unit).items()
        }
    order, cost = list(first), state.cost
    for walk in _nearest_first(walks, closing):
        cost += _cost(order[-1].balance if order else opening, walk[0], unit)
        order += walk
    return {order[-1].balance: _State(cost, tuple(order), state)}


def _walks(day: Sequence[Movement], opening: int) -> tuple[_Walk, list[_Walk]]:
    """The walk from `opening` (it may be empty) and the other walks, as few as there can be.

    Where more movements leave a balance than arrive, walks begin; where more arrive, walks end. Edges from and to the
    outside stand for that, so that all these walks together are one circuit through the outside.
    """
    surplus: Counter[int] = Counter({opening: -1})
    for movement in day:
        surplus[movement.before] += 1
        surplus[movement.balance] -= 1
    edges = _edges(day)
    edges[None].append((None, opening))
    for balance, count in sorted(surplus.items()):
        edges[None] += [(None, balance)] * max(count, 0)
        edges[balance] = [(None, None)] * max(-count, 0) + edges[balance]
    walks: list[list[Movement]] = []
    beginnings: list[int] = []
    for step, reached in _circuit(edges, None):
        if step:
            walks[-1].append(step)
        elif reached is not None:
            walks.append([])
            beginnings.append(reached)
    first = tuple(walks.pop(beginnings.index(opening)))
    walked = {movement.number for walk in (first, *walks) for movement in walk}
    for movement in day:
        if movement.number not in walked:
            walks.append([part for part, _ in _circuit(edges, movement.before) if part])
            walked |= {part.number for part in walks[-1]}
    return first, sorted((tuple(walk) for walk in walks if walk), key=lambda walk: walk[0].number)


def _nearest_first(walks: Sequence[_Walk], closing: int) -> Iterable[_Walk]:
    """Walks, each the one that begins nearest to the end of the one before."""
    rest = sorted(walks, key=lambda walk: (walk[0].before, walk[0].number))
    beginnings = [walk[0].before for walk in rest]
    while rest:
        place = bisect_left(beginnings, closing)
        near = min(
            (index for index in (place - 1, place) if 0 <= index < len(rest)),
            key=lambda index: abs(beginnings[index] - closing),
        )
        beginnings.pop(near)
        walk = rest.pop(near)
        closing = walk[-1].balance
        yield walk


# -- what the differences are ------------------------------------------------------------------------------------------


def _differences(ordered: Sequence[Movement], unit: int, opening: int) -> Iterable[Difference]:
    """The differences of an order; a rounding is one unit, and leaves an exact book possible."""
    half = unit // 2
    margin = (0, 0)  # the least and the greatest (exact balance - balance shown) that is still possible
    balance = opening
    after: int | None = None
    for movement in ordered:
        amount = movement.before - balance
        slack = half if movement.derived else 0
        margin = max(-half, margin[0] - slack - amount), min(half, margin[1] + slack - amount)
        if amount:
            rounding = abs(amount) == unit and margin[0] <= margin[1]
            reason = Reason.ROUNDING if rounding else Reason.UNEXPLAINED
            yield Difference(movement.date, amount, after, movement.number, reason)
            if not rounding:
                margin = (-half, half)
        balance, after = movement.balance, movement.number


def replayed(found: Chain, opening: int = 0) -> Mapping[int, int]:
    """The balance after each movement, by its number, from amounts and differences alone."""
    lines = {line.before: line.amount for line in found.differences}
    balances: dict[int, int] = {}
    balance = opening
    for movement in found.movements:
        balance += lines.get(movement.number, 0) + movement.amount
        balances[movement.number] = balance
    return balances
