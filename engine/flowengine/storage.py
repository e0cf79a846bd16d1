"""How operators with several output components keep them.

A gradient's logical output has the shape (ndim, *shape). Stored as one such array, XLA computes it at a tenth of the
speed; so components are kept apart, or two of them packed into one complex array, which one loop makes and reads.
Everything that is entry-wise linear works on the stored form through `jax.tree.map`; what needs components asks for
them here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.experimental.layout import Layout, with_layout_constraint

from flowengine.problem import Scalar, Tree, pytree


@pytree()
class Packed:
    """Two real components as one complex array of their shape."""

    packed: Array

    @property
    def components(self) -> tuple[Array, ...]:
        """The two components."""
        return lax.real(self.packed), lax.imag(self.packed)

    @staticmethod
    def of(components: tuple[Array, ...]) -> Packed:
        """Pack two components."""
        return Packed(lax.complex(*components))

    def scaled(self, factor: Array) -> Packed:
        """Every component times a real array of the components' shape."""
        return Packed.of(tuple(one * factor for one in self.components))


@pytree()
class Components:
    """Any number of components, each an array of its own."""

    components: tuple[Array, ...]

    @staticmethod
    def of(components: tuple[Array, ...]) -> Components:
        """Keep the components."""
        return Components(components)

    def scaled(self, factor: Array) -> Components:
        """Every component times a real array of the components' shape."""
        return Components(tuple(one * factor for one in self.components))


def on_cpu() -> bool:
    """Whether programs run on a CPU: what this file does for XLA's compiler of them would slow a GPU down."""
    return jax.default_backend() == "cpu"


def by_rows(a: Array) -> Array:
    """A itself, row by row in memory.

    Eigenvalue routines want columns; XLA hands that on to the Fourier transforms about them, which then fail.
    """
    kept: Array = with_layout_constraint(a, Layout(major_to_minor=tuple(range(a.ndim))))
    return kept


def paired(a: Tree, b: Tree, most: float = math.inf) -> Tree:
    """Two trees of one form as one: of real arrays a complex array each, unless one has more than `most` bytes.

    A loop that hands on both, the second being the first one's value before, writes such a pair in place; kept apart,
    XLA copies each of them in every iteration.
    """

    def pair(x: Array, y: Array) -> Packed | Components:
        packs = on_cpu() and x.nbytes <= most and not jnp.iscomplexobj(x)
        return (Packed if packs else Components).of((x, y))

    return jax.tree.map(pair, a, b)


def pair_of(pair: Tree) -> tuple[Tree, Tree]:
    """The two trees of a pair."""
    parts, form = jax.tree.flatten(pair, is_leaf=lambda one: isinstance(one, Packed | Components))
    first, second = zip(*(one.components for one in parts), strict=True)
    return jax.tree.unflatten(form, first), jax.tree.unflatten(form, second)


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


CACHED_BYTES = 2 * 2**20  # of an array, that still stays near the cores from one iteration to the next
PACKED_BYTES = 2**17  # of an array, below which a loop runs on one core and two short ones are as quick
QUICK_SUM = 4096  # entries, below which a plain sum is as quick


def storage_for(count: int, like: Array) -> type[Packed | Components]:
    """The quickest storage of components like this array: packed, one loop makes both of them, and splits on cores."""
    packs = on_cpu() and count == 2 and like.nbytes > PACKED_BYTES and not jnp.iscomplexobj(like)
    return Packed if packs else Components


def logical(tree: Tree) -> Array:
    """The logical array: components along a new axis 0."""
    return jnp.stack(tree.components) if isinstance(tree, Packed | Components) else tree


def entrywise(function: Callable[..., Array], *trees: Tree) -> Tree:
    """Apply a function of real arrays to every component of stored outputs of one form, or of trees of them.

    Packed components one by one, also where the function is linear: the complex product takes twice the arithmetic.
    """

    def stored(*parts: Tree) -> Tree:
        first = parts[0]
        if isinstance(first, Packed | Components):
            columns = zip(*(part.components for part in parts), strict=True)
            return type(first).of(tuple(function(*column) for column in columns))
        return function(*parts)

    return jax.tree.map(stored, *trees, is_leaf=lambda one: isinstance(one, Packed | Components))


def through(function: Callable[[Array], Array], a: Tree) -> Tree:
    """Apply a function of the logical array that keeps its shape; the result is stored as `a` is."""
    result = function(logical(a))
    return type(a).of(tuple(result)) if isinstance(a, Packed | Components) else result


def clipped(a: Array, length: Any) -> Array:
    """A with every entry shortened to this absolute value."""
    if jnp.iscomplexobj(a):
        size = jnp.abs(a)
        return a * jnp.where(size > length, length / jnp.where(size > length, size, 1), 1)
    return jnp.clip(a, -length, length)


def real_dtype(dtype: Any) -> str:
    """The type of the real numbers beside numbers of a type: `float64` beside `complex128`."""
    return str(np.finfo(dtype).dtype)


def components(a: Tree) -> list[Array]:
    """All arrays of stored outputs, or of trees of them, packed ones unpacked."""
    leaves = jax.tree.leaves(a, is_leaf=lambda one: isinstance(one, Packed | Components))
    return [part for one in leaves for part in (one.components if isinstance(one, Packed | Components) else (one,))]


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


def either(condition: Array, a: Array, b: Array | float) -> Array:
    """`a` where the condition holds, else `b`: arrays of one shape and type, or a number for `b`.

    `jnp.where` is a compiled function, like most of what jnp offers: traced and lowered for each type that it meets,
    which every start waits for.
    """
    chosen: Array = lax.select(condition, a, b if isinstance(b, Array) else lax.full_like(a, b))
    return chosen


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


def inverse(a: Tree) -> Tree:
    """1/aᵢ of every entry."""
    return jax.tree.map(lambda x: 1 / x, a)


def largest(a: Tree) -> Scalar:
    """The largest entry of all arrays."""
    return functools.reduce(jnp.maximum, (jnp.max(one) for one in jax.tree.leaves(a)))


def weighed(a: Tree, factor: Tree) -> Tree:
    """Every entry times its own factor, or all of them times one."""
    return scale(a, factor) if isinstance(factor, Array) else entrywise(lambda x, f: x * f, a, factor)


def zeros_like(a: Any) -> Tree:
    """Zeros of the same form."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), a)


def zero_for(a: Any) -> Tree:
    """One 0 for all entries of every array: of the same form, and never read from memory entry by entry."""
    return jax.tree.map(lambda x: placed(0, x.dtype), a)


def placed(values: np.ndarray | complex, dtype: Any = None) -> Array:
    """Numbers of the host as an array; unlike `jnp.asarray` it compiles nothing, which a start would wait for."""
    array: Array = jax.device_put(np.asarray(values, dtype))
    return array
