"""Proximal gradient: x⁺ = prox_{τg}(x − τ∇f(x)), with τ ≤ 1/L so that E never rises.

Source: Combettes and Wajs, Multiscale Modeling & Simulation 4, 2005.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Array

from flowengine.problem import Balance, Evidence, Hypers, Problem, Scalar, pytree
from flowengine.steps import backward, forward, smooth_gradient
from flowengine.storage import norm


@pytree()
@dataclass(frozen=True)
class State:
    """The point and ∇f there, handed on so that a certificate needs no second one."""

    x: Array
    gradient: Array


@dataclass(frozen=True)
class ProximalGradient:
    """The method `pg`."""

    name: str = "pg"

    def init(self, problem: Problem, hypers: Hypers) -> State:
        """Start at the problem's `init`, as a prox would have left it."""
        x = backward(problem, problem.init, hypers.tau)
        return State(x, smooth_gradient(problem, x))

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One forward and one backward step."""
        x = backward(problem, forward(state.x, state.gradient, hypers.tau), hypers.tau)
        return State(x, smooth_gradient(problem, x))

    def point(self, state: State) -> Array:
        """The point."""
        return state.x

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The imbalance is ∇f(x⁺) + ξ."""
        imbalance = new.gradient + _subgradient(hypers, old, new)
        return Evidence(new.x, imbalance, images=(), defects=())

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = (x − τ∇f(x) − x⁺)/τ."""
        return Balance(new.gradient, _subgradient(hypers, old, new), dual=(), pull=None)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> tuple[Scalar, Scalar]:
        """The length of a step, which never grows at τ ≤ 2/L, and ‖x‖."""
        return norm(new.x - old.x), norm(new.x)


def _subgradient(hypers: Hypers, old: State, new: State) -> Array:
    return (forward(old.x, old.gradient, hypers.tau) - new.x) / hypers.tau
