"""Everything a run is, as one pytree: what is saved, restored and hashed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowapi.frozen import frozen
from flowengine.certify import Controller, Reference, Scales, no_scales, references, start_controller, start_scales
from flowengine.problem import Hypers, Method, Problem, Scalar, Tree, pytree
from flowengine.xla import placed

if TYPE_CHECKING:
    from jaxtyping import Float, Int

COLUMNS = ("iter", "E", "residual", "gap", "feasibility", "grad_norm", "alpha", "drift", "controller")
RUNNING, BY_RESIDUAL, BY_GAP, BY_CHANGE, BY_LIMIT, DIVERGED = range(6)


@frozen
class LoopSettings:
    """The static part of a run: a change compiles the loop again.

    Attributes:
        every: Iterations between certificates.
        rows: How many certificates the ring holds; no chunk may be longer.
        rare: Every so many certificates, and number 0, 1, 2, 4, 8 …, look at what moves slowly or costs much, too.
        with_gap: Whether the duality gap is computed.
        with_residual: Whether there is a relative residual: a sampler approaches no point.
        chained: Whether points have an axis of chains.
    """

    every: int = 10
    rows: int = 256
    rare: int = 40
    with_gap: bool = False
    with_residual: bool = True
    chained: bool = False


@pytree()
class Stops:
    """Thresholds, traced, so that changing one compiles nothing; 0 never stops.

    Attributes:
        limit: Iterations.
        residual: Of `certify.residual`.
        gap: Of `certify.gap`.
        change: Of |E − E₋|/max(|E|, tiny) between certificates, see `settled`.
    """

    limit: Int[Array, ""]
    residual: Scalar
    gap: Scalar
    change: Scalar


@pytree()
class Status:
    """The last certificate.

    Attributes:
        code: 0 running, then by residual, gap, change, iteration limit, 5 diverged.
        energy: E; NaN before the first certificate.
        residual: As defined in `certify`.
        gap: NaN where none is computed.
        change: |E − E₋|/max(|E|, tiny) since the certificate before.
    """

    code: Int[Array, ""]
    energy: Scalar
    residual: Scalar
    gap: Scalar
    change: Scalar


def settled(status: Status, stops: Stops) -> Array:
    """Whether E changes by less than `stops.change`, and the residual, where there is one, is below its root.

    Near a minimum E is off by the square of the distance; a short step, or constraints that are yet to be met, keep E
    where it is, too.
    """
    far = status.residual * status.residual > stops.change  # NaN is not
    return (status.change < stops.change) & ~far


@pytree()
class Carry:
    """The run: iteration, the method's state and steps, what certificates remember, random key, telemetry rows.

    Row i of the ring is certificate i, at index i modulo its length; `certificates` counts them all.
    """

    k: Int[Array, ""]
    state: Tree
    hypers: Hypers
    scales: Scales
    controller: Controller
    status: Status
    key: Array
    certificates: Int[Array, ""]
    ring: Float[Array, "rows columns"]
    invariants: tuple[Reference, ...] = ()


@partial(jax.jit, static_argnames=("method", "settings"))
def start(problem: Problem, method: Method, hypers: Hypers, settings: LoopSettings, key: Array) -> Carry:
    """The carry before the first iteration: one program instead of one for each of its arrays."""
    scales = start_scales(problem, relative=settings.with_residual)
    carry = replace(unscaled(problem, method, hypers, settings, key), scales=scales)
    distinct: Carry = jax.tree.map(jnp.copy, carry)  # `advance` donates it: no buffer may be in it twice
    return distinct


def unscaled(problem: Problem, method: Method, hypers: Hypers, settings: LoopSettings, key: Array) -> Carry:
    """`start` without its scales: who wants the form of a carry traces no more than this."""
    nan = jnp.full((), jnp.nan, problem.real)
    state = method.init(problem, hypers, key)
    return Carry(
        k=jnp.zeros((), jnp.int64),
        state=state,
        hypers=hypers,
        scales=no_scales(problem, relative=settings.with_residual),
        controller=start_controller(problem.real),
        status=Status(jnp.zeros((), jnp.int32), nan, nan, nan, nan),
        key=key,
        certificates=jnp.zeros((), jnp.int64),
        ring=jnp.full((settings.rows, len(COLUMNS)), jnp.nan, jnp.float64),
        invariants=references(problem, method.point(state), chained=settings.chained),
    )


def run_key(seed: int, revision: str) -> Array:
    """The run's random key: the seed with the revision's hash folded in."""
    return jax.random.fold_in(jax.random.key(seed), int(revision[:8], 16))


def reopened(carry: Carry, stops: Stops) -> Carry:
    """A restored carry under the stop rules of now: it goes on where the rule that had ended it no longer holds."""
    k, status, stops = jax.device_get((carry.k, carry.status, stops))  # a program for each comparison would take longer
    held = {
        BY_RESIDUAL: status.residual < stops.residual,
        BY_GAP: status.gap < stops.gap,
        BY_CHANGE: settled(status, stops),
        BY_LIMIT: False,
        DIVERGED: True,
    }
    code = status.code.item()
    if not held.get(code, False):
        code = BY_LIMIT if k >= stops.limit else RUNNING
    return replace(carry, status=replace(carry.status, code=placed(code, np.int32)))
