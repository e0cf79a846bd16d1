"""Published problems with linear, hinge and pinball losses, and of eigenvalues, against other people's solvers."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.covariance import graphical_lasso
from sklearn.linear_model import QuantileRegressor

from kit.solving import document, solve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import cvxpy as cp

TIGHT = {"solver": cp.CLARABEL, "tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
RNG = np.random.default_rng(12)
FAR = {"maxIterations": 400_000, "residual": 1e-10}


def test_a_support_vector_machine_against_cvxpy() -> None:
    """½‖w‖² + C Σ hinge: Cortes and Vapnik, without an intercept."""
    X = RNG.standard_normal((60, 5))
    y = np.where(X @ RNG.standard_normal(5) + 0.7 * RNG.standard_normal(60) > 0, 1, -1)
    w, end, _ = solve(document(
        {"X": X, "y": y}, variables={"w": {"shape": [5]}}, operators={"X": {"matrix": "X"}},
        terms=[{"atom": "hinge", "arg": "X w", "data": "y", "weight": 0.5}, {"atom": "tikhonov", "arg": "w"}],
        stop=FAR,
    ))  # fmt: skip
    v = cp.Variable(5)
    cp.Problem(cp.Minimize(0.5 * cp.sum(cp.pos(1 - cp.multiply(y, X @ v))) + 0.5 * cp.sum_squares(v))).solve(**TIGHT)
    assert end.reason == "Converged"
    assert np.abs(w - v.value).max() < 1e-6


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
def test_quantile_regression_against_scikit_learn(q) -> None:
    """Σ pinball(b − Xw) + α·n‖w‖₁: Koenker and Bassett, with a penalty that makes the answer one point."""
    X = RNG.standard_normal((80, 6))
    b = X @ RNG.standard_normal(6) + RNG.standard_normal(80)
    w, end, _ = solve(document(
        {"X": X, "b": b}, variables={"w": {"shape": [6]}}, operators={"X": {"matrix": "X"}},
        terms=[
            {"atom": "pinball", "arg": "X w", "data": "b", "quantile": q},
            {"atom": "l1", "arg": "w", "weight": 80 * 0.02},
        ],
        stop=FAR,
    ))  # fmt: skip
    wanted = QuantileRegressor(quantile=q, alpha=0.02, fit_intercept=False, solver="highs").fit(X, b).coef_
    assert end.reason == "Converged"
    assert np.abs(w - wanted).max() < 1e-6


def test_the_graphical_lasso_against_scikit_learn() -> None:
    """⟨S, Θ⟩ − log det Θ + α Σ_{i≠j}|Θ_ij|: Friedman, Hastie and Tibshirani."""
    X = RNG.standard_normal((40, 6)) @ RNG.standard_normal((6, 6))
    S, off = np.cov(X.T), 1 - np.eye(6)
    terms = [
        {"atom": "linear", "arg": "T", "costs": "S"},
        {"atom": "log_det", "arg": "T"},
        {"atom": "l1", "arg": "T", "factors": "off", "weight": 0.3},
    ]
    found, end, _ = solve(document({"S": S, "off": off}, variables={"T": {"shape": [6, 6]}}, terms=terms, stop=FAR))
    wanted = graphical_lasso(S, 0.3, tol=1e-10, enet_tol=1e-12, max_iter=1000)[1]
    assert end.reason == "Converged"
    assert np.abs(found - wanted).max() < 1e-6 * np.abs(wanted).max()
    assert (found == found.T).all()


@pytest.mark.parametrize("terms", [2, 3])
def test_a_covariance_of_small_numbers_needs_no_step(terms) -> None:
    """Daily returns have variances of 10⁻⁴: entries of the answer are 10⁴, and nothing tells the step so beforehand."""
    S = np.array([[1e-4, 0.3e-4], [0.3e-4, 2e-4]])
    flow = [
        {"atom": "linear", "arg": "T", "costs": "S"}, {"atom": "log_det", "arg": "T"},
        {"atom": "l1", "arg": "T", "factors": "off", "weight": 1e-5},
    ][:terms]  # fmt: skip
    found, end, _ = solve(
        document(
            {"S": S, "off": 1 - np.eye(2), "i": np.eye(2)}, variables={"T": {"shape": [2, 2], "init": "i"}}, terms=flow,
            stop={"maxIterations": 20_000, "residual": 1e-8},
        )
    )  # fmt: skip
    wanted = graphical_lasso(S, 1e-5, tol=1e-12, max_iter=1000)[1] if terms == 3 else np.linalg.inv(S)
    assert end.reason == "Converged"
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_the_nearest_correlation_matrix_against_cvxpy() -> None:
    """½‖X − G‖², X positive semidefinite with a diagonal of ones: Higham."""
    G = np.array([[1, 0.9, 0.1, -0.6], [0.9, 1, 0.9, 0.2], [0.1, 0.9, 1, 0.95], [-0.6, 0.2, 0.95, 1]])
    rows = np.zeros((4, 16))
    rows[np.arange(4), 5 * np.arange(4)] = 1
    x, end, _ = solve(document(
        {"G": G, "E": rows, "one": np.ones(4)}, variables={"X": {"like": "G", "init": "G"}},
        terms=[
            {"atom": "quadratic", "arg": "X", "data": "G"}, {"atom": "semidefinite", "arg": "X"},
            {"atom": "affine", "arg": "X", "matrix": "E", "data": "one"},
        ],
        stop=FAR,
    ))  # fmt: skip
    Z = cp.Variable((4, 4), PSD=True)
    cp.Problem(cp.Minimize(cp.sum_squares(Z - G)), [cp.diag(Z) == 1]).solve(**TIGHT)
    assert end.reason == "Converged"
    assert np.abs(x - Z.value).max() < 1e-6


def test_a_transport_problem_as_a_linear_program_against_highs() -> None:
    """⟨C, P⟩, P ≥ 0 with given sums of rows and columns: Kantorovich; costs without ties have one answer."""
    C, a, b = RNG.random((4, 5)), np.full(4, 0.25), np.array([0.1, 0.15, 0.2, 0.25, 0.3])
    rows = np.kron(np.eye(4), np.ones(5))
    columns = np.kron(np.ones(4), np.eye(5))[:-1]  # the last says nothing new
    constraints, sums = np.vstack([rows, columns]), np.concatenate([a, b[:-1]])
    p, end, _ = solve(document(
        {"C": C, "R": constraints, "s": sums}, variables={"P": {"like": "C"}},
        terms=[
            {"atom": "linear", "arg": "P", "costs": "C"}, {"atom": "nonnegative", "arg": "P"},
            {"atom": "affine", "arg": "P", "matrix": "R", "data": "s"},
        ],
        stop=FAR,
    ))  # fmt: skip
    wanted = linprog(C.ravel(), A_eq=constraints, b_eq=sums).x.reshape(4, 5)
    assert end.reason == "Converged"
    assert np.abs(p - wanted).max() < 1e-7


def test_the_largest_cut_relaxed_against_cvxpy() -> None:
    """−¼⟨L, X⟩, X positive semidefinite with a diagonal of ones: Goemans and Williamson; its value."""
    W = np.triu((RNG.random((7, 7)) < 0.5) * RNG.random((7, 7)), 1)
    W += W.T
    costs = (W - np.diag(W.sum(0))) / 4
    rows = np.zeros((7, 49))
    rows[np.arange(7), 8 * np.arange(7)] = 1
    x, end, _ = solve(document(
        {"C": costs, "E": rows, "one": np.ones(7)}, variables={"X": {"like": "C"}},
        terms=[
            {"atom": "linear", "arg": "X", "costs": "C"}, {"atom": "semidefinite", "arg": "X"},
            {"atom": "affine", "arg": "X", "matrix": "E", "data": "one"},
        ],
        stop={"maxIterations": 400_000, "residual": 1e-9},
    ))  # fmt: skip
    Z = cp.Variable((7, 7), PSD=True)
    wanted = cp.Problem(cp.Minimize(cp.sum(cp.multiply(costs, Z))), [cp.diag(Z) == 1]).solve(**TIGHT)
    assert end.reason == "Converged"
    assert abs((costs * x).sum() - wanted) < 1e-6 * abs(wanted)


def test_the_smallest_ellipsoid_about_points_against_cvxpy() -> None:
    """−log det A with ‖A pᵢ‖ ≤ 1 for every point: Löwner and John, centred; one ball a column."""
    points = np.array([[2.0], [1.0], [0.5]]) * RNG.standard_normal((3, 20))
    A, end, _ = solve(document(
        {"p": points, "i": np.eye(3)}, variables={"A": {"shape": [3, 3], "init": "i"}},
        operators={"P": {"matrix": {"matrix": "p", "apply": "right"}}},
        terms=[{"atom": "log_det", "arg": "A"}, {"atom": "l2_ball", "arg": "P A", "radius": 1, "axis": 0}],
        stop={"maxIterations": 200_000, "residual": 1e-9},
    ))  # fmt: skip
    Z = cp.Variable((3, 3), PSD=True)
    wanted = cp.Problem(cp.Minimize(-cp.log_det(Z)), [cp.norm(Z @ points, axis=0) <= 1]).solve(**TIGHT)
    assert end.reason == "Converged"
    assert abs(-np.linalg.slogdet(A)[1] - wanted) < 1e-6 * abs(wanted)
    assert np.linalg.norm(A @ points, axis=0).max() < 1 + 1e-7
