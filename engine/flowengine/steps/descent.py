"""The primitives of minimisers: the gradient step F_Dis, the prox step F_Proj, and their line search."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.arithmetic import add, dot, norm, scale, subtract, sum_over, zeros_like
from flowengine.linops import Identity, Pair
from flowengine.problem import Hypers, Problem, Scalar, Term, Tree
from flowengine.xla import computed_once

GROWTH = 1.1  # of a step that is searched for without a bound, from one search to the next


def smooth_gradient(problem: Problem, x: Tree) -> Tree:
    """∇f(x) = Σ Aᵀ∇ψ(Ax)."""
    if not problem.smooth:
        return zeros_like(x)
    first, *rest = (term_gradient(term, x) for term in problem.smooth)
    return functools.reduce(add, rest, first)


def term_gradient(term: Term, x: Tree) -> Tree:
    """∇(ψ∘A)(x) = Aᵀ∇ψ(Ax).

    Of a quadratic it is weight · (AᵀAx − Aᵀdata), by the short way that the operator has for AᵀA; `term.pulled` holds
    Aᵀdata.
    """
    if term.pulled is not None:
        return scale(subtract(term.operator.gram(x), term.pulled), term.atom.weight)
    force = term.atom.gradient(term.operator.apply(x))
    if not isinstance(term.operator, Identity | Pair):
        force = computed_once(force, term.atom.weight)  # an adjoint stencil would compute it for each neighbour
    return term.operator.adjoint(force)


def parted(problem: Problem) -> list[Term]:
    """The terms whose gradient is itself a balance; an entry point's own atoms need not know of that."""
    return [term for term in problem.smooth if getattr(term.atom, "parted", False)]


def gradient_parts(problem: Problem, x: Tree) -> list[Tree]:
    """Of each of those terms, Aᵀ of the parts that cancel at a minimum of it."""
    return [term.operator.adjoint(part) for term in parted(problem) for part in term.atom.parts(term.operator.apply(x))]


def objective(problem: Problem, x: Tree) -> Scalar:
    """f(x) + g(x), indicators left out."""
    return sum_over(densities(problem, x))


def smooth_images(problem: Problem, x: Tree) -> tuple[Tree | None, ...]:
    """A_i x of every quadratic behind an operator; None of the others.

    Beside ∇f(x), in one program without a barrier between them, XLA finds what both share: a Fourier transform of x,
    a product with a matrix.
    """
    return tuple(
        None if term.pulled is None or isinstance(term.operator, Identity) else term.operator.apply(x)
        for term in problem.smooth
    )


def densities(problem: Problem, x: Tree, images: tuple[Tree | None, ...] = ()) -> list[Array]:
    """Arrays of which f(x) + g(x) is the sum; `images` are those of `smooth_images`, where they are at hand."""
    found = [jnp.zeros((), problem.real)]
    for term, image in zip(problem.smooth, images or (None,) * len(problem.smooth), strict=True):
        found += term.atom.densities(term.operator.apply(x) if image is None else image)
    if problem.prox is not None:
        found += problem.prox.densities(x)
    return found


def forward(x: Tree, gradient: Tree, tau: Tree) -> Tree:
    """F_Dis: x − τ∇f(x)."""
    return add(x, gradient, jax.tree.map(jnp.negative, tau))


def backward(problem: Problem, z: Tree, tau: Tree) -> Tree:
    """F_Proj: prox_{τg}(z); z itself where there is no g."""
    return problem.prox.prox(z, tau) if problem.prox is not None else z


def pull(problem: Problem, y: tuple[Tree, ...]) -> Tree:
    """Σ W_jᵀ y_j."""
    first, *rest = (term.operator.adjoint(dual) for term, dual in zip(problem.dual, y, strict=True))
    return functools.reduce(add, rest, first)


def dual_ascent(term: Term, y: Tree, point: Tree, sigma: Scalar) -> Tree:
    """Y ← prox_{σh*}(y + σ W point)."""
    return term.atom.prox_conjugate(add(y, term.operator.apply(point), sigma), sigma)


def descend(problem: Problem, y: Tree, gradient: Tree, tau: Tree) -> Tree:
    """prox_{τg}(y − τ∇f(y))."""
    return backward(problem, forward(y, gradient, tau), tau)


def grown(tau: Scalar, hypers: Hypers, factor: float | Scalar = GROWTH) -> Scalar:
    """The step to try next, never beyond `hypers.most`: where nothing moves any more no search would shorten it."""
    longer = tau * factor
    return longer if hypers.most is None else jnp.minimum(longer, hypers.most)


def backtracked(problem: Problem, y: Tree, gradient: Tree, tau: Scalar, least: Scalar) -> tuple[Tree, Scalar]:
    """As `descend`, with τ halved until ⟨∇f(x⁺) − ∇f(y), x⁺ − y⟩ ≤ ‖x⁺ − y‖²/τ, but never below `least`.

    The textbook's test of values drives τ to nothing by rounding near a solution; this one compares gradients, and a
    step of length ≤ 10 ε‖y‖ is taken as it is. A gradient that isn't finite, beyond a barrier, is no step either.
    """
    enough = 10 * np.finfo(problem.dtype).eps * norm(y)

    def too_long(at: tuple[Tree, Scalar]) -> Array:
        x, step = at
        moved = subtract(x, y)
        turned = dot(subtract(smooth_gradient(problem, x), gradient), moved)
        fits = (turned <= dot(moved, moved) / step) | (norm(moved) <= enough)
        longer: Array = ~fits & (step > least)
        return longer

    def shorter(at: tuple[Tree, Scalar]) -> tuple[Tree, Scalar]:
        step = jnp.maximum(at[1] / 2, least)
        return descend(problem, y, gradient, step), step

    found: tuple[Tree, Scalar] = lax.while_loop(too_long, shorter, (descend(problem, y, gradient, tau), tau))
    return found
