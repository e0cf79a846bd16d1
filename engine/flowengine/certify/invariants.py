"""Declared invariants: how far each has drifted from what it was at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import norm
from flowengine.problem import Invariant, Problem, Scalar, Tree, pytree
from flowengine.storage import logical

if TYPE_CHECKING:
    from jaxtyping import Bool


@pytree()
class Reference:
    """What an invariant was at the start, and what its drift is relative to; with an axis of chains if there is one."""

    value: Array
    scale: Array


def references(problem: Problem, x: Tree, *, chained: bool) -> tuple[Reference, ...]:
    """The invariants where a run starts: relative to the larger of |value| and ‖Wx‖, to 1 where both are 0."""
    found = []
    for one in problem.invariants:
        value, size = _measured(one, x, chained=chained)
        scale = jnp.maximum(jnp.abs(value), size)
        found.append(Reference(value, jnp.where(scale > 0, scale, 1)))
    return tuple(found)


def drift(problem: Problem, before: tuple[Reference, ...], x: Tree, *, chained: bool) -> tuple[Scalar, Bool[Array, ""]]:
    """The largest relative drift, NaN without invariants; and whether each is within its tolerance."""
    if not before:
        return jnp.full((), jnp.nan, problem.real), jnp.ones((), bool)
    largest, within = [], []
    for one, start in zip(problem.invariants, before, strict=True):
        away = jnp.max(jnp.abs(_measured(one, x, chained=chained)[0] - start.value) / start.scale)
        largest.append(away)
        within.append(away <= one.tolerance)
    return jnp.max(jnp.stack(largest)), jnp.all(jnp.stack(within))


def _measured(one: Invariant, x: Tree, *, chained: bool) -> tuple[Array, Array]:
    """The value and ‖Wx‖; of every chain."""

    def measure(point: Tree) -> tuple[Array, Array]:
        image = one.operator.apply(point)
        size = norm(image)
        return (size if one.kind == "norm" else jnp.sum(logical(image))), size

    measured: tuple[Array, Array] = jax.vmap(measure)(x) if chained else measure(x)
    return measured
