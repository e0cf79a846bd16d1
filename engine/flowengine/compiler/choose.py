"""The method and its steps, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp

from flowapi.errors import DocumentError
from flowapi.flow import Policy
from flowapi.model import join
from flowengine.methods import METHODS
from flowengine.problem import Hypers, Method, Problem, Term

PD3O_SMOOTH_STEP = 1.9  # of 1/L_f; the bound is 2
PD3O_DUAL_MARGIN = 0.99
STRONGLY_CONVEX_STEP = 0.05  # of 1/weight


@dataclass(frozen=True)
class Choice:
    """What runs, and why.

    Attributes:
        method: Its name is in it.
        hypers: Its steps.
        reasons: Sentences for `cflow lint` and the log.
        warnings: Sentences about explicit steps beyond their bound.
    """

    method: Method
    hypers: Hypers
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def choose(problem: Problem, policy: Policy, at: str) -> Choice:
    """Choose the method for a problem's terms within the policy.

    Raises:
        DocumentError: the forced algorithm can't do the problem.
    """
    if policy.algorithm == "pg" and problem.dual:
        paths = ", ".join(term.path for term in problem.dual)
        raise DocumentError(
            f"`pg` has no dual terms, and {paths} needs to be one",
            path=join(at, "policy", "algorithm"),
            remedy="Leave the algorithm out, or use `pd3o`.",
        )
    if policy.algorithm == "pd3o" and not problem.dual:
        raise DocumentError(
            "`pd3o` splits off dual terms, and there is none",
            path=join(at, "policy", "algorithm"),
            remedy="Leave the algorithm out, use `pg`, or mark a term `as: dual`.",
        )
    return _pd3o(problem, policy, at) if problem.dual else _pg(problem, policy, at)


def lipschitz(terms: Sequence[Term]) -> float:
    """An upper bound of the Lipschitz constant of ∇f: Σ weight · ‖A‖²."""
    return sum(float(term.atom.weight) * float(term.operator.norm) ** 2 for term in terms)


def _pg(problem: Problem, policy: Policy, at: str) -> Choice:
    bound = lipschitz(problem.smooth)
    natural = 1 / bound if bound > 0 else 1.0
    tau, warnings = _explicit(policy.step, natural, 2 / bound if bound > 0 else float("inf"), at)
    why = "every nonsmooth term has a simple prox" if problem.prox is not None else "every term is smooth"
    reasons = (f"pg: {why}", f"tau = {tau:.4g}, with L = {bound:.4g}")
    return Choice(METHODS["pg"], _hypers(problem, tau, ()), reasons, warnings)


def _pd3o(problem: Problem, policy: Policy, at: str) -> Choice:
    bound = lipschitz(problem.smooth)
    norms = [max(float(term.operator.norm), 1e-12) for term in problem.dual]
    limit = 2 / bound if bound > 0 else float("inf")
    natural = PD3O_SMOOTH_STEP / bound if bound > 0 else _balanced_step(problem, norms)
    tau, warnings = _explicit(policy.step, natural, limit, at)
    # τ Σ σ_j‖W_j‖² = margin, each block taking an equal share of it, σ_j ∝ 1/‖W_j‖²
    sigma = tuple(PD3O_DUAL_MARGIN / (tau * len(norms) * norm**2) for norm in norms)
    paths = ", ".join(term.path for term in problem.dual)
    shown = ", ".join(f"{value:.4g}" for value in sigma)
    reasons = (f"pd3o: {paths} by the prox of its conjugate", f"tau = {tau:.4g}, sigma = {shown}, with L = {bound:.4g}")
    return Choice(METHODS["pd3o"], _hypers(problem, tau, sigma), reasons, warnings)


def _balanced_step(problem: Problem, norms: list[float]) -> float:
    """Without a smooth term only the product τσ is bounded.

    A quadratic of weight w in the prox makes the primal problem strongly convex, which wants short primal steps: on
    total-variation denoising 0.05/w took a fifth to a tenth of the iterations of balanced steps.
    """
    if problem.prox is not None and problem.prox.quadratic is not None:
        return STRONGLY_CONVEX_STEP / float(problem.prox.quadratic.weight)
    return float((PD3O_DUAL_MARGIN / sum(norm**2 for norm in norms)) ** 0.5)


def _explicit(step: float | None, natural: float, limit: float, at: str) -> tuple[float, tuple[str, ...]]:
    if step is None:
        return natural, ()
    if step < limit:
        return float(step), ()
    place = join(at, "policy", "step")
    return float(step), (f"{place}: the step {step:.4g} is beyond its bound {limit:.4g}; the run may diverge",)


def _hypers(problem: Problem, tau: float, sigma: tuple[float, ...]) -> Hypers:
    return Hypers(jnp.asarray(tau, problem.dtype), tuple(jnp.asarray(value, problem.dtype) for value in sigma))
