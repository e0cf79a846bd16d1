"""The primitives of samplers: the Langevin step F_Ann and the symplectic step F_Con, on the potential of an energy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import add, scale, subtract, sum_over
from flowengine.problem import Problem, Scalar, Tree
from flowengine.steps.descent import densities, smooth_gradient

LAZIER = 0.6  # the power of k by which tuning learns less from every move: below 1, so that it reaches any step
STRETCHED = 1e6  # the most that it makes of a step, or takes of it

PROPOSE, ACCEPT, MOMENTUM = range(3)  # what a key is folded with before it is used


def energy_of(problem: Problem, x: Tree) -> Scalar:
    """E(x), the terms without a gradient too; indicators left out."""
    found = densities(problem, x)
    for term in problem.dual:
        found += term.atom.densities(term.operator.apply(x))
    return sum_over(found)


def potential_gradient(problem: Problem, x: Tree, smoothing: Scalar | None) -> Tree:
    """∇f(x) + Σ Wᵀ(Wx − prox_{λh}(Wx))/λ: terms without a gradient by that of their Moreau envelope."""
    gradient = smooth_gradient(problem, x)
    for term in problem.dual:
        image = term.operator.apply(x)
        away = subtract(image, term.atom.prox(image, smoothing))
        gradient = add(gradient, term.operator.adjoint(scale(away, 1 / jnp.asarray(smoothing))))
    return gradient


def noise(key: Array, like: Tree) -> Tree:
    """Standard normal numbers, for each variable from a key of its own."""
    leaves, form = jax.tree.flatten(like)
    drawn = [jax.random.normal(jax.random.fold_in(key, i), leaf.shape, leaf.dtype) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(form, drawn)


def langevin(x: Tree, gradient: Tree, h: Scalar, temperature: Scalar, key: Array) -> Tree:
    """F_Ann: x − h∇E(x) + √(2Th) ξ."""
    drift = add(x, gradient, -h)
    return add(drift, noise(jax.random.fold_in(key, PROPOSE), x), jnp.sqrt(2 * temperature * h))


def momentum(x: Tree, temperature: Scalar, key: Array) -> Tree:
    """P ~ N(0, T)."""
    return scale(noise(jax.random.fold_in(key, MOMENTUM), x), jnp.sqrt(temperature))


def kick_drift_kick(problem: Problem, x: Tree, p: Tree, gradient: Tree, h: Scalar) -> tuple[Tree, Tree, Tree]:
    """F_Con: one leapfrog step of ½p² + E(x), which keeps volumes and is its own inverse; with the new gradient."""
    p = add(p, gradient, -h / 2)
    x = add(x, p, h)
    gradient = smooth_gradient(problem, x)
    return x, add(p, gradient, -h / 2), gradient


def accepts(key: Array, log_ratio: Scalar) -> tuple[Array, Scalar]:
    """Metropolis' rule: whether to move, and with what probability; never to where the energy is not finite."""
    probability = jnp.where(jnp.isnan(log_ratio), 0, jnp.exp(jnp.minimum(log_ratio, 0)))
    draw = jax.random.uniform(jax.random.fold_in(key, ACCEPT), (), log_ratio.dtype)
    return draw < probability, probability


def tuned(stretch: Scalar, acceptance: Scalar, target: float, k: Array) -> Scalar:
    """The factor of the step after move k: log s ← log s + k^(−0.6)(α − α*).

    Source: Andrieu and Thoms, Statistics and Computing 18, 2008, section 5.
    """
    gain = k.astype(stretch.dtype) ** -LAZIER
    return jnp.clip(stretch * jnp.exp(gain * (acceptance - target)), 1 / STRETCHED, STRETCHED)
