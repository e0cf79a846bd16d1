"""What every atom has unless it says otherwise."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.arithmetic import add, largest, scale, sum_over
from flowengine.problem import Scalar, Tree
from flowengine.storage import entrywise

ROUNDED = 100  # of eps and of the largest entry: a transform of 2^20 entries leaves less of a 0


class DualDomain(StrEnum):
    """Where ψ* is finite: everywhere, on the ball of a norm, or on another set."""

    WHOLE = "whole"
    BALL = "ball"
    PART = "part"


class Base:
    """A convex atom without a gradient, whose conjugate's prox follows from its own.

    Attributes:
        smooth: Whether it has a gradient.
        affine_gradient: Whether that is affine: ψ is linear, or quadratic.
        polyhedral: Whether it is piecewise linear, on a set with flat faces.
        elementwise: Whether every entry has a prox of its own, and so may have a step of its own.
        indicator: Whether its values are 0 and +∞ only.
        convex: Whether it is; an atom that is not has no conjugate.
        has_prox: Whether its prox is known.
        rigid: Whether its conjugate is finite at one point alone.
        parted: Whether its gradient is a sum of parts that cancel at a minimum of it, which `parts` returns.
        takes_complex: Whether its argument may be complex.
        conjugate_on: Where its conjugate is finite, if that doesn't depend on its data.
        lipschitz: Of its gradient; +∞ when there is no bound.
    """

    smooth: ClassVar[bool] = False
    affine_gradient: ClassVar[bool] = False
    polyhedral: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    indicator: ClassVar[bool] = False
    convex: ClassVar[bool] = True
    has_prox: ClassVar[bool] = True
    rigid: ClassVar[bool] = False
    parted: ClassVar[bool] = False
    takes_complex: ClassVar[bool] = False
    conjugate_on: ClassVar[DualDomain] = DualDomain.PART

    @property
    def lipschitz(self) -> float:
        """+∞."""
        return float("inf")

    @property
    def dual_domain(self) -> DualDomain:
        """Where ψ* is finite; of `PART` nothing is known but that it holds the method's own duals."""
        return self.conjugate_on

    def densities(self, z: Tree) -> list[Array]:
        """Arrays of which ψ(z) is the sum."""
        atom: Any = self
        return [atom.value(z)]

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """U − t·prox_{ψ/t}(u/t), by Moreau's identity."""
        atom: Any = self
        return add(u, atom.prox(scale(u, 1 / step), 1 / step), -step)


def has_bound(atom: Any) -> bool:
    """Whether an atom is curved, and its gradient has a Lipschitz constant, whatever its numbers."""
    return bool(atom.smooth) and not getattr(atom, "polyhedral", False) and type(atom).lipschitz is not Base.lipschitz


def counted(factors: Tree | None, like: Tree) -> Tree:
    """How much every entry counts: the factors, or one 1 for all of them, in the form of the argument."""
    return entrywise(lambda one: jnp.ones((), one.real.dtype), like) if factors is None else factors


def largest_of(factors: Tree | None) -> float:
    """The largest factor; 1 without any."""
    return 1.0 if factors is None else float(largest(factors))


class Additive:
    """An atom whose value is the sum of its `densities`."""

    def value(self, z: Tree) -> Scalar:
        """Ψ(z)."""
        atom: Any = self
        return sum_over(atom.densities(z))


def from_zero(a: Array) -> Array:
    """Whether entries are 0 or more, within what an operator rounds: it may leave −1e-14 of a 0."""
    inside: Array = a >= -ROUNDED * np.finfo(a.dtype).eps * jnp.max(jnp.abs(a), initial=0)
    return inside
