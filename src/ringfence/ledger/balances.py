"""The state of a book: what every account's sums are, what is held, and what stands over them.

One line of eight 64-bit numbers an account (one cache line): the four sums, the limits, whether it is open, and its
group. A group is an owner class, a pool, a currency and a normal side; what accounts have in common is kept once a
group. Open pending transfers (*holds*) are kept in columns too, so that a million of them are a few arrays.

Nothing here judges. `rules.apply` changes it, and takes every change back if the append does not commit; therefore
undoing is strictly the reverse of doing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ringfence.ledger.model import FIRST_DAY, Account
from ringfence.ledger.standing import Guard, Monitor, Turn, owner_class

INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)
NEVER_CLOSED: Final = FIRST_DAY - 1  # in days since 1970; no value date is as early

DEBITS, CREDITS, DEBITS_PENDING, CREDITS_PENDING, MINIMUM, MAXIMUM, OPEN, GROUP = range(8)
_FIRST_CAPACITY: Final = 1024
_FEW: Final = 256

Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Undo = list[Callable[[], object]]


class Hold(NamedTuple):
    """Money that is held: until when (microseconds since 1970; 0: for ever) and between whom."""

    debit_account: int
    credit_account: int
    amount: int
    expires_at: int


class Holds:
    """The open pending transfers of a book, by id."""

    def __init__(self) -> None:
        self.slots: dict[bytes, int] = {}
        self.columns = np.zeros((4, _FIRST_CAPACITY), np.int64)  # debit account, credit account, amount, expiry
        self._free: list[int] = []
        self._used = 0

    def __len__(self) -> int:
        return len(self.slots)

    def __contains__(self, identity: bytes) -> bool:
        return identity in self.slots

    def get(self, identity: bytes) -> Hold | None:
        slot = self.slots.get(identity)
        return None if slot is None else Hold(*self.columns[:, slot].tolist())

    def find(self, identities: Sequence[bytes]) -> Int64:
        """The slot of each, -1 where there is none."""
        return np.fromiter(map(self.slots.get, identities, repeat(-1)), np.int64, len(identities))

    def put(self, identities: Sequence[bytes], columns: Int64) -> Callable[[], None]:
        """Take holds in; returns the way back. An id that is a hold already stands for the new one until then."""
        count = len(identities)
        covered = {}
        if not self.slots.keys().isdisjoint(identities):
            covered = {identity: self.slots[identity] for identity in identities if identity in self.slots}
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        fresh = count - len(reused)
        if self._used + fresh > self.columns.shape[1]:
            more = np.zeros((4, max(fresh, self.columns.shape[1])), np.int64)
            self.columns = np.concatenate([self.columns, more], axis=1)
        chosen = reused + list(range(self._used, self._used + fresh))
        self._used += fresh
        self.slots.update(zip(identities, chosen, strict=True))
        self.columns[:, chosen] = columns

        def undo() -> None:
            for identity in identities:
                del self.slots[identity]
            self.slots.update(covered)
            self._used -= fresh
            self._free += reversed(reused)

        return undo

    def release(self, identities: Sequence[bytes]) -> Callable[[], None]:
        """Let holds go; returns the way back."""
        chosen = [self.slots.pop(identity) for identity in identities]
        kept = self.columns[:, chosen]
        self._free += chosen

        def undo() -> None:
            del self._free[len(self._free) - len(chosen) :]
            self.slots.update(zip(identities, chosen, strict=True))
            self.columns[:, chosen] = kept

        return undo


class Group(NamedTuple):
    """What accounts have in common."""

    owner_class: str
    pool: str
    currency: str
    side: str


@dataclass
class Cover:
    """A pool in one currency: debits less credits, and the open holds that would lower it, in minor units."""

    posted: int = 0
    reserved: int = 0


@dataclass
class Watch:
    """A monitor at work. `value` is None until it is looked at for the first time."""

    monitor: Monitor
    on: bool = False
    value: int | None = None


@dataclass
class Balances:
    """The state of a book. Account 0 is nobody's. The arrays may be longer than `size`."""

    state: Int64 = field(default_factory=lambda: np.zeros((_FIRST_CAPACITY, 8), np.int64))
    size: int = 1
    numbers: dict[str, int] = field(default_factory=dict)  # of accounts, by name, in the order of opening
    groups: dict[Group, int] = field(default_factory=dict)
    currencies: dict[str, int] = field(default_factory=dict)
    pools: dict[str, int] = field(default_factory=dict)
    group_currency: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    group_pool: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    group_credit: Bools = field(default_factory=lambda: np.zeros(0, bool))
    holds: Holds = field(default_factory=Holds)
    closed_through: int = NEVER_CLOSED  # days since 1970
    guards: dict[int, Guard] = field(default_factory=dict)  # by pool
    covers: dict[tuple[int, int], Cover] = field(default_factory=dict)  # of guarded pools, by pool and currency
    monitors: dict[str, Watch] = field(default_factory=dict)
    due: list[Turn] = field(default_factory=list)  # turns that the next rows of the journal must be
    due_date: int = 0  # and their value date
    scratch: Int64 = field(default_factory=lambda: np.zeros(_FIRST_CAPACITY, np.int64), repr=False)

    # Columns, to look at and to compare.

    @property
    def debits(self) -> Int64:
        return self.state[: self.size, DEBITS]

    @property
    def credits(self) -> Int64:
        return self.state[: self.size, CREDITS]

    @property
    def debits_pending(self) -> Int64:
        return self.state[: self.size, DEBITS_PENDING]

    @property
    def credits_pending(self) -> Int64:
        return self.state[: self.size, CREDITS_PENDING]

    @property
    def minimum(self) -> Int64:
        return self.state[: self.size, MINIMUM]

    @property
    def maximum(self) -> Int64:
        return self.state[: self.size, MAXIMUM]

    @property
    def open(self) -> Bools:
        found: Bools = self.state[: self.size, OPEN] != 0
        return found

    @property
    def group(self) -> Int64:
        return self.state[: self.size, GROUP]

    @property
    def currency(self) -> Int64:
        """Of every account but nobody, whose element means nothing."""
        return self.group_currency[self.group] if len(self.group_currency) else np.zeros(self.size, np.int64)

    @property
    def credit_side(self) -> Bools:
        return self.group_credit[self.group] if len(self.group_credit) else np.zeros(self.size, bool)

    # One account, on its normal side, in minor units.

    def pool_and_currency(self, account: int) -> tuple[int, int]:
        group = self.state[account, GROUP]
        return int(self.group_pool[group]), int(self.group_currency[group])

    def is_credit(self, account: int) -> bool:
        return bool(self.group_credit[self.state[account, GROUP]])

    def is_open(self, account: int) -> bool:
        return bool(self.state[account, OPEN])

    def balance(self, account: int) -> int:
        """Posted balance."""
        difference = int(self.state[account, CREDITS]) - int(self.state[account, DEBITS])
        return difference if self.is_credit(account) else -difference

    def held(self, account: int) -> int:
        return int(self.state[account, DEBITS_PENDING if self.is_credit(account) else CREDITS_PENDING])

    def expected(self, account: int) -> int:
        return int(self.state[account, CREDITS_PENDING if self.is_credit(account) else DEBITS_PENDING])

    def available(self, account: int) -> int:
        return self.balance(account) - self.held(account)

    # Totals.

    def totals(self) -> dict[Group, tuple[int, int, int]]:
        """Balance, held and expected of every group on its normal side: exact, whatever their size."""
        return {group: self._total(number) for group, number in self.groups.items()}

    def _total(self, group: int) -> tuple[int, int, int]:
        lines = self.state[: self.size][self.group == group]
        debits, credits_, debits_pending, credits_pending = (exact_sum(lines[:, column]) for column in range(4))
        if self.group_credit[group]:
            return credits_ - debits, debits_pending, credits_pending
        return debits - credits_, credits_pending, debits_pending

    def cover(self, pool: str, currency: str) -> Cover:
        """What a pool holds less what it owes, and what is reserved of it."""
        cover = Cover()
        number, money = self.pools.get(pool, -1), self.currencies.get(currency, -1)
        if number < 0 or money < 0:
            return cover
        inside = (self.group_pool == number) & (self.group_currency == money)
        lines = self.state[1 : self.size]
        lines = lines[inside[lines[:, GROUP]]]
        cover.posted = exact_sum(lines[:, DEBITS]) - exact_sum(lines[:, CREDITS])
        slots = list(self.holds.slots.values())
        debit, credit, amount, _ = self.holds.columns[:, slots]
        lowering = inside[self.state[credit, GROUP]] & ~inside[self.state[debit, GROUP]] if slots else slots
        cover.reserved = exact_sum(amount[lowering]) if slots else 0
        return cover

    def measure(self, monitor: Monitor) -> int:
        """What a monitor looks at, from the sums."""
        watched = monitor.watched
        if watched.account:
            return int(getattr(self, monitor.measure)(watched.account))
        if not watched.side:
            return self.cover(watched.pool, watched.currency).posted
        group = self.groups.get(Group(watched.owner_class, watched.pool, watched.currency, watched.side))
        balance, held, expected = (0, 0, 0) if group is None else self._total(group)
        return {"available": balance - held, "balance": balance, "expected": expected, "held": held}[monitor.measure]


def exact_sum(numbers: Int64) -> int:
    """The sum of 64-bit numbers, which may not fit 64 bits. Few are summed faster as plain integers."""
    if len(numbers) <= _FEW:
        return sum(numbers.tolist())
    return (int((numbers >> 32).sum()) << 32) + int((numbers & 0xFFFFFFFF).sum())


def add_account(balances: Balances, account: Account) -> Callable[[], None]:
    """Append an account; its number must be `balances.size`. Arrays grow by doubling. Returns the way back."""
    if balances.size == len(balances.state):
        balances.state = np.concatenate([balances.state, np.zeros_like(balances.state)])
        balances.scratch = np.zeros(len(balances.state), np.int64)
    group = Group(owner_class(account.owner), account.pool, account.currency, account.side)
    undo_group = _add_group(balances, group) if group not in balances.groups else None
    line = balances.state[balances.size]
    line[:] = 0
    line[MINIMUM] = INT64_MIN if account.minimum is None else account.minimum
    line[MAXIMUM] = INT64_MAX if account.maximum is None else account.maximum
    line[OPEN] = 1
    line[GROUP] = balances.groups[group]
    balances.numbers[account.name] = balances.size
    balances.size += 1

    def undo() -> None:
        balances.size -= 1
        del balances.numbers[account.name]
        if undo_group is not None:
            undo_group()

    return undo


def _add_group(balances: Balances, group: Group) -> Callable[[], None]:
    currency, pool = balances.currencies.get(group.currency), balances.pools.get(group.pool)
    cover = None
    balances.groups[group] = len(balances.groups)
    balances.currencies.setdefault(group.currency, len(balances.currencies))
    balances.pools.setdefault(group.pool, len(balances.pools))
    place = balances.pools[group.pool], balances.currencies[group.currency]
    if place[0] in balances.guards and place not in balances.covers:
        cover = balances.covers.setdefault(place, Cover())
    columns = balances.group_currency, balances.group_pool, balances.group_credit
    balances.group_currency = np.append(columns[0], place[1])
    balances.group_pool = np.append(columns[1], place[0])
    balances.group_credit = np.append(columns[2], group.side == "credit")

    def undo() -> None:
        balances.group_currency, balances.group_pool, balances.group_credit = columns
        if cover is not None:
            del balances.covers[place]
        if pool is None:
            del balances.pools[group.pool]
        if currency is None:
            del balances.currencies[group.currency]
        del balances.groups[group]

    return undo
