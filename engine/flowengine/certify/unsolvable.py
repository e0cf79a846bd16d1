"""Certificates that a problem has no solution: E falls without end along a direction, or constraints have no point.

Differences of iterates tend to such a direction, or to multipliers that separate the constraints, where there is no
solution; here they are no more than candidates, and what is computed of them is the proof.
Source: Banjac, Goulart, Stellato and Boyd, Journal of Optimization Theory and Applications 183, 2019 (differences);
Applegate, Díaz, Lu and Lubin, SIAM Journal on Optimization 34, 2024 (of primal-dual methods).
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import add, dot, norm, scale, subtract, zeros_like
from flowengine.problem import Problem, Scalar, Term, Tree
from flowengine.steps import energy_of, pull

FAR = 1e10  # times the size of the point: where E must still fall
HELD = 0.5  # of its rate near the point
MET = 1e-8  # of the way: how far from a constraint a point there may be
ROUNDED = 1e-8  # of E: a smaller fall is rounding
SHORT = 1e-9  # of a multiplier: the step by which it is brought to where the support function is finite
SEPARATED = 1e-6  # of the support functions' sizes: a smaller gap is rounding
BEYOND = 1e6  # times the size of the point: how far away no feasible point may be


@jax.jit
def falls_without_end(problem: Problem, x: Tree, direction: Tree) -> Array:
    """Whether E falls along a direction, at a distance of 1e10 sizes of x at half its rate near x, constraints met.

    A convex E falls along a ray ever more slowly: one that has a minimum does not do so for long.

    Args:
        problem: E = f + g + Σ h∘W.
        x: A point.
        direction: From it; of any length but 0.
    """
    size = 1 + norm(x)
    here = energy_of(problem, x)

    def fall(distance: float) -> tuple[Scalar, Scalar, Array]:
        there = add(x, direction, distance * size / norm(direction))
        if problem.prox is not None:
            there = problem.prox.prox(there, jnp.asarray(SHORT, problem.real))
        way = norm(subtract(there, x))
        gone = energy_of(problem, there) - here
        return gone, gone / way, _all_met(problem, there, way)

    gone, near, _ = fall(1.0)
    _, far, met = fall(FAR)
    found: Array = (gone < -ROUNDED * jnp.abs(here)) & (far <= HELD * near) & met
    return found


def _all_met(problem: Problem, x: Tree, way: Scalar) -> Array:
    """Whether every constraint behind an operator holds at a point, as a share of the way there."""
    met = jnp.ones((), bool)
    for term in (one for one in problem.dual if one.atom.indicator):
        image = term.operator.apply(x)
        away = norm(subtract(image, term.atom.prox(image, jnp.ones((), problem.real))))
        met = met & (away <= MET * way * float(term.operator.norm))
    return met


@jax.jit
def contradict(problem: Problem, x: Tree, multipliers: tuple[Tree, ...]) -> Array:
    """Whether multipliers y_j prove that no point within 1e6 sizes of x is in all constraints W_j x ∈ C_j, x ∈ D.

    Of such a point 0 = ⟨x, ΣW_jᵀy_j + u + r⟩ ≤ Σ σ_{C_j}(y_j) + σ_D(u) + ‖x‖‖r‖ for any u, with r = −ΣW_jᵀy_j − u and σ
    the support functions: where that sum is below 0, ‖x‖ is at least its absolute value over ‖r‖.

    Args:
        problem: Its dual terms that are indicators are the C_j, its g has the domain D.
        x: A point, for its size.
        multipliers: One for each dual term; those of other terms don't count.
    """
    pairs = zip(problem.dual, multipliers, strict=True)
    kept = tuple(y if term.atom.indicator else zeros_like(y) for term, y in pairs)
    length = jnp.sqrt(functools.reduce(jnp.add, [dot(y, y) for y in kept]))
    unit = tuple(scale(y, 1 / length) for y in kept)
    found = [_supported(term, y) for term, y in zip(problem.dual, unit, strict=True)]
    y, supports = tuple(one for one, _ in found), [one for _, one in found]
    rest = scale(pull(problem, y), -1.0)
    if problem.prox is not None:
        end = problem.prox.prox(scale(rest, 1 / SHORT), jnp.asarray(SHORT, problem.real))
        u = add(rest, end, -SHORT)
        supports.append(dot(u, end))
        rest = scale(end, SHORT)
    values = jnp.stack(supports)
    total = jnp.sum(values)
    room = BEYOND * (1 + norm(x)) * norm(rest)
    proven: Array = (total < -SEPARATED * (1 + jnp.sum(jnp.abs(values)))) & (-total > room)
    return proven


def _supported(term: Term, y: Tree) -> tuple[Tree, Scalar]:
    """A multiplier where σ_C is finite, next to y, and σ_C there: y⁺ = y − s·z with z = P_C(y/s), σ_C(y⁺) = ⟨y⁺, z⟩."""
    if not term.atom.indicator:
        return y, dot(y, y)
    end = term.atom.prox(scale(y, 1 / SHORT), jnp.ones((), jax.tree.leaves(y)[0].real.dtype))
    near = add(y, end, -SHORT)
    return near, dot(near, end)
