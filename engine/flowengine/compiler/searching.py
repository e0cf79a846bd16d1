"""Steps that are searched for: where that begins and ends, and what a start must be like."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DocumentError
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.arithmetic import add, norm, scale, subtract
from flowengine.compiler.choice import hypers_of
from flowengine.problem import Hypers, Problem
from flowengine.steps import gradient_parts, smooth_gradient, tangent

SEARCH_FROM = 8.0  # of 1/L: where backtracking starts
SEARCH_TO = 0.5  # of 1/L: where it ends
SEARCH_UP_TO = 1e12  # times where it starts
SEARCH_HALVINGS = 100  # without a known L
STILL = 1e-12  # of the size of its parts: a gradient that is 0 but for rounding
PROBE = 1e-4  # relative length of the move that measures L where no bound is known


def check_searching(policy: Policy, message: str, at: str) -> None:
    """No step is given where one is searched for."""
    for key, given in (("step", policy.step not in (None, "backtracking")), ("preconditioner", policy.diagonal)):
        if given:
            raise DocumentError(message, path=join(at, "policy", key), remedy="Leave it out.")


def stays(problem: Problem, at: str) -> tuple[str, ...]:
    """What to say of a start that is a stationary point: nothing moves, for all that the energy isn't convex."""
    if problem.convex or problem.dual:
        return ()
    x = problem.init
    slope, parts = smooth_gradient(problem, x), gradient_parts(problem, x)
    size = max(float(norm(part)) for part in (slope, *parts))
    if float(norm(tangent(problem, x, slope))) > STILL * size:
        return ()
    place = join(at, "variables", problem.unknowns[0].name) if len(problem.unknowns) == 1 else join(at, "variables")
    return (f"{place}: the gradient is 0 where it starts, a saddle or a maximum as it may be; a `spread` leads away",)


def check_start(problem: Problem, at: str, *, chained: bool = False) -> None:
    """A step can be searched for, and a sampler can move, only from where the energy has a gradient."""
    slope = functools.partial(smooth_gradient, problem)
    if not bool(jnp.isfinite(norm(jax.vmap(slope)(problem.init) if chained else slope(problem.init)))):
        name = problem.unknowns[0].name
        raise DocumentError(
            "the energy has no finite gradient where the variable starts",
            path=join(at, "variables", name, "init") if len(problem.unknowns) == 1 else join(at, "variables"),
            remedy="Start inside its domain: above 0 for counts, entropies and barriers; a positive definite matrix "
            "for log_det.",
        )


def search(problem: Problem, bound: float) -> tuple[Hypers, str]:
    """Where backtracking starts and ends: about the known L, or one measured at the start."""
    known = math.isfinite(bound) and bound > 0
    guess = bound if known else measured(problem)
    start = (SEARCH_FROM if problem.convex else 1) / guess
    least = SEARCH_TO / bound if known else start * 0.5**SEARCH_HALVINGS
    least = max(least, float(np.finfo(problem.dtype).tiny))
    hypers = hypers_of(problem, start, (), least=least, most=SEARCH_UP_TO * start)
    what = f"L ≤ {bound:.4g}" if known else f"no known bound of L, about {guess:.4g} at the start"
    return hypers, f"tau is searched for, from {start:.4g} down to {least:.4g} at most, with {what}"


def measured(problem: Problem) -> float:
    """‖∇f(x + δ) − ∇f(x)‖/‖δ‖ for a small δ along the gradient at the start; 1 where that says nothing."""
    here = smooth_gradient(problem, problem.init)
    delta = scale(here, -PROBE * (1 + norm(problem.init)) / norm(here))
    change = subtract(smooth_gradient(problem, add(problem.init, delta)), here)
    value = float(norm(change) / norm(delta))
    return value if math.isfinite(value) and value > 0 else 1.0
