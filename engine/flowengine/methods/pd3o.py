"""PD3O, primal-dual three-operator splitting: min f(x) + g(x) + Σ h_j(W_j x).

    y_j⁺ = prox_{σ_j h_j*}(y_j + σ_j W_j x̄),   x̄ = 2x − x₋ + τ(∇f(x₋) − ∇f(x))
    x⁺   = prox_{τg}(x − τ∇f(x) − τ Σ W_jᵀ y_j⁺)

for τ < 2/L_f and τ Σ σ_j‖W_j‖² ≤ 1; with f = 0 it is Chambolle and Pock's method. Unless τ is given, it balances the
moves of x and y, and τσ_j stays (see `steps.balancing`). The state keeps x̄ as a pair with x, so that XLA's CPU compiler
writes both in place; with the barrier between the dual and the primal update it makes six kernels of a total-variation
step, and no copy. The old x in its place would cost a GPU one an iteration.
Source: Yan, Journal of Scientific Computing 76, 2018.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array, lax

from flowapi.frozen import frozen
from flowengine.arithmetic import add, dot, scale, squared, subtract, sum_over, zeros_like
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
from flowengine.storage import pair_of, paired
from flowengine.xla import computed_once

if TYPE_CHECKING:
    from jaxtyping import Int


@pytree()
class State:
    """Point and extrapolated point x̄ as a pair, duals, ∇f(x) where there is an f (else None), τ and σ_j."""

    points: Tree
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
        return pair_of(self.points)[0]

    @property
    def q(self) -> Tree:
        """Where the step began that led to x: x₋ − τ∇f(x₋) = x + (x − τ∇f(x)) − x̄."""
        point, ahead = pair_of(self.points)
        return add(point, subtract(_forward(point, self.gradient, self.tau), ahead))


@frozen
class PD3O(Steady):
    """The method `pd3o`."""

    name: str = "pd3o"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it, with zero duals."""
        x = backward(problem, problem.init, hypers.tau)
        y = tuple(zeros_like(jax.eval_shape(term.operator.apply, x)) for term in problem.dual)
        gradient = smooth_gradient(problem, x) if problem.smooth else None
        return State(paired(x, x), y, gradient, unbalanced(hypers), hypers.sigma)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One dual and one primal update."""
        _, ahead = pair_of(state.points)
        y = tuple(
            dual_ascent(term, dual, ahead, sigma)
            for term, dual, sigma in zip(problem.dual, state.y, state.sigma, strict=True)
        )
        y, tau = lax.optimization_barrier((y, state.tau))
        return _descended(problem, state, y, tau)

    def observed_step(self, problem: Problem, hypers: Hypers, state: State) -> tuple[State, Evidence]:
        """The same, with the Moreau points z_j = (u_j − y_j⁺)/σ_j of u_j = y_j + σ_jW_jx̄, kept from the dual update.

        In the imbalance ∇f(x⁺) + (x − τ∇f(x) − x⁺)/τ = (x⁺ − x̄⁺)/τ the duals have cancelled. Nothing here needs the
        state before the step, so that XLA may write the new one over it.
        """
        _, ahead = pair_of(state.points)
        parts = list(zip(problem.dual, state.sigma, strict=True))
        u = tuple(add(y, term.operator.apply(ahead), sigma) for (term, sigma), y in zip(parts, state.y, strict=True))
        u = computed_once(u, state.tau)
        y = tuple(term.atom.prox_conjugate(one, sigma) for (term, sigma), one in zip(parts, u, strict=True))
        y, tau = lax.optimization_barrier((y, state.tau))
        new = _descended(problem, state, y, tau)
        new, smooth = lax.optimization_barrier((new, smooth_images(problem, new.x)))
        point, following = pair_of(new.points)
        images = tuple(term.operator.apply(point) for term in problem.dual)
        moreau = (
            scale(subtract(before, after), 1 / sigma) for before, after, (_, sigma) in zip(u, new.y, parts, strict=True)
        )
        defects = tuple(subtract(image, z) for image, z in zip(images, moreau, strict=True))
        imbalance = scale(subtract(point, following), 1 / state.tau)
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
        points, y = computed_once((following.points, following.y), new.tau)
        following = replace(following, points=points, y=y)
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
        points = new.points
        if new.gradient is not None:
            point, ahead = pair_of(points)
            points = paired(point, add(ahead, subtract(new.gradient, old.gradient), new.tau - steps.tau))
        sigmas = tuple(sigma * (hypers.tau / steps.tau) for sigma in hypers.sigma)
        return replace(new, points=points, steps=steps, sigma=sigmas)


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


def _descended(problem: Problem, state: State, y: tuple[Tree, ...], tau: Scalar) -> State:
    """The primal update; with τ from behind the barrier, XLA multiplies no data by it before each block of steps."""
    point = state.x
    moved = _forward(point, state.gradient, state.tau)
    x = backward(problem, add(moved, pull(problem, y), -tau), tau)
    if state.gradient is None:
        return replace(state, points=paired(x, subtract(scale(x, 2.0), point)), y=y)
    gradient = smooth_gradient(problem, x)
    ahead = add(x, subtract(_forward(x, gradient, state.tau), moved))
    return replace(state, points=paired(x, ahead), y=y, gradient=gradient)


def _forward(x: Tree, gradient: Tree | None, tau: Scalar) -> Tree:
    return x if gradient is None else forward(x, gradient, tau)
