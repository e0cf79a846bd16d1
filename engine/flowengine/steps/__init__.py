"""The primitives that methods are composed of: the gradient step F_Dis, the prox step F_Proj, and their line search."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from flowengine.problem import Problem, Scalar, Term, Tree
from flowengine.storage import add, dot, norm


def smooth_gradient(problem: Problem, x: Array) -> Array:
    """∇f(x) = Σ Aᵀ∇ψ(Ax)."""
    total = jnp.zeros(problem.shape, problem.dtype)
    for term in problem.smooth:
        total = total + term_gradient(term, x)
    return total


def term_gradient(term: Term, x: Array) -> Array:
    """∇(ψ∘A)(x) = Aᵀ∇ψ(Ax).

    Of a quadratic it is weight · (AᵀAx − Aᵀdata), by the short way that the operator has for AᵀA; `term.pulled` holds
    Aᵀdata.
    """
    gradient: Array
    if term.pulled is not None:
        gradient = term.atom.weight * (term.operator.gram(x) - term.pulled)
    else:
        gradient = term.operator.adjoint(term.atom.gradient(term.operator.apply(x)))
    return gradient


def objective(problem: Problem, x: Array) -> Scalar:
    """f(x) + g(x), indicators left out."""
    total = jnp.zeros((), problem.dtype)
    for term in problem.smooth:
        total = total + term.atom.value(term.operator.apply(x))
    if problem.prox is not None:
        total = total + problem.prox.value(x)
    return total


def forward(x: Array, gradient: Array, tau: Scalar) -> Array:
    """F_Dis: x − τ∇f(x)."""
    return x - tau * gradient


def backward(problem: Problem, z: Array, tau: Scalar) -> Array:
    """F_Proj: prox_{τg}(z); z itself where there is no g."""
    prox: Array = problem.prox.prox(z, tau) if problem.prox is not None else z
    return prox


def pull(problem: Problem, y: tuple[Tree, ...]) -> Array:
    """Σ W_jᵀ y_j."""
    first, *rest = (term.operator.adjoint(dual) for term, dual in zip(problem.dual, y, strict=True))
    total: Array = sum(rest, start=first)
    return total


def dual_ascent(term: Term, y: Tree, point: Array, sigma: Scalar) -> Tree:
    """Y ← prox_{σh*}(y + σ W point)."""
    return term.atom.prox_conjugate(add(y, term.operator.apply(point), sigma), sigma)


def descend(problem: Problem, y: Array, gradient: Array, tau: Scalar) -> Array:
    """prox_{τg}(y − τ∇f(y))."""
    return backward(problem, forward(y, gradient, tau), tau)


def backtracked(problem: Problem, y: Array, gradient: Array, tau: Scalar, least: Scalar) -> tuple[Array, Scalar]:
    """As `descend`, with τ halved until ⟨∇f(x⁺) − ∇f(y), x⁺ − y⟩ ≤ ‖x⁺ − y‖²/τ, but never below `least`.

    The textbook's test of values drives τ to nothing by rounding near a solution; this one compares gradients, and a
    step of length ≤ 10 ε‖y‖ is taken as it is. A gradient that isn't finite, beyond a barrier, is no step either.
    """
    enough = 10 * np.finfo(y.dtype).eps * norm(y)

    def too_long(at: tuple[Array, Scalar]) -> Array:
        x, step = at
        moved = x - y
        turned = dot(smooth_gradient(problem, x) - gradient, moved)
        fits = (turned <= dot(moved, moved) / step) | (norm(moved) <= enough)
        longer: Array = ~fits & (step > least)
        return longer

    def shorter(at: tuple[Array, Scalar]) -> tuple[Array, Scalar]:
        step = jnp.maximum(at[1] / 2, least)
        return descend(problem, y, gradient, step), step

    found: tuple[Array, Scalar] = lax.while_loop(too_long, shorter, (descend(problem, y, gradient, tau), tau))
    return found
