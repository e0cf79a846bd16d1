"""Published regressions and classifications against other people's solvers."""

import numpy as np
import pytest
from scipy.optimize import nnls

from kit.references import quadratic_programs, regressions
from kit.solving import document, solve

FAR = {"maxIterations": 400_000, "residual": 1e-10}
thorough = pytest.mark.thorough


def regression(data, *terms, columns: int, name: str = "w", **parts):
    matrix = "X" if "X" in data else "A"
    return document(
        data, variables={name: {"shape": [columns], "init": parts.pop("init", 0.0)}},
        operators={matrix: {"matrix": matrix}}, terms=list(terms), **{"stop": FAR} | parts,
    )  # fmt: skip


FIT = {"atom": "quadratic", "arg": "A w", "data": "b"}
FAST = {"family": "accelerated"}


def test_a_lasso_against_scikit_learn() -> None:
    data, best = regressions.lasso()
    sparse = {"atom": "l1", "arg": "w", "weight": 5.0}
    x, end, flow = solve(regression(data, FIT, sparse, columns=300, stop={"maxIterations": 2_000, "residual": 1e-13}))
    assert (flow.choice.method.name, end.reason) == ("fista", "Converged")
    assert end.controller == "GREEN"
    assert np.abs(x - best["w"]).max() < 1e-8
    assert np.array_equal(np.abs(x) > 1e-9, np.abs(best["w"]) > 1e-9)


@pytest.mark.parametrize(("l1", "l21"), [(0.5, 1.0), pytest.param(0.0, 1.0, marks=thorough)])
def test_a_group_lasso_of_more_columns_than_rows_without_a_policy(l1, l21) -> None:
    """Optimal where a step of proximal gradient moves nothing; plain steps aren't there after 20,000."""
    rng = np.random.default_rng(0)
    A, groups, w = rng.standard_normal((100, 400)) * np.linspace(0.5, 2, 400), np.arange(400) // 4, np.zeros(400)
    w[:8] = 1
    b = A @ w + 0.1 * rng.standard_normal(100)
    terms = [{"atom": "norm_l21", "arg": "w", "groups": "g", "weight": l21}]
    terms += [{"atom": "l1", "arg": "w", "weight": l1}] if l1 else []
    stop = {"maxIterations": 20_000, "residual": 1e-9}
    x, end, flow = solve(regression({"A": A, "b": b, "g": groups}, FIT, *terms, columns=400, stop=stop))
    assert (flow.choice.method.name, end.reason, end.controller) == ("fista", "Converged", "GREEN")
    assert end.iteration < 2_000
    step = 1 / np.linalg.norm(A, 2) ** 2
    v = x - step * A.T @ (A @ x - b)
    v = np.sign(v) * np.maximum(np.abs(v) - step * l1, 0)
    lengths = np.linalg.norm(v.reshape(-1, 4), axis=1).repeat(4)
    shrunk = v * np.maximum(1 - step * l21 / np.maximum(lengths, 1e-300), 0)
    assert np.abs(shrunk - x).max() < 1e-9
    sizes = np.linalg.norm(x.reshape(-1, 4), axis=1).sum()
    assert np.isclose(end.energy, np.sum((A @ x - b) ** 2) / 2 + l21 * sizes + l1 * np.abs(x).sum(), rtol=1e-12)


def test_a_classification_in_raw_units_without_a_policy() -> None:
    """1, age, income and a share, of curvatures nine orders of magnitude apart: optimal where the gradient is 0."""
    rng = np.random.default_rng(3)
    age, income, share = rng.uniform(18, 80, 500), rng.lognormal(10.5, 0.5, 500), rng.random(500)
    A = np.stack([np.ones(500), age, income, share], axis=1)
    y = np.sign(0.05 * (age - 45) + (np.log(income) - 10.5) + share - 0.5 + rng.logistic(size=500))
    loss = {"atom": "logistic", "arg": "A w", "data": "y"}
    w, end, _ = solve(regression({"A": A, "y": y}, loss, columns=4, stop={"maxIterations": 1_000, "residual": 1e-8}))
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    slope = -(y / (1 + np.exp(y * (A @ w)))) @ A
    assert np.abs(slope / np.linalg.norm(A, axis=0)).max() < 1e-5


def test_nonnegative_least_squares_against_scipy() -> None:
    rng = np.random.default_rng(2)
    A = rng.random((40, 12))
    b = A @ np.maximum(rng.standard_normal(12), 0) + 0.01 * rng.standard_normal(40)
    positive = {"atom": "nonnegative", "arg": "w"}
    stop = {"maxIterations": 200_000, "residual": 1e-12}
    x, _, _ = solve(regression({"A": A, "b": b}, FIT, positive, columns=12, stop=stop))
    assert np.abs(x - nnls(A, b)[0]).max() < 1e-7


def test_an_elastic_net_against_scikit_learn() -> None:
    data, best = regressions.elastic_net()
    net = {"atom": "elastic_net", "arg": "w", "l1": 100 * 0.05 * 0.7, "l2": 100 * 0.05 * 0.3}
    x, _, _ = solve(regression(data, FIT, net, columns=60, stop={"maxIterations": 200_000, "residual": 1e-13}))
    assert np.abs(x - best["w"]).max() < 1e-8


@pytest.mark.parametrize("step", [{}, {"step": "backtracking"}])
def test_sparse_classification_against_scikit_learn(step) -> None:
    data, best = regressions.sparse_classification()
    x, end, flow = solve(regression(
        data, {"atom": "logistic", "arg": "A w", "data": "labels"}, {"atom": "l1", "arg": "w", "weight": 4.0},
        columns=60, policy=FAST | step, stop={"maxIterations": 20_000, "residual": 1e-12},
    ))  # fmt: skip
    assert flow.choice.method.name == "fista"
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert np.abs(x - best["w"]).max() < 1e-7


def test_several_classes_against_scikit_learn() -> None:
    data, best = regressions.several_classes()
    x, _, _ = solve(document(
        data, variables={"W": {"shape": [6, 3]}}, operators={"M": {"matrix": {"matrix": "X", "apply": "left"}}},
        terms=[{"atom": "cross_entropy", "arg": "M W", "data": "y"}, {"atom": "tikhonov", "arg": "W", "weight": 2.0}],
        policy=FAST, stop={"maxIterations": 20_000, "residual": 1e-13},
    ))  # fmt: skip
    assert np.abs(x - best["w"]).max() < 1e-6


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
def test_a_regression_of_a_quantile_against_scikit_learn(q) -> None:
    data, best = regressions.quantile(q)
    loss = {"atom": "pinball", "arg": "X w", "data": "b", "quantile": q}
    w, end, _ = solve(regression(data, loss, {"atom": "l1", "arg": "w", "weight": 80 * 0.02}, columns=6))
    assert end.reason == "Converged"
    assert np.abs(w - best["w"]).max() < 1e-6


CONSTRAINTS = {
    "simplex": {"total": 2.0}, "l1_ball": {"radius": 1.5}, "l2_ball": {"radius": 0.7},
    "knapsack": {"costs": "c", "budget": -1.0}, "affine": {"matrix": "E", "data": "r"},
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constrained_least_squares_against_cvxpy(name) -> None:
    data, best = regressions.constrained(name)
    term = {"atom": name, "arg": "w", **CONSTRAINTS[name]}
    stop = {"maxIterations": 200_000, "residual": 1e-12}
    x, end, _ = solve(regression(data, FIT, term, columns=15, policy=FAST, stop=stop))
    assert end.reason == "Converged"
    assert np.abs(x - best["w"]).max() < 2e-5


RIDGE = {"atom": "tikhonov", "arg": "w"}
REGULARISED = {
    "huber": [{"atom": "huber", "arg": "A w", "data": "b", "delta": 0.1}, RIDGE],
    "entropy": [FIT, {"atom": "negative_entropy", "arg": "w"}],
    "relative entropy": [FIT, {"atom": "relative_entropy", "arg": "w", "data": "p"}],
    "barrier": [FIT, {"atom": "log_barrier", "arg": "w"}],
    "l1 misfit": [{"atom": "l1", "arg": "A w", "data": "b"}, RIDGE],
    "groups": [FIT, {"atom": "norm_l21", "arg": "w", "groups": "g", "groupWeights": "v", "weight": 3.0}],
}


@pytest.mark.parametrize("name", REGULARISED)
def test_regularised_regression_against_cvxpy(name) -> None:
    data, best = regressions.regularised(name)
    x, end, _ = solve(regression(
        data, *REGULARISED[name], columns=15, init=0.2, policy=FAST, stop={"maxIterations": 100_000, "residual": 1e-10}
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert np.abs(x - best["w"]).max() < 1e-4


def test_weights_of_a_lasso_and_of_a_fit_against_cvxpy() -> None:
    data, best = regressions.weighted_lasso()
    x, _, flow = solve(regression(
        data, {"atom": "weighted", "arg": "A x", "data": "b", "factors": "p"},
        {"atom": "l1", "arg": "x", "factors": "f", "weight": 3.0}, columns=12, name="x", policy=FAST,
        stop={"maxIterations": 200_000, "residual": 1e-11},
    ))  # fmt: skip
    assert flow.choice.method.name == "fista"
    assert np.abs(x - best["w"]).max() < 1e-6


def test_a_square_root_lasso_with_bounds_on_a_product() -> None:
    """Terms that compare with data."""
    data, best = regressions.square_root_lasso()
    found, end, _ = solve(document(
        data, variables={"x": {"shape": [12]}}, operators={"A": {"matrix": "A"}, "C": {"matrix": "C"}},
        terms=[
            {"atom": "norm_l21", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.5},
            {"atom": "box", "arg": "C x", "data": "d", "hi": 0},
        ],
        stop={"maxIterations": 50_000, "residual": 1e-9},
    ))  # fmt: skip
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-7
    assert np.abs(found - best["x"]).max() < 1e-4


@pytest.mark.parametrize("policy", [FAST, {"step": "backtracking"}])
def test_a_complex_lasso(policy) -> None:
    data, best = regressions.complex_lasso()
    point, last, _ = solve(document(
        data, dtype="complex128", variables={"x": {"shape": [40]}}, operators={"A": {"matrix": "A"}}, policy=policy,
        terms=[{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 2}],
        stop={"maxIterations": 20_000, "gap": 1e-10},
    ))  # fmt: skip
    assert last.reason == "Converged"
    assert abs(last.energy - best["energy"]) < 1e-6
    assert np.allclose(point, best["x"], atol=1e-3)


def test_a_support_vector_machine() -> None:
    data, best = quadratic_programs.machine()
    loss = {"atom": "hinge", "arg": "X w", "data": "y", "weight": 0.5}
    w, end, _ = solve(regression(data, loss, RIDGE, columns=5))
    assert end.reason == "Converged"
    assert np.abs(w - best["w"]).max() < 1e-6


def test_a_support_vector_machine_with_slacks_settles() -> None:
    """Where primal and dual moves turn about each other, a ratio of the steps that followed every turn never settled."""
    data, best = quadratic_programs.machine_with_slacks()
    point, end, _ = solve(document(
        data, variables={"w": {"shape": [4]}, "bias": {"shape": [1]}, "slack": {"shape": [50]}},
        operators={"A": {"matrix": "A"}, "T": {"matrix": "t"}},
        terms=[
            RIDGE, {"atom": "l1", "arg": "slack"}, {"atom": "nonnegative", "arg": "slack"},
            {"atom": "box", "arg": [{"op": "A", "var": "w"}, {"op": "T", "var": "bias"}, {"var": "slack"}], "lo": 1},
        ],
        stop={"maxIterations": 20_000, "residual": 1e-7},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-5
    assert np.abs(point["w"] - best["w"]).max() < 1e-4


def test_a_sparse_answer_by_counting_is_a_local_one() -> None:
    """Iterative hard thresholding recovers an exactly sparse signal from enough measurements."""
    rng = np.random.default_rng(8)
    X, w = rng.standard_normal((80, 40)), np.zeros(40)
    w[[3, 17, 31]] = [2.0, -1.5, 1.0]
    few = {"atom": "cardinality", "arg": "w", "count": 3}
    stop = {"maxIterations": 5_000, "residual": 1e-12}
    x, end, flow = solve(regression({"A": X, "b": X @ w}, FIT, few, columns=40, policy=FAST, stop=stop))
    assert flow.choice.method.name == "pg"
    assert any("not convex" in reason for reason in flow.choice.reasons)
    assert end.reason == "Converged"
    assert np.abs(x - w).max() < 1e-9
