"""Manifolds that a variable may lie on: tangent spaces, gradients in the manifold's metric, retractions.

`project(x, g)` is g's orthogonal projection on the tangent space at x: 0 of ∇f at a stationary point. `gradient(x, g)`
is the tangent vector v with ⟨v, w⟩ₓ = ⟨g, w⟩ for every tangent w, in the manifold's own metric, and `whiten(x, g)` of a
tangent g an array as long as that v: ‖whiten(x, g)‖² = ⟨v, v⟩ₓ. `retract(x, v)` is a point of the manifold that agrees
with x + v to first order. `nearest(x)` is where a start off the manifold begins.
Source: Absil, Mahony and Sepulchre, Optimization Algorithms on Matrix Manifolds, 2008.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.problem import Problem, Tree


class Manifold(ABC):
    """See above; a manifold whose metric is that of the space around it, and which retracts to the nearest point."""

    @abstractmethod
    def project(self, x: Array, g: Array) -> Array:
        """The part of g in the tangent space at x."""

    @abstractmethod
    def nearest(self, x: Array) -> Array:
        """The nearest point of the manifold; not finite where there is none."""

    def gradient(self, x: Array, g: Array) -> Array:
        """Of a function whose gradient among all matrices is g."""
        return self.project(x, g)

    def whiten(self, x: Array, g: Array) -> Array:
        """G itself."""
        del x
        return g

    def retract(self, x: Array, v: Array) -> Array:
        """Where the tangent vector v leads."""
        return self.nearest(x + v)


class Euclidean(Manifold):
    """All arrays."""

    def project(self, x: Array, g: Array) -> Array:
        """G."""
        del x
        return g

    def nearest(self, x: Array) -> Array:
        """X."""
        return x


class Sphere(Manifold):
    """‖x‖₂ = 1 over all entries."""

    def project(self, x: Array, g: Array) -> Array:
        """G − Re⟨x, g⟩x."""
        return g - jnp.sum((x.conj() * g).real) * x

    def nearest(self, x: Array) -> Array:
        """X/‖x‖."""
        return x / jnp.sqrt(jnp.sum((x.conj() * x).real))


class Stiefel(Manifold):
    """XᴴX = I: orthonormal columns."""

    def project(self, x: Array, g: Array) -> Array:
        """G − X·(XᴴG + GᴴX)/2."""
        return g - x @ _even(x.conj().T @ g)

    def nearest(self, x: Array) -> Array:
        """The polar factor UVᴴ of X = USVᴴ; not finite where its columns are dependent."""
        u, values, v = jnp.linalg.svd(x, full_matrices=False)
        independent = values[-1] > values[0] * x.shape[0] * float(np.finfo(x.dtype).eps)
        return jnp.where(independent, u @ v, jnp.nan)


class PositiveDefinite(Manifold):
    """Symmetric positive definite matrices, with the affine-invariant metric ⟨U, V⟩_X = tr(X⁻¹U X⁻¹V)."""

    def project(self, x: Array, g: Array) -> Array:
        """The symmetric part."""
        del x
        return _even(g)

    def gradient(self, x: Array, g: Array) -> Array:
        """X·(G + Gᵀ)/2·X."""
        return _even(x @ _even(g) @ x)

    def whiten(self, x: Array, g: Array) -> Array:
        """LᵀGL with X = LLᵀ: ‖LᵀGL‖² = tr(GXGX)."""
        factor = jnp.linalg.cholesky(x, symmetrize_input=False)
        white: Array = factor.conj().T @ g @ factor
        return white

    def retract(self, x: Array, v: Array) -> Array:
        """X + V + ½V X⁻¹V, which is positive definite whatever V is: half of X + (X + V)X⁻¹(X + V)."""
        return _even(x + v + 0.5 * v @ jnp.linalg.solve(x, v))

    def nearest(self, x: Array) -> Array:
        """X itself; not finite where it is not symmetric and positive definite."""
        factor = jnp.linalg.cholesky(_even(x), symmetrize_input=False)
        even = jnp.all(jnp.abs(x - x.conj().T) <= 1e-8 * jnp.max(jnp.abs(x)))
        return jnp.where(even & jnp.all(jnp.isfinite(factor)), _even(x), jnp.nan)


MANIFOLDS: dict[str, Manifold] = {
    "euclidean": Euclidean(), "sphere": Sphere(), "stiefel": Stiefel(), "spd": PositiveDefinite(),
}  # fmt: skip


def tangent(problem: Problem, x: Tree, gradient: Tree) -> Tree:
    """The gradient's projection on the tangent space, variable by variable."""
    return _each(problem, "project", x, gradient)


def whitened(problem: Problem, x: Tree, gradient: Tree) -> Tree:
    """The gradient's tangent part as an array whose 2-norm is its length in the manifolds' own metrics."""
    return _each(problem, "whiten", x, tangent(problem, x, gradient))


def steepest(problem: Problem, x: Tree, gradient: Tree) -> Tree:
    """The gradient in the manifolds' own metrics."""
    return _each(problem, "gradient", x, gradient)


def retracted(problem: Problem, x: Tree, direction: Tree) -> Tree:
    """Where a tangent vector leads."""
    return _each(problem, "retract", x, direction)


def _each(problem: Problem, act: str, x: Tree, v: Tree) -> Tree:
    if len(problem.unknowns) == 1:
        return getattr(MANIFOLDS[problem.unknowns[0].manifold], act)(x, v)
    return {one.name: getattr(MANIFOLDS[one.manifold], act)(x[one.name], v[one.name]) for one in problem.unknowns}


def _even(a: Array) -> Array:
    """The Hermitian part."""
    return (a + a.conj().T) / 2
