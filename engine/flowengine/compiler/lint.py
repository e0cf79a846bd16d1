"""Shapes and operators: everything that data and document together can get wrong, before any compute."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from flowapi.errors import DataError, DocumentError
from flowapi.flow import FlowDocument, Variable
from flowapi.model import join
from flowapi.terms import Conv, Gradient, Identity, Mask, Matrix, OperatorSpec, Summand, TermSpec
from flowengine import linops
from flowengine.problem import Tree
from flowengine.storage import logical


def variable_shape(document: FlowDocument, data: dict[str, np.ndarray], at: str) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the variable.

    Raises:
        DocumentError: there are several; this version has one.
    """
    if len(document.variables) > 1:
        raise DocumentError(
            f"{len(document.variables)} variables: this version minimises over one",
            path=join(at, "variables"),
            remedy="Put them into one array.",
        )
    ((name, variable),) = document.variables.items()
    return name, data[variable.like].shape if variable.like else variable.shape or ()


def initial_value(
    variable: Variable, shape: tuple[int, ...], data: dict[str, np.ndarray], dtype: str, place: str
) -> np.ndarray:
    """Where the variable starts."""
    if not isinstance(variable.init, str):
        return np.full(shape, variable.init, dtype)
    start = data[variable.init]
    if start.shape != shape:
        raise DataError(
            f"`{variable.init}` has the shape {start.shape}, the variable {shape}",
            path=join(place, "init"),
            remedy="Start from a number, or from data of the variable's shape.",
        )
    return start


def build_argument(
    term: TermSpec, document: FlowDocument, data: dict[str, np.ndarray], shape: tuple[int, ...], at: str, place: str
) -> Tree:
    """The linear map Σ sᵢ W₁W₂… of a term's argument."""
    pieces = [_chain(summand, document, data, shape, at, join(place, "arg")) for summand in term.arg]
    if len(pieces) == 1 and term.arg[0].scale == 1:
        return pieces[0]
    shapes = {output_shape(piece, shape, document.dtype) for piece in pieces}
    if len(shapes) > 1:
        raise DataError(
            f"the summands have different shapes: {', '.join(map(str, sorted(shapes)))}",
            path=join(place, "arg"),
            remedy="Sum only what has one shape.",
        )
    return linops.Sum(tuple(pieces), tuple(float(summand.scale) for summand in term.arg))


def output_shape(operator: Tree, shape: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """The logical shape of Wx."""
    output = jax.eval_shape(lambda x: logical(operator.apply(x)), jax.ShapeDtypeStruct(shape, dtype))
    return tuple(output.shape)


def _chain(
    summand: Summand,
    document: FlowDocument,
    data: dict[str, np.ndarray],
    shape: tuple[int, ...],
    at: str,
    place: str,
) -> Tree:
    built: list[Tree] = []
    for name in reversed(summand.operators):
        spec = document.operators[name]
        operator = _build(spec, data, shape, join(at, "operators", name))
        if isinstance(operator, linops.Gradient) and len(built) + 1 < len(summand.operators):
            raise DocumentError(
                f"`{name}` must be the outermost operator in this version",
                path=place,
                remedy="Put it first in the argument.",
            )
        shape = output_shape(operator, shape, document.dtype)
        if not isinstance(operator, linops.Identity):
            built.insert(0, operator)
    if not built:
        return linops.Identity()
    return built[0] if len(built) == 1 else linops.Chain(tuple(built))


def _build(spec: OperatorSpec, data: dict[str, np.ndarray], shape: tuple[int, ...], place: str) -> Tree:
    """An operator on arrays of this shape."""
    match spec:
        case Identity():
            return linops.Identity()
        case Mask(mask=name):
            mask = data[name]
            if mask.shape != shape:
                raise _misfit(f"the mask `{name}`", mask.shape, shape, join(place, "mask"))
            return linops.Mask(jnp.asarray(mask), float(np.abs(mask).max(initial=0)))
        case Matrix():
            return _matrix(spec, data[spec.matrix], shape, join(place, "matrix"))
        case Conv():
            return _conv(spec, data[spec.kernel], shape, join(place, "conv"))
        case Gradient():
            return _gradient(spec, shape, join(place, "gradient"))
        case _:
            raise DocumentError("this operator has no builder", path=place)


def _matrix(spec: Matrix, matrix: np.ndarray, shape: tuple[int, ...], place: str) -> linops.Matrix:
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


def _conv(spec: Conv, kernel: np.ndarray, shape: tuple[int, ...], place: str) -> linops.Conv:
    axes = _axes(spec.axes, len(shape), join(place, "axes"))
    if kernel.ndim != len(axes):
        raise DataError(
            f"the kernel `{spec.kernel}` has {kernel.ndim} dimensions for {len(axes)} axes",
            path=join(place, "kernel"),
            remedy="Give it as many, or name the `axes` it acts on.",
        )
    return linops.build_conv(kernel, shape, spec.boundary, axes)


def _gradient(spec: Gradient, shape: tuple[int, ...], place: str) -> linops.Gradient:
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


def _misfit(what: str, shape: tuple[int, ...], wanted: tuple[int, ...], place: str) -> DataError:
    return DataError(f"{what} has the shape {shape}, {wanted} is needed", path=place, remedy="Make the shapes equal.")
