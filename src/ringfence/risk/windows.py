"""How many and how much, in windows that slide, in bounded memory.

A window of length W is kept in buckets of length B, numbered from 1970 on. At time t it shows every bucket that is not
wholly older than t - W, so it shows at least what happened in (t - W, t] and at most what happened since t - W - B: a
limit is never passed unseen, and the price is that something up to one bucket older may still count. Adding is
commutative, so the order in which rows are read makes no difference.

>>> window = Window(length=600, bucket=60)
>>> window.add(1_000, 25_00)
>>> window.add(1_290, 75_00)
>>> window.at(1_300), window.at(1_650), window.at(1_980)
((2, 10000), (1, 7500), (0, 0))
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Window:
    """Count and sum by bucket; times are whole seconds since 1970 UTC, amounts minor units."""

    length: int
    bucket: int
    buckets: dict[int, tuple[int, int]] = field(default_factory=dict)
    newest: int = 0

    def add(self, at: int, amount: int) -> None:
        """Count an amount at a time. Buckets too old to show in any later answer are dropped."""
        number = at // self.bucket
        if number > self.newest:
            self.newest = number
            oldest = (number * self.bucket - self.length) // self.bucket
            if len(self.buckets) > self.length // self.bucket:
                self.buckets = {each: sums for each, sums in self.buckets.items() if each >= oldest}
        count, total = self.buckets.get(number, (0, 0))
        self.buckets[number] = count + 1, total + amount

    def at(self, at: int) -> tuple[int, int]:
        """Count and sum that the window shows at a time; what lies later (two clocks, one journal) counts too."""
        oldest = (at - self.length) // self.bucket
        count = total = 0
        for number, (orders, money) in self.buckets.items():
            if number >= oldest:
                count += orders
                total += money
        return count, total


def shows(happened: int, at: int, length: int, bucket: int) -> bool:
    """Whether a window would show at one time what happened at another."""
    return happened // bucket >= (at - length) // bucket
