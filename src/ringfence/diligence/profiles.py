"""Tiers of due diligence by regime profile, read from profiles.toml.

>>> profile_of("cn-reserve").tier("class-1", "person").limits.lifetime
100000
>>> profile_of("eu-psd2").tier("simplified", "person").limits
Limits(currency='EUR', balance=15000, payment=5000, month=15000, year=None, lifetime=None)
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from ringfence.diligence.refusals import DILIGENCE_PROFILE_IS_UNKNOWN, TIER_IS_UNKNOWN
from ringfence.money import currency, parse_minor

RISK_CLASSES: Final = ("low", "medium", "high")
PERIODS: Final = ("payment", "month", "year", "lifetime")
_AMOUNTS: Final = ("balance", *PERIODS)


@dataclass(frozen=True)
class Limits:
    """What customers of a tier may have and pay, in minor units; None: no limit."""

    currency: str
    balance: int | None = None
    payment: int | None = None
    month: int | None = None
    year: int | None = None
    lifetime: int | None = None

    @property
    def none(self) -> bool:
        return all(getattr(self, name) is None for name in _AMOUNTS)

    def said(self) -> dict[str, str]:
        """As the journal says them: decimal strings of minor units, and only what is limited."""
        limited = {name: str(getattr(self, name)) for name in _AMOUNTS if getattr(self, name) is not None}
        return {"currency": self.currency} | limited if limited else {}


@dataclass(frozen=True)
class Tier:
    name: str
    natures: tuple[str, ...]
    documents: int
    people: bool
    limits: Limits
    source: str
    verified: bool


@dataclass(frozen=True)
class Profile:
    """What a regime asks of due diligence."""

    name: str
    currency: str
    owner_share_bp: int
    review_months: Mapping[str, int]
    grace_days: int
    restricted: Mapping[str, str]
    score_least: int
    default_tier: str
    tiers: Mapping[str, Tier]

    def tier(self, name: str, nature: str) -> Tier:
        """A tier for a person or a firm; `tier_is_unknown`."""
        found = self.tiers.get(name)
        if found is None or nature not in found.natures:
            raise TIER_IS_UNKNOWN(tier=name[:40], nature=nature, known=", ".join(self.names(nature)))
        return found

    def names(self, nature: str) -> list[str]:
        return [each.name for each in self.tiers.values() if nature in each.natures]

    def first_tier(self, nature: str) -> str:
        """What a customer is taken to ask for who asks for nothing."""
        fitting = self.names(nature)
        return self.default_tier if self.default_tier in fitting else fitting[0]


def limits_of(said: Mapping[str, str] | None) -> Limits:
    """The limits that the journal or a file's row says."""
    given = dict(said or {})
    unit = given.pop("currency", "")
    return Limits(unit, **{name: int(text) for name, text in given.items() if name in _AMOUNTS})


def profile_of(name: str) -> Profile:
    """The tiers of a regime profile; `diligence_profile_is_unknown`."""
    known = _read()
    if name not in known:
        raise DILIGENCE_PROFILE_IS_UNKNOWN(profile=name[:60], known=", ".join(sorted(known)))
    return known[name]


@cache
def _read() -> Mapping[str, Profile]:
    text = resources.files("ringfence.diligence").joinpath("profiles.toml").read_text(encoding="utf-8")
    return {name: _profile(name, said) for name, said in tomllib.loads(text)["profile"].items()}


def _profile(name: str, said: Mapping[str, Any]) -> Profile:
    unit = currency(said["currency"])
    return Profile(
        name=name,
        currency=unit.code,
        owner_share_bp=said["owner_share_percent"] * 100,
        review_months=said["review_months"],
        grace_days=said["grace_days"],
        restricted=said["restricted"],
        score_least=said["score_least"],
        default_tier=said["default_tier"],
        tiers={
            tier: Tier(
                tier,
                tuple(rule["natures"]),
                rule["documents"],
                rule["people"],
                Limits(unit.code, **{each: parse_minor(rule[each], unit) for each in _AMOUNTS if each in rule}),
                rule["source"],
                rule["verified"],
            )
            for tier, rule in said["tiers"].items()
        },
    )
