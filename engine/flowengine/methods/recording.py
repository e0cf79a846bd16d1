"""Statistics of a sampler's draws, gathered as they are made: a resumed run has those of an uninterrupted one.

Moments by the pairwise update of Chan, Golub and LeVeque (The American Statistician 37, 1983), a whole generation of
chains at a time; quantiles, R-hat and effective sample size from a buffer of draws that are
evenly spaced from the burn-in to the last one, however many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import Array, lax

from flowapi.frozen import frozen
from flowengine.problem import Problem, Scalar, Tree, pytree

if TYPE_CHECKING:
    from jaxtyping import Int


@frozen
class Statistic:
    """One of a flow's outputs.

    Attributes:
        kind: mean, var, cov, quantiles, rhat or ess.
        variable: Its name.
        burn: Draws up to here don't count.
        keep: Draws of each chain that the buffer has room for; 0 without one.
        thin: At least so many draws are between two of them.
        at: Which quantiles.
    """

    kind: str
    variable: str
    burn: int
    keep: int
    thin: int
    at: tuple[float, ...]


@pytree()
class Recorded:
    """What one statistic has seen.

    Attributes:
        count: Draws of all chains together for moments, of each chain for the buffer.
        mean: Of every entry; None with a buffer.
        spread: Σ (x − mean)², or Σ (x − mean)(x − mean)ᵀ of the raveled x; None where it is not needed.
        draws: (keep, chains, *shape), every `thin`-th after the burn-in; None for moments.
        thin: Draws from one in the buffer to the next; None without one.
    """

    count: Int[Array, ""]
    mean: Array | None
    spread: Array | None
    draws: Array | None
    thin: Int[Array, ""] | None = None


def start_recording(outputs: tuple[Statistic, ...], problem: Problem, chains: int) -> tuple[Recorded, ...]:
    """Nothing seen yet."""
    shapes = {one.name: one.shape for one in problem.unknowns}
    return tuple(_empty(one, shapes[one.variable], problem.real, chains) for one in outputs)


def _empty(one: Statistic, shape: tuple[int, ...], dtype: str, chains: int) -> Recorded:
    count = jnp.zeros((), jnp.int64)
    if one.keep:
        draws = jnp.zeros((one.keep, chains, *shape), dtype)
        return Recorded(count, None, None, draws, jnp.full((), one.thin, jnp.int64))
    mean = jnp.zeros(shape, dtype)
    spread = {"mean": None, "var": jnp.zeros(shape, dtype), "cov": jnp.zeros((mean.size, mean.size), dtype)}[one.kind]
    return Recorded(count, mean, spread, None)


def record(
    outputs: tuple[Statistic, ...], recorded: tuple[Recorded, ...], x: Tree, k: Int[Array, ""]
) -> tuple[Recorded, ...]:
    """With the draws of move k."""
    return tuple(
        _seen(one, before, x[one.variable] if isinstance(x, dict) else x, k)
        for one, before in zip(outputs, recorded, strict=True)
    )


def _seen(one: Statistic, before: Recorded, x: Array, k: Int[Array, ""]) -> Recorded:
    if before.draws is not None:
        return _kept(one, before, x, k)
    due = k > one.burn
    mean: Any = before.mean
    chains = x.shape[0]
    count = before.count + chains
    share = jnp.where(due, chains / count, 0).astype(x.dtype)
    here = jnp.mean(x, axis=0)
    delta = here - mean
    spread = before.spread
    if spread is not None:
        between = jnp.where(due, before.count * (chains / count), 0).astype(x.dtype)
        spread = spread + _products(x - here, due.astype(x.dtype), flat=one.kind == "cov")
        spread = spread + _products(delta[None], between, flat=one.kind == "cov")
    return Recorded(jnp.where(due, count, before.count), mean + share * delta, spread, None)


def _kept(one: Statistic, before: Recorded, x: Array, k: Int[Array, ""]) -> Recorded:
    """With this draw, if it is due; where there is no room for it every second one goes first."""
    draws, thin = jnp.asarray(before.draws), jnp.asarray(before.thin)
    full = (k > one.burn) & ((k - one.burn) % thin == 0) & (before.count == one.keep)

    def halved(at: tuple[Array, Array]) -> tuple[Array, Array]:
        half = at[1][1::2]
        return jnp.zeros((), bool), at[1].at[: len(half)].set(half)

    _, draws = lax.while_loop(lambda at: at[0], halved, (full, draws))  # a loop of one turn: written in place
    count, thin = jnp.where(full, one.keep // 2, before.count), jnp.where(full, 2 * thin, thin)
    due = (k > one.burn) & ((k - one.burn) % thin == 0)
    index = jnp.minimum(count, one.keep - 1)
    draws = draws.at[index].set(jnp.where(due, x, draws[index]))
    return Recorded(count + due, None, None, draws, thin)


def _products(rows: Array, factor: Scalar, *, flat: bool) -> Array:
    """Factor · Σ over rows of each entry's square, or of the outer product of the raveled row."""
    if not flat:
        return factor * jnp.sum(rows * rows, axis=0)
    matrix = rows.reshape(rows.shape[0], -1)
    return factor * (matrix.T @ matrix)
