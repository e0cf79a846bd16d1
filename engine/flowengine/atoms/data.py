"""Data terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax

from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import add, dot


@pytree()
@dataclass(frozen=True)
class Quadratic:
    """Ψ(z) = weight · ½‖z − data‖².

    ∇ψ = weight·(z − data), Lipschitz and strongly convex with the weight.
    prox: (v + t·weight·data)/(1 + t·weight). ψ*(y) = ‖y‖²/(2·weight) + ⟨y, data⟩.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.1.
    """

    weight: Scalar
    data: Tree
    smooth: ClassVar[bool] = True
    indicator: ClassVar[bool] = False

    def value(self, z: Tree) -> Scalar:
        """Weight · ½‖z − data‖²."""
        difference = add(z, self.data, -1.0)
        return 0.5 * self.weight * dot(difference, difference)

    def gradient(self, z: Tree) -> Tree:
        """Weight · (z − data)."""
        return jax.tree.map(lambda a, d: self.weight * (a - d), z, self.data)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """(v + t·weight·data)/(1 + t·weight)."""
        t = step * self.weight
        return jax.tree.map(lambda a, d: (a + t * d) / (1 + t), v, self.data)

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """(u − t·data)/(1 + t/weight)."""
        return jax.tree.map(lambda a, d: (a - step * d) / (1 + step / self.weight), u, self.data)

    def conjugate(self, y: Tree) -> Scalar:
        """‖y‖²/(2·weight) + ⟨y, data⟩."""
        return dot(y, y) / (2 * self.weight) + dot(y, self.data)
