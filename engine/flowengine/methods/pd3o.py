"""PD3O, primal-dual three-operator splitting: min f(x) + g(x) + Σ h_j(W_j x).

    y_j⁺ = prox_{σ_j h_j*}(y_j + σ_j W_j x̄),   x̄ = 2x − x₋ + τ(∇f(x₋) − ∇f(x))
    x⁺   = prox_{τg}(x − τ∇f(x) − τ Σ W_jᵀ y_j⁺)

for τ < 2/L_f and τ Σ σ_j‖W_j‖² ≤ 1; with f = 0 it is Chambolle and Pock's method. The state keeps q = x₋ − τ∇f(x₋)
instead of the extrapolated point, as a pair with x, so that XLA writes both in place; with the barrier between the dual
and the primal update it makes six kernels of a total-variation step, and no copy.
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
from flowengine.storage import add, computed_once, pair_of, paired, scale, squared, subtract, sum_over, zeros_like


@pytree()
@dataclass(frozen=True)
class State:
    """Point and q = x₋ − τ∇f(x₋) as a pair, duals, and ∇f(x) where there is an f (else None)."""

    pair: Tree
    y: tuple[Tree, ...]
    gradient: Tree | None

    @property
    def x(self) -> Tree:
        """The point."""
        return pair_of(self.pair)[0]

    @property
    def q(self) -> Tree:
        """x₋ − τ∇f(x₋)."""
        return pair_of(self.pair)[1]


@dataclass(frozen=True)
class PD3O:
    """The method `pd3o`."""

    name: str = "pd3o"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it, with zero duals."""
        x = backward(problem, problem.init, hypers.tau)
        y = tuple(zeros_like(jax.eval_shape(term.operator.apply, x)) for term in problem.dual)
        gradient = smooth_gradient(problem, x) if problem.smooth else None
        return State(paired(x, _forward(x, gradient, hypers)), y, gradient)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One dual and one primal update."""
        moved, ahead = _extrapolated(state, hypers)
        y = tuple(
            dual_ascent(term, dual, ahead, sigma)
            for term, dual, sigma in zip(problem.dual, state.y, hypers.sigma, strict=True)
        )
        return _descended(problem, hypers, moved, lax.optimization_barrier(y))

    def observed_step(self, problem: Problem, hypers: Hypers, state: State) -> tuple[State, Evidence]:
        """The same, with the Moreau points z_j = (u_j − y_j⁺)/σ_j of u_j = y_j + σ_jW_jx̄, kept from the dual update.

        In the imbalance ∇f(x⁺) + (q⁺ − x⁺)/τ the duals have cancelled. Nothing here needs the state before the step, so
        that XLA may write the new one over it.
        """
        moved, ahead = _extrapolated(state, hypers)
        parts = list(zip(problem.dual, hypers.sigma, strict=True))
        u = tuple(add(y, term.operator.apply(ahead), sigma) for (term, sigma), y in zip(parts, state.y, strict=True))
        u = computed_once(u, hypers.tau)
        y = tuple(term.atom.prox_conjugate(one, sigma) for (term, sigma), one in zip(parts, u, strict=True))
        new = lax.optimization_barrier(_descended(problem, hypers, moved, lax.optimization_barrier(y)))
        point, q = pair_of(new.pair)
        images = tuple(term.operator.apply(point) for term in problem.dual)
        moreau = (
            scale(subtract(before, after), 1 / s) for before, after, s in zip(u, new.y, hypers.sigma, strict=True)
        )
        defects = tuple(subtract(image, z) for image, z in zip(images, moreau, strict=True))
        imbalance = scale(subtract(q, point), 1 / hypers.tau)
        imbalance = imbalance if new.gradient is None else add(imbalance, new.gradient)
        return new, Evidence(point, imbalance, images, defects)

    def point(self, state: State) -> Tree:
        """The point."""
        return state.x

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """Τ."""
        del state
        return hypers.tau

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
        value = sum_over([*squared(moved), *squared(pulled, -(tau**2)), *_weighted(ratios, change)])
        size = sum_over([*squared(new.x), *_weighted(ratios, new.y)])
        return Lyapunov(jnp.sqrt(jnp.maximum(value, 0)), None, jnp.sqrt(size))


def _weighted(factors: list[Scalar], duals: tuple[Tree, ...]) -> list[Array]:
    """factor_j · |y_j|²."""
    return [part for factor, y in zip(factors, duals, strict=True) for part in squared(y, factor)]


def _extrapolated(state: State, hypers: Hypers) -> tuple[Tree, Tree]:
    """The point after a gradient step, and x̄."""
    point, q = pair_of(state.pair)
    if state.gradient is None:
        return point, subtract(scale(point, 2.0), q)
    moved = _forward(point, state.gradient, hypers)
    return moved, add(point, subtract(moved, q))


def _descended(problem: Problem, hypers: Hypers, moved: Tree, y: tuple[Tree, ...]) -> State:
    """The primal update."""
    x = backward(problem, add(moved, pull(problem, y), -hypers.tau), hypers.tau)
    return State(paired(x, moved), y, smooth_gradient(problem, x) if problem.smooth else None)


def _forward(x: Tree, gradient: Tree | None, hypers: Hypers) -> Tree:
    return x if gradient is None else forward(x, gradient, hypers.tau)
