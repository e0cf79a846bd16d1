"""Entropies and barriers."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array
from jax import scipy as jsp

from flowengine.arithmetic import total
from flowengine.atoms.base import Base, DualDomain, from_zero
from flowengine.atoms.likelihood import positive_root
from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import entrywise

HALLEY_STEPS = 3  # cubic: 5e-9 after 2 steps at most, then rounding (x from −740 to 1e6)


@pytree()
class NegativeEntropy(Base):
    """Ψ(z) = weight · Σ zᵢ log zᵢ for z ≥ 0.

    prox: t·ω(v/t − 1 − log t) with Wright's ω + log ω = x. ψ*(y) = weight · Σ exp(y/weight − 1).
    Source: Bauschke and Combettes, Convex Analysis and Monotone Operator Theory, 2nd edition, example 24.39.
    """

    weight: Scalar
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ zᵢ log zᵢ; +∞ below 0."""
        return self.weight * total(entrywise(lambda a: jnp.where(from_zero(a), _x_log(a, 1), jnp.inf), z))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """T·ω(v/t − 1 − log t)."""
        t = step * self.weight
        return entrywise(lambda a: t * wright_omega(a / t - 1 - jnp.log(t)), v)

    def conjugate(self, y: Tree) -> Scalar:
        """Weight · Σ exp(y/weight − 1)."""
        return self.weight * total(entrywise(lambda a: jnp.exp(a / self.weight - 1), y))


@pytree()
class RelativeEntropy(Base):
    """Ψ(z) = weight · Σ (zᵢ log(zᵢ/dᵢ) − zᵢ + dᵢ) for z ≥ 0, d > 0.

    prox: t·ω(v/t + log d − log t). ψ*(y) = weight · Σ d(exp(y/weight) − 1).
    Source: as `NegativeEntropy`.
    """

    weight: Scalar
    data: Tree
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ (zᵢ log(zᵢ/dᵢ) − zᵢ + dᵢ); +∞ below 0."""

        def one(a: Array, d: Array) -> Array:
            return jnp.where(from_zero(a), _x_log(a, d) - a + d, jnp.inf)

        return self.weight * total(entrywise(one, z, self.data))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """T·ω(v/t + log d − log t)."""
        t = step * self.weight
        return entrywise(lambda a, d: t * wright_omega(a / t + jnp.log(d) - jnp.log(t)), v, self.data)

    def conjugate(self, y: Tree) -> Scalar:
        """Weight · Σ d(exp(y/weight) − 1)."""
        return self.weight * total(entrywise(lambda a, d: d * jnp.expm1(a / self.weight), y, self.data))


@pytree()
class LogBarrier(Base):
    """Ψ(z) = weight · Σ −log zᵢ for z > 0.

    ∇ψ = −weight/z, of no Lipschitz bound; not a number where z ≤ 0, so that no step leads there.
    prox: the positive root of z² − vz − t = 0.
    ψ*(y) = weight · Σ (−1 − log(−y/weight)) for y < 0.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.1.3.
    """

    weight: Scalar
    smooth: ClassVar[bool] = True

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ −log zᵢ; +∞ where z ≤ 0."""
        return self.weight * total(entrywise(lambda a: jnp.where(a > 0, -jnp.log(jnp.where(a > 0, a, 1)), jnp.inf), z))

    def gradient(self, z: Tree) -> Tree:
        """−weight/z."""
        return entrywise(lambda a: jnp.where(a > 0, -self.weight / a, jnp.nan), z)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """(v + √(v² + 4t))/2, by the form that doesn't cancel."""
        return entrywise(lambda a: positive_root(a, step * self.weight), v)

    def conjugate(self, y: Tree) -> Scalar:
        """Weight · Σ (−1 − log(−y/weight))."""
        return self.weight * total(entrywise(lambda a: -1 - jnp.log(-a / self.weight), y))


def _x_log(a: Array, d: Array | float) -> Array:
    """A·log(a/d), 0 at 0."""
    positive = jnp.maximum(a, 0)
    product: Array = jsp.special.xlogy(positive, positive / d)
    return product


def wright_omega(x: Array) -> Array:
    """The ω > 0 with ω + log ω = x, by Halley's method for log ω from above: it never overflows."""
    u = jnp.where(x > 1, jnp.log(jnp.maximum(x, 1)), x)
    for _ in range(HALLEY_STEPS):
        e = jnp.exp(u)
        excess, slope = e + u - x, e + 1
        u = u - excess / (slope - excess * (e / slope) / 2)
    return jnp.exp(u)
