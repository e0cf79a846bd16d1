"""Shapes and operators: everything that data and document together can get wrong, before any compute."""

from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from flowapi.argument import Summand
from flowapi.errors import DataError, DocumentError
from flowapi.flow import FlowDocument
from flowapi.model import join
from flowengine import linops
from flowengine.compiler.operators import build_operator, gives_complex
from flowengine.problem import Tree, Unknown
from flowengine.storage import logical


def unknowns_of(document: FlowDocument, data: dict[str, np.ndarray]) -> tuple[Unknown, ...]:
    """The variables with their shapes."""
    return tuple(
        Unknown(name, data[one.like].shape if one.like else one.shape or ())
        for name, one in sorted(document.variables.items())
    )


def structure(unknowns: tuple[Unknown, ...], dtype: str) -> Tree:
    """The variables without values: one array, or a dict of them."""
    if len(unknowns) == 1:
        return jax.ShapeDtypeStruct(unknowns[0].shape, dtype)
    return {one.name: jax.ShapeDtypeStruct(one.shape, dtype) for one in unknowns}


def initial_value(
    unknown: Unknown, document: FlowDocument, data: dict[str, np.ndarray], chains: int | None, place: str
) -> Array:
    """Where a variable starts: `init`, moved by `spread` in every entry of every chain."""
    variable, shape = document.variables[unknown.name], unknown.shape
    start = data[variable.init] if isinstance(variable.init, str) else np.full(shape, variable.init)
    if start.shape != shape:
        raise DataError(
            f"`{variable.init}` has the shape {start.shape}, the variable {shape}",
            path=join(place, "init"),
            remedy="Start from a number, or from data of the variable's shape.",
        )
    if np.iscomplexobj(start) and not document.dtype.startswith("complex"):
        raise DataError("these numbers are complex, the variable is not", path=join(place, "init"))
    whole = shape if chains is None else (chains, *shape)
    value = jnp.broadcast_to(jnp.asarray(start, document.dtype), whole)
    if variable.spread is None:
        return value
    key = jax.random.fold_in(jax.random.key(document.seed), zlib.crc32(unknown.name.encode()))
    return value + variable.spread * jax.random.normal(key, whole, document.dtype)


def build_argument(
    summands: tuple[Summand, ...], document: FlowDocument, data: dict[str, np.ndarray],
    unknowns: tuple[Unknown, ...], at: str, place: str,
) -> Tree:  # fmt: skip
    """The linear map Σ sᵢ W₁W₂… of an argument, from all variables."""
    parts: dict[str, Tree] = {}
    for unknown in unknowns:
        mine = [one for one in summands if one.var == unknown.name]
        pieces = [_chain(one, document, data, unknown.shape, at, place) for one in mine]
        plain = len(pieces) == 1 and mine[0].scale == 1
        if pieces:
            scales = tuple(float(one.scale) for one in mine)
            _check_equal([output_shape(one, _like(unknown, document)) for one in pieces], place)
            parts[unknown.name] = pieces[0] if plain else linops.Sum(tuple(pieces), scales)
    _check_equal([output_shape(parts[one.name], _like(one, document)) for one in unknowns if one.name in parts], place)
    if len(unknowns) == 1:
        return parts[unknowns[0].name]
    return linops.Blocks(parts, unknowns, document.dtype)


def output_shape(operator: Tree, like: Tree) -> tuple[int, ...]:
    """The logical shape of Wx."""
    return tuple(jax.eval_shape(lambda x: logical(operator.apply(x)), like).shape)


def _like(unknown: Unknown, document: FlowDocument) -> Tree:
    return jax.ShapeDtypeStruct(unknown.shape, document.dtype)


def _check_equal(shapes: list[tuple[int, ...]], place: str) -> None:
    if len(set(shapes)) > 1:
        raise DataError(
            f"the summands have different shapes: {', '.join(map(str, sorted(set(shapes))))}",
            path=place,
            remedy="Sum only what has one shape.",
        )


def _chain(
    summand: Summand,
    document: FlowDocument,
    data: dict[str, np.ndarray],
    shape: tuple[int, ...],
    at: str,
    place: str,
) -> Tree:
    built: list[Tree] = []
    is_complex = document.dtype.startswith("complex")
    for name in reversed(summand.operators):
        spec = document.operators[name]
        if not is_complex and gives_complex(spec, data):
            built.insert(0, linops.Embed())
            is_complex = True
        operator = build_operator(spec, data, shape, join(at, "operators", name))
        if isinstance(operator, linops.Gradient) and len(built) + 1 < len(summand.operators):
            raise DocumentError(
                f"`{name}` must be the outermost operator in this version",
                path=place,
                remedy="Put it first in the argument.",
            )
        shape = output_shape(operator, jax.ShapeDtypeStruct(shape, document.dtype))
        if not isinstance(operator, linops.Identity):
            built.insert(0, operator)
    if not built:
        return linops.Identity()
    return built[0] if len(built) == 1 else linops.Chain(tuple(built))
