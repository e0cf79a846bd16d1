"""An atom of z − data, of one that compares with no data itself."""

from __future__ import annotations

from typing import Any, ClassVar

from jax import Array

from flowengine.arithmetic import add, dot, subtract
from flowengine.atoms.base import Additive, Base, DualDomain
from flowengine.problem import Scalar, Tree, pytree


@pytree()
class Shifted(Additive):
    """Ψ(z) = φ(z − data), by its prox alone.

    prox_{tψ}(v) = data + prox_{tφ}(v − data), ψ*(y) = φ*(y) + ⟨data, y⟩; convex, an indicator, and so on as φ is.
    Source: Combettes and Pesquet, Proximal Splitting Methods in Signal Processing, 2011, table 10.1.
    """

    atom: Any
    data: Tree
    smooth: ClassVar[bool] = False
    has_prox: ClassVar[bool] = True
    lipschitz: ClassVar[float] = float("inf")
    prox_conjugate = Base.prox_conjugate

    @property
    def weight(self) -> Scalar:
        """φ's, where it has one."""
        weight: Scalar = self.atom.weight
        return weight

    @property
    def polyhedral(self) -> bool:
        """As φ is."""
        return bool(self.atom.polyhedral)

    @property
    def elementwise(self) -> bool:
        """As φ is."""
        return bool(self.atom.elementwise)

    @property
    def rigid(self) -> bool:
        """As φ is."""
        return bool(self.atom.rigid)

    @property
    def convex(self) -> bool:
        """As φ is."""
        return bool(self.atom.convex)

    @property
    def indicator(self) -> bool:
        """As φ is."""
        return bool(self.atom.indicator)

    @property
    def takes_complex(self) -> bool:
        """As φ does."""
        return bool(self.atom.takes_complex)

    @property
    def dual_domain(self) -> DualDomain:
        """φ's: the shift adds a linear function to ψ*."""
        return DualDomain(self.atom.dual_domain)

    def densities(self, z: Tree) -> list[Array]:
        """φ's at z − data."""
        found: list[Array] = self.atom.densities(subtract(z, self.data))
        return found

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """There, φ's prox, and back."""
        return add(self.atom.prox(subtract(v, self.data), step), self.data)

    def reflected(self, x: Tree, p: Tree) -> tuple[Tree, Tree]:
        """There, as φ reflects, and back."""
        inside, turned = self.atom.reflected(subtract(x, self.data), p)
        return add(inside, self.data), turned

    def conjugate(self, y: Tree) -> Scalar:
        """φ*(y) + ⟨data, y⟩."""
        value: Scalar = self.atom.conjugate(y) + dot(self.data, y)
        return value

    def gauge(self, y: Tree) -> Scalar:
        """φ's."""
        value: Scalar = self.atom.gauge(y)
        return value
