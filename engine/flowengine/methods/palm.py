"""PALM: proximal alternating linearised minimisation, block by block, for energies that couple variables.

    x_v⁺ = prox_{τ_v g_v}(x_v − τ_v ∇_v f(x₁⁺, …, x_v, …)),   the variables in the order of their names

with τ_v halved until the gradient of f in this block turns by no more than 1/τ_v allows, and let grow a little between
steps. E never rises.
Source: Bolte, Sabach and Teboulle, Mathematical Programming 146, 2014.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from flowapi.frozen import frozen
from flowengine.arithmetic import add, dot, norm
from flowengine.methods.observing import Observing
from flowengine.problem import Balance, Evidence, Hypers, Lyapunov, Problem, Scalar, pytree
from flowengine.steps import backward, grown, objective, smooth_gradient


@pytree()
class State:
    """The variables, the step of each, and ξ_v ∈ ∂g_v(x_v) from the last prox of each."""

    x: dict[str, Array]
    tau: dict[str, Scalar]
    subgradient: dict[str, Array]


@frozen
class Palm(Observing):
    """The method `palm`."""

    name: str = "palm"

    def init(self, problem: Problem, hypers: Hypers, key: Array) -> State:
        """Start at the problem's `init`, as a prox would have left it."""
        tau: Array = hypers.tau
        x = backward(problem, problem.init, tau)
        zeros = {name: jnp.zeros_like(value) for name, value in x.items()}
        return State(x, dict.fromkeys(x, tau), zeros)

    def step(self, problem: Problem, hypers: Hypers, state: State) -> State:
        """One visit of every block."""
        x, tau, subgradient = dict(state.x), {}, {}
        for name in state.x:
            gradient = smooth_gradient(problem, x)[name]
            x[name], tau[name] = _moved(problem, hypers, x, name, gradient, grown(state.tau[name], hypers))
            subgradient[name] = (state.x[name] - x[name]) / tau[name] - gradient
        return State(x, tau, subgradient)

    def pace(self, hypers: Hypers, state: State) -> Scalar:
        """The shortest of the steps."""
        del hypers
        return jnp.min(jnp.stack(list(state.tau.values())))

    def evidence(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Evidence:
        """The imbalance is ∇f(x⁺) + ξ."""
        return Evidence(new.x, add(smooth_gradient(problem, new.x), new.subgradient), images=(), defects=())

    def balance(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Balance:
        """ξ_v as the last prox of each block left it."""
        return Balance(smooth_gradient(problem, new.x), new.subgradient, dual=(), pull=None)

    def lyapunov(self, problem: Problem, hypers: Hypers, old: State, new: State) -> Lyapunov:
        """E, which never rises."""
        before, after = objective(problem, old.x), objective(problem, new.x)
        return Lyapunov(after, before, jnp.abs(before) + jnp.abs(after))


def _moved(
    problem: Problem, hypers: Hypers, x: dict[str, Array], name: str, gradient: Array, tau: Scalar
) -> tuple[Array, Scalar]:
    """The block after a proximal gradient step that is short enough, and how long it was."""
    here = x[name]
    enough = 10 * np.finfo(problem.dtype).eps * norm(here)
    least = jnp.zeros_like(tau) if hypers.least is None else hypers.least

    def there(step: Scalar) -> Array:
        moved: Array = here - step * gradient
        return moved if problem.prox is None else problem.prox.prox_of(name, moved, step)

    def too_long(at: tuple[Array, Scalar]) -> Array:
        value, step = at
        change = value - here
        turned = dot(smooth_gradient(problem, x | {name: value})[name] - gradient, change)
        fits = (turned <= dot(change, change) / step) | (norm(change) <= enough)
        longer: Array = ~fits & (step > least)
        return longer

    def shorter(at: tuple[Array, Scalar]) -> tuple[Array, Scalar]:
        step = jnp.maximum(at[1] / 2, least)
        return there(step), step

    found: tuple[Array, Scalar] = lax.while_loop(too_long, shorter, (there(tau), tau))
    return found
