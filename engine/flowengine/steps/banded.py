"""The minimiser of a quadratic f and quadratic penalties, where their equations are banded.

    (H + ρP) x = r,   K = H + ρP block tridiagonal in an order of the entries that brings neighbours together

Short blocks: every second one is eliminated at once, which leaves half as many, tridiagonal again, and in the end one
dense matrix (block cyclic reduction). What a loop over entries would do one after another is done side by side. Wide
blocks: one after another, K = (I + M)S(I + M)ᵀ with S block diagonal. Of one block that is its dense inverse.
Sources: Heller, SIAM Journal on Numerical Analysis 13, 1976; Golub and Van Loan, Matrix Computations, 4.5, 2013.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array, lax
from jax import scipy as jsp
from jax.flatten_util import ravel_pytree

from flowengine.problem import Scalar, Tree, pytree

if TYPE_CHECKING:
    from jaxtyping import Float, Int

WIDE = 32  # entries of a block, from which blocks are eliminated one after another
DENSE = 128  # entries that are left of short blocks: as one dense matrix


@pytree()
class Tridiagonal:
    """A symmetric matrix in blocks.

    Attributes:
        diagonal: The blocks on the diagonal.
        lower: Those left of them, the first of which is 0.
    """

    diagonal: Float[Array, "blocks n n"]
    lower: Float[Array, "blocks n n"]


@pytree()
class Equations:
    """H and P, written down once.

    Attributes:
        fit: H; 1 on the diagonal beyond the last entry, to whole blocks.
        penalty: P.
        order: The entry of the raveled variables that each row is of.
        places: The row of each entry.
        right: −∇f(0).
    """

    fit: Tridiagonal
    penalty: Tridiagonal
    order: Int[Array, " n"]
    places: Int[Array, " n"]
    right: Tree


@pytree()
class Halving:
    """What eliminates every second block.

    Attributes:
        down: What those that go take from the block before them, and below it from the one after them.
        up: What those that go are made of: of their own right side, the block before, and the one after.
    """

    down: Float[Array, "half 2n n"]
    up: Float[Array, "half n 3n"]


@pytree()
class Chain:
    """What eliminates blocks one after another.

    Attributes:
        inverse: S⁻¹, of each block less what those before it take.
        before: M, of each block and the one before it; 0 of the first.
    """

    inverse: Float[Array, "blocks n n"]
    before: Float[Array, "blocks n n"]


@pytree()
class Factors:
    """K⁻¹ of K = H + ρP, in factors: every halving, the chain of what is left, and the ρ that they are of."""

    halvings: tuple[Halving, ...]
    rest: Chain
    rho: Scalar


def factored(equations: Equations, rho: Scalar) -> Factors:
    """The factors at a ρ."""
    fit, penalty = equations.fit, equations.penalty
    diagonal, lower = fit.diagonal + rho * penalty.diagonal, fit.lower + rho * penalty.lower
    halvings, size = list[Halving](), diagonal.shape[1]
    while size < WIDE and len(diagonal) * size > DENSE:
        halving, diagonal, lower = _halved(*_even(diagonal, lower))
        halvings.append(halving)
    if size < WIDE:
        diagonal = _whole(diagonal, lower)[None]
        lower = jnp.zeros_like(diagonal)
    return Factors(tuple(halvings), _chained(diagonal, lower), rho)


def refactored(equations: Equations, factors: Factors, rho: Scalar) -> Factors:
    """The same at another ρ; as they are where it is the same.

    A loop of one turn, whose result is written in place, where a condition would copy it. The turn's number is a factor
    of ρ, or XLA would see that all turns compute the same, and compute it before it knows whether there is one.
    """

    def turn(at: tuple[Array, Factors]) -> tuple[Array, Factors]:
        return at[0] - 1, factored(equations, rho * at[0])

    left = (factors.rho != rho).astype(rho.dtype)
    found: tuple[Array, Factors] = lax.while_loop(lambda at: at[0] > 0, turn, (left, factors))
    return found[1]


def solved_in_bands(equations: Equations, factors: Factors, right: Tree) -> Tree:
    """K⁻¹(right − ∇f(0))."""
    flat, unravel = ravel_pytree(right)
    flat = (flat + ravel_pytree(equations.right)[0])[equations.order]
    size = equations.fit.diagonal.shape[1]
    r = jnp.pad(flat, (0, -len(flat) % size)).reshape(-1, size)
    gone = list[Array]()
    for one in factors.halvings:
        r = jnp.pad(r, ((0, len(r) % 2), (0, 0)))
        stays, goes = r[0::2], r[1::2]
        gone.append(goes)
        taken = _times(one.down, goes)
        r = stays - taken[:, :size] - _later(taken[:, size:])
    x = _through(factors.rest, r.reshape(-1, factors.rest.inverse.shape[1])).reshape(r.shape)
    for one, goes in zip(reversed(factors.halvings), reversed(gone), strict=True):
        x = x[: len(goes)]
        following = jnp.pad(x[1:], ((0, 1), (0, 0)))
        found = _times(one.up, jnp.concatenate([goes, x, following], axis=1))
        x = jnp.stack([x, found], axis=1).reshape(-1, size)
    return unravel(x.reshape(-1)[equations.places])


def _chained(diagonal: Array, lower: Array) -> Chain:
    """Of blocks that are eliminated one after another."""

    def next_one(last: Array, at: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        before = _product(at[1], last)
        inverse = _inverse(at[0] - _product(before, at[1].T))
        return inverse, (inverse, before)

    _, (inverse, before) = lax.scan(next_one, jnp.zeros_like(diagonal[0]), (diagonal, lower))
    return Chain(inverse, before)


def _through(chain: Chain, right: Array) -> Array:
    """What the blocks of a chain are solved for by, forth and back."""
    if len(right) == 1:
        return _product(right, chain.inverse[0])

    def forth(last: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        taken = at[1] - _product(at[0], last)
        return taken, taken

    def back(pulled: Array, at: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        inverse, before, taken = at
        x = _product(taken, inverse) - pulled
        return _product(x, before), x

    zero = jnp.zeros_like(right[0])
    _, taken = lax.scan(forth, zero, (chain.before, right))
    _, found = lax.scan(back, zero, (chain.inverse, chain.before, taken), reverse=True)
    return found


def _even(diagonal: Array, lower: Array) -> tuple[Array, Array]:
    """With one more block, 1 on its diagonal, where their number is odd."""
    if len(diagonal) % 2 == 0:
        return diagonal, lower
    one = jnp.eye(diagonal.shape[1], dtype=diagonal.dtype)[None]
    return jnp.concatenate([diagonal, one]), jnp.concatenate([lower, jnp.zeros_like(one)])


def _halved(diagonal: Array, lower: Array) -> tuple[Halving, Array, Array]:
    """Without every second block, and what that takes."""
    left = lower[1::2]
    right = jnp.concatenate([lower[2::2], jnp.zeros_like(lower[:1])])
    inverse = _inverses(diagonal[1::2])
    before, behind = _product(left.mT, inverse), _product(right, inverse)
    stays = diagonal[0::2] - _product(before, left) - _later(_product(behind, right.mT))
    halving = Halving(
        jnp.concatenate([before, behind], axis=1), jnp.concatenate([inverse, -before.mT, -behind.mT], axis=2)
    )
    return halving, stays, -_later(_product(behind, left))


def _later(a: Array) -> Array:
    """Each block in the place of the next, 0 in that of the first."""
    return jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]])


def _whole(diagonal: Array, lower: Array) -> Array:
    """All blocks as one matrix."""
    count, size, _ = diagonal.shape
    here, before = jnp.eye(count, dtype=diagonal.dtype), jnp.eye(count, k=-1, dtype=diagonal.dtype)
    below = (before[:, None, :, None] * lower[:, :, None, :]).reshape(count * size, count * size)
    return (here[:, None, :, None] * diagonal[:, :, None, :]).reshape(below.shape) + below + below.T


def _inverses(a: Array) -> Array:
    """Of symmetric positive definite blocks, one by one by LAPACK: for many at once XLA compiles loops of its own."""
    found: Array = lax.map(_inverse, a)
    return found


def _inverse(a: Array) -> Array:
    """Of a symmetric positive definite matrix."""
    found: Array = jsp.linalg.cho_solve((jnp.linalg.cholesky(a), True), jnp.eye(len(a), dtype=a.dtype))
    return (found + found.T) / 2


def _product(a: Array, b: Array) -> Array:
    """Of blocks, on a GPU too in the precision of its factors."""
    found: Array = jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
    return found


def _times(a: Array, b: Array) -> Array:
    """A_k b_k."""
    return _product(a, b[..., None])[..., 0]
