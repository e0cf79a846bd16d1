"""H and P of a direct solver, written down: by a few products where neighbours alone are coupled."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from flowengine.arithmetic import zeros_like
from flowengine.methods.copies import penalty
from flowengine.problem import Hypers, Problem, Tree
from flowengine.steps import Equations, Tridiagonal, smooth_gradient
from flowengine.xla import placed

NARROW = 8  # entries on either side of one that a series may couple it to
LEAST_BLOCK = 8  # entries: less is no quicker
AT_ONCE = 32  # vectors that are mapped at a time
ENTRIES = 8192  # of variables that are no series: each is mapped by itself
WORK = 3e11  # entries × width², of a factorisation that takes seconds
TOO_LARGE = "factors of its equations would take too long"
UNSEEN = "in some direction the variable can move without any term's seeing it"
ROUNDING = 1e-9  # of the largest: how far a product may be from that with the band


def equations_of(problem: Problem, hypers: Hypers) -> Equations | str:
    """H and P in blocks; or why they can't be had: they are too wide, or together of less than full rank."""
    found = written(problem, hypers)
    if found is None:
        return TOO_LARGE
    from scipy import sparse  # noqa: PLC0415 - only flows with such equations pay for it
    from scipy.sparse.csgraph import reverse_cuthill_mckee  # noqa: PLC0415

    both = (abs(found[0]) + abs(found[1])).tocsr()
    order = np.arange(both.shape[0])
    if not is_series(problem):
        order = np.asarray(reverse_cuthill_mckee(both, symmetric_mode=True))
    width = _width(both[order][:, order])
    if len(order) * float(width) ** 2 > WORK:
        return TOO_LARGE
    size = len(order) if 2 * width >= len(order) else max(width, LEAST_BLOCK)
    fit, stiff = (_blocks(one[order][:, order].tocsr(), size) for one in found)
    if not _regular(sparse.csr_array(found[0] + found[1])[order][:, order], width):
        return UNSEEN
    beyond = np.arange(len(order), len(fit[0]) * size)
    fit[0].reshape(-1, size)[beyond, beyond % size] = 1
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    still = jax.tree.map(jnp.negative, smooth_gradient(problem, zeros_like(problem.init)))
    H, P = (Tridiagonal(placed(diagonal), placed(lower)) for diagonal, lower in (fit, stiff))
    return Equations(H, P, placed(order, np.int32), placed(places, np.int32), still)


def is_series(problem: Problem) -> bool:
    """Whether there is one variable, along one axis."""
    return len(problem.unknowns) == 1 and max(problem.shape, default=0) == math.prod(problem.shape)


def narrow(problem: Problem, hypers: Hypers) -> bool:
    """Whether each entry of a series is coupled to its neighbours alone: solving for all costs little then."""
    return is_series(problem) and _comb(problem, hypers, 2 * NARROW + 1) is not None


def written(problem: Problem, hypers: Hypers) -> tuple[Any, Any] | None:
    """H and P as SciPy's sparse matrices; None of too many entries that are coupled to more than their neighbours."""
    entries = sum(math.prod(one.shape) for one in problem.unknowns)
    found = _comb(problem, hypers, min(2 * NARROW + 1, entries)) if is_series(problem) else None
    if found is None and entries <= ENTRIES:
        found = _comb(problem, hypers, entries)
    return found


def _comb(problem: Problem, hypers: Hypers, stride: int) -> tuple[Any, Any] | None:
    """H and P from their products with combs of this stride; None where they are wider than that tells.

    Curtis, Powell and Reid, IMA Journal of Applied Mathematics 13, 1974.
    """
    from scipy import sparse  # noqa: PLC0415 - only flows with such equations pay for it

    flat, _ = ravel_pytree(zeros_like(problem.init))
    entries, parts = flat.size, ([], [])  # type: tuple[int, tuple[list[Any], list[Any]]]
    place = np.arange(entries)
    for begin in range(0, stride, AT_ONCE):
        teeth = np.arange(begin, begin + AT_ONCE)
        probes = (place % stride == teeth[:, None]).astype(problem.dtype)  # beyond the last tooth 0
        for images, into in zip(_images(problem, hypers, placed(probes)), parts, strict=True):
            tooth, row = np.nonzero(np.asarray(images))
            away = np.rint((row - teeth[tooth]) / stride).astype(int) if stride < entries else 0
            column = teeth[tooth] + stride * away
            inside = (column >= 0) & (column < entries)
            values = np.asarray(images)[tooth, row][inside]
            into.append(sparse.csr_array((values, (row[inside], column[inside])), (entries, entries)))
    matrices = [functools.reduce(lambda a, b: a + b, one) for one in parts]
    even = [((one + one.T) / 2).tocsr() for one in matrices]
    probe = np.random.default_rng(0).standard_normal((AT_ONCE, entries))
    for images, one in zip(_images(problem, hypers, placed(probe, problem.dtype)), even, strict=True):
        wanted = np.asarray(images)
        if np.abs(probe @ one - wanted).max() > ROUNDING * np.abs(wanted).max():
            return None
    return even[0], even[1]


@jax.jit
def _images(problem: Problem, hypers: Hypers, vectors: Array) -> tuple[Array, Array]:
    """H and P times each of some vectors."""
    origin = zeros_like(problem.init)
    _, unravel = ravel_pytree(origin)
    _, hessian = jax.linearize(lambda x: smooth_gradient(problem, x), origin)

    def flat(act: Callable[[Tree], Tree]) -> Callable[[Array], Array]:
        return lambda one: ravel_pytree(act(unravel(one)))[0]

    stiff = functools.partial(penalty, problem, hypers)
    return jax.vmap(flat(hessian))(vectors), jax.vmap(flat(stiff))(vectors)


def _width(matrix: Any) -> int:
    """How far from the diagonal entries stand."""
    at = matrix.tocoo()
    return int(np.abs(at.row - at.col).max(initial=0))


def _blocks(matrix: Any, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The blocks on the diagonal, and those left of them, of a matrix of at most this width."""
    at = matrix.tocoo()
    shape = (-(-matrix.shape[0] // size), size, size)
    diagonal, lower = np.zeros(shape, matrix.dtype), np.zeros(shape, matrix.dtype)
    (block, row), (other, column) = divmod(at.row, size), divmod(at.col, size)
    for into, chosen in ((diagonal, block == other), (lower, block == other + 1)):
        into[block[chosen], row[chosen], column[chosen]] = at.data[chosen]
    return diagonal, lower


def _regular(matrix: Any, width: int) -> bool:
    """Whether a positive semidefinite matrix has full rank but for rounding, whatever the units of its rows."""
    from scipy.linalg import LinAlgError, cholesky_banded  # noqa: PLC0415 - only flows with such equations pay for it

    size = np.sqrt(matrix.diagonal())
    if not np.all(size > 0):
        return False
    at = matrix.tocoo()
    below = at.row >= at.col
    bands = np.zeros((width + 1, len(size)))
    bands[(at.row - at.col)[below], at.col[below]] = (at.data / size[at.row] / size[at.col])[below]
    try:
        pivots = cholesky_banded(bands, lower=True)[0]
    except LinAlgError:
        return False
    return bool(pivots.min() ** 2 > len(size) * float(np.finfo(matrix.dtype).eps))
