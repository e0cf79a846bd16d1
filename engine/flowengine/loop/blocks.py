"""The compiled loop: blocks of bare steps, a certificate after each.

Everything fires at absolute iterations, never by the clock, so cutting a run into chunks, or killing it, changes no
bit. The last step of a block stands in the outer body, where the certificate shares its intermediate values.

What stands in the program more than once is a function compiled by itself: it is traced once, which a resumed flow
waits for; XLA puts it where it is called before it does anything else.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.arithmetic import norm
from flowengine.certify import Controller, Scales, drift, energy, gap, judge, rescaled, residual, watch_growth
from flowengine.loop.carry import (
    BY_CHANGE,
    BY_GAP,
    BY_LIMIT,
    BY_RESIDUAL,
    DIVERGED,
    RUNNING,
    Carry,
    LoopSettings,
    Status,
    Stops,
    settled,
)
from flowengine.methods import stepped
from flowengine.problem import Evidence, Hypers, Method, Problem, Scalar, Tree, pytree
from flowengine.xla import either, on_cpu

if TYPE_CHECKING:
    from jaxtyping import Int


@pytree()
class Seen:
    """What a look finds: scales of the residual, growth of the Lyapunov quantity, duality gap."""

    scales: Scales
    controller: Controller
    duality: Scalar


@functools.partial(jax.jit, static_argnames=("method", "settings"), donate_argnames=("carry",))
def advance(
    problem: Problem, carry: Carry, stops: Stops, until: Int[Array, ""], *, method: Method, settings: LoopSettings
) -> Carry:
    """Iterate until a stop rule holds or `until` is reached.

    A block that is cut goes on at the next call where it was: its certificate comes when it is whole. The random key,
    the certificates and every step are those of an uncut run.
    """
    target = jnp.minimum(until, stops.limit)
    every, seldom = np.int64(settings.every), np.int64(settings.rare)  # lax.rem: % is ten operations

    def last(now: Carry) -> Array:
        """The step that closes the block."""
        return jnp.minimum(now.k - lax.rem(now.k, every) + every, stops.limit) - 1

    def unfinished(now: Carry) -> Array:
        return (now.status.code == RUNNING) & (now.k < target)

    def block(now: Carry) -> Carry:
        now = _bare_steps(problem, now, jnp.minimum(last(now), target), method=method, most=settings.every - 1)
        closes, k = unfinished(now) & (now.k == last(now)), now.k
        sure = (lax.rem(now.certificates, seldom) == 0) | _is_power_of_two(now.certificates)
        sure = sure | (now.status.residual < stops.residual)  # it would stop: not by a scale of long ago
        if settings.with_residual:
            now = _looked(problem, now, closes & sure, method=method, settings=settings)
        close = functools.partial(_closed, problem, sure=sure, stops=stops, method=method, settings=settings)
        # a loop of one turn where a condition would do: XLA lets it write in place, and copies what a branch returns
        return lax.while_loop(lambda at: closes & (at.k == k), close, now)

    return lax.while_loop(unfinished, block, carry)


def _bare_steps(problem: Problem, now: Carry, last: Int[Array, ""], *, method: Method, most: int) -> Carry:
    """Steps up to `last`, at most so many."""

    def step(at: tuple[Array, Tree]) -> tuple[Array, Tree]:
        return at[0] + 1, stepped(problem, now.hypers, at[1], method=method)

    at = (now.k, now.state)
    if not on_cpu() and most > 1:  # the host of a GPU waits for a condition; not for a number of turns that it knows
        whole = functools.partial(lax.fori_loop, 0, most, lambda _, at: step(at))
        at = lax.while_loop(lambda at: at[0] <= last - most, whole, at)
    k, state = lax.while_loop(lambda at: at[0] < last, step, at)
    return replace(now, k=k, state=state)


def _is_power_of_two(count: Array) -> Array:
    return count & (count - 1) == 0


def _looked(problem: Problem, now: Carry, looks: Array, *, method: Method, settings: LoopSettings) -> Carry:
    """Now and then, before a block's last step: what moves slowly or costs much, of a step that is thrown away."""

    def look(at: tuple[Array, Seen]) -> tuple[Array, Seen]:
        state, _ = lax.optimization_barrier((now.state, at[0]))  # or XLA takes it all out of the loop, and always looks
        after, evidence = lax.optimization_barrier(_observed(problem, now.hypers, state, method=method))
        growth = watch_growth(now.controller, method.lyapunov(problem, now.hypers, state, after))
        seen = replace(at[1], controller=growth)
        if evidence.imbalance is not None:
            balance = method.balance(problem, now.hypers, state, after)
            duality = gap(problem, balance, evidence) if settings.with_gap else now.status.gap
            seen = Seen(rescaled(problem, now.scales, balance, evidence), growth, duality)
        return at[0] + 1, seen

    start = (jnp.zeros((), jnp.int32), Seen(now.scales, now.controller, now.status.gap))
    _, seen = lax.while_loop(lambda at: at[0] < looks.astype(jnp.int32), look, start)
    return replace(now, scales=seen.scales, controller=seen.controller, status=replace(now.status, gap=seen.duality))


@functools.partial(jax.jit, static_argnames=("method",))
def _observed(problem: Problem, hypers: Hypers, state: Tree, *, method: Method) -> tuple[Tree, Evidence]:
    return method.observed_step(problem, hypers, state)


def _closed(
    problem: Problem, now: Carry, *, sure: Array, stops: Stops, method: Method, settings: LoopSettings
) -> Carry:
    """A block's last step and its certificate: gates, stop rules, steps to come, and a row of telemetry.

    A relative residual stops the run only where it is `sure`, its scales having just been looked at.
    """
    after, evidence = lax.optimization_barrier(_observed(problem, now.hypers, now.state, method=method))
    pace = method.pace(now.hypers, after)
    away = drift(problem, now.invariants, method.point(after), chained=settings.chained)
    k = now.k + 1
    every = np.int64(settings.every)
    since = lax.select(lax.rem(k, every) == 0, every, np.int64(0))
    state = method.adapted(problem, now.hypers, now.state, after, evidence, now.scales.sizes, since)
    value = energy(problem, evidence)
    relative, feasibility, balance = residual(problem, evidence, now.scales)
    if evidence.imbalance is None:
        is_finite = jnp.isfinite(norm(evidence.x))
    else:
        is_finite = jnp.isfinite(balance) & jnp.isfinite(feasibility)
    change = jnp.abs(value - now.status.energy) / jnp.maximum(jnp.abs(value), np.finfo(value.dtype).tiny)
    status = Status(jnp.zeros((), jnp.int32), value, relative, now.status.gap, change)
    status = replace(status, code=_stop_code(status, k, stops, is_finite, sure if settings.with_residual else None))
    converged = (status.code == BY_RESIDUAL) | (status.code == BY_GAP) | (status.code == BY_CHANGE)
    controller = now.controller
    if not settings.with_residual:  # nothing dear: gates have the step itself to look at
        controller = watch_growth(controller, method.lyapunov(problem, now.hypers, now.state, after))
    controller = judge(controller, holds=is_finite & away[1], converged=converged)
    row = (k, value, relative, now.status.gap, feasibility, balance, pace, away[0], controller.colour)
    place = lax.rem(now.certificates, np.int64(settings.rows)), np.int64(0)
    return replace(
        now,
        k=k,
        state=state,
        controller=controller,
        status=status,
        certificates=now.certificates + 1,
        ring=lax.dynamic_update_slice(now.ring, jnp.stack([one.astype(jnp.float64) for one in row])[None], place),
    )


def _stop_code(status: Status, k: Int[Array, ""], stops: Stops, is_finite: Array, sure: Array | None) -> Int[Array, ""]:
    """The first rule that holds, in this order: not finite, residual, gap, change, limit."""
    small = status.residual < stops.residual
    rules = (
        (~is_finite, DIVERGED),
        (small if sure is None else small & sure, BY_RESIDUAL),
        (status.gap < stops.gap, BY_GAP),
        (settled(status, stops), BY_CHANGE),
        (k >= stops.limit, BY_LIMIT),
    )
    code = jnp.full((), RUNNING, jnp.int32)
    for holds, rule in reversed(rules):
        code = either(holds, jnp.full((), rule, jnp.int32), code)
    return code
