"""Several simple terms on the variable itself, as one prox. Only the orders in this file are right.

A quadratic first (it shifts the point and shortens the step), then one l1, then the interval: for functions of one
real variable the minimiser over an interval is the clipped free minimiser, so clipping comes last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array

from flowengine.atoms.constraints import Interval
from flowengine.atoms.data import Quadratic
from flowengine.atoms.sparsity import L1
from flowengine.problem import Scalar, pytree
from flowengine.storage import dot


@pytree("bounded")
@dataclass(frozen=True)
class Merged:
    """Ψ = quadratic + l1 + interval, each or none of them; `bounded` when the interval has both ends."""

    quadratic: Quadratic | None
    l1: L1 | None
    interval: Interval | None
    bounded: bool
    smooth: ClassVar[bool] = False
    indicator: ClassVar[bool] = False

    def value(self, z: Array) -> Scalar:
        """The sum of the values, the interval's left out."""
        parts = [part.value(z) for part in (self.quadratic, self.l1) if part is not None]
        return sum(parts, start=jnp.zeros((), z.dtype))

    def prox(self, v: Array, step: Scalar) -> Array:
        """Shift and shorten by the quadratic, threshold by the l1, clip to the interval."""
        if self.quadratic is not None:
            v = self.quadratic.prox(v, step)
            step = step / (1 + step * self.quadratic.weight)
        if self.l1 is not None:
            v = self.l1.prox(v, step)
        return self.interval.prox(v, step) if self.interval is not None else v

    def conjugate(self, y: Array) -> Scalar:
        """Max_z ⟨y, z⟩ − ψ(z), in closed form where a quadratic or a bounded interval makes it finite."""
        if self.quadratic is not None:
            weight = self.quadratic.weight
            rest = Merged(None, self.l1, self.interval, self.bounded)
            best = rest.prox(self.quadratic.data + y / weight, 1 / weight)
            return dot(y, best) - self.value(best)
        if self.l1 is None:
            return self.interval.conjugate(y) if self.interval is not None else jnp.zeros((), y.dtype)
        return self.l1.conjugate(y) if self.interval is None else _l1_on_interval(self.l1, self.interval, y)


def _l1_on_interval(l1: L1, interval: Interval, y: Array) -> Scalar:
    """Σ max over [lo, hi] of y·z − weight·|z − data|: piecewise linear, so the best z is an end or the kink."""
    kink = interval.prox(jnp.broadcast_to(l1.data, y.shape), l1.weight)
    points = (jnp.broadcast_to(interval.lo, y.shape), jnp.broadcast_to(interval.hi, y.shape), kink)
    first, *rest = (y * z - l1.weight * jnp.abs(z - l1.data) for z in points)
    for gain in rest:
        first = jnp.maximum(first, gain)
    return jnp.sum(first)
