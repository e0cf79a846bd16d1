"""Riemannian gradient descent: x⁺ = R_x(−τ grad f(x)) for variables on manifolds, with a step that is searched for.

τ starts where the curvature that the last step met puts the minimum along it, and is halved until the slopes say that E
falls by a share of what the gradient promises: (⟨P∇f(x), d⟩ + ⟨P⁺∇f(x⁺), d⟩)/2 with d = x⁺ − x and the gradients'
tangent parts, which rounding does not spoil near a solution as it does a difference of values.
Source: Absil, Mahony and Sepulchre, Optimization Algorithms on Matrix Manifolds, 2008, section 4.2; Barzilai and
Borwein, IMA Journal of Numerical Analysis 8, 1988 (the first step).
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowapi.frozen import frozen
from flowengine.arithmetic import dot, norm, scale, subtract, zeros_like
from flowengine.methods.observing import Observing
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, Tree, pytree
from flowengine.steps import grown, objective, retracted, smooth_gradient, steepest, tangent, whitened

SHARE = 1e-4  # of the fall that the gradient promises
CHANGE = 4.0  # of τ from one step to the next, at most


@pytree()
class State:
    """The point, ∇f's part in the tangent space there, the step that led to it, and the one to try next."""

    x: Tree
    flat: Tree
    tau: Scalar
    ahead: Scalar


@frozen
class RiemannianGradient(Observing):
    """The method `rgd`."""

    name: str = "rgd"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, a point of the manifold."""
        del key
        return State(problem.init, _flat(problem, problem.init), hypers.tau, hypers.tau)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One step along the geodesic's stand-in."""
        x, flat = state.x, state.flat
        slope = steepest(problem, x, flat)
        promised, enough = dot(flat, slope), 10 * np.finfo(problem.dtype).eps * norm(x)
        least = jnp.zeros_like(state.tau) if hypers.least is None else hypers.least

        def there(tau: Scalar) -> State:
            point = retracted(problem, x, scale(slope, -tau))
            return State(point, _flat(problem, point), tau, tau)

        def too_long(at: State) -> Array:
            moved = subtract(at.x, x)
            fall = -(dot(flat, moved) + dot(at.flat, moved)) / 2
            fits = (fall >= SHARE * at.tau * promised) | (norm(moved) <= enough)
            longer: Array = ~fits & (at.tau > least)
            return longer

        def shorter(at: State) -> State:
            return there(jnp.maximum(at.tau / 2, least))

        new: State = lax.while_loop(too_long, shorter, there(state.ahead))
        moved = subtract(new.x, x)
        began, met = -dot(flat, moved), dot(subtract(new.flat, flat), moved)
        told = (met > 0) & (norm(moved) > enough)  # rounding knows of no curvature
        factor = jnp.where(told, jnp.clip(began / jnp.where(told, met, 1), 1 / CHANGE, CHANGE), CHANGE)
        return State(new.x, new.flat, new.tau, grown(new.tau, hypers, factor))

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The imbalance is ∇f's part in the tangent space, as long as the manifold's metric says."""
        del hypers, old
        return Evidence(new.x, whitened(problem, new.x, new.flat), images=(), defects=())

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """What of ∇f is normal to the manifold is nobody's: it holds the point there, and would only hide the rest."""
        return Balance(new.flat, zeros_like(new.flat), dual=(), pull=None)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """E, which falls as far as the slopes at both ends of a step can tell."""
        before, after = objective(problem, old.x), objective(problem, new.x)
        return Lyapunov(after, before, jnp.abs(before) + jnp.abs(after))


def _flat(problem: Problem, x: Tree) -> Tree:
    """∇f's part in the tangent space."""
    return tangent(problem, x, smooth_gradient(problem, x))
