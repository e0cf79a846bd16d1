"""An iteration that somebody else wrote: the object that an `entrypoint` returns.

It has `init(key) → state`, `step(state) → state` and `residual(state) → number`, pure functions of jax on one pytree of
arrays; `energy(state) → number` and `point(state) → array or arrays by name` where they make sense. Checkpoints, stops,
telemetry and the same bits after a kill then hold for it, too; gates know of finite numbers alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array

from flowengine.methods.observing import Steady, stepped
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree


@dataclass(frozen=True, eq=False)
class External(Steady):
    """The method `entrypoint`, equal to itself alone: it is part of the compiled program."""

    program: Any
    name: str = "entrypoint"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> Tree:
        """The program's."""
        del problem, hypers
        return self.program.init(key)

    def step(self, problem: Problem, hypers: Hypers, state: Tree) -> Tree:
        """The program's."""
        del problem, hypers
        return self.program.step(state)

    def point(self, state: Tree) -> Tree:
        """The program's, or all of the state."""
        return self.program.point(state) if hasattr(self.program, "point") else state

    def pace(self, hypers: Hypers, state: Tree) -> Scalar:
        """Unknown."""
        del state
        return jnp.full_like(hypers.tau, jnp.nan)

    def observed_step(self, problem: Problem, hypers: Hypers, state: Tree) -> tuple[Tree, Evidence]:
        """A step, and what the program says of it."""
        new: Tree = stepped(problem, hypers, state, method=self)
        energy = self.program.energy(new) if hasattr(self.program, "energy") else jnp.nan
        real = [jnp.asarray(value, problem.real).reshape(()) for value in (energy, self.program.residual(new))]
        return new, Evidence(self.point(new), None, images=(), defects=(), energy=real[0], residual=real[1])

    def balance(self, problem: Problem, hypers: Hypers, old: Tree, new: Tree) -> Balance:
        """There is none."""
        raise NotImplementedError

    def lyapunov(self, problem: Problem, hypers: Hypers, old: Tree, new: Tree) -> Lyapunov:
        """Nothing is known that must not grow."""
        zero = jnp.zeros((), problem.real)
        return Lyapunov(zero, zero, zero)
