"""From an operator's keys to the operator on arrays of a shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np

from flowapi.errors import DataError, DocumentError
from flowapi.model import join
from flowapi.operators import (
    Conv,
    Fft,
    Gradient,
    Identity,
    Incidence,
    Laplacian,
    Mask,
    Matrix,
    OperatorSpec,
    Reshape,
)
from flowengine import linops
from flowengine.problem import Tree

Arrays = Mapping[str, np.ndarray]


class Differences(Protocol):
    """The keys that say how differences are taken; some atoms have them too."""

    @property
    def boundary(self) -> str:
        """`neumann` or `periodic`."""

    @property
    def spacing(self) -> float | tuple[float, ...]:
        """One number, or one an axis."""

    @property
    def axes(self) -> tuple[int, ...] | None:
        """None for all."""


def gives_complex(spec: OperatorSpec, data: Arrays) -> bool:
    """Whether its output is complex even where its input is real."""
    names = [getattr(spec, key) for key in spec.data_keys]
    return isinstance(spec, Fft) or any(name is not None and np.iscomplexobj(data[name]) for name in names)


def build_operator(spec: OperatorSpec, data: Arrays, shape: tuple[int, ...], place: str) -> Tree:
    """An operator on arrays of this shape.

    Raises:
        DocumentError: its keys don't fit the shape.
        DataError: its data don't.
    """
    return BUILDERS[type(spec)](spec, data, shape, join(place, type(spec).__name__.lower()))


def _identity(spec: Identity, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Identity:
    del spec, data, shape, place
    return linops.Identity()


def _fft(spec: Fft, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Fourier:
    del data
    return linops.Fourier(_axes(spec.axes, len(shape), join(place, "axes")))


def _mask(spec: Mask, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Mask:
    mask = data[spec.mask]
    check_shape(mask, shape, place, f"the mask `{spec.mask}`")
    return linops.Mask(jnp.asarray(mask), float(np.abs(mask).max(initial=0)))


def _reshape(spec: Reshape, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Reshape:
    del data
    if math.prod(spec.shape) != math.prod(shape):
        raise DocumentError(
            f"{math.prod(shape)} numbers don't fill the shape {spec.shape}",
            path=join(place, "shape"),
            remedy="Make the products of the sizes equal.",
        )
    return linops.Reshape(shape, tuple(spec.shape))


def _laplacian(spec: Laplacian, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Laplacian:
    del data
    return linops.Laplacian(build_gradient(spec, shape, place))


def _gradient(spec: Gradient, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Gradient:
    del data
    return build_gradient(spec, shape, place)


def _incidence(spec: Incidence, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Incidence:
    factors = None if spec.weights is None else np.sqrt(nonnegative(data[spec.weights], join(place, "weights")))
    return build_incidence(data[spec.edges], factors, shape, join(place, "edges"))


def _matrix(spec: Matrix, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Matrix:
    matrix = data[spec.matrix]
    if matrix.ndim != 2:
        raise DataError(f"`{spec.matrix}` has {matrix.ndim} dimensions", path=place, remedy="A matrix has two.")
    size = int(np.prod(shape))
    if spec.apply == "ravel":
        fits = matrix.shape[1] == size
        wanted: object = f"(…, {size})"
    else:
        inner = shape[0 if spec.apply == "left" else 1] if len(shape) == 2 else -1
        fits = matrix.shape[1 if spec.apply == "left" else 0] == inner
        wanted = f"(…, {inner})" if spec.apply == "left" else f"({inner}, …)"
    if not fits:
        raise DataError(
            f"the matrix `{spec.matrix}` has the shape {matrix.shape}, the variable {shape} needs {wanted}",
            path=place,
            remedy="Transpose it, or change the variable's shape or `apply`.",
        )
    return linops.Matrix(jnp.asarray(matrix), spec.apply, shape, linops.spectral_norm(matrix))


def _conv(spec: Conv, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Conv:
    kernel = data[spec.kernel]
    if np.iscomplexobj(kernel):
        raise DataError("a kernel is real", path=join(place, "kernel"), remedy="Use its real and imaginary parts.")
    axes = _axes(spec.axes, len(shape), join(place, "axes"))
    if kernel.ndim != len(axes):
        raise DataError(
            f"the kernel `{spec.kernel}` has {kernel.ndim} dimensions for {len(axes)} axes",
            path=join(place, "kernel"),
            remedy="Give it as many, or name the `axes` it acts on.",
        )
    return linops.build_conv(kernel, shape, spec.boundary, axes)


def build_gradient(spec: Differences, shape: tuple[int, ...], place: str) -> linops.Gradient:
    """The gradient that these keys describe, on arrays of this shape."""
    axes = _axes(spec.axes, len(shape), join(place, "axes"))
    spacing = spec.spacing if isinstance(spec.spacing, tuple) else (spec.spacing,) * len(axes)
    if len(spacing) != len(axes):
        raise DocumentError(f"{len(spacing)} spacings for {len(axes)} axes", path=join(place, "spacing"))
    return linops.build_gradient(shape, spec.boundary, axes, tuple(float(h) for h in spacing))


def _axes(axes: tuple[int, ...] | None, ndim: int, place: str) -> tuple[int, ...]:
    if ndim == 0:
        raise DocumentError("the variable has no axes", path=place, remedy="Give it a shape.")
    chosen = tuple(range(ndim)) if axes is None else tuple(axis + ndim if axis < 0 else axis for axis in axes)
    if len(set(chosen)) != len(chosen) or not all(0 <= axis < ndim for axis in chosen) or not chosen:
        raise DocumentError(f"{axes} are not axes of {ndim} dimensions", path=place, remedy=f"Use 0 to {ndim - 1}.")
    return chosen


def build_incidence(
    edges: np.ndarray, factors: np.ndarray | None, shape: tuple[int, ...], place: str
) -> linops.Incidence:
    """The differences along edges; factors of 1 where there are none."""
    count = math.prod(shape)
    whole = edges.astype(np.int64)
    if edges.ndim != 2 or edges.shape[1] != 2 or (whole != edges).any() or not _within(whole, count):
        raise DataError(
            f"edges are pairs of whole numbers from 0 to {count - 1}",
            path=place,
            remedy="Give them the shape (edges, 2).",
        )
    if factors is None:
        factors = np.ones(len(edges), edges.dtype)
    check_shape(factors, (len(edges),), place, "the weights")
    return linops.build_incidence(whole, factors, shape)


def _within(indices: np.ndarray, count: int) -> bool:
    return not indices.size or bool(indices.min() >= 0 and indices.max() < count)


def nonnegative(array: np.ndarray, place: str) -> np.ndarray:
    """The array.

    Raises:
        DataError: a number is below 0.
    """
    if (array < 0).any():
        raise DataError(f"the least number is {array.min():g}", path=place, remedy="Numbers from 0 are needed here.")
    return array


def check_shape(array: np.ndarray, wanted: tuple[int, ...], place: str, what: str = "the data") -> None:
    """See that an array has the shape that is needed.

    Raises:
        DataError: it hasn't.
    """
    if array.shape != wanted:
        raise DataError(
            f"{what} have the shape {array.shape}, {wanted} is needed", path=place, remedy="Make the shapes equal."
        )


BUILDERS: dict[type[OperatorSpec], Callable[[Any, Arrays, tuple[int, ...], str], Tree]] = {
    Identity: _identity,
    Matrix: _matrix,
    Conv: _conv,
    Gradient: _gradient,
    Laplacian: _laplacian,
    Incidence: _incidence,
    Reshape: _reshape,
    Mask: _mask,
    Fft: _fft,
}
