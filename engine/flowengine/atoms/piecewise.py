"""Piecewise linear atoms: linear, hinge, pinball. Each entry's prox moves by a constant, and stops at its kink."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import add, dot, scale, total
from flowengine.atoms.base import Base, counted
from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import entrywise


@pytree()
class Linear(Base):
    """Ψ(z) = weight · ⟨c, z⟩; ∇ψ = weight·c, Lipschitz with 0. ψ* is 0 at weight·c, +∞ elsewhere.

    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.1.1.
    """

    weight: Scalar
    costs: Tree
    smooth: ClassVar[bool] = True
    rigid: ClassVar[bool] = True
    takes_complex: ClassVar[bool] = True
    affine_gradient: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True
    polyhedral: ClassVar[bool] = True

    @property
    def lipschitz(self) -> float:
        """0."""
        return 0.0

    def value(self, z: Tree) -> Scalar:
        """Weight · ⟨c, z⟩."""
        return self.weight * dot(self.costs, z)

    def gradient(self, z: Tree) -> Tree:
        """Weight · c."""
        del z
        return scale(self.costs, self.weight)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """V − t·weight·c."""
        return add(v, self.costs, -step * self.weight)

    def conjugate(self, y: Tree) -> Scalar:
        """0: y is weight·c."""
        return 0 * dot(y, y)


@pytree()
class Hinge(Base):
    """Ψ(z) = weight · Σ wᵢ max(0, 1 − yᵢzᵢ), labels y ∈ {−1, 1}, w ≥ 0 the `factors`, or 1.

    ψ*(u) = ⟨y, u⟩ where every yᵢuᵢ is in [−weight·wᵢ, 0].
    Source: Cortes and Vapnik, Machine Learning 20, 1995.
    """

    weight: Scalar
    data: Tree
    factors: Tree | None = None
    elementwise: ClassVar[bool] = True
    polyhedral: ClassVar[bool] = True

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ wᵢ max(0, 1 − yᵢzᵢ)."""
        w = counted(self.factors, z)
        return self.weight * total(entrywise(lambda a, y, w: w * jnp.maximum(0, 1 - y * a), z, self.data, w))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Y·q, where q is yv moved up by t·weight·w, but not beyond 1."""
        t = step * self.weight

        def one(a: Array, y: Array, w: Array) -> Array:
            return y * jnp.maximum(y * a, jnp.minimum(y * a + t * w, 1))

        return entrywise(one, v, self.data, counted(self.factors, v))

    def conjugate(self, y: Tree) -> Scalar:
        """⟨y, u⟩."""
        return dot(y, self.data)


@pytree()
class Pinball(Base):
    """Ψ(z) = weight · Σ wᵢ max(q·aᵢ, (q − 1)·aᵢ), a = data − z: least where a share q of the data lies below z.

    w ≥ 0 are the `factors`, or 1. ψ*(y) = ⟨y, data⟩ where every yᵢ is in weight·wᵢ·[−q, 1 − q].
    Source: Koenker and Bassett, Econometrica 46, 1978.
    """

    weight: Scalar
    data: Tree
    quantile: Scalar
    factors: Tree | None = None
    elementwise: ClassVar[bool] = True
    polyhedral: ClassVar[bool] = True

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ wᵢ max(q·a, (q − 1)·a)."""

        def one(b: Array, d: Array, w: Array) -> Array:
            return w * jnp.maximum(self.quantile * (d - b), (self.quantile - 1) * (d - b))

        return self.weight * total(entrywise(one, z, self.data, counted(self.factors, z)))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """V moved towards the data, up by t·weight·w·q or down by t·weight·w·(1 − q), but not beyond."""
        t = step * self.weight

        def one(b: Array, d: Array, w: Array) -> Array:
            return jnp.clip(d, b - t * w * (1 - self.quantile), b + t * w * self.quantile)

        return entrywise(one, v, self.data, counted(self.factors, v))

    def conjugate(self, y: Tree) -> Scalar:
        """⟨y, data⟩."""
        return dot(y, self.data)
