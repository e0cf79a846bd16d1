"""Atoms of a symmetric matrix's eigenvalues, with the antisymmetric part taken away or left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from flowengine.atoms.base import Base
from flowengine.atoms.constraints import Indicator
from flowengine.atoms.likelihood import positive_root
from flowengine.problem import Scalar, pytree

if TYPE_CHECKING:
    from jaxtyping import Float

Square: TypeAlias = "Float[Array, 'n n']"


@pytree()
class LogDet(Base):
    """Ψ(Z) = −weight · log det S of the symmetric part S = (Z + Zᵀ)/2, positive definite.

    ∇ψ = −weight·S⁻¹, of no Lipschitz bound. prox: eigenvalues to the positive root of s² − vs − t·weight = 0.
    ψ*(Y) = weight · (n log weight − n − log det(−Y)), Y symmetric and negative definite.
    Source: Boyd and Vandenberghe, Convex Optimization, 2004, section 3.3.1.
    """

    weight: Scalar
    smooth: ClassVar[bool] = True

    def value(self, z: Square) -> Scalar:
        """−weight · log det S; +∞ where S is not positive definite."""
        factor = jnp.linalg.cholesky(_symmetric(z), symmetrize_input=False)
        value = -2 * self.weight * jnp.sum(jnp.log(jnp.diagonal(factor)))
        return jnp.where(jnp.isnan(value), jnp.inf, value)

    def gradient(self, z: Square) -> Square:
        """−weight · S⁻¹; not a number where S is not positive definite."""
        factor = jnp.linalg.cholesky(_symmetric(z), symmetrize_input=False)
        return -self.weight * jax.scipy.linalg.cho_solve((factor, True), jnp.eye(len(z), dtype=z.dtype))

    def prox(self, v: Square, step: Scalar) -> Square:
        """The eigenvalues of the symmetric part, moved; the antisymmetric part stays."""
        even = _symmetric(v)
        moved = _by_eigenvalues(even, lambda values: positive_root(values, step * self.weight))
        return moved + (v - even)

    def conjugate(self, y: Square) -> Scalar:
        """Weight · (n log weight − n − log det(−Y))."""
        n = len(y)
        return self.weight * (n * jnp.log(self.weight) - n) + self.value(-y)


@pytree()
class Semidefinite(Indicator):
    """Z symmetric and positive semidefinite. ψ*(Y) = 0 where Y's symmetric part is negative semidefinite.

    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.3.3.
    """

    def prox(self, v: Square, step: Scalar) -> Square:
        """The symmetric part, its eigenvalues below 0 set to 0."""
        del step
        return _by_eigenvalues(_symmetric(v), lambda values: jnp.maximum(values, 0))

    def conjugate(self, y: Square) -> Scalar:
        """0."""
        return self.value(y)


def _symmetric(z: Square) -> Square:
    return (z + z.T) / 2


def _by_eigenvalues(s: Square, act: Callable[[Array], Array]) -> Square:
    """V·act(values)·Vᵀ, exactly symmetric."""
    values, vectors = jnp.linalg.eigh(s, symmetrize_input=False)
    return _symmetric((vectors * act(values)) @ vectors.T)
