"""Indicators: a figure, its level, and since when; a pure function of figures that others give.

>>> from datetime import UTC
>>> from ringfence.incident.thresholds import default_toml, read_thresholds
>>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
>>> figures = Figures(at=noon, positions=(Position("EUR", requirement=84_000, resource=80_000),))
>>> first = evaluate(figures, read_thresholds(default_toml()), {})[0]
>>> first.name, first.level.value, first.shown(), first.pulls
('resource_to_requirement', 'red', '95.23 %', True)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from psycopg.rows import class_row

from ringfence.database.connection import Connection
from ringfence.incident.queries import QUERIES
from ringfence.incident.thresholds import FileRule, Level, Threshold, Thresholds, words_of
from ringfence.money import currency, format_minor


@dataclass(frozen=True)
class Position:
    """What customers are owed and what is there, in minor units of one currency."""

    currency: str
    requirement: int
    resource: int


@dataclass(frozen=True)
class DueFile:
    """A file that a bank owes: which message of which account, for which business day, until when."""

    account: str
    message: str
    business_day: date
    due_at: datetime
    arrived_at: datetime | None = None

    def late_by(self, at: datetime) -> timedelta:
        """How late it is, or came less than nothing if it is in time or here."""
        return timedelta(0) if self.arrived_at is not None else max(timedelta(0), at - self.due_at)


@dataclass(frozen=True)
class MonitorOn:
    """A monitor whose condition holds, since when, and the value (minor units) at which it came to hold."""

    name: str
    currency: str
    value: int
    since: datetime


@dataclass(frozen=True)
class Figures:
    """What is known at a time. None is "not known", which no indicator takes for good; "there is none" has a value of
    its own (an empty tuple, a count of 0, or `oldest_…` None with its count 0).
    """

    at: datetime
    positions: tuple[Position, ...] | None = None
    discrepancies: int | None = None  # open ones
    oldest_discrepancy: datetime | None = None  # opened at
    files: tuple[DueFile, ...] | None = None
    rows: int | None = None  # of the journal
    rows_notarised: int | None = None  # of the last checkpoint
    oldest_unnotarised: datetime | None = None  # posted at, of the first row after the last checkpoint
    notary_alarms: int | None = None  # not settled
    payouts_unanswered: int | None = None
    oldest_unanswered: datetime | None = None  # sent at
    clock_skew_ms: int | None = None
    reviews_due: int | None = None  # verified customers whose due diligence lapses within 30 days
    monitors_on: tuple[MonitorOn, ...] | None = None
    days_unproven: int | None = None  # closed days whose tree of liabilities was refused


@dataclass(frozen=True)
class Turn:
    """The level of an indicator since its last turn."""

    name: str
    level: str
    since: datetime
    sequence: int


@dataclass(frozen=True)
class Detail:
    """A sentence about one of the things behind the value."""

    en: str
    zh: str


@dataclass(frozen=True)
class Indicator:
    """A figure with its level. `value` None: not known."""

    name: str
    value: int | None
    unit: str
    level: Level
    since: datetime
    threshold: Threshold
    details: tuple[Detail, ...] = ()

    @property
    def pulls(self) -> bool:
        """Whether it pulls the brake when it turns red."""
        return self.threshold.pulls

    def title(self, language: str = "en") -> str:
        return self.threshold.title[language]

    def shown(self, language: str = "en") -> str:
        """The value for people."""
        return words_of(self.value, self.unit, language)

    def sentences(self, language: str = "en") -> tuple[str, str]:
        """Where it turns amber, and where red."""
        return self.threshold.sentence(Level.AMBER, language), self.threshold.sentence(Level.RED, language)


def evaluate(figures: Figures, thresholds: Thresholds, turns: Mapping[str, Turn]) -> tuple[Indicator, ...]:
    """Every indicator of the thresholds, in their order. `turns` says since when each has its level (see `turns_of`);
    one that has another level now has it since `figures.at`.
    """
    found = []
    for name, threshold in thresholds.indicators.items():
        value = _VALUES[name](figures)
        level = threshold.level_of(value)
        turn = turns.get(name)
        since = turn.since if turn is not None and turn.level == level else figures.at
        details = _DETAILS[name](figures) if name in _DETAILS else ()
        found.append(Indicator(name, value, threshold.unit, level, since, threshold, details))
    return tuple(found)


def turns_of(connection: Connection, book: int) -> dict[str, Turn]:
    """The last turn of each indicator; one that never turned is not there, and counts as green."""
    with connection.cursor(row_factory=class_row(Turn)) as cursor:
        return {turn.name: turn for turn in cursor.execute(QUERIES.indicator_levels, {"book": book})}


def due_files(
    rules: Mapping[str, FileRule],
    accounts: Sequence[str],
    days: Sequence[date],
    arrived: Mapping[tuple[str, str, date], datetime],
) -> tuple[DueFile, ...]:
    """The files that banks owe for business days. `days` are consecutive business days in order, the last ones only to
    count from: a file is left out when the day on which it is due is not among them. `arrived` holds (account, message,
    business day): when it came.
    """
    return tuple(
        DueFile(
            account,
            rule.message,
            day,
            datetime.combine(days[index + rule.business_days_later], rule.due, UTC),
            arrived.get((account, rule.message, day)),
        )
        for index, day in enumerate(days)
        for rule in rules.values()
        if index + rule.business_days_later < len(days)
        for account in accounts
    )


def _resource_to_requirement(figures: Figures) -> int | None:
    """The worst currency, rounded down: below 10,000 is a shortfall, however small."""
    if not figures.positions:
        return None
    return min(_ratio(each) for each in figures.positions)


def _ratio(position: Position) -> int:
    if position.requirement <= 0:
        return 10_000 if position.resource >= position.requirement else 0
    return max(0, position.resource * 10_000 // position.requirement)


def _oldest_discrepancy(figures: Figures) -> int | None:
    return _age(figures, figures.discrepancies, figures.oldest_discrepancy, timedelta(hours=1))


def _late_bank_files(figures: Figures) -> int | None:
    if figures.files is None:
        return None
    latest = max((each.late_by(figures.at) for each in figures.files), default=timedelta(0))
    return -(-latest // timedelta(minutes=1))


def _late_files(figures: Figures) -> tuple[Detail, ...]:
    late = [each for each in figures.files or () if each.late_by(figures.at)]
    return tuple(
        Detail(
            f"{each.message} of {each.account} for {each.business_day} was due at {each.due_at:%Y-%m-%d %H:%M} UTC.",
            f"{each.account} {each.business_day} 的 {each.message} 应于 {each.due_at:%Y-%m-%d %H:%M}（UTC）到达。",
        )
        for each in sorted(late, key=lambda each: (each.due_at, each.account))
    )


def _monitors_on(figures: Figures) -> int | None:
    return None if figures.monitors_on is None else len(figures.monitors_on)


def _conditions(figures: Figures) -> tuple[Detail, ...]:
    return tuple(
        Detail(
            f"{each.name}: {amount} {each.currency} at {each.since:%Y-%m-%d %H:%M} UTC.",
            f"{each.name}：{amount} {each.currency}，{each.since:%Y-%m-%d %H:%M}（UTC）。",
        )
        for each in figures.monitors_on or ()
        for amount in (format_minor(each.value, currency(each.currency), grouped=True),)
    )


def _checkpoint_lag_rows(figures: Figures) -> int | None:
    if figures.rows is None or figures.rows_notarised is None:
        return None
    return max(0, figures.rows - figures.rows_notarised)


def _checkpoint_lag(figures: Figures) -> int | None:
    return _age(figures, _checkpoint_lag_rows(figures), figures.oldest_unnotarised, timedelta(seconds=1))


def _payouts_stuck(figures: Figures) -> int | None:
    return _age(figures, figures.payouts_unanswered, figures.oldest_unanswered, timedelta(seconds=1))


def _age(figures: Figures, count: int | None, oldest: datetime | None, unit: timedelta) -> int | None:
    """Whole units since `oldest`; 0 if there is none; unknown if there are some and nobody knows since when."""
    if count == 0:
        return 0
    return None if count is None or oldest is None else max(0, (figures.at - oldest) // unit)


_DETAILS: Final[dict[str, Callable[[Figures], tuple[Detail, ...]]]] = {
    "late_bank_files": _late_files,
    "monitors_on": _conditions,
}
_VALUES: Final[dict[str, Callable[[Figures], int | None]]] = {
    "resource_to_requirement": _resource_to_requirement,
    "oldest_discrepancy": _oldest_discrepancy,
    "late_bank_files": _late_bank_files,
    "checkpoint_lag_rows": _checkpoint_lag_rows,
    "checkpoint_lag": _checkpoint_lag,
    "notary_alarms": lambda figures: figures.notary_alarms,
    "payouts_stuck": _payouts_stuck,
    "monitors_on": _monitors_on,
    "reviews_due": lambda figures: figures.reviews_due,
    "days_unproven": lambda figures: figures.days_unproven,
    "clock_skew": lambda figures: None if figures.clock_skew_ms is None else abs(figures.clock_skew_ms),
}
