"""Constraints: indicators of convex sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import entrywise


@pytree()
@dataclass(frozen=True)
class Interval:
    """Ψ(z) = 0 where lo ≤ z ≤ hi entry by entry, else +∞; `box`, and with lo = 0, hi = +∞ `nonnegative`.

    prox: clip to the interval, whatever the step. ψ*(y) = Σ max(lo·y, hi·y), finite where both bounds are.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.2.4.
    """

    lo: Scalar
    hi: Scalar
    smooth: ClassVar[bool] = False
    indicator: ClassVar[bool] = True

    def value(self, z: Tree) -> Scalar:
        """0: the violation shows as `feasibility`."""
        del z
        return jnp.zeros_like(self.lo)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Clip."""
        del step
        return entrywise(lambda a: jnp.clip(a, self.lo, self.hi), v)

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """U − t·clip(u/t), by Moreau's identity."""
        return entrywise(lambda a: a - step * jnp.clip(a / step, self.lo, self.hi), u)

    def conjugate(self, y: Tree) -> Scalar:
        """Σ max(lo·y, hi·y)."""
        sums = [
            jnp.sum(jnp.where(part > 0, self.hi * part, jnp.where(part < 0, self.lo * part, 0)))
            for part in jax.tree.leaves(y)
        ]
        return sum(sums[1:], start=sums[0])
