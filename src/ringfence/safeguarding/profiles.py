"""The figures of a regime profile, with their source, from profiles.toml.

>>> found = sca_exemption("eu-psd2")
>>> found.unverified, [band.amount for band in found.cards]
(True, [10000, 25000, 50000])
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ringfence.safeguarding.formulas import ExemptionBand
from ringfence.safeguarding.refusals import PROFILE_IS_UNKNOWN


@dataclass(frozen=True)
class ScaExemption:
    """Up to which amount a payment of each type may go without strong authentication, by fraud rate."""

    source: str
    unverified: bool
    currency: str
    cards: tuple[ExemptionBand, ...]
    transfers: tuple[ExemptionBand, ...]


@dataclass(frozen=True)
class DebitReduction:
    """By how much debits are reduced, in ten-thousandths: as a rule, and where the reserve is computed daily."""

    source: str
    unverified: bool
    reduction_per_ten_thousand: int
    daily_reduction_per_ten_thousand: int


def sca_exemption(profile: str) -> ScaExemption:
    """The exemption bands of a profile, or `profile_is_unknown`."""
    said = _section("sca-exemption", profile)
    cards, transfers = (
        tuple(ExemptionBand(band["amount"], band["rate_per_million"]) for band in said[name])
        for name in ("cards", "transfers")
    )
    return ScaExemption(said["source"], said["unverified"], said["currency"], cards, transfers)


def debit_reduction(profile: str) -> DebitReduction:
    """The reductions of 15c3-3 for a profile, or `profile_is_unknown`."""
    return DebitReduction(**_section("reserve-15c3-3", profile))


def _section(name: str, profile: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _read()[name]
    if profile not in found:
        raise PROFILE_IS_UNKNOWN(profile=profile[:60], known=", ".join(sorted(found)))
    section: Mapping[str, Any] = found[profile]
    return section


@cache
def _read() -> Mapping[str, Any]:
    text = resources.files("ringfence.safeguarding").joinpath("profiles.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
