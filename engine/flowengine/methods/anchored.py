"""Chambolle and Pock's method with an anchor: PD3O for what is like a linear program.

    x̂ = prox_{τg}(x − τ(∇f + Σ W_jᵀy_j)),   ŷ_j = prox_{σ_j h_j*}(y_j + σ_j W_j(2x̂ − x))
    v⁺ = (1 − s)(v + α(v̂ − v)) + s v̄   of v = (x, y), v̂ = (x̂, ŷ), with an anchor v̄ (see `steps.anchoring`)

for a constant ∇f and τ Σ σ_j‖W_j‖² ≤ 1. The map N: v ↦ v̂ is firmly nonexpansive in the norm of M,
‖v‖² = ‖x‖²/τ + Σ ‖y_j‖²/σ_j − 2⟨Σ W_jᵀy_j, x⟩, and M(v − v̂) is the imbalance, and the defects.
Sources: Chambolle and Pock, Journal of Mathematical Imaging and Vision 40, 2011; Lu and Yang, Restarted Halpern PDHG
for linear programming, 2024.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.arithmetic import add, dot, scale, subtract, zeros_like
from flowengine.methods.observing import Observing, stepped
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Sizes, Tree, pytree
from flowengine.steps import (
    Anchored,
    anchored,
    backward,
    counted,
    dual_ascent,
    pull,
    reanchored,
    smooth_gradient,
    smooth_images,
)

if TYPE_CHECKING:
    from jaxtyping import Int

RELAXATION = 1.8  # of the map, α: a reflection, 2, gathers rounding


@pytree()
class State:
    """(x̂, ŷ) of the last step, v = (x, y), τ and the anchor."""

    x: Tree
    y: tuple[Tree, ...]
    v: Tree
    steps: Anchored

    @property
    def tau(self) -> Scalar:
        """τ."""
        return self.steps.tau


@frozen
class AnchoredPD3O(Observing):
    """The method `pd3o` with an anchor."""

    name: str = "pd3o"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it, with zero duals."""
        del key
        x = backward(problem, problem.init, hypers.tau)
        y = tuple(zeros_like(jax.eval_shape(term.operator.apply, x)) for term in problem.dual)
        return State(x, y, (x, y), anchored(hypers, (x, y)))

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One primal and one dual update, and the way back to the anchor."""
        (x, y), steps = state.v, state.steps
        pulled = pull(problem, y)
        pulled = add(pulled, smooth_gradient(problem, x)) if problem.smooth else pulled
        point = backward(problem, add(x, pulled, -steps.tau), steps.tau)
        ahead = subtract(scale(point, 2.0), x)
        parts = zip(problem.dual, y, _sigmas(hypers, state), strict=True)
        mapped = point, tuple(dual_ascent(term, one, ahead, sigma) for term, one, sigma in parts)
        drawn = add(scale(state.v, 1 - RELAXATION), mapped, RELAXATION)
        drawn = add(scale(drawn, 1 - steps.share), steps.anchor, steps.share)
        return State(*mapped, drawn, counted(steps))

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """Imbalance (x − x̂)/τ − Σ W_jᵀ(y_j − ŷ_j), defects W_j(x − x̂) − (y_j − ŷ_j)/σ_j."""
        moved, turned = subtract(old.v, (new.x, new.y))
        imbalance = add(scale(moved, 1 / old.tau), pull(problem, turned), -1.0)
        images = tuple(term.operator.apply(new.x) for term in problem.dual)
        parts = zip(problem.dual, turned, _sigmas(hypers, old), strict=True)
        defects = tuple(add(term.operator.apply(moved), one, -1 / sigma) for term, one, sigma in parts)
        return Evidence(new.x, imbalance, images, defects, smooth=smooth_images(problem, new.x))

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = (x − x̂)/τ − ∇f − Σ W_jᵀy_j."""
        x, y = old.v
        gradient = smooth_gradient(problem, new.x) if problem.smooth else None
        subgradient = add(scale(subtract(x, new.x), 1 / old.tau), pull(problem, y), -1.0)
        subgradient = subgradient if gradient is None else subtract(subgradient, gradient)
        return Balance(gradient, subgradient, new.y, pull(problem, new.y))

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """‖N(v⁺) − N(v)‖ and ‖v⁺ − v‖ in the norm of M: the first is never more, at the same τ."""
        following: State = stepped(problem, hypers, new, method=self)
        moves = subtract(new.v, old.v), subtract((following.x, following.y), (new.x, new.y)), new.v
        before, value, size = (_length(problem, hypers, old, *one) for one in moves)
        return Lyapunov(value, before, size)

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
        """A new anchor, where it is time."""
        del evidence, sizes
        length = _length(problem, hypers, old, *subtract(old.v, (new.x, new.y)))
        moves, whole = _squares(hypers, *subtract(new.v, new.steps.anchor)), _squares(hypers, *new.v)
        return replace(new, steps=reanchored(new.steps, new.v, length, moves, whole, hypers, iterations))


def _squares(hypers: Hypers, x: Tree, y: tuple[Tree, ...]) -> tuple[Scalar, Scalar]:
    """‖x‖²/τ and Σ‖y_j‖²/σ_j at the first steps."""
    primal = dot(x, x) / hypers.tau
    duals = (dot(one, one) / sigma for one, sigma in zip(y, hypers.sigma, strict=True))
    return primal, sum(duals, start=jnp.zeros_like(primal))


def _sigmas(hypers: Hypers, state: State) -> list[Scalar]:
    """σ_j of a state: τσ_j stays."""
    return [sigma * (hypers.tau / state.tau) for sigma in hypers.sigma]


def _length(problem: Problem, hypers: Hypers, state: State, x: Tree, y: tuple[Tree, ...]) -> Scalar:
    """The norm of M at a state's steps."""
    parts = zip(y, _sigmas(hypers, state), strict=True)
    duals = sum((dot(one, one) / sigma for one, sigma in parts), start=-2 * dot(pull(problem, y), x))
    return jnp.sqrt(jnp.maximum(dot(x, x) / state.tau + duals, 0))
