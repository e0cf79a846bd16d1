"""Finite differences."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.linops.basic import Waves, grid_of
from flowengine.problem import pytree
from flowengine.storage import Components, Packed, storage_for
from flowengine.xla import computed_once


@pytree("boundary", "axes", "spacing", "norm")
class Gradient:
    """Forward differences (x_{i+1} − x_i)/h along each axis; with `neumann` the last one is 0.

    The logical output has the shape (len(axes), *shape). ‖D‖² ≤ Σ (2/h)², with cos²(π/2n) in it for `neumann`.
    """

    boundary: str
    axes: tuple[int, ...]
    spacing: tuple[float, ...]
    norm: float

    def apply(self, x: Array) -> Packed | Components:
        """Dx, in the storage of its components."""
        return storage_for(len(self.axes), x).of(tuple(self.difference(x, i) for i in range(len(self.axes))))

    def adjoint(self, y: Packed | Components) -> Array:
        """Dᵀy, the negative divergence."""
        return functools.reduce(lax.add, (self.adjoint_difference(part, i) for i, part in enumerate(y.components)))

    def gram(self, x: Array) -> Array:
        """DᵀDx, the negative Laplacian."""
        return self.adjoint(computed_once(self.apply(x)))

    def power(self, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array | None:
        """Σ (2 − 2cos ω)/h² over the axes, ω = 2πk/n of periodic ones, πk/n with Neumann's boundary."""
        if (waves == "fourier") != (self.boundary == "periodic"):
            return None
        total: Array = xp.zeros(grid_of(shape, waves))
        for axis, h in zip(self.axes, self.spacing, strict=True):
            once = (2 if waves == "fourier" else 1) * math.pi / shape[axis]
            powers = (2 - 2 * xp.cos(once * xp.arange(total.shape[axis]))) / h**2
            total = total + powers.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return total

    def difference(self, x: Array, i: int) -> Array:
        """Component i of Dx."""
        return _over(self._difference(x, self.axes[i]), self.spacing[i])

    def adjoint_difference(self, y: Array, i: int) -> Array:
        """Component i's part of Dᵀy."""
        return _over(self._adjoint_difference(y, self.axes[i]), self.spacing[i])

    def _difference(self, x: Array, axis: int) -> Array:
        if self.boundary == "periodic":
            return lax.sub(_shifted(x, axis, -1), x)
        return _padded(lax.sub(_after(x, axis), _before(x, axis)), axis, (0, 1))

    def _adjoint_difference(self, y: Array, axis: int) -> Array:
        if self.boundary == "periodic":
            return lax.sub(_shifted(y, axis, 1), y)
        return lax.sub(_padded(y, axis, (1, -1)), _but(y, axis, -1, lax.full_like(y, 0)))


@pytree()
class Laplacian:
    """Δx = −DᵀDx of a gradient D: symmetric, ‖Δ‖ = ‖D‖²."""

    gradient: Gradient

    def apply(self, x: Array) -> Array:
        """−DᵀDx."""
        return -self.gradient.gram(x)

    def adjoint(self, y: Array) -> Array:
        """−DᵀDy."""
        return -self.gradient.gram(y)

    def gram(self, x: Array) -> Array:
        """ΔΔx."""
        return self.gradient.gram(computed_once(self.gradient.gram(x)))

    def power(self, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array | None:
        """The square of the gradient's."""
        power = self.gradient.power(shape, waves, xp)
        return None if power is None else power**2

    @property
    def norm(self) -> float:
        """‖D‖²."""
        return self.gradient.norm**2


def build_gradient(
    shape: tuple[int, ...], boundary: str, axes: tuple[int, ...], spacing: tuple[float, ...]
) -> Gradient:
    """Build the gradient of arrays of this shape."""
    return Gradient(boundary, axes, spacing, _norm(shape, boundary, axes, spacing))


def _norm(shape: tuple[int, ...], boundary: str, axes: tuple[int, ...], spacing: tuple[float, ...]) -> float:
    def largest(n: int) -> float:
        if boundary == "neumann":
            return 2 * math.cos(math.pi / (2 * n))
        return 2.0 if n % 2 == 0 else 2 * math.cos(math.pi / (2 * n))

    squares = ((largest(shape[axis]) / h) ** 2 for axis, h in zip(axes, spacing, strict=True))
    return math.sqrt(sum(squares)) * (1 + 1e-6)


def _over(x: Array, spacing: float) -> Array:
    return x if spacing == 1 else x / spacing


def _after(x: Array, axis: int) -> Array:
    return lax.slice_in_dim(x, 1, None, axis=axis)


def _before(x: Array, axis: int) -> Array:
    return lax.slice_in_dim(x, 0, -1, axis=axis)


def _shifted(x: Array, axis: int, by: int) -> Array:
    """The entries moved by one place, around the end: +1, xᵢ₋₁ at i; −1, xᵢ₊₁."""
    inner = _padded(x, axis, (by, -by))
    end = -1 if by > 0 else 0
    around = lax.index_in_dim(x, end, axis, keepdims=False)
    others = tuple(i for i in range(x.ndim) if i != axis)
    return _but(inner, axis, -1 - end, lax.broadcast_in_dim(around, x.shape, others))


def _but(x: Array, axis: int, place: int, other: Array) -> Array:
    """X, but `other` at one place along an axis.

    By a select, not by a pad or a concatenation: those are branches for each entry, of which XLA's CPU compiler can
    hoist one or two; with more a loop is not vectorised, and takes twice the time.
    """
    place %= x.shape[axis]
    here = lax.ne(lax.iota(np.int32, x.shape[axis]), np.int32(place))
    return lax.select(lax.broadcast_in_dim(here, x.shape, (axis,)), x, other)


def _padded(x: Array, axis: int, amount: tuple[int, int]) -> Array:
    """With so many zeros before and after, or so many entries less; jnp.pad takes ten times as long to trace."""
    return lax.pad(x, np.zeros((), x.dtype), [(*(amount if i == axis else (0, 0)), 0) for i in range(x.ndim)])
