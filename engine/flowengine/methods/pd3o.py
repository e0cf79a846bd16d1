"""PD3O, primal-dual three-operator splitting: min f(x) + g(x) + Σ h_j(W_j x).

    y_j⁺ = prox_{σ_j h_j*}(y_j + σ_j W_j x̄),   x̄ = 2x − x₋ + τ(∇f(x₋) − ∇f(x))
    x⁺   = prox_{τg}(x − τ∇f(x) − τ Σ W_jᵀ y_j⁺)

for τ < 2/L_f and τ Σ σ_j‖W_j‖² ≤ 1; with f = 0 it is Chambolle and Pock's method. Unless τ is given, it balances the
moves of x and y, and τσ_j stays (see `steps.balancing`). The state keeps q = x₋ − τ∇f(x₋)
instead of the extrapolated point, as a pair with x, so that XLA writes both in place; with the barrier between the dual
and the primal update it makes six kernels of a total-variation step, and no copy.
Source: Yan, Journal of Scientific Computing 76, 2018.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array, lax

from flowapi.frozen import frozen
from flowengine.methods.observing import Steady, stepped
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Sizes, Tree, pytree
from flowengine.steps import (
    Balanced,
    backward,
    beyond_rounding,
    dual_ascent,
    forward,
    pull,
    rebalanced,
    smooth_gradient,
    smooth_images,
    unbalanced,
)
from flowengine.storage import add, computed_once, dot, pair_of, paired, scale, squared, subtract, sum_over, zeros_like

if TYPE_CHECKING:
    from jaxtyping import Int


@pytree()
class State:
    """Point and q = x₋ − τ∇f(x₋) as a pair, duals, ∇f(x) where there is an f (else None), τ and σ_j."""

    pair: Tree
    y: tuple[Tree, ...]
    gradient: Tree | None
    steps: Balanced
    sigma: tuple[Scalar, ...]

    @property
    def tau(self) -> Scalar:
        """τ."""
        return self.steps.tau

    @property
    def x(self) -> Tree:
        """The point."""
        return pair_of(self.pair)[0]

    @property
    def q(self) -> Tree:
        """x₋ − τ∇f(x₋)."""
        return pair_of(self.pair)[1]


@frozen
class PD3O(Steady):
    """The method `pd3o`."""

    name: str = "pd3o"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it, with zero duals."""
        x = backward(problem, problem.init, hypers.tau)
        y = tuple(zeros_like(jax.eval_shape(term.operator.apply, x)) for term in problem.dual)
        gradient = smooth_gradient(problem, x) if problem.smooth else None
        return State(paired(x, _forward(x, gradient, hypers.tau)), y, gradient, unbalanced(hypers), hypers.sigma)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One dual and one primal update."""
        moved, ahead = _extrapolated(state)
        y = tuple(
            dual_ascent(term, dual, ahead, sigma)
            for term, dual, sigma in zip(problem.dual, state.y, state.sigma, strict=True)
        )
        y, tau = lax.optimization_barrier((y, state.tau))
        return _descended(problem, state, moved, y, tau)

    def observed_step(self, problem: Problem, hypers: Hypers, state: State) -> tuple[State, Evidence]:
        """The same, with the Moreau points z_j = (u_j − y_j⁺)/σ_j of u_j = y_j + σ_jW_jx̄, kept from the dual update.

        In the imbalance ∇f(x⁺) + (q⁺ − x⁺)/τ the duals have cancelled. Nothing here needs the state before the step, so
        that XLA may write the new one over it.
        """
        moved, ahead = _extrapolated(state)
        parts = list(zip(problem.dual, state.sigma, strict=True))
        u = tuple(add(y, term.operator.apply(ahead), sigma) for (term, sigma), y in zip(parts, state.y, strict=True))
        u = computed_once(u, state.tau)
        y = tuple(term.atom.prox_conjugate(one, sigma) for (term, sigma), one in zip(parts, u, strict=True))
        y, tau = lax.optimization_barrier((y, state.tau))
        new = _descended(problem, state, moved, y, tau)
        new, smooth = lax.optimization_barrier((new, smooth_images(problem, new.x)))
        point, q = pair_of(new.pair)
        images = tuple(term.operator.apply(point) for term in problem.dual)
        moreau = (
            scale(subtract(before, after), 1 / sigma) for before, after, (_, sigma) in zip(u, new.y, parts, strict=True)
        )
        defects = tuple(subtract(image, z) for image, z in zip(images, moreau, strict=True))
        imbalance = scale(subtract(q, point), 1 / state.tau)
        imbalance = imbalance if new.gradient is None else add(imbalance, new.gradient)
        return new, Evidence(point, imbalance, images, defects, smooth=smooth)

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = (z − x⁺)/τ with z = q⁺ − τ Σ W_jᵀy_j⁺, the point that the last prox was given."""
        pulled = pull(problem, new.y)
        subgradient = scale(subtract(add(new.q, pulled, -new.tau), new.x), 1 / new.tau)
        return Balance(new.gradient, subgradient, new.y, pulled)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """V² = ‖Δz‖² + Σ (τ/σ)‖Δy‖² − τ²‖ΣWᵀΔy‖², the method's own metric.

        Where τ changes, of the step that would come next, and it must not be more than of this one.
        """
        size = sum_over([*squared(new.x), *_weighted(_ratios(new), new.y)])
        now = _length(problem, old, new)
        if hypers.least is None:
            return Lyapunov(now, None, jnp.sqrt(size))
        following: State = stepped(problem, hypers, new, method=self)
        pair, y = computed_once((following.pair, following.y), new.tau)
        following = replace(following, pair=pair, y=y)
        return Lyapunov(_length(problem, new, following), now, jnp.sqrt(size))

    def adapted(
        self,
        problem: Problem,
        hypers: Hypers,
        old: State,
        new: State,
        evidence: Evidence,
        sizes: Sizes,
        iterations: Int[Array, ""],
    ) -> State:
        """τ balanced, by τ‖imbalance‖² = ‖Δx‖²/τ and by Σ σ_j‖W_jx − z_j‖², which certificates know."""
        del problem
        if hypers.least is None:
            return new
        primal = beyond_rounding(dot(evidence.imbalance, evidence.imbalance), sizes.forces + sizes.point / new.tau)
        parts = zip(new.sigma, evidence.defects, sizes.images, sizes.duals, strict=True)
        duals = (sigma * beyond_rounding(dot(one, one), size + y / sigma) for sigma, one, size, y in parts)
        primal, dual = new.tau * primal, sum(duals, start=jnp.zeros_like(primal))
        steps = rebalanced(new.steps, primal, dual, hypers, iterations)
        pair = new.pair if old.gradient is None else paired(new.x, add(new.q, old.gradient, new.tau - steps.tau))
        sigmas = tuple(sigma * (hypers.tau / steps.tau) for sigma in hypers.sigma)
        return replace(new, pair=pair, steps=steps, sigma=sigmas)


def _ratios(state: State) -> list[Scalar]:
    """τ/σ_j."""
    return [state.tau / sigma for sigma in state.sigma]


def _length(problem: Problem, old: State, new: State) -> Scalar:
    """The length V of a step."""
    change = subtract(new.y, old.y)
    pulled = computed_once(pull(problem, change), new.tau)
    moved = add(subtract(new.q, old.q), pulled, -new.tau)
    value = sum_over([*squared(moved), *squared(pulled, -(new.tau**2)), *_weighted(_ratios(new), change)])
    return jnp.sqrt(jnp.maximum(value, 0))


def _weighted(factors: list[Scalar], duals: tuple[Tree, ...]) -> list[Array]:
    """factor_j · |y_j|²."""
    return [part for factor, y in zip(factors, duals, strict=True) for part in squared(y, factor)]


def _extrapolated(state: State) -> tuple[Tree, Tree]:
    """The point after a gradient step, and x̄."""
    point, q = pair_of(state.pair)
    if state.gradient is None:
        return point, subtract(scale(point, 2.0), q)
    moved = _forward(point, state.gradient, state.tau)
    return moved, add(point, subtract(moved, q))


def _descended(problem: Problem, state: State, moved: Tree, y: tuple[Tree, ...], tau: Scalar) -> State:
    """The primal update; with τ from behind the barrier, XLA multiplies no data by it before each block of steps."""
    x = backward(problem, add(moved, pull(problem, y), -tau), tau)
    gradient = smooth_gradient(problem, x) if problem.smooth else None
    return replace(state, pair=paired(x, moved), y=y, gradient=gradient)


def _forward(x: Tree, gradient: Tree | None, tau: Scalar) -> Tree:
    return x if gradient is None else forward(x, gradient, tau)
