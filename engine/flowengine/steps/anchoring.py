"""Halpern's iteration with restarts, for maps that turn about their fixed point rather than approach it.

    v⁺ = (1 − s) N(v) + s v̄,   s = 1/(j + 2) after j steps from the anchor v̄,

of a nonexpansive N brings ‖v − N(v)‖ down as 1/j; begun anew from where it is, it falls by a factor each time, which on
linear programs, support vector machines and quantiles takes a tenth or less of the iterations of N alone. A new anchor
is set where ‖v − N(v)‖ is down to a fifth of what it was at the last, or below four fifths and growing, or where there
was none for a third of the run; with it τ goes half the way, on a logarithmic scale, to where primal and dual parts
have moved as far.
Sources: Lieder, Optimization Letters 15, 2021; Applegate, Hinder, Lu and Lubin, Mathematical Programming 201, 2023
(the restarts); Applegate and others, Advances in Neural Information Processing Systems 34, 2021 (τ).
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.problem import Hypers, Scalar, Tree, pytree
from flowengine.steps.balancing import beyond_rounding, longest

if TYPE_CHECKING:
    from jaxtyping import Int

ENOUGH, SOME, LONG = 0.2, 0.8, 0.36
SMOOTHED = 0.5
PINNED = 100.0  # how far τ moves where one side doesn't
ROUNDS = 32.0  # of eps: what a move may be made of


@pytree()
class Anchored:
    """A step τ, and the anchor.

    Attributes:
        tau: τ.
        anchor: What is to be moved back to: a tree of any form.
        since: Steps from the anchor, j.
        count: Steps of the run.
        first: ‖v − N(v)‖ at the first look after the anchor was set; 0 before that.
        last: The same at the last look.
    """

    tau: Scalar
    anchor: Tree
    since: Int[Array, ""]
    count: Int[Array, ""]
    first: Scalar
    last: Scalar

    @property
    def share(self) -> Scalar:
        """How much of a step goes back to the anchor, s."""
        return 1 / (self.since + 2).astype(self.tau.dtype)


def anchored(hypers: Hypers, start: Tree) -> Anchored:
    """Before the first iteration."""
    tau = longest(hypers)
    zero, none = jnp.zeros_like(tau), jnp.zeros((), jnp.int64)
    return Anchored(tau, start, none, none, zero, zero)


def counted(now: Anchored) -> Anchored:
    """One step later."""
    return replace(now, since=now.since + 1, count=now.count + 1)


def reanchored(
    now: Anchored,
    here: Tree,
    length: Scalar,
    moves: tuple[Scalar, Scalar],
    sizes: tuple[Scalar, Scalar],
    hypers: Hypers,
    iterations: Int[Array, ""],
) -> Anchored:
    """At a look, where ‖v − N(v)‖ is this `length`.

    Args:
        now: As the steps left it.
        here: The anchor to be, if it is time.
        length: ‖v − N(v)‖.
        moves: Σ‖Δ‖²/τ₀ between the anchor and here, at the first τ₀, and Σ‖Δ‖²·τ₀ of the duals.
        sizes: The same of all of v instead of Δ.
        hypers: The bounds of τ; without them it is fixed.
        iterations: Since the last look; after none nothing changes.
    """
    first = jnp.where(now.first > 0, now.first, length)
    grows = (length <= SOME * first) & (length > now.last) & (now.last > 0)
    ends = (length <= ENOUGH * first) | grows | (now.since >= LONG * now.count)
    again = Anchored(
        _between(now, moves, sizes, hypers),
        here,
        jnp.zeros_like(now.since),
        now.count,
        jnp.zeros_like(first),
        jnp.zeros_like(first),
    )
    later = replace(now, first=first, last=length)
    chosen: Anchored = jax.tree.map(functools.partial(jnp.where, ends & (iterations > 0)), again, later)
    kept: Anchored = jax.tree.map(functools.partial(jnp.where, iterations > 0), chosen, now)
    return kept


def _between(now: Anchored, moves: tuple[Scalar, Scalar], sizes: tuple[Scalar, Scalar], hypers: Hypers) -> Scalar:
    """τ half the way to where both moves are as long; itself where it is fixed, or nothing moves but by rounding.

    Where one of them doesn't move at all, a point pinned to a bound, the other is given more room.
    """
    tau = now.tau
    if hypers.least is None:
        return tau
    (primal, dual), share = moves, tau / longest(hypers)
    ideal = longest(hypers) * jnp.sqrt(primal / jnp.maximum(dual, np.finfo(dual.dtype).tiny))
    blind = tau * jnp.where(primal > 0, PINNED, jnp.where(dual > 0, 1 / PINNED, 1))
    ideal = jnp.clip(jnp.where((primal > 0) & (dual > 0), ideal, blind), hypers.least, hypers.most)
    lengths = jnp.sqrt(sizes[0]), jnp.sqrt(sizes[1])
    rounded = (lengths[0] + share * lengths[1], lengths[1] + lengths[0] / share)  # each side rounds the other, in its τ
    walked = ROUNDS * jnp.sqrt(now.since + 1.0)  # rounding errors of as many steps
    walked = walked * jnp.where((primal > 0) & (dual > 0), 1.0, PINNED)  # a pinned side makes room for the other's
    tells = [(one == 0) | (beyond_rounding(one, size, walked) > 0) for one, size in zip(moves, rounded, strict=True)]
    return jnp.where(tells[0] & tells[1], tau * jnp.exp(SMOOTHED * jnp.log(ideal / tau)), tau)
