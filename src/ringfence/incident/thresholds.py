"""Where indicators turn, as data: `thresholds.toml` beside this file, or one's own in the same form."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from importlib import resources
from typing import Any, Final

from ringfence.incident.refusals import THRESHOLDS_ARE_NOT_VALID


class Level(StrEnum):
    """From good to bad."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True)
class Threshold:
    """Where one indicator turns; `amber` None: never by its value."""

    name: str
    title: Mapping[str, str]  # by language, as the sentences
    unit: str
    high_is_bad: bool
    amber: int | None
    red: int
    unknown: Level
    pulls: bool
    amber_sentence: Mapping[str, str]
    red_sentence: Mapping[str, str]

    def level_of(self, value: int | None) -> Level:
        """The level of a value; the threshold itself belongs to the worse side."""
        if value is None:
            return self.unknown
        if self._reaches(value, self.red):
            return Level.RED
        return Level.AMBER if self.amber is not None and self._reaches(value, self.amber) else Level.GREEN

    def sentence(self, level: Level, language: str = "en") -> str:
        """What amber or red means, for people; nothing for green."""
        if level is Level.GREEN:
            return ""
        said = self.red_sentence if level is Level.RED else self.amber_sentence
        amber = "" if self.amber is None else words_of(self.amber, self.unit, language)
        return said[language].format(amber=amber, red=words_of(self.red, self.unit, language))

    def _reaches(self, value: int, limit: int) -> bool:
        return value >= limit if self.high_is_bad else value <= limit


@dataclass(frozen=True)
class FileRule:
    """When a bank's message of a business day is due."""

    message: str
    business_days_later: int
    due: time  # UTC


@dataclass(frozen=True)
class Thresholds:
    """All indicators, in the order in which they are shown, and the files that banks owe."""

    indicators: Mapping[str, Threshold]
    files: Mapping[str, FileRule]


INDICATORS: Final = (
    "resource_to_requirement",
    "oldest_discrepancy",
    "late_bank_files",
    "checkpoint_lag_rows",
    "checkpoint_lag",
    "notary_alarms",
    "payouts_stuck",
    "monitors_on",
    "reviews_due",
    "days_unproven",
    "clock_skew",
)
UNITS: Final = {
    "basis_points": ("%", "%"),
    "count": ("", ""),
    "rows": ("rows", "行"),
    "milliseconds": ("ms", "毫秒"),
    "seconds": ("s", "秒"),
    "minutes": ("min", "分钟"),
    "hours": ("h", "小时"),
}


def words_of(value: int | None, unit: str, language: str = "en") -> str:
    """A value for people.

    >>> words_of(9998, "basis_points"), words_of(7200, "seconds"), words_of(240, "minutes", "zh"), words_of(1, "count")
    ('99.98 %', '2 h', '4 小时', '1')
    >>> words_of(5400, "seconds"), words_of(96, "hours"), words_of(None, "rows")
    ('90 min', '96 h', '—')
    """
    if value is None:
        return "—"
    if unit == "basis_points":
        return f"{value // 100}.{value % 100:02} %"
    for larger, smaller, size in (("minutes", "seconds", 60), ("hours", "minutes", 60)):
        if unit == smaller and value and value % size == 0:
            unit, value = larger, value // size
    word = UNITS[unit][language == "zh"]
    return f"{value:,} {word}" if word else f"{value:,}"


def default_toml() -> str:
    """The thresholds of a new installation."""
    return resources.files("ringfence.incident").joinpath("thresholds.toml").read_text(encoding="utf-8")


def read_thresholds(text: str) -> Thresholds:
    """Thresholds from their text; `thresholds_are_not_valid`."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise THRESHOLDS_ARE_NOT_VALID(detail=str(error)) from error
    if said.keys() != {"indicators", "files"} or not all(isinstance(each, dict) for each in said.values()):
        raise THRESHOLDS_ARE_NOT_VALID(detail="there are two tables, indicators and files")
    return Thresholds(
        {name: _threshold_of(name, given) for name, given in said["indicators"].items()},
        {name: _file_of(name, given) for name, given in said["files"].items()},
    )


_FIELDS: Final = {"title", "unit", "bad", "red", "unknown", "pulls", "amber_sentence", "red_sentence"}


def _threshold_of(name: str, given: Any) -> Threshold:
    if name not in INDICATORS:
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name} is not an indicator")
    if not isinstance(given, dict) or not _FIELDS <= given.keys() <= _FIELDS | {"amber"}:
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name} has {', '.join(sorted(_FIELDS))} and perhaps amber")
    amber, red = given.get("amber"), given["red"]
    if type(red) is not int or (amber is not None and type(amber) is not int):
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name}: amber and red are whole numbers")
    words = (given["unit"] in UNITS, given["bad"] in ("high", "low"), given["unknown"] in list(Level))
    if not all(words) or type(given["pulls"]) is not bool:
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name}: unit, bad, unknown or pulls is not a word that is known")
    if amber is not None and ((amber > red) if given["bad"] == "high" else (amber < red)):
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name}: amber comes before red")
    sentences = [_sentence_of(name, given[key]) for key in ("title", "amber_sentence", "red_sentence")]
    return Threshold(
        name,
        sentences[0],
        given["unit"],
        given["bad"] == "high",
        amber,
        red,
        Level(given["unknown"]),
        given["pulls"],
        sentences[1],
        sentences[2],
    )


def _sentence_of(name: str, given: Any) -> Mapping[str, str]:
    if not isinstance(given, dict) or given.keys() != {"en", "zh"}:
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name}: a sentence in en and one in zh")
    try:
        for text in given.values():
            text.format(amber="", red="")
    except (AttributeError, LookupError, ValueError) as error:
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name}: sentences may name {{amber}} and {{red}} only") from error
    return given


def _file_of(name: str, given: Any) -> FileRule:
    if not isinstance(given, dict) or given.keys() != {"business_days_later", "due"}:
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name} says business_days_later and due")
    if type(given["business_days_later"]) is not int or not isinstance(given["due"], time):
        raise THRESHOLDS_ARE_NOT_VALID(detail=f"{name}: business_days_later is a number, due a time of day")
    return FileRule(name, given["business_days_later"], given["due"])
