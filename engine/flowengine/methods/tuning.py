"""A sampler's step and the widths of its entries, tuned while no output counts, by the moves themselves.

The step by dual averaging of the acceptance; the widths, a diagonal mass matrix, by the variances of the draws in
windows that double, all chains together. Everything follows from the state, so a resumed run tunes as an uninterrupted
one, and after the last of the `warm` moves nothing changes any more.
Source: Hoffman and Gelman, Journal of Machine Learning Research 15, 2014, section 3.2; Stan Reference Manual, "HMC
algorithm parameters" (windows, and the constants below).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.arithmetic import zeros_like
from flowengine.problem import Scalar, Tree, pytree

if TYPE_CHECKING:
    from jaxtyping import Int

PULL, SLOW, FORGET = 0.05, 10, 0.75  # γ, t₀ and κ of dual averaging
BOLD = 10.0  # times the step at first: what dual averaging leans to
STRETCHED = 1e6  # the most that tuning makes of a step, or takes of it
FIRST, WINDOW, LAST = 75, 25, 50  # moves before the windows, in the first of them, and after them
FEW = 20  # moves, below which widths stay as they are
KNOWN = 5  # draws that the widths before count for


@pytree()
class Tuning:
    """What tuning has seen.

    Attributes:
        widths: Of the entries.
        stretch: The factor of the step.
        average: Its logarithm, averaged: what it is set to in the end.
        missing: The mean of what acceptance fell short of its target by.
        moves: Since the widths changed.
        count: Draws of all chains in this window.
        mean: Of them, entry by entry.
        spread: Σ (x − mean)².
    """

    widths: Tree
    stretch: Scalar
    average: Scalar
    missing: Scalar
    moves: Int[Array, ""]
    count: Int[Array, ""]
    mean: Tree
    spread: Tree


def start_tuning(widths: Tree) -> Tuning:
    """Nothing seen yet."""
    zero = jnp.zeros((), jax.tree.leaves(widths)[0].dtype)
    none = jnp.zeros((), jnp.int64)
    return Tuning(widths, zero + 1, zero, zero, none, none, zeros_like(widths), zeros_like(widths))


def windows(warm: int) -> tuple[int, ...]:
    """After which moves the widths are set anew; the first is where the first window begins, after which none are.

    Each window is twice as long as the one before, and the last takes what another would not fit into.
    """
    if warm < FEW:
        return ()
    first, length, last = FIRST, WINDOW, LAST
    if warm < FIRST + WINDOW + LAST:
        first, last = warm * 15 // 100, warm * 10 // 100
        length = warm - first - last
    ends = [first]
    while ends[-1] + length <= warm - last:
        fits = ends[-1] + 3 * length <= warm - last
        ends.append(ends[-1] + length if fits else warm - last)
        length *= 2
    return tuple(ends)


def tuned(tuning: Tuning, x: Tree, missing: Scalar, temperature: Scalar, k: Int[Array, ""], *, warm: int) -> Tuning:
    """The tuning after move k.

    Args:
        tuning: As it was.
        x: The coordinates of the draws, chains along the first axis.
        missing: What the moves' acceptance falls short of its target by.
        temperature: T: widths are standard deviations at T = 1.
        k: Which move this was.
        warm: Moves after which nothing changes.
    """

    def turn(at: tuple[Array, Tuning]) -> tuple[Array, Tuning]:
        return at[0] + 1, _after(at[1], x, missing, temperature, k, warm)

    # a loop of one turn or none: later moves pay nothing for it
    turns = (k <= warm).astype(jnp.int32)
    after: tuple[Array, Tuning] = lax.while_loop(lambda at: at[0] < turns, turn, (jnp.zeros((), jnp.int32), tuning))
    return after[1]


def _after(tuning: Tuning, x: Tree, missing: Scalar, temperature: Scalar, k: Int[Array, ""], warm: int) -> Tuning:
    first, *ends = windows(warm) or (warm,)
    seen = _gathered(_stepped(tuning, missing), x, (k > first) & (k <= (ends[-1] if ends else first)))
    closes = jnp.any(k == np.array(ends, np.int64)) if ends else jnp.zeros((), bool)
    after: Tuning = jax.tree.map(lambda new, old: jnp.where(closes, new, old), _renewed(seen, temperature), seen)
    return replace(after, stretch=jnp.where(k == warm, jnp.exp(after.average), after.stretch))


def _stepped(tuning: Tuning, missing: Scalar) -> Tuning:
    """Dual averaging: log s = log μ − √t/γ · H̄, H̄ the mean of what is missing, and the average of log s."""
    moves = tuning.moves + 1
    t = moves.astype(missing.dtype)
    mean = tuning.missing + (missing - tuning.missing) / (t + SLOW)
    most = np.log(STRETCHED)
    log = jnp.clip(np.log(BOLD) - jnp.sqrt(t) / PULL * mean, -most, most)
    average = tuning.average + t**-FORGET * (log - tuning.average)
    return replace(tuning, stretch=jnp.exp(log), average=average, missing=mean, moves=moves)


def _gathered(tuning: Tuning, x: Tree, due: Array) -> Tuning:
    """With the draws of a move, by the pairwise update of Chan, Golub and LeVeque."""
    chains = jax.tree.leaves(x)[0].shape[0]
    count = tuning.count + chains
    share = chains / count

    def moved(mean: Array, one: Array) -> Array:
        return mean + jnp.where(due, share, 0).astype(mean.dtype) * (jnp.mean(one, axis=0) - mean)

    def widened(spread: Array, mean: Array, one: Array) -> Array:
        here = jnp.mean(one, axis=0)
        more = jnp.sum((one - here) ** 2, axis=0) + (tuning.count * share).astype(mean.dtype) * (here - mean) ** 2
        return spread + jnp.where(due, more, 0)

    spread = jax.tree.map(widened, tuning.spread, tuning.mean, x)
    mean = jax.tree.map(moved, tuning.mean, x)
    return replace(tuning, count=jnp.where(due, count, tuning.count), mean=mean, spread=spread)


def _renewed(tuning: Tuning, temperature: Scalar) -> Tuning:
    """Widths of the window's variances, those before counting as a few draws more; all else begins anew."""
    count = tuning.count.astype(temperature.dtype)

    def wide(width: Array, spread: Array) -> Array:
        variance = spread / jnp.maximum(count - 1, 1) / temperature
        return jnp.sqrt((count * variance + KNOWN * width**2) / (count + KNOWN)).astype(width.dtype)

    return start_tuning(jax.tree.map(wide, tuning.widths, tuning.spread))
