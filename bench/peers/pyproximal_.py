"""PyProximal's solvers, by their own classes, operators and proxes; `step` in a loop, as their `run` does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pylops
import pyproximal
from problems import Problem, blur_spectrum, differences
from pyproximal.optimization.cls_primal import ADMML2, LinearizedADMM, ProximalGradient
from pyproximal.optimization.cls_primaldual import PrimalDual
from scipy import fft
from solver import Offer, UnableError

Start = Callable[[], tuple[Any, Any, dict[str, Any]]]


class Steps:
    """Steps of one of PyProximal's solver classes; `start` gives it, its state, and what every step takes."""

    def __init__(self, start: Start, shape: tuple[int, ...]) -> None:
        self.start, self.shape = start, shape
        self.reset()

    def reset(self) -> None:
        self.solver, self.state, self.each = self.start()

    def run(self, count: int) -> None:
        for _ in range(count):
            self.state = self.solver.step(*self.state, **self.each)

    def point(self) -> np.ndarray:
        return np.asarray(self.state[0]).reshape(self.shape)


def _primal_dual(f: Any, g: Any, operator: Any, x: np.ndarray, tau: float, sigma: float, *, dual_first: bool) -> Any:
    solver = PrimalDual()
    return solver, solver.setup(f, g, operator, x, tau, sigma, gfirst=dual_first), {}


def _differences(b: np.ndarray, *, periodic: bool) -> Any:
    if not periodic:
        return pylops.Gradient(b.shape, kind="forward", edge=False, dtype=b.dtype)
    size = b.size

    def forward(x: np.ndarray) -> np.ndarray:
        x = x.reshape(b.shape)
        return np.concatenate([(np.roll(x, -1, axis) - x).ravel() for axis in range(2)])

    def adjoint(y: np.ndarray) -> np.ndarray:
        parts = y.reshape(2, *b.shape)
        return np.ravel(np.roll(parts[0], 1, 0) - parts[0] + np.roll(parts[1], 1, 1) - parts[1])

    return pylops.FunctionOperator(forward, adjoint, 2 * size, size, dtype=b.dtype)


def _blur(problem: Problem) -> Any:
    spectrum, shape = blur_spectrum(problem), problem.arrays["b"].shape

    def filtered(x: np.ndarray, factor: np.ndarray) -> np.ndarray:
        there = fft.rfft2(x.reshape(shape), workers=2)
        return np.asarray(fft.irfft2(there * factor, shape, workers=2)).ravel()

    ways = (partial(filtered, factor=spectrum), partial(filtered, factor=spectrum.conj()))
    size = problem.arrays["b"].size
    return pylops.FunctionOperator(*ways, size, size, dtype=problem.arrays["b"].dtype)


def _denoise(problem: Problem) -> list[Offer]:
    b, weight = problem.arrays["b"], problem.numbers["weight"]
    f, g = pyproximal.L2(b=b.ravel()), pyproximal.L21(ndim=2, sigma=weight)
    d = _differences(b, periodic=False)

    def offer(tau: float, *, dual_first: bool) -> Offer:
        start = partial(_primal_dual, f, g, d, b.ravel(), tau, 0.99 / (8 * tau), dual_first=dual_first)
        shown = f"tau {tau:.3g}, gfirst {dual_first}"
        return Offer("PyProximal PrimalDual", shown, lambda: Steps(start, b.shape))

    if "tau" in problem.numbers:
        tau = problem.numbers["tau"]
        return [offer(tau, dual_first=True), offer(tau, dual_first=False)]
    return [offer(tau, dual_first=True) for tau in (0.02, 0.05, 0.35)]


def _deblur(problem: Problem) -> list[Offer]:
    b, weight = problem.arrays["b"], problem.numbers["weight"]
    blur, d = _blur(problem), _differences(b, periodic=True)
    both = pylops.VStack([blur, d])
    norm = pyproximal.L21(ndim=2, sigma=weight)
    g = pyproximal.VStack([pyproximal.L2(b=b.ravel()), norm], [b.size, 2 * b.size])
    nothing, x = _Nothing(), b.ravel()
    rho = weight / float(np.mean(np.abs(differences(b, periodic=True))))

    def linearized(tau: float) -> Any:
        solver = LinearizedADMM()
        return solver, solver.setup(nothing, g, both, x, tau, 0.99 * tau / 9), {}

    def exact(tau: float) -> Any:
        solver = ADMML2()
        inner = {"iter_lim": 10, "atol": 1e-10, "btol": 1e-10}
        return solver, solver.setup(norm, blur, x, d, x, tau), inner

    found: list[tuple[str, str, Start]] = []
    for tau in (0.3, 1.0, 3.0):
        start = partial(_primal_dual, nothing, g, both, x, tau, 0.99 / (9 * tau), dual_first=True)
        found.append(("PyProximal PrimalDual", f"tau {tau}", start))
        found.append(("PyProximal LinearizedADMM", f"tau {10 * tau}", partial(linearized, 10 * tau)))
    for value in (0.3 * rho, rho, 3 * rho):
        start = partial(exact, 1 / value)
        found.append(("PyProximal ADMML2", f"rho {value:.3g}, 10 of LSQR", start))
    return [
        Offer(name, shown, lambda start=start: Steps(start, b.shape))  # type: ignore[misc]
        for name, shown, start in found
    ]


class _Nothing(pyproximal.ProxOperator):  # type: ignore[misc]
    """F = 0."""

    def __init__(self) -> None:
        super().__init__(None, True)

    def __call__(self, x: np.ndarray) -> float:
        return 0.0

    def prox(self, x: np.ndarray, tau: float) -> np.ndarray:
        return x


def _lasso(problem: Problem) -> list[Offer]:
    a, b, weight = problem.arrays["A"], problem.arrays["b"], problem.numbers["weight"]
    bound = float(np.linalg.norm(a, 2) ** 2)

    def start(acceleration: str | None, *, backtracking: bool) -> Any:
        solver = ProximalGradient()
        f, g = pyproximal.L2(Op=pylops.MatrixMult(a), b=b), pyproximal.L1()
        tau = 8 / bound if backtracking else 1 / bound
        state = solver.setup(
            f, g, np.zeros(a.shape[1]), weight, tau, backtracking, acceleration=acceleration, niter=200_000
        )
        return solver, state, {}

    settings = {
        "fista": partial(start, "fista", backtracking=False),
        "fista, backtracking": partial(start, "fista", backtracking=True),
        "none": partial(start, None, backtracking=False),
    }
    return [
        Offer("PyProximal ProximalGradient", f"acceleration {name}", lambda begin=begin: Steps(begin, (a.shape[1],)))  # type: ignore[misc]
        for name, begin in settings.items()
    ]


def offers(problem: Problem) -> list[Offer]:
    """What PyProximal does of it."""
    makers = {"tv-denoise": _denoise, "tv-deblur": _deblur, "lasso": _lasso}
    if problem.kind == "huber-denoise":
        raise UnableError("has no gradient of a Huber function of an operator")
    if problem.kind == "logistic":
        raise UnableError("has no logistic loss")
    return makers[problem.kind](problem)
