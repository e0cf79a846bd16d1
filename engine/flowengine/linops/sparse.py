"""Sparse matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import Array

from flowengine.problem import pytree
from flowengine.xla import placed

if TYPE_CHECKING:
    from jaxtyping import Int

POWER_ITERATIONS = 50
POWER_MARGIN = 1.05  # power iteration comes from below, by up to a percent


@pytree("shape", "output", "norm")
class SparseMatrix:
    """X ↦ A·ravel(x), A given by its entries twice: in the order of its rows, and in that of its columns."""

    values: Array
    rows: Int[Array, " nnz"]
    columns: Int[Array, " nnz"]
    values_by_column: Array
    rows_by_column: Int[Array, " nnz"]
    columns_by_column: Int[Array, " nnz"]
    shape: tuple[int, ...]
    output: tuple[int, ...]
    norm: float

    def apply(self, x: Array) -> Array:
        """A·ravel(x)."""
        products = self.values * x.reshape(-1)[self.columns]
        sums = jax.ops.segment_sum(products, self.rows, math.prod(self.output), indices_are_sorted=True)
        return sums.reshape(self.output)

    def adjoint(self, y: Array) -> Array:
        """Aᴴy in the shape of x."""
        products = self.values_by_column.conj() * y.reshape(-1)[self.rows_by_column]
        sums = jax.ops.segment_sum(products, self.columns_by_column, math.prod(self.shape), indices_are_sorted=True)
        return sums.reshape(self.shape)

    def gram(self, x: Array) -> Array:
        """AᴴA x."""
        return self.adjoint(self.apply(x))


def build_sparse(matrix: Any, shape: tuple[int, ...], output: tuple[int, ...] | None = None) -> SparseMatrix:
    """Build the operator of a SciPy sparse matrix on arrays of this shape; its output is a vector unless it says."""
    by_row, by_column = matrix.tocsr().tocoo(), matrix.tocsc().tocoo()
    return SparseMatrix(
        values=placed(by_row.data),
        rows=placed(by_row.row),
        columns=placed(by_row.col),
        values_by_column=placed(by_column.data),
        rows_by_column=placed(by_column.row),
        columns_by_column=placed(by_column.col),
        shape=shape,
        output=output or (matrix.shape[0],),
        norm=sparse_norm(matrix),
    )


def sparse_norm(matrix: Any) -> float:
    """An upper bound of the largest singular value: √(‖A‖₁‖A‖_∞), or what power iteration finds and a margin."""
    if matrix.nnz == 0:
        return 0.0
    size = abs(matrix)
    bound = float(np.sqrt(size.sum(axis=0).max() * size.sum(axis=1).max()))
    vector = np.asarray(np.random.default_rng(0).standard_normal(matrix.shape[1]), matrix.dtype)
    adjoint, value = matrix.conj().T.tocsr(), 0.0
    for _ in range(POWER_ITERATIONS):
        vector = adjoint @ (matrix @ (vector / (np.linalg.norm(vector) or 1.0)))
        value = float(np.sqrt(np.linalg.norm(vector)))
    return min(bound * (1 + 1e-6), value * POWER_MARGIN)
