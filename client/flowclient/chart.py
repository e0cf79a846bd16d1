"""Curves as SVG with classes instead of colours: the page that holds them decides between light, dark and print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from flowapi.frozen import frozen

WIDTH, LEFT, RIGHT, TOP = 920, 74, 12, 10
PLOT, AXIS = 210, 40
MOST_POINTS = 2000
TICKS = 5
NEAR = 2.0  # decades, within which a logarithmic axis has lines between the powers of ten


@frozen
class Series:
    """A curve.

    Attributes:
        name: As the legend has it.
        values: One an iteration; NaN where there is none.
        kind: Its class in the style sheet; default: its name.
        iterations: Where it has places of its own.
    """

    name: str
    values: np.ndarray
    kind: str = ""
    iterations: np.ndarray | None = None

    @property
    def style(self) -> str:
        """Its class."""
        return escape(self.kind or self.name)


@frozen
class Mark:
    """Something that happened: `kind` is interruption, rollback, start or end."""

    iteration: int
    kind: str
    title: str


SHAPES = {"interruption": "▲", "rollback": "◆", "start": "●", "end": "■"}


def chart(iterations: np.ndarray, series: Sequence[Series], marks: Sequence[Mark], *, log: bool, title: str) -> str:
    """Curves over iterations with marks, as an SVG element; empty where there is nothing to draw."""
    known = [one for one in series if np.isfinite(_scaled(one.values, log=log)).any()]
    if not known or not len(iterations):
        return ""
    places = [iterations if one.iterations is None else one.iterations for one in known]
    first, last = min(float(one[0]) for one in places), max(float(one[-1]) for one in places)
    every = np.concatenate([_scaled(one.values, log=log) for one in known])
    low, high = _range(every[np.isfinite(every)])
    x = _Axis(first, max(last, first + 1), LEFT, WIDTH - RIGHT)
    y = _Axis(low, high, TOP + PLOT, TOP)
    body = [_grid(x, y, log=log), *(_mark(x, one) for one in marks)]
    body += [_line(x, y, k, one, log=log) for k, one in zip(places, known, strict=True)]
    names = " ".join(f'<tspan class="{one.style}">— {escape(one.name)}</tspan>' for one in known)
    body.append(f'<text class="legend" x="{WIDTH - RIGHT - 8}" y="{TOP + 14}" text-anchor="end">{names}</text>')
    height = TOP + PLOT + AXIS
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" class="chart">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


def spark(values: np.ndarray, width: int = 40) -> str:
    """A line of characters: log10 of positive values, the least at the bottom; spans without a value stay empty."""
    scaled = _scaled(values, log=True)
    if not np.isfinite(scaled).any():
        return ""
    parts = np.array_split(scaled, min(width, len(scaled)))
    heights = [float(part[np.isfinite(part)].max()) if np.isfinite(part).any() else math.nan for part in parts]
    known = [one for one in heights if math.isfinite(one)]
    low, span = min(known), (max(known) - min(known)) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[int((one - low) / span * 7)] if math.isfinite(one) else " " for one in heights)


def falls(values: np.ndarray) -> bool:
    """Whether a fall is seen on a logarithmic axis only; what goes up and down, as a sampler's energy, has none."""
    known = values[np.isfinite(values)]
    if len(known) < 3:
        return False
    above, tenth = known - known.min(), max(1, len(known) // 10)
    first, last = float(np.median(above[:tenth])), float(np.median(above[-tenth - 1 :]))
    return first > 10 * last


@frozen
class _Axis:
    """From values to places on the page."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _scaled(values: np.ndarray, *, log: bool) -> np.ndarray:
    if not log:
        return np.where(np.isfinite(values), values, np.nan)
    positive = np.isfinite(values) & (values > 0)
    return np.where(positive, np.log10(np.where(positive, values, 1.0)), np.nan)


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _grid(x: _Axis, y: _Axis, *, log: bool) -> str:
    bottom = TOP + PLOT
    lines = []
    within = _within_decades(y.low, y.high) if log else []
    for value in within or _ticks(y.low, y.high, whole=log):
        whole = log and not within and value == round(value)
        text = f"1e{value:.0f}" if whole else f"{10**value if log else value:.3g}"
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        lines.append(f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')
    for value in _ticks(x.low, x.high, whole=True):
        anchor = "end" if x(value) > WIDTH - 40 else "middle"
        text = f"{value:,.0f}".replace(",", " ")
        lines.append(f'<text class="tick" x="{x(value):.1f}" y="{bottom + 18}" text-anchor="{anchor}">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(f'<text class="tick" x="{middle}" y="{bottom + 35}" text-anchor="middle">iteration</text>')
    lines.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    return "".join(lines)


def _ticks(low: float, high: float, *, whole: bool) -> list[float]:
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough)
    step = max(step, 1.0) if whole and high - low >= 1 else step
    first = math.ceil(low / step) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


def _within_decades(low: float, high: float) -> list[float]:
    """The logarithms of 1, 2 and 5, 10, 20 … between two logarithms that are near; none where so few are no scale."""
    if high - low > NEAR:
        return []
    powers = range(math.floor(low), math.ceil(high) + 1)
    found = [math.log10(one) + power for power in powers for one in (1, 2, 5)]
    inside = [one for one in found if low <= one <= high]
    return inside if len(inside) > 1 else []


def _line(x: _Axis, y: _Axis, iterations: np.ndarray, one: Series, *, log: bool) -> str:
    """A path that breaks where a value is missing."""
    scaled = _scaled(one.values, log=log)
    words, pen = [], "M"
    for k, value in zip(iterations, scaled, strict=True):
        if math.isfinite(value):
            words.append(f"{pen}{x(float(k)):.1f} {y(float(value)):.1f}")
            pen = "L"
        else:
            pen = "M"
    return f'<path class="line {one.style}" d="{"".join(words)}"/>'


def _mark(x: _Axis, one: Mark) -> str:
    place = f"{x(min(max(one.iteration, x.low), x.high)):.1f}"
    return (
        f'<g class="mark {escape(one.kind)}"><title>{escape(one.title)}</title>'
        f'<line x1="{place}" x2="{place}" y1="{TOP}" y2="{TOP + PLOT}"/>'
        f'<text x="{place}" y="{TOP + PLOT - 3}" text-anchor="middle">{SHAPES.get(one.kind, "●")}</text></g>'
    )
