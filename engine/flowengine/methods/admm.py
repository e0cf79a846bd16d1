"""ADMM with the primal update solved exactly, in a basis that makes it diagonal (see `steps.exact`).

    x⁺ = (H + Σ σ_jW_jᵀW_j)⁻¹ (Σ W_jᵀ(σ_jz_j − y_j) − ∇f(0)),   v_j = z_j + y_j/σ_j
    p_j = v_j + α(W_jx⁺ − z_j),   z_j⁺ = prox_{h_j/σ_j}(p_j),   y_j⁺ = σ_j(p_j − z_j⁺) ∈ ∂h_j(z_j⁺)

for quadratic f with Hessian H. Where there is a g it is h₀, with W₀ = I and σ₀ = 1/τ, and then z₀ is the point: it
obeys g's constraints, and is as sparse as g makes it. τ and every 1/σ_j grow and shrink together. The map N: v ↦ p is
nonexpansive in the norm Σ σ_j‖·‖². α is 1.8, and τ balances how far z and y move; or, where f curves in every
direction, how far the residual's two parts are from 0. Of a linear program and what is like it α is 2, and v anchored
(see `steps.anchoring`).
Source: Boyd, Parikh, Chu, Peleato and Eckstein, Foundations and Trends in Machine Learning 3, 2011; Eckstein and
Bertsekas, Mathematical Programming 55, 1992 (α, and v); Stellato, Banjac, Goulart, Bemporad and Boyd, Mathematical
Programming Computation 12, 2020 (the balance by residuals).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowapi.frozen import frozen
from flowengine.arithmetic import add, dot, scale, subtract, weighed, zeros_like
from flowengine.linops import Waves
from flowengine.methods.observing import Observing, stepped
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Sizes, Tree, pytree
from flowengine.steps import (
    Anchored,
    Balanced,
    Spectrum,
    anchored,
    beyond_rounding,
    by_eigenvectors,
    by_waves,
    counted,
    longest,
    pull,
    reanchored,
    rebalanced,
    smooth_gradient,
    smooth_images,
    solved,
    unbalanced,
)

if TYPE_CHECKING:
    from jaxtyping import Int

RELAXATION = 1.8
REFLECTION = 2.0
SOLVED = 16.0  # of eps: what a solve may round


@pytree()
class State:
    """The solution x of the last solve, the copies z_j and duals y_j, g's first, τ, and H and P in their basis.

    With a g, z₀ is the point and x is None.
    """

    x: Tree | None
    z: tuple[Tree, ...]
    y: tuple[Tree, ...]
    steps: Balanced | Anchored
    spectrum: Spectrum

    @property
    def tau(self) -> Scalar:
        """Τ, the longest of its entries."""
        return self.steps.tau


@frozen
class Admm(Observing):
    """The method `admm`, by waves or by eigenvectors; τ by moves, by residuals, or with an anchor."""

    waves: Waves | None = "fourier"
    rule: Literal["moves", "residuals", "anchor"] = "moves"
    name: str = "admm"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it, with zero duals."""
        x = problem.init if problem.prox is None else problem.prox.prox(problem.init, hypers.tau)
        z = tuple(_images(problem, x))
        y = tuple(zeros_like(one) for one in z)
        if self.waves is not None:
            spectrum = by_waves(problem, self.waves, hypers.sigma, None if problem.prox is None else 1 / hypers.tau)
        else:
            spectrum = by_eigenvectors(problem, functools.partial(_penalty, problem, hypers))
        steps = anchored(hypers, (z, y)) if self.rule == "anchor" else unbalanced(hypers)
        return State(x if problem.prox is None else None, z, y, steps, spectrum)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One update of x, and one of every copy and dual."""
        weights = _weights(problem, hypers, state)
        parts = zip(state.z, weights, state.y, strict=True)
        right = _pulled(problem, [subtract(weighed(z, weight), y) for z, weight, y in parts])
        x = solved(problem, state.spectrum, right, longest(hypers) / state.tau)
        points = [
            add(scale(subtract(image, z), self.relaxation), v)
            for image, z, v in zip(_images(problem, x), state.z, _points(state.z, state.y, weights), strict=True)
        ]
        steps = state.steps
        if isinstance(steps, Anchored):
            z, y = steps.anchor
            back = _points(z, y, weights)
            points = [add(scale(p, 1 - steps.share), v, steps.share) for p, v in zip(points, back, strict=True)]
            steps = counted(steps)
        steps_of = zip(_proxes(problem), points, _inverse(weights), strict=True)
        z = tuple(prox(p, step) for prox, p, step in steps_of)
        y = tuple(weighed(subtract(p, one), weight) for p, one, weight in zip(points, z, weights, strict=True))
        return replace(state, x=x if problem.prox is None else None, z=z, y=y, steps=steps)

    @property
    def relaxation(self) -> float:
        """Of the map, α."""
        return REFLECTION if self.rule == "anchor" else RELAXATION

    def point(self, state: State) -> Tree:
        """The point."""
        return state.z[0] if state.x is None else state.x

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The imbalance is ∇f(x⁺) + y₀⁺ + Σ W_jᵀy_j⁺."""
        x, balance = self.point(new), self.balance(problem, hypers, old, new)
        images = tuple(term.operator.apply(x) for term in problem.dual)
        defects = tuple(subtract(image, z) for image, z in zip(images, _dual(problem, new.z), strict=True))
        imbalance = functools.reduce(add, balance.summands)
        return Evidence(x, imbalance, images, defects, smooth=smooth_images(problem, x))

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = y₀."""
        del hypers, old
        x, duals = self.point(new), _dual(problem, new.y)
        gradient = smooth_gradient(problem, x) if problem.smooth else None
        subgradient = zeros_like(x) if problem.prox is None else new.y[0]
        return Balance(gradient, subgradient, duals, pull(problem, duals) if duals else None)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """‖N(v⁺) − N(v)‖ and ‖v⁺ − v‖ in the norm Σ σ_j‖·‖²: the first is never more, at the same τ."""
        following: State = stepped(problem, hypers, new, method=self)
        weights = _weights(problem, hypers, old)
        v, then = _points(old.z, old.y, weights), _points(new.z, new.y, weights)
        moves = (_apart(then, v), _apart(_mapped(new, following, weights), _mapped(old, new, weights)))
        before, value, size = (_length(one, weights) for one in (*moves, then))
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
        """A new anchor, where it is time; else τ balanced."""
        if hypers.least is None and self.rule != "anchor":
            return new
        weights = _weights(problem, hypers, old)
        turn = _apart(_mapped(old, new, weights), _points(old.z, old.y, weights))
        if isinstance(new.steps, Anchored):
            (z, y), here, length = new.steps.anchor, (new.z, new.y), _length(turn, weights)
            first = _weights(problem, hypers)
            moves, whole = _squares(_apart(new.z, z), _apart(new.y, y), first), _squares(*here, first)
            return replace(new, steps=reanchored(new.steps, here, length, moves, whole, hypers, iterations))
        if self.rule == "residuals":
            primal, dual, stiff = self._misfits(problem, hypers, old, new, turn)
            size = jnp.ones_like(primal)
        else:
            primal, dual = _squares(_apart(new.z, old.z), _apart(new.y, old.y), weights)
            stiff = size = _length(_points(new.z, new.y, weights), weights)
        primal, dual = beyond_rounding(primal, stiff, SOLVED), beyond_rounding(dual, size, SOLVED)
        return replace(new, steps=rebalanced(new.steps, primal, dual, hypers, iterations))

    def _misfits(
        self, problem: Problem, hypers: Hypers, old: State, new: State, turn: list[Tree]
    ) -> tuple[Scalar, Scalar, Scalar]:
        """‖∇f(x) + Σ W_jᵀy_j‖² and Σ‖W_jx − z_j‖², relative to their largest summands, in the norms of the steps.

        And what is rounded of the first, as a share of the same: L‖x‖, which in ∇f(x) may have cancelled.
        """
        weights = _weights(problem, hypers)
        images = [add(z, one, 1 / self.relaxation) for z, one in zip(old.z, turn, strict=True)]
        x = images[0] if new.x is None else new.x
        gradient = smooth_gradient(problem, x)
        duals = _dual(problem, new.y)
        pulls = [*new.y[: len(new.y) - len(duals)], *([pull(problem, duals)] if duals else [])]
        imbalance = functools.reduce(add, pulls, gradient)
        stretch = [_length([one], [hypers.tau]) for one in (imbalance, gradient, *pulls)]
        spread = [_length(one, weights) for one in (_apart(images, new.z), images, list(new.z))]
        bound = jnp.zeros_like(stretch[0]) if problem.curvature is None else problem.curvature
        rounded = _relative([bound * _length([x], [hypers.tau]), *stretch[1:]])
        return _relative(stretch) ** 2, _relative(spread) ** 2, jnp.maximum(rounded, 1)


def _dual(problem: Problem, each: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """Those of the dual terms, without g's."""
    return each if problem.prox is None else each[1:]


def _images(problem: Problem, x: Tree) -> list[Tree]:
    """W_j x."""
    found = [term.operator.apply(x) for term in problem.dual]
    return found if problem.prox is None else [x, *found]


def _pulled(problem: Problem, each: list[Tree]) -> Tree:
    """Σ W_jᵀ of each."""
    if problem.prox is None:
        return pull(problem, tuple(each))
    return add(each[0], pull(problem, tuple(each[1:]))) if problem.dual else each[0]


def _proxes(problem: Problem) -> list[Callable[[Tree, Tree], Tree]]:
    found = [term.atom.prox for term in problem.dual]
    return found if problem.prox is None else [problem.prox.prox, *found]


def _weights(problem: Problem, hypers: Hypers, state: State | None = None) -> list[Tree]:
    """σ_j of a state, as they are at first without one."""
    found = hypers.sigma if problem.prox is None else (*_inverse([hypers.tau]), *hypers.sigma)
    if state is None:
        return list(found)
    factor = longest(hypers) / state.tau
    return [scale(one, factor) for one in found]


def _inverse(weights: list[Tree]) -> list[Tree]:
    """1/σ_j."""
    found: list[Tree] = jax.tree.map(lambda one: 1 / one, weights)
    return found


def _penalty(problem: Problem, hypers: Hypers, x: Tree) -> Tree:
    """Σ σ_jW_jᵀW_jx."""
    parts = zip(_images(problem, x), _weights(problem, hypers), strict=True)
    return _pulled(problem, [weighed(image, weight) for image, weight in parts])


def _points(z: Sequence[Tree], y: Sequence[Tree], weights: list[Tree]) -> list[Tree]:
    """v: z_j + y_j/σ_j."""
    return [add(a, weighed(b, w)) for a, b, w in zip(z, y, _inverse(weights), strict=True)]


def _mapped(old: State, new: State, weights: list[Tree]) -> list[Tree]:
    """N(v) of a step from v, without the part that drew back to the anchor."""
    points = _points(new.z, new.y, weights)
    if not isinstance(old.steps, Anchored):
        return points
    share, (z, y) = old.steps.share, old.steps.anchor
    back = _points(z, y, weights)
    return [scale(add(p, one, -share), 1 / (1 - share)) for p, one in zip(points, back, strict=True)]


def _apart(a: Sequence[Tree], b: Sequence[Tree]) -> list[Tree]:
    """What some differ by from others."""
    return [subtract(one, other) for one, other in zip(a, b, strict=True)]


def _length(parts: list[Tree], weights: list[Tree]) -> Scalar:
    """√(Σ weight_j · ‖part_j‖²)."""
    squares = [dot(weighed(one, weight), one) for one, weight in zip(parts, weights, strict=True)]
    return jnp.sqrt(functools.reduce(jnp.add, squares))


def _squares(z: Sequence[Tree], y: Sequence[Tree], weights: list[Tree]) -> tuple[Scalar, Scalar]:
    """Σ σ_j‖z_j‖² and Σ‖y_j‖²/σ_j."""
    return _length(list(z), weights) ** 2, _length(list(y), _inverse(weights)) ** 2


def _relative(sizes: list[Scalar]) -> Scalar:
    """The first, as a share of the largest of the others."""
    largest = functools.reduce(jnp.maximum, sizes[1:])
    return sizes[0] / jnp.maximum(largest, np.finfo(largest.dtype).tiny)
