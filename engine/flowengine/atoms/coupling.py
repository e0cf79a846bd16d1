"""Terms that couple two arguments, or an argument with itself: smooth, not convex, known by their gradients alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import dot, scale, squares
from flowengine.atoms.base import Base
from flowengine.problem import Scalar, Tree, pytree
from flowengine.xla import times_transposed

if TYPE_CHECKING:
    from jaxtyping import Float

Two = tuple[Array, Array]


class Coupling(Base):
    """Without a prox, and with a gradient that no constant bounds everywhere: its step is searched for."""

    smooth: ClassVar[bool] = True
    convex: ClassVar[bool] = False
    has_prox: ClassVar[bool] = False
    takes_complex: ClassVar[bool] = True


@pytree()
class LowRank(Coupling):
    """Ψ(z, w) = weight · ½‖m ⊙ (z wᵀ − data)‖², z of shape (m, r) and w (n, r), or vectors for r = 1.

    ∇_z = weight · R w and ∇_w = weight · Rᵀ z with R = m² ⊙ (z wᵀ − data): convex in each of them, with the Lipschitz
    constants weight·‖w‖² and weight·‖z‖².
    Source: Udell, Horn, Zadeh and Boyd, Foundations and Trends in Machine Learning 9, 2016.
    """

    weight: Scalar
    data: Float[Array, "m n"]
    mask: Float[Array, "m n"] | None
    parted: ClassVar[bool] = True

    def value(self, z: Two) -> Scalar:
        """Weight · ½‖m ⊙ (z wᵀ − data)‖²."""
        difference = self._difference(z)
        kept = difference if self.mask is None else self.mask * difference
        return 0.5 * self.weight * jnp.sum(squares(kept))

    def gradient(self, z: Two) -> Two:
        """Weight · (R w, Rᵀ z)."""
        return self._pulled(z, self._difference(z))

    def parts(self, z: Two) -> tuple[Two, Two]:
        """As the gradient, of m² ⊙ z wᵀ and of m² ⊙ data for R."""
        return self._pulled(z, self._difference(z) + self.data), self._pulled(z, self.data)

    def _pulled(self, z: Two, rest: Array) -> Two:
        left, right = (_columns(one) for one in z)
        rest = self.weight * rest
        if self.mask is not None:
            rest = self.mask * self.mask * rest
        return (rest @ right.conj()).reshape(z[0].shape), times_transposed(rest, left.conj()).reshape(z[1].shape)

    def _difference(self, z: Two) -> Array:
        return _columns(z[0]) @ _columns(z[1]).T - self.data


def _columns(a: Array) -> Array:
    return a[:, None] if a.ndim == 1 else a


@pytree()
class Bilinear(Coupling):
    """Ψ(z, w) = weight · ⟨z, w⟩; ∇ = weight · (w, z)."""

    weight: Scalar

    def value(self, z: tuple[Tree, Tree]) -> Scalar:
        """Weight · ⟨z, w⟩."""
        return self.weight * dot(*z)

    def gradient(self, z: tuple[Tree, Tree]) -> tuple[Tree, Tree]:
        """Weight · (w, z)."""
        left, right = z
        return scale(right, self.weight), scale(left, self.weight)


@pytree()
class Orthogonality(Coupling):
    """Ψ(Z) = weight · ½‖ZᵀZ − I‖²; ∇ = 2·weight · Z(ZᵀZ − I).

    Source: Edelman, Arias and Smith, SIAM Journal on Matrix Analysis and Applications 20, 1998 (what it penalises).
    """

    weight: Scalar
    parted: ClassVar[bool] = True

    def value(self, z: Array) -> Scalar:
        """Weight · ½‖ZᵀZ − I‖²."""
        return 0.5 * self.weight * jnp.sum(squares(self._defect(z)))

    def gradient(self, z: Array) -> Any:
        """2·weight · Z(ZᵀZ − I)."""
        return 2 * self.weight * (z @ self._defect(z))

    def parts(self, z: Array) -> tuple[Any, Any]:
        """2·weight · ZZᵀZ and 2·weight · Z."""
        return 2 * self.weight * (z @ (z.conj().T @ z)), 2 * self.weight * z

    def _defect(self, z: Array) -> Array:
        return z.conj().T @ z - jnp.eye(z.shape[1], dtype=z.dtype)
