"""Hamiltonian Monte Carlo: a trajectory of leapfrog steps from a fresh momentum, taken with probability exp(−ΔH/T).

The step of each trajectory is between 0.9 and 1.1 of `step`, so that no period of the energy is hit by every one.
Bounds on the variable reflect a trajectory, a simplex gives it coordinates without end, and the draws stay exact.
Source: Neal, in the Handbook of Markov Chain Monte Carlo, chapter 5, 2011.
"""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from flowapi.frozen import frozen
from flowengine.methods.sampler import Moved, Own, here, taken_or_not
from flowengine.problem import Hypers, Problem, Tree
from flowengine.steps import kick_drift_kick, momentum

JITTER = 0.1
STEP = 3  # what the key of the step is folded with, after those of `steps.sampling`


@frozen
class Hmc:
    """The kernel `hmc`: `trajectory` leapfrog steps a draw."""

    trajectory: int
    name: str = "hmc"
    exact: ClassVar[bool] = True
    target: ClassVar[float | None] = 0.651  # Beskos and others, Bernoulli 19, 2013

    def init(self, problem: Problem, hypers: Hypers, x: Tree, key: Array) -> Own:
        """U and ∇E at the start."""
        return here(problem, x, jnp.asarray(hypers.temperature))

    def move(self, problem: Problem, hypers: Hypers, x: Tree, own: Own, key: Array) -> Moved:
        """Follow the trajectory and decide."""
        temperature = jnp.asarray(hypers.temperature)
        stretch = jax.random.uniform(jax.random.fold_in(key, STEP), (), problem.real, 1 - JITTER, 1 + JITTER)
        h, p = stretch * hypers.tau, momentum(x, temperature, key)

        def onward(_: int, at: tuple[Tree, Tree, Tree]) -> tuple[Tree, Tree, Tree]:
            return kick_drift_kick(problem, *at, h, temperature, hypers.widths)

        end = lax.fori_loop(0, self.trajectory, onward, (x, p, own.gradient))
        return taken_or_not(problem, (x, p, own), end, temperature, key)
