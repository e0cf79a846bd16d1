"""Arrays as something to look at: pictures, lines, slices of volumes, histograms, small tables."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from flowapi.frozen import frozen
from flowclient.chart import Series, chart
from flowclient.formats import is_picture, png

MOST_SIDE = 640  # pixels of a picture in a page
MOST_SHOWN = 64  # numbers of a small array
BINS = 40
MOST_LINE = 2000


@frozen
class Shown:
    """An array on a page.

    Attributes:
        name: Its name.
        about: Shape, type, range.
        images: (PNG as a data URL, what it shows).
        svg: A line or a histogram.
        numbers: Of a small array, all of them.
    """

    name: str
    about: str
    images: tuple[tuple[str, str], ...] = ()
    svg: str = ""
    numbers: str = ""


def show(name: str, array: np.ndarray, kind: str = "") -> Shown:
    """An array by its shape.

    Args:
        name: Its name.
        array: Any.
        kind: `chains` where the first axis holds a sampler's chains.
    """
    about = _about(array)
    if array.size == 0:
        return Shown(name, about)
    real = np.abs(array) if array.dtype.kind == "c" else array
    if kind == "chains" and real.dtype.kind in "fiu" and real.size > MOST_SHOWN:
        return Shown(name, f"{about}; all chains", svg=_histogram(name, real), numbers=_numbers(real))
    if real.dtype.kind not in "fiub":
        return Shown(name, about, numbers=_numbers(real))
    if real.size <= MOST_SHOWN or real.ndim == 0:
        return Shown(name, about, numbers=_numbers(real))
    if real.ndim == 1:
        return Shown(name, about, svg=_line(name, real), numbers=_numbers(real))
    if is_picture(real):
        return Shown(name, about, images=((_url(real), f"{name}, {about}"),))
    if real.ndim == 3 and min(real.shape) > 1:
        return Shown(name, about, images=_slices(name, real))
    return Shown(name, about, svg=_histogram(name, real))


def rhat_table(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The worst R-hat and the least effective sample size of each variable that has one."""
    rows = []
    for name, array in arrays.items():
        for kind, worst in (("rhat", np.nanmax), ("ess", np.nanmin)):
            if name.endswith(f"_{kind}"):
                known = np.isfinite(array).any()
                value = float(worst(array)) if known else math.nan
                word = {"rhat": "R-hat, the largest", "ess": "effective draws, the fewest"}[kind]
                rows.append({"variable": name.removesuffix(f"_{kind}"), "what": word, "value": f"{value:.4g}"})
    return rows


def _about(array: np.ndarray) -> str:
    shape = "×".join(map(str, array.shape)) or "a number"
    if array.dtype.kind not in "fiu" or not array.size:
        return f"{shape}, {array.dtype}"
    known = array[np.isfinite(array)]
    span = f", {known.min():.4g} to {known.max():.4g}" if known.size else ", no finite number"
    odd = f", {array.size - known.size} not finite" if known.size < array.size else ""
    return f"{shape}, {array.dtype}{span}{odd}"


def _numbers(array: np.ndarray) -> str:
    return np.array2string(array, threshold=MOST_SHOWN, precision=6, max_line_width=100)


def _line(name: str, array: np.ndarray) -> str:
    step = max(1, -(-len(array) // MOST_LINE))
    places = np.arange(0, len(array), step)
    return chart(places, [Series("value", array[places].astype(float))], [], log=False, title=f"{name} by index")


def _histogram(name: str, array: np.ndarray) -> str:
    known = array[np.isfinite(array)].astype(float)
    if not known.size:
        return ""
    counts, edges = np.histogram(known, bins=BINS)
    top = counts.max()
    bars = "".join(
        f'<rect class="bar" x="{20 + 440 * i / BINS:.1f}" width="{440 / BINS - 1:.1f}" '
        f'y="{10 + 110 * (1 - n / top):.1f}" height="{110 * n / top:.1f}"/>'
        for i, n in enumerate(counts)
    )
    ends = (
        f'<text class="tick" x="20" y="136">{edges[0]:.4g}</text>'
        f'<text class="tick" x="460" y="136" text-anchor="end">{edges[-1]:.4g}</text>'
    )
    label = escape(f"how often each value of {name} occurs")
    return f'<svg viewBox="0 0 480 142" role="img" aria-label="{label}" class="histogram">{bars}{ends}</svg>'


def _slices(name: str, volume: np.ndarray) -> tuple[tuple[str, str], ...]:
    """The middle slice across each axis."""
    found = []
    for axis, length in enumerate(volume.shape):
        part = np.take(volume, length // 2, axis=axis)
        if is_picture(part):
            found.append((_url(part), f"{name}, slice {length // 2} of {length} across axis {axis}"))
    return tuple(found)


def _url(array: np.ndarray) -> str:
    step = max(1, -(-max(array.shape[:2]) // MOST_SIDE))
    data, _ = png(array[::step, ::step])
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
