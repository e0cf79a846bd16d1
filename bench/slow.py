"""Small problems that other packages solve in about a second: the engine's time to their answer, paired in one run.

    .venv/bin/python bench/slow.py [NAME…]

The engine's time is that of the iterations until energy and point are within 1e-5 and 1e-3 of a reference, from the
start, compiled; compiling is given apart. A peer's is of its solver alone, at its own tolerances. Rounds run both in
turn. And products with a sparse matrix beside SciPy's. Prints JSON: seconds are medians, ratios those of the rounds.
"""

from __future__ import annotations

from flowengine.run.platform import prepare

prepare(2)

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cvxpy as cp
import jax
import jax.numpy as jnp
import numpy as np
from scipy import sparse
from scipy.optimize import isotonic_regression

from flowapi.flow import FlowDocument
from flowengine.compiler import compile_flow, stops_of
from flowengine.linops import build_sparse, plain_beam, radon_matrix
from flowengine.loop import advance, run_key, start

ENERGY, POINT = 1e-5, 1e-3
ROUNDS, LONGEST = 5, 20_000
SECONDS = 60.0  # of rounds, after which there are no more
Array = np.ndarray
Point = Any
"""An array, or arrays by variable."""
FIT = {"atom": "quadratic", "arg": "x", "data": "b"}


@dataclass(frozen=True)
class Case:
    """A problem.

    Attributes:
        data: Arrays of the flow by name.
        flow: The rest of the document.
        energy: E at a point.
        peer: Another package's solver, once: its point, and the seconds it took.
        best: The same at tolerances that a reference needs, where its own are too wide for one.
    """

    data: dict[str, Array]
    flow: dict[str, Any]
    energy: Callable[[Point], float]
    peer: Callable[[], tuple[Point, float]]
    best: Callable[[], tuple[Point, float]] | None = None


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the seconds that takes."""
    begin = time.perf_counter()
    found = act()
    return found, time.perf_counter() - begin


def conic(x: Any, energy: Any, held: Any = (), **settings: float) -> Callable[[], tuple[Point, float]]:
    """Clarabel by CVXPY; the time is the solver's own."""

    def solve() -> tuple[Point, float]:
        problem = cp.Problem(cp.Minimize(energy), list(held))
        problem.solve(solver="CLARABEL", **settings)
        value = jax.tree.map(lambda one: np.asarray(one.value), x, is_leaf=lambda one: isinstance(one, cp.Variable))
        return value, float(problem.solver_stats.solve_time)

    return solve


def trend() -> Case:
    """½‖x − b‖² + 50 ‖second differences of the interior‖₁, 2,000 points."""
    n = 2_000
    b = 7 + np.cumsum(0.01 * np.random.default_rng(0).standard_normal(n))
    second, x = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(n - 2, n)).tocsr(), cp.Variable(n)
    return Case(
        {"b": b},
        {
            "variables": {"x": {"like": "b"}},
            "operators": {"L": {"laplacian": {}}, "S": {"select": {"axis": 0, "start": 1, "stop": n - 1}}},
            "terms": [FIT, {"atom": "l1", "arg": "S L x", "weight": 50.0}],
        },
        lambda x: float(0.5 * np.sum((x - b) ** 2) + 50 * np.sum(np.abs(np.diff(x, 2)))),
        conic(x, 0.5 * cp.sum_squares(x - b) + 50 * cp.norm1(second @ x)),
    )


def isotonic() -> Case:
    """½‖x − b‖² with x increasing, 2,000 points; beside SciPy's pool of adjacent violators."""
    n = 2_000
    b = 3 * np.sqrt(np.arange(n) / n) + 0.3 * np.random.default_rng(1).standard_normal(n)
    return Case(
        {"b": b},
        {
            "variables": {"x": {"like": "b"}},
            "operators": {"D": {"gradient": {}}},
            "terms": [FIT, {"atom": "nonnegative", "arg": "D x"}],
        },
        lambda x: float(0.5 * np.sum((x - b) ** 2)),
        lambda: timed(lambda: isotonic_regression(b).x),
    )


def generalised() -> Case:
    """Total generalised variation of 40 by 40 pixels, weights 0.1 and 0.2."""
    n = 40
    axis, noise = np.arange(n) / n, 0.05 * np.random.default_rng(2).standard_normal((n, n))
    b = np.add.outer(axis, axis) + 0.5 * (axis < 0.5)[:, None] + noise
    u, field = cp.Variable(b.shape), [cp.Variable(b.shape) for _ in b.shape]

    def differences(x: Any) -> list[Any]:
        down = cp.vstack([x[1:, :] - x[:-1, :], np.zeros((1, n))])
        return [down, cp.hstack([x[:, 1:] - x[:, :-1], np.zeros((n, 1))])]

    def lengths(parts: list[Any]) -> Any:
        return cp.sum(cp.norm(cp.vstack([cp.vec(part, order="C") for part in parts]), 2, axis=0))

    def value(point: Point) -> float:
        u, w = point["u"], np.asarray(point["w"])
        first = np.stack([np.diff(u, axis=axis, append=u.take([-1], axis)) for axis in (0, 1)]) - w
        second = np.stack([np.diff(w, axis=axis, append=w.take([-1], axis)) for axis in (1, 2)])
        lengths = np.sqrt(np.sum(first**2, axis=0)), np.sqrt(np.sum(second**2, axis=(0, 1)))
        return float(0.5 * np.sum((u - b) ** 2) + 0.1 * lengths[0].sum() + 0.2 * lengths[1].sum())

    first = [d - w for d, w in zip(differences(u), field, strict=True)]
    second = [d for w in field for d in differences(w)]
    return Case(
        {"b": b},
        {
            "variables": {"u": {"like": "b"}, "w": {"shape": [2, n, n]}},
            "operators": {"D": {"gradient": {}}, "J": {"gradient": {"axes": [1, 2]}}},
            "terms": [
                {"atom": "quadratic", "arg": "u", "data": "b"},
                {"atom": "norm_l21", "arg": [{"op": "D", "var": "u"}, {"var": "w", "scale": -1}], "weight": 0.1},
                {"atom": "norm_l21", "arg": "J w", "axis": [0, 1], "weight": 0.2},
            ],
        },
        value,
        conic({"u": u, "w": field}, 0.5 * cp.sum_squares(u - b) + 0.1 * lengths(first) + 0.2 * lengths(second)),
    )


def risk(*, whole: bool = True) -> Case:
    """½xᵀPx − μᵀx with |x| ≤ 0.01 and ‖x‖₁ ≤ 5, 3,000 variables, 30 factors: P = FFᵀ + diag(d), `whole` or by these."""
    n, rng = 3_000, np.random.default_rng(5)
    F = rng.standard_normal((n, 30)) / np.sqrt(30)
    d, mu = 0.1 + 0.2 * rng.random(n), 0.1 * rng.standard_normal(n)
    x, f = cp.Variable(n), cp.Variable(30)
    held = [x >= -0.01, x <= 0.01, cp.norm1(x) <= 5]
    if whole:
        P = F @ F.T + np.diag(d)
        data, risks = {"P": P}, [{"atom": "quadratic_form", "arg": "x", "matrix": "P"}]
        energy = 0.5 * cp.quad_form(x, cp.psd_wrap(P)) - mu @ x
    else:
        data = {"F": F.T.copy(), "r": np.sqrt(d)}
        risks = [{"atom": "quadratic", "arg": "F x"}, {"atom": "weighted", "arg": "x", "factors": "r"}]
        energy = 0.5 * cp.sum_squares(f) + 0.5 * cp.sum_squares(cp.multiply(np.sqrt(d), x)) - mu @ x
        held.append(f == F.T @ x)
    return Case(
        {**data, "c": -mu},
        {
            "variables": {"x": {"shape": [n]}},
            "operators": {} if whole else {"F": {"matrix": "F"}},
            "terms": [
                *risks, {"atom": "linear", "arg": "x", "costs": "c"},
                {"atom": "box", "arg": "x", "lo": -0.01, "hi": 0.01}, {"atom": "l1_ball", "arg": "x", "radius": 5.0},
            ],
        },
        lambda x: float(0.5 * np.sum((x @ F) ** 2) + 0.5 * np.sum(d * x**2) - mu @ x),
        conic(x, energy, held),
        conic(x, energy, held, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12),
    )  # fmt: skip


def factors() -> Case:
    """The same by its factors."""
    return risk(whole=False)


def transport() -> Case:
    """⟨C, X⟩ + 0.01 Σ X log X with given sums, 100 by 100; beside Sinkhorn's iteration in the logarithm."""
    n, weight = 100, 1e-2
    at = np.linspace(0, 1, n)
    C = (at[:, None] - at) ** 2
    a, b = (np.exp(-((at - middle) ** 2) / width) + 0.01 for middle, width in ((0.3, 0.02), (0.7, 0.01)))
    a, b = a / a.sum(), b / b.sum()

    def sinkhorn() -> Array:
        K, v = np.exp(-C / weight), np.ones(n)
        for _ in range(1_000):
            u = a / (K @ v)
            v = b / (K.T @ u)
            if np.abs(u * (K @ v) - a).sum() < 1e-9:
                break
        return np.asarray(u[:, None] * K * v)

    sums = {"atom": "box", "lo": 0, "hi": 0}
    return Case(
        {"C": C, "a": a[:, None], "b": b[None], "one": np.ones((1, n)), "eno": np.ones((n, 1))},
        {
            "variables": {"x": {"shape": [n, n], "init": 1 / n**2}},
            "operators": {
                "R": {"matrix": {"matrix": "eno", "apply": "right"}},
                "Q": {"matrix": {"matrix": "one", "apply": "left"}},
            },
            "terms": [
                {"atom": "linear", "arg": "x", "costs": "C"},
                {"atom": "negative_entropy", "arg": "x", "weight": weight},
                {**sums, "arg": "R x", "data": "a"}, {**sums, "arg": "Q x", "data": "b"},
            ],
        },
        lambda x: float(np.sum(C * x) + weight * np.sum(x * np.log(np.maximum(x, 1e-300)))),
        lambda: timed(sinkhorn),
    )  # fmt: skip


class Engine:
    """A flow, compiled."""

    def __init__(self, case: Case) -> None:
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="cflow-bench-") as folder:
            for name, array in case.data.items():
                np.save(Path(folder) / f"{name}.npy", array)
            files = {name: {"npy": f"{name}.npy"} for name in case.data}
            parsed = FlowDocument.parse({"data": files, **case.flow, "stop": {"maxIterations": 10**9}})
            self.flow = compile_flow(parsed, Path(folder))
        self.stops = stops_of(parsed.stop, parsed.dtype)
        self.reset()
        self.run(0)
        self.setup = time.perf_counter() - begin

    def reset(self) -> None:
        """To the start."""
        choice = self.flow.choice
        self.carry = start(self.flow.problem, choice.method, choice.hypers, self.flow.settings, run_key(0, "0" * 10))
        self.carry.ring.block_until_ready()

    def run(self, until: int) -> None:
        """As far as this iteration."""
        self.carry = advance(
            self.flow.problem, self.carry, self.stops, jnp.asarray(until),
            method=self.flow.choice.method, settings=self.flow.settings,
        )  # fmt: skip
        self.carry.ring.block_until_ready()

    @property
    def point(self) -> Point:
        """Where it stands."""
        return jax.tree.map(np.asarray, self.flow.choice.method.point(self.carry.state))


def flat(point: Point) -> Array:
    """All its numbers."""
    return np.concatenate([np.ravel(one) for one in jax.tree.leaves(point)])


def measured(case: Case) -> dict[str, Any]:
    """One problem's row."""
    engine, (best, _) = Engine(case), (case.best or case.peer)()
    least, arrived, until = case.energy(best), False, 0
    while until < LONGEST and not arrived:
        until += max(50, until // 10)
        engine.run(until)
        away = float(np.abs(flat(engine.point) - flat(best)).max() / np.abs(flat(best)).max())
        off = abs(case.energy(engine.point) - least) / abs(least)
        arrived = off <= ENERGY and away <= POINT
    ours, theirs = list[float](), list[float]()
    while len(ours) < ROUNDS and sum(ours + theirs) < SECONDS:
        engine.reset()
        ours.append(timed(lambda: engine.run(until))[1])
        theirs.append(case.peer()[1])
    return {
        "method": engine.flow.choice.method.name,
        "arrived": arrived,
        "iterations": until,
        "energyOff": off,
        "pointOff": away,
        "setUp": round(engine.setup, 2),
        "seconds": round(median(ours), 4),
        "peer": round(median(theirs), 4),
        "ratio": round(median(a / b for a, b in zip(ours, theirs, strict=True)), 2),
    }


def products(size: int = 256, angles: int = 90) -> dict[str, Any]:
    """The Radon transform and its adjoint beside SciPy's products in CSR form."""
    beam = plain_beam((size, size), np.arange(angles) * np.pi / angles, None, None, circle=False)
    matrix = radon_matrix((size, size), beam, np.float64).tocsr()
    operator, turned = build_sparse(matrix, (size, size)), matrix.T.tocsr()
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(matrix.shape[1]), rng.standard_normal(matrix.shape[0])
    picture, sinogram = jnp.asarray(x.reshape(size, size)), jnp.asarray(y)
    apply, adjoint = jax.jit(lambda op, one: op.apply(one)), jax.jit(lambda op, one: op.adjoint(one))
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "A": (lambda: apply(operator, picture).block_until_ready(), lambda: matrix @ x),
        "Aᵀ": (lambda: adjoint(operator, sinogram).block_until_ready(), lambda: turned @ y),
    }
    found = {}
    for name, (ours, theirs) in pairs.items():
        ours()
        rounds = [(timed(ours)[1], timed(theirs)[1]) for _ in range(4 * ROUNDS)]
        mine, other = (median(one) for one in zip(*rounds, strict=True))
        ratio = round(median(a / b for a, b in rounds), 2)
        found[name] = {"seconds": round(mine, 4), "SciPy": round(other, 4), "ratio": ratio}
    return found


CASES = {one.__name__: one for one in (trend, generalised, isotonic, risk, factors, transport)}


def main() -> None:
    """Those that are named, else all."""
    for name in sys.argv[1:] or [*CASES, "products"]:
        row = products() if name == "products" else measured(CASES[name]())
        sys.stdout.write(json.dumps({name: row}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


main()
