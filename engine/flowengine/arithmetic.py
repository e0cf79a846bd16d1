"""Vector arithmetic of trees of arrays, stored components among them: sums, products, norms."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.problem import Scalar, Tree
from flowengine.storage import components, entrywise
from flowengine.xla import QUICK_SUM, on_cpu, placed


def add(a: Tree, b: Tree, factor: float | Tree = 1.0) -> Tree:
    """A + factor · b; several variables may have a factor each."""
    if isinstance(factor, dict):
        return {name: add(a[name], b[name], one) for name, one in factor.items()}
    if isinstance(factor, float) and factor == 1:
        return entrywise(jnp.add, a, b)
    return entrywise(lambda x, y: x + factor * y, a, b)


def subtract(a: Tree, b: Tree) -> Tree:
    """A − b."""
    return entrywise(lambda x, y: x - y, a, b)


def scale(a: Tree, factor: float | Tree) -> Tree:
    """Factor · a; several variables may have a factor each."""
    if isinstance(factor, dict):
        return {name: scale(a[name], one) for name, one in factor.items()}
    return entrywise(lambda x: x * factor, a)


def weighed(a: Tree, factor: Tree) -> Tree:
    """Every entry times its own factor, or all of them times one."""
    return scale(a, factor) if isinstance(factor, Array) else entrywise(lambda x, f: x * f, a, factor)


def inverse(a: Tree) -> Tree:
    """1/aᵢ of every entry."""
    return jax.tree.map(lambda x: 1 / x, a)


def clipped(a: Array, length: Any) -> Array:
    """A with every entry shortened to this absolute value."""
    if jnp.iscomplexobj(a):
        size = jnp.abs(a)
        return a * jnp.where(size > length, length / jnp.where(size > length, size, 1), 1)
    return jnp.clip(a, -length, length)


def zeros_like(a: Any) -> Tree:
    """Zeros of the same form."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), a)


def zero_for(a: Any) -> Tree:
    """One 0 for all entries of every array: of the same form, and never read from memory entry by entry."""
    return jax.tree.map(lambda x: placed(0, x.dtype), a)


def dot(a: Tree, b: Tree) -> Scalar:
    """The real inner product Re⟨a, b⟩ = Re Σ āᵢbᵢ over all entries, of several variables too."""
    return sum_over(_products(x, y) for x, y in zip(components(a), components(b), strict=True))


def _products(a: Array, b: Array) -> Array:
    """Re(āᵢbᵢ)."""
    if jnp.iscomplexobj(a) or jnp.iscomplexobj(b):
        return a.real * b.real + a.imag * b.imag
    return lax.mul(a, b)


def squares(a: Array) -> Array:
    """|aᵢ|²."""
    return _products(a, a)


def squared(a: Tree, factor: float | Tree = 1.0) -> list[Array]:
    """Factor · |aᵢ|² of every component: of several such lists, `sum_over` makes one sum."""
    if isinstance(factor, dict):
        return [part for name, one in factor.items() for part in squared(a[name], one)]
    found = [squares(one) for one in components(a)]
    return found if isinstance(factor, float) and factor == 1 else [factor * one for one in found]


def norm(a: Tree) -> Scalar:
    """The Euclidean norm √⟨a, a⟩."""
    return lax.sqrt(dot(a, a))


def total(a: Tree) -> Scalar:
    """Σ aᵢ over all entries."""
    return sum_over(components(a))


def sum_over(arrays: Iterable[Array]) -> Scalar:
    """Σ of all entries of all arrays; those of one shape are added before they are summed, in one pass over memory."""
    alike: dict[tuple[int, ...], Array] = {}
    for one in arrays:
        alike[one.shape] = lax.add(alike[one.shape], one) if one.shape in alike else one
    first, *rest = (sum_of(one) for one in alike.values())
    return sum(rest, start=first)


def sum_of(a: Array) -> Scalar:
    """Σ aᵢ, along the longest axis by a product with ones.

    XLA's sums over what they compute themselves run on one core, entry by entry; a product reads what a vectorised loop
    on all cores has made. On a stencil of 512² float32 that took a fifth of the time.
    """
    if not on_cpu() or a.size < QUICK_SUM or a.dtype.kind not in "fc":
        return jnp.sum(a)
    if a.ndim == 1:
        a = a.reshape(-1, math.gcd(a.size, 1 << 10))
    axis = max(range(a.ndim), key=lambda one: a.shape[one])
    ones = jnp.ones(a.shape[axis], a.dtype)
    return lax.reduce_sum(
        lax.dot_general(a, ones, (((axis,), (0,)), ((), ())), precision=lax.Precision.HIGHEST),
        axes=tuple(range(a.ndim - 1)),
    )


def largest(a: Tree) -> Scalar:
    """The largest entry of all arrays."""
    return functools.reduce(jnp.maximum, (jnp.max(one) for one in jax.tree.leaves(a)))


def real_dtype(dtype: Any) -> str:
    """The type of the real numbers beside numbers of a type: `float64` beside `complex128`."""
    return str(np.finfo(dtype).dtype)
