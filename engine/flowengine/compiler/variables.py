"""The variables: their shapes, and where they start."""

from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from flowapi.errors import DataError
from flowapi.flow import FlowDocument
from flowapi.model import join
from flowengine.compiler.load import Arrays
from flowengine.problem import Tree, Unknown


def unknowns_of(document: FlowDocument, data: Arrays) -> tuple[Unknown, ...]:
    """The variables with their shapes."""
    return tuple(
        Unknown(name, data.either(one.like).shape if one.like else one.shape or ())
        for name, one in sorted(document.variables.items())
    )


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
        raise DataError("these numbers are complex, the variable is not", path=join(place, "init"))
    whole = shape if chains is None else (chains, *shape)
    value = jnp.broadcast_to(jnp.asarray(start, document.dtype), whole)
    if variable.spread is None:
        return value
    key = jax.random.fold_in(jax.random.key(document.seed), zlib.crc32(unknown.name.encode()))
    return value + variable.spread * jax.random.normal(key, whole, document.dtype)
