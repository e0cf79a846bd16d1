"""Terms that favour few nonzero entries or groups."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.arithmetic import clipped, dot, squares
from flowengine.atoms.base import Additive, Base, DualDomain
from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import Components, Packed, components, entrywise, logical, through

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class Norm(Additive, Base):
    """Weight times a norm: ψ* is finite on a ball, where `gauge` is at most 1."""

    takes_complex: ClassVar[bool] = True
    conjugate_on: ClassVar[DualDomain] = DualDomain.BALL


@pytree()
class L1(Norm):
    """Ψ(z) = weight · ‖z − data‖₁.

    prox: soft threshold around the data. ψ* is ⟨·, data⟩ on the cube ‖y‖∞ ≤ weight.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.2.
    """

    weight: Scalar
    data: Tree
    elementwise: ClassVar[bool] = True
    polyhedral: ClassVar[bool] = True

    def densities(self, z: Tree) -> list[Array]:
        """Weight · |zᵢ − dataᵢ|."""
        return components(entrywise(lambda a, d: self.weight * jnp.abs(a - d), z, self.data))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Soft threshold of v − data by t·weight, plus data."""
        t = step * self.weight
        return entrywise(lambda a, d: d + (a - d) - clipped(a - d, t), v, self.data)

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """U − t·data, clipped to the cube."""
        return entrywise(lambda a, d: clipped(a - step * d, self.weight), u, self.data)

    def conjugate(self, y: Tree) -> Scalar:
        """⟨y, data⟩ on the cube."""
        return dot(y, self.data)

    def gauge(self, y: Tree) -> Scalar:
        """‖y‖∞/weight."""
        return jnp.max(jnp.abs(logical(y))) / self.weight


@pytree("covered")
class WeightedL1(Norm):
    """Ψ(z) = weight · Σ wᵢ|zᵢ − dataᵢ|, `factors` w ≥ 0 stored as z is.

    prox: soft threshold by weight·wᵢ around the data. ψ* is ⟨·, data⟩ where |yᵢ| ≤ weight·wᵢ, and where every entry
    is `covered` by a factor above 0 that is a ball.
    Source: Candès, Wakin and Boyd, Journal of Fourier Analysis and Applications 14, 2008.
    """

    weight: Scalar
    factors: Tree
    data: Tree
    covered: bool
    elementwise: ClassVar[bool] = True
    polyhedral: ClassVar[bool] = True

    @property
    def dual_domain(self) -> DualDomain:
        """A ball where every entry is covered."""
        return DualDomain.BALL if self.covered else DualDomain.PART

    def densities(self, z: Tree) -> list[Array]:
        """Weight · wᵢ|zᵢ − dataᵢ|."""
        return components(entrywise(lambda a, d, w: self.weight * w * jnp.abs(a - d), z, self.data, self.factors))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Soft threshold of v − data by t·weight·w, plus data."""
        t = step * self.weight
        return entrywise(lambda a, d, w: d + (a - d) - clipped(a - d, t * w), v, self.data, self.factors)

    def conjugate(self, y: Tree) -> Scalar:
        """⟨y, data⟩ on the box."""
        return dot(y, self.data)

    def gauge(self, y: Tree) -> Scalar:
        """Max |yᵢ|/(weight·wᵢ)."""
        ratios = entrywise(lambda a, w: jnp.where(w > 0, jnp.abs(a) / jnp.where(w > 0, w, 1), 0), y, self.factors)
        return jnp.max(logical(ratios)) / self.weight


@pytree("axes")
class NormL21(Norm):
    """Ψ(z) = weight · Σ ‖z‖₂ over `axes`, summed over the others.

    On a gradient (axis 0: its components) this is isotropic total variation. prox: block soft threshold;
    ψ* is 0 where every block's 2-norm is at most the weight.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.4; Rudin, Osher and Fatemi, Physica D 60, 1992.
    """

    weight: Scalar
    axes: tuple[int, ...]

    def densities(self, z: Tree) -> list[Array]:
        """Weight · the blocks' 2-norms."""
        return [self.weight * jnp.sqrt(self._squares(z))]

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """(1 − t·weight/‖v‖)₊ v, block by block."""
        lengths = jnp.sqrt(self._squares(v))
        t = step * self.weight
        return self._scaled(v, jnp.where(lengths > t, 1 - t / jnp.where(lengths > t, lengths, 1), 0))

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """Every block projected to the ball of radius weight; the step plays no part."""
        del step
        return self._scaled(u, jnp.minimum(1, self.weight / jnp.sqrt(jnp.maximum(self._squares(u), _tiny(u)))))

    def conjugate(self, y: Tree) -> Scalar:
        """0 on the product of balls."""
        return 0 * dot(y, y)

    def gauge(self, y: Tree) -> Scalar:
        """The longest block/weight."""
        return jnp.sqrt(jnp.max(self._squares(y))) / self.weight

    def _by_component(self, z: Tree) -> bool:
        return isinstance(z, Packed | Components) and self.axes == (0,)

    def _squares(self, z: Tree) -> Array:
        if self._by_component(z):
            return functools.reduce(lax.add, (squares(part) for part in z.components))
        array = logical(z)
        return jnp.sum(squares(array), axis=self.axes)

    def _scaled(self, z: Tree, factor: Array) -> Tree:
        if self._by_component(z):
            return z.scaled(factor)
        whole = logical(z) * jnp.expand_dims(factor, self.axes)
        return type(z).of(tuple(whole)) if isinstance(z, Packed | Components) else whole


def _tiny(z: Tree) -> float:
    return float(np.finfo(jax.tree.leaves(z)[0].dtype).tiny)


@pytree("count", "covered")
class GroupNorm(Norm):
    """Ψ(z) = weight · Σ_g w_g‖z_g‖₂ over groups that don't overlap.

    `labels` gives the group of each entry of the raveled z, `count` for those in none; `factors` are the w_g, with a 0
    behind them for those. prox: block soft threshold. ψ* is 0 where ‖y_g‖ ≤ weight·w_g, and where every entry is
    `covered` by a group of positive weight that is a ball.
    Source: Yuan and Lin, Journal of the Royal Statistical Society B 68, 2006.
    """

    weight: Scalar
    labels: Int[Array, " n"]
    factors: Float[Array, " groups"]
    count: int
    covered: bool

    @property
    def dual_domain(self) -> DualDomain:
        """A ball where every entry is covered."""
        return DualDomain.BALL if self.covered else DualDomain.PART

    def _lengths(self, z: Tree) -> Array:
        flat = logical(z).reshape(-1)
        return jnp.sqrt(jax.ops.segment_sum(squares(flat), self.labels, self.count + 1))

    def densities(self, z: Tree) -> list[Array]:
        """Weight · w_g‖z_g‖₂."""
        return [self.weight * self.factors * self._lengths(z)]

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """(1 − t·weight·w_g/‖v_g‖)₊ v_g, group by group."""
        lengths, limits = self._lengths(v), step * self.weight * self.factors
        kept = jnp.where(lengths > limits, 1 - limits / jnp.where(lengths > limits, lengths, 1), 0)
        kept = jnp.where(limits == 0, 1, kept)
        return through(lambda array: array * kept[self.labels].reshape(array.shape), v)

    def conjugate(self, y: Tree) -> Scalar:
        """0 on the product of balls."""
        return 0 * dot(y, y)

    def gauge(self, y: Tree) -> Scalar:
        """The longest ‖y_g‖/(weight·w_g)."""
        bounds = self.weight * self.factors
        return jnp.max(jnp.where(bounds > 0, self._lengths(y) / jnp.where(bounds > 0, bounds, 1), 0))


@pytree()
class Nuclear(Norm):
    """Ψ(Z) = weight · Σ of the singular values of a matrix.

    prox: soft threshold of the singular values. ψ* is 0 where the largest is at most the weight.
    Source: Cai, Candès and Shen, SIAM Journal on Optimization 20, 2010.
    """

    weight: Scalar

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ σᵢ."""
        return self.weight * jnp.sum(_singular_values(logical(z)))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """U (Σ − t·weight)₊ Vᵀ."""

        def act(array: Array) -> Array:
            u, values, vt = jnp.linalg.svd(_by_rows(array), full_matrices=False)
            return (u * jnp.maximum(values - step * self.weight, 0)) @ vt

        return through(act, v)

    def conjugate(self, y: Tree) -> Scalar:
        """0 on the ball."""
        return 0 * dot(y, y)

    def gauge(self, y: Tree) -> Scalar:
        """The largest singular value/weight."""
        return jnp.max(_singular_values(logical(y))) / self.weight


def _singular_values(matrix: Array) -> Array:
    values: Array = jnp.linalg.svd(_by_rows(matrix), compute_uv=False)
    return values


def _by_rows(matrix: Array) -> Array:
    """The matrix itself, laid out by rows on its way here.

    XLA's SVD wants columns; spread through the loop, that layout reaches a Fourier transform, which refuses it on CPUs
    (jax issue 22484). A flat array behind a barrier has but one layout.
    """
    flat: Array = lax.optimization_barrier(matrix.reshape(-1))
    return flat.reshape(matrix.shape)
