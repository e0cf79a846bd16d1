"""Runs that go on long after rounding is all that moves: steps stay, and so does the answer."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from flowengine.loop import snapshot
from kit.solving import carry_of, compiled, document, go, solve


def fused(dtype: str):
    """A fused lasso, which `admm` solves by eigenvectors and with moves balanced."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((8, 12)).round(2)
    return document(
        {"X": X, "b": X @ np.repeat([1.0, -1, 0], 4) + 0.1 * rng.standard_normal(8)}, dtype=dtype,
        variables={"w": {"shape": [12]}}, operators={"X": {"matrix": "X"}},
        terms=[
            {"atom": "quadratic", "arg": "X w", "data": "b"}, {"atom": "l1", "arg": "w", "weight": 0.3},
            {"atom": "tv", "arg": "w", "weight": 0.8},
        ],
        stop={"maxIterations": 20_000},
    )  # fmt: skip


def counts(dtype: str):
    """A blurred picture of few counts, by `pd3o`: two dual terms of very different size."""
    rng = np.random.default_rng(5)
    kernel, picture = np.outer([1.0, 2, 1], [1.0, 2, 1]) / 16, np.full((16, 16), 20.0)
    picture[4:12, 5:11] = 200
    return document(
        {"k": kernel, "b": rng.poisson(picture)}, dtype=dtype,
        variables={"x": {"shape": [16, 16], "init": 1.0}},
        operators={"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {}}},
        terms=[
            {"atom": "kullback_leibler", "arg": "K x", "data": "b"}, {"atom": "nonnegative", "arg": "x"},
            {"atom": "norm_l21", "arg": "D x", "weight": 0.5},
        ],
        policy={"algorithm": "pd3o"}, stop={"maxIterations": 20_000},
    )  # fmt: skip


@pytest.mark.parametrize(("problem", "method", "accuracy"), [(fused, "admm", 2e-5), (counts, "pd3o", 1e-4)])
def test_more_iterations_make_no_answer_worse(problem, method, accuracy) -> None:
    _, exact, _ = solve(problem("float64"))
    _, end, flow = solve(problem("float32"))
    assert flow.choice.method.name == method
    assert end.residual < accuracy
    assert end.controller == "GREEN"
    assert abs(end.energy - exact.energy) < 1e-5 * abs(exact.energy)


def test_nor_where_steps_draw_back_to_an_anchor() -> None:
    rng = np.random.default_rng(0)
    A = np.abs(rng.standard_normal((10, 40)))
    doc = document(
        {"A": A, "b": A @ np.abs(rng.standard_normal(40)), "c": rng.standard_normal(40) + 1},
        variables={"x": {"shape": [40]}}, operators={"A": {"matrix": "A"}},
        terms=[
            {"atom": "linear", "arg": "x", "costs": "c"}, {"atom": "nonnegative", "arg": "x"},
            {"atom": "box", "arg": "A x", "data": "b", "lo": 0, "hi": 0},
        ],
        stop={"maxIterations": 10**6},
    )  # fmt: skip
    flow = compiled(doc)
    assert (flow.choice.method.name, flow.choice.method.rule) == ("admm", "anchor")
    carry = go(flow, carry_of(flow), 1000)
    assert snapshot(carry).residual < 1e-12
    assert snapshot(go(flow, carry, 30_000)).residual < 1e-12


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_assignments_end_at_a_vertex(dtype) -> None:
    """The point is exact after some iterations, and then only duals move: τ must not go to 0 with that."""
    rng = np.random.default_rng(1)
    for n in (3, 3, 4, 5, 6, 7):
        C = rng.random((n, n))
        _, end, _ = solve(document(
            {"C": C}, dtype=dtype, variables={"x": {"like": "C"}},
            terms=[{"atom": "linear", "arg": "x", "costs": "C"}] + [{"atom": "simplex", "arg": "x", "axis": axis} for axis in (0, 1)],
            stop={"maxIterations": 5000, "residual": 1e-8 if dtype == "float64" else 1e-5},
        ))  # fmt: skip
        best = C[linear_sum_assignment(C)].sum()
        assert end.reason == "Converged"
        assert abs(end.energy - best) < 1e-4 * best


def test_single_precision_of_a_stiff_equation_does_not_run_away_with_the_balance() -> None:
    """The heat equation's rounding in ∇f is L‖x‖, far above eps·‖∇f‖: taken for a move, it drove ρ to its end."""
    rng = np.random.default_rng(0)
    times, places = 8, 12
    heat = np.zeros((times, places))
    heat[0, 3:6], heat[0, 8] = 1.5, 2.5
    for n in range(1, times):
        left, right = np.r_[heat[n - 1][:1], heat[n - 1][:-1]], np.r_[heat[n - 1][1:], heat[n - 1][-1:]]
        heat[n] = heat[n - 1] + 0.1 * 0.8 * (left + right - 2 * heat[n - 1]) / 0.25
    seen = (rng.random((times, places)) < 0.4).astype(float)
    one = document(
        {"m": seen, "obs": seen * (heat + 0.01 * rng.standard_normal(heat.shape))}, dtype="float32",
        variables={"u": {"shape": [times, places]}},
        operators={
            "S": {"select": {"axis": 0, "start": 0, "stop": 1}}, "G": {"gradient": {"axes": [1], "spacing": 0.5}},
        },
        terms=[
            {"atom": "weighted", "arg": "u", "factors": "m", "data": "obs"},
            {"atom": "heat", "arg": "u", "kappa": 0.8, "dt": 0.1, "spacing": 0.5, "weight": 0.05},
            {"atom": "l1", "arg": "G S u", "weight": 0.01}, {"atom": "nonnegative", "arg": "u"},
        ],
        policy={"family": "accelerated"}, stop={"maxIterations": 20_000, "residual": 1e-5},
    )  # fmt: skip
    _, end, flow = solve(one)
    assert flow.choice.method.name == "admm"
    assert end.reason == "Converged"
