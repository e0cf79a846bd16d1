"""The methods that split: `admm` where the variable can be solved for exactly, else `pd3o`; their steps."""

from __future__ import annotations

import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DocumentError
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.atoms import Quadratic
from flowengine.compiler.choice import Choice, explicit, hypers_of, lipschitz
from flowengine.compiler.scaling import Matrices, matrices_of, scaled_steps
from flowengine.linops import power_of
from flowengine.methods import PD3O, Admm, AnchoredPD3O
from flowengine.methods.admm import RELAXATION
from flowengine.problem import Method, Problem, Term
from flowengine.storage import logical

PD3O_SMOOTH_STEP = 1.9  # of 1/L_f; the bound is 2
PD3O_DUAL_MARGIN = 0.99
STRONGLY_CONVEX_STEP = 0.05  # of 1/weight
RELATIVE_RHO = 0.1  # of L, where no penalty gives a scale
REACH = 1e3  # how many times less a balanced primal step may become than at first, and more where no bound forbids it
EIGEN_ENTRIES = 1024  # more take seconds to find
CHEAP_ENTRIES, CHEAP_SHARE = 256, 8  # entries, or entries² as a share of the operators' numbers, that cost little
EXPLICIT_NUMBERS = 2**24  # of all operators, written out
UNSEEN = "a part of the variable appears in no term"
ANCHORED = "anchored and begun anew, for the problem is like a linear program"
BALANCED = " at first; it balances primal and dual moves"
BLIND_REACH = 1e12  # as REACH, where nothing in the problem says how long a step is


def exactly(problem: Problem, policy: Policy) -> bool:
    """Whether the choice is `admm` where nothing forces an algorithm."""
    free = policy.algorithm is None and policy.step is None and not policy.diagonal and not policy.samples
    if not free or problem.curved or not problem.dual or not_exactly(problem):
        return False
    if policy.family == "accelerated" and problem.smooth and not not_by_fourier(problem):
        return True
    return pays_exactly(problem)


def not_by_admm(problem: Problem) -> str:
    """Why `admm` can't do a problem; empty when it can."""
    if why := not_exactly(problem):
        return why
    periodic = not_by_fourier(problem)
    return periodic and ((why := not_by_eigenvectors(problem)) and f"{periodic}; {why}")


def not_exactly(problem: Problem) -> str:
    """What keeps an exact solver from a problem, whatever the basis."""
    if problem.dtype.startswith("complex"):
        return "the variable is complex"
    if not problem.dual and problem.prox is None:
        return "no term has a prox"
    if problem.prox is not None and not problem.prox.convex:
        return "the energy is not convex"
    for term in problem.smooth:
        if not getattr(term.atom, "affine_gradient", False):
            return f"{term.path} is smooth but not quadratic"
    return ""


def not_by_fourier(problem: Problem) -> str:
    """Why the Fourier transform makes no diagonal of a problem that `admm` can do; empty when it does."""
    if len(problem.unknowns) > 1:
        return "there are several variables"
    if problem.shape == ():
        return "the variable is one number"
    for term in problem.smooth:
        if not isinstance(term.atom, Quadratic):
            return f"{term.path} is no sum of squares"
    terms = (*problem.smooth, *problem.dual)
    powers = [power_of(term.operator, problem.shape) for term in terms]
    for term, power in zip(terms, powers, strict=True):
        if power is None:
            return f"the operator of {term.path} is not a periodic one"
    total = sum(jnp.asarray(power) for power in powers if power is not None)
    seen = problem.prox is not None or float(jnp.min(total)) > 0
    return "" if seen else UNSEEN


def not_by_eigenvectors(problem: Problem) -> str:
    """The same for eigenvectors."""
    if why := _too_large(problem):
        return why
    return UNSEEN if _hidden(problem, matrices_of(problem)) else ""


def _hidden(problem: Problem, matrices: Matrices) -> bool:
    """Whether a part of the variable appears in no term."""
    return problem.prox is None and not matrices.seen


def _too_large(problem: Problem) -> str:
    size = entries(problem)
    if size > EIGEN_ENTRIES:
        return f"eigenvectors of {size} entries would take too long (up to {EIGEN_ENTRIES} can be had)"
    like = jax.eval_shape(lambda x: [term.operator.apply(x) for term in problem.dual], problem.init)
    rows = sum(math.prod(one.shape) for one in jax.tree.leaves(like))
    return f"{rows} × {size} numbers would take too much memory" if rows * size > EXPLICIT_NUMBERS else ""


def pays_exactly(problem: Problem) -> bool:
    """Whether products with eigenvectors cost little beside what the operators cost: then they save iterations."""
    size = entries(problem)
    operators = [term.operator for term in (*problem.smooth, *problem.dual)]
    work = sum(one.size for one in jax.tree.leaves(operators))
    return size**2 <= max(CHEAP_ENTRIES**2, CHEAP_SHARE * work) and not _too_large(problem)


def entries(problem: Problem) -> int:
    """Of all variables."""
    return sum(math.prod(one.shape) for one in problem.unknowns)


def choose_admm(problem: Problem, policy: Policy, at: str) -> Choice:
    """ρ such that the prox of a penalty moves what it acts on by about its own size: weight/mean|W x|; or 1/step."""
    if isinstance(policy.step, str):
        raise DocumentError(
            "`admm` has a fixed step", path=join(at, "policy", "step"), remedy="Leave the step out, or write a number."
        )
    hindrance = not_exactly(problem)
    if not hindrance and (periodic := not_by_fourier(problem)):
        matrices = None if _too_large(problem) else matrices_of(problem)
        if matrices is not None and not _hidden(problem, matrices):
            return _by_eigenvectors(problem, policy, matrices)
        hindrance = f"{periodic}; {_too_large(problem) or UNSEEN}"
    if hindrance:
        raise DocumentError(
            f"`admm` solves for the variable exactly, and {hindrance}",
            path=join(at, "policy", "algorithm"),
            remedy="Leave the algorithm out, or use `pd3o`.",
        )
    rho = min(
        (_threshold(problem, term) for term in problem.dual if hasattr(term.atom, "weight")), default=0.0
    ) or RELATIVE_RHO * max(lipschitz(problem.smooth), 1e-12)
    bounds, moves = {"least": 1 / (REACH * rho), "most": REACH / rho}, BALANCED
    if policy.step is not None:
        rho, bounds, moves = 1 / policy.step, {}, ", the step given"
    reasons = (
        "admm: every operator is diagonal in Fourier space, so x is solved for exactly",
        f"rho = {rho:.4g}{moves}; over-relaxed by {RELAXATION}",
    )
    return Choice(Admm(), hypers_of(problem, 1 / rho, (rho,) * len(problem.dual), **bounds), reasons)


def _by_eigenvectors(problem: Problem, policy: Policy, matrices: Matrices) -> Choice:
    """Steps by the sizes of rows and columns; or 1/step for all of them."""
    names = ", ".join(one.name for one in problem.unknowns)
    rule: Literal["moves", "residuals", "anchor"]
    rule, how = "moves", f"over-relaxed by {RELAXATION}"
    if matrices.curved:
        rule = "residuals"
    elif _flat(problem):
        rule, how = "anchor", ANCHORED
    why = f"admm: {names} is solved for exactly, by eigenvectors of {entries(problem)} entries"
    if policy.step is not None:
        rho = 1 / float(policy.step)
        hypers, moves = hypers_of(problem, 1 / rho, (rho,) * len(problem.dual)), f"rho = {rho:.4g}, the step given"
    else:
        hypers = scaled_steps(problem, matrices)
        taus = [float(np.max(one)) for one in jax.tree.leaves(hypers.tau)]
        moves = f"tau up to {max(taus):.4g}{BALANCED}"
    return Choice(Admm(fourier=False, rule=rule), hypers, (why, f"{moves}; {how}"))


def _flat(problem: Problem) -> bool:
    """Whether every term beside f is piecewise linear."""
    terms = [*(term.atom for term in problem.dual), *([] if problem.prox is None else [problem.prox])]
    return all(getattr(one, "polyhedral", False) for one in terms)


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
    reasons: tuple[str, ...] = (f"pd3o: {paths} by the prox of its conjugate", steps)
    method: Method = PD3O()
    if bound == 0 and _flat(problem) and problem.dtype == "float64":  # rounding of float32 holds an anchor up
        method, reasons = AnchoredPD3O(), (*reasons, ANCHORED)
    return Choice(method, hypers_of(problem, tau, sigma, least=least, most=most), reasons, warnings)


def _balanced_step(problem: Problem, norms: list[float]) -> float:
    """Without a smooth term only the product τσ is bounded.

    A quadratic of weight w in the prox makes the primal problem strongly convex, which wants short primal steps: on
    total-variation denoising 0.05/w took a fifth to a tenth of the iterations of balanced steps.
    """
    if problem.prox is not None and problem.prox.quadratic is not None:
        return STRONGLY_CONVEX_STEP / float(problem.prox.quadratic.weight)
    return float((PD3O_DUAL_MARGIN / sum(norm**2 for norm in norms)) ** 0.5)
