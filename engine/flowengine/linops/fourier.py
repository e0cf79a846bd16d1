"""The Fourier transform, and the way from real numbers to complex ones."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from flowengine.problem import pytree
from flowengine.transforms import fftn, ifftn


@pytree("axes")
class Fourier:
    """The unitary discrete Fourier transform along some axes, of complex arrays: FᴴF = I, norm 1."""

    axes: tuple[int, ...]
    tight: ClassVar[float] = 1.0
    cotight: ClassVar[float] = 1.0

    def apply(self, x: Array) -> Array:
        """Fx."""
        return fftn(x, self.axes)

    def adjoint(self, y: Array) -> Array:
        """Fᴴy."""
        return ifftn(y, self.axes)

    def gram(self, x: Array) -> Array:
        """X."""
        return x

    @property
    def norm(self) -> float:
        """1, and what rounding may add."""
        return 1.0 + 1e-12


@pytree()
class Embed:
    """X ↦ x + 0i of real numbers. With ⟨x, y⟩ = Re Σ x̄ᵢyᵢ its adjoint is the real part; norm 1."""

    tight: ClassVar[float] = 1.0

    def apply(self, x: Array) -> Array:
        """As complex numbers."""
        return x + jnp.zeros((), jnp.result_type(x, jnp.complex64))

    def adjoint(self, y: Array) -> Array:
        """The real part."""
        return y.real

    def gram(self, x: Array) -> Array:
        """X."""
        return x

    @property
    def norm(self) -> float:
        """Exactly 1."""
        return 1.0
