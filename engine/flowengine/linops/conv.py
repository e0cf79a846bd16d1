"""Convolution by the fast Fourier transform."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.linops.basic import Waves
from flowengine.problem import pytree
from flowengine.transforms import irfftn, rfftn
from flowengine.xla import placed


@pytree("axes", "shape", "padded", "offset", "norm")
class Conv:
    """(Kx)ₙ = Σ_m k_m x_{n−m}, the kernel's centre at its index n//2 along each axis.

    `spectrum` is the kernel's real Fourier transform on the padded grid: the variable's own for `periodic`, one that
    holds the whole product for `zero`, which is then cropped. The norm is max|k̂| (periodic), or bounded by it (zero).
    """

    spectrum: Array
    squared: Array
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    padded: tuple[int, ...]
    offset: tuple[int, ...]
    norm: float

    def _forward(self, x: Array) -> Array:
        return rfftn(x, self.axes, self.padded)

    def _back(self, spectrum: Array) -> Array:
        return irfftn(spectrum, self.axes, self.padded)

    @property
    def _periodic(self) -> bool:
        return self.padded == tuple(self.shape[axis] for axis in self.axes)

    def apply(self, x: Array) -> Array:
        """K * x, of the variable's shape."""
        if jnp.iscomplexobj(x):
            return lax.complex(self.apply(x.real), self.apply(x.imag))
        full = self._back(self._forward(x) * self.spectrum)
        return full if self._periodic else full[self._window]

    def adjoint(self, y: Array) -> Array:
        """The correlation with the kernel."""
        if jnp.iscomplexobj(y):
            return lax.complex(self.adjoint(y.real), self.adjoint(y.imag))
        if not self._periodic:
            y = jnp.zeros(self._full_shape, y.dtype).at[self._window].set(y)
        full = self._back(self._forward(y) * self.spectrum.conj())
        return full if self._periodic else full[tuple(slice(0, size) for size in self.shape)]

    def gram(self, x: Array) -> Array:
        """KᵀKx: one transform there and one back when periodic."""
        if jnp.iscomplexobj(x):
            return lax.complex(self.gram(x.real), self.gram(x.imag))
        if self._periodic:
            return self._back(self._forward(x) * self.squared)
        return self.adjoint(self.apply(x))

    def power(self, shape: tuple[int, ...], waves: Waves = "fourier", xp: Any = jnp) -> Array | None:
        """|k̂|², where it is periodic along every axis."""
        whole = waves == "fourier" and self._periodic and self.axes == tuple(range(len(shape))) and self.shape == shape
        return self.squared if whole else None

    @property
    def _full_shape(self) -> tuple[int, ...]:
        sizes = list(self.shape)
        for axis, size in zip(self.axes, self.padded, strict=True):
            sizes[axis] = size
        return tuple(sizes)

    @property
    def _window(self) -> tuple[slice, ...]:
        window = [slice(0, size) for size in self.shape]
        for axis, start in zip(self.axes, self.offset, strict=True):
            window[axis] = slice(start, start + self.shape[axis])
        return tuple(window)


def build_conv(kernel: np.ndarray, shape: tuple[int, ...], boundary: str, axes: tuple[int, ...]) -> Conv:
    """Build the convolution of arrays of this shape with a kernel of as many dimensions as there are axes."""
    sizes = [shape[axis] for axis in axes]
    if boundary == "periodic":
        padded, offset = tuple(sizes), (0,) * len(axes)
    else:
        padded = tuple(n + k - 1 for n, k in zip(sizes, kernel.shape, strict=True))
        offset = tuple(k // 2 for k in kernel.shape)
    grid = np.zeros(padded, kernel.dtype)
    for index in np.ndindex(kernel.shape):  # a kernel wider than the grid wraps around it
        place = tuple(
            (i - (k // 2 if boundary == "periodic" else 0)) % n
            for i, k, n in zip(index, kernel.shape, padded, strict=True)
        )
        grid[place] += kernel[index]
    spectrum = np.fft.rfftn(grid)
    if kernel.dtype == np.float32:
        spectrum = spectrum.astype(np.complex64)
    broadcast = [1] * len(shape)
    for axis, size in zip(axes, spectrum.shape, strict=True):
        broadcast[axis] = size
    spectrum = spectrum.reshape(broadcast)
    power = np.abs(spectrum) ** 2
    return Conv(
        placed(spectrum),
        placed(power),
        axes,
        shape,
        padded,
        offset,
        float(np.abs(spectrum).max()) * (1 + 1e-6),
    )
