"""A step for every entry: the diagonal of the smooth part's Hessian as a metric."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from flowengine.arithmetic import add, norm, scale, zeros_like
from flowengine.compiler.units import lengths, part_for
from flowengine.problem import Problem, Tree

EXACT_ENTRIES = 2048  # up to here every entry of the diagonal is computed
PROBES = 64
UNEVEN = 4.0  # times the common step: what the median entry could take
POWER_ITERATIONS = 50
POWER_MARGIN = 1.05  # power iteration comes from below
LEAST = 1e-12  # of the mean: an entry of no curvature must have some step


def metric_hindrance(problem: Problem) -> str:
    """Why entries can't have steps of their own; empty where they can."""
    bounded = problem.smooth and all(math.isfinite(term.atom.lipschitz) for term in problem.smooth)
    hindrances = (
        (bool(problem.dual), "a term is dual"),
        (not bounded, "no smooth term has a bounded curvature"),
        (problem.prox is not None and not problem.prox.elementwise, "a prox couples the entries"),
        (not any(term.atom.lipschitz for term in problem.smooth), "no smooth term has any curvature"),
    )
    return next((reason for hinders, reason in hindrances if hinders), "")


def unevenness(problem: Problem) -> float:
    """How much more the smooth terms curve along one entry than along another, as their operators tell at once.

    That is by the columns of matrices and the norms of all else; 1 where nothing is known.
    """
    sizes: dict[str, list[np.ndarray]] = {one.name: [] for one in problem.unknowns}
    for term in problem.smooth:
        for unknown in problem.unknowns:
            part = part_for(term.operator, unknown)
            if part is None or not term.atom.lipschitz:
                continue
            columns = lengths(part, unknown.shape, 0)
            curved = np.full(1, float(part.norm)) if columns is None else columns
            sizes[unknown.name].append(term.atom.lipschitz * curved**2)
    totals = [np.ravel(sum(one[1:], start=one[0])) for one in sizes.values() if one]
    seen = np.concatenate([np.zeros(0), *totals])
    seen = seen[seen > 0]
    return float(seen.max() / seen.min()) if seen.size else 1.0


def jacobi_steps(problem: Problem) -> Tree:
    """τ_i = 1/(λ d_i) with d = diag(H), H = Σ L_ψ AᵀA ⪰ ∇²f, and λ ≥ ‖D^{-1/2} H D^{-1/2}‖: then D/λ⁻¹ ⪰ H.

    Of many entries d is estimated from random signs v by the mean of v ⊙ Hv; λ makes up for what that misses.
    Several variables have an array each.
    Source: Bekas, Kokiopoulou and Saad, Applied Numerical Mathematics 57, 2007 (the estimate).
    """
    flat, unravel = ravel_pytree(zeros_like(problem.init))

    def hessian(v: Array) -> Array:
        image, _ = ravel_pytree(_hessian(problem, unravel(v)))
        return image

    diagonal = _diagonal(hessian, flat)
    diagonal = jnp.maximum(diagonal, LEAST * jnp.mean(diagonal))
    root = 1 / jnp.sqrt(diagonal)
    vector = jnp.asarray(np.random.default_rng(0).standard_normal(flat.size), problem.dtype)

    def spread(_: int, at: tuple[Array, Array]) -> tuple[Array, Array]:
        image = root * hessian(root * at[0])
        length = norm(image)
        return scale(image, 1 / length), length

    begin = (scale(vector, 1 / norm(vector)), jnp.zeros((), problem.real))
    _, length = jax.lax.fori_loop(0, POWER_ITERATIONS, spread, begin)
    _, by_variable = ravel_pytree(jax.tree.map(jnp.real, problem.init))
    steps: Tree = by_variable(1 / (POWER_MARGIN * length * diagonal))
    return steps


def _hessian(problem: Problem, x: Tree) -> Tree:
    """Σ L_ψ AᵀA x."""
    first, *rest = (scale(term.operator.gram(x), term.atom.lipschitz) for term in problem.smooth)
    return functools.reduce(add, rest, first)


def _diagonal(hessian: Callable[[Array], Array], like: Array) -> Array:
    few = like.size <= EXACT_ENTRIES
    if few:
        signs = jnp.eye(like.size, dtype=like.dtype)
    else:
        draws = np.random.default_rng(0).integers(0, 2, (PROBES, like.size))
        signs = jnp.asarray(2 * draws - 1, like.dtype)
    total, _ = jax.lax.scan(lambda sum_, v: (sum_ + (v * hessian(v)).real, None), jnp.zeros_like(like.real), signs)
    return total if few else jnp.maximum(total / PROBES, 0)
