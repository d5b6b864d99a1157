"""The check of the clearing accounts: pair by pair, what is in flight and what differs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ringfence.ledger import reading
from ringfence.ledger.crossing import (
    QUERIES,
    Crossing,
    Leg,
    Side,
    State,
    account_named,
    from_account,
    open_crossings,
    state_of,
    to_account,
)


@dataclass(frozen=True)
class InFlight:
    crossing: Crossing
    state: State


@dataclass(frozen=True)
class Clearing:
    """What one book owes another by its own word (`due`) and by the other's (`claimed`), in minor units; what is in
    flight, and what nothing explains. `held` and `expected` are of holds, `due` and `claimed` of posted money.
    """

    source: str
    target: str
    currency: str
    due: int
    claimed: int
    held: int
    expected: int
    in_flight: tuple[InFlight, ...]

    @property
    def difference(self) -> int:
        """What remains of due less claimed when what is posted in the source alone is taken away."""
        return self.due - self.claimed - self._sum(_half_way)

    @property
    def holds_differ(self) -> bool:
        """Whether holds on the clearing accounts are not those of the crossings in flight."""
        held = self._sum(lambda state: state.source is Leg.HELD)
        expected = self._sum(lambda state: state.target is Leg.HELD)
        return (self.held, self.expected) != (held, expected)

    @property
    def holds(self) -> bool:
        return self.difference == 0 and not self.holds_differ

    def _sum(self, chosen: Callable[[State], bool]) -> int:
        return sum(each.crossing.amount for each in self.in_flight if chosen(each.state))


def _half_way(state: State) -> bool:
    return state.source is Leg.POSTED and state.target is not Leg.POSTED


def clearing_differences(sides: Sequence[Side]) -> list[Clearing]:
    """Each pair of books with clearing accounts for each other, both ways, currency by currency.

    The target is looked at first and the source after it, each up to a row: whatever the target has posted by then, the
    source has posted before.
    """
    found = []
    for source in sides:
        for target in sides:
            if source is not target:
                found += [_clearing(source, target, currency) for currency in _currencies(source, target)]
    return found


def _currencies(source: Side, target: Side) -> list[str]:
    found: set[str] = set()
    for side, prefix in ((source, f"clearing:to:{target.book.name}:"), (target, f"clearing:from:{source.book.name}:")):
        with side.connection() as connection:
            rows = connection.execute(QUERIES.clearing_accounts, {"book": side.book.book_id}).fetchall()
        found |= {currency for _, name, currency in rows if name.startswith(prefix)}
    return sorted(found)


def _clearing(source: Side, target: Side, currency: str) -> Clearing:
    ended_before = _head(source)
    target_before = _head(target)
    claimed, expected = _posted_and_pending(target, from_account(source.book.name, currency), target_before)
    source_before = _head(source)
    due, held = _posted_and_pending(source, to_account(target.book.name, currency), source_before)
    begun = open_crossings(source, before=source_before, ended_before=ended_before)
    crossings = [
        each.crossing
        for each in begun
        if (each.crossing.target, each.crossing.currency) == (target.book.name, currency)
    ]
    in_flight = tuple(
        InFlight(each, state_of(source, target, each, source_before, target_before)) for each in crossings
    )
    seen = tuple(
        each
        for each in in_flight  # one that ended after the target was looked at was in flight then
        if not each.state.ended or each.state.target is Leg.HELD or _half_way(each.state)
    )
    return Clearing(source.book.name, target.book.name, currency, due, claimed, held, expected, seen)


def _head(side: Side) -> int:
    with side.connection() as connection:
        return reading.book_named(connection, side.book.name).head


def _posted_and_pending(side: Side, name: str, before: int) -> tuple[int, int]:
    with side.connection() as connection:
        if account_named(connection, side, name) is None:
            return 0, 0
        found = reading.balance(connection, side.book.book_id, name, before=before, fresh=True)
    return found.balance, found.expected
