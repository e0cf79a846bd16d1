"""Entry points for tests: iterations and problems that somebody else wrote, and some that are wrong."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Never

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flowengine import atoms, linops
from flowengine.problem import Problem, Term, Unknown

Data = Mapping[str, np.ndarray]
Params = Mapping[str, float]


class State(NamedTuple):
    """Of stochastic gradient descent."""

    w: Array
    velocity: Array
    key: Array
    steps: Array


class Momentum:
    """Stochastic gradient descent with momentum on ½‖Aw − b‖², rows drawn anew in each step."""

    def __init__(self, data: Data, params: Params) -> None:
        self.A, self.b = jnp.asarray(data["A"]), jnp.asarray(data["b"])
        self.rate, self.rows = params["rate"], 8

    def init(self, key: Array) -> State:
        """At 0."""
        w = jnp.zeros(self.A.shape[1])
        return State(w, w, key, jnp.zeros((), jnp.int32))

    def step(self, state: State) -> State:
        """One batch of rows."""
        chosen = jax.random.randint(jax.random.fold_in(state.key, state.steps), (self.rows,), 0, len(self.b))
        gradient = self.A[chosen].T @ (self.A[chosen] @ state.w - self.b[chosen]) / self.rows
        velocity = 0.9 * state.velocity - self.rate * gradient
        return State(state.w + velocity, velocity, state.key, state.steps + 1)

    def residual(self, state: State) -> Array:
        """‖∇f(w)‖ / ‖∇f(0)‖."""
        at_zero = jnp.linalg.norm(self.A.T @ self.b)
        relative: Array = jnp.linalg.norm(self.A.T @ (self.A @ state.w - self.b)) / at_zero
        return relative

    def energy(self, state: State) -> Array:
        """½‖Aw − b‖²."""
        return 0.5 * jnp.sum((self.A @ state.w - self.b) ** 2)

    def point(self, state: State) -> Any:
        """The weights by their name."""
        return {"w": state.w}


class ManyEnergies(Momentum):
    """An energy for each entry."""

    def energy(self, state: State) -> Array:
        return state.w


class Shrinking(Momentum):
    """A step that loses an entry."""

    def step(self, state: State) -> State:
        return super().step(state)._replace(w=state.w[:-1])


class Escaping(Momentum):
    """A variable that would be written elsewhere."""

    def point(self, state: State) -> Any:
        return {"../w": state.w}


class Counting(Momentum):
    """A point that is a whole number."""

    def point(self, state: State) -> Any:
        return state.steps


def lasso(data: Data, params: Params) -> Problem:
    """A problem of the engine's own values."""
    A = jnp.asarray(data["A"])
    map_ = linops.Matrix(A, "ravel", (A.shape[1],), float(jnp.linalg.norm(A, 2)) * 1.0001)
    fit = atoms.Quadratic(jnp.asarray(1.0), jnp.asarray(data["b"]))
    term = Term(fit, map_, A.T @ jnp.asarray(data["b"]), "fit")
    sparse = atoms.L1(jnp.asarray(params["lam"]), jnp.zeros(A.shape[1]))
    w = Unknown("w", (A.shape[1],))
    return Problem((term,), atoms.merge([sparse]), (), jnp.zeros(A.shape[1]), (w,), "float64")


def problem_with_a_name_that_is_a_path(data: Data, params: Params) -> Problem:
    return Problem((), None, (), jnp.zeros(3), (Unknown("../../evil", (3,)),), "float64")


def problem_of_another_dtype(data: Data, params: Params) -> Problem:
    return Problem((), None, (), jnp.zeros(3, jnp.float32), (Unknown("w", (3,)),), "float32")


def problem_with_a_start_of_another_shape(data: Data, params: Params) -> Problem:
    return Problem((), None, (), jnp.zeros(4), (Unknown("w", (3,)),), "float64")


def leaving(data: Data, params: Params) -> Never:
    raise SystemExit(0)


def three(data: Data, params: Params) -> int:
    return 3


def failing(data: Data, params: Params) -> np.ndarray:
    return data["absent"]
