"""Gates and the controller's colour: RED when broken, GREEN after three certificates in a row that held."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine.problem import Lyapunov, Scalar, pytree
from flowengine.xla import either

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

RED, AMBER, GREEN = 0, 1, 2
COLOURS = ("RED", "AMBER", "GREEN")
PASSES_FOR_GREEN = 3
BREAKS_FOR_RED = 3
LYAPUNOV_GROWTH = 1.5
LYAPUNOV_ROUNDING = 100.0


@pytree()
class Controller:
    """What the gates said so far.

    Attributes:
        colour: 0 RED, 1 AMBER, 2 GREEN.
        passes: Certificates in a row that held.
        breaks: Certificates in a row whose Lyapunov quantity grew.
        baseline: That quantity at the last certificate; +∞ before the first.
    """

    colour: Int[Array, ""]
    passes: Int[Array, ""]
    breaks: Int[Array, ""]
    baseline: Scalar


def start_controller(dtype: str) -> Controller:
    """RED, having seen nothing."""
    zero = jnp.zeros((), jnp.int32)
    return Controller(zero, zero, zero, jnp.full((), jnp.inf, dtype))


def judge(controller: Controller, *, holds: Bool[Array, ""], converged: Bool[Array, ""]) -> Controller:
    """The controller after one more certificate.

    GREEN once three in a row have held, or the run has converged with the gates holding; RED as soon as one breaks.
    """
    holds = holds & (controller.breaks < BREAKS_FOR_RED)
    passes = either(holds, controller.passes + 1, 0)
    green = either((passes >= PASSES_FOR_GREEN) | converged, jnp.full((), GREEN, jnp.int32), AMBER)
    colour = either(holds, green, RED)
    return replace(controller, colour=colour, passes=passes)


def watch_growth(controller: Controller, seen: Lyapunov) -> Controller:
    """Compare the method's Lyapunov quantity with what it was.

    It breaks when it grew beyond rounding: at all where the method knows what it was before the same step, else by half
    since the last one seen. Only three times running count, for less happens to healthy flows.
    """
    rounding = LYAPUNOV_ROUNDING * np.finfo(seen.value.dtype).eps * seen.size
    if seen.before is None:
        grew = (seen.value > LYAPUNOV_GROWTH * controller.baseline) & (seen.value > rounding)
    else:
        grew = seen.value - seen.before > rounding
    breaks = either(grew, controller.breaks + 1, 0)
    return replace(controller, breaks=breaks, baseline=seen.value)
