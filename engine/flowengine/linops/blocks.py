"""Maps of several variables, and several maps of one argument."""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp

from flowengine.arithmetic import add
from flowengine.linops.basic import Identity
from flowengine.problem import Tree, Unknown, pytree


@pytree("unknowns", "dtype")
class Blocks:
    """X ↦ Σ_v A_v x_v, over some of the variables; ‖·‖² ≤ Σ ‖A_v‖²."""

    parts: dict[str, Tree]
    unknowns: tuple[Unknown, ...]
    dtype: str

    @property
    def alone(self) -> str | None:
        """The variable, where this takes out one as it is."""
        ((name, part), *rest) = self.parts.items()
        return name if not rest and isinstance(part, Identity) else None

    def apply(self, x: Tree) -> Tree:
        """Σ_v A_v x_v."""
        first, *rest = (part.apply(x[name]) for name, part in self.parts.items())
        return functools.reduce(add, rest, first)

    def adjoint(self, y: Tree) -> Tree:
        """A_vᵀ y for each of them, 0 for the other variables."""
        return self._with({name: part.adjoint(y) for name, part in self.parts.items()})

    def gram(self, x: Tree) -> Tree:
        """AᵀA x."""
        if len(self.parts) > 1:
            return self.adjoint(self.apply(x))
        return self._with({name: part.gram(x[name]) for name, part in self.parts.items()})

    def _with(self, known: dict[str, Tree]) -> Tree:
        zeros = {one.name: jnp.zeros(one.shape, self.dtype) for one in self.unknowns if one.name not in known}
        return known | zeros

    @property
    def norm(self) -> float:
        """√Σ ‖A_v‖²."""
        return math.hypot(*(part.norm for part in self.parts.values()))


@pytree()
class Pair:
    """X ↦ (Ax, Bx): the two arguments of a coupling; ‖·‖² ≤ ‖A‖² + ‖B‖²."""

    left: Tree
    right: Tree

    def apply(self, x: Tree) -> tuple[Tree, Tree]:
        """Both."""
        return self.left.apply(x), self.right.apply(x)

    def adjoint(self, y: tuple[Tree, Tree]) -> Tree:
        """Aᵀy₁ + Bᵀy₂."""
        return add(self.left.adjoint(y[0]), self.right.adjoint(y[1]))

    def gram(self, x: Tree) -> Tree:
        """AᵀAx + BᵀBx."""
        return add(self.left.gram(x), self.right.gram(x))

    @property
    def norm(self) -> float:
        """√(‖A‖² + ‖B‖²)."""
        return math.hypot(self.left.norm, self.right.norm)
