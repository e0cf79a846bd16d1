"""Energies that are infinite beyond a border: no step crosses it, and no start lies beyond it."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from flowapi.errors import DocumentError
from flowengine.atoms import KullbackLeibler, NegativeEntropy, Poisson, RelativeEntropy
from kit.solving import compiled, document, solve

LIMITS = {"maxIterations": 5_000, "residual": 1e-6}


@pytest.mark.parametrize("policy", [{"step": "backtracking"}, {"step": "backtracking", "family": "accelerated"}])
@pytest.mark.parametrize("start", [0.1, 12.0, 1000.0])
def test_a_search_for_a_step_stays_where_counts_are_possible(policy, start) -> None:
    """Beyond 0 the slope 1 − d/z is finite, and falls for ever."""
    x, end, _ = solve(document(
        {"d": [10.0], "A": [[1.0]]}, variables={"x": {"shape": [1], "init": start}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "poisson", "arg": "A x", "data": "d"}], policy=policy, stop=LIMITS,
    ))  # fmt: skip
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    np.testing.assert_allclose(x, 10, rtol=1e-4)


def test_counts_on_a_sphere() -> None:
    x, end, _ = solve(document(
        {"d": [50.0, 1.0, 1.0], "start": [0.1, 0.1, 0.9]},
        variables={"x": {"shape": [3], "init": "start", "manifold": "sphere"}}, operators={"S": {"scale": {"by": 100}}},
        terms=[{"atom": "poisson", "arg": "S x", "data": "d"}], stop=LIMITS,
    ))  # fmt: skip
    assert end.reason == "Converged"
    np.testing.assert_allclose(end.energy, -128.26353, rtol=1e-6)
    assert x.min() > 0


@pytest.mark.parametrize("bound", ["nonnegative", "box"])
def test_a_bound_that_doesnt_hold_anything_hides_no_solution(bound) -> None:
    """With ξ = 0 the gradient is all there is: what it is small against are its own parts."""
    A, d = np.array([[1.0, 0.2], [0.3, 1.0], [0.5, 0.5]]), np.array([10.0, 4.0, 7.0])
    limits = {"lo": 0.001, "hi": 100} if bound == "box" else {}
    _, end, _ = solve(document(
        {"d": d, "A": A}, variables={"x": {"shape": [2], "init": 1}}, operators={"A": {"matrix": "A"}}, stop=LIMITS,
        terms=[{"atom": "poisson", "arg": "A x", "data": "d"}, {"atom": bound, "arg": "x", **limits}],
        policy={"step": "backtracking"},
    ))  # fmt: skip
    exact = minimize(lambda w: (A @ w - d * np.log(A @ w)).sum(), np.ones(2), bounds=[(1e-3, None)] * 2, tol=1e-14)
    assert end.reason == "Converged"
    np.testing.assert_allclose(end.energy, exact.fun, rtol=1e-8)


def test_pixels_without_a_count_have_a_gradient_at_zero() -> None:
    x, end, _ = solve(document(
        {"d": [0.0, 4.0], "A": np.eye(2)}, variables={"x": {"shape": [2], "init": 1}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "poisson", "arg": "A x", "data": "d"}, {"atom": "nonnegative", "arg": "x"}],
        policy={"step": "backtracking"}, stop=LIMITS,
    ))  # fmt: skip
    assert end.reason == "Converged"
    np.testing.assert_allclose(x, [0, 4], atol=1e-4)


@pytest.mark.parametrize(
    ("start", "parts"),
    [
        ({"init": -1.0}, {"policy": {"step": "backtracking"}}),
        ({"init": 3.0, "spread": 3, "chains": 8}, {"policy": {"algorithm": "mala"}, "seed": 1}),
    ],
    ids=["below zero", "one chain of eight"],
)
def test_a_start_beyond_the_border_is_refused(start, parts) -> None:
    stop = {"maxIterations": 100}
    one = document(
        {"d": [3.0], "A": [[1.0]]}, variables={"x": {"shape": [1], **start}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "poisson", "arg": "A x", "data": "d"}], stop=stop, **parts,
    )  # fmt: skip
    with pytest.raises(DocumentError, match="no finite gradient where the variable starts"):
        compiled(one)


def test_an_energy_without_a_minimum_among_positive_definite_matrices_never_converges() -> None:
    """In the space around them the gradient of −log det goes to 0; in their own metric its length is √n everywhere."""
    one = document(
        {"eye": np.eye(2)}, variables={"x": {"shape": [2, 2], "init": "eye", "manifold": "spd"}},
        terms=[{"atom": "log_det", "arg": "x"}], stop={"maxIterations": 50, "residual": 1e-8},
    )  # fmt: skip
    _, end, _ = solve(one)
    assert end.reason != "Converged"


def test_a_search_that_starts_beyond_the_domain_is_refused_and_one_within_finds_the_same() -> None:
    rng = np.random.default_rng(11)
    M, counts = rng.random((30, 8)), rng.poisson(5.0, 30)

    def flow(init, policy):
        return document(
            {"M": M, "d": counts}, variables={"x": {"shape": [8], "init": init}}, operators={"M": {"matrix": "M"}},
            terms=[
                {"atom": "kullback_leibler", "arg": "M x", "data": "d"}, {"atom": "tikhonov", "arg": "x", "weight": 0.1},
                {"atom": "nonnegative", "arg": "x"},
            ],
            policy=policy, stop={"maxIterations": 100_000, "residual": 1e-11},
        )  # fmt: skip

    searched = {"family": "accelerated", "step": "backtracking"}
    with pytest.raises(DocumentError, match="no finite gradient") as caught:
        solve(flow(0.0, searched))
    assert caught.value.path == "flow.variables.x.init"
    x, end, found = solve(flow(1.0, searched))
    y, _, dual = solve(flow(1.0, {}))
    assert (found.choice.method.name, dual.choice.method.name, end.reason) == ("fista", "admm", "Converged")
    assert np.abs(x - y).max() < 1e-7


@pytest.mark.parametrize("policy", [{}, {"family": "accelerated", "step": "backtracking"}])
def test_a_mean_of_0_that_rounding_leaves_below_0_costs_no_energy(policy) -> None:
    """Optimal where Kᵀ(1 − d/Kx) ≥ 0, and 0 where x > 0."""
    data, kernel = np.zeros(32), [0.25, 0.5, 0.25]
    data[8:12] = [3, 5, 4, 2]
    x, end, _ = solve(document(
        {"d": data, "k": kernel}, variables={"x": {"shape": [32], "init": 1}}, operators={"K": {"conv": {"kernel": "k"}}},
        terms=[{"atom": "kullback_leibler", "arg": "K x", "data": "d"}, {"atom": "nonnegative", "arg": "x"}],
        policy=policy, stop={"maxIterations": 3_000, "relativeChange": 1e-12},
    ))  # fmt: skip
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    blur = sum(weight * np.roll(np.eye(32), shift, 0) for weight, shift in zip(kernel, (-1, 0, 1), strict=True))
    mean = np.maximum(blur @ x, 0)
    counted = data > 0
    slope = blur.T @ np.where(counted, 1 - data / np.where(counted, mean, 1), 1)
    assert slope.min() > -1e-5
    assert abs(slope @ x) < 1e-5
    value = np.sum(mean - data) + np.sum(data[counted] * np.log(data[counted] / mean[counted]))
    assert abs(end.energy - value) < 1e-10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_below_0_is_0_and_more_is_beyond_the_domain(dtype) -> None:
    one, zero, half = (np.asarray(values, dtype) for values in ([1, 1, 1], [0, 0, 0], [0.5, 1, 2]))
    atoms = Poisson(one[0], zero), KullbackLeibler(one[0], zero), NegativeEntropy(one[0]), RelativeEntropy(one[0], half)
    at_0, rounded, beyond = (jnp.asarray([3, low, 1], dtype) for low in (0, -50 * np.finfo(dtype).eps, -1e-3))
    for atom in atoms:
        assert np.isclose(atom.value(rounded), atom.value(at_0), rtol=1e-4 if dtype == "float32" else 1e-12)
        assert atom.value(beyond) == np.inf
    for atom in atoms[:2]:
        assert np.array_equal(np.isnan(atom.gradient(beyond)), [False, True, False])
        assert np.array_equal(atom.gradient(rounded), one)
