"""What the payload of a row says, and whether it says exactly what its kind asks for.

Every function here takes the object of a canonical payload and raises `Wrong` ("payload_must_be_valid") for a field too
many, a field too few, or a value that is not written in its one way.
"""

import re
from datetime import date
from typing import Any, Final
from uuid import UUID

from accounts import INT64_MAX, INT64_MIN, Account
from words import Wrong

MEASURES: Final = ("available", "balance", "expected", "held")
NUMBER_MAX: Final = 2**53 - 1  # what JSON can say exactly
_DAY_ZERO: Final = date(1970, 1, 1)
_WHOLE_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def opened(said: dict[str, Any]) -> tuple[Any, Account]:
    """The number that an account claims, and the account."""
    _fields(said, "account", "currency", "maximum", "minimum", "name", "owner", "pool", "side")
    minimum, maximum = _limits(said)
    _require(said["side"] in ("debit", "credit"))
    return said["account"], Account(
        name=_text(said["name"]),
        currency=_text(said["currency"]),
        owner=_text(said["owner"]),
        pool=_text(said["pool"]),
        credit_side=said["side"] == "credit",
        minimum=minimum,
        maximum=maximum,
    )


def limited(said: dict[str, Any]) -> tuple[int, int, int]:
    """An account's number, its minimum and its maximum from here on."""
    _fields(said, "account", "maximum", "minimum", "proposal")
    _proposal(said["proposal"])
    return _number(said["account"]), *_limits(said)


def closed_through(said: dict[str, Any]) -> int:
    """The last day of a closed period, in days since 1970."""
    _fields(said, "proposal", "through")
    _proposal(said["proposal"])
    try:
        day = date.fromisoformat(_text(said["through"]))
    except ValueError:
        raise Wrong("payload_must_be_valid") from None
    _require(day.isoformat() == said["through"])
    return (day - _DAY_ZERO).days


def guarded(said: dict[str, Any]) -> tuple[str, frozenset[int]]:
    """A pool, and the codes of the rows that need not leave it covered."""
    _fields(said, "codes", "pool", "proposal")
    _require(said["proposal"] is None or _proposal(said["proposal"]))
    _require(isinstance(said["codes"], list))
    codes = [_number(code) for code in said["codes"]]
    _require(codes == sorted(set(codes)))
    return _text(said["pool"]), frozenset(codes)


def monitored(said: dict[str, Any]) -> tuple[str, int | tuple[str, ...], str, int | None, int | None]:
    """A monitor's name, the account or the key of the total that it watches, its measure, below and above."""
    _fields(said, "above", "below", "measure", "monitor", "proposal", "watch")
    _require(said["proposal"] is None or _proposal(said["proposal"]))
    watched = _watched(said["watch"])
    cover = isinstance(watched, tuple) and len(watched) == 2
    _require(said["measure"] == "cover" if cover else said["measure"] in MEASURES)
    return _text(said["monitor"]), watched, said["measure"], _amount(said["below"]), _amount(said["above"])


def refused(said: dict[str, Any]) -> None:
    _fields(said, "reason", "request")


def spell_day(days: int) -> str:
    try:
        return date.fromordinal(_DAY_ZERO.toordinal() + days).isoformat()
    except (ValueError, OverflowError):
        return str(days)


def _watched(said: Any) -> int | tuple[str, ...]:
    _require(isinstance(said, dict))
    if said.keys() == {"account"}:
        return _number(said["account"])
    if said.keys() == {"currency", "pool"}:
        return _text(said["pool"]), _text(said["currency"])
    _fields(said, "currency", "owner_class", "pool", "side")
    _require(said["side"] in ("debit", "credit"))
    return _text(said["owner_class"]), _text(said["pool"]), _text(said["currency"]), said["side"]


def _require(true: object) -> None:
    if not true:
        raise Wrong("payload_must_be_valid")


def _fields(said: dict[str, Any], *names: str) -> None:
    _require(said.keys() == set(names))


def _text(said: Any) -> str:
    _require(isinstance(said, str) and said)
    return str(said)


def _number(said: Any) -> int:
    _require(type(said) is int and 0 < said <= NUMBER_MAX)
    return int(said)


def _amount(said: Any) -> int | None:
    """Minor units as a decimal string of 64 bits, or none."""
    if said is None:
        return None
    _require(isinstance(said, str) and _WHOLE_NUMBER.fullmatch(said) and INT64_MIN <= int(said) <= INT64_MAX)
    return int(said)


def _limits(said: dict[str, Any]) -> tuple[int, int]:
    minimum, maximum = _amount(said["minimum"]), _amount(said["maximum"])
    _require(minimum is None or maximum is None or minimum <= maximum)
    return INT64_MIN if minimum is None else minimum, INT64_MAX if maximum is None else maximum


def _proposal(said: Any) -> bool:
    try:
        _require(str(UUID(_text(said))) == said)
    except ValueError:
        raise Wrong("payload_must_be_valid") from None
    return True
