"""Shapes and operators: everything that data and document together can get wrong, before any compute."""

from __future__ import annotations

import jax
import numpy as np

from flowapi.argument import Summand, TermSpec
from flowapi.errors import DataError, DocumentError
from flowapi.flow import FlowDocument, Variable
from flowapi.model import join
from flowengine import linops
from flowengine.compiler.operators import build_operator
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
        operator = build_operator(spec, data, shape, join(at, "operators", name))
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
