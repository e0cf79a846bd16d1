"""Orthonormal wavelets on a periodic grid."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

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
                block = jnp.moveaxis(self._analyse(jnp.moveaxis(block, axis, -1)), -1, axis)
            x = x.at[self._corner(x.shape, level)].set(block)
        return x

    def adjoint(self, y: Array) -> Array:
        """The inverse."""
        for level in reversed(range(self.levels)):
            block = y[self._corner(y.shape, level)]
            for axis in reversed(self.axes):
                block = jnp.moveaxis(self._compose(jnp.moveaxis(block, axis, -1)), -1, axis)
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

    def _analyse(self, x: Array) -> Array:
        half, taps = x.shape[-1] // 2, len(self.low) // 2
        pairs = jnp.roll(x, -self.offset, -1).reshape(*x.shape[:-1], half, 2)
        even, odd = (_wrapped(pairs[..., i], (0, taps - 1)) for i in range(2))
        bands = []
        for taps_of in (self.low, self.high):
            parts = [
                taps_of[2 * m] * even[..., m : m + half] + taps_of[2 * m + 1] * odd[..., m : m + half]
                for m in range(taps)
            ]
            bands.append(sum(parts[1:], start=parts[0]))
        return jnp.concatenate(bands, axis=-1)

    def _compose(self, y: Array) -> Array:
        half, taps = y.shape[-1] // 2, len(self.low) // 2
        low, high = (_wrapped(band, (taps - 1, 0)) for band in (y[..., :half], y[..., half:]))
        phases = []
        for phase in range(2):
            parts = []
            for m in range(taps):
                window = slice(taps - 1 - m, taps - 1 - m + half)
                parts.append(self.low[2 * m + phase] * low[..., window] + self.high[2 * m + phase] * high[..., window])
            total = sum(parts[1:], start=parts[0])
            zero = jnp.zeros((), y.dtype)
            edges = [(0, 0, 0)] * (y.ndim - 1) + [(phase, 1 - phase, 1)]
            phases.append(lax.pad(total, zero, edges))
        return jnp.roll(phases[0] + phases[1], self.offset, -1)


def _wrapped(x: Array, by: tuple[int, int]) -> Array:
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [by], mode="wrap")


def build_wavelet(low: np.ndarray, high: np.ndarray, axes: tuple[int, ...], levels: int) -> Wavelet:
    """Build the transform from the decomposition filters of an orthonormal wavelet, of even length."""
    return Wavelet(tuple(map(float, low[::-1])), tuple(map(float, high[::-1])), axes, levels, offset=1 - len(low) // 2)
