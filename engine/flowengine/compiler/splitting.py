"""The steps of the methods that split: `admm` where Fourier solves for the variable, else `pd3o`."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from flowapi.errors import DocumentError
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.atoms import Quadratic
from flowengine.compiler.choice import Choice, explicit, hypers_of, lipschitz
from flowengine.linops import power_of
from flowengine.methods import PD3O, Admm
from flowengine.methods.admm import RELAXATION
from flowengine.problem import Problem, Term
from flowengine.storage import logical

PD3O_SMOOTH_STEP = 1.9  # of 1/L_f; the bound is 2
PD3O_DUAL_MARGIN = 0.99
STRONGLY_CONVEX_STEP = 0.05  # of 1/weight
RELATIVE_RHO = 0.1  # of L, where no penalty gives a scale
REACH = 1e3  # how many times less a balanced primal step may become than at first, and more where no bound forbids it
BLIND_REACH = 1e12  # the same, where nothing in the problem says how long a step is


def not_by_fourier(problem: Problem) -> str:
    """Why `admm` can't do a problem; empty when it can."""
    hindrances = (
        (len(problem.unknowns) > 1, "there are several"),
        (problem.dtype.startswith("complex"), "it is complex"),
        (not problem.dual, "there is no dual term"),
        (problem.prox is not None, "a term enters by its prox"),
    )
    for hinders, why in hindrances:
        if hinders:
            return why
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


def choose_admm(problem: Problem, policy: Policy, at: str) -> Choice:
    """ρ such that the prox of a penalty moves what it acts on by about its own size: weight/mean|W x|; or 1/step."""
    if isinstance(policy.step, str):
        raise DocumentError(
            "`admm` has a fixed step", path=join(at, "policy", "step"), remedy="Leave the step out, or write a number."
        )
    rho = min(
        (_threshold(problem, term) for term in problem.dual if hasattr(term.atom, "weight")), default=0.0
    ) or RELATIVE_RHO * max(lipschitz(problem.smooth), 1e-12)
    bounds, moves = {"least": 1 / (REACH * rho), "most": REACH / rho}, " at first; it balances primal and dual moves"
    if policy.step is not None:
        rho, bounds, moves = 1 / policy.step, {}, ", the step given"
    reasons = (
        "admm: every operator is diagonal in Fourier space, so x is solved for exactly",
        f"rho = {rho:.4g}{moves}; over-relaxed by {RELAXATION}",
    )
    return Choice(Admm(), hypers_of(problem, 1 / rho, (), **bounds), reasons)


def _threshold(problem: Problem, term: Term) -> float:
    """Weight/mean|W x| at the start, or where that is 0 at Σ Kᵀb; 0 where both are."""
    pulled = [one.pulled for one in problem.smooth if one.pulled is not None]
    shapes = jax.tree.map(jnp.shape, problem.init)
    for x in (problem.init, *(one for one in pulled if jax.tree.map(jnp.shape, one) == shapes)):
        size = float(jnp.mean(jnp.abs(logical(term.operator.apply(x)))))
        if size > 0 and math.isfinite(size):
            return float(term.atom.weight) / size
    return 0.0


def choose_pd3o(problem: Problem, policy: Policy, at: str) -> Choice:
    """τ from the smooth part, σ_j from what that leaves of τ Σ σ_j‖W_j‖² ≤ 1."""
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
    tau, warnings = explicit(policy.step, natural, limit, at)
    # τ Σ σ_j‖W_j‖² = margin, each block taking an equal share of it, σ_j ∝ 1/‖W_j‖²
    sigma = tuple(PD3O_DUAL_MARGIN / (tau * len(norms) * norm**2) for norm in norms)
    paths = ", ".join(term.path for term in problem.dual)
    shown = ", ".join(f"{value:.4g}" for value in sigma)
    steps = f"tau = {tau:.4g}, sigma = {shown}, with L = {bound:.4g}"
    least, most = None, None
    if policy.step is None:
        known = bound > 0 or (problem.prox is not None and problem.prox.quadratic is not None)
        reach = REACH if known else BLIND_REACH
        least, most = tau / reach, tau if bound > 0 else reach * tau
        steps += ": at first; their ratio balances primal and dual moves"
    reasons = (f"pd3o: {paths} by the prox of its conjugate", steps)
    return Choice(PD3O(), hypers_of(problem, tau, sigma, least=least, most=most), reasons, warnings)


def _balanced_step(problem: Problem, norms: list[float]) -> float:
    """Without a smooth term only the product τσ is bounded.

    A quadratic of weight w in the prox makes the primal problem strongly convex, which wants short primal steps: on
    total-variation denoising 0.05/w took a fifth to a tenth of the iterations of balanced steps.
    """
    if problem.prox is not None and problem.prox.quadratic is not None:
        return STRONGLY_CONVEX_STEP / float(problem.prox.quadratic.weight)
    return float((PD3O_DUAL_MARGIN / sum(norm**2 for norm in norms)) ** 0.5)
