"""Ids of what a benchmark posts."""

import time
from typing import Any, Final

import numpy as np

_PARTS: Final = np.dtype([("time", ">u8"), ("tail", ">u8")])


class Ids:
    """New ids, ordered by time: version 7 of RFC 9562, and even, as those of programs are."""

    def __init__(self, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        self._taken = 0

    def take(self, count: int) -> np.ndarray[Any, Any]:
        """48 bits of milliseconds, then a counter that never repeats and 15 bits of chance."""
        ids = np.zeros(count, _PARTS)
        ids["time"] = np.uint64(time.time_ns() // 1_000_000 << 16 | 7 << 12)
        number = np.arange(self._taken, self._taken + count, dtype=np.uint64)
        chance = self._random.integers(0, 1 << 15, count).astype(np.uint64)
        ids["tail"] = np.uint64(1 << 63) | number << np.uint64(16) | chance << np.uint64(1)
        self._taken += count
        return np.frombuffer(ids.tobytes(), "V16")
