"""The method and its steps, with the reasons."""

from __future__ import annotations

import math
from dataclasses import replace

import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from flowapi.errors import DocumentError
from flowapi.model import join
from flowapi.policy import Policy
from flowengine.arithmetic import norm
from flowengine.atoms import Embedded, Separable
from flowengine.compiler.choice import Choice, explicit, hypers_of, lipschitz
from flowengine.compiler.metric import EXACT_ENTRIES, UNEVEN, jacobi_steps, metric_hindrance, unevenness
from flowengine.compiler.primal_dual import choose_pd3o
from flowengine.compiler.searching import check_searching, check_start, search, stays
from flowengine.compiler.splitting import choose_admm, entries
from flowengine.compiler.units import APART
from flowengine.methods import Fista, Palm, ProximalGradient, RiemannianGradient
from flowengine.problem import Hypers, Method, Problem, Tree
from flowengine.steps import smooth_gradient

LONG = 1e3  # times the size of the start: a step where f is linear


def choose(problem: Problem, policy: Policy, at: str) -> Choice:
    """Choose the method for a problem's terms within the policy.

    Raises:
        DocumentError: the forced algorithm can't do the problem.
    """
    place = join(at, "policy", "algorithm")
    _check_forced(problem, policy, place)
    if problem.curved:
        return _embedded(problem, policy, at) if problem.prox is not None else _riemannian(problem, policy, at)
    if policy.diagonal:
        _check_metric(problem, policy, at)
    if policy.algorithm == "admm":
        return choose_admm(problem, policy, at)
    if problem.dual:
        return choose_pd3o(problem, policy, at)
    if policy.algorithm == "palm" or (policy.algorithm is None and not problem.convex and len(problem.unknowns) > 1):
        return _palm(problem, policy, at)
    return _gradient(problem, policy, at, accelerated=policy.momentum and problem.convex)


def _check_forced(problem: Problem, policy: Policy, place: str) -> None:
    """What a forced algorithm can't do."""
    if problem.curved:
        able = ("pg" if len(problem.unknowns) == 1 else "palm") if problem.prox is not None else "rgd"
        if policy.algorithm not in (None, able):
            what = "terms by their prox beside manifolds" if problem.prox is not None else "variables on manifolds"
            raise DocumentError(
                f"`{policy.algorithm}` is not for {what}",
                path=place,
                remedy=f"Leave the algorithm out, or use `{able}`.",
            )
        return
    if policy.algorithm == "rgd":
        raise DocumentError(
            "`rgd` needs a variable on a manifold, and this flow has none",
            path=place,
            remedy="Leave the algorithm out, or give a variable a `manifold`.",
        )
    if policy.algorithm in ("pg", "fista", "palm") and problem.dual:
        paths = ", ".join(term.path for term in problem.dual)
        raise DocumentError(
            f"`{policy.algorithm}` can't handle dual terms, and {paths} must be one",
            path=place,
            remedy="Leave the algorithm out, or use `pd3o`.",
        )
    if policy.algorithm == "pd3o" and not problem.dual:
        raise DocumentError(
            "`pd3o` needs a dual term, and this flow has none",
            path=place,
            remedy="Leave the algorithm out, use `pg`, or mark a term `as: dual`.",
        )
    if policy.algorithm == "palm" and len(problem.unknowns) == 1:
        raise DocumentError(
            "`palm` needs two variables or more, and this flow has one", path=place, remedy="Leave the algorithm out."
        )
    if policy.algorithm == "fista" and not problem.convex:
        raise DocumentError("`fista` needs a convex energy", path=place, remedy="Leave the algorithm out, or use `pg`.")


def _palm(problem: Problem, policy: Policy, at: str, why: str = ", for the energy couples them") -> Choice:
    """Blocks in turn, each with a step that is searched for."""
    check_searching(policy, "`palm` searches for its steps", at)
    check_start(problem, at)
    hypers, reason = search(problem, lipschitz(problem.smooth))
    names = ", ".join(one.name for one in problem.unknowns)
    reasons = (f"palm: {names} in turn{why}", f"each {reason}")
    return Choice(Palm(), hypers, reasons, stays(problem, at))


def _embedded(problem: Problem, policy: Policy, at: str) -> Choice:
    """Splitting by proxes: each manifold enters by the prox of its indicator, the nearest point."""
    on = _searching_on(problem, policy, at)
    parts = problem.prox.parts if isinstance(problem.prox, Separable) else {problem.unknowns[0].name: problem.prox}
    for one in problem.unknowns:
        if one.curved and not isinstance(parts[one.name], Embedded):  # an entry point's own
            raise DocumentError(
                f"the prox of `{one.name}` leads off the manifold `{one.manifold}`",
                path=join(at, "entrypoint"),
                remedy="Give it `atoms.embed(…)` as its prox, or smooth terms only.",
            )
    if len(problem.unknowns) > 1:
        choice = _palm(problem, policy, at, ", each by its gradient and its prox")
    else:
        hypers, reason = search(problem, math.inf)
        reasons = ("pg: by the gradient, and a prox on the manifold", reason)
        choice = Choice(ProximalGradient(backtracking=True, growing=True), hypers, reasons)
    return replace(choice, reasons=(*choice.reasons, f"{on}: back to the nearest point after each step"))


def _riemannian(problem: Problem, policy: Policy, at: str) -> Choice:
    """Gradients and retractions, with a step that is searched for."""
    on = _searching_on(problem, policy, at)
    hypers, reason = search(problem, math.inf)
    reasons = [f"rgd: {on}; every term by its gradient", reason]
    return Choice(RiemannianGradient(), hypers, (*reasons, *_orientations(problem)), stays(problem, at))


def _searching_on(problem: Problem, policy: Policy, at: str) -> str:
    """Where the variables lie, if a step can be searched for there as the policy asks."""
    check_searching(policy, "on a manifold the step is searched for, one for all entries", at)
    check_start(problem, at)
    return ", ".join(f"{one.name} on {one.manifold}" for one in problem.unknowns if one.curved)


def _orientations(problem: Problem) -> list[str]:
    """What no path on a manifold changes."""
    return [
        f"{one.name} is square: the sign of its determinant is that of its start, whichever is better"
        for one in problem.unknowns
        if one.manifold == "stiefel" and one.shape[0] == one.shape[-1] and not problem.dtype.startswith("complex")
    ]


def _gradient(problem: Problem, policy: Policy, at: str, *, accelerated: bool) -> Choice:
    """`pg`, or `fista` where momentum is asked for."""
    bound = lipschitz(problem.smooth)
    why = "every nonsmooth term has a simple prox" if problem.prox is not None else "every term is smooth"
    if accelerated:
        why += "; momentum, restarted" if policy.restart == "gradient" else "; momentum, never restarted"
    elif policy.momentum:
        why += "; no momentum, for the energy is not convex"
    elif policy.algorithm is None and problem.convex:
        why += " (`policy: {family: accelerated}` adds momentum)"
    unbounded = math.isinf(bound) and policy.step is None
    searched = policy.step == "backtracking" or unbounded
    method: Method = ProximalGradient(backtracking=searched, growing=searched and math.isinf(bound))
    if accelerated:
        method = Fista(searched, policy.restart == "gradient", guarded=math.isinf(bound))
    if searched:
        check_start(problem, at)
        hypers, reason = search(problem, bound)
        return Choice(method, hypers, (f"{method.name}: {why}", reason), stays(problem, at))
    if (own := _own_steps(problem, policy, bound)) is not None:
        hypers, reason = _by_entry(own, bound)
        return Choice(method, hypers, (f"{method.name}: {why}", reason))
    natural = 1 / bound if bound > 0 else _unbounded_step(problem)
    room = 1 if accelerated or not problem.convex else 2
    limit = room / bound if bound > 0 else float("inf")
    tau, warnings = explicit(policy.step, natural, limit, at, below=room > 1)  # at 2/L nothing need fall
    reasons = (f"{method.name}: {why}", f"tau = {tau:.4g}, with L = {bound:.4g}")
    return Choice(method, hypers_of(problem, tau, ()), reasons, warnings)


def _unbounded_step(problem: Problem) -> float:
    """For a linear f, for which no step is too long: one that moves the start by many times its size."""
    pull = float(norm(smooth_gradient(problem, problem.init)))
    length = LONG * (1 + float(norm(problem.init))) / pull if pull > 0 else 1.0
    return length if math.isfinite(length) else 1.0


def _check_metric(problem: Problem, policy: Policy, at: str) -> None:
    """What keeps entries from having steps of their own."""
    place = join(at, "policy", "preconditioner" if policy.preconditioner else "family")
    hindrance = metric_hindrance(problem) or ("`step` gives one for all of them" if policy.step is not None else "")
    if hindrance:
        raise DocumentError(f"entries can't have steps of their own: {hindrance}", path=place, remedy="Remove it.")


def _own_steps(problem: Problem, policy: Policy, bound: float) -> Tree | None:
    """A step for every entry, where it is asked for; or where one for all would move only those of the largest units.

    Unasked of so few entries that their curvatures are exact, and if most of them gain by it.
    """
    if policy.diagonal:
        return jacobi_steps(problem)
    free = policy.algorithm is None and policy.step is None and problem.convex and entries(problem) <= EXACT_ENTRIES
    if not free or metric_hindrance(problem) or unevenness(problem) < APART**2:
        return None
    steps = jacobi_steps(problem)
    return steps if float(jnp.median(ravel_pytree(steps)[0])) * bound > UNEVEN else None


def _by_entry(steps: Tree, bound: float) -> tuple[Hypers, str]:
    """A step for every entry."""
    hypers = Hypers(steps, ())
    least, most = (float(end(ravel_pytree(steps)[0])) for end in (jnp.min, jnp.max))
    return (
        hypers,
        f"tau from {least:.4g} to {most:.4g}, by the diagonal of the Hessian; one for all would be {1 / bound:.4g}",
    )
