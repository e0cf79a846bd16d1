"""A step for every entry: the diagonal of the smooth part's Hessian as a metric."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.problem import Problem
from flowengine.storage import norm, scale

EXACT_ENTRIES = 2048  # up to here every entry of the diagonal is computed
PROBES = 64
POWER_ITERATIONS = 50
POWER_MARGIN = 1.05  # power iteration comes from below
LEAST = 1e-12  # of the mean: an entry of no curvature must have some step


def metric_hindrance(problem: Problem) -> str:
    """Why entries can't have steps of their own; empty where they can."""
    bounded = problem.smooth and all(math.isfinite(term.atom.lipschitz) for term in problem.smooth)
    hindrances = (
        (len(problem.unknowns) > 1, "there are several variables"),
        (bool(problem.dual), "a term is dual"),
        (not bounded, "no smooth term has a bounded curvature"),
        (problem.prox is not None and not problem.prox.elementwise, "a prox couples the entries"),
        (not any(term.atom.lipschitz for term in problem.smooth), "no smooth term has any curvature"),
    )
    return next((reason for hinders, reason in hindrances if hinders), "")


def jacobi_steps(problem: Problem) -> Array:
    """τ_i = 1/(λ d_i) with d = diag(H), H = Σ L_ψ AᵀA ⪰ ∇²f, and λ ≥ ‖D^{-1/2} H D^{-1/2}‖: then D/λ⁻¹ ⪰ H.

    Of many entries d is estimated from random signs v by the mean of v ⊙ Hv; λ makes up for what that misses.
    Source: Bekas, Kokiopoulou and Saad, Applied Numerical Mathematics 57, 2007 (the estimate).
    """
    diagonal = _diagonal(problem)
    diagonal = jnp.maximum(diagonal, LEAST * jnp.mean(diagonal))
    root = 1 / jnp.sqrt(diagonal)
    vector = jnp.asarray(np.random.default_rng(0).standard_normal(problem.shape), problem.dtype)

    def spread(_: int, at: tuple[Array, Array]) -> tuple[Array, Array]:
        image = root * _hessian(problem, root * at[0])
        length = norm(image)
        return scale(image, 1 / length), length

    begin = (scale(vector, 1 / norm(vector)), jnp.zeros((), problem.real))
    _, length = jax.lax.fori_loop(0, POWER_ITERATIONS, spread, begin)
    steps: Array = 1 / (POWER_MARGIN * length * diagonal)
    return steps


def _hessian(problem: Problem, x: Array) -> Array:
    """Σ L_ψ AᵀA x."""
    first, *rest = (term.atom.lipschitz * term.operator.gram(x) for term in problem.smooth)
    total: Array = sum(rest, start=first)
    return total


def _diagonal(problem: Problem) -> Array:
    size = int(np.prod(problem.shape))
    if size <= EXACT_ENTRIES:
        rows = jnp.eye(size, dtype=problem.dtype).reshape(size, *problem.shape)
        signs = rows
    else:
        draws = np.random.default_rng(0).integers(0, 2, (PROBES, *problem.shape))
        signs = jnp.asarray(2 * draws - 1, problem.dtype)
    total = jnp.zeros(problem.shape, problem.real)
    total, _ = jax.lax.scan(lambda sum_, v: (sum_ + (v * _hessian(problem, v)).real, None), total, signs)
    return total if size <= EXACT_ENTRIES else jnp.maximum(total / PROBES, 0)
