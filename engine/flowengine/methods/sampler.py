"""What every sampler shares: chains side by side, keys, acceptance, and the statistics of the draws."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.arithmetic import dot
from flowengine.methods.observing import Observing
from flowengine.methods.recording import Recorded, Statistic, record, start_recording
from flowengine.methods.tuning import Tuning, start_tuning, tuned
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree, pytree
from flowengine.steps import accepts, coordinates, energy_of, entered, potential, smooth_gradient

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


@pytree()
class Own:
    """What Metropolis' rule needs of a point: U, which is E(x) where no simplex holds it, and ∇E(x)."""

    potential: Scalar
    gradient: Tree


class Kernel(Protocol):
    """One move of one chain. Static and hashable."""

    @property
    def name(self) -> str:
        """As in `policy.algorithm`."""

    @property
    def exact(self) -> bool:
        """Whether it draws from exp(−E/T) itself, whatever the step."""

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
        tuning: Of step and widths, fixed once all outputs count; None where there is none.
        recorded: What `outputs` needs.
    """

    x: Tree
    own: Any
    key: Array
    k: Int[Array, ""]
    acceptance: Array
    tuning: Tuning | None
    recorded: tuple[Recorded, ...]


@frozen
class Sampler(Observing):
    """A kernel run as a method.

    Attributes:
        kernel: How a chain moves.
        chains: How many there are.
        stacked: Whether the result keeps their axis; it does where the document names their number.
        outputs: The statistics to keep.
        warm: Moves during which step and widths are tuned: no output counts their draws.
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
        x = jax.vmap(lambda one: entered(problem, one))(problem.init)
        own = jax.vmap(lambda one, chain: self.kernel.init(problem, hypers, one, chain))(x, self._keys(key))
        zero = jnp.zeros((), jnp.int64)
        recorded = start_recording(self.outputs, problem, self.chains)
        tuning = start_tuning(hypers.widths) if self.warm else None
        return State(x, own, key, zero, jnp.ones(self.chains, problem.real), tuning, recorded)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """A move of every chain."""
        keys, k = self._keys(jax.random.fold_in(state.key, state.k)), state.k + 1
        if state.tuning is not None:
            hypers = replace(hypers, tau=hypers.tau * state.tuning.stretch, widths=state.tuning.widths)
        moved = jax.vmap(lambda x, own, key: self.kernel.move(problem, hypers, x, own, key))(state.x, state.own, keys)
        weight = 1 / jnp.minimum(k, MEMORY).astype(problem.real)
        acceptance = state.acceptance + weight * (moved.acceptance - state.acceptance)
        tuning = state.tuning
        if tuning is not None and self.kernel.target is not None:
            missing = self.kernel.target - jnp.mean(moved.acceptance)
            at = jax.vmap(lambda one: coordinates(problem, one))(moved.x)
            tuning = tuned(tuning, at, missing, jnp.asarray(hypers.temperature), k, warm=self.warm)
        recorded = record(self.outputs, state.recorded, moved.x, k)
        return State(moved.x, moved.own, state.key, k, acceptance, tuning, recorded)

    def point(self, state: State) -> Tree:
        """The last draw of every chain."""
        return state.x if self.stacked else jax.tree.map(lambda one: one[0], state.x)

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """The step, in widths where there are any."""
        step: Array = hypers.tau if state.tuning is None else hypers.tau * state.tuning.stretch
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


def here(problem: Problem, x: Tree, temperature: Scalar) -> Own:
    """U and ∇E at a point."""
    return Own(potential(problem, x, temperature), smooth_gradient(problem, x))


def taken_or_not(
    problem: Problem, start: tuple[Tree, Tree, Own], end: tuple[Tree, Tree, Tree], temperature: Scalar, key: Array
) -> Moved:
    """Metropolis' rule by ΔH, H = U + ½‖p‖², between a trajectory's start (x, p, own) and its end (x, p, ∇E)."""
    (x, p, own), (y, q, gradient) = start, end
    there = Own(potential(problem, y, temperature), gradient)
    drop = own.potential - there.potential + (dot(p, p) - dot(q, q)) / 2
    taken, probability = accepts(key, drop / temperature)
    return Moved(_chosen(taken, y, x), _chosen(taken, there, own), probability)


def _chosen(taken: Array, new: Tree, old: Tree) -> Tree:
    return jax.tree.map(lambda a, b: jnp.where(taken, a, b), new, old)
