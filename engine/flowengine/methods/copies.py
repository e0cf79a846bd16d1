"""The copies z_j of W_jx that `admm` keeps, g's first with W₀ = I, their duals y_j, and how long both are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from flowengine.arithmetic import add, dot, scale, subtract, weighed
from flowengine.problem import Hypers, Problem, Scalar, Tree
from flowengine.steps import longest, pull


def duals_of(problem: Problem, each: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """Those of the dual terms, without g's."""
    return each if problem.prox is None else each[1:]


def images_of(problem: Problem, x: Tree) -> list[Tree]:
    """W_j x."""
    found = [term.operator.apply(x) for term in problem.dual]
    return found if problem.prox is None else [x, *found]


def pulled(problem: Problem, each: list[Tree]) -> Tree:
    """Σ W_jᵀ of each."""
    if problem.prox is None:
        return pull(problem, tuple(each))
    return add(each[0], pull(problem, tuple(each[1:]))) if problem.dual else each[0]


def proxes(problem: Problem) -> list[Callable[[Tree, Tree], Tree]]:
    """Of every h_j."""
    found = [term.atom.prox for term in problem.dual]
    return found if problem.prox is None else [problem.prox.prox, *found]


def weights_of(problem: Problem, hypers: Hypers, tau: Scalar | None = None) -> list[Tree]:
    """σ_j at a τ; as they are at first without one."""
    found = hypers.sigma if problem.prox is None else (*inverses([hypers.tau]), *hypers.sigma)
    if tau is None:
        return list(found)
    factor = longest(hypers) / tau
    return [scale(one, factor) for one in found]


def inverses(weights: list[Tree]) -> list[Tree]:
    """1/σ_j."""
    found: list[Tree] = jax.tree.map(lambda one: 1 / one, weights)
    return found


def penalty(problem: Problem, hypers: Hypers, x: Tree) -> Tree:
    """Σ σ_jW_jᵀW_jx."""
    parts = zip(images_of(problem, x), weights_of(problem, hypers), strict=True)
    return pulled(problem, [weighed(image, weight) for image, weight in parts])


def points_of(z: Sequence[Tree], y: Sequence[Tree], weights: list[Tree]) -> list[Tree]:
    """v: z_j + y_j/σ_j."""
    return [add(a, weighed(b, w)) for a, b, w in zip(z, y, inverses(weights), strict=True)]


def apart(a: Sequence[Tree], b: Sequence[Tree]) -> list[Tree]:
    """What some differ by from others."""
    return [subtract(one, other) for one, other in zip(a, b, strict=True)]


def length(parts: list[Tree], weights: list[Tree]) -> Scalar:
    """√(Σ weight_j · ‖part_j‖²)."""
    squares = [dot(weighed(one, weight), one) for one, weight in zip(parts, weights, strict=True)]
    return jnp.sqrt(functools.reduce(jnp.add, squares))


def halves(z: Sequence[Tree], y: Sequence[Tree], weights: list[Tree]) -> tuple[Scalar, Scalar]:
    """Σ σ_j‖z_j‖² and Σ‖y_j‖²/σ_j."""
    return length(list(z), weights) ** 2, length(list(y), inverses(weights)) ** 2


def relative(sizes: list[Scalar]) -> Scalar:
    """The first, as a share of the largest of the others."""
    largest = functools.reduce(jnp.maximum, sizes[1:])
    return sizes[0] / jnp.maximum(largest, np.finfo(largest.dtype).tiny)
