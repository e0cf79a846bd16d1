"""What XLA's compilers are told, and kept from.

What is here changes how programs run, not what they compute (of what is finite).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.experimental.layout import Layout, with_layout_constraint

from flowengine.problem import Tree

QUICK_SUM = 4096  # entries, below which a plain sum is as quick


def on_cpu() -> bool:
    """Whether programs run on a CPU: what is done for XLA's compiler of them would slow a GPU down."""
    return jax.default_backend() == "cpu"


def by_rows(a: Array) -> Array:
    """A itself, row by row in memory.

    Eigenvalue routines want columns; XLA hands that on to the Fourier transforms about them, which then fail.
    """
    kept: Array = with_layout_constraint(a, Layout(major_to_minor=tuple(range(a.ndim))))
    return kept


def times_transposed(a: Array, b: Array) -> Array:
    """AᵀB, of one column b as bᵀA: XLA's CPU compiler walks down A's columns else, at a tenth of the speed."""
    if b.ndim == 1:
        return b @ a
    return (b.T @ a).T if b.shape[1] == 1 else a.T @ b


def computed_once(a: Tree, number: Tree = None) -> Tree:
    """A itself, through a loop that never turns unless the number is none (NaN), and then changes a sign.

    XLA's CPU compiler computes cheap things again for each of their uses, however much the stencils before them cost,
    and a stencil of a stencil has too many branches to be vectorised; a barrier doesn't keep it from that, a loop of
    which it can't know the length does. Without a `number` it is the first entry.
    """
    if not on_cpu() or sum(one.size for one in jax.tree.leaves(a)) < QUICK_SUM:
        return a
    first = jax.tree.leaves(a if number is None else number)[0]
    first = lax.slice(first, [0] * first.ndim, [1] * first.ndim) if number is None else first
    turns = lax.reduce_or(lax.ne(first, first), axes=tuple(range(first.ndim))).astype(jnp.int32)

    def turn(at: tuple[Array, Tree]) -> tuple[Array, Tree]:
        return lax.add(at[0], np.int32(1)), jax.tree.map(lax.neg, at[1])

    kept: tuple[Array, Tree] = lax.while_loop(lambda at: lax.lt(at[0], turns), turn, (jnp.zeros((), jnp.int32), a))
    return kept[1]


def either(condition: Array, a: Array, b: Array | float) -> Array:
    """`a` where the condition holds, else `b`: arrays of one shape and type, or a number for `b`.

    `jnp.where` is a compiled function, like most of what jnp offers: traced and lowered for each type that it meets,
    which every start waits for.
    """
    chosen: Array = lax.select(condition, a, b if isinstance(b, Array) else lax.full_like(a, b))
    return chosen


def placed(values: np.ndarray | complex, dtype: Any = None) -> Array:
    """Numbers of the host as an array; unlike `jnp.asarray` it compiles nothing, which a start would wait for."""
    array: Array = jax.device_put(np.asarray(values, dtype))
    return array
