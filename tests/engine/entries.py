"""Entry points for tests: iterations and problems that somebody else wrote."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from flowengine import atoms, linops
from flowengine.problem import Problem, Term, Unknown


class State(NamedTuple):
    w: jax.Array
    velocity: jax.Array
    key: jax.Array
    count: jax.Array


class Momentum:
    """Stochastic gradient descent with momentum on ½‖Aw − b‖², rows drawn anew in each step."""

    def __init__(self, data, params):
        self.A, self.b = jnp.asarray(data["A"]), jnp.asarray(data["b"])
        self.rate, self.rows = params["rate"], 8

    def init(self, key):
        w = jnp.zeros(self.A.shape[1])
        return State(w, w, key, jnp.zeros((), jnp.int32))

    def step(self, state):
        chosen = jax.random.randint(jax.random.fold_in(state.key, state.count), (self.rows,), 0, len(self.b))
        gradient = self.A[chosen].T @ (self.A[chosen] @ state.w - self.b[chosen]) / self.rows
        velocity = 0.9 * state.velocity - self.rate * gradient
        return State(state.w + velocity, velocity, state.key, state.count + 1)

    def residual(self, state):
        return jnp.linalg.norm(self.A.T @ (self.A @ state.w - self.b)) / jnp.linalg.norm(self.A.T @ self.b)

    def energy(self, state):
        return 0.5 * jnp.sum((self.A @ state.w - self.b) ** 2)

    def point(self, state):
        return {"w": state.w}


def momentum(data, params):
    return Momentum(data, params)


def lasso(data, params):
    """A problem of the engine's own values."""
    A = jnp.asarray(data["A"])
    map_ = linops.Matrix(A, "ravel", (A.shape[1],), float(jnp.linalg.norm(A, 2)) * 1.0001)
    fit = atoms.Quadratic(jnp.asarray(1.0), jnp.asarray(data["b"]))
    term = Term(fit, map_, A.T @ jnp.asarray(data["b"]), "fit")
    sparse = atoms.L1(jnp.asarray(params["lam"]), jnp.zeros(A.shape[1]))
    w = Unknown("w", (A.shape[1],))
    return Problem((term,), atoms.merge([sparse]), (), jnp.zeros(A.shape[1]), (w,), "float64")


def named(data, params):
    """A problem whose variable would be written elsewhere."""
    return Problem((), None, (), jnp.zeros(3), (Unknown("../../evil", (3,)),), "float64")


def single(data, params):
    return Problem((), None, (), jnp.zeros(3, jnp.float32), (Unknown("w", (3,)),), "float32")


def formless(data, params):
    return Problem((), None, (), jnp.zeros(4), (Unknown("w", (3,)),), "float64")


def leaving(data, params):
    raise SystemExit(0)


class Many(Momentum):
    def energy(self, state):
        return state.w


def many(data, params):
    return Many(data, params)


class Twisted(Momentum):
    def step(self, state):
        return super().step(state)._replace(w=state.w[:-1])


class Nameless(Momentum):
    def point(self, state):
        return {"../w": state.w}


class Counting(Momentum):
    def point(self, state):
        return state.count


def twisted(data, params):
    return Twisted(data, params)


def nameless(data, params):
    return Nameless(data, params)


def counting(data, params):
    return Counting(data, params)


def nothing(data, params):
    return 3


def failing(data, params):
    return data["absent"]
