"""Constraints on the argument itself."""

from __future__ import annotations

import math

import numpy as np

from flowapi import atoms as specs
from flowapi.errors import DataError
from flowengine import atoms
from flowengine.compiler.site import Site
from flowengine.compiler.terms.fitting import block_axes, check_square, shifted
from flowengine.compiler.terms.registry import simple


@simple(specs.Box)
def _box(spec: specs.Box, site: Site) -> atoms.Interval | atoms.Shifted:
    lo, hi = -np.inf if spec.lo is None else spec.lo, np.inf if spec.hi is None else spec.hi
    return shifted(atoms.Interval(site.scalar(lo), site.scalar(hi)), spec.data, site)


@simple(specs.Nonnegative)
def _nonnegative(spec: specs.Nonnegative, site: Site) -> atoms.Interval | atoms.Shifted:
    return shifted(atoms.Interval(site.scalar(0.0), site.scalar(np.inf)), spec.data, site)


@simple(specs.Simplex)
def _simplex(spec: specs.Simplex, site: Site) -> atoms.Simplex:
    axis = None if spec.axis is None else block_axes(spec.axis, site)[0]
    return atoms.Simplex(site.scalar(spec.total), axis)


@simple(specs.L1Ball)
def _l1_ball(spec: specs.L1Ball, site: Site) -> atoms.L1Ball | atoms.Shifted:
    return shifted(atoms.L1Ball(site.scalar(spec.radius)), spec.data, site)


@simple(specs.L2Ball)
def _l2_ball(spec: specs.L2Ball, site: Site) -> atoms.L2Ball | atoms.BlockBalls | atoms.Shifted:
    if spec.axis is not None:
        balls = atoms.BlockBalls(atoms.NormL21(site.scalar(spec.radius), block_axes(spec.axis, site)))
        return shifted(balls, spec.data, site)
    return atoms.L2Ball(site.scalar(spec.radius), site.target(spec.data))


@simple(specs.Knapsack)
def _knapsack(spec: specs.Knapsack, site: Site) -> atoms.Knapsack:
    if not site.data[spec.costs].any():
        raise DataError("all costs are 0", path=site.path("costs"), remedy="Some must differ from 0.")
    return atoms.Knapsack(site.target(spec.costs, "costs"), site.scalar(spec.budget))


@simple(specs.Affine)
def _affine(spec: specs.Affine, site: Site) -> atoms.Affine:
    matrix, data = site.matrix(spec.matrix), site.data[spec.data]
    if data.shape != (matrix.shape[0],):
        raise DataError(
            f"{data.shape} numbers for {matrix.shape[0]} rows", path=site.path("data"), remedy="Give one a row."
        )
    sizes = np.linalg.norm(matrix, axis=1, keepdims=True)
    rows = matrix / np.where(sizes > 0, sizes, 1)  # each in its own unit: those may be of any size
    if np.linalg.matrix_rank(rows) < matrix.shape[0]:
        raise DataError(
            "the rows are linearly dependent", path=site.path("matrix"), remedy="Leave out those that say nothing new."
        )
    inverse = np.linalg.pinv(rows.astype(np.float64)) / sizes.T
    return atoms.Affine(site.array(matrix), site.array(inverse), site.array(data))


@simple(specs.Cardinality)
def _cardinality(spec: specs.Cardinality, site: Site) -> atoms.Cardinality:
    return atoms.Cardinality(min(spec.count, math.prod(site.plain)))


@simple(specs.Semidefinite)
def _semidefinite(spec: specs.Semidefinite, site: Site) -> atoms.Semidefinite:
    del spec
    check_square(site)
    return atoms.Semidefinite()
