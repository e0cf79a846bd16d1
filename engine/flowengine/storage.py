"""How operators with several output components keep them.

A gradient's logical output has the shape (ndim, *shape). Stored as one such array, XLA computes it at a tenth of the
speed; so components are kept apart, or two of them packed into one complex array, which one loop makes and reads.
Everything that is entry-wise linear works on the stored form through `jax.tree.map`; what needs components asks for
them here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from flowengine.problem import Tree, pytree
from flowengine.xla import on_cpu

CACHED_BYTES = 2 * 2**20  # of an array, that still stays near the cores from one iteration to the next
PACKED_BYTES = 2**17  # of an array, below which a loop runs on one core and two short ones are as quick


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


def storage_for(count: int, like: Array) -> type[Packed | Components]:
    """The quickest storage of components like this array: packed, one loop makes both of them, and splits on cores."""
    packs = on_cpu() and count == 2 and like.nbytes > PACKED_BYTES and not jnp.iscomplexobj(like)
    return Packed if packs else Components


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


def logical(tree: Tree) -> Array:
    """The logical array: components along a new axis 0."""
    return jnp.stack(tree.components) if isinstance(tree, Packed | Components) else tree


def components(a: Tree) -> list[Array]:
    """All arrays of stored outputs, or of trees of them, packed ones unpacked."""
    leaves = jax.tree.leaves(a, is_leaf=lambda one: isinstance(one, Packed | Components))
    return [part for one in leaves for part in (one.components if isinstance(one, Packed | Components) else (one,))]


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
