"""What a residual is relative to: however far the start, however large a transient, no wrong answer ends as a right one."""

import numpy as np
import pytest
from scipy.optimize import minimize

from kit.references import linear_programs
from kit.solving import document, solve

LIMITS = {"maxIterations": 20_000, "residual": 1e-6}
EQUAL = {"atom": "box", "arg": "A x", "data": "b", "lo": 0, "hi": 0}
PROGRAM = [{"atom": "linear", "arg": "x", "costs": "c"}, {"atom": "nonnegative", "arg": "x"}, EQUAL]
BY_A = {"A": {"matrix": "A"}}


@pytest.mark.parametrize("unit", [1e-7, 1.0, 1e4, 1e7])
def test_costs_in_any_unit(unit) -> None:
    """A first step of 1e7 must not be what the violation is small against."""
    data, best = linear_programs.program(0, 10, 40)
    A, b, c = data["A"], data["b"], data["c"]
    x, end, _ = solve(document(
        {"A": A, "b": b, "c": unit * c}, variables={"x": {"shape": [40]}}, operators=BY_A, terms=PROGRAM, stop=LIMITS
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert np.linalg.norm(A @ x - b) < 1e-5 * np.linalg.norm(b)
    np.testing.assert_allclose(end.energy, unit * best["energy"], rtol=1e-5)


@pytest.mark.parametrize("threshold", [1e-4, 1e-6])
def test_transport_with_costs_in_pixels(threshold) -> None:
    """At 1e-4 it used to end after 50 iterations with nothing transported."""
    data, best = linear_programs.transport_in_pixels()
    plan, end, _ = solve(document(
        data, variables={"x": {"shape": [12, 12]}}, operators=BY_A, terms=PROGRAM,
        stop={"maxIterations": 20_000, "residual": threshold},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert abs(plan.sum() - 1) < 10 * threshold
    np.testing.assert_allclose(end.energy, best["energy"], rtol=100 * threshold)


@pytest.mark.parametrize("unit", [1e-7, 1.0, 1e7])
def test_basis_pursuit_of_data_in_any_unit(unit) -> None:
    A = np.random.default_rng(2).standard_normal((15, 40))
    sparse = np.zeros(40)
    sparse[[3, 9, 20]] = [1, -2, 1.5]
    x, end, _ = solve(document(
        {"A": A, "b": unit * A @ sparse}, variables={"x": {"shape": [40]}}, operators=BY_A,
        terms=[{"atom": "l1", "arg": "x"}, EQUAL], stop=LIMITS,
    ))  # fmt: skip
    assert end.reason == "Converged"
    np.testing.assert_allclose(x / unit, sparse, atol=1e-4)


@pytest.mark.parametrize("start", [1e4, 1e9])
def test_a_start_from_far_away(start) -> None:
    data, best = linear_programs.program(3, 3, 6)
    x, end, _ = solve(document(
        data, variables={"x": {"shape": [6], "init": start}}, operators=BY_A, terms=PROGRAM,
        policy={"algorithm": "pd3o"}, stop=LIMITS,
    ))  # fmt: skip
    assert end.reason == "Converged"
    np.testing.assert_allclose(end.energy, best["energy"], rtol=1e-5)
    assert np.abs(data["A"] @ x - data["b"]).max() < 1e-5


@pytest.mark.parametrize("family", ["basic", "accelerated"])
def test_a_start_at_the_solution_is_one(rng, family) -> None:
    """There ∇f is rounding: no scale for itself."""
    A, b = rng.standard_normal((30, 6)), rng.standard_normal(30)
    best = np.linalg.lstsq(A, b, rcond=None)[0]
    x, end, _ = solve(document(
        {"A": A, "b": b, "best": best}, variables={"x": {"shape": [6], "init": "best"}}, operators=BY_A,
        terms=[{"atom": "quadratic", "arg": "A x", "data": "b"}], policy={"family": family}, stop=LIMITS,
    ))  # fmt: skip
    assert (end.reason, end.iteration) == ("Converged", 10)
    np.testing.assert_allclose(x, best, rtol=1e-12)


def test_a_quantile_of_columns_in_large_units() -> None:
    """The copies of A x stay on the kink: τ has to move for all that one of both moves is 0."""
    data, best = linear_programs.quantile_of_large_columns()
    _, end, flow = solve(document(
        data, variables={"x": {"shape": [2]}}, operators=BY_A,
        terms=[{"atom": "pinball", "arg": "A x", "data": "b", "quantile": 0.9}], stop=LIMITS,
    ))  # fmt: skip
    assert (end.reason, flow.choice.method.name) == ("Converged", "admm")
    np.testing.assert_allclose(end.energy, best["energy"], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_denoising_from_a_start_of_any_roughness(scale) -> None:
    rng = np.random.default_rng(4)
    signal = np.repeat(3 * rng.standard_normal(8), 10) + 0.3 * rng.standard_normal(80)
    energies = []
    for policy in ({}, {"algorithm": "pd3o"}):
        _, end, _ = solve(document(
            {"b": signal, "start": 0.5 + scale * rng.standard_normal(80)},
            variables={"x": {"like": "b", "init": "start"}}, policy=policy, stop=LIMITS,
            terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "tv", "arg": "x"}],
        ))  # fmt: skip
        assert end.reason == "Converged"
        energies.append(end.energy)
    np.testing.assert_allclose(energies[0], energies[1], rtol=1e-5)


def raw_features() -> tuple[np.ndarray, np.ndarray, float]:
    """An intercept, an income and a share, labels, and the least energy."""
    rng = np.random.default_rng(5)
    A = np.c_[np.ones(200), rng.normal(50_000, 20_000, 200), 0.1 * rng.random(200)]
    labels = np.where(rng.random(200) < 1 / (1 + np.exp(-A @ [-1.0, 3e-5, 20.0])), 1.0, -1)
    units = np.array([1, 1e-5, 10.0])
    loss = lambda w: np.logaddexp(0, -labels * (A @ (w * units))).sum()  # noqa: E731
    return A, labels, minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).fun


@pytest.mark.parametrize("family", ["basic", "accelerated", "preconditioned"])
def test_columns_in_other_units_are_not_overlooked(family) -> None:
    """One long column, and a gradient that is small beside it: the others have not moved yet."""
    A, labels, best = raw_features()
    _, end, _ = solve(document(
        {"A": A, "labels": labels}, variables={"x": {"shape": [3]}}, operators=BY_A,
        terms=[{"atom": "logistic", "arg": "A x", "data": "labels"}], policy={"family": family}, stop=LIMITS,
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert abs(end.energy - best) < 1e-5 * best


@pytest.mark.parametrize("algorithm", ["pg", "fista"])
def test_nor_where_a_method_is_forced_that_does_not_get_there(algorithm) -> None:
    A, labels, best = raw_features()
    _, end, _ = solve(document(
        {"A": A, "labels": labels}, variables={"x": {"shape": [3]}}, operators=BY_A,
        terms=[{"atom": "logistic", "arg": "A x", "data": "labels"}], policy={"algorithm": algorithm}, stop=LIMITS,
    ))  # fmt: skip
    assert end.reason == "IterationLimit"
    assert end.energy > best


def test_rows_in_other_units_are_not_overlooked() -> None:
    rng = np.random.default_rng(6)
    A = rng.random((20, 300))
    b, c = A @ np.where(rng.random(300) < 0.3, rng.random(300), 0), rng.random(300)
    units = np.where(np.arange(20) < 10, 1e4, 1e-4)
    x, end, _ = solve(document(
        {"A": units[:, None] * A, "b": units * b, "c": c}, variables={"x": {"shape": [300]}}, operators=BY_A,
        terms=PROGRAM, policy={"algorithm": "pd3o"}, stop={"maxIterations": 3_000, "residual": 1e-5},
    ))  # fmt: skip
    assert end.reason == "IterationLimit" or np.linalg.norm(A @ x - b) < 1e-3 * np.linalg.norm(b)


def test_a_variable_that_hardly_counts_beside_another_settles_too() -> None:
    """One norm over both would be small long before the second has moved."""
    rng = np.random.default_rng(7)
    u, v = 4e4 * rng.standard_normal(5), 0.02 * rng.standard_normal(5)
    x, end, _ = solve(document(
        {"u0": u, "v0": v}, variables={"u": {"like": "u0"}, "v": {"like": "v0"}}, stop=LIMITS,
        terms=[{"atom": "quadratic", "arg": "u", "data": "u0"}, {"atom": "quadratic", "arg": "v", "data": "v0", "weight": 0.01}],
    ))  # fmt: skip
    assert end.reason == "Converged"
    np.testing.assert_allclose(x["v"], v, rtol=1e-4)


def test_factors_from_a_far_start_are_no_solution_before_they_are() -> None:
    """The gradient's size at the start is the cube of its distance: all else is small against it."""
    X = np.array([[3.0, 1, 0, 2], [1, 4, 1, 0], [0, 1, 5, 1], [2, 0, 1, 6], [1, 1, 1, 1]])
    best = np.sum(np.linalg.svd(X)[1][2:] ** 2) / 2
    for spread in (1, 10, 50):
        _, end, _ = solve(document(
            {"X": X}, seed=1, variables={"u": {"shape": [5, 2], "spread": spread}, "v": {"shape": [4, 2], "spread": spread}},
            terms=[{"atom": "low_rank", "arg": "u", "with": "v", "data": "X"}], stop=LIMITS,
        ))  # fmt: skip
        assert end.reason == "IterationLimit" or abs(end.energy - best) < 1e-4 * best
        assert end.reason == "Converged" or spread > 1


@pytest.mark.parametrize("spread", [1, 10, 20])
def test_a_searched_step_grows_again(spread) -> None:
    """Near a far start steps are short; those near the solution need not be."""
    x, end, _ = solve(document(
        {}, seed=1, variables={"x": {"shape": [5, 3], "spread": spread}}, terms=[{"atom": "orthogonality", "arg": "x"}], stop=LIMITS
    ))  # fmt: skip
    assert end.reason == "Converged"
    np.testing.assert_allclose(x.T @ x, np.eye(3), atol=1e-4)


CENTRED = np.array([1.0, -1.0, 2.0, -2.0, 0.5, -0.5])
LABELS = np.where(np.arange(24) % 2, 1.0, -1.0)
FIT, LABELLED = ({"atom": atom, "arg": "x", "data": "b"} for atom in ("quadratic", "logistic"))
VARIATION = {"atom": "tv", "arg": "x", "weight": 10}
AT_ZERO = {
    "tv by admm": (CENTRED, [FIT, VARIATION], {"algorithm": "admm"}),
    "tv by pd3o": (CENTRED, [FIT, VARIATION], {"algorithm": "pd3o"}),
    "analysis": (CENTRED, [FIT, {"atom": "analysis_l1", "arg": "C x", "weight": 10}], {"algorithm": "pd3o"}),
    "labels": (LABELS, [LABELLED, VARIATION], {}),
}


@pytest.mark.parametrize("kind", AT_ZERO)
def test_other_terms_may_pull_the_solution_to_zero(kind) -> None:
    """Then W_j x and z_j are 0 there, too: they are small against what the data ask for, or against nothing."""
    b, terms, policy = AT_ZERO[kind]
    C = np.random.default_rng(3).standard_normal((8, len(b)))
    x, end, _ = solve(document(
        {"b": b, "C": C}, variables={"x": {"like": "b"}}, operators={"C": {"matrix": "C"}}, terms=terms,
        policy={"family": "accelerated", **policy}, stop=LIMITS,
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert np.abs(x).max() < 1e-4


@pytest.mark.parametrize("costs", [1e4, 0.0])
def test_an_energy_that_rests_while_constraints_are_not_met_is_no_solution(costs) -> None:
    """It used to end after 20 iterations with x = 0; without costs the energy is 0 wherever x is."""
    data, best = linear_programs.even_transport(costs)
    x, end, _ = solve(document(
        data, variables={"x": {"shape": [20, 20]}}, operators=BY_A, terms=PROGRAM,
        stop={"maxIterations": 20_000, "relativeChange": 1e-7},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert np.linalg.norm(data["A"] @ x.ravel() - data["b"]) < 1e-3 * np.linalg.norm(data["b"])
    np.testing.assert_allclose(end.energy, best["energy"], rtol=1e-2)


def test_an_energy_that_rests_for_a_short_step_is_no_minimum() -> None:
    one = document(
        {"b": CENTRED}, variables={"x": {"like": "b", "init": 0}}, terms=[FIT],
        policy={"algorithm": "pg", "step": 1e-9}, stop={"maxIterations": 200, "relativeChange": 1e-6},
    )  # fmt: skip
    assert solve(one)[1].reason == "IterationLimit"
