"""Published problems against other people's solvers."""

import warnings

import numpy as np
import pytest
from scipy.optimize import nnls
from skimage.restoration import denoise_tv_chambolle
from sklearn.linear_model import Lasso

from flowapi.errors import DocumentError
from kit.solving import compiled, document, solve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import cvxpy as cp


def differences(x):
    """Forward differences with a zero last one, as CVXPY expressions: Neumann boundary."""
    n, m = x.shape
    down = cp.vstack([x[1:, :] - x[:-1, :], np.zeros((1, m))])
    right = cp.hstack([x[:, 1:] - x[:, :-1], np.zeros((n, 1))])
    return down, right


def total_variation(x):
    down, right = differences(x)
    return cp.sum(cp.norm(cp.vstack([cp.vec(down, order="C"), cp.vec(right, order="C")]), 2, axis=0))


def rof(b, weight, **stop):
    return document(
        {"b": b}, variables={"x": {"like": "b"}}, operators={"D": {"gradient": {}}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": weight}],
        stop=stop,
    )  # fmt: skip


def test_rof_against_cvxpy() -> None:
    rng = np.random.default_rng(2)
    b = rng.random((32, 32))
    x, end, flow = solve(rof(b, 0.2, maxIterations=60_000, residual=1e-8))
    z = cp.Variable(b.shape)
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(z - b) + 0.2 * total_variation(z))).solve(
        solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10
    )
    assert flow.choice.method.name == "pd3o"
    assert end.reason == "Converged"
    assert np.abs(x - z.value).max() < 1e-6


def test_rof_against_chambolle() -> None:
    rng = np.random.default_rng(2)
    b = np.clip(np.add.outer(np.arange(32) > 15, np.arange(32) > 9) * 0.4 + 0.1 * rng.standard_normal((32, 32)), 0, 1)
    x, _, _ = solve(rof(b, 0.1, maxIterations=20_000, residual=1e-9))
    wanted = denoise_tv_chambolle(b, weight=0.1, eps=0, max_num_iter=150_000)
    assert np.abs(x - wanted).max() < 1e-4


def test_deblurring_with_a_box_against_cvxpy() -> None:
    rng = np.random.default_rng(2)
    kernel = np.asarray([[0.05, 0.1, 0.0], [0.1, 0.4, 0.2], [0.0, 0.1, 0.05]])
    truth = np.kron(rng.random((4, 4)), np.ones((4, 4)))
    n = truth.shape[0]
    blur = np.zeros((n * n, n * n))
    for i, j, a, b in np.ndindex(n, n, 3, 3):  # true convolution, centre at (1, 1), periodic
        blur[i * n + j, ((i - a + 1) % n) * n + (j - b + 1) % n] += kernel[a, b]
    data = (blur @ truth.ravel()).reshape(n, n) + 0.01 * rng.standard_normal((n, n))
    doc = document(
        {"b": data, "k": kernel}, variables={"x": {"like": "b", "init": "b"}},
        operators={"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {}}},
        terms=[
            {"atom": "quadratic", "arg": "K x", "data": "b"},
            {"atom": "norm_l21", "arg": "D x", "weight": 0.01},
            {"atom": "box", "arg": "x", "lo": 0.1, "hi": 0.9},
        ],
        stop={"maxIterations": 100_000, "gap": 1e-11},
    )  # fmt: skip
    x, end, flow = solve(doc)
    z = cp.Variable((n, n))
    residual = blur @ cp.vec(z, order="C") - data.ravel()
    energy = 0.5 * cp.sum_squares(residual) + 0.01 * total_variation(z)
    problem = cp.Problem(cp.Minimize(energy), [z >= 0.1, z <= 0.9])
    best = problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    assert [one.role.value for one in flow.roles] == ["smooth", "dual", "prox"]
    assert end.reason == "Converged"
    assert end.gap <= 1e-11
    assert abs(end.energy - best) / best < 1e-8
    assert np.abs(x - z.value).max() < 1e-4


def test_lasso_against_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    A, w = rng.standard_normal((100, 300)), np.zeros(300)
    w[:10] = rng.standard_normal(10)
    b = A @ w + 0.05 * rng.standard_normal(100)
    doc = document(
        {"A": A, "b": b}, variables={"w": {"shape": [300]}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "quadratic", "arg": "A w", "data": "b"}, {"atom": "l1", "arg": "w", "weight": 5.0}],
        stop={"maxIterations": 200_000, "residual": 1e-13},
    )  # fmt: skip
    x, end, flow = solve(doc)
    reference = Lasso(alpha=0.05, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(A, b).coef_
    assert flow.choice.method.name == "pg"
    assert end.controller == "GREEN"
    assert np.abs(x - reference).max() < 1e-8
    assert np.array_equal(np.abs(x) > 1e-9, np.abs(reference) > 1e-9)


def test_nonnegative_least_squares_against_scipy() -> None:
    rng = np.random.default_rng(2)
    A = rng.random((40, 12))
    b = A @ np.maximum(rng.standard_normal(12), 0) + 0.01 * rng.standard_normal(40)
    doc = document(
        {"A": A, "b": b}, variables={"w": {"shape": [12]}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "quadratic", "arg": "A w", "data": "b"}, {"atom": "nonnegative", "arg": "w"}],
        stop={"maxIterations": 200_000, "residual": 1e-12},
    )  # fmt: skip
    x, _, _ = solve(doc)
    assert np.abs(x - nnls(A, b)[0]).max() < 1e-7


def test_group_lasso_and_inpainting_against_cvxpy() -> None:
    """Two that no other test was written for: rows of a matrix chosen together; TV inpainting under a mask."""
    rng = np.random.default_rng(2)
    A, b = rng.standard_normal((20, 8)), rng.standard_normal((20, 5))
    doc = document(
        {"A": A, "b": b}, variables={"W": {"shape": [8, 5]}}, operators={"A": {"matrix": {"matrix": "A", "apply": "left"}}},
        terms=[
            {"atom": "quadratic", "arg": "A W", "data": "b"},
            {"atom": "norm_l21", "arg": "W", "axis": 1, "weight": 6.0},
        ],
        stop={"maxIterations": 100_000, "residual": 1e-10},
    )  # fmt: skip
    x, _, _ = solve(doc)
    z = cp.Variable((8, 5))
    objective = 0.5 * cp.sum_squares(A @ z - b) + 6 * cp.sum(cp.norm(z, 2, axis=1))
    cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL)
    assert np.abs(x - z.value).max() < 1e-5

    mask = (rng.random((16, 16)) < 0.6).astype(float)
    picture = mask * np.kron(rng.random((4, 4)), np.ones((4, 4)))
    doc = document(
        {"m": mask, "b": picture}, variables={"x": {"like": "b"}},
        operators={"M": {"mask": "m"}, "D": {"gradient": {}}},
        terms=[
            {"atom": "quadratic", "arg": "M x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.02},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        stop={"maxIterations": 200_000, "gap": 1e-10},
    )  # fmt: skip
    _, end, _ = solve(doc)
    z = cp.Variable((16, 16))
    objective = 0.5 * cp.sum_squares(cp.multiply(mask, z) - picture) + 0.02 * total_variation(z)
    best = cp.Problem(cp.Minimize(objective), [z >= 0, z <= 1]).solve(solver=cp.CLARABEL)
    assert abs(end.energy - best) / best < 1e-6


@pytest.mark.parametrize("spec", [{"l1": 2.0}, {"l1": 0.5, "quadratic": 1.0}, {"box": 1.0}, {"l1": 1.0, "box": 1.0}])
def test_the_gap_is_an_upper_bound_and_closes(spec) -> None:
    """Weak duality holds at every certificate, and strong duality at the end, for every merged prox with a gap."""
    rng = np.random.default_rng(2)
    A, b = rng.standard_normal((15, 10)), rng.standard_normal(15)
    terms = [{"atom": "quadratic", "arg": "A w", "data": "b"}]
    terms += [{"atom": "l1", "arg": "w", "weight": spec["l1"]}] if "l1" in spec else []
    terms += [{"atom": "quadratic", "arg": "w", "weight": 1.0, "as": "prox"}] if "quadratic" in spec else []
    terms += [{"atom": "box", "arg": "w", "lo": -0.3, "hi": 0.2}] if "box" in spec else []
    doc = document(
        {"A": A, "b": b}, variables={"w": {"shape": [10]}}, operators={"A": {"matrix": "A"}}, terms=terms,
        certificates={"every": 1}, stop={"maxIterations": 100_000, "gap": 1e-12},
    )  # fmt: skip
    _, end, _ = solve(doc)
    assert end.reason == "Converged"
    assert -1e-14 < end.gap < 1e-12


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_whether_there_is_a_gap_does_not_depend_on_the_order_of_terms(order) -> None:
    """Matrix completion: the box bounds the variable, and has the prox wherever it stands."""
    rng = np.random.default_rng(4)
    b, seen = rng.random((5, 6)), rng.random((5, 6)) < 0.6
    terms = [
        {"atom": "weighted", "arg": "x", "data": "b", "factors": "seen"},
        {"atom": "nuclear", "arg": "x", "weight": 0.3}, {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
    ]  # fmt: skip
    one = document(
        {"b": b, "seen": seen}, variables={"x": {"like": "b"}}, terms=[terms[i] for i in order],
        stop={"maxIterations": 20_000, "gap": 1e-7},
    )  # fmt: skip
    _, end, flow = solve(one)
    assert end.reason == "Converged"
    assert [str(role.role) for role in flow.roles] == ["smooth", *("dual" if i == 1 else "prox" for i in order[1:])]
    z = cp.Variable(b.shape)
    fit = 0.5 * cp.sum_squares(cp.multiply(seen.astype(float), z - b))
    best = cp.Problem(cp.Minimize(fit + 0.3 * cp.normNuc(z)), [z >= 0, z <= 1]).solve(solver=cp.SCS, eps=1e-9)
    np.testing.assert_allclose(end.energy, best, rtol=1e-6)


def test_no_gap_beside_a_second_constraint_names_it() -> None:
    terms = [
        {"atom": "l2_ball", "arg": "x", "data": "b", "radius": 0.2}, {"atom": "norm_l21", "arg": "D x"},
        {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
    ]  # fmt: skip
    one = document(
        {"b": np.eye(4)}, variables={"x": {"like": "b"}}, operators={"D": {"gradient": {}}}, terms=terms,
        stop={"maxIterations": 10, "gap": 1e-3},
    )  # fmt: skip
    with pytest.raises(DocumentError, match=r"flow\.stop\.gap: flow\.terms\[2\], a constraint"):
        compiled(one)
