"""The primitives of samplers: the Langevin step F_Ann and the symplectic step F_Con, on the potential of an energy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import add, scale, subtract, sum_over, weighed
from flowengine.problem import Problem, Scalar, Tree
from flowengine.steps.charts import moved, simplices, slope, volume
from flowengine.steps.descent import densities, objective, smooth_gradient

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


def langevin(problem: Problem, x: Tree, gradient: Tree, h: Scalar, temperature: Scalar, key: Array) -> Tree:
    """F_Ann: a move by −h∇U + √(2Th) ξ, U = E where no simplex holds the variable."""
    drawn = noise(jax.random.fold_in(key, PROPOSE), x)
    step = add(scale(drawn, jnp.sqrt(2 * temperature * h)), slope(problem, x, gradient, temperature), -h)
    return moved(problem, x, step, drawn)[0]


def momentum(x: Tree, temperature: Scalar, key: Array) -> Tree:
    """P ~ N(0, T)."""
    return scale(noise(jax.random.fold_in(key, MOMENTUM), x), jnp.sqrt(temperature))


def kick_drift_kick(
    problem: Problem, x: Tree, p: Tree, gradient: Tree, h: Scalar, temperature: Scalar, widths: Tree | None = None
) -> tuple[Tree, Tree, Tree]:
    """F_Con: one leapfrog step of ½p² + U(w ⊙ u) in u = c/w, c the coordinates of x, with the new ∇E(x).

    It keeps volumes and is its own inverse, also where it is reflected.

    Args:
        problem: E, and the sets that hold variables.
        x: The point.
        p: Momentum of u, of mass 1: of c it is p/w, and the mass of entry i is 1/wᵢ².
        gradient: ∇E(x).
        h: The step.
        temperature: T, which U depends on.
        widths: w; None: 1.
    """

    def kicked(x: Tree, p: Tree, gradient: Tree) -> Tree:
        return add(p, _wide(slope(problem, x, gradient, temperature), widths), -h / 2)

    p = kicked(x, p, gradient)
    x, p = moved(problem, x, scale(_wide(p, widths), h), p)
    gradient = smooth_gradient(problem, x)
    return x, kicked(x, p, gradient), gradient


def potential(problem: Problem, x: Tree, temperature: Scalar) -> Scalar:
    """U, the energy in the coordinates of x: E(x) − T log(volume)."""
    energy = objective(problem, x)
    return energy - temperature * volume(problem, x) if simplices(problem) else energy


def _wide(a: Tree, widths: Tree | None) -> Tree:
    return a if widths is None else weighed(a, widths)


def accepts(key: Array, log_ratio: Scalar) -> tuple[Array, Scalar]:
    """Metropolis' rule: whether to move, and with what probability; never to where the energy is not finite."""
    probability = jnp.where(jnp.isnan(log_ratio), 0, jnp.exp(jnp.minimum(log_ratio, 0)))
    draw = jax.random.uniform(jax.random.fold_in(key, ACCEPT), (), log_ratio.dtype)
    return draw < probability, probability
