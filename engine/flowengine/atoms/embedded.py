"""A manifold as a set with a projection: how a variable on one enters a method that splits by proxes.

The prox of a sphere alone is its nearest point, and so is that of orthonormal columns. On the sphere ‖x − v‖² is
‖v‖² + 1 − 2⟨x, v⟩, so that what keeps or drops entries by their size needs no more than the largest product: with
r = |v| − t·weight (r = v − t·weight where x ≥ 0 is asked for), of which at most `count` are kept,

    prox(v) = sign(v)·r₊/‖r₊‖,   where no r is above 0 the unit vector at the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.arithmetic import sum_over
from flowengine.atoms.base import Additive, Base
from flowengine.atoms.constraints import Cardinality, Interval
from flowengine.atoms.sparsity import L1
from flowengine.problem import Scalar, pytree


@pytree("nearest", "nonnegative", "count")
class Embedded(Additive, Base):
    """Ψ = weight · ‖x‖₁ on a manifold, of which `nearest` is the projection; not convex.

    The l1, `nonnegative` and `count` (see `Cardinality`) are for spheres: `embeds` knows.
    Source: Bolte, Sabach and Teboulle, Mathematical Programming 146, 2014 (a manifold beside a splitting); Luss and
    Teboulle, SIAM Review 55, 2013 (sparse vectors of length 1).
    """

    nearest: Callable[[Array], Array]
    l1: L1 | None = None
    nonnegative: bool = False
    count: int | None = None
    convex: ClassVar[bool] = False
    quadratic: ClassVar[None] = None

    def densities(self, z: Array) -> list[Array]:
        """Those of the l1."""
        return [jnp.zeros((), z.real.dtype)] if self.l1 is None else self.l1.densities(z)

    def prox(self, v: Array, step: Scalar) -> Array:
        """See above."""
        if self.l1 is None and not self.nonnegative and self.count is None:
            return self.nearest(v)
        room = v if self.nonnegative else jnp.abs(v)
        if self.l1 is not None:
            room = room - step * self.l1.weight
        flat = room.reshape(-1)
        if self.count is not None:
            kept = jax.lax.top_k(flat, self.count)[1]
            flat = jnp.full_like(flat, -np.inf).at[kept].set(flat[kept])
        alone = (jnp.arange(flat.size) == jnp.argmax(flat)).astype(flat.dtype)
        length = jnp.where(jnp.max(flat) > 0, jnp.maximum(flat, 0), alone).reshape(v.shape)
        length = length / jnp.sqrt(sum_over([length * length]))
        return length if self.nonnegative else length * _sign(v)


def embeds(manifold: str, atoms: Sequence[Any]) -> bool:
    """Whether the prox of these atoms on a manifold is known."""
    if manifold not in ("sphere", "stiefel"):
        return False
    kinds = [type(atom) for atom in atoms]
    if len(set(kinds)) < len(kinds) or (atoms and manifold != "sphere"):
        return False
    return all(_by_size(atom) for atom in atoms)


def embed(nearest: Callable[[Array], Array], atoms: Sequence[Any]) -> Embedded:
    """The manifold with this projection, and these atoms on it."""
    l1 = next((atom for atom in atoms if isinstance(atom, L1)), None)
    count = next((atom.count for atom in atoms if isinstance(atom, Cardinality)), None)
    return Embedded(nearest, l1, any(isinstance(atom, Interval) for atom in atoms), count)


def _by_size(atom: Any) -> bool:
    match atom:
        case L1():
            return not bool(jnp.any(atom.data != 0))
        case Interval():
            return float(atom.lo) == 0 and float(atom.hi) == float("inf")
        case _:
            return isinstance(atom, Cardinality)


def _sign(v: Array) -> Array:
    """v/|v|; 1 at 0."""
    size = jnp.abs(v)
    return jnp.where(size > 0, v / jnp.where(size > 0, size, 1), jnp.ones_like(v))
