"""SCICO's solvers, by their own operators and functionals; their `step` in a Python loop, as their `solve` does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from problems import Problem, differences
from scico import functional, linop, loss
from scico.optimize import ADMM, PDHG, AcceleratedPGM
from scico.optimize.admm import CircularConvolveSolver, LinearSubproblemSolver
from solver import Offer, UnableError

Build = Callable[[], Any]


class Steps:
    """Steps of one of SCICO's optimisers; set back by its own attributes, so that nothing is compiled again."""

    def __init__(self, build: Build) -> None:
        self.optimizer = build()
        self.before = {name: _copied(value) for name, value in vars(self.optimizer).items()}
        self.reset()

    def reset(self) -> None:
        for name, value in self.before.items():
            setattr(self.optimizer, name, _copied(value))

    def run(self, count: int) -> None:
        for _ in range(count):
            self.optimizer.step()
        jax.block_until_ready(self.optimizer.x)

    def point(self) -> np.ndarray:
        return np.asarray(self.optimizer.x)


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


class Solve(Steps):
    """Its `solve`, with the statistics that it keeps by default."""

    def run(self, count: int) -> None:
        self.optimizer.maxiter = count
        jax.block_until_ready(self.optimizer.solve())


class Compiled(Steps):
    """Its `step` compiled whole by `jax.jit`, which its documentation does not do."""

    def __init__(self, build: Build) -> None:
        super().__init__(build)
        optimizer = self.optimizer

        @jax.jit
        def step(x: Any, x_old: Any, z: Any) -> Any:
            optimizer.x, optimizer.x_old, optimizer.z = x, x_old, z
            optimizer.step()
            return optimizer.x, optimizer.x_old, optimizer.z

        self.step = step

    def reset(self) -> None:
        super().reset()
        self.state = tuple(self.before[name] for name in ("x", "x_old", "z"))

    def run(self, count: int) -> None:
        for _ in range(count):
            self.state = self.step(*self.state)
        jax.block_until_ready(self.state)

    def point(self) -> np.ndarray:
        return np.asarray(self.state[0])


def _difference(b: Any, *, periodic: bool) -> Any:
    if periodic:
        return linop.FiniteDifference(b.shape, b.dtype, circular=True)
    return linop.FiniteDifference(b.shape, b.dtype, append=0)


def _denoise(problem: Problem) -> list[Offer]:
    b, numbers = jnp.asarray(problem.arrays["b"]), problem.numbers

    def build(tau: float) -> Any:
        d = _difference(b, periodic=False)
        g = numbers["weight"] * functional.L21Norm()
        f = loss.SquaredL2Loss(b, scale=0.5)
        return PDHG(f, g, d, tau=tau, sigma=0.99 / (8 * tau), x0=b, itstat_options={"display": False})

    if "tau" in numbers:
        first = partial(build, numbers["tau"])
        return [
            Offer("SCICO PDHG", "its step in a loop", lambda: Steps(first)),
            Offer("SCICO PDHG", "its solve", lambda: Solve(first)),
            Offer("SCICO PDHG, compiled whole by us", "", lambda: Compiled(first)),
        ]
    return [
        Offer("SCICO PDHG", f"tau {tau}", lambda tau=tau: Steps(partial(build, tau)))  # type: ignore[misc]
        for tau in (0.02, 0.05, 0.35)
    ]


def _deblur(problem: Problem) -> list[Offer]:
    b, kernel, weight = jnp.asarray(problem.arrays["b"]), problem.arrays["k"], problem.numbers["weight"]
    blur = linop.CircularConvolve(
        jnp.asarray(kernel), b.shape, input_dtype=b.dtype, h_center=[n // 2 for n in kernel.shape]
    )
    d, fit = _difference(b, periodic=True), loss.SquaredL2Loss(b, blur, scale=0.5)
    norm = weight * functional.L21Norm()
    rho = weight / float(np.mean(np.abs(differences(problem.arrays["b"], periodic=True))))

    def admm(rho: float, solver: Callable[[], Any]) -> Any:
        return ADMM(fit, [norm], [d], [rho], alpha=1.8, x0=b, subproblem_solver=solver())

    def pdhg(tau: float) -> Any:
        both = functional.SeparableFunctional([loss.SquaredL2Loss(b, scale=0.5), norm])
        stack = linop.VerticalStack([blur, d], collapse_output=False)
        return PDHG(functional.ZeroFunctional(), both, stack, tau=tau, sigma=0.99 / (9 * tau), x0=b)

    by_cg = partial(LinearSubproblemSolver, cg_kwargs={"tol": 1e-6, "maxiter": 20})
    found = []
    for factor in (0.5, 1.0, 2.0):
        value, shown = factor * rho, f"rho {factor * rho:.3g}, alpha 1.8"
        exact, inner = partial(admm, value, CircularConvolveSolver), partial(admm, value, by_cg)
        found.append(Offer("SCICO ADMM, FFT", shown, lambda exact=exact: Steps(exact)))  # type: ignore[misc]
        found.append(Offer("SCICO ADMM, CG", shown, lambda inner=inner: Steps(inner)))  # type: ignore[misc]
    return found + [
        Offer("SCICO PDHG", f"tau {tau}", lambda tau=tau: Steps(partial(pdhg, tau)))  # type: ignore[misc]
        for tau in (0.3, 1.0, 3.0)
    ]


def _lasso(problem: Problem) -> list[Offer]:
    a, b = jnp.asarray(problem.arrays["A"]), jnp.asarray(problem.arrays["b"])
    bound = float(np.linalg.norm(problem.arrays["A"], 2) ** 2)

    def build(bound: float) -> Any:
        f = loss.SquaredL2Loss(b, linop.MatrixOperator(a), scale=0.5)
        g = problem.numbers["weight"] * functional.L1Norm()
        return AcceleratedPGM(f, g, L0=bound, x0=jnp.zeros(a.shape[1]))

    return [
        Offer("SCICO AcceleratedPGM", f"L0 {factor} L", lambda value=factor * bound: Steps(partial(build, value)))  # type: ignore[misc]
        for factor in (0.7, 1.0, 1.5)
    ]


def offers(problem: Problem) -> list[Offer]:
    """What SCICO does of it."""
    makers = {"tv-denoise": _denoise, "tv-deblur": _deblur, "lasso": _lasso}
    if problem.kind == "huber-denoise":
        raise UnableError("has no box constraint, and no sum of smooth functionals of different operators as a loss")
    if problem.kind == "logistic":
        raise UnableError("has no logistic loss")
    return makers[problem.kind](problem)
