"""Accounts, totals over accounts, and the conditions that are watched on them.

An account keeps four sums: debits and credits, posted and pending. On its normal side

    balance   = posted on its side - posted on the other
    held      = pending on the other side, which may leave
    expected  = pending on its side, which may arrive
    available = balance - held

A total is the same over several accounts, kept only while something looks at it: the accounts of one owner class, pool,
currency and normal side; or those of one pool and currency, of both sides, taken as a debit side. The balance of the
latter is the pool's cover: what it holds less what it owes.
"""

from dataclasses import dataclass, field
from typing import Final

INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)

Key = tuple[str, ...]
"""Names a total: (pool, currency), or (owner class, pool, currency, side)."""


@dataclass(slots=True, kw_only=True)
class Sums:
    credit_side: bool = False
    debits: int = 0
    credits: int = 0
    debits_pending: int = 0
    credits_pending: int = 0
    monitors: set[str] = field(default_factory=set)  # the names of those that look here

    @property
    def balance(self) -> int:
        return self.credits - self.debits if self.credit_side else self.debits - self.credits

    @property
    def held(self) -> int:
        return self.debits_pending if self.credit_side else self.credits_pending

    @property
    def expected(self) -> int:
        return self.credits_pending if self.credit_side else self.debits_pending

    @property
    def available(self) -> int:
        return self.balance - self.held

    @property
    def cover(self) -> int:
        return self.debits - self.credits


@dataclass(slots=True, kw_only=True)
class Account(Sums):
    name: str
    currency: str
    owner: str
    pool: str
    minimum: int
    maximum: int
    closed: bool = False
    totals: list[Sums] = field(default_factory=list)  # those it is part of

    @property
    def keys(self) -> tuple[Key, Key]:
        """The totals that it belongs to. Its owner's class is what stands before the colon."""
        side = "credit" if self.credit_side else "debit"
        return (self.pool, self.currency), (self.owner.partition(":")[0], self.pool, self.currency, side)


class Accounts(list[Account]):
    """All accounts, number 1 first, and the totals that something looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._totals: dict[Key, Sums] = {}

    def open(self, account: Account) -> None:
        self.append(account)
        self.names.add(account.name)
        account.totals += [self._totals[key] for key in account.keys if key in self._totals]

    def total(self, key: Key) -> Sums:
        """The total of that name, which is kept from here on."""
        if key not in self._totals:
            total = self._totals[key] = Sums(credit_side=key[-1] == "credit" and len(key) == 4)
            for account in self:
                if key in account.keys:
                    account.totals.append(total)
                    total.debits += account.debits
                    total.credits += account.credits
                    total.debits_pending += account.debits_pending
                    total.credits_pending += account.credits_pending
        return self._totals[key]

    def currencies(self) -> list[str]:
        return sorted({account.currency for account in self})


@dataclass(slots=True)
class Monitor:
    """A condition: it holds while the measure of `watched` is less than `below` or more than `above`."""

    watched: Sums
    measure: str
    below: int | None
    above: int | None
    on: bool = False

    @property
    def value(self) -> int:
        value: int = getattr(self.watched, self.measure)
        return value

    def holds(self) -> bool:
        below = self.below is not None and self.value < self.below
        return below or (self.above is not None and self.value > self.above)
