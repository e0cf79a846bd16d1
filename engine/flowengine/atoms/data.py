"""Quadratic data terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import jax.numpy as jnp
from jax import Array

from flowengine.arithmetic import add, clipped, dot, scale, squared
from flowengine.atoms.base import Additive, Base, DualDomain, counted, largest_of
from flowengine.problem import Scalar, Tree, pytree
from flowengine.storage import components, entrywise, through
from flowengine.xla import times_transposed

if TYPE_CHECKING:
    from jaxtyping import Float


@pytree()
class Quadratic(Additive, Base):
    """Ψ(z) = weight · ½‖z − data‖².

    ∇ψ = weight·(z − data), Lipschitz and strongly convex with the weight.
    prox: (v + t·weight·data)/(1 + t·weight). ψ*(y) = ‖y‖²/(2·weight) + ⟨y, data⟩.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.1.
    """

    weight: Scalar
    data: Tree
    smooth: ClassVar[bool] = True
    takes_complex: ClassVar[bool] = True
    conjugate_on: ClassVar[DualDomain] = DualDomain.WHOLE
    affine_gradient: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True

    @property
    def lipschitz(self) -> float:
        """The weight."""
        return float(self.weight)

    def densities(self, z: Tree) -> list[Array]:
        """Weight · ½|zᵢ − dataᵢ|²."""
        return squared(add(z, self.data, -1.0), 0.5 * self.weight)

    def gradient(self, z: Tree) -> Tree:
        """Weight · (z − data)."""
        return entrywise(lambda a, d: self.weight * (a - d), z, self.data)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """(v + t·weight·data)/(1 + t·weight)."""
        t = step * self.weight
        return entrywise(lambda a, d: (a + t * d) / (1 + t), v, self.data)

    def prox_conjugate(self, u: Tree, step: Scalar) -> Tree:
        """(u − t·data)/(1 + t/weight)."""
        return entrywise(lambda a, d: (a - step * d) / (1 + step / self.weight), u, self.data)

    def conjugate(self, y: Tree) -> Scalar:
        """‖y‖²/(2·weight) + ⟨y, data⟩."""
        return dot(y, y) / (2 * self.weight) + dot(y, self.data)


@pytree("definite", "top")
class QuadraticForm(Base):
    """Ψ(z) = weight · ½(z − data)ᵀP(z − data) on the raveled z, P = VΛVᵀ; prox and ψ* need its eigenvectors.

    ∇ψ = weight·P(z − data), Lipschitz with weight·max Λ (`top` = max Λ): with P as `matrix` one product, else two.
    prox: data + V (1 + t·weight·Λ)⁻¹ Vᵀ(v − data). ψ*(y) = ½yᵀP⁻¹y/weight + ⟨y, data⟩ where P is `definite`.
    Source: Parikh and Boyd, Proximal Algorithms, 2014, section 6.1.1.
    """

    weight: Scalar
    data: Tree
    vectors: Float[Array, "n n"] | None
    values: Float[Array, " n"] | None
    definite: bool
    top: float
    matrix: Float[Array, "n n"] | None = None
    smooth: ClassVar[bool] = True
    affine_gradient: ClassVar[bool] = True

    @property
    def lipschitz(self) -> float:
        """Weight · max Λ."""
        return float(self.weight) * self.top

    @property
    def dual_domain(self) -> DualDomain:
        """Everything where P is definite, else its range."""
        return DualDomain.WHOLE if self.definite else DualDomain.PART

    def _spectral(self, z: Tree, factors: Callable[[Array], Array]) -> Tree:
        """V diag(factors(Λ)) Vᵀ z."""
        if self.vectors is None or self.values is None:
            raise RuntimeError("the eigenvectors of this form were not found")
        vectors, chosen = self.vectors, factors(self.values)

        def act(array: Array) -> Array:
            flat = array.reshape(-1)
            return (vectors @ (chosen * times_transposed(vectors, flat))).reshape(array.shape)

        return through(act, z)

    def _product(self, z: Tree) -> Tree:
        """Pz."""
        if self.matrix is None:
            return self._spectral(z, lambda values: values)
        matrix = self.matrix
        return through(lambda array: (matrix @ array.reshape(-1)).reshape(array.shape), z)

    def value(self, z: Tree) -> Scalar:
        """Weight · ½(z − data)ᵀP(z − data)."""
        difference = add(z, self.data, -1.0)
        return 0.5 * self.weight * dot(difference, self._product(difference))

    def gradient(self, z: Tree) -> Tree:
        """Weight · P(z − data)."""
        return scale(self._product(add(z, self.data, -1.0)), self.weight)

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """Shorten each eigendirection of v − data by 1 + t·weight·Λ."""
        difference = add(v, self.data, -1.0)
        return add(self.data, self._spectral(difference, lambda values: 1 / (1 + step * self.weight * values)))

    def conjugate(self, y: Tree) -> Scalar:
        """½yᵀP⁺y/weight + ⟨y, data⟩; directions that P doesn't see are taken to be 0."""

        def inverse(values: Array) -> Array:
            return jnp.where(values > 0, 1 / jnp.where(values > 0, values, 1), 0)

        return 0.5 * dot(y, self._spectral(y, inverse)) / self.weight + dot(y, self.data)


@pytree()
class Huber(Additive, Base):
    """Ψ(z) = weight · Σ wᵢh(zᵢ − dataᵢ), h(a) = ½a² where |a| ≤ δ, else δ|a| − ½δ², w ≥ 0 the `factors`, or 1.

    ∇ψ = weight·w·clip(z − data, −δ, δ), Lipschitz with weight·max w. prox with t·wᵢ for t: a/(1 + t) within,
    a − t·δ·sign(a) beyond. ψ*(y) = Σ yᵢ²/(2·weight·wᵢ) + ⟨y, data⟩ on |yᵢ| ≤ weight·wᵢ·δ.
    Source: Huber, Annals of Mathematical Statistics 35, 1964.
    """

    weight: Scalar
    data: Tree
    delta: Scalar
    factors: Tree | None = None
    smooth: ClassVar[bool] = True
    takes_complex: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True

    @property
    def lipschitz(self) -> float:
        """Weight · max w."""
        return float(self.weight) * largest_of(self.factors)

    def densities(self, z: Tree) -> list[Array]:
        """Weight · wᵢh(zᵢ − dataᵢ)."""

        def h(a: Array, d: Array, w: Array) -> Array:
            inner = clipped(a - d, self.delta)
            return self.weight * w * jnp.abs(inner) * (jnp.abs(a - d) - 0.5 * jnp.abs(inner))

        return components(entrywise(h, z, self.data, counted(self.factors, z)))

    def gradient(self, z: Tree) -> Tree:
        """Weight · w · (z − data), clipped."""

        def one(a: Array, d: Array, w: Array) -> Array:
            return self.weight * w * clipped(a - d, self.delta)

        return entrywise(one, z, self.data, counted(self.factors, z))

    def prox(self, v: Tree, step: Scalar) -> Tree:
        """V less t times the gradient at the result, which is the clipped (v − data)/(1 + t)."""

        def one(a: Array, d: Array, w: Array) -> Array:
            t = step * self.weight * w
            return a - t * clipped((a - d) / (1 + t), self.delta)

        return entrywise(one, v, self.data, counted(self.factors, v))

    def conjugate(self, y: Tree) -> Scalar:
        """Σ yᵢ²/(2·weight·wᵢ) + ⟨y, data⟩."""
        shares = entrywise(lambda a, w: a / jnp.where(w > 0, w, 1), y, counted(self.factors, y))
        return dot(y, shares) / (2 * self.weight) + dot(y, self.data)
