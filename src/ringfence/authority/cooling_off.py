"""Cooling-off: for how long a payee is new, and from which amount on a payment to it waits.

The policy may say it, by currency; a currency that it does not name falls under `otherwise`. A policy that says
nothing of it lets nothing wait. What is limited is the sum of all that goes to the payee while it is new, so that a
small payment does not make it old and many small ones are no way round.

>>> from datetime import UTC
>>> said = cooling_off_of({"otherwise": {"above_minor": "0", "wait_hours": 48},
...                        "currencies": {"EUR": {"above_minor": "100000", "wait_hours": 24}}}, stands_hours=72)
>>> added = datetime(2026, 3, 2, 9, tzinfo=UTC)
>>> waits_until(said, "EUR", 100_000, added), waits_until(said, "EUR", 100_001, added).isoformat()
(None, '2026-03-03T09:00:00+00:00')
>>> waits_until(said, "CHF", 1, added).isoformat()
'2026-03-04T09:00:00+00:00'
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ringfence.authority.refusals import POLICY_IS_NOT_VALID
from ringfence.money import INT64_MAX, currency
from ringfence.refusal import Refused

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True)
class Wait:
    """Above so many minor units a payment to a payee that is younger than so many hours waits."""

    above_minor: int
    wait_hours: int


@dataclass(frozen=True)
class CoolingOff:
    otherwise: Wait
    currencies: Mapping[str, Wait] = field(default_factory=dict)

    def of(self, code: str) -> Wait:
        return self.currencies.get(code, self.otherwise)


def waits_until(said: CoolingOff | None, code: str, sum_minor: int, added_at: datetime) -> datetime | None:
    """When the payee is old enough for this payment, with all else that went there since; None: it never waits."""
    if said is None or sum_minor <= said.of(code).above_minor:
        return None
    return added_at + timedelta(hours=said.of(code).wait_hours)


def cooling_off_of(given: Any, stands_hours: int) -> CoolingOff:
    """The table `cooling_off` of a policy; `policy_is_not_valid`. A wait is shorter than an approval stands, or nothing
    that was approved would still be so when the wait is over.
    """
    if not isinstance(given, dict) or not {"otherwise"} <= given.keys() <= {"otherwise", "currencies"}:
        raise POLICY_IS_NOT_VALID(detail="cooling_off has otherwise, and perhaps currencies")
    currencies = given.get("currencies", {})
    if not isinstance(currencies, dict):
        raise POLICY_IS_NOT_VALID(detail="cooling_off.currencies is a table by currency")
    for code in currencies:
        try:
            currency(code)
        except Refused as refused:
            raise POLICY_IS_NOT_VALID(detail=f"cooling_off.currencies: {refused.sentence()}") from refused
    by_currency = {code: _wait_of(f"cooling_off.{code}", each, stands_hours) for code, each in currencies.items()}
    return CoolingOff(_wait_of("cooling_off.otherwise", given["otherwise"], stands_hours), by_currency)


def _wait_of(place: str, given: Any, stands_hours: int) -> Wait:
    if not isinstance(given, dict) or given.keys() != {"above_minor", "wait_hours"}:
        raise POLICY_IS_NOT_VALID(detail=f"{place} says above_minor and wait_hours")
    above, hours = given["above_minor"], given["wait_hours"]
    if not isinstance(above, str) or not _NUMBER.fullmatch(above) or int(above) > INT64_MAX:
        raise POLICY_IS_NOT_VALID(detail=f"{place}: above_minor is a decimal string of minor units")
    if type(hours) is not int or not 0 <= hours < stands_hours:
        raise POLICY_IS_NOT_VALID(detail=f"{place}: wait_hours is a number of hours, fewer than a payout stands for")
    return Wait(int(above), hours)
