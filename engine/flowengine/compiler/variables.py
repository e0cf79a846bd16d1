"""The variables: their shapes, and where they start."""

from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowapi.errors import DataError, DocumentError
from flowapi.flow import FlowDocument
from flowapi.model import join
from flowengine.compiler.load import Arrays
from flowengine.problem import Tree, Unknown
from flowengine.steps import MANIFOLDS
from flowengine.xla import placed


def unknowns_of(document: FlowDocument, data: Arrays, at: str) -> tuple[Unknown, ...]:
    """The variables with their shapes.

    Raises:
        DataError: one has no entry.
    """
    found = tuple(
        Unknown(name, data.either(one.like).shape if one.like else one.shape or (), one.manifold)
        for name, one in sorted(document.variables.items())
    )
    for one in found:
        if 0 in one.shape:
            raise DataError(
                f"a variable of the shape {one.shape} has no entries",
                path=join(at, "variables", one.name),
                remedy="Give it data, or a shape, that is not empty.",
            )
    return found


def structure(unknowns: tuple[Unknown, ...], dtype: str) -> Tree:
    """The variables without values: one array, or a dict of them."""
    if len(unknowns) == 1:
        return jax.ShapeDtypeStruct(unknowns[0].shape, dtype)
    return {one.name: jax.ShapeDtypeStruct(one.shape, dtype) for one in unknowns}


def initial_value(unknown: Unknown, document: FlowDocument, data: Arrays, chains: int | None, place: str) -> Array:
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
        raise DataError(
            "these numbers are complex, the variable is real",
            path=join(place, "init"),
            remedy="Use `dtype: complex128`, or start from real numbers.",
        )
    whole = shape if chains is None else (chains, *shape)
    value = placed(np.broadcast_to(start, whole), document.dtype)
    if variable.spread is not None:
        key = jax.random.fold_in(jax.random.key(document.seed), zlib.crc32(unknown.name.encode()))
        value = value + variable.spread * jax.random.normal(key, whole, document.dtype)
    return _on_manifold(unknown, value, place) if unknown.curved else value


def _on_manifold(unknown: Unknown, value: Array, place: str) -> Array:
    """The point of the manifold where a start leads."""
    rows, *columns = (*unknown.shape, 0)
    fits = {"sphere": rows > 0, "stiefel": len(columns) == 2 and rows >= columns[0], "spd": columns == [rows, 0]}
    if not fits[unknown.manifold]:
        raise DocumentError(
            f"a variable of the shape {unknown.shape} can't lie on the manifold `{unknown.manifold}`",
            path=join(place, "manifold"),
            remedy="stiefel: (n, p) with n ≥ p; spd: (n, n); sphere: any.",
        )
    point = MANIFOLDS[unknown.manifold].nearest(value)
    if not bool(jnp.all(jnp.isfinite(point))):
        raise DocumentError(
            f"no point of `{unknown.manifold}` can be reached from this start",
            path=join(place, "init"),
            remedy="Name a symmetric positive definite matrix, the unit matrix for example."
            if unknown.manifold == "spd"
            else "Add `spread: 1`, or name data.",
        )
    return point
