"""Which algorithms the vault may use: one table, `algorithms.toml`, and what an installation forbids besides.

>>> known = registry()
>>> known.require("sm4-gcm", "field").standing
'accepted'
>>> known.require("aes-256-cbc", "field")
Traceback (most recent call last):
    ...
ringfence.refusal.Refused: algorithm_is_forbidden: aes-256-cbc is forbidden (no proof that nobody changed it).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Final, Literal

from ringfence.vault.refusals import ALGORITHM_IS_FORBIDDEN, ALGORITHM_IS_UNKNOWN

Use = Literal["field", "wrap"]
STANDINGS: Final = ("preferred", "accepted", "forbidden")


@dataclass(frozen=True)
class Algorithm:
    """`number` is the byte that stands for it in a ciphertext."""

    name: str
    number: int
    use: tuple[str, ...]
    standing: str
    source: str


@dataclass(frozen=True)
class Registry:
    """The algorithms by name."""

    by_name: Mapping[str, Algorithm]

    def require(self, name: str, use: Use) -> Algorithm:
        """The algorithm of that name, if it may be used so: `algorithm_is_unknown`, `algorithm_is_forbidden`."""
        found = self.by_name.get(name)
        if found is None or use not in found.use:
            raise ALGORITHM_IS_UNKNOWN(algorithm=name)
        if found.standing == "forbidden":
            raise ALGORITHM_IS_FORBIDDEN(algorithm=name, source=found.source)
        return found

    def numbered(self, number: int, use: Use) -> Algorithm:
        """The algorithm of a ciphertext's byte; refused as by name."""
        names = [each.name for each in self.by_name.values() if each.number == number]
        return self.require(names[0] if names else f"number {number}", use)

    def preferred(self, use: Use) -> Algorithm:
        """What a new key is of, unless somebody chose; where it is forbidden here, the first that is accepted."""
        fit = [each for each in self.by_name.values() if use in each.use and each.standing != "forbidden"]
        return min(fit, key=lambda each: STANDINGS.index(each.standing))


def registry(stricter: Mapping[str, str] | None = None) -> Registry:
    """The table, with standings of the installation's own; ValueError if one is no standing or names no algorithm."""
    text = resources.files("ringfence.vault").joinpath("algorithms.toml").read_text(encoding="utf-8")
    known = {
        name: Algorithm(name, said["number"], tuple(said["use"]), said["standing"], said["source"])
        for name, said in tomllib.loads(text).items()
    }
    for name, standing in (stricter or {}).items():
        if name not in known or standing not in STANDINGS or known[name].standing == "forbidden":
            raise ValueError(f"[standing] {name} = {standing!r}")
        known[name] = replace(known[name], standing=standing)
    return Registry(known)
