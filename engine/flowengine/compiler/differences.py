"""Gradients and graphs from the keys that operators and atoms share."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from flowapi.errors import DataError, DocumentError
from flowapi.frozen import frozen
from flowapi.model import join
from flowengine import linops
from flowengine.compiler.checks import build_axes, check_shape, positions


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


@frozen
class Along:
    """Differences along some axes."""

    boundary: str
    spacing: float | tuple[float, ...]
    axes: tuple[int, ...] | None


def build_gradient(spec: Differences, shape: tuple[int, ...], place: str) -> linops.Gradient:
    """The gradient that these keys describe, on arrays of this shape."""
    axes = build_axes(spec.axes, len(shape), join(place, "axes"))
    spacing = spec.spacing if isinstance(spec.spacing, tuple) else (spec.spacing,) * len(axes)
    if len(spacing) != len(axes):
        raise DocumentError(
            f"{len(spacing)} spacings for {len(axes)} axes",
            path=join(place, "spacing"),
            remedy="Give one number, or one for each axis.",
        )
    return linops.build_gradient(shape, spec.boundary, axes, tuple(float(h) for h in spacing))


def build_incidence(
    edges: np.ndarray, factors: np.ndarray | None, shape: tuple[int, ...], place: str
) -> linops.Incidence:
    """The differences along edges; factors of 1 where there are none."""
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise DataError(f"the edges have the shape {edges.shape}", path=place, remedy="Give them (edges, 2).")
    whole = positions(edges, math.prod(shape), place)
    if factors is None:
        factors = np.ones(len(edges), edges.dtype)
    check_shape(factors, (len(edges),), place, "the weights")
    return linops.build_incidence(whole, factors, shape)
