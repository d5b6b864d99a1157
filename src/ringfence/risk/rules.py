"""The rules as values: read from TOML, checked when they are read, never completed by guesses.

`load(profile)` reads the package's own `rules.toml`; an operator's file of the same form may stand in its place. A rule
book is a frozen value with the SHA-256 of the file it came from, which stands in every decision, so that one can say
years later by which rules an order was judged.

>>> rules = load("eu-psd2")
>>> [rule.head.name for rule in rules.of_kind("withdrawal")][2:4]
['payee_is_new', 'orders_come_too_fast']
>>> [(band.name, band.low, band.threshold) for band in rules.bands("EUR")]
[('occasional_transaction', 800000, 1000000)]
>>> rules.direction("withdrawal"), rules.direction("fee")
('out', None)
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ringfence.money import currency, parse_minor
from ringfence.refusal import Refused
from ringfence.risk.refusals import ORDER_KIND_HAS_NO_DIRECTION, RISK_PROFILE_IS_UNKNOWN, RISK_RULES_ARE_WRONG

Direction = Literal["in", "out"]

WINDOWS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"10m": (600, 60), "1h": (3_600, 300), "1d": (86_400, 3_600), "30d": (2_592_000, 86_400)}
)
"""The windows by name, the shortest first: length and bucket, in seconds (see `ringfence.risk.windows`)."""


@dataclass(frozen=True)
class Sentences:
    """What people read of a reason: templates over its facts."""

    en: str
    zh: str


@dataclass(frozen=True)
class Head:
    """What every rule has. `source` says where its figures come from; an unverified one waits for the primary text."""

    name: str
    kinds: frozenset[str]
    outcome: str
    score: int
    sentences: Sentences
    source: str
    unverified: bool


@dataclass(frozen=True)
class NewPayee:
    """Much money to somebody who was not paid before, or first less than `hours` ago. Limits in minor units."""

    head: Head
    hours: int
    limits: Mapping[str, int]


@dataclass(frozen=True)
class OrderCounts:
    """More orders in a window than its limit; the shortest window first."""

    head: Head
    limits: Mapping[str, int]


@dataclass(frozen=True)
class OrderSums:
    """More money in a window than its limit, by currency in minor units; the shortest window first."""

    head: Head
    limits: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Structuring:
    """`count` amounts of one day and direction just under a threshold which together reach it."""

    head: Head
    count: int


@dataclass(frozen=True)
class Dormant:
    """Much money after `days` without an order. Limits in minor units."""

    head: Head
    days: int
    limits: Mapping[str, int]


@dataclass(frozen=True)
class Listed:
    """A counterparty whose name matches a listed one with a score from `score_from` to `score_to`."""

    head: Head
    score_from: int
    score_to: int


Rule = NewPayee | OrderCounts | OrderSums | Structuring | Dormant | Listed


@dataclass(frozen=True)
class Band:
    """A threshold in one currency. `amount` is what the statute names, `threshold` the smallest amount that is caught
    (one minor unit more where it says "more than"), and `low` <= x < `threshold` is "just under". Minor units.
    """

    name: str
    amount: int
    threshold: int
    low: int
    source: str
    unverified: bool

    def holds(self, amount: int) -> bool:
        return self.low <= amount < self.threshold


@dataclass(frozen=True)
class RuleBook:
    """The rules of one regime profile. `currencies` are those in which every limit is set."""

    profile: str
    sha256: str
    rules: tuple[Rule, ...]
    currencies: frozenset[str]
    directions: Mapping[str, Direction | None]
    thresholds: Mapping[str, tuple[Band, ...]]
    _of_kind: Mapping[str, tuple[Rule, ...]] = field(repr=False, compare=False)

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """The rules that an order of this kind is held against, in order."""
        return self._of_kind.get(kind, ())

    def direction(self, kind: str) -> Direction | None:
        """Where the customer's money goes with an order of this kind; `order_kind_has_no_direction` if nothing says."""
        try:
            return self.directions[kind]
        except KeyError:
            raise ORDER_KIND_HAS_NO_DIRECTION(kind=kind) from None

    def bands(self, code: str) -> tuple[Band, ...]:
        """The thresholds of the profile in a currency."""
        return self.thresholds.get(code, ())

    def sentences(self, rule: str) -> Sentences | None:
        """What a rule of this name says, for a reader of old decisions; None if this book has no such rule."""
        return next((each.head.sentences for each in self.rules if each.head.name == rule), None)

    @property
    def score_least(self) -> int:
        """The smallest score of a name match that any rule looks at."""
        return min((rule.score_from for rule in self.rules if isinstance(rule, Listed)), default=101)


def load(profile: str, file: Path | None = None) -> RuleBook:
    """The rule book of a profile; `risk_rules_are_wrong` names the field, `risk_profile_is_unknown` the profiles."""
    if file is None:
        return read(resources.files("ringfence.risk").joinpath("rules.toml").read_bytes(), profile, "rules.toml")
    try:
        return read(file.read_bytes(), profile, file.name)
    except OSError as error:
        raise RISK_RULES_ARE_WRONG(file=file.name, field="the file", problem=error.strerror) from error


def read(text: bytes, profile: str, name: str) -> RuleBook:
    """The rule book in the bytes of a TOML file called `name`."""
    try:
        written = _File.model_validate(tomllib.loads(text.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RISK_RULES_ARE_WRONG(file=name, field="the file", problem=error) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RISK_RULES_ARE_WRONG(file=name, field=place, problem=first["msg"]) from error
    if profile not in written.profile:
        raise RISK_PROFILE_IS_UNKNOWN(profile=profile, known=", ".join(sorted(written.profile)))
    try:
        return _book(written, profile, hashlib.sha256(text).hexdigest())
    except _WrongError as wrong:
        raise RISK_RULES_ARE_WRONG(file=name, field=wrong.place, problem=wrong.problem) from wrong


# -- the file's form --------------------------------------------------------------------------------------------------


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Rule(_Part):
    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    kinds: Annotated[list[str], Field(min_length=1)]
    outcome: Literal["hold", "refuse"]
    score: Annotated[int, Field(ge=1, le=100)]
    source: Annotated[str, Field(min_length=1)]
    unverified: bool
    en: Annotated[str, Field(min_length=1)]
    zh: Annotated[str, Field(min_length=1)]


_Amounts = Annotated[dict[str, str], Field(min_length=1)]
_Count = Annotated[int, Field(ge=1)]
_Percent = Annotated[int, Field(ge=1, le=100)]


class _NewPayee(_Rule):
    test: Literal["new_payee"]
    hours: Annotated[int, Field(ge=0)]
    limits: _Amounts


class _OrderCounts(_Rule):
    test: Literal["order_counts"]
    limits: Annotated[dict[str, _Count], Field(min_length=1)]


class _OrderSums(_Rule):
    test: Literal["order_sums"]
    limits: Annotated[dict[str, _Amounts], Field(min_length=1)]


class _Structuring(_Rule):
    test: Literal["structuring"]
    count: Annotated[int, Field(ge=2)]


class _Dormant(_Rule):
    test: Literal["dormant"]
    days: _Count
    limits: _Amounts


class _Listed(_Rule):
    test: Literal["listed"]
    score_from: _Percent
    score_to: _Percent


class _Threshold(_Part):
    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    percent: Annotated[int, Field(ge=1, le=99)]
    above: bool
    amounts: _Amounts
    source: Annotated[str, Field(min_length=1)]
    unverified: bool


class _Profile(_Part):
    threshold: Annotated[list[_Threshold], Field(min_length=1)]


_AnyRule = Annotated[
    _NewPayee | _OrderCounts | _OrderSums | _Structuring | _Dormant | _Listed, Field(discriminator="test")
]


class _File(_Part):
    version: Literal[1]
    directions: Annotated[dict[str, Literal["in", "out", "none"]], Field(min_length=1)]
    rule: Annotated[list[_AnyRule], Field(min_length=1)]
    profile: Annotated[dict[str, _Profile], Field(min_length=1)]


# -- from the form to the value ---------------------------------------------------------------------------------------


class _WrongError(Exception):
    def __init__(self, place: str, problem: object) -> None:
        super().__init__(place)
        self.place = place
        self.problem = problem


def _book(written: _File, profile: str, sha256: str) -> RuleBook:
    names = [rule.name for rule in written.rule]
    for name in names:
        if names.count(name) > 1:
            raise _WrongError(f"rule.{name}", "two rules have this name")
    for rule in written.rule:
        for kind in rule.kinds:
            if written.directions.get(kind, "none") == "none":
                raise _WrongError(f"rule.{rule.name}.kinds", f"no money goes in or out with an order of kind {kind!r}")
    rules = tuple(_rule(rule) for rule in written.rule)
    thresholds = _thresholds(written.profile[profile], f"profile.{profile}")
    currencies = set(thresholds)
    for each in rules:
        if isinstance(each, NewPayee | OrderSums | Dormant):
            currencies &= each.limits.keys()
    if not currencies:
        raise _WrongError("rule", "there is no currency in which every rule has its limit")
    return RuleBook(
        profile,
        sha256,
        rules,
        frozenset(currencies),
        MappingProxyType({kind: None if way == "none" else way for kind, way in written.directions.items()}),
        thresholds,
        MappingProxyType(
            {kind: tuple(rule for rule in rules if kind in rule.head.kinds) for kind in written.directions}
        ),
    )


def _rule(written: _AnyRule) -> Rule:
    place = f"rule.{written.name}"
    head = Head(
        written.name,
        frozenset(written.kinds),
        written.outcome,
        written.score,
        Sentences(written.en, written.zh),
        written.source,
        written.unverified,
    )
    match written:
        case _NewPayee():
            return NewPayee(head, written.hours, _amounts(written.limits, place))
        case _OrderCounts():
            return OrderCounts(head, _in_window_order(written.limits, place))
        case _OrderSums():
            sums = {
                code: _in_window_order(_windowed(amounts, code, place), place)
                for code, amounts in written.limits.items()
            }
            return OrderSums(head, MappingProxyType(sums))
        case _Structuring():
            return Structuring(head, written.count)
        case _Dormant():
            return Dormant(head, written.days, _amounts(written.limits, place))
        case _Listed():
            if written.score_from > written.score_to:
                raise _WrongError(place, "score_from is above score_to")
            return Listed(head, written.score_from, written.score_to)


def _amounts(written: Mapping[str, str], place: str) -> Mapping[str, int]:
    return MappingProxyType({code: _minor(text, code, place) for code, text in written.items()})


def _windowed(written: Mapping[str, str], code: str, place: str) -> dict[str, int]:
    return {window: _minor(text, code, f"{place}.limits.{code}") for window, text in written.items()}


def _in_window_order(limits: Mapping[str, int], place: str) -> Mapping[str, int]:
    for window in limits:
        if window not in WINDOWS:
            raise _WrongError(f"{place}.limits", f"{window!r} is not a window; there are {', '.join(WINDOWS)}")
    return MappingProxyType({window: limits[window] for window in WINDOWS if window in limits})


def _thresholds(written: _Profile, place: str) -> Mapping[str, tuple[Band, ...]]:
    bands: dict[str, list[Band]] = {}
    for each in written.threshold:
        for code, text in each.amounts.items():
            named = _minor(text, code, f"{place}.{each.name}")
            if any(band.name == each.name for band in bands.get(code, [])):
                raise _WrongError(f"{place}.{each.name}", f"two thresholds have this name in {code}")
            least = named + 1 if each.above else named
            low = -(-named * each.percent // 100)
            bands.setdefault(code, []).append(Band(each.name, named, least, low, each.source, each.unverified))
    return MappingProxyType({code: tuple(found) for code, found in bands.items()})


def _minor(text: str, code: str, place: str) -> int:
    try:
        minor = parse_minor(text, currency(code))
    except Refused as refused:
        raise _WrongError(place, refused.sentence()) from refused
    if minor <= 0:
        raise _WrongError(place, f"{text} is no limit: it must be more than nothing")
    return minor
