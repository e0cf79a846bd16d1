"""A line of characters for a quantity that falls over orders of magnitude."""

from __future__ import annotations

import math

HEIGHTS = "▁▂▃▄▅▆▇█"
MOST = 512


class Trace:
    """Keeps the largest value of each span of iterations; spans grow as the run does, so that no memory does."""

    def __init__(self) -> None:
        self._span = 1
        self._largest: dict[int, float] = {}

    def add(self, iteration: int, value: float) -> None:
        """Take note of a value; what is not above 0 or not finite has no logarithm and is left out."""
        if not (0 < value < math.inf):
            return
        place = iteration // self._span
        self._largest[place] = max(value, self._largest.get(place, 0.0))
        while len(self._largest) > MOST:
            self._span *= 2
            halved: dict[int, float] = {}
            for one, largest in self._largest.items():
                halved[one // 2] = max(largest, halved.get(one // 2, 0.0))
            self._largest = halved

    def line(self, width: int) -> str:
        """At most so many characters, log10 from the least to the largest; empty of less than two values."""
        values = [math.log10(self._largest[place]) for place in sorted(self._largest)]
        if len(values) < 2 or width < 1:
            return ""
        step = max(1, -(-len(values) // width))
        shown = [max(values[at : at + step]) for at in range(0, len(values), step)]
        low = min(shown)
        span = (max(shown) - low) or 1.0
        return "".join(HEIGHTS[int((one - low) / span * (len(HEIGHTS) - 1))] for one in shown)
