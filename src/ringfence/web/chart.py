"""Lines of a chart as SVG paths, computed here and drawn by the page: no script, no style attribute.

A chart is a box of `width` × `height` units; values grow upwards. Points are (seconds, value), in order of time.

>>> frame = Frame(0, 10, 0, 100, 200, 50)
>>> frame.line([(0, 0), (10, 100)])
'M0.0 50.0 L200.0 0.0'
"""

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, int]


@dataclass(frozen=True)
class Frame:
    """The part of the plane a chart shows, and the box it is shown in."""

    first: float
    last: float
    lowest: int
    highest: int
    width: int
    height: int

    def x(self, second: float) -> float:
        return round((second - self.first) / ((self.last - self.first) or 1) * self.width, 1)

    def y(self, value: int) -> float:
        return round(self.height - (value - self.lowest) / ((self.highest - self.lowest) or 1) * self.height, 1)

    def line(self, points: Sequence[Point]) -> str:
        """Straight from point to point."""
        return " ".join(
            f"{'L' if place else 'M'}{self.x(at)} {self.y(value)}" for place, (at, value) in enumerate(points)
        )

    def steps(self, points: Sequence[Point]) -> str:
        """A balance holds until it changes: flat, then up or down."""
        path: list[str] = []
        for place, (at, value) in enumerate(points):
            path.append(f"H{self.x(at)} V{self.y(value)}" if place else f"M{self.x(at)} {self.y(value)}")
        return " ".join([*path, f"H{self.width}"]) if path else ""

    def area(self, points: Sequence[Point]) -> str:
        """The surface under `steps`."""
        return f"{self.steps(points)} V{self.height} H{self.x(points[0][0])} Z" if points else ""


def frame(*series: Sequence[Point], width: int = 600, height: int = 120, margin: float = 0.08) -> Frame:
    """A frame that shows all points of all series, with a little air above and below; zero is not forced in."""
    times = [at for points in series for at, _ in points] or [0]
    values = [value for points in series for _, value in points] or [0]
    low, high = min(values), max(values)
    air = max(int((high - low) * margin), 1)
    return Frame(min(times), max(times), low - air, high + air, width, height)
