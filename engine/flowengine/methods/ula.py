"""The unadjusted Langevin algorithm: x⁺ = x − h∇E(x) + √(2Th) ξ, for energies with a gradient.

It accepts every draw, and so samples from exp(−E/T) up to O(h): of a Gaussian with precision P its covariance is
T P⁻¹(I − hP/2)⁻¹. Bounds on the variable reflect it.
Source: Roberts and Tweedie, Bernoulli 2, 1996; Bossy, Gobet and Talay, Journal of Applied Probability 41, 2004.
"""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.methods.sampler import Moved
from flowengine.problem import Hypers, Problem, Tree
from flowengine.steps import langevin, potential_gradient


@frozen
class Ula:
    """The kernel `ula`: it keeps nothing but the point."""

    name: str = "ula"
    exact: ClassVar[bool] = False
    target: ClassVar[float | None] = None

    def init(self, problem: Problem, hypers: Hypers, x: Tree, key: Array) -> None:
        """Nothing."""

    def move(self, problem: Problem, hypers: Hypers, x: Tree, own: None, key: Array) -> Moved:
        """One Langevin step."""
        gradient = potential_gradient(problem, x, hypers.smoothing)
        new = langevin(problem, x, gradient, hypers.tau, jnp.asarray(hypers.temperature), key)
        return Moved(new, None, jnp.ones((), problem.real))
