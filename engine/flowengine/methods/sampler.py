"""What every sampler shares: chains side by side, keys, acceptance, and the statistics of the draws."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.methods.observing import Observing
from flowengine.methods.recording import Recorded, Statistic, record, start_recording
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree, pytree
from flowengine.steps import energy_of, tuned

if TYPE_CHECKING:
    from jaxtyping import Int

MEMORY = 100  # moves over which acceptance is averaged
LEAST_ACCEPTANCE = 0.05


@pytree()
class Moved:
    """One chain after a move: its point, what its kernel keeps, and the probability with which it moved."""

    x: Tree
    own: Any
    acceptance: Scalar


class Kernel(Protocol):
    """One move of one chain. Static and hashable."""

    @property
    def name(self) -> str:
        """As in `policy.algorithm`."""

    @property
    def target(self) -> float | None:
        """The acceptance at which it mixes best; None where it refuses nothing."""

    def init(self, problem: Problem, hypers: Hypers, x: Tree, key: Array) -> Any:
        """What the kernel keeps beside the point."""

    def move(self, problem: Problem, hypers: Hypers, x: Tree, own: Any, key: Array) -> Moved:
        """The next point."""


@pytree()
class State:
    """All chains, along the first axis of everything.

    Attributes:
        x: The points.
        own: What the kernel keeps of each.
        key: Random numbers of move k come from fold_in(fold_in(key, k), chain).
        k: Moves so far.
        acceptance: Of the last moves of each chain, on average.
        stretch: Of the step, by what was accepted while it was tuned.
        recorded: What `outputs` needs.
    """

    x: Tree
    own: Any
    key: Array
    k: Int[Array, ""]
    acceptance: Array
    stretch: Scalar
    recorded: tuple[Recorded, ...]


@frozen
class Sampler(Observing):
    """A kernel run as a method.

    Attributes:
        kernel: How a chain moves.
        chains: How many there are.
        stacked: Whether the result keeps their axis; it does where the document names their number.
        outputs: The statistics to keep.
        warm: Moves during which the step is tuned: no output counts their draws.
    """

    kernel: Kernel
    chains: int
    stacked: bool
    outputs: tuple[Statistic, ...] = ()
    warm: int = 0

    @property
    def name(self) -> str:
        """The kernel's."""
        return self.kernel.name

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Every chain where the problem starts it."""
        x = problem.init
        own = jax.vmap(lambda one, chain: self.kernel.init(problem, hypers, one, chain))(x, self._keys(key))
        zero = jnp.zeros((), jnp.int64)
        recorded = start_recording(self.outputs, problem, self.chains)
        return State(x, own, key, zero, jnp.ones(self.chains, problem.real), jnp.ones((), problem.real), recorded)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """A move of every chain."""
        keys, k = self._keys(jax.random.fold_in(state.key, state.k)), state.k + 1
        hypers = replace(hypers, tau=hypers.tau * state.stretch)
        moved = jax.vmap(lambda x, own, key: self.kernel.move(problem, hypers, x, own, key))(state.x, state.own, keys)
        weight = 1 / jnp.minimum(k, MEMORY).astype(problem.real)
        acceptance = state.acceptance + weight * (moved.acceptance - state.acceptance)
        stretch = state.stretch
        if self.warm and self.kernel.target is not None:
            better = tuned(stretch, jnp.mean(moved.acceptance), self.kernel.target, k)
            stretch = jnp.where(k <= self.warm, better, stretch)
        recorded = record(self.outputs, state.recorded, moved.x, k)
        return State(moved.x, moved.own, state.key, k, acceptance, stretch, recorded)

    def point(self, state: State) -> Tree:
        """The last draw of every chain."""
        return state.x if self.stacked else jax.tree.map(lambda one: one[0], state.x)

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """The step."""
        step: Array = hypers.tau * state.stretch
        return step

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The chains' mean energy; nothing is to balance."""
        energy = jnp.mean(jax.vmap(lambda x: energy_of(problem, x))(new.x))
        return Evidence(new.x, None, images=(), defects=(), energy=energy)

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """Nothing."""
        raise NotImplementedError

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """Broken where too few proposals are accepted, or a trajectory leaves its energy."""
        zero = jnp.zeros((), problem.real)
        excess = getattr(self.kernel, "excess", None)
        above = LEAST_ACCEPTANCE - jnp.mean(new.acceptance) if excess is None else jnp.max(jax.vmap(excess)(new.own))
        return Lyapunov(above, zero, zero)

    def _keys(self, key: Array) -> Array:
        keys: Array = jax.vmap(lambda chain: jax.random.fold_in(key, chain))(jnp.arange(self.chains))
        return keys


def chosen(taken: Array, new: Tree, old: Tree) -> Tree:
    """New where the proposal was taken, else old."""
    return jax.tree.map(lambda a, b: jnp.where(taken, a, b), new, old)
