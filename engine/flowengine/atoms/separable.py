"""The proxes of several variables: each has its own."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from flowengine.atoms.base import Additive, DualDomain
from flowengine.problem import Scalar, Tree, pytree


@pytree()
class Separable(Additive):
    """Ψ(x) = Σ_v ψ_v(x_v) over the variables by name: a `Merged`, on a manifold an `Embedded`, None without any ψ."""

    parts: dict[str, Any]
    smooth: ClassVar[bool] = False
    indicator: ClassVar[bool] = False
    quadratic: ClassVar[None] = None

    @property
    def polyhedral(self) -> bool:
        """Whether every part is."""
        return all(part.polyhedral for part in self.parts.values() if part is not None)

    @property
    def elementwise(self) -> bool:
        """Whether every part is."""
        return all(part.elementwise for part in self.parts.values() if part is not None)

    @property
    def convex(self) -> bool:
        """Whether every part is."""
        return all(part.convex for part in self.parts.values() if part is not None)

    @property
    def dual_domain(self) -> DualDomain:
        """Everything where every variable's is; a ball where some are and the rest is everything; else a part."""
        domains = {DualDomain.PART if part is None else part.dual_domain for part in self.parts.values()}
        if DualDomain.PART in domains:
            return DualDomain.PART
        return DualDomain.BALL if DualDomain.BALL in domains else DualDomain.WHOLE

    def densities(self, z: Tree) -> list[Array]:
        """Those of every ψ_v."""
        parts = [(name, part) for name, part in self.parts.items() if part is not None]
        return [density for name, part in parts for density in part.densities(z[name])]

    def prox(self, v: Tree, step: Any) -> Tree:
        """Variable by variable."""
        return {name: self.prox_of(name, v[name], step[name] if isinstance(step, dict) else step) for name in v}

    def prox_of(self, name: str, v: Tree, step: Any) -> Tree:
        """One variable's."""
        part = self.parts[name]
        return v if part is None else part.prox(v, step)

    def reflected(self, x: Tree, p: Tree) -> tuple[Tree, Tree]:
        """Variable by variable."""
        free = {name: (x[name], p[name]) for name in x}
        held = {name: part.reflected(*free[name]) for name, part in self.parts.items() if part is not None}
        both = free | held
        return {name: one[0] for name, one in both.items()}, {name: one[1] for name, one in both.items()}

    def conjugate(self, y: Tree) -> Scalar:
        """Σ_v ψ_v*(y_v)."""
        values: list[Scalar] = [part.conjugate(y[name]) for name, part in self.parts.items() if part is not None]
        return sum(values[1:], start=values[0])

    def shrink(self, y: Tree) -> Scalar | float:
        """One factor for all of them."""
        factors = [jnp.asarray(part.shrink(y[name])) for name, part in self.parts.items() if part is not None]
        return jnp.min(jnp.stack(factors))
