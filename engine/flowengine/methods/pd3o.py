"""PD3O, primal-dual three-operator splitting: min f(x) + g(x) + Σ h_j(W_j x).

    y_j⁺ = prox_{σ_j h_j*}(y_j + σ_j W_j x̄),   x̄ = 2x − x₋ + τ(∇f(x₋) − ∇f(x))
    x⁺   = prox_{τg}(x − τ∇f(x) − τ Σ W_jᵀ y_j⁺)

for τ < 2/L_f and τ Σ σ_j‖W_j‖² ≤ 1; with f = 0 it is Chambolle and Pock's method. The state keeps q = x₋ − τ∇f(x₋)
instead of the extrapolated point: with the barrier between the dual and the primal update, XLA makes three kernels of
a total-variation step instead of ten.
Source: Yan, Journal of Scientific Computing 76, 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree, pytree
from flowengine.steps import backward, dual_ascent, forward, pull, smooth_gradient
from flowengine.storage import add, dot, scale, subtract, zeros_like


@pytree()
@dataclass(frozen=True)
class State:
    """Point, q = x₋ − τ∇f(x₋), duals, and ∇f(x) where there is an f (else None)."""

    x: Tree
    q: Tree
    y: tuple[Tree, ...]
    gradient: Tree | None


@dataclass(frozen=True)
class PD3O:
    """The method `pd3o`."""

    name: str = "pd3o"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it, with zero duals."""
        x = backward(problem, problem.init, hypers.tau)
        y = tuple(zeros_like(jax.eval_shape(term.operator.apply, x)) for term in problem.dual)
        gradient = smooth_gradient(problem, x) if problem.smooth else None
        return State(x, _forward(x, gradient, hypers), y, gradient)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One dual and one primal update."""
        moved = _forward(state.x, state.gradient, hypers)
        extrapolated = add(state.x, subtract(moved, state.q))
        y = tuple(
            dual_ascent(term, dual, extrapolated, sigma)
            for term, dual, sigma in zip(problem.dual, state.y, hypers.sigma, strict=True)
        )
        y = lax.optimization_barrier(y)
        x = backward(problem, add(moved, pull(problem, y), -hypers.tau), hypers.tau)
        gradient = smooth_gradient(problem, x) if problem.smooth else None
        return State(x, moved, y, gradient)

    def point(self, state: State) -> Tree:
        """The point."""
        return state.x

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """Τ."""
        del state
        return hypers.tau

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """z_j = W_j x̄ + (y_j − y_j⁺)/σ_j; in the imbalance ∇f(x⁺) + (q⁺ − x⁺)/τ the duals have cancelled."""
        ahead = subtract(new.x, add(old.x, subtract(new.q, old.q)))
        defects = tuple(
            add(term.operator.apply(ahead), subtract(after, before), 1 / sigma)
            for term, before, after, sigma in zip(problem.dual, old.y, new.y, hypers.sigma, strict=True)
        )
        imbalance = scale(subtract(new.q, new.x), 1 / hypers.tau)
        return Evidence(
            x=new.x,
            imbalance=imbalance if new.gradient is None else add(imbalance, new.gradient),
            images=tuple(term.operator.apply(new.x) for term in problem.dual),
            defects=defects,
        )

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = (z − x⁺)/τ with z = q⁺ − τ Σ W_jᵀy_j⁺, the point that the last prox was given."""
        pulled = pull(problem, new.y)
        subgradient = scale(subtract(add(new.q, pulled, -hypers.tau), new.x), 1 / hypers.tau)
        return Balance(new.gradient, subgradient, new.y, pulled)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """V² = ‖Δz‖² + Σ (τ/σ)‖Δy‖² − τ²‖ΣWᵀΔy‖², the method's own metric."""
        tau = hypers.tau
        change = subtract(new.y, old.y)
        pulled = pull(problem, change)
        moved = add(subtract(new.q, old.q), pulled, -tau)
        ratios = [tau / sigma for sigma in hypers.sigma]
        squared = dot(moved, moved) - tau**2 * dot(pulled, pulled)
        squared += sum(ratio * dot(one, one) for ratio, one in zip(ratios, change, strict=True))
        size = dot(new.x, new.x) + sum(ratio * dot(y, y) for ratio, y in zip(ratios, new.y, strict=True))
        return Lyapunov(jnp.sqrt(jnp.maximum(squared, 0)), None, jnp.sqrt(size))


def _forward(x: Tree, gradient: Tree | None, hypers: Hypers) -> Tree:
    return x if gradient is None else forward(x, gradient, hypers.tau)
