"""CVXPY: the problem compiled for a conic solver once, then that solver at growing accuracy."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
from problems import Problem
from solver import Offer, UnableError

DIGITS = tuple(range(3, 13))
LARGEST = 40  # pixels a side: beyond, a second-order cone a pixel takes minutes
TOLERANCES: dict[str, tuple[str, ...]] = {
    "CLARABEL": ("tol_gap_abs", "tol_gap_rel", "tol_feas"),
    "SCS": ("eps_abs", "eps_rel"),
    "OSQP": ("eps_abs", "eps_rel"),
}


class Conic:
    """`run(d)` solves afresh with a tolerance of 10⁻ᵈ; compiling the problem is in the set-up."""

    def __init__(self, problem: Problem, solver: str) -> None:
        self.x, cost = _stated(problem)
        self.solver, self.problem = solver, cp.Problem(cp.Minimize(cost))
        self.data, self.chain, self.inverse = self.problem.get_problem_data(solver, solver_opts={})
        self.found = np.zeros(self.x.shape)

    def reset(self) -> None:
        """It keeps nothing."""

    def run(self, count: int) -> None:
        options: dict[str, Any] = dict.fromkeys(TOLERANCES[self.solver], 10.0**-count)
        if self.solver != "CLARABEL":
            options["max_iters" if self.solver == "SCS" else "max_iter"] = 20_000
        solution = self.chain.solve_via_data(
            self.problem, self.data, warm_start=False, verbose=False, solver_opts=options
        )
        self.problem.unpack_results(solution, self.chain, self.inverse)
        self.found = np.asarray(self.x.value)

    def point(self) -> np.ndarray:
        return self.found


def _stated(problem: Problem) -> tuple[Any, Any]:
    b, weight = problem.arrays["b"], problem.numbers["weight"]
    if problem.kind == "tv-denoise":
        x = cp.Variable(b.shape)
        down = cp.vstack([x[1:] - x[:-1], np.zeros((1, b.shape[1]))])
        right = cp.hstack([x[:, 1:] - x[:, :-1], np.zeros((b.shape[0], 1))])
        pairs = cp.vstack([cp.vec(down, order="F"), cp.vec(right, order="F")])
        return x, 0.5 * cp.sum_squares(x - b) + weight * cp.sum(cp.norm(pairs, 2, axis=0))
    a = problem.arrays["A"]
    x = cp.Variable(a.shape[1])
    fit = 0.5 * cp.sum_squares(a @ x - b)
    if problem.kind == "logistic":
        fit = cp.sum(cp.logistic(cp.multiply(-b, a @ x)))
    return x, fit + weight * cp.norm1(x)


def offers(problem: Problem) -> list[Offer]:
    """What is small."""
    if problem.kind not in ("lasso", "logistic") and len(problem.arrays["b"]) > LARGEST:
        raise UnableError(f"takes minutes beyond {LARGEST}x{LARGEST} pixels: a cone for every one")
    if "tau" in problem.numbers:
        raise UnableError("compared by the time to an accuracy: its solvers' iterations are others")
    solvers = ["CLARABEL", "SCS", *(["OSQP"] if problem.kind == "lasso" else [])]
    return [
        Offer("CVXPY", name, lambda name=name: Conic(problem, name), restarts=True, schedule=DIGITS)  # type: ignore[misc]
        for name in solvers
    ]
