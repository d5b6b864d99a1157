"""What stands over a book until something else is said: limits, closed periods, guarded pools, monitors.

Each is a row of the journal with a payload (RFC 8785), and is in force from the next row on. The dataclasses here are
the payloads, read and written; `rules.apply` gives them their effect. Amounts are decimal strings of minor units,
because JSON has no integers beyond 2⁵³.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar
from uuid import UUID

from ringfence.ledger.model import EPOCH_DAY, Account, Kind, Line

MEASURES: Final = ("available", "balance", "expected", "held")
COVER: Final = "cover"
_INT64: Final = (-(2**63), 2**63 - 1)
_T = TypeVar("_T")
_WHOLE_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True)
class Limits:
    """Other limits of an account, in minor units on its normal side; `proposal` is the act that people approved."""

    account: int
    minimum: int | None
    maximum: int | None
    proposal: UUID

    def payload(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "maximum": _text(self.maximum),
            "minimum": _text(self.minimum),
            "proposal": str(self.proposal),
        }

    def line(self, identity: UUID, value_date: date) -> Line:
        return Line(
            Kind.ACCOUNT_LIMITED,
            identity,
            debit_account=self.account,
            order_id=self.proposal,
            value_date=value_date,
            payload=self.payload(),
        )


@dataclass(frozen=True)
class ClosedPeriod:
    """Every value date up to `through`, that day included, is closed for good."""

    through: date
    proposal: UUID

    @property
    def day(self) -> int:
        """Days since 1970-01-01."""
        return (self.through - EPOCH_DAY).days

    def payload(self) -> dict[str, Any]:
        return {"proposal": str(self.proposal), "through": self.through.isoformat()}

    def line(self, identity: UUID) -> Line:
        return Line(
            Kind.PERIOD_CLOSED, identity, order_id=self.proposal, value_date=self.through, payload=self.payload()
        )


@dataclass(frozen=True)
class Guard:
    """A pool that must stay covered: what it holds is no less than what it owes, per currency. Rows with one of `codes`
    may leave it uncovered. `proposal` is needed to replace a guard, not for a pool's first.
    """

    pool: str
    codes: tuple[int, ...]
    proposal: UUID | None = None

    def payload(self) -> dict[str, Any]:
        return {"codes": list(self.codes), "pool": self.pool, "proposal": _word(self.proposal)}

    def line(self, identity: UUID, value_date: date) -> Line:
        return Line(Kind.POOL_GUARDED, identity, order_id=self.proposal, value_date=value_date, payload=self.payload())


@dataclass(frozen=True)
class Watched:
    """What a monitor looks at. One account; or the accounts of an owner class, pool, currency and side together; or,
    with `pool` and `currency` alone, what the pool holds less what it owes (measure `cover`).
    """

    account: int = 0
    owner_class: str = ""
    pool: str = ""
    currency: str = ""
    side: str = ""

    def said(self) -> dict[str, Any]:
        if self.account:
            return {"account": self.account}
        if self.side:
            return {
                "currency": self.currency,
                "owner_class": self.owner_class,
                "pool": self.pool,
                "side": self.side,
            }
        return {"currency": self.currency, "pool": self.pool}


@dataclass(frozen=True)
class Monitor:
    """A condition that is watched: it holds while the measure is less than `below` or more than `above` (minor units).
    Without both the monitor is off. `proposal` is needed to replace a monitor, not for a new name.
    """

    name: str
    watched: Watched
    measure: str
    below: int | None
    above: int | None
    proposal: UUID | None = None

    def holds(self, value: int) -> bool:
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)

    def payload(self) -> dict[str, Any]:
        return {
            "above": _text(self.above),
            "below": _text(self.below),
            "measure": self.measure,
            "monitor": self.name,
            "proposal": _word(self.proposal),
            "watch": self.watched.said(),
        }

    def line(self, identity: UUID, value_date: date) -> Line:
        return Line(Kind.MONITOR_SET, identity, order_id=self.proposal, value_date=value_date, payload=self.payload())


@dataclass(frozen=True)
class Turn:
    """A monitor turned: its condition came to hold (`on`) at this value, or ceased to."""

    monitor: str
    on: bool
    value: int

    def payload(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "on": self.on, "value": str(self.value)}


def account_of(payload: bytes) -> Account | None:
    """The account that an ACCOUNT_OPENED payload describes (number 0: in a request), or None if it describes none."""
    return _read(payload, {"account", "currency", "maximum", "minimum", "name", "owner", "pool", "side"}, _account)


def limits_of(payload: bytes) -> Limits | None:
    """The limits that an ACCOUNT_LIMITED payload describes, or None if it does not describe any."""
    return _read(payload, {"account", "maximum", "minimum", "proposal"}, _limits)


def closed_period_of(payload: bytes) -> ClosedPeriod | None:
    return _read(payload, {"proposal", "through"}, _closed_period)


def guard_of(payload: bytes) -> Guard | None:
    return _read(payload, {"codes", "pool", "proposal"}, _guard)


def monitor_of(payload: bytes) -> Monitor | None:
    return _read(payload, {"above", "below", "measure", "monitor", "proposal", "watch"}, _monitor)


def turn_of(payload: bytes) -> Turn | None:
    return _read(payload, {"monitor", "on", "value"}, _turn)


def owner_class(owner: str) -> str:
    """What stands before the colon: the class of `customer:c1` is `customer`, that of `platform` is `platform`."""
    return owner.partition(":")[0]


def described(found: _T | None) -> _T:
    """What a payload describes that was taken before, and so describes something."""
    if found is None:
        raise ValueError("a payload that was taken does not describe what it did")
    return found


def _read(payload: bytes, fields: set[str], make: Callable[[Mapping[str, Any]], _T]) -> _T | None:
    try:
        said = json.loads(payload)
        return make(said) if isinstance(said, dict) and said.keys() == fields else None
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None


def _account(said: Mapping[str, Any]) -> Account:
    side = said["side"]
    minimum, maximum = _bounds(said)
    if side not in ("debit", "credit"):
        raise ValueError("an account has a normal side")
    name, currency, owner, pool = (_name(said[each]) for each in ("name", "currency", "owner", "pool"))
    number = 0 if said["account"] == 0 and type(said["account"]) is int else _number(said["account"])
    return Account(number, name, currency, side, minimum, maximum, owner, pool)


def _bounds(said: Mapping[str, Any]) -> tuple[int | None, int | None]:
    minimum, maximum = _amount(said["minimum"]), _amount(said["maximum"])
    if minimum is not None and maximum is not None and minimum > maximum:
        raise ValueError("the minimum is above the maximum")
    return minimum, maximum


def _limits(said: Mapping[str, Any]) -> Limits:
    return Limits(_number(said["account"]), *_bounds(said), _uuid(said["proposal"]))


def _closed_period(said: Mapping[str, Any]) -> ClosedPeriod:
    through = date.fromisoformat(said["through"])
    if through.isoformat() != said["through"]:
        raise ValueError("a day is written as 2026-03-01")
    return ClosedPeriod(through, _uuid(said["proposal"]))


def _guard(said: Mapping[str, Any]) -> Guard:
    codes = tuple(_number(code) for code in said["codes"])
    if said["codes"] != sorted(set(codes)):
        raise ValueError("codes are named once, in order, in a list")
    return Guard(_name(said["pool"]), codes, _proposal(said["proposal"]))


def _monitor(said: Mapping[str, Any]) -> Monitor:
    watched = _watched(said["watch"])
    cover = not watched.account and not watched.side
    if said["measure"] != COVER if cover else said["measure"] not in MEASURES:
        raise ValueError("the measure does not fit what is watched")
    below, above = _amount(said["below"]), _amount(said["above"])
    return Monitor(_name(said["monitor"]), watched, said["measure"], below, above, _proposal(said["proposal"]))


def _watched(said: Mapping[str, Any]) -> Watched:
    if said.keys() == {"account"}:
        return Watched(account=_number(said["account"]))
    if said.keys() == {"currency", "pool"}:
        return Watched(currency=_name(said["currency"]), pool=_name(said["pool"]))
    if said.keys() != {"currency", "owner_class", "pool", "side"} or said["side"] not in ("debit", "credit"):
        raise ValueError("nothing that can be watched")
    return Watched(0, _name(said["owner_class"]), _name(said["pool"]), _name(said["currency"]), said["side"])


def _turn(said: Mapping[str, Any]) -> Turn:
    if type(said["on"]) is not bool or said["value"] is None:
        raise ValueError("a turn says on or off, and a value")
    return Turn(_name(said["monitor"]), said["on"], int(said["value"]))


def _name(said: Any) -> str:
    if not isinstance(said, str) or not said or "\0" in said:
        raise ValueError("a name is a text, and PostgreSQL keeps no zero in it")
    return said


def _number(said: Any) -> int:
    if type(said) is not int or not 0 < said < 2**53:
        raise ValueError("a number is positive")
    return said


def _amount(said: Any) -> int | None:
    if said is None:
        return None
    if not isinstance(said, str) or not _WHOLE_NUMBER.fullmatch(said) or not _INT64[0] <= int(said) <= _INT64[1]:
        raise ValueError("an amount is a decimal string of 64 bits")
    return int(said)


def _uuid(said: Any) -> UUID:
    if str(found := UUID(said)) != said:
        raise ValueError("an id is written in small hexadecimal digits with hyphens")
    return found


def _proposal(said: Any) -> UUID | None:
    return None if said is None else _uuid(said)


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)


def _word(proposal: UUID | None) -> str | None:
    return None if proposal is None else str(proposal)
