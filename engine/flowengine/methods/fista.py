"""FISTA, accelerated proximal gradient, restarted where its momentum points uphill.

    x⁺ = prox_{τg}(y − τ∇f(y)),   t⁺ = (1 + √(1 + 4t²))/2,   y⁺ = x⁺ + (t − 1)/t⁺ · (x⁺ − x)

for τ ≤ 1/L. Where ⟨y − x⁺, x⁺ − x⟩ > 0, t starts again at 1.
Source: Beck and Teboulle, SIAM Journal on Imaging Sciences 2, 2009; O'Donoghue and Candès, Foundations of Computational
Mathematics 15, 2015 (the restart).
"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jax import Array, lax

from flowapi.frozen import frozen
from flowengine.arithmetic import add, dot, inverse, largest, norm, scale, squared, subtract, sum_over
from flowengine.methods.observing import Steady
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree, pytree
from flowengine.steps import backtracked, backward, densities, descend, forward, smooth_gradient, smooth_images
from flowengine.storage import CACHED_BYTES, pair_of, paired
from flowengine.xla import computed_once


@pytree()
class State:
    """The point and the extrapolated point as a pair, t, and τ where it is searched for."""

    pair: Tree
    t: Scalar
    tau: Scalar | None

    @property
    def x(self) -> Tree:
        """The point."""
        return pair_of(self.pair)[0]

    @property
    def y(self) -> Tree:
        """The extrapolated point."""
        return pair_of(self.pair)[1]


@frozen
class Fista(Steady):
    """The method `fista`; with `backtracking` the step is searched for, without `restart` t only grows.

    Where f is finite on a part of the space alone, it is `guarded`: momentum that leads out of it is dropped.
    """

    backtracking: bool = False
    restart: bool = True
    guarded: bool = False
    name: str = "fista"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it."""
        x = backward(problem, problem.init, hypers.tau)
        return State(_pair(x, x), jnp.ones((), problem.real), hypers.tau if self.backtracking else None)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One accelerated step."""
        state, y, gradient = self._ahead(problem, state)
        if state.tau is None or hypers.least is None:
            return self._extrapolated(hypers, state, descend(problem, y, gradient, hypers.tau), None)
        return self._extrapolated(hypers, state, *backtracked(problem, y, gradient, state.tau, hypers.least))

    def observed_step(self, problem: Problem, hypers: Hypers, state: State) -> tuple[State, Evidence]:
        """The same, with the imbalance ∇f(x⁺) + ξ, ξ = (z − x⁺)/τ of the point z = y − τ∇f(y) that the prox was given.

        Nothing here needs the state before the step, so that XLA may write the new one over it.
        """
        state, y, gradient = self._ahead(problem, state)
        if state.tau is None or hypers.least is None:
            z, tau = computed_once(forward(y, gradient, hypers.tau), hypers.tau), None
            x = backward(problem, z, hypers.tau)
        else:
            x, tau = backtracked(problem, y, gradient, state.tau, hypers.least)
            z = forward(y, gradient, tau)
        new = self._extrapolated(hypers, state, x, tau)
        subgradient = scale(subtract(z, new.x), inverse(self._tau(hypers, new)))
        imbalance = add(smooth_gradient(problem, new.x), subgradient)
        return new, Evidence(new.x, imbalance, images=(), defects=(), smooth=smooth_images(problem, new.x))

    def _ahead(self, problem: Problem, state: State) -> tuple[State, Tree, Tree]:
        """The extrapolated point with ∇f there; the point itself, where there is none."""
        gradient = smooth_gradient(problem, state.y)
        if self.guarded:
            x = state.x
            back = replace(state, pair=_pair(x, x), t=jnp.ones_like(state.t))
            state, gradient = lax.cond(
                jnp.isfinite(norm(gradient)), lambda: (state, gradient), lambda: (back, smooth_gradient(problem, x))
            )
        return state, state.y, gradient

    def _extrapolated(self, hypers: Hypers, state: State, x: Tree, tau: Scalar | None) -> State:
        """The state at a new point."""
        x = computed_once(x, hypers.tau)
        point, y = pair_of(state.pair)
        t, moved = state.t, subtract(x, point)
        if self.restart:
            again = subtract(x, lax.optimization_barrier(point))  # the same, not kept in memory for two
            t = jnp.where(dot(subtract(y, x), again) > 0, jnp.ones_like(t), t)
        after = (1 + jnp.sqrt(1 + 4 * t * t)) / 2
        return State(_pair(x, add(x, moved, (t - 1) / after)), after, tau)

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """Τ."""
        return largest(self._tau(hypers, state))

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = (y − x⁺)/τ − ∇f(y)."""
        subgradient = subtract(
            scale(subtract(old.y, new.x), inverse(self._tau(hypers, new))), smooth_gradient(problem, old.y)
        )
        return Balance(smooth_gradient(problem, new.x), subgradient, dual=(), pull=None)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """F(x⁺) + ‖x⁺ − x‖²/2τ ≤ F(x) + ‖y − x‖²/2τ for every step of a convex flow."""
        half = scale(inverse(self._tau(hypers, new)), 0.5)
        moved, ahead = subtract(new.x, old.x), subtract(old.y, old.x)
        after = sum_over([*densities(problem, new.x), *squared(moved, half)])
        before = sum_over([*densities(problem, old.x), *squared(ahead, half)])
        return Lyapunov(after, before, jnp.abs(before) + jnp.abs(after) + sum_over(squared(new.x, half)))

    def _tau(self, hypers: Hypers, state: State) -> Tree:
        return hypers.tau if state.tau is None else state.tau


def _pair(x: Tree, y: Tree) -> Tree:
    """Point and extrapolated point: the pair pays while it fits the caches."""
    return paired(x, y, CACHED_BYTES)
