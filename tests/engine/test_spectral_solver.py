"""`admm` by the Fourier and the cosine transform: what it finds, against CVXPY."""

import numpy as np
import pytest

from kit.references import signals
from kit.solving import document, solve

FIT = {"atom": "quadratic", "arg": "x", "data": "b"}


@pytest.mark.parametrize(("boundary", "waves"), [("neumann", "cosine"), ("periodic", "fourier")])
def test_the_trend_of_a_long_series(boundary, waves) -> None:
    """Second differences, by the cosine and Fourier transforms."""
    data, best = signals.trend_of_a_series(boundary)
    x, end, flow = solve(document(
        data, variables={"x": {"like": "b"}}, operators={"L": {"laplacian": {"boundary": boundary}}},
        terms=[FIT, {"atom": "l1", "arg": "L x", "weight": 50.0}], stop={"maxIterations": 20_000, "residual": 1e-7},
    ))  # fmt: skip
    assert (flow.choice.method.name, flow.choice.method.waves) == ("admm", waves)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert end.iteration < 6_000  # pd3o isn't there after 20,000
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-6
    assert np.abs(x - best["x"]).max() < 1e-2


def test_a_long_robust_trend() -> None:
    """Second differences of 400 points beside a Huber loss on the variable itself, which becomes the prox."""
    data, best = signals.robust_trend()
    x, end, flow = solve(document(
        data, variables={"x": {"like": "b"}}, operators={"L": {"laplacian": {}}},
        terms=[{"atom": "huber", "arg": "x", "data": "b", "delta": 0.3}, {"atom": "l1", "arg": "L x", "weight": 5.0}],
        stop={"maxIterations": 10_000, "residual": 1e-8},
    ))  # fmt: skip
    assert (flow.choice.method.name, flow.choice.method.waves, end.reason) == ("admm", "cosine", "Converged")
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-6
    assert np.abs(x - best["x"]).max() < 1e-3


def test_eigenvalue_atoms_beside_fourier_transforms() -> None:
    """Eigenvalue routines want memory by columns, Fourier transforms by rows; both stand in one step."""
    G = np.random.default_rng(27).standard_normal((6, 6))
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
