"""Negative log-likelihoods of counts and of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jax import scipy as jsp

from flowengine.arithmetic import total
from flowengine.atoms.base import Base, counted, from_zero, largest_of
from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import entrywise

if TYPE_CHECKING:
    from jaxtyping import Float

NEWTON_STEPS = 40


@pytree()
class Poisson(Base):
    """Ψ(z) = weight · Σ (zᵢ − dᵢ log zᵢ) for z ≥ 0.

    ∇ψ = weight·(1 − d/z), of no Lipschitz bound; not a number beyond the domain, so that no step leads there.
    prox: the positive root of z² − (v − t)z − td = 0.
    ψ*(y) = weight · Σ d(log d − 1 − log(1 − y/weight)) for y < weight.
    Source: Combettes and Pesquet, Inverse Problems 24, 2008 (the prox of −d log); Csiszár for the divergence.
    """

    weight: Scalar
    data: Tree
    smooth: ClassVar[bool] = True
    parted: ClassVar[bool] = True

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ (zᵢ − dᵢ log zᵢ); +∞ beyond the domain."""

        def one(a: Array, d: Array) -> Array:
            inside = _counted(a, d)
            return jnp.where(inside, a - jsp.special.xlogy(d, jnp.where(inside & (a > 0), a, 1)), jnp.inf)

        return self.weight * total(entrywise(one, z, self.data))

    def gradient(self, z: Tree) -> Tree:
        """Weight · (1 − d/z)."""
        return entrywise(lambda a, d: self.weight - self._drawn(a, d), z, self.data)

    def parts(self, z: Tree) -> tuple[Tree, Tree]:
        """Weight and weight · d/z."""
        return entrywise(lambda a: jnp.full_like(a, self.weight), z), entrywise(self._drawn, z, self.data)

    def _drawn(self, a: Array, d: Array) -> Array:
        share = jnp.where(d > 0, d / a, 0)  # no 0/0 where nothing was counted
        return self.weight * jnp.where(_counted(a, d), share, jnp.nan)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """The positive root, by the form that doesn't cancel."""
        t = step * self.weight
        return entrywise(lambda a, d: positive_root(a - t, t * d), v, self.data)

    def conjugate(self, y: Tree) -> Scalar:
        """Weight · Σ d(log d − 1 − log(1 − y/weight))."""

        def one(u: Array, d: Array) -> Array:
            return jsp.special.xlogy(d, d) - d - jsp.special.xlogy(d, 1 - u / self.weight)

        return self.weight * total(entrywise(one, y, self.data))


@pytree()
class KullbackLeibler(Poisson):
    """Ψ(z) = weight · Σ (dᵢ log(dᵢ/zᵢ) − dᵢ + zᵢ) for z ≥ 0: `Poisson` and the constant that makes it 0 at z = d."""

    def _constant(self) -> Scalar:
        return self.weight * total(entrywise(lambda d: jsp.special.xlogy(d, d) - d, self.data))

    def value(self, z: Tree) -> Scalar:
        """Poisson's value and the constant."""
        return super().value(z) + self._constant()

    def conjugate(self, y: Tree) -> Scalar:
        """Poisson's conjugate less the constant."""
        return super().conjugate(y) - self._constant()


@pytree()
class Logistic(Base):
    """Ψ(z) = weight · Σ wᵢ log(1 + exp(−yᵢzᵢ)), labels y ∈ {−1, 1}, w ≥ 0 the `factors`, or 1.

    ∇ψ = −weight·w·y·σ(−yz), Lipschitz with weight·max w/4. prox: the root of a strictly increasing function, by
    Newton's method within brackets. ψ*(u) = weight · Σ wᵢ(s log s + (1 − s)log(1 − s)), s = −yu/(weight·w) in [0, 1].
    Source: Boyd and Vandenberghe, Convex Optimization, 2004, section 7.1.1.
    """

    weight: Scalar
    data: Tree
    factors: Tree | None = None
    smooth: ClassVar[bool] = True

    @property
    def lipschitz(self) -> float:
        """Weight · max w/4."""
        return float(self.weight) * largest_of(self.factors) / 4

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ wᵢ log(1 + exp(−yᵢzᵢ)), without overflow."""
        w = counted(self.factors, z)
        return self.weight * total(entrywise(lambda a, y, w: w * jax.nn.softplus(-y * a), z, self.data, w))

    def gradient(self, z: Tree) -> Tree:
        """−weight·w·y·σ(−yz)."""
        w = counted(self.factors, z)
        return entrywise(lambda a, y, w: -self.weight * w * y * jax.nn.sigmoid(-y * a), z, self.data, w)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Y·q with q − yv = t·w·σ(−q)."""
        t, w = step * self.weight, counted(self.factors, v)
        return entrywise(lambda a, y, w: y * _logistic_root(y * a, t * w), v, self.data, w)

    def conjugate(self, y: Tree) -> Scalar:
        """The entropy of s = −yu/(weight·w)."""

        def one(u: Array, label: Array, w: Array) -> Array:
            s = jnp.clip(-label * u / (self.weight * jnp.where(w > 0, w, 1)), 0, 1)
            return w * (jsp.special.xlogy(s, s) + jsp.special.xlogy(1 - s, 1 - s))

        return self.weight * total(entrywise(one, y, self.data, counted(self.factors, y)))


@pytree()
class CrossEntropy(Base):
    """Ψ(z) = weight · Σ over rows of w · (log Σ_c exp(z_c) − z_label); `data` is 1 at the labels and 0 elsewhere.

    w ≥ 0 are the `factors`, one a row, or 1. ∇ψ = weight·w·(softmax(z) − data), Lipschitz with weight·max w/2. No prox
    in closed form. ψ*(u) = weight · Σ w Σ p log p with p = u/(weight·w) + data in the simplex.
    Source: Böhning, Annals of the Institute of Statistical Mathematics 44, 1992 (the bound ½).
    """

    weight: Scalar
    data: Float[Array, "*rows classes"]
    factors: Float[Array, "*rows 1"] | None = None
    smooth: ClassVar[bool] = True
    has_prox: ClassVar[bool] = False

    @property
    def lipschitz(self) -> float:
        """Weight · max w/2."""
        return float(self.weight) * largest_of(self.factors) / 2

    def value(self, z: Array) -> Scalar:
        """Weight · Σ w(log Σ exp z − z_label)."""
        w = counted(self.factors, z)
        rows = jax.nn.logsumexp(z, axis=-1, keepdims=True)
        return self.weight * (jnp.sum(w * rows) - jnp.sum(w * self.data * z))

    def gradient(self, z: Array) -> Array:
        """Weight · w · (softmax(z) − data)."""
        gradient: Array = self.weight * counted(self.factors, z) * (jax.nn.softmax(z, axis=-1) - self.data)
        return gradient

    def conjugate(self, y: Array) -> Scalar:
        """Weight · Σ w Σ p log p."""
        w = counted(self.factors, y)
        p = jnp.clip(y / (self.weight * jnp.where(w > 0, w, 1)) + self.data, 0, 1)
        return self.weight * jnp.sum(w * jsp.special.xlogy(p, p))


def _counted(a: Array, d: Array) -> Array:
    """Whether a mean of a can give the counts d."""
    return jnp.where(d > 0, a > 0, from_zero(a))


def positive_root(b: Array, c: Array) -> Array:
    """The root z ≥ 0 of z² − bz − c = 0 for c ≥ 0, exact to rounding for either sign of b."""
    root = jnp.sqrt(b * b + 4 * c)
    below = jnp.where(b < 0, root - b, 1)
    return jnp.where(b < 0, 2 * c / below, (b + root) / 2)


def _logistic_root(u: Array, t: Array) -> Array:
    """The q in [u, u + t] with q − u = t·σ(−q)."""
    lo, hi = u, u + t
    q = jnp.clip(jnp.zeros_like(u), lo, hi)

    def improve(_: int, at: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        lo, hi, q = at
        s = jax.nn.sigmoid(-q)
        value = q - u - t * s
        lo, hi = jnp.where(value < 0, q, lo), jnp.where(value < 0, hi, q)
        guess = q - value / (1 + t * s * (1 - s))
        return lo, hi, jnp.where((guess >= lo) & (guess <= hi), guess, (lo + hi) / 2)

    root: Array = jax.lax.fori_loop(0, NEWTON_STEPS, improve, (lo, hi, q))[2]
    return root
