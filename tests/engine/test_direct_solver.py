"""Problems in units of their own, by `admm` with a direct linear solver, against the solvers of others."""

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from kit.references import linear_programs, quadratic_programs, regressions, signals
from kit.solving import document, solve

EXACTLY = {"maxIterations": 20_000, "residual": 1e-8}
thorough = pytest.mark.thorough


def rule(flow) -> tuple[str, str]:
    return flow.choice.method.name, getattr(flow.choice.method, "rule", "")


def test_a_diet_in_calories_and_milligrams() -> None:
    data, best = linear_programs.diet()
    x, end, flow = solve(document(
        data, variables={"x": {"shape": [30]}}, operators={"K": {"matrix": "K"}},
        terms=[
            {"atom": "linear", "arg": "x", "costs": "c"}, {"atom": "nonnegative", "arg": "x"},
            {"atom": "box", "arg": "K x", "data": "least", "lo": 0}, {"atom": "box", "arg": "K x", "data": "most", "hi": 0},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    assert rule(flow) == ("admm", "anchor")
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert end.iteration < 3_000  # not there after 20,000 iterations of pd3o
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-5
    assert x.min() == 0  # the point obeys g to the last bit


@thorough
def test_a_trend_of_a_quantile() -> None:
    """Not there after 20,000 iterations of pd3o."""
    data, best = signals.trend_of_a_quantile()
    _, end, flow = solve(document(
        data, variables={"x": {"like": "b"}}, operators={"S": {"matrix": "S"}},
        terms=[
            {"atom": "pinball", "arg": "x", "data": "b", "quantile": 0.8}, {"atom": "l1", "arg": "S x", "weight": 10.0},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    assert rule(flow) == ("admm", "anchor")
    assert end.reason == "Converged"
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-6


@pytest.mark.parametrize(
    "case", [pytest.param((150, 3, 31), marks=thorough), pytest.param((64, 2, 2), marks=thorough), (60, 1, 4)]
)
def test_bounds_on_few_entries_of_a_ball(case) -> None:
    """A prox that couples all entries takes one step for all, whose scale the rows of a few of them must not blow up."""
    data, best = quadratic_programs.few_entries_of_a_ball(*case)
    n, k, _ = case
    x, end, flow = solve(document(
        data, variables={"x": {"shape": [n]}}, operators={"S": {"select": {"indices": "few"}}},
        terms=[
            {"atom": "linear", "arg": "x", "costs": "c"}, {"atom": "l2_ball", "arg": "x", "radius": 1.0},
            {"atom": "box", "arg": "S x", "lo": 0.2},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    assert flow.choice.method.name == "admm"
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best["energy"]) < 1e-5 * abs(best["energy"])
    assert x[:k].min() > 0.2 - 1e-6


def test_the_largest_cut_of_a_ring_relaxed() -> None:
    """Goemans and Williamson, Journal of the ACM 42, 1995: min ⟨W, X⟩, diag X = 1, X ⪰ 0; a ring of 8 is cut whole."""
    ring = np.roll(np.eye(8), 1, axis=1)
    X, end, _ = solve(document(
        {"W": ring + ring.T, "d": 9 * np.arange(8)}, variables={"X": {"shape": [8, 8]}},
        operators={"d": {"select": {"indices": "d"}}},
        terms=[
            {"atom": "linear", "arg": "X", "costs": "W"}, {"atom": "semidefinite", "arg": "X"},
            {"atom": "box", "arg": "d X", "lo": 1, "hi": 1},
        ],
        stop={"maxIterations": 5_000, "residual": 1e-7},
    ))  # fmt: skip
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy + 16) < 1e-4
    assert np.abs(np.diag(X) - 1).max() < 1e-5


@thorough
def test_a_quadratic_form_of_many_numbers_pays_for_eigenvectors() -> None:
    data, best = quadratic_programs.support_vector_regression()
    _, end, flow = solve(document(
        data, variables={"a": {"shape": [300]}}, operators={"O": {"matrix": "one"}},
        terms=[
            {"atom": "quadratic_form", "arg": "a", "matrix": "K"}, {"atom": "linear", "arg": "a", "costs": "y"},
            {"atom": "l1", "arg": "a", "weight": 0.1}, {"atom": "box", "arg": "a", "lo": -5, "hi": 5},
            {"atom": "box", "arg": "O a", "lo": 0, "hi": 0},
        ],
        stop={"maxIterations": 20_000, "residual": 1e-6},
    ))  # fmt: skip
    assert flow.choice.method.name == "admm"
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best["energy"]) < 1e-4 * abs(best["energy"])


def test_a_machine_on_features_as_they_were_measured() -> None:
    data, best = quadratic_programs.machine_of_raw_features()
    point, end, flow = solve(document(
        data, variables={"w": {"shape": [8]}, "bias": {"shape": [1]}},
        operators={"X": {"matrix": "X"}, "O": {"matrix": "one"}},
        terms=[
            {"atom": "tikhonov", "arg": "w"},
            {"atom": "hinge", "arg": [{"op": "X", "var": "w"}, {"op": "O", "var": "bias"}], "data": "y"},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    assert rule(flow) == ("admm", "anchor")
    assert end.reason == "Converged"
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-5
    assert np.abs(point["w"] - best["w"]).max() < 1e-2


@pytest.mark.parametrize("most", [1.0, 0.1])
def test_a_portfolio(most) -> None:
    data, best = quadratic_programs.portfolio(most)
    terms = [
        {"atom": "quadratic_form", "arg": "x", "matrix": "S", "weight": 5.0}, {"atom": "simplex", "arg": "x"},
        {"atom": "linear", "arg": "x", "costs": "m"}, *([{"atom": "box", "arg": "x", "hi": most}] if most < 1 else []),
    ]  # fmt: skip
    x, end, flow = solve(document(data, variables={"x": {"shape": [50]}}, terms=terms, stop=EXACTLY))
    assert rule(flow) == ("fista", "")  # bounds share the prox of the simplex
    assert end.reason == "Converged"
    assert abs(end.energy - best["energy"]) < 1e-8
    assert np.abs(x - best["x"]).max() < 1e-4


def test_bounds_on_rows_that_differ_by_six_orders_of_magnitude() -> None:
    data, best = quadratic_programs.uneven_bounds()
    x, end, flow = solve(document(
        data, variables={"x": {"shape": [10]}}, operators={"A": {"matrix": "A"}, "K": {"matrix": "K"}},
        terms=[{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "box", "arg": "K x", "data": "most", "hi": 0}],
        stop=EXACTLY,
    ))  # fmt: skip
    assert rule(flow) == ("admm", "residuals")
    assert end.reason == "Converged"
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-6
    assert np.abs(x - best["x"]).max() < 1e-5


def trend(b, weight: float):
    return document(
        {"b": b, "S": np.diff(np.eye(len(b)), 2, axis=0)}, variables={"x": {"like": "b"}}, operators={"S": {"matrix": "S"}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "S x", "weight": weight}],
        stop=EXACTLY,
    )  # fmt: skip


@thorough
def test_a_long_trend_takes_few_iterations() -> None:
    """Second differences of 300 points have a condition of 1e9; 12,500 iterations of pd3o."""
    data, best = signals.long_trend()
    x, end, flow = solve(trend(data["b"], 100.0))
    assert (rule(flow), flow.choice.method.banded) == (("admm", "moves"), True)
    assert (end.reason, end.iteration < 5_000) == ("Converged", True)
    assert np.abs(x - best["x"]).max() < 1e-4


@pytest.mark.parametrize("seed", [101, 102])
def test_a_trend_that_is_a_straight_line(seed) -> None:
    """All second differences are 0 at the solution: the ratio of rounding to rounding is no reason to move τ."""
    b = np.cumsum(np.random.default_rng(seed).standard_normal(200))
    x, end, flow = solve(trend(b, 1e4))
    line = np.polyval(np.polyfit(np.arange(200), b, 1), np.arange(200))
    assert rule(flow) == ("admm", "residuals")
    assert (end.reason, end.iteration < 1_000) == ("Converged", True)
    assert np.abs(x - line).max() < 1e-3


@pytest.mark.parametrize("seed", [1, 6])
def test_a_poisson_regression_by_its_dual(seed) -> None:
    """At their best ratio primal and dual moves turn by 36° an iteration: every tenth is of the same phase.

    Seen there alone, they drove the ratio away to where rounding hides what is left.
    """
    rng = np.random.default_rng(seed)
    X = 0.5 * rng.standard_normal((60, 8))
    counts = rng.poisson(np.exp(0.7 * X @ rng.standard_normal(8) + 1)).astype(float)
    u, end, flow = solve(document(
        {"XT": X.T, "v": X.T @ counts, "one": np.ones((1, 60)), "total": [counts.sum()]},
        variables={"u": {"shape": [60], "init": 1.0}}, operators={"X": {"matrix": "XT"}},
        terms=[
            {"atom": "negative_entropy", "arg": "u"}, {"atom": "affine", "arg": "u", "matrix": "one", "data": "total"},
            {"atom": "quadratic", "arg": "X u", "data": "v", "weight": 0.5},
        ],
        stop={"maxIterations": 10_000, "residual": 1e-9},
    ))  # fmt: skip

    def loss(b):
        rate = np.exp(X @ b[1:] + b[0])
        slope = rate - counts
        return rate.sum() - counts @ np.log(rate) + b[1:] @ b[1:], np.r_[slope.sum(), X.T @ slope + 2 * b[1:]]

    best = minimize(loss, np.zeros(9), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    assert rule(flow) == ("admm", "moves")
    assert (end.reason, end.controller, end.iteration < 600) == ("Converged", "GREEN", True)
    assert np.abs(np.log(u) - X @ best[1:] - best[0]).max() < 1e-5


@pytest.mark.parametrize(
    ("loss", "ridge"),
    [
        ("logistic", 0.0),
        *(pytest.param(*one, marks=thorough) for one in [("logistic", 0.1), ("huber", 0.0), ("huber", 0.1)]),
    ],
)
def test_a_regression_on_uneven_columns_with_steps(loss, ridge) -> None:
    """100,000 iterations of `pd3o` leave the logistic energy 25 % too high at a residual of 7.5e-5."""
    data, best = regressions.steps_of_uneven_columns(loss, ridge)
    ridges = [{"atom": "quadratic", "arg": "x", "weight": ridge}] if ridge else []
    _, end, flow = solve(document(
        data, variables={"x": {"shape": [20]}}, operators={"X": {"matrix": "X"}, "D": {"matrix": "D"}},
        terms=[
            {"atom": loss, "arg": "X x", "data": "y", **({"delta": 0.5} if loss == "huber" else {})}, *ridges,
            {"atom": "l1", "arg": "D x", "weight": 1.0},
        ],
        stop={"maxIterations": 10_000, "residual": 1e-8},
    ))  # fmt: skip
    assert rule(flow) == ("admm", "moves")
    assert end.reason == "Converged"
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-5


def test_units_in_float32_break_no_gate() -> None:
    rng = np.random.default_rng(54)
    X = np.exp(rng.standard_normal((100, 6))) * 10.0 ** np.array([0, 2, 3, -2, 1, -1])
    y = np.sign(rng.standard_normal(100))
    _, end, flow = solve(document(
        {"X": X, "y": y}, dtype="float32", variables={"w": {"shape": [6]}}, operators={"X": {"matrix": "X"}},
        terms=[{"atom": "tikhonov", "arg": "w"}, {"atom": "hinge", "arg": "X w", "data": "y"}],
        stop={"maxIterations": 5_000, "residual": 1e-5},
    ))  # fmt: skip
    assert flow.choice.method.name == "admm"
    assert end.controller == "GREEN"


@pytest.mark.parametrize("n", [pytest.param(31, marks=thorough), 32, pytest.param(64, marks=thorough)])
def test_forced_without_a_dual_term(n) -> None:
    """Nonnegative least squares: as many columns as the batches they are made in, too."""
    rng = np.random.default_rng(n)
    A, b = rng.standard_normal((n + 8, n)), rng.standard_normal(n + 8)
    x, end, flow = solve(document(
        {"A": A, "b": b}, variables={"x": {"shape": [n]}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "nonnegative", "arg": "x"}],
        policy={"algorithm": "admm"}, stop=EXACTLY,
    ))  # fmt: skip
    assert (rule(flow)[0], end.reason) == ("admm", "Converged")
    assert np.abs(x - nnls(A, b)[0]).max() < 1e-6


@pytest.mark.parametrize("policy", [{}, pytest.param({"algorithm": "admm", "step": 0.5}, marks=thorough)])
@pytest.mark.parametrize("kind", ["number", "nothing", "anchored"])
def test_the_smallest_problems_and_a_given_step(kind, policy) -> None:
    data, variables = {"Z": np.zeros((3, 4)), "b": np.arange(4.0)}, {"x": {"shape": [4], "init": 1.0}}
    operators = {"Z": {"matrix": "Z"}}
    terms = [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "Z x"}]
    if kind == "number":
        data, operators, variables = {}, {}, {"x": {"shape": [], "init": 1.0}}
        terms = [{"atom": "l1", "arg": "x"}, {"atom": "box", "arg": "x", "lo": 0.5, "as": "dual"}]
    if kind == "anchored":
        terms = [{"atom": "l1", "arg": "x", "data": "b"}, {"atom": "box", "arg": "Z x", "lo": -1}]
    x, end, flow = solve(document(
        data, variables=variables, operators=operators, terms=terms, policy=policy,
        stop={"maxIterations": 5_000, "residual": 1e-8},
    ))  # fmt: skip
    assert (flow.choice.method.name, end.reason) == ("admm", "Converged")
    assert np.allclose(x, 0.5 if kind == "number" else np.arange(4.0), atol=1e-6)
