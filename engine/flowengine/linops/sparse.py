"""Sparse matrices, stored so that XLA's CPU compiler multiplies by them without a scatter."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.problem import pytree
from flowengine.xla import on_cpu, placed

if TYPE_CHECKING:
    from jaxtyping import Int, Integer

PADDING, SMALL = 0.1, 0.01  # zeros that a group may hold: of its own entries, or of all
NARROW = 2**16  # columns whose numbers take two bytes: a product is as quick as what it reads
AT_ONCE = 8  # entries of each row by which sums grow between two stores
POWER_ITERATIONS = 50
POWER_MARGIN = 1.05  # power iteration comes from below, by up to a percent


@pytree("length")
class PaddedRows:
    """A matrix by its rows (sliced ELLPACK): groups of rows of about one length, each padded with zeros to its longest.

    A group holds its rows' first entries, then their second ones, and so on: sums grow by a vector of one entry a row,
    which the compiler vectorises, in the order of the columns.
    Source: Monakov, Lokhmotov and Avetisyan, High Performance Embedded Architectures and Compilers, 2010.

    Attributes:
        values: Of each group, (entries a row, rows).
        columns: Where those values stand.
        places: Where each row is in the groups, one after another; None where there is one group, in order.
        length: How many rows.
    """

    values: tuple[Array, ...]
    columns: tuple[Integer[Array, "entries rows"], ...]
    places: Int[Array, " rows"] | None
    length: int

    def times(self, x: Array) -> Array:
        """The product with a vector."""
        sums = [_sums(values, columns, x) for values, columns in zip(self.values, self.columns, strict=True)]
        if self.places is None:
            return sums[0]
        return _entries(jnp.concatenate(sums), self.places)

    def lengths(self) -> np.ndarray:
        """The 2-norms of the rows."""
        squares = np.concatenate([np.sum(np.abs(np.asarray(one)) ** 2, axis=0) for one in self.values])
        return np.asarray(np.sqrt(squares if self.places is None else squares[np.asarray(self.places)]))


def _sums(values: Array, columns: Array, x: Array) -> Array:
    """One group's part of a product."""
    if not on_cpu():
        return jnp.sum(values * _entries(x, columns), axis=0)

    def longer(slot: int | Array, total: Array) -> Array:
        return total + values[slot] * _entries(x, columns[slot])

    def further(turn: Array, total: Array) -> Array:
        return functools.reduce(lambda sums, slot: longer(turn * AT_ONCE + slot, sums), range(AT_ONCE), total)

    whole, count = divmod(values.shape[0], AT_ONCE)
    total = jnp.zeros(values.shape[1], jnp.result_type(values, x))
    total = lax.fori_loop(0, whole, further, total) if whole else total
    return functools.reduce(lambda sums, slot: longer(whole * AT_ONCE + slot, sums), range(count), total)


def _entries(x: Array, places: Array) -> Array:
    found: Array = x.at[places].get(mode="promise_in_bounds")
    return found


@pytree("shape", "output", "norm")
class SparseMatrix:
    """X ↦ A·ravel(x), with the rows of A and those of Aᴴ."""

    rows: PaddedRows
    columns: PaddedRows
    shape: tuple[int, ...]
    output: tuple[int, ...]
    norm: float

    def apply(self, x: Array) -> Array:
        """A·ravel(x)."""
        return self.rows.times(x.reshape(-1)).reshape(self.output)

    def adjoint(self, y: Array) -> Array:
        """Aᴴy in the shape of x."""
        return self.columns.times(y.reshape(-1)).reshape(self.shape)

    def gram(self, x: Array) -> Array:
        """AᴴA x."""
        return self.adjoint(self.apply(x))


def build_sparse(matrix: Any, shape: tuple[int, ...], output: tuple[int, ...] | None = None) -> SparseMatrix:
    """Build the operator of a SciPy sparse matrix on arrays of this shape; its output is a vector unless it says."""
    matrix, count = matrix.tocsr(), matrix.shape[0]
    adjoint = matrix.T.conj(copy=False).tocsr()
    norm = _norm(matrix, adjoint)
    rows = padded_rows(matrix)
    del matrix  # a large one is not in memory more often than it must
    return SparseMatrix(rows, padded_rows(adjoint), shape, output or (count,), norm)


def padded_rows(matrix: Any) -> PaddedRows:
    """A SciPy matrix in CSR form by its padded rows: at most a tenth more numbers, and some where there are few."""
    count = np.diff(matrix.indptr)
    order = np.argsort(-count, kind="stable")
    groups = [np.sort(order[begin:end]) for begin, end in _groups(count[order])]
    stored = [_padded(matrix, rows, count[rows]) for rows in groups]
    places = np.empty(len(count), np.int32)
    places[np.concatenate(groups)] = np.arange(len(count))
    return PaddedRows(
        tuple(placed(values) for values, _ in stored),
        tuple(placed(columns) for _, columns in stored),
        None if len(groups) == 1 else placed(places),
        len(count),
    )


def _groups(count: np.ndarray) -> list[tuple[int, int]]:
    """From where to where rows, the longest first, are padded to one length."""
    found, begin, totals = list[tuple[int, int]](), 0, np.concatenate([[0], np.cumsum(count)])
    while begin < len(count):
        entries = totals[begin + 1 :] - totals[begin]
        zeros = count[begin] * np.arange(1, len(entries) + 1) - entries
        too_many = zeros > np.maximum(PADDING * entries, SMALL * totals[-1])
        end = begin + (int(np.argmax(too_many)) if too_many.any() else len(entries))
        found.append((begin, end))
        begin = end
    return found or [(0, 0)]


def _padded(matrix: Any, rows: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and columns of some rows, each row a column of the arrays."""
    chosen = matrix if len(rows) == len(matrix.indptr) - 1 else matrix[rows]
    taken = np.arange(count.max(initial=0)) < count[:, None]
    places = np.uint16 if matrix.shape[1] <= NARROW else np.int32
    values, columns = (np.zeros(taken.T.shape, dtype) for dtype in (matrix.dtype, places))
    values.T[taken], columns.T[taken] = chosen.data, chosen.indices
    return values, columns


def _norm(matrix: Any, adjoint: Any) -> float:
    """An upper bound of the largest singular value: √(‖A‖₁‖A‖_∞), or what power iteration finds and a margin."""
    if matrix.nnz == 0:
        return 0.0
    sums = (_absolute(one).sum(axis=1).max() for one in (matrix, adjoint))
    bound = float(np.sqrt(math.prod(sums)))
    vector = np.asarray(np.random.default_rng(0).standard_normal(matrix.shape[1]), matrix.dtype)
    value = 0.0
    for _ in range(POWER_ITERATIONS):
        vector = adjoint @ (matrix @ (vector / (np.linalg.norm(vector) or 1.0)))
        value = float(np.sqrt(np.linalg.norm(vector)))
    return min(bound * (1 + 1e-6), value * POWER_MARGIN)


def _absolute(matrix: Any) -> Any:
    """The absolute values of a CSR matrix's entries, which share its places."""
    return type(matrix)((np.abs(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
