"""ADMM with the primal update solved exactly, in a basis that makes it diagonal (see `steps.exact`).

    x⁺ = (H + Σ σ_jW_jᵀW_j)⁻¹ (Σ W_jᵀ(σ_jz_j − y_j) − ∇f(0)),   v_j = z_j + y_j/σ_j
    p_j = v_j + α(W_jx⁺ − z_j),   z_j⁺ = prox_{h_j/σ_j}(p_j),   y_j⁺ = σ_j(p_j − z_j⁺) ∈ ∂h_j(z_j⁺)

for quadratic f with Hessian H. Where there is a g it is h₀, with W₀ = I and σ₀ = 1/τ, and then z₀ is the point: it
obeys g's constraints, and is as sparse as g makes it. τ and every 1/σ_j grow and shrink together. The map N: v ↦ p is
nonexpansive in the norm Σ σ_j‖·‖². α is 1.8, and τ balances how far z and y move; or, where f curves in every
direction and nothing dual has a gradient, how far the residual's two parts are from 0. Of a linear program and what is
like it α is 2, and v anchored (see `steps.anchoring`).
Source: Boyd, Parikh, Chu, Peleato and Eckstein, Foundations and Trends in Machine Learning 3, 2011; Eckstein and
Bertsekas, Mathematical Programming 55, 1992 (α, and v); Stellato, Banjac, Goulart, Bemporad and Boyd, Mathematical
Programming Computation 12, 2020 (the balance by residuals).
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import jax.numpy as jnp
from jax import Array

from flowapi.frozen import frozen
from flowengine.arithmetic import add, norm, scale, subtract, weighed, zeros_like
from flowengine.linops import Waves
from flowengine.methods.copies import (
    apart,
    duals_of,
    halves,
    images_of,
    inverses,
    length,
    penalty,
    points_of,
    proxes,
    pulled,
    relative,
    weights_of,
)
from flowengine.methods.observing import Observing, stepped
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Sizes, Tree, pytree
from flowengine.steps import (
    Anchored,
    Balanced,
    Factors,
    Spectrum,
    anchored,
    beyond_rounding,
    by_eigenvectors,
    by_waves,
    counted,
    factored,
    longest,
    pull,
    reanchored,
    rebalanced,
    refactored,
    smooth_gradient,
    smooth_images,
    solved,
    solved_in_bands,
    unbalanced,
)
from flowengine.xla import either

if TYPE_CHECKING:
    from jaxtyping import Int

RELAXATION = 1.8
REFLECTION = 2.0
ROOM = 1.5  # how far τ is from a balance before a direct solver is factored again
SOLVED = 16.0  # of eps: what a solve may round
ABSENT = 0.01  # of the largest that the W_jx were at an x of this size: what is less may be 0 at a solution


@pytree()
class State:
    """The solution x of the last solve, the copies z_j and duals y_j, g's first, τ, and H and P in their basis.

    With a g, z₀ is the point and x is None. What τ is balanced by: `moved` is Σ σ_j‖Δz_j‖² and Σ ‖Δy_j‖²/σ_j since the
    last certificate, for z and y turn about each other, and every tenth step may be of the same phase (of a transform's
    many entries that would cost a fifth of an iteration); `reached` is the largest multiple of ‖x‖ that the W_jx were,
    for at a solution all of them may be 0.
    """

    x: Tree | None
    z: tuple[Tree, ...]
    y: tuple[Tree, ...]
    steps: Balanced | Anchored
    spectrum: Spectrum | Factors
    moved: tuple[Scalar, Scalar] | None
    reached: Scalar | None

    @property
    def tau(self) -> Scalar:
        """Τ, the longest of its entries."""
        return self.steps.tau


@frozen
class Admm(Observing):
    """The method `admm`, by waves, in bands or by eigenvectors; τ by moves, by residuals, or with an anchor."""

    waves: Waves | None = "fourier"
    rule: Literal["moves", "residuals", "anchor"] = "moves"
    banded: bool = False
    name: str = "admm"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it, with zero duals."""
        x = problem.init if problem.prox is None else problem.prox.prox(problem.init, hypers.tau)
        z = tuple(images_of(problem, x))
        y = tuple(zeros_like(one) for one in z)
        spectrum: Spectrum | Factors
        if self.banded:
            spectrum = factored(problem.equations, jnp.ones_like(longest(hypers)))
        elif self.waves is not None:
            spectrum = by_waves(problem, self.waves, hypers.sigma, None if problem.prox is None else 1 / hypers.tau)
        else:
            spectrum = by_eigenvectors(problem, functools.partial(penalty, problem, hypers))
        steps = anchored(hypers, (z, y)) if self.rule == "anchor" else unbalanced(hypers)
        zero, balanced = jnp.zeros_like(longest(hypers)), hypers.least is not None
        moved = (zero, zero) if balanced and self.rule == "moves" and self.waves is None else None
        reached = zero if balanced and self.rule == "residuals" else None
        return State(x if problem.prox is None else None, z, y, steps, spectrum, moved, reached)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One update of x, and one of every copy and dual."""
        weights = weights_of(problem, hypers, state.tau)
        parts = zip(state.z, weights, state.y, strict=True)
        right = pulled(problem, [subtract(weighed(z, weight), y) for z, weight, y in parts])
        x = _solved(problem, state.spectrum, right, longest(hypers) / state.tau)
        points = [
            add(scale(subtract(image, z), self.relaxation), v)
            for image, z, v in zip(images_of(problem, x), state.z, points_of(state.z, state.y, weights), strict=True)
        ]
        steps = state.steps
        if isinstance(steps, Anchored):
            z, y = steps.anchor
            back = points_of(z, y, weights)
            points = [add(scale(p, 1 - steps.share), v, steps.share) for p, v in zip(points, back, strict=True)]
            steps = counted(steps)
        steps_of = zip(proxes(problem), points, inverses(weights), strict=True)
        z = tuple(prox(p, step) for prox, p, step in steps_of)
        y = tuple(weighed(subtract(p, one), weight) for p, one, weight in zip(points, z, weights, strict=True))
        moved = state.moved
        if moved is not None:
            primal, dual = halves(apart(z, state.z), apart(y, state.y), weights)
            moved = moved[0] + primal, moved[1] + dual
        return replace(state, x=x if problem.prox is None else None, z=z, y=y, steps=steps, moved=moved)

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
        defects = tuple(subtract(image, z) for image, z in zip(images, duals_of(problem, new.z), strict=True))
        imbalance = functools.reduce(add, balance.summands)
        return Evidence(x, imbalance, images, defects, smooth=smooth_images(problem, x))

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ = y₀."""
        del hypers, old
        x, duals = self.point(new), duals_of(problem, new.y)
        gradient = smooth_gradient(problem, x) if problem.smooth else None
        subgradient = zeros_like(x) if problem.prox is None else new.y[0]
        return Balance(gradient, subgradient, duals, pull(problem, duals) if duals else None)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """‖N(v⁺) − N(v)‖ and ‖v⁺ − v‖ in the norm Σ σ_j‖·‖²: the first is never more, at the same τ."""
        following: State = stepped(problem, hypers, new, method=self)
        weights = weights_of(problem, hypers, old.tau)
        v, then = points_of(old.z, old.y, weights), points_of(new.z, new.y, weights)
        moves = (apart(then, v), apart(_mapped(new, following, weights), _mapped(old, new, weights)))
        before, value, size = (length(one, weights) for one in (*moves, then))
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
        """A new anchor, where it is time; else τ balanced. A certificate after no `iterations` leaves all as it is."""
        del evidence, sizes
        found = self._stepped(problem, hypers, old, new, iterations)
        if not isinstance(found.spectrum, Factors):
            return found
        rho = longest(hypers) / found.tau
        return replace(found, spectrum=refactored(problem.equations, found.spectrum, rho))

    def _stepped(self, problem: Problem, hypers: Hypers, old: State, new: State, iterations: Int[Array, ""]) -> State:
        """The state with its τ to come; factors of a direct solver, which cost many steps, keep one that is near it."""
        steps, weights = new.steps, weights_of(problem, hypers, old.tau)
        if isinstance(steps, Anchored):
            (z, y), here, first = steps.anchor, (new.z, new.y), weights_of(problem, hypers)
            moves, whole = halves(apart(new.z, z), apart(new.y, y), first), halves(*here, first)
            size = length(_turn(old, new, weights), weights)
            return replace(new, steps=reanchored(steps, here, size, moves, whole, hypers, iterations))
        if hypers.least is None:
            return new
        if new.reached is None:
            return _by_moves(old, new, steps, weights, hypers, iterations, self._room)
        turn = _turn(old, new, weights)
        images = [add(z, one, 1 / self.relaxation) for z, one in zip(old.z, turn, strict=True)]
        primal, dual, reached = _misfits(problem, hypers, new, images, new.reached)
        reached = either(iterations > 0, reached, new.reached)
        steps = rebalanced(steps, primal, dual, hypers, iterations, room=self._room)
        return replace(new, steps=steps, reached=reached)

    @property
    def _room(self) -> float:
        return ROOM if self.banded else 1.0


def _solved(problem: Problem, spectrum: Spectrum | Factors, right: Tree, rho: Scalar) -> Tree:
    """(H + ρP)⁻¹(right − ∇f(0))."""
    if isinstance(spectrum, Factors):
        return solved_in_bands(problem.equations, spectrum, right)
    return solved(problem, spectrum, right, rho)


def _by_moves(
    old: State,
    new: State,
    steps: Balanced,
    weights: list[Tree],
    hypers: Hypers,
    iterations: Int[Array, ""],
    room: float,
) -> State:
    """τ balanced by how far z and y moved in the mean since the last certificate; of many entries, in the last step."""
    size, moved = length(points_of(new.z, new.y, weights), weights), new.moved
    if moved is None:
        means = halves(apart(new.z, old.z), apart(new.y, old.y), weights)
    else:
        primal, dual = moved
        counts, count = iterations > 0, jnp.maximum(iterations, 1)
        means, zero = (primal / count, dual / count), jnp.zeros_like(primal)
        moved = either(counts, zero, primal), either(counts, zero, dual)
    primal, dual = (beyond_rounding(one, size, SOLVED) for one in means)
    return replace(new, steps=rebalanced(steps, primal, dual, hypers, iterations, room=room), moved=moved)


def _misfits(
    problem: Problem, hypers: Hypers, new: State, images: list[Tree], reached: Scalar
) -> tuple[Scalar, Scalar, Scalar]:
    """‖∇f(x) + Σ W_jᵀy_j‖² and Σ‖W_jx − z_j‖², relative to their summands, in the norms of the first steps.

    And the largest multiple of ‖x‖ that the W_jx were: where all of them are 0 at a solution, rounding would be
    compared with rounding. What is rounded of the first is of the size of L‖x‖, which in ∇f(x) may have cancelled.
    """
    weights = weights_of(problem, hypers)
    x = images[0] if new.x is None else new.x
    gradient, duals = smooth_gradient(problem, x), duals_of(problem, new.y)
    pulls = [*new.y[: len(new.y) - len(duals)], *([pull(problem, duals)] if duals else [])]
    imbalance = functools.reduce(add, pulls, gradient)
    stretch = [length([one], [hypers.tau]) for one in (imbalance, gradient, *pulls)]
    spread = [length(one, weights) for one in (apart(images, new.z), images, list(new.z))]
    point, one = norm(x), jnp.ones_like(stretch[0])
    reached = jnp.maximum(reached, relative([spread[1], point]))
    bound = 0 * one if problem.curvature is None else problem.curvature
    rounded = relative([bound * length([x], [hypers.tau]), *stretch[1:]])
    primal = beyond_rounding(relative(stretch) ** 2, jnp.maximum(rounded, 1), SOLVED)
    return primal, beyond_rounding(relative([*spread, ABSENT * reached * point]) ** 2, one, SOLVED), reached


def _turn(old: State, new: State, weights: list[Tree]) -> list[Tree]:
    """N(v) − v of a step from v."""
    return apart(_mapped(old, new, weights), points_of(old.z, old.y, weights))


def _mapped(old: State, new: State, weights: list[Tree]) -> list[Tree]:
    """N(v) of a step from v, without the part that drew back to the anchor."""
    points = points_of(new.z, new.y, weights)
    if not isinstance(old.steps, Anchored):
        return points
    share, (z, y) = old.steps.share, old.steps.anchor
    back = points_of(z, y, weights)
    return [scale(add(p, one, -share), 1 / (1 - share)) for p, one in zip(points, back, strict=True)]
