"""Proximal gradient: x⁺ = prox_{τg}(x − τ∇f(x)), with τ ≤ 1/L so that E never rises.

Source: Combettes and Wajs, Multiscale Modeling & Simulation 4, 2005.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.arithmetic import add, inverse, largest, scale, subtract
from flowengine.methods.observing import Observing
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree, pytree
from flowengine.steps import backtracked, backward, descend, forward, grown, objective, smooth_gradient, smooth_images
from flowengine.xla import computed_once


@pytree()
class State:
    """The point, ∇f there (handed on so that a certificate needs no second one), and τ where it is searched for."""

    x: Tree
    gradient: Tree
    tau: Scalar | None


@frozen
class ProximalGradient(Observing):
    """The method `pg`; with `backtracking` the step is searched for, if it is `growing` from a longer one each time."""

    backtracking: bool = False
    growing: bool = False
    name: str = "pg"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it."""
        x = backward(problem, problem.init, hypers.tau)
        return State(x, smooth_gradient(problem, x), hypers.tau if self.backtracking else None)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One forward and one backward step."""
        if state.tau is None or hypers.least is None:
            x, tau = descend(problem, state.x, state.gradient, hypers.tau), None
        else:
            tau = grown(state.tau, hypers) if self.growing else state.tau
            x, tau = backtracked(problem, state.x, state.gradient, tau, hypers.least)
        x = computed_once(x, hypers.tau)
        return State(x, smooth_gradient(problem, x), tau)

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """Τ."""
        return largest(self._tau(hypers, state))

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The imbalance is ∇f(x⁺) + ξ."""
        imbalance = add(new.gradient, self._subgradient(hypers, old, new))
        return Evidence(new.x, imbalance, images=(), defects=(), smooth=smooth_images(problem, new.x))

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = (x − τ∇f(x) − x⁺)/τ."""
        return Balance(new.gradient, self._subgradient(hypers, old, new), dual=(), pull=None)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """E, which never rises at τ ≤ 1/L, nor at τ < 2/L where g is convex."""
        before, after = objective(problem, old.x), objective(problem, new.x)
        return Lyapunov(after, before, jnp.abs(before) + jnp.abs(after))

    def _subgradient(self, hypers: Hypers, old: State, new: State) -> Tree:
        tau = self._tau(hypers, new)
        return scale(subtract(forward(old.x, old.gradient, tau), new.x), inverse(tau))

    def _tau(self, hypers: Hypers, state: State) -> Tree:
        return hypers.tau if state.tau is None else state.tau
