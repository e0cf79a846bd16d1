"""jaxopt's proximal gradient with acceleration: its `update` in a compiled loop, quicker than its own `run`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxopt import BlockCoordinateDescent, ProximalGradient, objective, prox
from problems import Problem
from solver import Offer, UnableError


class _Sum(type(objective.least_squares)):  # type: ignore[misc]
    """½‖Ax − b‖²: its own is the mean, with the step of the sum."""

    def subfun(self, predictions: Any, data: Any) -> Any:
        return 0.5 * jnp.sum((predictions - data[1]) ** 2)


class Updates:
    """A compiled loop of updates; its length is no constant, so it compiles once."""

    def __init__(self, solver: Any, start: Any, hyper: Any, data: tuple[Any, ...]) -> None:
        self.start = start, solver.init_state(start, hyper, *data)

        @jax.jit
        def loop(x: Any, state: Any, count: int) -> Any:
            return jax.lax.fori_loop(0, count, lambda _, at: tuple(solver.update(*at, hyper, *data)), (x, state))

        self.loop = loop
        self.reset()

    def reset(self) -> None:
        self.at = self.start

    def run(self, count: int) -> None:
        self.at = jax.block_until_ready(self.loop(*self.at, count))

    def point(self) -> np.ndarray:
        return np.asarray(self.at[0])


def _huber(problem: Problem) -> tuple[Callable[[Any], Any], Any]:
    b, weight, delta = jnp.asarray(problem.arrays["b"]), problem.numbers["weight"], problem.numbers["delta"]

    def value(x: Any) -> Any:
        total = 0.5 * jnp.sum((x - b) ** 2)
        for axis in range(2):
            size = jnp.abs(jnp.diff(x, axis=axis))
            inner = jnp.minimum(size, delta)
            total = total + weight * jnp.sum(inner * (size - 0.5 * inner))
        return total

    return value, b


def _gradients(
    value: Callable[..., Any], project: Any, start: Any, bound: float, hyper: Any, data: tuple[Any, ...] = ()
) -> list[Offer]:
    settings = {
        "stepsize 1/L": {"stepsize": 1 / bound}, "backtracking": {}, "backtracking by 0.8": {"decrease_factor": 0.8},
    }  # fmt: skip

    def build(keys: dict[str, float]) -> Updates:
        solver = ProximalGradient(value, project, tol=0.0, implicit_diff=False, jit=True, unroll=False, **keys)
        return Updates(solver, start, hyper, data)

    return [
        Offer("jaxopt ProximalGradient", setting, lambda keys=keys: build(keys))  # type: ignore[misc]
        for setting, keys in settings.items()
    ]


def _regressions(problem: Problem) -> list[Offer]:
    a, b = jnp.asarray(problem.arrays["A"]), jnp.asarray(problem.arrays["b"])
    weight, start = problem.numbers["weight"], jnp.zeros(a.shape[1])
    square = float(np.linalg.norm(problem.arrays["A"], 2) ** 2)
    if problem.kind == "lasso":

        def misfit(x: Any, data: Any) -> Any:
            return 0.5 * jnp.sum((data[0] @ x - data[1]) ** 2)

        def descent() -> Updates:
            solver = BlockCoordinateDescent(_Sum(), prox.prox_lasso, tol=0.0, implicit_diff=False)
            return Updates(solver, start, weight, ((a, b),))

        found = _gradients(misfit, prox.prox_lasso, start, square, weight, ((a, b),))
        return [*found, Offer("jaxopt BlockCoordinateDescent", "", descent)]

    def logistic(x: Any, data: Any) -> Any:
        return jnp.sum(jnp.logaddexp(0, -data[1] * (data[0] @ x)))

    return _gradients(logistic, prox.prox_lasso, start, square / 4, weight, ((a, b),))


def offers(problem: Problem) -> list[Offer]:
    """What has a simple prox."""
    if problem.kind in ("lasso", "logistic"):
        return _regressions(problem)
    if problem.kind == "huber-denoise":
        value, b = _huber(problem)
        box = (jnp.zeros((), b.dtype), jnp.ones((), b.dtype))
        bound = 1 + 8 * problem.numbers["weight"]

        def clipped(x: Any, bounds: Any, scaling: Any = 1.0) -> Any:
            del scaling
            return jnp.clip(x, *bounds)

        return _gradients(value, clipped, jnp.clip(b, 0, 1), bound, box)
    raise UnableError("has no primal-dual method: total variation has no simple prox")
