"""Operators without a neighbourhood: identity, scale, mask, matrix, and the two ways to put operators together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.arithmetic import add, scale
from flowengine.problem import Tree, pytree
from flowengine.xla import computed_once, placed, times_transposed

if TYPE_CHECKING:
    from jaxtyping import Float

Waves = Literal["fourier", "cosine"]
DENSE_SVD_ENTRIES = 1_000_000
POWER_ITERATIONS = 50
POWER_MARGIN = 1.05  # power iteration comes from below, by up to a percent


@pytree()
class Identity:
    """X ↦ x; norm 1."""

    tight: ClassVar[float] = 1.0
    cotight: ClassVar[float] = 1.0

    def apply(self, x: Tree) -> Tree:
        """X."""
        return x

    def adjoint(self, y: Tree) -> Tree:
        """Y."""
        return y

    def gram(self, x: Tree) -> Tree:
        """X."""
        return x

    def power(self, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array:
        """1 at every frequency."""
        ones: Array = xp.ones(grid_of(shape, waves))
        return ones

    @property
    def norm(self) -> float:
        """Exactly 1."""
        return 1.0


@pytree("norm")
class Mask:
    """X ↦ m ⊙ x; norm max|mᵢ|."""

    mask: Array
    norm: float

    def apply(self, x: Array) -> Array:
        """M ⊙ x."""
        return self.mask * x

    def adjoint(self, y: Array) -> Array:
        """M̄ ⊙ y."""
        return self.mask.conj() * y

    def gram(self, x: Array) -> Array:
        """|m|² ⊙ x."""
        return self.mask.conj() * (self.mask * x)


@pytree("before", "after")
class Reshape:
    """The same numbers in C order in another shape; norm 1."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    tight: ClassVar[float] = 1.0
    cotight: ClassVar[float] = 1.0

    def apply(self, x: Array) -> Array:
        """In the new shape."""
        return x.reshape(self.after)

    def adjoint(self, y: Array) -> Array:
        """In the old one."""
        return y.reshape(self.before)

    def gram(self, x: Array) -> Array:
        """X."""
        return x

    @property
    def norm(self) -> float:
        """Exactly 1."""
        return 1.0


@pytree("mode", "shape", "norm")
class Matrix:
    """A dense matrix A: x ↦ A·ravel(x), or X ↦ AX (`left`), or X ↦ XA (`right`); of one with many rows also AᴴA."""

    matrix: Float[Array, "m n"]
    mode: str
    shape: tuple[int, ...]
    norm: float
    squared: Float[Array, "n n"] | None = None

    def apply(self, x: Array) -> Array:
        """A·ravel(x), AX or XA."""
        match self.mode:
            case "left":
                return self.matrix @ x
            case "right":
                return x @ self.matrix
            case _:
                return self.matrix @ x.reshape(-1)

    def adjoint(self, y: Array) -> Array:
        """Aᵀy in the shape of x, AᵀY or YAᵀ; Aᴴ where A is complex."""
        if self.mode == "right":
            return y @ self.matrix.conj().T
        back = times_transposed(self.matrix, y.conj()).conj()
        return back if self.mode == "left" else back.reshape(self.shape)

    def gram(self, x: Array) -> Array:
        """AᵀA x."""
        if self.squared is None:
            return self.adjoint(self.apply(x))
        return (self.squared @ x.reshape(len(self.squared), -1)).reshape(x.shape)

    def with_gram(self) -> Matrix:
        """Itself, with AᴴA where that is at most a quarter of what AᴴAx reads else."""
        rows, columns = self.matrix.shape
        if self.mode == "right" or rows < 2 * columns:
            return self
        entries = np.asarray(self.matrix)
        return replace(self, squared=placed(entries.conj().T @ entries))


@pytree()
class Chain:
    """X ↦ W₁W₂…x, the last operator first."""

    operators: tuple[Tree, ...]

    def apply(self, x: Tree) -> Tree:
        """Apply from the right."""
        for operator in reversed(self.operators):
            x = operator.apply(x)
        return x

    def adjoint(self, y: Tree) -> Tree:
        """Apply the adjoints from the left."""
        for operator in self.operators:
            y = operator.adjoint(y)
        return y

    def gram(self, x: Tree) -> Tree:
        """WᵀWx, with the outermost operator's own short way."""
        first, *rest = self.operators
        inner = Chain(tuple(rest)) if rest else Identity()
        return inner.adjoint(first.gram(inner.apply(x)))

    def power(self, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array | None:
        """The outermost one's times those of the others, which must be convolutions and keep the shape."""
        inner = [one.power(shape, waves, xp) if hasattr(one, "power") else None for one in self.operators[1:]]
        known = [power for power in inner if power is not None]
        total = power_of(self.operators[0], shape, waves, xp) if len(known) == len(inner) else None
        for power in known:
            total = None if total is None else total * power
        return total

    @property
    def tight(self) -> float | None:
        """The product of the operators' own, where all have one."""
        return _product([tight(operator) for operator in self.operators])

    @property
    def cotight(self) -> float | None:
        """The product of the operators' own, where all have one."""
        return _product([cotight(operator) for operator in self.operators])

    @property
    def norm(self) -> float:
        """At most the product of the norms."""
        return float(np.prod([operator.norm for operator in self.operators]))


@pytree("scales")
class Sum:
    """X ↦ Σ sᵢ Wᵢ x."""

    operators: tuple[Tree, ...]
    scales: tuple[float, ...]

    def apply(self, x: Tree) -> Tree:
        """Σ sᵢ Wᵢ x."""
        total = scale(self.operators[0].apply(x), self.scales[0])
        for operator, factor in zip(self.operators[1:], self.scales[1:], strict=True):
            total = add(total, operator.apply(x), factor)
        return total

    def adjoint(self, y: Tree) -> Tree:
        """Σ sᵢ Wᵢᵀ y."""
        total = scale(self.operators[0].adjoint(y), self.scales[0])
        for operator, factor in zip(self.operators[1:], self.scales[1:], strict=True):
            total = add(total, operator.adjoint(y), factor)
        return total

    def gram(self, x: Tree) -> Tree:
        """WᵀWx."""
        return self.adjoint(computed_once(self.apply(x)))

    @property
    def norm(self) -> float:
        """At most Σ |sᵢ| ‖Wᵢ‖."""
        return float(sum(abs(s) * one.norm for s, one in zip(self.scales, self.operators, strict=True)))


def power_of(operator: Tree, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array | None:
    """|Ŵ|² of WᵀW at every frequency, where waves make it diagonal; else None.

    Periodic operators are made so by the Fourier transform over all axes (on the grid of `rfftn`), differences with
    the boundary of Neumann by the cosine transform (DCT-II). `xp` is jnp, or np where nothing may be compiled.
    Source: Strang, SIAM Review 41, 1999.
    """
    if (bound := tight(operator)) is not None:
        level: Array = xp.full(grid_of(shape, waves), bound)
        return level
    power: Array | None = operator.power(shape, waves, xp) if hasattr(operator, "power") else None
    return power


def tight(operator: Tree) -> float | None:
    """The c of WᵀW = c·I, where it is known to be so."""
    return getattr(operator, "tight", None)


def cotight(operator: Tree) -> float | None:
    """The c of WWᵀ = c·I, where it is known to be so: then terms on Wx have simple proxes."""
    return getattr(operator, "cotight", None)


def _product(bounds: list[float | None]) -> float | None:
    known = [bound for bound in bounds if bound is not None]
    return float(np.prod(known)) if len(known) == len(bounds) else None


def grid_of(shape: tuple[int, ...], waves: Waves) -> tuple[int, ...]:
    """The shape of a real array's transform."""
    return shape if waves == "cosine" else (*shape[:-1], shape[-1] // 2 + 1)


def spectral_norm(matrix: np.ndarray) -> float:
    """An upper bound of a dense matrix's largest singular value: exact while that is cheap, else power iteration."""
    if matrix.size == 0:
        return 0.0
    if matrix.size <= DENSE_SVD_ENTRIES:
        return float(np.linalg.norm(matrix, 2)) * (1 + 1e-6)
    vector = np.asarray(np.random.default_rng(0).standard_normal(matrix.shape[1]), matrix.dtype)
    value = 0.0
    for _ in range(POWER_ITERATIONS):
        vector /= np.linalg.norm(vector) or 1.0
        vector = matrix.conj().T @ (matrix @ vector)
        value = float(np.sqrt(np.linalg.norm(vector)))
    return value * POWER_MARGIN
