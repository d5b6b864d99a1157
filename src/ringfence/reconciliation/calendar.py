"""Business days: weekends and holidays as data, one calendar for each regime profile (calendars.toml).

A calendar knows the days from `first` to `last`. A day outside is refused, because whether it is a holiday would be a
guess.

>>> from datetime import date
>>> euro = calendar_of("eu-psd2")
>>> euro.is_business_day(date(2026, 4, 3)), euro.next_business_day(date(2026, 4, 2))  # Good Friday to Easter Monday
(False, datetime.date(2026, 4, 7))
>>> euro.business_days_between(date(2026, 4, 2), date(2026, 4, 8))
2
>>> calendar_of("cn-reserve").is_business_day(date(2026, 2, 14))  # a Saturday that is worked
True
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final

from ringfence.reconciliation.refusals import CALENDAR_DOES_NOT_COVER_THE_DAY, CALENDAR_IS_UNKNOWN

_WEEK: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Calendar:
    """Which days are business days. `worked` are days of a weekend on which business is done all the same."""

    name: str
    source: str
    unverified: bool
    first: date
    last: date
    weekend: frozenset[int]
    holidays: frozenset[date]
    worked: frozenset[date]

    def is_business_day(self, day: date) -> bool:
        """Whether business is done on a day, or `calendar_does_not_cover_the_day`."""
        if not self.first <= day <= self.last:
            raise CALENDAR_DOES_NOT_COVER_THE_DAY(calendar=self.name, day=day, first=self.first, last=self.last)
        return day in self.worked or (day.weekday() not in self.weekend and day not in self.holidays)

    def next_business_day(self, day: date) -> date:
        """The first business day after a day."""
        following = day + timedelta(days=1)
        while not self.is_business_day(following):
            following += timedelta(days=1)
        return following

    def business_days_between(self, earlier: date, later: date) -> int:
        """Business days after `earlier`, up to and with `later`: the age on `later` of what began on `earlier`."""
        span = (later - earlier).days
        return sum(self.is_business_day(earlier + timedelta(days=ahead)) for ahead in range(1, span + 1))


def calendar_of(profile: str) -> Calendar:
    """The calendar of a regime profile, or `calendar_is_unknown`."""
    calendars, profiles = _read()
    if profile not in profiles:
        raise CALENDAR_IS_UNKNOWN(profile=profile[:60], known=", ".join(sorted(profiles)))
    return calendars[profiles[profile]]


@cache
def _read() -> tuple[Mapping[str, Calendar], Mapping[str, str]]:
    text = resources.files("ringfence.reconciliation").joinpath("calendars.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    calendars = {name: _calendar(name, said) for name, said in found["calendars"].items()}
    return calendars, {profile: calendars[name].name for profile, name in found["profiles"].items()}


def _calendar(name: str, said: Mapping[str, Any]) -> Calendar:
    return Calendar(
        name=name,
        source=said["source"],
        unverified=said["unverified"],
        first=said["first"],
        last=said["last"],
        weekend=frozenset(map(_WEEK.index, said["weekend"])),
        holidays=frozenset(said["holidays"]),
        worked=frozenset(said["worked"]),
    )
