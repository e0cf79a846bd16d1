"""Constraints: indicators of sets. Each prox is the projection, whatever the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.arithmetic import add, dot, norm, scale, total
from flowengine.atoms.base import Base, DualDomain
from flowengine.atoms.sparsity import NormL21
from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import entrywise, logical, through
from flowengine.xla import times_transposed

if TYPE_CHECKING:
    from jaxtyping import Float


class Indicator(Base):
    """Ψ(z) = 0 in a set, else +∞. Its value counts as 0: the violation shows as `feasibility`."""

    indicator: ClassVar[bool] = True

    def value(self, z: Tree) -> Scalar:
        """0."""
        return jnp.zeros((), jax.tree.leaves(z)[0].real.dtype)


@pytree()
class Interval(Indicator):
    """Lo ≤ z ≤ hi entry by entry; `box`, and with lo = 0, hi = +∞ `nonnegative`.

    ψ*(y) = Σ max(lo·y, hi·y), finite where both bounds are.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.2.4.
    """

    lo: Scalar
    hi: Scalar
    elementwise: ClassVar[bool] = True
    polyhedral: ClassVar[bool] = True

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Clip."""
        del step
        return entrywise(lambda a: jnp.clip(a, self.lo, self.hi), v)

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """U − t·clip(u/t), by Moreau's identity."""
        return entrywise(lambda a: a - step * jnp.clip(a / step, self.lo, self.hi), u)

    def reflected(self, x: Array, p: Array) -> tuple[Array, Array]:
        """A motion that left the interval as if its ends had thrown it back, p turned at each bounce.

        Between two ends that is the triangle wave of period 2(hi − lo).
        """
        wide = self.hi - self.lo
        wide = jnp.where(jnp.isfinite(wide) & (wide > 0), wide, 1)
        phase = jnp.mod(x - self.lo, 2 * wide)
        below, above = x < self.lo, x > self.hi
        one = jnp.where(below, 2 * self.lo - x, jnp.where(above, 2 * self.hi - x, x))
        between = jnp.isfinite(self.lo) & jnp.isfinite(self.hi)
        inside = jnp.where(between, self.lo + jnp.minimum(phase, 2 * wide - phase), one)
        turned = jnp.where(between, phase > wide, below | above)
        return jnp.clip(inside, self.lo, self.hi), jnp.where(turned, -p, p)

    def conjugate(self, y: Tree) -> Scalar:
        """Σ max(lo·y, hi·y)."""
        return total(
            entrywise(lambda a: jnp.where(a > 0, self.hi * a, jnp.where(a < 0, self.lo * a, jnp.zeros_like(a))), y)
        )


@pytree("axis")
class Simplex(Indicator):
    """Z ≥ 0 and Σ zᵢ = total, over all entries or along an axis.

    The projection subtracts a number that sorting finds, and clips. ψ*(y) = total · max yᵢ.
    Source: Held, Wolfe and Crowder, Mathematical Programming 6, 1974.
    """

    total: Scalar
    axis: int | None
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE
    polyhedral: ClassVar[bool] = True

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """The projection."""
        del step

        def act(array: Array) -> Array:
            if self.axis is None:
                return _on_simplex(array.reshape(-1), self.total).reshape(array.shape)
            return jnp.moveaxis(_on_simplex(jnp.moveaxis(array, self.axis, -1), self.total), -1, self.axis)

        return through(act, v)

    def conjugate(self, y: Tree) -> Scalar:
        """Total · Σ max yᵢ."""
        return self.total * jnp.sum(jnp.max(logical(y), axis=self.axis))


@pytree()
class L1Ball(Indicator):
    """‖z‖₁ ≤ radius. The projection is that of |v| to a simplex. ψ*(y) = radius · ‖y‖∞.

    Source: Duchi, Shalev-Shwartz, Singer and Chandra, ICML 2008.
    """

    radius: Scalar
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE
    polyhedral: ClassVar[bool] = True

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """V itself within the ball, else the soft threshold that ends on it."""
        del step

        def act(array: Array) -> Array:
            lengths = jnp.abs(array).reshape(-1)
            moved = jnp.sign(array) * _on_simplex(lengths, self.radius).reshape(array.shape)
            return jnp.where(jnp.sum(lengths) <= self.radius, array, moved)

        return through(act, v)

    def conjugate(self, y: Tree) -> Scalar:
        """Radius · ‖y‖∞."""
        return self.radius * jnp.max(jnp.abs(logical(y)))


@pytree()
class L2Ball(Indicator):
    """‖z − data‖₂ ≤ radius. ψ*(y) = radius · ‖y‖₂ + ⟨y, data⟩.

    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.1.
    """

    radius: Scalar
    data: Tree
    takes_complex: ClassVar[bool] = True
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """The centre, and what leads to v shortened to the radius."""
        del step
        outward = add(v, self.data, -1.0)
        tiny = np.finfo(jax.tree.leaves(v)[0].dtype).tiny
        return add(self.data, scale(outward, jnp.minimum(1, self.radius / jnp.maximum(norm(outward), tiny))))

    def conjugate(self, y: Tree) -> Scalar:
        """Radius · ‖y‖₂ + ⟨y, data⟩."""
        return self.radius * norm(y) + dot(y, self.data)


@pytree()
class BlockBalls(Indicator):
    """‖z‖₂ ≤ radius over the axes of a norm of weight radius, for each of the others.

    The projection is that of the norm's conjugate; ψ*(y) is the norm.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.1.
    """

    norm: NormL21
    takes_complex: ClassVar[bool] = True
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Every block shortened to the radius."""
        return self.norm.prox_conjugate(v, step)

    def conjugate(self, y: Tree) -> Scalar:
        """Radius · Σ ‖y‖₂."""
        return self.norm.value(y)


@pytree()
class Knapsack(Indicator):
    """⟨c, z⟩ ≤ budget, a half-space. ψ*(λc) = λ·budget for λ ≥ 0.

    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.2.3.
    """

    costs: Tree
    budget: Scalar
    polyhedral: ClassVar[bool] = True

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """V less what is too much, along c."""
        del step
        excess = jnp.maximum(dot(self.costs, v) - self.budget, 0)
        return add(v, self.costs, -excess / dot(self.costs, self.costs))

    def conjugate(self, y: Tree) -> Scalar:
        """Λ·budget with λ = ⟨y, c⟩/‖c‖²."""
        return self.budget * dot(y, self.costs) / dot(self.costs, self.costs)


@pytree()
class Affine(Indicator):
    """A·ravel(z) = data, with A's pseudo-inverse. ψ*(Aᵀν) = ⟨ν, data⟩.

    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.2.2.
    """

    matrix: Float[Array, "m n"]
    inverse: Float[Array, "n m"]
    data: Float[Array, " m"]
    polyhedral: ClassVar[bool] = True

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """V − A⁺(Av − data)."""
        del step

        def act(array: Array) -> Array:
            flat = array.reshape(-1)
            return (flat - self.inverse @ (self.matrix @ flat - self.data)).reshape(array.shape)

        return through(act, v)

    def conjugate(self, y: Tree) -> Scalar:
        """⟨(A⁺)ᵀy, data⟩."""
        return jnp.sum(times_transposed(self.inverse, logical(y).reshape(-1)) * self.data)


@pytree("count")
class Cardinality(Indicator):
    """At most `count` entries that are not 0; not convex. The projection keeps the largest, of equals the first.

    Source: Blumensath and Davies, Applied and Computational Harmonic Analysis 27, 2009.
    """

    count: int
    convex: ClassVar[bool] = False

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Keep the `count` largest entries."""
        del step

        def act(array: Array) -> Array:
            flat = array.reshape(-1)
            kept = jax.lax.top_k(jnp.abs(flat), self.count)[1]
            return jnp.zeros_like(flat).at[kept].set(flat[kept]).reshape(array.shape)

        return through(act, v)


def _on_simplex(v: Array, radius: Scalar) -> Array:
    """The nearest point with z ≥ 0 and Σ z = radius, along the last axis."""
    falling = -jnp.sort(-v, axis=-1)
    excess = jnp.cumsum(falling, axis=-1) - radius
    ranks = jnp.arange(1, v.shape[-1] + 1, dtype=v.dtype)
    count = jnp.sum(falling * ranks > excess, axis=-1, keepdims=True)
    shift = jnp.take_along_axis(excess, count - 1, axis=-1) / count.astype(v.dtype)
    return jnp.maximum(v - shift, 0)
