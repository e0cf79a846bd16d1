"""Terms that favour few nonzero entries or groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import Components, Packed, dot, entrywise, logical


@pytree()
@dataclass(frozen=True)
class L1:
    """Ψ(z) = weight · ‖z − data‖₁.

    prox: soft threshold around the data. ψ* is ⟨·, data⟩ on the cube ‖y‖∞ ≤ weight.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.2.
    """

    weight: Scalar
    data: Tree
    smooth: ClassVar[bool] = False
    indicator: ClassVar[bool] = False

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ|zᵢ − dataᵢ|."""
        parts = jax.tree.leaves(entrywise(lambda a, d: jnp.abs(a - d), z, self.data))
        sums = [jnp.sum(part.real + part.imag) if jnp.iscomplexobj(part) else jnp.sum(part) for part in parts]
        return self.weight * sum(sums[1:], start=sums[0])

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Soft threshold of v − data by t·weight, plus data."""
        t = step * self.weight
        return entrywise(lambda a, d: d + (a - d) - jnp.clip(a - d, -t, t), v, self.data)

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """U − t·data, clipped to the cube."""
        return entrywise(lambda a, d: jnp.clip(a - step * d, -self.weight, self.weight), u, self.data)

    def conjugate(self, y: Tree) -> Scalar:
        """⟨y, data⟩ on the cube."""
        return dot(y, self.data)


@pytree("axes")
@dataclass(frozen=True)
class NormL21:
    """Ψ(z) = weight · Σ ‖z‖₂ over `axes`, summed over the others.

    On a gradient (axis 0: its components) this is isotropic total variation. prox: block soft threshold;
    ψ* is 0 where every block's 2-norm is at most the weight.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.4; Rudin, Osher and Fatemi, Physica D 60, 1992.
    """

    weight: Scalar
    axes: tuple[int, ...]
    smooth: ClassVar[bool] = False
    indicator: ClassVar[bool] = False

    def value(self, z: Tree) -> Scalar:
        """Weight · Σ of the blocks' 2-norms."""
        return self.weight * jnp.sum(jnp.sqrt(self._squares(z)))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """(1 − t·weight/‖v‖)₊ v, block by block."""
        lengths = jnp.sqrt(self._squares(v))
        t = step * self.weight
        return self._scaled(v, jnp.where(lengths > t, 1 - t / jnp.where(lengths > t, lengths, 1), 0))

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """Every block projected to the ball of radius weight; the step plays no part."""
        del step
        return self._scaled(u, jnp.minimum(1, self.weight / jnp.sqrt(jnp.maximum(self._squares(u), _tiny(u)))))

    def conjugate(self, y: Tree) -> Scalar:
        """0 on the product of balls."""
        return 0 * dot(y, y)

    def _by_component(self, z: Tree) -> bool:
        return isinstance(z, Packed | Components) and self.axes == (0,)

    def _squares(self, z: Tree) -> Array:
        if self._by_component(z):
            squares = [part * part for part in z.components]
            total: Array = sum(squares[1:], start=squares[0])
            return total
        array = logical(z)
        return jnp.sum(array * array, axis=self.axes)

    def _scaled(self, z: Tree, factor: Array) -> Tree:
        if self._by_component(z):
            return z.scaled(factor)
        whole = logical(z) * jnp.expand_dims(factor, self.axes)
        return type(z).of(tuple(whole)) if isinstance(z, Packed | Components) else whole


def _tiny(z: Tree) -> float:
    return float(np.finfo(jax.tree.leaves(z)[0].dtype).tiny)
