"""Where a sampler moves: in coordinates of the set that holds a variable.

Within bounds those are the entries themselves, and a motion is thrown back at the ends. On a simplex, x ≥ 0 with
Σ xᵢ = t over n entries, they are c = log x − mean log x, which knows no end: a move by d is x⁺ ∝ x ⊙ exp(d). There
exp(−E/T) has the density exp(−U/T),

    U(c) = E(x) − T Σ log xᵢ,   ∇U(c) = x ⊙ (∇E(x) − ⟨∇E(x), x⟩/t) − T(1 − nx/t),

for the volume of the simplex changes by n/t · Π xᵢ.
Source: Egozcue, Pawlowsky-Glahn, Mateu-Figueras and Barceló-Vidal, Mathematical Geology 35, 2003 (the coordinates);
Stan Reference Manual, "Unit simplex" (sampling in them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import add
from flowengine.atoms import Separable, Simplex
from flowengine.problem import Problem, Scalar, Tree

INSIDE = 0.1  # of the mean entry: the least that an entry starts with


def simplex_of(part: Any) -> Simplex | None:
    """The simplex that a variable's prox keeps it on, if that is what it does."""
    other = getattr(part, "other", None)
    return other if isinstance(other, Simplex) else None


def simplices(problem: Problem) -> dict[str, Simplex]:
    """Those that hold variables, by their names."""
    parts = problem.prox.parts if isinstance(problem.prox, Separable) else {problem.unknowns[0].name: problem.prox}
    return {name: one for name, part in parts.items() if (one := simplex_of(part)) is not None}


def moved(problem: Problem, x: Tree, d: Tree, p: Tree) -> tuple[Tree, Tree]:
    """X after a move by d, and the momentum, turned at each bounce.

    Source: Neal, in the Handbook of Markov Chain Monte Carlo, chapter 5, 2011, section 5.5.1.5 (bounces).
    """

    def act(part: Any, x: Tree, d: Tree, p: Tree) -> tuple[Tree, Tree]:
        if part is None:
            return add(x, d), p
        if (one := simplex_of(part)) is not None:
            return _multiplied(one, x, d), p
        found: tuple[Tree, Tree] = part.reflected(add(x, d), p)
        return found

    found = _each(problem, act, x, d, p)
    if not isinstance(problem.prox, Separable):
        return found[0], found[1]
    return {name: one[0] for name, one in found.items()}, {name: one[1] for name, one in found.items()}


def slope(problem: Problem, x: Tree, gradient: Tree, temperature: Scalar) -> Tree:
    """∇U from ∇E(x)."""

    def act(part: Any, x: Tree, gradient: Tree) -> Tree:
        one = simplex_of(part)
        if one is None:
            return gradient
        pull = jnp.sum(gradient * x, axis=one.axis, keepdims=True) / one.total
        return x * (gradient - pull) - temperature * (1 - _entries(one, x) * x / one.total)

    return _each(problem, act, x, gradient)


def volume(problem: Problem, x: Tree) -> Scalar:
    """The logarithm of the volume of x at a volume of its coordinates, less a constant: Σ log xᵢ on simplices."""
    held = simplices(problem)
    parts = [x[name] if isinstance(problem.prox, Separable) else x for name in held]
    return sum((jnp.sum(jnp.log(one)) for one in parts), start=jnp.zeros((), problem.real))


def coordinates(problem: Problem, x: Tree) -> Tree:
    """Those of x."""

    def act(part: Any, x: Tree) -> Tree:
        one = simplex_of(part)
        if one is None:
            return x
        log = jnp.log(x)
        return log - jnp.mean(log, axis=one.axis, keepdims=True)

    return _each(problem, act, x)


def entered(problem: Problem, x: Tree) -> Tree:
    """A point near x from which one can move: reflected into bounds, or inside a simplex."""

    def act(part: Any, x: Tree) -> Tree:
        one = simplex_of(part)
        if one is None:
            return x if part is None else part.reflected(x, x)[0]
        most = jnp.maximum(one.prox(x, one.total), INSIDE * one.total / _entries(one, x))
        return one.total * most / jnp.sum(most, axis=one.axis, keepdims=True)

    return _each(problem, act, x)


def _each(problem: Problem, act: Callable[..., Any], *trees: Tree) -> Any:
    """Of every variable, with its part of the prox."""
    if isinstance(problem.prox, Separable):
        return {name: act(part, *(tree[name] for tree in trees)) for name, part in problem.prox.parts.items()}
    return act(problem.prox, *trees)


def _entries(simplex: Simplex, x: Array) -> int:
    """How many sum to the total."""
    return x.size if simplex.axis is None else x.shape[simplex.axis]


def _multiplied(simplex: Simplex, x: Array, d: Array) -> Array:
    """X ⊙ exp(d), scaled to its total."""
    log = jnp.log(x) + d
    size = jnp.exp(log - jnp.max(log, axis=simplex.axis, keepdims=True))
    return simplex.total * size / jnp.sum(size, axis=simplex.axis, keepdims=True)
