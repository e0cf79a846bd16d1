"""ADMM with the primal update solved exactly by the fast Fourier transform, over-relaxed.

    x⁺ = (Σ w_i K_iᵀK_i + ρ Σ W_jᵀW_j)⁻¹ (Σ w_i K_iᵀb_i + ρ Σ W_jᵀ(z_j − u_j))
    z_j⁺ = prox_{h_j/ρ}(v_j + u_j),   u_j⁺ = u_j + v_j − z_j⁺,   v_j = αW_j x⁺ + (1 − α)z_j

for quadratic f and operators that the Fourier transform makes diagonal; α = 1.8. y_j = ρu_j⁺ ∈ ∂h_j(z_j⁺).
Source: Boyd, Parikh, Chu, Peleato and Eckstein, Foundations and Trends in Machine Learning 3, 2011; Eckstein and
Bertsekas, Mathematical Programming 55, 1992 (the over-relaxation).
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from flowengine.linops import power_of
from flowengine.methods.observing import Observing
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree, pytree
from flowengine.steps import pull, smooth_gradient
from flowengine.storage import add, dot, scale, zeros_like

RELAXATION = 1.8


@pytree()
@dataclass(frozen=True)
class State:
    """The point, the copies z_j of W_j x, the scaled duals u_j, and 1/(Σ w|K̂|² + ρ Σ|Ŵ|²) on the grid of `rfftn`."""

    x: Array
    z: tuple[Tree, ...]
    u: tuple[Tree, ...]
    inverse: Array


@dataclass(frozen=True)
class Admm(Observing):
    """The method `admm`; ρ = σ of every dual term."""

    name: str = "admm"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, with zero duals."""
        rho = hypers.sigma[0]
        images = tuple(term.operator.apply(problem.init) for term in problem.dual)
        total = jnp.zeros((), problem.real)
        for weight, term in [(one.atom.weight, one) for one in problem.smooth] + [(rho, one) for one in problem.dual]:
            power = power_of(term.operator, problem.shape)
            if power is None:
                raise ValueError(f"{term.path} is not diagonal in Fourier space")
            total = total + weight * power
        return State(problem.init, images, tuple(zeros_like(one) for one in images), 1 / total.astype(problem.real))

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One update of x, and one of every z and u."""
        rho = hypers.sigma[0]
        right = rho * pull(problem, tuple(add(z, u, -1.0) for z, u in zip(state.z, state.u, strict=True)))
        for term in problem.smooth:
            right = right + term.atom.weight * term.pulled
        x = jnp.fft.irfftn(jnp.fft.rfftn(right) * state.inverse, s=problem.shape)
        z, u = [], []
        for term, before, dual in zip(problem.dual, state.z, state.u, strict=True):
            moved = add(scale(term.operator.apply(x), RELAXATION), before, 1 - RELAXATION)
            point = add(moved, dual)
            z.append(term.atom.prox(point, 1 / rho))
            u.append(add(point, z[-1], -1.0))
        return State(x, tuple(z), tuple(u), state.inverse)

    def point(self, state: State) -> Array:
        """The point."""
        return state.x

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """1/ρ."""
        del state
        return 1 / hypers.sigma[0]

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The imbalance is ∇f(x⁺) + Σ W_jᵀy_j."""
        balance = self.balance(problem, hypers, old, new)
        images = tuple(term.operator.apply(new.x) for term in problem.dual)
        defects = tuple(add(image, z, -1.0) for image, z in zip(images, new.z, strict=True))
        return Evidence(new.x, sum(balance.summands[1:], start=balance.summands[0]), images, defects)

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """y_j = ρu_j⁺; there is no g."""
        del old
        y = tuple(scale(one, hypers.sigma[0]) for one in new.u)
        gradient = smooth_gradient(problem, new.x) if problem.smooth else None
        return Balance(gradient, jnp.zeros_like(new.x), y, pull(problem, y))

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """‖Δ(z + u)‖, which never grows at fixed ρ and α."""
        del problem, hypers
        after, before = (jax.tree.map(jnp.add, state.z, state.u) for state in (new, old))
        pairs = list(zip(after, before, strict=True))
        moved = sum(dot(d, d) for d in (add(a, b, -1.0) for a, b in pairs))
        return Lyapunov(jnp.sqrt(moved), None, jnp.sqrt(sum(dot(a, a) for a, _ in pairs)))
