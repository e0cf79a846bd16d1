"""ADMM by the Fourier and the cosine transform: when it is chosen, and what it finds, against CVXPY."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse

from kit.solving import compiled, document, solve

TIGHT = {"solver": "CLARABEL", "tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
EXACTLY = {"maxIterations": 20_000, "residual": 1e-8}


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_the_trend_of_a_long_series_against_cvxpy(boundary) -> None:
    """Kim, Koh, Boyd and Gorinevsky, SIAM Review 51, 2009: second differences, by the cosine and Fourier transforms."""
    rng, n, weight = np.random.default_rng(27), 1_200, 50.0
    b = np.interp(np.linspace(0, 1, n), [0, 0.3, 0.7, 1], [0, 6, -2, 0]) + rng.standard_normal(n)
    x, end, flow = solve(document(
        {"b": b}, variables={"x": {"like": "b"}}, operators={"L": {"laplacian": {"boundary": boundary}}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "L x", "weight": weight}],
        stop={"maxIterations": 20_000, "residual": 1e-7},
    ))  # fmt: skip
    second = sparse.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1]).tolil()
    if boundary == "periodic":
        second[0, n - 1] = second[n - 1, 0] = 1
    else:
        second[0, 0] = second[n - 1, n - 1] = -1
    z = cp.Variable(n)
    loss = 0.5 * cp.sum_squares(z - b) + weight * cp.norm1(second.tocsr() @ z)
    best = cp.Problem(cp.Minimize(loss)).solve(**TIGHT)
    assert (flow.choice.method.name, flow.choice.method.waves) == (
        "admm",
        "cosine" if boundary == "neumann" else "fourier",
    )
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert end.iteration < 6_000  # pd3o isn't there after 20,000
    assert abs(end.energy - best) / best < 1e-6
    assert np.abs(x - z.value).max() < 1e-2


@pytest.mark.parametrize(
    ("operator", "method"), [({"gradient": {}}, "pd3o"), ({"laplacian": {}}, "admm"), ({"conv": {"kernel": "k"}}, "pd3o")]
)  # fmt: skip
def test_transforms_are_for_second_differences(operator, method) -> None:
    """First differences stretch short waves less, and their steps are cheaper than transforms."""
    flow = compiled(document(
        {"b": np.zeros(2_000), "k": [0.5, 0.5]}, variables={"x": {"like": "b"}}, operators={"W": operator},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "W x"}], stop={"maxIterations": 9},
    ))  # fmt: skip
    assert flow.choice.method.name == method


def test_bounds_of_a_deblurred_picture_hold_by_fourier_too() -> None:
    rng = np.random.default_rng(26)
    b, k = rng.random((12, 10)) * 1.5 - 0.2, rng.random((3, 3)) / 9
    found = {}
    for name in ("admm", "pd3o"):
        found[name], end, flow = solve(document(
            {"b": b, "k": k}, variables={"x": {"like": "b"}}, operators={"K": {"conv": {"kernel": "k"}}},
            terms=[
                {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "tv", "arg": "x", "weight": 0.05, "boundary": "periodic"},
                {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
            ],
            policy={"family": "accelerated", "algorithm": name if name == "pd3o" else None}, stop={"maxIterations": 50_000, "residual": 1e-9},
        ))  # fmt: skip
        assert (flow.choice.method.name, end.reason) == (name, "Converged")
    assert flow.choice.method.name == "pd3o"
    assert found["admm"].min() >= 0
    assert np.abs(found["admm"] - found["pd3o"]).max() < 1e-6


def test_eigenvalue_atoms_beside_fourier_transforms() -> None:
    """Eigenvalue routines want memory by columns, Fourier transforms by rows; both stand in one step."""
    rng = np.random.default_rng(27)
    G = rng.standard_normal((6, 6))
    x, end, flow = solve(document(
        {"G": G + G.T}, variables={"X": {"like": "G"}},
        terms=[
            {"atom": "quadratic", "arg": "X", "data": "G"}, {"atom": "tv", "arg": "X", "boundary": "periodic", "weight": 0.1},
            {"atom": "nuclear", "arg": "X", "weight": 0.1}, {"atom": "semidefinite", "arg": "X"},
        ],
        policy={"algorithm": "admm"}, stop={"maxIterations": 5_000, "residual": 1e-8},
    ))  # fmt: skip
    assert flow.choice.method.waves == "fourier"
    assert end.reason == "Converged"
    assert np.linalg.eigvalsh((x + x.T) / 2).min() > -1e-6
