"""Steps of `pd3o`: of a smooth part, of a prox, and of what the dual terms leave room for."""

from __future__ import annotations

from flowapi.errors import DocumentError
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.compiler.choice import (
    ANCHORED,
    BLIND_REACH,
    REACH,
    Choice,
    explicit,
    flat,
    hypers_of,
    lipschitz,
)
from flowengine.methods import PD3O, AnchoredPD3O
from flowengine.problem import Method, Problem

PD3O_SMOOTH_STEP = 1.9  # of 1/L_f; the bound is 2
PD3O_DUAL_MARGIN = 0.99
STRONGLY_CONVEX_STEP = 0.05  # of 1/weight


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
    tau, warnings = explicit(policy.step, natural, limit, at, below=True)
    # τ Σ σ_j‖W_j‖² = margin, each block taking an equal share of it, σ_j ∝ 1/‖W_j‖²
    sigma = tuple(PD3O_DUAL_MARGIN / (tau * len(norms) * norm * norm) for norm in norms)
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
    if bound == 0 and flat(problem) and problem.dtype == "float64":  # rounding of float32 holds an anchor up
        method, reasons = AnchoredPD3O(), (*reasons, ANCHORED)
    return Choice(method, hypers_of(problem, tau, sigma, least=least, most=most), reasons, warnings)


def _balanced_step(problem: Problem, norms: list[float]) -> float:
    """Without a smooth term only the product τσ is bounded.

    A quadratic of weight w in the prox makes the primal problem strongly convex, which wants short primal steps: on
    total-variation denoising 0.05/w took a fifth to a tenth of the iterations of balanced steps.
    """
    if problem.prox is not None and problem.prox.quadratic is not None:
        return STRONGLY_CONVEX_STEP / float(problem.prox.quadratic.weight)
    return float((PD3O_DUAL_MARGIN / sum(norm * norm for norm in norms)) ** 0.5)
