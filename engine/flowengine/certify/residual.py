"""Residual, energy and gap: the same meaning for every method."""

from __future__ import annotations

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from flowengine.atoms import DualDomain
from flowengine.linops import Gradient
from flowengine.problem import Balance, Evidence, Hypers, Problem, Scalar, Tree, pytree
from flowengine.steps import backward, densities, smooth_gradient, tangent, term_gradient
from flowengine.storage import add, norm, scale, subtract, sum_over, weighed, zeros_like

ROUNDING = 1e3  # of eps: norms at zero that are no more than this share of the start's are 0 but for rounding


@pytree()
class Scales:
    """Running maxima of the norms that make residuals relative.

    Attributes:
        balance: Of ∇f (from the start on), of each ∇f_i where there are several, ξ and Σ Wᵀy; on a manifold of what is
            tangent.
        images: Of W_j x and z_j, for each dual term.
        least: Of a start that is farther off than zero, the norms at zero: `balance` is never below them, and forgets
            what came before, for a residual of 1e-6 of such a start is no solution. The least number there is where
            zero is beyond a barrier, so that nothing is known of the start, and several terms keep up a balance.
            0 for any other start.
    """

    balance: Scalar
    images: tuple[Scalar, ...]
    least: Scalar


def no_scales(problem: Problem, *, relative: bool) -> Scales:
    """Before anything is known; of a sampler, whose residual is not `relative`, no dual term has any."""
    zero = jnp.zeros((), problem.real)
    return Scales(zero, (zero,) * len(problem.dual) if relative else (), zero)


def start_scales(problem: Problem, hypers: Hypers, *, relative: bool) -> Scales:
    """The scale of ∇f where the run starts: of an energy with smooth terms alone, nothing else would stay.

    0 where it is not finite, beyond a barrier; nothing where no residual is to be made `relative`, of a sampler.
    """
    nothing_yet = no_scales(problem, relative=relative)
    if not relative:
        return nothing_yet
    zero = nothing_yet.balance
    first, subgradient = _pulls(problem, hypers, problem.init)
    nothing, nothings = _pulls(problem, hypers, zeros_like(problem.init))
    there, at_zero = jnp.maximum(first, subgradient), jnp.maximum(nothing, nothings)
    rounding = ROUNDING * float(np.finfo(problem.real).eps) * there
    least = jnp.where((there > at_zero) & (at_zero > rounding), at_zero, zero)  # false where one is not a number
    if len(problem.smooth) + len(problem.dual) + (problem.prox is not None) > 1:
        least = jnp.where(jnp.isfinite(at_zero), least, float(np.finfo(problem.real).tiny))
    first = jnp.where(jnp.isfinite(first), first, zero)
    return replace(nothing_yet, balance=jnp.where(least > 0, least, first), least=least)


@jax.jit  # traced once
def _pulls(problem: Problem, hypers: Hypers, x: Tree) -> tuple[Scalar, Scalar]:
    """‖∇f(x)‖ and ‖x − prox_{τg}(x)‖/τ, no more than the shortest of ∂g(x)."""
    moved = weighed(subtract(x, backward(problem, x, hypers.tau)), jax.tree.map(lambda tau: 1 / tau, hypers.tau))
    return norm(tangent(problem, x, smooth_gradient(problem, x))), norm(moved)


def grow(problem: Problem, scales: Scales, balance: Balance, evidence: Evidence) -> Scales:
    """The scales after one more look."""
    kept = jnp.where(scales.least > 0, scales.least, scales.balance)
    norms = [kept, *(norm(part) for part in balance.summands)]
    if len(problem.smooth) > 1:
        norms += [norm(tangent(problem, evidence.x, term_gradient(one, evidence.x))) for one in problem.smooth]
    images = tuple(
        jnp.maximum(before, jnp.maximum(norm(image), norm(add(image, defect, -1.0))))
        for before, image, defect in zip(scales.images, evidence.images, evidence.defects, strict=True)
    )
    return Scales(jnp.max(jnp.stack(norms)), images, scales.least)


def residual(evidence: Evidence, scales: Scales) -> tuple[Scalar, Scalar, Scalar]:
    """How far from a solution: (residual, feasibility, ‖∇f + ξ + ΣWᵀy‖).

    residual = max(‖∇f(x) + ξ + Σ W_jᵀy_j‖ / S, max_j ‖W_j x − z_j‖ / S_j), the second part alone is `feasibility`.
    """
    if evidence.imbalance is None:
        nan = jnp.full_like(scales.balance, jnp.nan)
        return nan if evidence.residual is None else evidence.residual, jnp.zeros_like(nan), nan
    balance = norm(evidence.imbalance)
    feasibility = jnp.zeros_like(balance)
    for defect, image in zip(evidence.defects, scales.images, strict=True):
        feasibility = jnp.maximum(feasibility, _relative(norm(defect), image))
    return jnp.maximum(_relative(balance, scales.balance), feasibility), feasibility, balance


def energy(problem: Problem, evidence: Evidence) -> Scalar:
    """E = f(x) + g(x) + Σ h_j(W_j x), indicators left out (their violation is `feasibility`)."""
    if evidence.energy is not None:
        return evidence.energy
    found = densities(problem, evidence.x, evidence.smooth)
    again = lax.optimization_barrier(evidence.x)
    for term, image in zip(problem.dual, evidence.images, strict=True):
        found += term.atom.densities(term.operator.apply(again) if isinstance(term.operator, Gradient) else image)
    return sum_over(found)


def gap(problem: Problem, balance: Balance, evidence: Evidence) -> Scalar:
    """(P − D)/max(|P|, |D|, tiny), with the dual value at the method's own duals.

    P = f(x) + g(x) + Σ h_j(W_j x) = E, an upper bound of the minimum where no h_j is an indicator.
    D = −Σ f_i*(u_i) − Σ h_j*(y_j) − g*(−Σ A_iᵀu_i − Σ W_jᵀy_j), u_i = ∇ψ_i(A_i x). A norm alone as g bounds the last
    argument: all duals are shrunk until it fits. NaN where the dual has no finite value.
    """
    prox = problem.prox
    if prox is None or not has_conjugate(problem):
        return jnp.full((), jnp.nan, problem.real)
    first, *rest = (part for part in (balance.gradient, balance.pull) if part is not None)
    pulled = scale(functools.reduce(add, rest, first), -1.0)
    shrink = prox.shrink(pulled)
    dual = -prox.conjugate(scale(pulled, shrink))
    for term in problem.smooth:
        dual = dual - term.atom.conjugate(scale(term.atom.gradient(term.operator.apply(evidence.x)), shrink))
    for term, y in zip(problem.dual, balance.dual, strict=True):
        dual = dual - term.atom.conjugate(scale(y, shrink))
    primal = energy(problem, evidence)
    return _relative(primal - dual, jnp.maximum(jnp.abs(primal), jnp.abs(dual)))


def has_conjugate(problem: Problem) -> bool:
    """Whether the dual has a finite value at every point that a method visits."""
    prox = problem.prox
    if prox is None or prox.dual_domain is DualDomain.PART:
        return False
    if prox.dual_domain is DualDomain.BALL and any(term.atom.rigid for term in (*problem.smooth, *problem.dual)):
        return False  # duals are shrunk into the ball
    return all(term.atom.convex for term in problem.smooth) and not any(term.atom.indicator for term in problem.dual)


def _relative(value: Scalar, scale: Scalar) -> Scalar:
    return value / jnp.maximum(scale, np.finfo(value.dtype).tiny)
