"""The units of rows and columns, for residuals that look at each of them.

Where the columns of a matrix are of very different sizes, the 2-norm of a gradient sees the largest alone, and a run
would end with the others not moved; rows of a constraint in other units are overlooked in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flowengine.linops import Blocks, Identity, Matrix, Pair, SparseMatrix
from flowengine.problem import Problem, Units, Unknown
from flowengine.xla import placed

APART = 10.0  # sizes that differ by less are in one unit


def units_of(problem: Problem) -> Units | None:
    """The sizes of columns and rows, relative to the largest; None where they don't differ by much.

    Columns only where nothing but matrices and bounds acts on the only variable: a norm as g has one scale for all.
    """
    bounded = problem.prox is None or problem.prox.indicator
    terms = (*problem.smooth, *problem.dual)
    columns = None
    if len(problem.unknowns) == 1 and not problem.curved and bounded and terms:
        sizes = [lengths(term.operator, problem.shape, 0) for term in terms]
        if all(one is not None for one in sizes):
            columns = _apart(np.max([one / (one.max() or 1) for one in sizes if one is not None], axis=0))
    rows = tuple(_apart(lengths(term.operator, (), 1)) for term in problem.dual)
    if columns is None and all(one is None for one in rows):
        return None
    shaped = None if columns is None else placed(columns.reshape(problem.shape), problem.real)
    return Units(shaped, tuple(None if one is None else placed(one, problem.real) for one in rows))


def lengths(operator: Any, shape: tuple[int, ...], axis: int) -> np.ndarray | None:
    """The 2-norms of a matrix's columns (axis 0) or rows (1); None of anything else, but the columns of I."""
    if isinstance(operator, Matrix) and operator.mode not in ("left", "right"):
        return np.asarray(np.linalg.norm(np.asarray(operator.matrix), axis=axis))
    if isinstance(operator, SparseMatrix):
        return operator.columns.lengths() if axis == 0 else operator.rows.lengths().reshape(operator.output)
    if isinstance(operator, Identity) and axis == 0:
        return np.ones(int(np.prod(shape)))
    return None


def part_for(operator: Any, unknown: Unknown) -> Any:
    """The operator's part for one variable; None where it has none, or no such parts."""
    if isinstance(operator, Blocks):
        return operator.parts.get(unknown.name)
    return None if isinstance(operator, Pair) else operator


def _apart(sizes: np.ndarray | None) -> np.ndarray | None:
    """Relative to the largest, 1 for those that are 0; None where they are in one unit."""
    if sizes is None or not sizes.any():
        return None
    relative = np.where(sizes > 0, sizes / sizes.max(), 1)
    return relative if relative.min() * APART < 1 else None
