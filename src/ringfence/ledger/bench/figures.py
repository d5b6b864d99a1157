"""What a benchmark finds: costs that were measured, and rows that set one figure beside its reference."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

RATE: Final = "transfers/s"
CPU_RATE: Final = "transfers/CPU-s"
BACKEND_IS_UNREADABLE: Final = "backend CPU cannot be read here"

Bound = Literal["at_least", "at_most"]


@dataclass(frozen=True)
class Cost:
    """What one call took: seconds by the clock, of this program's CPU, and of the backend's (None: not readable)."""

    rows: int
    seconds: float
    client: float
    backend: float | None


@dataclass(frozen=True)
class Row:
    """One figure. With a reference the ratio of both is held against the goal, without one the figure itself."""

    table: str  # under which heading it stands
    name: str
    value: float | None  # None: it could not be measured, and `note` says why
    unit: str
    reference: str = ""
    reference_value: float | None = None
    goal: float | None = None  # None: reported only
    bound: Bound = "at_least"
    more: Mapping[str, float | None] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if self.value is None or not self.reference_value:
            return None
        return self.value / self.reference_value

    @property
    def holds(self) -> bool | None:
        judged = self.ratio if self.reference else self.value
        if self.goal is None or judged is None:
            return None
        return judged >= self.goal if self.bound == "at_least" else judged <= self.goal

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "name": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "reference": self.reference,
            "reference_value": rounded(self.reference_value),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "goal": self.goal,
            "bound": self.bound,
            "holds": self.holds,
            "more": {name: rounded(value) for name, value in self.more.items()},
            "note": self.note,
        }


class Tally:
    """Costs of calls that were made in turn, by name."""

    def __init__(self) -> None:
        self._costs: dict[str, list[Cost]] = {}

    def add(self, name: str, cost: Cost) -> None:
        self._costs.setdefault(name, []).append(cost)

    def costs(self, name: str) -> Sequence[Cost]:
        return self._costs[name]

    def rate(self, *names: str) -> float:
        """Rows a second at the median of the rounds; several names are rows of one round together."""
        return sum(self._costs[name][0].rows for name in names) / sum(
            statistics.median(cost.seconds for cost in self._costs[name]) for name in names
        )

    def cpu_rate(self, *names: str) -> float | None:
        """Rows a second of backend CPU, over all rounds; None if it cannot be read."""
        spent = [cost.backend for name in names for cost in self._costs[name]]
        known = [each for each in spent if each is not None]
        rows = sum(cost.rows for name in names for cost in self._costs[name])
        total = sum(known)
        return rows / total if len(known) == len(spent) and total else None

    def client(self, *names: str) -> float:
        """Microseconds of this program's CPU a row, at the median."""
        return (
            1e6
            * sum(statistics.median(cost.client for cost in self._costs[name]) for name in names)
            / sum(self._costs[name][0].rows for name in names)
        )


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def rounded(value: float | None) -> float | int | None:
    """Four figures that mean something, and whole numbers where there are more."""
    if value is None:
        return None
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
