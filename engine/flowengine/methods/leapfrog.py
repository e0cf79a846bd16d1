"""Leapfrog: Hamilton's equations of ½‖p‖² + E(x), kick-drift-kick, from a momentum drawn once at the temperature.

It keeps volumes and a Hamiltonian near the true one: for E = ½ω²q² it conserves p² + ω²q²(1 − h²ω²/4) exactly, for
hω < 2. At temperature 0 the motion starts at rest.
Source: Hairer, Lubich and Wanner, Acta Numerica 12, 2003.
"""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from flowapi.frozen import frozen
from flowengine.arithmetic import dot
from flowengine.methods.sampler import Moved
from flowengine.problem import Hypers, Problem, Scalar, Tree, pytree
from flowengine.steps import kick_drift_kick, momentum, potential, smooth_gradient


@pytree()
class Own:
    """Momentum, ∇E(x), H at the start, H now, and the lowest E met so far."""

    p: Tree
    gradient: Tree
    start: Scalar
    now: Scalar
    lowest: Scalar


@frozen
class Leapfrog:
    """The kernel `leapfrog`."""

    name: str = "leapfrog"
    exact: ClassVar[bool] = False
    target: ClassVar[float | None] = None

    def init(self, problem: Problem, hypers: Hypers, x: Tree, key: Array) -> Own:
        """Draw the momentum."""
        temperature = jnp.asarray(hypers.temperature)
        p, energy = momentum(x, temperature, key), potential(problem, x, temperature)
        total = energy + dot(p, p) / 2
        return Own(p, smooth_gradient(problem, x), total, total, energy)

    def move(self, problem: Problem, hypers: Hypers, x: Tree, own: Own, key: Array) -> Moved:
        """One step, always taken."""
        temperature = jnp.asarray(hypers.temperature)
        x, p, gradient = kick_drift_kick(problem, x, own.p, own.gradient, hypers.tau, temperature)
        energy = potential(problem, x, temperature)
        new = Own(p, gradient, own.start, energy + dot(p, p) / 2, jnp.minimum(own.lowest, energy))
        return Moved(x, new, jnp.ones((), problem.real))

    def excess(self, own: Own) -> Scalar:
        """|ΔH| less what H stood above the lowest energy met: below 0 while h is short enough for |ΔH| = O(h²)."""
        room = jnp.maximum(own.start - own.lowest, np.finfo(own.start.dtype).eps * jnp.abs(own.start))
        return jnp.abs(own.now - own.start) - room
