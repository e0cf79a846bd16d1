"""Steps for `admm` by eigenvectors: one for every entry and every row, where their sizes may differ.

Users measure in units of their own: columns in millions beside columns in thousandths. Scaled so that rows and columns
of the operators have norms about 1, none of them is lost beside the others.
Source: Ruiz, RAL-TR-2001-034, 2001 (the scaling); Stellato, Banjac, Goulart, Bemporad and Boyd, Mathematical
Programming Computation 12, 2020 (its use in ADMM).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from flowapi.frozen import frozen
from flowengine.arithmetic import subtract, zeros_like
from flowengine.atoms import Separable, has_bound
from flowengine.problem import Hypers, Problem, Term, Tree, Unknown
from flowengine.steps import AT_ONCE, smooth_gradient
from flowengine.storage import components
from flowengine.xla import placed

if TYPE_CHECKING:
    from jaxtyping import Float

ROUNDS = 10
FIRM = 10.0  # how much more than the copy of the variable the copies of its images weigh
REACH = 1e12  # how much longer or shorter than at first τ may become, as far as the numbers' precision goes


@frozen
class Matrices:
    """A problem of few entries in numbers: the Hessian H of f, and every W_j, on the entries in one row.

    `eps` is the precision that they were computed in.
    """

    hessian: Float[np.ndarray, "n n"]
    maps: list[Float[np.ndarray, "m n"]]
    eps: float

    @property
    def seen(self) -> bool:
        """Whether H + Σ W_jᵀW_j has full rank."""
        return _full(self.hessian + sum(one.T @ one for one in self.maps), self._rounding)

    @property
    def curved(self) -> bool:
        """Whether f curves in every direction."""
        return _full(self.hessian, self._rounding)

    @property
    def _rounding(self) -> float:
        return self.eps * max(len(self.hessian), *(len(one) for one in self.maps), 0)


def _full(matrix: np.ndarray, rounding: float) -> bool:
    """Whether a positive semidefinite matrix has full rank but for rounding, whatever the units of its rows."""
    size = np.sqrt(np.diag(matrix))
    if not np.all(size > 0):
        return False
    values = np.linalg.eigvalsh(matrix / size / size[:, None])
    return bool(values[0] > rounding * values[-1])


def matrices_of(problem: Problem) -> Matrices:
    """Write down its matrices."""
    hessian, maps = (np.asarray(one, float) for one in _columns(problem, zeros_like(problem.init)))
    sizes = [sum(math.prod(one.shape) for one in _image(problem, term)) for term in problem.dual]
    split = np.split(maps[:, :-1].T, np.cumsum(sizes)[:-1]) if sizes else []
    return Matrices((hessian + hessian.T) / 2, split, float(np.finfo(problem.real).eps))


def scaled_steps(problem: Problem, matrices: Matrices) -> Hypers:
    """τ, one an entry where g allows it, and σ_j, one a row where h_j does; together they weigh as f does.

    A loss h_j, whose gradient has a Lipschitz constant L_j, has a scale of its own: σ_j = L_j, and it counts as a part
    of f, H = f'' + Σ L_jW_jᵀW_j. Of the others, with columns scaled by d and rows by r_j: τ = d²/ρ, σ_j = r_j²ρ,
    ρ = tr H/tr(diag(1/d²) + Σ W_jᵀdiag(r_j²)W_j).
    """
    atoms, curvature = [term.atom for term in problem.dual], np.diag(matrices.hessian)
    bounds = [float(atom.lipschitz) if has_bound(atom) else None for atom in atoms]
    for bound, one in zip(bounds, matrices.maps, strict=True):
        curvature = curvature + (bound or 0) * np.sum(one**2, axis=0)
    free = [(term, one) for term, one, bound in zip(problem.dual, matrices.maps, bounds, strict=True) if bound is None]
    columns, rows = _balanced(problem, curvature, free)
    copied = problem.prox is not None
    weights = [(FIRM if copied else 1) * r**2 for r in rows]
    stiff = sum(float(np.sum(w[:, None] * one**2)) for w, (_, one) in zip(weights, free, strict=True))
    stiff += float(np.sum(1 / columns**2)) if copied else 0
    rho = (float(curvature.sum()) / stiff if stiff else 0) or 1.0
    tau, rest = columns**2 / rho, iter(weights)
    each = [
        next(rest) * rho if bound is None else np.full(len(one), bound)
        for one, bound in zip(matrices.maps, bounds, strict=True)
    ]
    sigma = tuple(_stored(problem, term, one) for term, one in zip(problem.dual, each, strict=True))
    reach = min(REACH, 0.01 / matrices.eps)
    least, most = (np.asarray(factor * tau.max(), problem.real) for factor in (1 / reach, reach))
    return Hypers(_by_variable(problem, tau), sigma, placed(least), placed(most))


def _balanced(
    problem: Problem, curvature: np.ndarray, free: list[tuple[Term, Float[np.ndarray, "m n"]]]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Scales d and r_j: rows of r_jW_jd of norm 1, and columns of what H and these W_j make of them."""
    columns, rows = np.ones(len(curvature)), [np.ones(len(one)) for _, one in free]
    apart = [_by_row(problem, term) for term, _ in free]
    for _ in range(ROUNDS):
        for index, (_, one) in enumerate(free):
            size = np.linalg.norm(rows[index][:, None] * one * columns, axis=1)
            rows[index] = rows[index] / _root(size, apart=apart[index])
        squares = [np.sum((r[:, None] * one) ** 2, axis=0) for r, (_, one) in zip(rows, free, strict=True)]
        parts = [curvature * columns**2, sum(squares, start=np.zeros(len(columns))) * columns**2]
        size = np.sqrt(sum(one / (one.max() or 1) for one in parts))
        for unknown, place in _places(problem):
            columns[place] = columns[place] / _root(size[place], apart=_by_entry(problem, unknown))
    return columns, rows


def _root(size: np.ndarray, *, apart: bool) -> np.ndarray:
    """√size, 1 where it is 0; all by the mean of those that aren't, where they can't be scaled `apart`.

    Zeros would lower that mean: then columns grow and rows shrink in every round, and nothing comes to rest.
    """
    seen = size[size > 0]
    if not apart and seen.size:
        size = np.full(size.shape, np.sqrt(np.mean(seen**2)))
    return np.sqrt(np.where(size > 0, size, 1))


def _places(problem: Problem) -> list[tuple[Unknown, slice]]:
    """Where the entries of each variable lie in one row: by name, as jax puts them."""
    ordered = sorted(problem.unknowns, key=lambda one: one.name)
    ends = list(itertools.accumulate(math.prod(one.shape) for one in ordered))
    return [(one, slice(begin, end)) for one, begin, end in zip(ordered, [0, *ends], ends, strict=False)]


def _by_entry(problem: Problem, unknown: Unknown) -> bool:
    """Whether every entry of a variable may have a primal step of its own."""
    prox = problem.prox
    part = prox.parts[unknown.name] if isinstance(prox, Separable) else prox
    return part is None or bool(part.elementwise)


def _by_row(problem: Problem, term: Term) -> bool:
    """Whether every entry of W_j x may have a dual step of its own."""
    image = jax.eval_shape(term.operator.apply, problem.init)
    plain = isinstance(image, jax.ShapeDtypeStruct) and not jnp.issubdtype(image.dtype, jnp.complexfloating)
    return plain and bool(getattr(term.atom, "elementwise", False))


def _image(problem: Problem, term: Term) -> list[Array]:
    parts: list[Array] = jax.eval_shape(lambda x: _parts(term.operator.apply(x)), problem.init)
    return parts


def _parts(image: Tree) -> list[Array]:
    """All its numbers, real and imaginary parts apart."""
    found = []
    for one in components(image):
        found += [one.real, one.imag] if jnp.iscomplexobj(one) else [one]
    return found


def _stored(problem: Problem, term: Term, weights: np.ndarray) -> Array:
    """One weight a row, or one for all."""
    (image, *_) = _image(problem, term)
    chosen = weights.reshape(image.shape) if _by_row(problem, term) else weights[0]
    return placed(chosen, problem.real)


def _by_variable(problem: Problem, flat: np.ndarray) -> Tree:
    """Numbers of all entries in one row, as the variables are; one for a variable whose entries have none apart."""
    arrays = {}
    for one, place in _places(problem):
        part = flat[place].reshape(one.shape) if _by_entry(problem, one) else flat[place][0]
        arrays[one.name] = placed(part, problem.real)
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


@jax.jit
def _columns(problem: Problem, origin: Tree) -> tuple[Array, Array]:
    """H, and the W_j one beside the other, for unit vectors in turn."""
    flat, unravel = ravel_pytree(origin)
    still = smooth_gradient(problem, origin)

    def column(one: Array) -> tuple[Array, Array]:
        x = unravel(one)
        curved, _ = ravel_pytree(subtract(smooth_gradient(problem, x), still))
        images = [part.reshape(-1) for term in problem.dual for part in _parts(term.operator.apply(x))]
        return curved, jnp.concatenate(
            [*images, jnp.zeros(1, flat.dtype)]
        )  # one too many: `map` divides by their number

    columns: tuple[Array, Array] = lax.map(column, jnp.eye(len(flat), dtype=flat.dtype), batch_size=AT_ONCE)
    return columns
