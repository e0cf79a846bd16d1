"""How a primal and a dual step share what their product may be.

Their product is bounded, their ratio is free, and no ratio is good for all problems, nor for all of a run. It follows
the two halves of the distance that a step covers in the method's own metric, ‖Δx‖²/τ and Σ‖Δy_j‖²/σ_j: both are summed
over a stretch, and at its end τ goes up where the first is larger and down where the second is,

    τ ← τ · min(max((Σ‖Δx‖²/τ / Σ Σ_j‖Δy_j‖²/σ_j)^¼, ¼), 4).

Every stretch is a tenth of the run so far: primal and dual moves turn about each other, and a rule that listens to the
last step alone falls in with that and never settles, while one that acts ever more rarely leaves the method its
convergence at a fixed ratio.
Sources: He, Yang and Wang, Journal of Optimization Theory and Applications 106, 2000; Goldstein, Li and Yuan, Advances
in Neural Information Processing Systems 28, 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowengine.arithmetic import largest
from flowengine.problem import Hypers, Scalar, pytree
from flowengine.xla import either

if TYPE_CHECKING:
    from jaxtyping import Int

FIRST, MORE, SHARE = 20, 10, 10  # iterations of the first stretch; of the others k / SHARE + MORE
AT_ONCE = 4.0  # the largest factor
ROUNDING = 4.0  # of eps: moves that are no longer, as a share of what moves, say nothing


@pytree()
class Balanced:
    """A step that is balanced.

    Attributes:
        tau: τ.
        primal: Σ‖Δx‖²/τ of this stretch, one summand a certificate.
        dual: Σ Σ_j‖Δy_j‖²/σ_j of it.
        count: Iterations so far.
        until: Where this stretch ends.
    """

    tau: Scalar
    primal: Scalar
    dual: Scalar
    count: Int[Array, ""]
    until: Int[Array, ""]


def longest(hypers: Hypers) -> Scalar:
    """The longest of the primal steps that entries may have of their own."""
    return largest(hypers.tau)


def unbalanced(hypers: Hypers) -> Balanced:
    """Before the first iteration."""
    tau = longest(hypers)
    zero = jnp.zeros_like(tau)
    return Balanced(tau, zero, zero, jnp.zeros((), jnp.int64), jnp.full((), FIRST, jnp.int64))


def beyond_rounding(square: Scalar, size: Scalar, share: float | Scalar = ROUNDING) -> Scalar:
    """‖Δ‖² where Δ is longer than this share of eps times what was rounded, which has this size; else 0.

    A balance of rounding errors would move τ for ever, and the answer with it.
    """
    floor = float(np.finfo(square.dtype).eps) * share * size
    return either(square > floor * floor, square, 0)


def rebalanced(
    now: Balanced, primal: Scalar, dual: Scalar, hypers: Hypers, iterations: Int[Array, ""], *, room: float = 1.0
) -> Balanced:
    """So many iterations later, the last of which moved by ‖Δx‖²/τ = `primal` and Σ‖Δy_j‖²/σ_j = `dual`.

    τ stays between `hypers.least` and `hypers.most`; after no iteration nothing changes, nor where one of them is 0, or
    the factor is within `room` of 1.
    """
    counts, count = (iterations > 0) & (primal > 0) & (dual > 0), now.count + iterations
    primal, dual = (before + either(counts, more, 0) for before, more in ((now.primal, primal), (now.dual, dual)))
    ends = count >= now.until
    ratio = primal / jnp.maximum(dual, np.finfo(dual.dtype).tiny)
    factor = jnp.clip(lax.sqrt(lax.sqrt(ratio)), 1 / AT_ONCE, AT_ONCE)
    far = (factor >= room) | (factor <= 1 / room)
    factor = either((primal > 0) & (dual > 0) & far, factor, 1)
    return Balanced(
        either(ends, jnp.clip(now.tau * factor, hypers.least, hypers.most), now.tau),
        either(~ends, primal, 0),
        either(~ends, dual, 0),
        count,
        either(ends, count + lax.div(count, np.int64(SHARE)) + MORE, now.until),
    )
