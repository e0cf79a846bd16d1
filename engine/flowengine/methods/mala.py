"""The Metropolis-adjusted Langevin algorithm: a Langevin proposal y that is taken with probability min(1, α).

    y = x − hw²∇E(x) + √(2Th) w ξ,  log α = −(E(y) − E(x))/T + log q(x | y) − log q(y | x)

with w the widths of the entries and q the density of proposals: one leapfrog step of √(2h) from the momentum √T ξ, for
which log α = −ΔH/T. So bounds on the variable reflect a proposal, and it samples from exp(−E/T) exactly.
Source: Roberts and Tweedie, Bernoulli 2, 1996; Neal, in the Handbook of Markov Chain Monte Carlo, chapter 5, 2011,
section 5.5.2 (as one step of leapfrog).
"""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.methods.sampler import Moved, Own, here, taken_or_not
from flowengine.problem import Hypers, Problem, Tree
from flowengine.steps import kick_drift_kick, momentum


@frozen
class Mala:
    """The kernel `mala`."""

    name: str = "mala"
    exact: ClassVar[bool] = True
    target: ClassVar[float | None] = 0.574  # Roberts and Rosenthal, Journal of the Royal Statistical Society B 60, 1998

    def init(self, problem: Problem, hypers: Hypers, x: Tree, key: Array) -> Own:
        """U and ∇E at the start."""
        return here(problem, x, jnp.asarray(hypers.temperature))

    def move(self, problem: Problem, hypers: Hypers, x: Tree, own: Own, key: Array) -> Moved:
        """Propose and decide."""
        temperature = jnp.asarray(hypers.temperature)
        p = momentum(x, temperature, key)
        end = kick_drift_kick(problem, x, p, own.gradient, jnp.sqrt(2 * hypers.tau), temperature, hypers.widths)
        return taken_or_not(problem, (x, p, own), end, temperature, key)
