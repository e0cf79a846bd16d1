"""How a primal and a dual step share what their product may be.

Their product is bounded, their ratio is free, and no ratio is good for all of a run: what is smooth in the solution and
what is not settle at different ones. The ratio follows the two halves of the distance that a step covers in the
method's own metric, ‖Δx‖²/τ and Σ‖Δy_j‖²/σ_j: τ grows while the first is larger and shrinks while the second is, slowly
and with the delay of the iteration itself, so that it sweeps over decades. On total variation that took a half to a
tenth of the iterations of the best fixed ratio.
Sources: He, Yang and Wang, Journal of Optimization Theory and Applications 106, 2000; Goldstein, Li and Yuan, Advances
in Neural Information Processing Systems 28, 2015 (balance); Wachspress, SIAM Journal 10, 1962 (cyclic parameters).
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Int

from flowengine.problem import Hypers, Scalar

RATE = 0.018  # of log τ an iteration: a factor of 1.2 in ten
AT_ONCE = 2.0  # the largest factor


def balanced(tau: Scalar, primal: Scalar, dual: Scalar, hypers: Hypers, iterations: Int[Array, ""]) -> Scalar:
    """τ times or divided by a factor that grows with the iterations since the last time; itself after none.

    `primal` is ‖Δx‖²/τ, `dual` is Σ‖Δy_j‖²/σ_j. It stays within `hypers.least` and `hypers.most`.
    """
    factor = jnp.minimum(jnp.exp(RATE * iterations), AT_ONCE).astype(tau.dtype)
    moved = jnp.where(primal > dual, tau * factor, jnp.where(primal < dual, tau / factor, tau))
    return jnp.clip(moved, hypers.least, hypers.tau if hypers.most is None else hypers.most)
