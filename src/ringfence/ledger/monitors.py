"""Monitors at work: how what is watched changed row by row, and where a condition came to hold or ceased to.

A monitor is looked at after every chain. In columns: the changes that rows made to the measure are summed up along the
batch, and the sums at the ends of chains are compared with the limits.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ringfence.ledger.balances import GROUP, Balances, Bools, Group, Int64, Undo, Watch, exact_sum
from ringfence.ledger.standing import COVER, Monitor, Turn

_SAFE: Final = 2**62


class Turned(NamedTuple):
    """A turn, and the row of the batch directly behind which the journal says so."""

    after: int
    turn: Turn


@dataclass(frozen=True)
class Movements:
    """What rows did, in columns: nothing, for a row that was refused. `ends` are the rows after which monitors are
    looked at, in order.
    """

    debit: Int64
    credit: Int64
    posted: Int64
    pending: Int64  # what a row holds, or, negative, releases
    ends: Int64


def turns(balances: Balances, moved: Movements, log: Undo) -> list[Turned]:
    """The turns of every monitor over some rows that have taken effect, in the order in which they are journaled."""
    found: list[Turned] = []
    most = exact_sum(moved.posted) + exact_sum(np.abs(moved.pending))  # no measure moves further, at any row
    for name in sorted(balances.monitors):
        found += _turns_of(balances, balances.monitors[name], moved, most, log)
    found.sort(key=lambda turned: (turned.after, turned.turn.monitor))
    return found


def _turns_of(balances: Balances, watch: Watch, moved: Movements, most: int, log: Undo) -> list[Turned]:
    before = watch.on, watch.value

    def undo() -> None:
        watch.on, watch.value = before

    monitor = watch.monitor
    if watch.value is None:  # set just now: it is looked at after the rows that set it
        log.append(undo)
        watch.value = balances.measure(monitor)
        ends = moved.ends[-1:]
        values: Int64 | list[int] = [watch.value] * len(ends)
    else:
        change = _change(balances, monitor, moved)
        if change is None:
            return []
        log.append(undo)
        value, watch.value = watch.value, watch.value + exact_sum(change)
        if not (watch.on or monitor.holds(value - most) or monitor.holds(value + most)):
            return []  # quiet, and too far from its limits to turn
        ends, values = moved.ends, _along(value, change, moved.ends)
    holds = _holds(monitor, values)
    turned = np.flatnonzero(holds != np.concatenate([[watch.on], holds[:-1]]))
    if len(turned):
        watch.on = bool(holds[-1])
    return [
        Turned(int(ends[index]), Turn(monitor.name, bool(holds[index]), int(values[index])))
        for index in turned.tolist()
    ]


def _change(balances: Balances, monitor: Monitor, moved: Movements) -> Int64 | None:
    """How much each row changed the measure; None if no row touched what is watched."""
    watched = monitor.watched
    if watched.account:
        debited, credited = moved.debit == watched.account, moved.credit == watched.account
        credit_side = balances.is_credit(watched.account)
    elif watched.side:
        group = balances.groups.get(Group(watched.owner_class, watched.pool, watched.currency, watched.side))
        if group is None:
            return None
        debited = balances.state[:, GROUP][moved.debit] == group
        credited = balances.state[:, GROUP][moved.credit] == group
        credit_side = watched.side == "credit"
    elif watched.pool not in balances.pools or watched.currency not in balances.currencies:
        return None
    else:
        debited, credited = (_inside(balances, watched.pool, watched.currency, each) for each in _legs(moved))
        credit_side = False  # cover counts debits as held, credits as owed
    if not (debited.any() or credited.any()):
        return None
    falls, rises = (debited, credited) if credit_side else (credited, debited)
    change = np.zeros(len(moved.debit), np.int64)
    if monitor.measure in ("available", "balance", COVER):
        change += moved.posted * rises - moved.posted * falls
    if monitor.measure == "available":
        change -= moved.pending * falls
    elif monitor.measure == "held":
        change += moved.pending * falls
    elif monitor.measure == "expected":
        change += moved.pending * rises
    return change


def _legs(moved: Movements) -> tuple[Int64, Int64]:
    return moved.debit, moved.credit


def _inside(balances: Balances, pool: str, currency: str, accounts: Int64) -> Bools:
    number, money = balances.pools[pool], balances.currencies[currency]
    inside: Bools = (balances.group_pool == number) & (balances.group_currency == money)
    found: Bools = inside[balances.state[:, GROUP][accounts]]
    return found


def _along(value: int, change: Int64, ends: Int64) -> Int64 | list[int]:
    """The measure at the end of each chain; in plain integers if 64 bits might not do."""
    if abs(value) + exact_sum(np.abs(change)) < _SAFE:
        along: Int64 = value + np.cumsum(change)
        return along[ends]
    exact, sums = value, []
    for each in change.tolist():
        exact += each
        sums.append(exact)
    return [sums[end] for end in ends.tolist()]


def _holds(monitor: Monitor, values: Int64 | list[int]) -> Bools:
    if isinstance(values, list):
        return np.array([monitor.holds(value) for value in values], bool)
    below = values < monitor.below if monitor.below is not None else np.zeros(len(values), bool)
    return below | (values > monitor.above) if monitor.above is not None else below
