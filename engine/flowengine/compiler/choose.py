"""The method and its steps, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from flowapi.errors import DocumentError
from flowapi.flow import Policy
from flowapi.model import join
from flowengine.atoms import Quadratic
from flowengine.linops import power_of
from flowengine.methods import PD3O, Admm, Fista, ProximalGradient
from flowengine.methods.admm import RELAXATION
from flowengine.problem import Hypers, Method, Problem, Term
from flowengine.steps import smooth_gradient
from flowengine.storage import logical, norm

PD3O_SMOOTH_STEP = 1.9  # of 1/L_f; the bound is 2
PD3O_DUAL_MARGIN = 0.99
STRONGLY_CONVEX_STEP = 0.05  # of 1/weight
RELATIVE_RHO = 0.1  # of L, where no penalty gives a scale
SEARCH_FROM = 8.0  # of 1/L: where backtracking starts
SEARCH_TO = 0.5  # of 1/L: where it ends
SEARCH_HALVINGS = 100  # without a known L
PROBE = 1e-4  # relative length of the move that measures L where no bound is known


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
    place = join(at, "policy", "algorithm")
    if policy.algorithm in ("pg", "fista") and problem.dual:
        paths = ", ".join(term.path for term in problem.dual)
        raise DocumentError(
            f"`{policy.algorithm}` has no dual terms, and {paths} needs to be one",
            path=place,
            remedy="Leave the algorithm out, or use `pd3o`.",
        )
    if policy.algorithm == "pd3o" and not problem.dual:
        raise DocumentError(
            "`pd3o` splits off dual terms, and there is none",
            path=place,
            remedy="Leave the algorithm out, use `pg`, or mark a term `as: dual`.",
        )
    if policy.algorithm == "fista" and not convex(problem):
        raise DocumentError("`fista` needs a convex energy", path=place, remedy="Leave the algorithm out, or use `pg`.")
    if policy.algorithm == "admm" or (policy.algorithm is None and policy.family == "accelerated"):
        hindrance = _not_by_fourier(problem)
        if not hindrance:
            return _admm(problem, policy, at)
        if policy.algorithm == "admm":
            raise DocumentError(
                f"`admm` solves for the variable by the Fourier transform, and {hindrance}",
                path=place,
                remedy="Leave the algorithm out, or use `pd3o`.",
            )
    if problem.dual:
        return _pd3o(problem, policy, at)
    accelerated = policy.algorithm == "fista" or (policy.algorithm is None and policy.family == "accelerated")
    return _gradient(problem, policy, at, accelerated=accelerated and convex(problem))


def convex(problem: Problem) -> bool:
    """Whether every term is."""
    return problem.prox is None or problem.prox.other is None or bool(problem.prox.other.convex)


def lipschitz(terms: Sequence[Term]) -> float:
    """An upper bound of the Lipschitz constant of ∇f: Σ L_ψ · ‖A‖²."""
    return float(sum(term.atom.lipschitz * term.operator.norm**2 for term in terms))


def _gradient(problem: Problem, policy: Policy, at: str, *, accelerated: bool) -> Choice:
    """`pg`, or `fista` where momentum is asked for."""
    bound = lipschitz(problem.smooth)
    why = "every nonsmooth term has a simple prox" if problem.prox is not None else "every term is smooth"
    if accelerated:
        why += "; momentum, restarted" if policy.restart == "gradient" else "; momentum, never restarted"
    elif policy.family == "accelerated" and policy.algorithm is None:
        why += "; no momentum, for the energy is not convex"
    elif policy.algorithm is None:
        why += " (`policy: {family: accelerated}` adds momentum)"
    searched = policy.step == "backtracking"
    method: Method = ProximalGradient(backtracking=searched)
    if accelerated:
        method = Fista(backtracking=searched, restart=policy.restart == "gradient")
    if searched:
        _check_start(problem, at)
        hypers, reason = _searched(problem, bound)
        return Choice(method, hypers, (f"{method.name}: {why}", reason))
    natural = 1 / bound if bound > 0 else 1.0
    room = 1 if accelerated or not convex(problem) else 2
    tau, warnings = _explicit(policy.step, natural, room / bound if bound > 0 else float("inf"), at)
    reasons = (f"{method.name}: {why}", f"tau = {tau:.4g}, with L = {bound:.4g}")
    return Choice(method, _hypers(problem, tau, ()), reasons, warnings)


def _check_start(problem: Problem, at: str) -> None:
    """A step can be searched for only from where the energy has a gradient."""
    if not bool(jnp.all(jnp.isfinite(smooth_gradient(problem, problem.init)))):
        raise DocumentError(
            "the energy has no finite gradient where the variable starts",
            path=join(at, "variables", problem.variable, "init"),
            remedy="Start inside its domain: above 0 for counts, entropies and barriers.",
        )


def _searched(problem: Problem, bound: float) -> tuple[Hypers, str]:
    """Where backtracking starts and ends: about the known L, or one measured at the start."""
    known = math.isfinite(bound) and bound > 0
    guess = bound if known else _measured(problem)
    start = SEARCH_FROM / guess
    least = SEARCH_TO / bound if known else start * 0.5**SEARCH_HALVINGS
    least = max(least, float(np.finfo(problem.dtype).tiny))
    hypers = _hypers(problem, start, (), least=least)
    what = f"L ≤ {bound:.4g}" if known else f"no known bound of L, about {guess:.4g} at the start"
    return hypers, f"tau is searched for, from {start:.4g} down to {least:.4g} at most, with {what}"


def _measured(problem: Problem) -> float:
    """‖∇f(x + δ) − ∇f(x)‖/‖δ‖ for a small δ along the gradient at the start; 1 where that says nothing."""
    here = smooth_gradient(problem, problem.init)
    delta = -PROBE * (1 + norm(problem.init)) / norm(here) * here
    value = float(norm(smooth_gradient(problem, problem.init + delta) - here) / norm(delta))
    return value if math.isfinite(value) and value > 0 else 1.0


def _not_by_fourier(problem: Problem) -> str:
    """Why `admm` can't do a problem; empty when it can."""
    if not problem.dual:
        return "there is no dual term"
    if problem.prox is not None:
        return "a term enters by its prox"
    for term in problem.smooth:
        if not isinstance(term.atom, Quadratic):
            return f"{term.path} is smooth but not quadratic"
    terms = (*problem.smooth, *problem.dual)
    powers = [power_of(term.operator, problem.shape) for term in terms]
    for term, power in zip(terms, powers, strict=True):
        if power is None:
            return f"the operator of {term.path} is not a periodic one"
    total = sum(jnp.asarray(power) for power in powers if power is not None)
    return "" if float(jnp.min(total)) > 0 else "a part of the variable appears in no term"


def _admm(problem: Problem, policy: Policy, at: str) -> Choice:
    """ρ such that the prox of a penalty moves what it acts on by about its own size: weight/mean|W x|."""
    if policy.step is not None:
        raise DocumentError(
            "`admm` has no step, but a ρ that the compiler chooses",
            path=join(at, "policy", "step"),
            remedy="Leave the step out.",
        )
    rho = min(
        (_threshold(problem, term) for term in problem.dual if hasattr(term.atom, "weight")), default=0.0
    ) or RELATIVE_RHO * max(lipschitz(problem.smooth), 1e-12)
    reasons = (
        "admm: every operator is diagonal in Fourier space, so x is solved for exactly",
        f"rho = {rho:.4g}, over-relaxed by {RELAXATION}",
    )
    return Choice(Admm(), _hypers(problem, 1 / rho, (rho,) * len(problem.dual)), reasons)


def _threshold(problem: Problem, term: Term) -> float:
    """Weight/mean|W x| at the start, or where that is 0 at Σ Kᵀb; 0 where both are."""
    starts = [problem.init, *(one.pulled for one in problem.smooth if one.pulled is not None)]
    for x in starts:
        size = float(jnp.mean(jnp.abs(logical(term.operator.apply(x)))))
        if size > 0 and math.isfinite(size):
            return float(term.atom.weight) / size
    return 0.0


def _pd3o(problem: Problem, policy: Policy, at: str) -> Choice:
    if isinstance(policy.step, str):
        raise DocumentError(
            "`pd3o` has a fixed step",
            path=join(at, "policy", "step"),
            remedy="Leave the step out, or write a number.",
        )
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
    return Choice(PD3O(), _hypers(problem, tau, sigma), reasons, warnings)


def _balanced_step(problem: Problem, norms: list[float]) -> float:
    """Without a smooth term only the product τσ is bounded.

    A quadratic of weight w in the prox makes the primal problem strongly convex, which wants short primal steps: on
    total-variation denoising 0.05/w took a fifth to a tenth of the iterations of balanced steps.
    """
    if problem.prox is not None and problem.prox.quadratic is not None:
        return STRONGLY_CONVEX_STEP / float(problem.prox.quadratic.weight)
    return float((PD3O_DUAL_MARGIN / sum(norm**2 for norm in norms)) ** 0.5)


def _explicit(step: object, natural: float, limit: float, at: str) -> tuple[float, tuple[str, ...]]:
    if not isinstance(step, int | float):
        return natural, ()
    if step < limit * (1 + 1e-9):
        return float(step), ()
    place = join(at, "policy", "step")
    return float(step), (f"{place}: the step {step:.4g} is beyond its bound {limit:.4g}; the run may diverge",)


def _hypers(problem: Problem, tau: float, sigma: tuple[float, ...], *, least: float | None = None) -> Hypers:
    values = tuple(jnp.asarray(value, problem.dtype) for value in (tau, *sigma))
    return Hypers(values[0], values[1:], None if least is None else jnp.asarray(least, problem.dtype))
