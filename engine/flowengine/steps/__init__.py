"""The primitives that methods are composed of, as pure functions: the gradient step F_Dis and the prox step F_Proj."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from flowengine.problem import Problem, Scalar, Term, Tree
from flowengine.storage import add


def smooth_gradient(problem: Problem, x: Array) -> Array:
    """∇f(x) = Σ weight · (AᵀAx − Aᵀdata), by the short way that each operator has for AᵀA."""
    total = jnp.zeros(problem.shape, problem.dtype)
    for term in problem.smooth:
        total = total + term_gradient(term, x)
    return total


def term_gradient(term: Term, x: Array) -> Array:
    """∇(ψ∘A)(x) = weight · (AᵀAx − Aᵀdata) of a quadratic ψ; `term.pulled` holds Aᵀdata."""
    gradient: Array = term.atom.weight * (term.operator.gram(x) - term.pulled)
    return gradient


def forward(x: Array, gradient: Array, tau: Scalar) -> Array:
    """F_Dis: x − τ∇f(x)."""
    return x - tau * gradient


def backward(problem: Problem, z: Array, tau: Scalar) -> Array:
    """F_Proj: prox_{τg}(z); z itself where there is no g."""
    prox: Array = problem.prox.prox(z, tau) if problem.prox is not None else z
    return prox


def dual_ascent(term: Term, y: Tree, point: Array, sigma: Scalar) -> Tree:
    """Y ← prox_{σh*}(y + σ W point)."""
    return term.atom.prox_conjugate(add(y, term.operator.apply(point), sigma), sigma)
