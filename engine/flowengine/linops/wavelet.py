"""Orthonormal wavelets on a periodic grid."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.lax import slice_in_dim

from flowengine.problem import pytree


@pytree("low", "high", "axes", "levels", "offset")
class Wavelet:
    """The periodised discrete wavelet transform along some axes: square and orthonormal, norm 1.

    One level along an axis is lo_k = Σ_j l_j x_{2k+j+offset}, and hi_k with h_j; the next level works on the part that
    is low along every axis. The result has the array's shape, the coarse part first.
    Source: Mallat, IEEE Transactions on Pattern Analysis and Machine Intelligence 11, 1989.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    axes: tuple[int, ...]
    levels: int
    offset: int
    tight: ClassVar[float] = 1.0
    cotight: ClassVar[float] = 1.0

    def apply(self, x: Array) -> Array:
        """Coefficients."""
        for level in range(self.levels):
            block = x[self._corner(x.shape, level)]
            for axis in self.axes:
                block = self._analyse(block, axis)
            x = x.at[self._corner(x.shape, level)].set(block)
        return x

    def adjoint(self, y: Array) -> Array:
        """The inverse."""
        for level in reversed(range(self.levels)):
            block = y[self._corner(y.shape, level)]
            for axis in reversed(self.axes):
                block = self._compose(block, axis)
            y = y.at[self._corner(y.shape, level)].set(block)
        return y

    def gram(self, x: Array) -> Array:
        """X."""
        return x

    @property
    def norm(self) -> float:
        """1, and what rounding may add."""
        return 1.0 + 1e-9

    def coarse(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """Where the coarse part stands."""
        return self._corner(shape, self.levels)

    def _corner(self, shape: tuple[int, ...], level: int) -> tuple[slice, ...]:
        return tuple(slice(0, n >> level if axis in self.axes else n) for axis, n in enumerate(shape))

    def _analyse(self, x: Array, axis: int) -> Array:
        """Low and high part along an axis."""
        count, n = len(self.low), x.shape[axis]
        around = _around(x, axis, -self.offset, count - 2 + self.offset)
        ends = [slice_in_dim(around, j, j + n - 1, 2, axis=axis) for j in range(count)]
        return lax.concatenate([_weighted(taps, ends) for taps in (self.low, self.high)], axis)

    def _compose(self, y: Array, axis: int) -> Array:
        """Entry 2q + p from low and high part: Σ_k l_{2q+p−2k−offset} lo_k, and with h the hi_k."""
        half, count = y.shape[axis] // 2, len(self.low)
        phases = [
            [(j, (p - self.offset - j) // 2) for j in range((p - self.offset) % 2, count, 2)]  # j, and k − q
            for p in range(2)
        ]
        moves = [k for phase in phases for _, k in phase]
        before, after = max(0, -min(moves)), max(0, *moves)
        bands = [
            (_around(slice_in_dim(y, start, start + half, axis=axis), axis, before, after), weights)
            for start, weights in ((0, self.low), (half, self.high))
        ]
        entries = []
        for phase in phases:
            parts = [
                _weighted(
                    [weights[j] for j, _ in phase],
                    [slice_in_dim(band, before + k, before + k + half, axis=axis) for _, k in phase],
                )
                for band, weights in bands
            ]
            entries.append(lax.expand_dims(lax.add(*parts), (axis + 1,)))
        return lax.concatenate(entries, axis + 1).reshape(y.shape)


def _weighted(weights: Sequence[float], arrays: list[Array]) -> Array:
    """Σ wᵢ aᵢ."""
    total: Array = functools.reduce(lax.add, (one * weight for weight, one in zip(weights, arrays, strict=True)))
    return total


def _around(x: Array, axis: int, before: int, after: int) -> Array:
    """With so many entries more at both ends, of the other end, written in place: what reads it has no branch then."""
    n = x.shape[axis]
    if max(before, after) > n:
        return jnp.pad(x, [(before, after) if i == axis else (0, 0) for i in range(x.ndim)], mode="wrap")
    wide = lax.pad(x, np.zeros((), x.dtype), [(before, after, 0) if i == axis else (0, 0, 0) for i in range(x.ndim)])
    if before:
        wide = lax.dynamic_update_slice_in_dim(wide, slice_in_dim(x, n - before, n, axis=axis), 0, axis)
    if after:
        wide = lax.dynamic_update_slice_in_dim(wide, slice_in_dim(x, 0, after, axis=axis), before + n, axis)
    return wide


def build_wavelet(low: np.ndarray, high: np.ndarray, axes: tuple[int, ...], levels: int) -> Wavelet:
    """Build the transform from the decomposition filters of an orthonormal wavelet, of even length."""
    return Wavelet(tuple(map(float, low[::-1])), tuple(map(float, high[::-1])), axes, levels, offset=1 - len(low) // 2)
