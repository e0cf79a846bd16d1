"""F_Multi: the prox of an atom in a frame, where a transform forth and back is all that it takes."""

from __future__ import annotations

from typing import Any, ClassVar

from jax import Array

from flowengine.arithmetic import add, scale, subtract
from flowengine.atoms.base import Additive, DualDomain
from flowengine.problem import Scalar, Tree, pytree


@pytree("bound", "square")
class Framed(Additive):
    """Ψ(z) = φ(Wz) with WWᵀ = bound·I; with `square` Wᵀ/bound is the inverse of W.

    prox_{tψ}(v) = v + Wᵀ(prox_{bound·tφ}(Wv) − Wv)/bound. ψ*(y) = φ*(Wy/bound) where W is square.
    Source: Combettes and Pesquet, Proximal Splitting Methods in Signal Processing, 2011, table 10.1.
    """

    atom: Any
    operator: Any
    bound: float
    square: bool
    smooth: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False

    @property
    def convex(self) -> bool:
        """As φ is."""
        return bool(self.atom.convex)

    @property
    def polyhedral(self) -> bool:
        """As φ is."""
        return bool(self.atom.polyhedral)

    @property
    def dual_domain(self) -> DualDomain:
        """φ's, turned, where W is square."""
        return DualDomain(self.atom.dual_domain) if self.square else DualDomain.PART

    @property
    def indicator(self) -> bool:
        """As φ is."""
        return bool(self.atom.indicator)

    def densities(self, z: Tree) -> list[Array]:
        """φ's at Wz."""
        found: list[Array] = self.atom.densities(self.operator.apply(z))
        return found

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Forth, φ's prox, and back."""
        image = self.operator.apply(v)
        moved = self.atom.prox(image, self.bound * step)
        if self.square:
            return scale(self.operator.adjoint(moved), 1 / self.bound)
        return add(v, self.operator.adjoint(subtract(moved, image)), 1 / self.bound)

    def conjugate(self, y: Tree) -> Scalar:
        """φ*(Wy/bound)."""
        value: Scalar = self.atom.conjugate(scale(self.operator.apply(y), 1 / self.bound))
        return value

    def gauge(self, y: Tree) -> Scalar:
        """φ's at Wy/bound."""
        value: Scalar = self.atom.gauge(scale(self.operator.apply(y), 1 / self.bound))
        return value
