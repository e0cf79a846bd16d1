"""The limit: total-variation denoising as a fused native loop (Numba), two passes over memory an iteration.

The same iteration as `variants.py`. The point before the last is overwritten by the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from problems import Problem
from solver import Offer, UnableError

Pass = Callable[..., None]


def _dual(x, before, u, v, sigma, lam):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Y ← proj(y + σD(2x − x₋)), a row at a time."""
    rows, columns = x.shape
    two, one, tiny = x.dtype.type(2), x.dtype.type(1), x.dtype.type(1e-30)
    for i in numba.prange(rows):
        below = min(i + 1, rows - 1)
        for j in range(columns - 1):
            here = two * x[i, j] - before[i, j]
            a = u[i, j] + sigma * (two * x[below, j] - before[below, j] - here)
            c = v[i, j] + sigma * (two * x[i, j + 1] - before[i, j + 1] - here)
            shrink = min(one, lam / np.sqrt(max(a * a + c * c, tiny)))
            u[i, j], v[i, j] = a * shrink, c * shrink
        j = columns - 1
        a = u[i, j] + sigma * (two * x[below, j] - before[below, j] - two * x[i, j] + before[i, j])
        u[i, j] = max(-lam, min(lam, a))


def _primal(x, before, u, v, b, tau):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """x₋ ← (x − τDᵀy + τb)/(1 + τ): the last row of u and the last column of v are 0."""
    rows, columns = x.shape
    scale = x.dtype.type(1) / (x.dtype.type(1) + tau)
    for i in numba.prange(rows):
        if i == 0:
            for j in range(columns):
                before[i, j] = -u[i, j]
        else:
            for j in range(columns):
                before[i, j] = u[i - 1, j] - u[i, j]
        before[i, 0] -= v[i, 0]
        for j in range(1, columns):
            before[i, j] += v[i, j - 1] - v[i, j]
        for j in range(columns):
            before[i, j] = (x[i, j] - tau * before[i, j] + tau * b[i, j]) * scale


def _compiled(*, parallel: bool) -> tuple[Pass, Pass]:
    build: Callable[..., Any] = numba.njit(parallel=parallel, fastmath=True, error_model="numpy", nogil=True)
    return build(_dual), build(_primal)


class Native:
    """The loop over both passes."""

    def __init__(self, problem: Problem, *, parallel: bool) -> None:
        self.b, kind = problem.arrays["b"], problem.arrays["b"].dtype.type
        self.lam, self.tau, self.sigma = (kind(problem.numbers[name]) for name in ("weight", "tau", "sigma"))
        self.dual, self.primal = _compiled(parallel=parallel)
        self.reset()

    def reset(self) -> None:
        self.x, self.before = self.b.copy(), self.b.copy()
        self.u, self.v = np.zeros_like(self.b), np.zeros_like(self.b)

    def run(self, count: int) -> None:
        for _ in range(count):
            self.dual(self.x, self.before, self.u, self.v, self.sigma, self.lam)
            self.primal(self.x, self.before, self.u, self.v, self.b, self.tau)
            self.x, self.before = self.before, self.x

    def point(self) -> np.ndarray:
        return self.x


def offers(problem: Problem) -> list[Offer]:
    """One thread, and as many as there are."""
    if problem.kind != "tv-denoise":
        raise UnableError("written for total-variation denoising alone")
    if "tau" not in problem.numbers:
        raise UnableError("a limit of the rate, not a peer")
    threads = numba.get_num_threads()
    return [
        Offer("native (Numba), 1 thread", "", lambda: Native(problem, parallel=False)),
        Offer(f"native (Numba), {threads} threads", "", lambda: Native(problem, parallel=True)),
    ]
