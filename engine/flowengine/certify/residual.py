"""Residual, energy and gap: the same meaning for every method."""

from __future__ import annotations

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.arithmetic import add, norm, scale, sum_over, zeros_like
from flowengine.atoms import DualDomain, Separable, has_bound
from flowengine.linops import Gradient
from flowengine.problem import Balance, Evidence, Problem, Scalar, Sizes, Tree, pytree
from flowengine.steps import densities, gradient_parts, parted, smooth_gradient, term_gradient, whitened
from flowengine.xla import either

ROUNDING = 1e3  # of eps: a gradient at zero that is no more than this share of the start's is 0 but for rounding


Memory = tuple[Array, Array]


@pytree()
class Scales:
    """What makes residuals relative, for each variable (one number where there is one, else V of them) and dual term.

    A scale is made of what there is now, not of what there was on the way: a transient, or a far start, must not hide
    what is left of it. Memory serves only where everything that is compared goes to 0 at a solution, and never beyond
    what the size of x, or of y_j, allows; of W_j x, too, what a minimiser of the terms with a curvature would be.

    Attributes:
        balance: Of the summands of the imbalance.
        images: Of W_j x and z_j.
        base: ‖∇f(0)‖, a part of ∇f(x) = (∇f(x) − ∇f(0)) + ∇f(0) wherever x is; the least number there is where
            other parts (`Base.parted`) or several terms tell more; 0 where nothing does, and memory has to serve.
        seen: The largest ‖∇f‖ since the start, for those whose base is 0, and ‖ξ‖ of what is no constraint.
        pulled: The largest ‖W_jᵀy_j‖, and the largest share of ‖y_j‖ that it was.
        reached: The largest ‖W_j x‖, and the largest multiple of ‖x‖ that it was.
        sizes: As they are, for what is rounded.
    """

    balance: Array
    images: tuple[Scalar, ...]
    base: Array
    seen: Array
    pulled: tuple[Memory, ...]
    reached: tuple[Memory, ...]
    sizes: Sizes


def no_scales(problem: Problem, *, relative: bool) -> Scales:
    """Before anything is known; of a sampler, whose residual is not `relative`, no dual term has any."""
    count, terms = len(problem.unknowns), len(problem.dual) if relative else 0
    one = jnp.zeros((), problem.real)
    each = jnp.zeros(count, problem.real) if count > 1 else one
    return Scales(
        each,
        (one,) * terms,
        each,
        each,
        ((each, each),) * terms,
        ((one, one),) * terms,
        Sizes(one, one, (one,) * terms, (one,) * terms),
    )


def start_scales(problem: Problem, *, relative: bool) -> Scales:
    """The scale of ∇f where the run starts and at zero; nothing where no residual is to be made `relative`."""
    nothing_yet = no_scales(problem, relative=relative)
    if not relative:
        return nothing_yet
    tiny = float(np.finfo(problem.real).tiny)
    there, at_zero = (_slopes(problem, x) for x in (problem.init, zeros_like(problem.init)))
    finite = jnp.isfinite(at_zero)
    rounding = ROUNDING * float(np.finfo(problem.real).eps) * jnp.where(jnp.isfinite(there), there, 0)
    base = jnp.where(finite & (at_zero > rounding), at_zero, 0)
    if parted(problem):  # but of a manifold's tangent space all parts may be 0 at a solution
        flat = np.array([not one.curved for one in problem.unknowns]).reshape(base.shape)
        base = jnp.where(flat, jnp.maximum(base, tiny), base)
    elif len(problem.smooth) + len(problem.dual) + (problem.prox is not None) > 1:
        base = jnp.where(finite, base, tiny)
    seen = jnp.where(jnp.isfinite(there) & (base == 0), there, 0)
    return replace(nothing_yet, balance=jnp.maximum(base, seen), base=base, seen=seen)


@jax.jit  # traced once
def _slopes(problem: Problem, x: Tree) -> Array:
    """‖∇f(x)‖ in each variable."""
    return _sizes(problem, x, smooth_gradient(problem, x))


def _sizes(problem: Problem, x: Tree, slope: Tree) -> Array:
    """The length of a gradient in each variable, on a manifold of what is tangent, in its metric."""
    return _norms(problem, whitened(problem, x, slope))


def rescaled(problem: Problem, scales: Scales, balance: Balance, evidence: Evidence) -> Scales:
    """The scales at one more look."""
    x = evidence.x
    sizes = functools.partial(_sizes, problem, x)
    slopes = [sizes(balance.gradient)] if balance.gradient is not None else []
    if len(problem.smooth) > 1:
        slopes += [sizes(term_gradient(one, x)) for one in problem.smooth]
    slopes += [sizes(part) for part in gradient_parts(problem, x)]
    subgradient = sizes(balance.subgradient)
    bounded = [subgradient] if problem.prox is not None and not problem.prox.indicator else []
    most = functools.reduce(lax.max, [*slopes, *bounded], scales.seen)
    seen = either(scales.base > 0, jnp.zeros_like(most), most)
    found = [scales.base, seen, *slopes, subgradient]
    pulled, reached, images = [], [], []
    size, reach = norm(x), _reach(problem, scales, zeros_like(x))
    for j, term in enumerate(problem.dual):
        y, image = balance.dual[j], evidence.images[j]
        pull = _norms(problem, balance.pull if len(problem.dual) == 1 else term.operator.adjoint(y))
        memory, usual = _remembered(scales.pulled[j], pull, norm(y))
        pulled.append(memory)
        found += [pull, usual]
        there, moreau = (_length(problem, j, one) for one in (image, add(image, evidence.defects[j], -1.0)))
        memory, usual = _remembered(scales.reached[j], there, size)
        reached.append(memory)
        usual = usual if reach is None else lax.max(usual, memory[1] * reach)
        images.append(lax.max(lax.max(there, moreau), usual))
    balanced = functools.reduce(lax.max, found)
    lengths = Sizes(
        size, jnp.max(balanced), tuple(norm(one) for one in evidence.images), tuple(norm(one) for one in balance.dual)
    )
    return Scales(balanced, tuple(images), scales.base, seen, tuple(pulled), tuple(reached), lengths)


def _reach(problem: Problem, scales: Scales, zero: Tree) -> Scalar | None:
    """‖∇(f + g + Σ h_j∘W_j)(0)‖ ÷ curvature, of what has one: no minimiser of that alone is nearer to 0.

    Where the other terms pull x to 0, W_j x and z_j go there too, and are compared with what the data ask for.
    """
    if problem.curvature is None or problem.units is not None:
        return None
    pulls = [norm(scales.base)]
    parted = isinstance(problem.prox, Separable)
    parts = [(part, zero[name]) for name, part in problem.prox.parts.items()] if parted else [(problem.prox, zero)]
    for part, origin in parts:
        losses = (getattr(part, "quadratic", None), getattr(part, "other", None))
        pulls += [norm(one.gradient(origin)) for one in losses if one is not None and has_bound(one)]
    for term in (one for one in problem.dual if has_bound(one.atom)):
        pulls.append(norm(term.operator.adjoint(term.atom.gradient(term.operator.apply(zero)))))
    return functools.reduce(jnp.add, pulls) / problem.curvature


def _remembered(memory: Memory, now: Array, size: Scalar) -> tuple[Memory, Array]:
    """The largest values, and multiples of a size, that there were; and the largest that this size allows."""
    most = lax.max(memory[0], now)
    share = lax.max(memory[1], now / jnp.maximum(size, np.finfo(now.dtype).tiny))
    return (most, share), lax.min(most, share * size)


def _norms(problem: Problem, a: Tree) -> Array:
    """The norm in each variable, in the units of its entries."""
    if len(problem.unknowns) == 1:
        columns = problem.units and problem.units.columns
        return norm(a if columns is None else a / columns)
    return jnp.stack([norm(a[one.name]) for one in problem.unknowns])


def _length(problem: Problem, j: int, image: Tree) -> Scalar:
    """The norm of what is like W_j x, in the units of its rows."""
    rows = problem.units and problem.units.rows[j]
    return norm(image if rows is None else image / rows)


def residual(problem: Problem, evidence: Evidence, scales: Scales) -> tuple[Scalar, Scalar, Scalar]:
    """How far from a solution: (residual, feasibility, ‖∇f + ξ + ΣWᵀy‖).

    residual = max(max_v ‖∇f(x) + ξ + Σ W_jᵀy_j‖_v / S_v, max_j ‖W_j x − z_j‖ / S_j) over variables v and dual terms j,
    entries in their `Units`; the second part alone is `feasibility`.
    """
    if evidence.imbalance is None:
        nan = jnp.full((), jnp.nan, problem.real)
        return nan if evidence.residual is None else evidence.residual, nan, nan
    balance = _norms(problem, evidence.imbalance)
    feasibility = jnp.zeros((), problem.real)
    for j, defect in enumerate(evidence.defects):
        feasibility = jnp.maximum(feasibility, _relative(_length(problem, j, defect), scales.images[j]))
    shares, whole = _relative(balance, scales.balance), balance
    if len(problem.unknowns) > 1:
        shares, whole = jnp.max(shares), norm(evidence.imbalance)
    elif problem.units is not None:
        whole = norm(evidence.imbalance)
    return jnp.maximum(shares, feasibility), feasibility, whole


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
