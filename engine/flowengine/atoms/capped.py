"""A simplex or an ℓ1 ball within bounds on every entry, as one set."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.atoms.base import DualDomain
from flowengine.atoms.constraints import Indicator, Interval, L1Ball
from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import logical, through

if TYPE_CHECKING:
    from jaxtyping import Float

SPARE_BITS = 8  # halvings beyond the bits of a number, for a bracket that is wider than the answer


@pytree("axis", "ball")
class Capped(Indicator):
    """Lo ≤ z ≤ hi entry by entry, and Σ zᵢ = total with z ≥ 0; or, of a `ball`, Σ |zᵢ| ≤ total.

    The projection is s·clip(sv − λ, a, b), s the signs of v and [a, b] the bounds of |z|: halving finds a bracket of λ
    and the entries between their bounds give λ itself. ψ*(y) fills the entries of largest sy first (fractional
    knapsack).
    Source: Helgason, Kennington and Lall, Mathematical Programming 18, 1980; Kiwiel, the same 112, 2008.
    """

    lo: Scalar
    hi: Scalar
    total: Scalar
    axis: int | None
    ball: bool
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE
    polyhedral: ClassVar[bool] = True

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """The projection."""
        del step
        return through(lambda array: self._back(self._projected(self._lines(array)), array), v)

    def conjugate(self, y: Tree) -> Scalar:
        """Max ⟨y, z⟩ over the set."""
        lines = self._lines(logical(y))
        signs, least, most = self._bounds(lines)
        gain = signs * lines
        left = self.total - jnp.sum(least, axis=-1, keepdims=True)
        order = jnp.argsort(-gain, axis=-1)
        best, room = (jnp.take_along_axis(one, order, axis=-1) for one in (gain, jnp.minimum(most - least, left)))
        before = jnp.cumsum(room, axis=-1) - room
        taken = jnp.clip(left - before, 0, room)
        return jnp.sum(gain * least) + jnp.sum((jnp.maximum(best, 0) if self.ball else best) * taken)

    def empty(self, shape: tuple[int, ...]) -> bool:
        """Whether no array of a shape is in it."""
        entries = math.prod(shape) if self.axis is None else shape[self.axis]
        lo, hi, whole = float(self.lo), float(self.hi), float(self.total)
        if self.ball:
            return entries * max(lo, -hi, 0.0) > whole
        return not entries * max(lo, 0.0) <= whole <= entries * hi

    def _lines(self, array: Array) -> Array:
        """The sets' entries along the last axis."""
        return array.reshape(-1) if self.axis is None else jnp.moveaxis(array, self.axis, -1)

    def _back(self, lines: Array, like: Array) -> Array:
        return lines.reshape(like.shape) if self.axis is None else jnp.moveaxis(lines, -1, self.axis)

    def _bounds(self, v: Array) -> tuple[Array, Array, Array]:
        """The signs that the entries of a best point have, and the bounds of their sizes."""
        if not self.ball:
            least = jnp.broadcast_to(jnp.maximum(self.lo, 0), v.shape)
            return jnp.ones_like(v), least, jnp.broadcast_to(self.hi, v.shape)
        signs = jnp.where(((v >= 0) & (self.hi > 0)) | (self.lo >= 0), 1, -1).astype(v.dtype)
        least = jnp.broadcast_to(jnp.maximum(jnp.maximum(self.lo, -self.hi), 0), v.shape)
        return signs, least, jnp.where(signs > 0, self.hi, -self.lo)

    def _projected(self, v: Array) -> Array:
        signs, least, most = self._bounds(v)
        u = signs * v
        first = jnp.zeros_like(u[..., :1]) if self.ball else jnp.min(u, axis=-1, keepdims=True) - self.total
        last = jnp.maximum(jnp.max(u - least, axis=-1, keepdims=True), first)
        shift = _shift(u, least, most, self.total, (first, last))
        within = jnp.sum(jnp.clip(u, least, most), axis=-1, keepdims=True) <= self.total
        shift = jnp.where(within, 0, shift) if self.ball else shift
        return signs * jnp.clip(u - shift, least, most)


def _shift(u: Array, least: Array, most: Array, total: Scalar, ends: tuple[Array, Array]) -> Float[Array, "... 1"]:
    """λ with Σ clip(u − λ, least, most) = total, along the last axis, between two ends."""

    def halved(_: int, at: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = (at[0] + at[1]) / 2
        over = jnp.sum(jnp.clip(u - middle, least, most), axis=-1, keepdims=True) > total
        return jnp.where(over, middle, at[0]), jnp.where(over, at[1], middle)

    below, above = lax.fori_loop(0, np.finfo(u.dtype).nmant + SPARE_BITS, halved, ends)
    middle = (below + above) / 2
    free = (u - middle > least) & (u - middle < most)
    held = jnp.sum(jnp.where(free, u, jnp.where(u - middle >= most, most, least)), axis=-1, keepdims=True)
    count = jnp.sum(free, axis=-1, keepdims=True).astype(u.dtype)
    return jnp.where(count > 0, (held - total) / jnp.maximum(count, 1), middle)


def caps(interval: Interval, atom: Any) -> Capped:
    """A `Simplex` or an `L1Ball` within an interval."""
    if isinstance(atom, L1Ball):
        return Capped(interval.lo, interval.hi, atom.radius, None, ball=True)
    return Capped(interval.lo, interval.hi, atom.total, atom.axis, ball=False)
