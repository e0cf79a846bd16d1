"""The Radon transform as a sparse matrix, in the conventions of the packages whose sinograms people bring.

In all of them t = x cos θ + y sin θ, x to the right and y upwards from the centre of rotation; they differ in where
that is, in the order of the axes, and in how a pixel is seen.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowapi.frozen import frozen


@frozen
class Beam:
    """Parallel rays through a picture.

    Attributes:
        angles: θ in radians.
        centre: Row and column that the picture turns about; whole numbers are centres of pixels.
        detectors: How many bins, one pixel wide.
        middle: The bin of t = 0, which need not be a whole number.
        window: Rows and columns that are seen: from, before, from, before.
        radius: Of the circle about the centre beyond which nothing is seen; None without one.
        turned: Whether the picture is turned, bilinearly, and summed, as scikit-image does, its bins along the first
            axis; else each pixel adds to the two bins about its t, and angles are the first axis.
    """

    angles: np.ndarray
    centre: tuple[float, float]
    detectors: int
    middle: float
    window: tuple[int, int, int, int]
    radius: float | None
    turned: bool

    @property
    def output(self) -> tuple[int, int]:
        """The shape of a sinogram."""
        sizes = (self.angles.size, self.detectors)
        return sizes[::-1] if self.turned else sizes


def skimage_beam(
    shape: tuple[int, int],
    angles: np.ndarray,
    centre: tuple[float, float] | None,
    detectors: int | None,
    *,
    circle: bool,
) -> Beam:
    """The beam of `skimage.transform.radon(picture, degrees, circle)`.

    With `circle` the picture is cut to a square first, else it is padded to a square of its diagonal; both turn about
    the pixel size // 2.
    """
    least = min(shape)
    starts = [math.ceil((n - least) / 2) if circle else 0 for n in shape]
    sizes = [least if circle else n for n in shape]
    about = centre or tuple(float(start + size // 2) for start, size in zip(starts, sizes, strict=True))
    count = detectors or (least if circle else math.ceil(math.sqrt(2) * max(shape)))
    window = (starts[0], starts[0] + sizes[0], starts[1], starts[1] + sizes[1])
    return Beam(angles, (about[0], about[1]), count, count // 2, window, least // 2 if circle else None, turned=True)


def plain_beam(
    shape: tuple[int, int],
    angles: np.ndarray,
    centre: tuple[float, float] | None,
    detectors: int | None,
    *,
    circle: bool,
) -> Beam:
    """The beam of ASTRA's `parallel` geometry, and of textbooks: about the middle of the picture, (n − 1)/2."""
    about = centre or ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    count = detectors or max(shape)
    radius = min(shape) / 2 if circle else None
    return Beam(angles, about, count, (count - 1) / 2, (0, shape[0], 0, shape[1]), radius, turned=False)


def radon_matrix(shape: tuple[int, int], beam: Beam, dtype: Any) -> Any:
    """The Radon transform of pictures as a SciPy sparse matrix on the raveled picture; what falls beyond bins is lost.

    Source: Kak and Slaney, Principles of Computerized Tomographic Imaging, chapter 3, 1988.
    """
    from scipy import sparse  # noqa: PLC0415 - only flows with such operators pay for it

    one = _turned if beam.turned else _shared
    angles = []
    for angle in beam.angles:
        bins, rows, columns, shares = one(beam, angle)
        inside = _seen(beam, rows, columns) & (bins >= 0) & (bins < beam.detectors) & (shares != 0)
        pixels = rows[inside] * shape[1] + columns[inside]
        entries = (shares[inside].astype(dtype), (bins[inside], pixels))
        angles.append(sparse.csr_matrix(entries, shape=(beam.detectors, math.prod(shape))))
    found = sparse.vstack(angles, format="csr", dtype=dtype)
    if beam.turned:  # bins first
        order = np.arange(found.shape[0]).reshape(beam.angles.size, beam.detectors).T.reshape(-1)
        found = found[order]
    return found


def _seen(beam: Beam, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    top, bottom, left, right = beam.window
    inside: np.ndarray = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    if beam.radius is not None:
        inside &= np.hypot(rows - beam.centre[0], columns - beam.centre[1]) <= beam.radius
    return inside


def _shared(beam: Beam, angle: float) -> tuple[np.ndarray, ...]:
    """Bins, rows, columns and shares: each pixel's value goes to the two bins about t, linearly."""
    top, bottom, left, right = beam.window
    rows, columns = (grid.reshape(-1) for grid in np.mgrid[top:bottom, left:right])
    t = (columns - beam.centre[1]) * np.cos(angle) - (rows - beam.centre[0]) * np.sin(angle) + beam.middle
    low = np.floor(t).astype(int)
    bins = np.concatenate([low, low + 1])
    return bins, np.tile(rows, 2), np.tile(columns, 2), np.concatenate([1 - (t - low), t - low])


def _turned(beam: Beam, angle: float) -> tuple[np.ndarray, ...]:
    """As `_shared`: the points s of a ray take the picture's bilinear interpolant, which is 0 outside of it."""
    bins, s = (grid.reshape(-1) for grid in np.mgrid[0 : beam.detectors, 0 : beam.detectors])
    t, s = bins - beam.middle, s - beam.middle
    column = t * np.cos(angle) + s * np.sin(angle) + beam.centre[1]
    row = s * np.cos(angle) - t * np.sin(angle) + beam.centre[0]
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right = row - top, column - left
    corners = [
        (top, left, (1 - down) * (1 - right)), (top, left + 1, (1 - down) * right),
        (top + 1, left, down * (1 - right)), (top + 1, left + 1, down * right),
    ]  # fmt: skip
    rows, columns, shares = (np.concatenate(part) for part in zip(*corners, strict=True))
    return np.tile(bins, 4), rows, columns, shares
