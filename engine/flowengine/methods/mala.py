"""The Metropolis-adjusted Langevin algorithm: a Langevin proposal y that is taken with probability min(1, α).

    log α = −(E(y) − E(x))/T + (‖y − x + h∇E(x)‖² − ‖x − y + h∇E(y)‖²)/4Th

It samples from exp(−E/T) exactly.
Source: Roberts and Tweedie, Bernoulli 2, 1996.
"""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.arithmetic import add, dot, subtract
from flowengine.methods.sampler import Moved, chosen
from flowengine.problem import Hypers, Problem, Scalar, Tree, pytree
from flowengine.steps import accepts, langevin, objective, smooth_gradient


@pytree()
class Own:
    """E(x) and ∇E(x)."""

    energy: Scalar
    gradient: Tree


@frozen
class Mala:
    """The kernel `mala`."""

    name: str = "mala"
    target: ClassVar[float | None] = 0.574  # Roberts and Rosenthal, Journal of the Royal Statistical Society B 60, 1998

    def init(self, problem: Problem, hypers: Hypers, x: Tree, key: Array) -> Own:
        """Energy and gradient at the start."""
        return Own(objective(problem, x), smooth_gradient(problem, x))

    def move(self, problem: Problem, hypers: Hypers, x: Tree, own: Own, key: Array) -> Moved:
        """Propose and decide."""
        h, temperature = hypers.tau, jnp.asarray(hypers.temperature)
        y = langevin(x, own.gradient, h, temperature, key)
        there = self.init(problem, hypers, y, key)
        forth = add(subtract(y, x), own.gradient, h)
        back = add(subtract(x, y), there.gradient, h)
        ratio = (own.energy - there.energy) / temperature + (dot(forth, forth) - dot(back, back)) / (
            4 * temperature * h
        )
        taken, probability = accepts(key, ratio)
        return Moved(chosen(taken, y, x), chosen(taken, there, own), probability)
