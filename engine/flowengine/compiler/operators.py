"""From an operator's keys to the operator on arrays of a shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from flowapi.errors import DataError, DocumentError
from flowapi.model import join, nearest
from flowapi.operators import (
    Broadcast,
    Conv,
    Fft,
    Gradient,
    Incidence,
    Laplacian,
    Mask,
    Matrix,
    OperatorSpec,
    Radon,
    Reshape,
    Scale,
    Select,
    Wavelet,
)
from flowengine import linops
from flowengine.compiler.checks import build_axes, check_shape, nonnegative, positions
from flowengine.compiler.differences import build_gradient, build_incidence
from flowengine.compiler.load import Arrays, Sparse
from flowengine.problem import Tree
from flowengine.xla import placed

MOST_RADON_ENTRIES = 100_000_000  # 512² at 180 angles


def gives_complex(spec: OperatorSpec, data: Arrays) -> bool:
    """Whether its output is complex even where its input is real."""
    names = [getattr(spec, key) for key in spec.data_keys]
    arrays = [data.either(name) for name in names if isinstance(name, str)]
    return isinstance(spec, Fft) or any(array.dtype.kind == "c" for array in arrays)


def build_operator(spec: OperatorSpec, data: Arrays, shape: tuple[int, ...], place: str) -> Tree:
    """An operator on arrays of this shape.

    Raises:
        DocumentError: its keys don't fit the shape.
        DataError: its data don't.
    """
    return BUILDERS[type(spec)](spec, data, shape, join(place, type(spec).__name__.lower()))


def _fft(spec: Fft, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Fourier:
    del data
    return linops.Fourier(build_axes(spec.axes, len(shape), join(place, "axes")))


def _mask(spec: Mask, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Mask:
    mask = data[spec.mask]
    check_shape(mask, shape, place, f"the mask `{spec.mask}`")
    return linops.Mask(placed(mask), float(np.abs(mask).max(initial=0)))


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


def _matrix(spec: Matrix, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Matrix | linops.SparseMatrix:
    matrix = data.either(spec.matrix)
    if len(matrix.shape) != 2:
        raise DataError(f"`{spec.matrix}` has {len(matrix.shape)} dimensions", path=place, remedy="A matrix has two.")
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
    if not isinstance(matrix, Sparse):
        return linops.Matrix(placed(matrix), spec.apply, shape, linops.spectral_norm(matrix))
    if spec.apply != "ravel":
        raise DocumentError(
            "a sparse matrix acts on the variable as one long vector",
            path=join(place, "apply"),
            remedy="Leave `apply` out, or write `ravel`.",
        )
    return linops.build_sparse(matrix.matrix, shape)


def _conv(spec: Conv, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Conv:
    kernel = data[spec.kernel]
    if np.iscomplexobj(kernel):
        raise DataError("a kernel must be real", path=join(place, "kernel"), remedy="Use its real and imaginary parts.")
    axes = build_axes(spec.axes, len(shape), join(place, "axes"))
    if kernel.ndim != len(axes):
        raise DataError(
            f"the kernel `{spec.kernel}` has {kernel.ndim} dimensions for {len(axes)} axes",
            path=join(place, "kernel"),
            remedy="Give it as many, or name the `axes` it acts on.",
        )
    return linops.build_conv(kernel, shape, spec.boundary, axes)


def _wavelet(spec: Wavelet, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Wavelet:
    del data
    return build_wavelet(spec, shape, place)


class Wavelets(Protocol):
    """The keys that say which transform; some atoms have them too."""

    @property
    def name(self) -> str:
        """As PyWavelets has it."""

    @property
    def levels(self) -> int | None:
        """None for as many as make sense."""

    @property
    def axes(self) -> tuple[int, ...] | None:
        """None for all."""


def build_wavelet(spec: Wavelets, shape: tuple[int, ...], place: str) -> linops.Wavelet:
    """The wavelet transform that these keys describe, on arrays of this shape."""
    import pywt  # noqa: PLC0415 - only flows with wavelets pay for it

    known = pywt.wavelist(kind="discrete")
    filters = pywt.Wavelet(spec.name) if spec.name in known else None
    if filters is None or not filters.orthogonal:
        what = "no wavelet of PyWavelets" if filters is None else "not orthogonal"
        remedy = nearest(spec.name, known) if filters is None else "Use haar, db4, sym8 or coif2."
        raise DocumentError(f"`{spec.name}` is {what}", path=join(place, "name"), remedy=remedy)
    axes = build_axes(spec.axes, len(shape), join(place, "axes"))
    even = min((shape[axis] & -shape[axis]).bit_length() - 1 for axis in axes)
    levels = spec.levels or min(even, *(pywt.dwt_max_level(shape[axis], filters.dec_len) for axis in axes))
    if levels > even or not levels:
        raise DocumentError(
            f"an array of the shape {shape} can be halved {even} times, not {max(levels, 1)}",
            path=join(place, "levels"),
            remedy="Use sizes with more factors of two, fewer `levels`, or other `axes`.",
        )
    return linops.build_wavelet(np.asarray(filters.dec_lo), np.asarray(filters.dec_hi), axes, levels)


def _radon(spec: Radon, data: Arrays, shape: tuple[int, ...], place: str) -> linops.SparseMatrix:
    half = np.pi if spec.convention == "astra" else 180.0
    given = data[spec.angles] if isinstance(spec.angles, str) else np.arange(spec.angles) * (half / spec.angles)
    if len(shape) != 2 or given.ndim != 1:
        raise DocumentError(
            f"the variable has the shape {shape}, the angles {given.shape}",
            path=place,
            remedy="A picture of two dimensions and a list of angles are needed.",
        )
    picture = (shape[0], shape[1])
    make = linops.skimage_beam if spec.convention == "skimage" else linops.plain_beam
    circle = spec.convention == "skimage" if spec.circle is None else spec.circle
    angles = given if spec.convention == "astra" else np.deg2rad(given)
    beam = make(picture, angles, spec.centre, spec.detectors, circle=circle)
    if 2 * angles.size * max(math.prod(shape), beam.turned * beam.detectors**2) > MOST_RADON_ENTRIES:
        raise DocumentError(
            f"{angles.size} angles of a picture of {shape} take more than {MOST_RADON_ENTRIES} entries",
            path=place,
            remedy="Use a smaller picture or fewer angles.",
        )
    return linops.build_sparse(linops.radon_matrix(picture, beam, np.finfo(data.dtype).dtype), shape, beam.output)


def _select(spec: Select, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Slice | linops.Gather:
    if spec.indices is not None:
        return linops.build_gather(positions(data[spec.indices], math.prod(shape), join(place, "indices")), shape)
    (axis,) = build_axes((spec.axis or 0,), len(shape), join(place, "axis"))
    start, stop = spec.start or 0, shape[axis] if spec.stop is None else spec.stop
    if not start < stop <= shape[axis]:
        raise DocumentError(
            f"an axis of {shape[axis]} has no entries from {start} to before {stop}",
            path=place,
            remedy=f"Stop between {start + 1} and {shape[axis]}.",
        )
    return linops.Slice(axis, start, stop, spec.step, shape)


def _broadcast(spec: Broadcast, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Broadcast:
    del data
    if spec.axis > len(shape):
        raise DocumentError(
            f"an array of {len(shape)} dimensions has no place {spec.axis} for a new axis",
            path=join(place, "axis"),
            remedy=f"Use 0 to {len(shape)}.",
        )
    return linops.Broadcast(spec.axis, spec.size)


def _scale(spec: Scale, data: Arrays, shape: tuple[int, ...], place: str) -> linops.Scale:
    del data, shape, place
    return linops.Scale(float(spec.by))


BUILDERS: dict[type[OperatorSpec], Callable[[Any, Arrays, tuple[int, ...], str], Tree]] = {
    Matrix: _matrix,
    Conv: _conv,
    Gradient: _gradient,
    Laplacian: _laplacian,
    Incidence: _incidence,
    Reshape: _reshape,
    Mask: _mask,
    Fft: _fft,
    Wavelet: _wavelet,
    Radon: _radon,
    Select: _select,
    Broadcast: _broadcast,
    Scale: _scale,
}
