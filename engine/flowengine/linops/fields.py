"""Second derivatives, and derivatives of vector fields, all from the forward differences of one gradient."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import Array

from flowengine.linops.basic import Waves
from flowengine.linops.gradient import Gradient
from flowengine.problem import pytree
from flowengine.storage import Components, Packed, logical, storage_for
from flowengine.xla import computed_once


@pytree()
class Hessian:
    """All second differences: −D_iᵀD_i x for every axis, and √2·D_iD_j x for every pair of them, as components.

    Their 2-norm at a point is the Frobenius norm of the Hessian there. HᵀH = (DᵀD)², so ‖H‖ = ‖D‖².
    Source: Hinterberger and Scherzer, Computing 76, 2006 (bounded Hessian).
    """

    gradient: Gradient

    def apply(self, x: Array) -> Packed | Components:
        """Hx."""
        d = self.gradient
        first = computed_once([d.difference(x, i) for i in range(len(d.axes))])
        parts = [-d.adjoint_difference(one, i) for i, one in enumerate(first)]
        parts += [math.sqrt(2) * d.difference(first[i], j) for i, j in self._pairs]
        return storage_for(len(parts), x).of(tuple(parts))

    def adjoint(self, y: Packed | Components) -> Array:
        """Hᵀy."""
        d, count = self.gradient, len(self.gradient.axes)
        parts, pairs = y.components, self._pairs
        inner = [d.difference(part, i) for i, part in enumerate(parts[:count])]
        inner += [d.adjoint_difference(part, j) for (_, j), part in zip(pairs, parts[count:], strict=True)]
        inner = computed_once(inner)
        total = jnp.zeros_like(parts[0])
        for i, part in enumerate(inner[:count]):
            total = total - d.adjoint_difference(part, i)
        for (i, _), part in zip(pairs, inner[count:], strict=True):
            total = total + math.sqrt(2) * d.adjoint_difference(part, i)
        return total

    def gram(self, x: Array) -> Array:
        """(DᵀD)²x."""
        return self.gradient.gram(computed_once(self.gradient.gram(x)))

    def power(self, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array | None:
        """The square of the gradient's."""
        power = self.gradient.power(shape, waves, xp)
        return None if power is None else power**2

    @property
    def norm(self) -> float:
        """‖D‖²."""
        return self.gradient.norm**2

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        count = len(self.gradient.axes)
        return [(i, j) for i in range(count) for j in range(i + 1, count)]


@pytree()
class Divergence:
    """Z ↦ −Dᵀz of a vector field z of the shape (axes, *shape): Σ_i of backward differences; norm ‖D‖."""

    gradient: Gradient

    def apply(self, z: Array) -> Array:
        """−Dᵀz."""
        return -self.gradient.adjoint(Components.of(tuple(z)))

    def adjoint(self, y: Array) -> Array:
        """−Dy."""
        return -logical(self.gradient.apply(y))

    def gram(self, z: Array) -> Array:
        """DDᵀz."""
        return self.adjoint(computed_once(self.apply(z)))

    @property
    def norm(self) -> float:
        """‖D‖."""
        return self.gradient.norm


@pytree()
class Curl:
    """The curl of a vector field by forward differences.

    In two dimensions D₀z₁ − D₁z₀ of shape (1, *shape), with the norm ‖D‖; in three (D₁z₂ − D₂z₁, D₂z₀ − D₀z₂,
    D₀z₁ − D₁z₀), where ‖·‖² ≤ Σ 2(‖D_iz_j‖² + ‖D_jz_i‖²) ≤ 2‖D‖².
    """

    gradient: Gradient

    def apply(self, z: Array) -> Array:
        """∇ × z."""
        d = self.gradient
        return jnp.stack([d.difference(z[j], i) - d.difference(z[i], j) for i, j in self._planes])

    def adjoint(self, y: Array) -> Array:
        """Its adjoint."""
        d = self.gradient
        total = [jnp.zeros_like(y[0])] * len(d.axes)
        for (i, j), part in zip(self._planes, y, strict=True):
            total[j] = total[j] + d.adjoint_difference(part, i)
            total[i] = total[i] - d.adjoint_difference(part, j)
        return jnp.stack(total)

    def gram(self, z: Array) -> Array:
        """As it is defined."""
        return self.adjoint(computed_once(self.apply(z)))

    @property
    def norm(self) -> float:
        """‖D‖, in three dimensions √2·‖D‖."""
        return self.gradient.norm * (1.0 if len(self.gradient.axes) == 2 else math.sqrt(2))

    @property
    def _planes(self) -> list[tuple[int, int]]:
        return [(0, 1)] if len(self.gradient.axes) == 2 else [(1, 2), (2, 0), (0, 1)]
