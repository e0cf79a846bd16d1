"""Fourier and cosine transforms: the only place that calls them.

XLA's transforms on a CPU take arrays row by row in memory and fail on any other layout, yet its layout assignment
doesn't keep others from them: what an eigenvalue routine asks for (columns), and what a batch of them is transposed to,
reaches them through whatever stands between. So each is told the layout of what goes in and of what comes out.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax
from jax import scipy as jsp

from flowengine.xla import by_rows

Axes = tuple[int, ...]


def rfftn(x: Array, axes: Axes, sizes: tuple[int, ...] | None = None) -> Array:
    """The transform of a real array, which zeros fill up to `sizes` along the axes."""
    widths = {} if sizes is None else {axis: size - x.shape[axis] for axis, size in zip(axes, sizes, strict=True)}
    if any(widths.values()):
        x = lax.pad(x, jnp.zeros((), x.dtype), [(0, widths.get(axis, 0), 0) for axis in range(x.ndim)])
    return _by_rows(lambda one: jnp.fft.rfftn(one, axes=axes), x)


def irfftn(spectrum: Array, axes: Axes, sizes: tuple[int, ...]) -> Array:
    """The real array of these sizes along the axes that has this transform."""
    return _by_rows(lambda one: jnp.fft.irfftn(one, s=sizes, axes=axes), spectrum)


def fftn(x: Array, axes: Axes) -> Array:
    """The unitary transform of a complex array."""
    return _by_rows(lambda one: jnp.fft.fftn(one, axes=axes, norm="ortho"), x)


def ifftn(y: Array, axes: Axes) -> Array:
    """Its inverse."""
    return _by_rows(lambda one: jnp.fft.ifftn(one, axes=axes, norm="ortho"), y)


def dctn(x: Array) -> Array:
    """The orthonormal cosine transform (DCT-II) along all axes."""
    return _by_rows(lambda one: jsp.fft.dctn(one, norm="ortho"), x)


def idctn(y: Array) -> Array:
    """Its inverse."""
    return _by_rows(lambda one: jsp.fft.idctn(one, norm="ortho"), y)


def _by_rows(transform: Callable[[Array], Array], a: Array) -> Array:
    return by_rows(transform(by_rows(a)))
