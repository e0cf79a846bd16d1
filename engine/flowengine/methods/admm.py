"""ADMM with the primal update solved exactly by the fast Fourier transform, over-relaxed.

    x⁺ = (Σ w_i K_iᵀK_i + ρ Σ W_jᵀW_j)⁻¹ (Σ w_i K_iᵀb_i + Σ W_jᵀ(ρz_j − y_j))
    p_j = αW_j x⁺ + (1 − α)z_j + y_j/ρ,   z_j⁺ = prox_{h_j/ρ}(p_j),   y_j⁺ = ρ(p_j − z_j⁺) ∈ ∂h_j(z_j⁺)

for quadratic f and operators that the Fourier transform makes diagonal; α = 1.8.
1/ρ = τ balances the moves of z and y (see `steps.balancing`).
Source: Boyd, Parikh, Chu, Peleato and Eckstein, Foundations and Trends in Machine Learning 3, 2011; Eckstein and
Bertsekas, Mathematical Programming 55, 1992 (the over-relaxation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
from jaxtyping import Array, Int

from flowengine.linops import half_grid, power_of
from flowengine.methods.observing import Observing, stepped
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Term, Tree, pytree
from flowengine.steps import Balanced, pull, rebalanced, smooth_gradient, smooth_images, unbalanced
from flowengine.storage import add, dot, scale, zeros_like

RELAXATION = 1.8


@pytree()
@dataclass(frozen=True)
class State:
    """The point, the copies z_j of W_j x, the duals, and 1/ρ = τ; Σ w|K̂|² and Σ|Ŵ|² on the grid of `rfftn`."""

    x: Array
    z: tuple[Tree, ...]
    y: tuple[Tree, ...]
    steps: Balanced
    fit: Array
    penalty: Array

    @property
    def tau(self) -> Scalar:
        """1/ρ."""
        return self.steps.tau


@dataclass(frozen=True)
class Admm(Observing):
    """The method `admm`; τ is 1/ρ."""

    name: str = "admm"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, with zero duals."""
        images = tuple(term.operator.apply(problem.init) for term in problem.dual)
        fit = _power(problem, [(term.atom.weight, term) for term in problem.smooth])
        penalty = _power(problem, [(1.0, term) for term in problem.dual])
        duals = tuple(zeros_like(one) for one in images)
        return State(problem.init, images, duals, unbalanced(hypers), fit, penalty)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One update of x, and one of every z and y."""
        tau = state.tau
        rho = 1 / tau
        pairs = list(zip(state.z, state.y, strict=True))
        right = pull(problem, tuple(add(scale(z, rho), y, -1.0) for z, y in pairs))
        for term in problem.smooth:
            right = right + term.atom.weight * term.pulled
        x = jnp.fft.irfftn(jnp.fft.rfftn(right) / (state.fit + rho * state.penalty), s=problem.shape)
        z, y = [], []
        for term, before, dual in zip(problem.dual, state.z, state.y, strict=True):
            moved = add(scale(term.operator.apply(x), RELAXATION), before, 1 - RELAXATION)
            point = add(moved, dual, tau)
            z.append(term.atom.prox(point, tau))
            y.append(scale(add(point, z[-1], -1.0), rho))
        return replace(state, x=x, z=tuple(z), y=tuple(y))

    def adapted(self, hypers: Hypers, old: State, new: State, evidence: Evidence, iterations: Int[Array, ""]) -> State:
        """1/ρ balanced: the copies move by ρ‖Δz‖², the duals by ‖Δy‖²/ρ."""
        del evidence
        if hypers.least is None:
            return new
        copies, duals = (sum(dot(one, one) for one in each) for each in _changes(old, new))
        tau = new.tau
        return replace(new, steps=rebalanced(new.steps, copies / tau, duals * tau, hypers, iterations))

    def point(self, state: State) -> Array:
        """The point."""
        return state.x

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """1/ρ."""
        del hypers
        return state.tau

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The imbalance is ∇f(x⁺) + Σ W_jᵀy_j."""
        balance = self.balance(problem, hypers, old, new)
        images = tuple(term.operator.apply(new.x) for term in problem.dual)
        defects = tuple(add(image, z, -1.0) for image, z in zip(images, new.z, strict=True))
        imbalance = sum(balance.summands[1:], start=balance.summands[0])
        return Evidence(new.x, imbalance, images, defects, smooth=smooth_images(problem, new.x))

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """There is no g."""
        del hypers, old
        gradient = smooth_gradient(problem, new.x) if problem.smooth else None
        return Balance(gradient, jnp.zeros_like(new.x), new.y, pull(problem, new.y))

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """‖Δ(z + y/ρ)‖ of the step that would come next, at the same ρ: never more than of this one."""
        points = tuple(add(z, y, new.tau) for z, y in zip(new.z, new.y, strict=True))
        following: State = stepped(problem, hypers, new, method=self)
        return Lyapunov(_length(new, following), _length(old, new), jnp.sqrt(sum(dot(one, one) for one in points)))


def _length(old: State, new: State) -> Scalar:
    """‖Δ(z + y/ρ)‖ of a step."""
    moves = (add(dz, dy, new.tau) for dz, dy in zip(*_changes(old, new), strict=True))
    return jnp.sqrt(sum(dot(one, one) for one in moves))


def _changes(old: State, new: State) -> tuple[list[Tree], list[Tree]]:
    """Δz and Δy of a step."""
    both = ((new.z, old.z), (new.y, old.y))
    dz, dy = ([add(a, b, -1.0) for a, b in zip(after, before, strict=True)] for after, before in both)
    return dz, dy


def _power(problem: Problem, terms: list[tuple[Scalar | float, Term]]) -> Array:
    """Σ weight · |Ŵ|² of some terms."""
    total = jnp.zeros(half_grid(problem.shape), problem.real)
    for weight, term in terms:
        power = power_of(term.operator, problem.shape)
        if power is None:
            raise ValueError(f"{term.path} is not diagonal in Fourier space")
        total = total + (weight * power).astype(problem.real)
    return total
