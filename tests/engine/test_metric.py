"""Steps for every entry, asked for and unasked, and steps that are given."""

import itertools

import numpy as np
import pytest

from flowengine.loop import rows, snapshot
from kit.references import regressions
from kit.solving import carry_of, compiled, document, go, solve


@pytest.mark.parametrize(
    "policy", [{"family": "preconditioned"}, {"family": "accelerated", "preconditioner": "jacobi"}]
)
def test_a_step_for_every_entry_takes_far_fewer_iterations_where_scales_differ(policy) -> None:
    data, best = regressions.uneven_columns()

    def flow(policy):
        return document(
            data, variables={"x": {"shape": [60]}}, operators={"A": {"matrix": "A"}}, policy=policy,
            terms=[
                {"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.01},
                {"atom": "box", "arg": "x", "lo": -1, "hi": 20},
            ],
            stop={"maxIterations": 60_000, "residual": 1e-10},
        )  # fmt: skip

    _, last, _ = solve(flow(policy))
    _, common, _ = solve(flow({"algorithm": "fista" if "preconditioner" in policy else "pg"}))
    _, chosen, by = solve(flow({}))
    assert (last.reason, last.controller) == ("Converged", "GREEN")
    assert 4 * last.iteration < common.iteration
    assert (by.choice.method.name, chosen.reason) == ("admm", "Converged")
    assert chosen.iteration < last.iteration
    assert abs(chosen.energy - last.energy) < 1e-9
    assert abs(last.energy - best["energy"]) < 1e-6


@pytest.mark.parametrize("family", ["basic", "accelerated", "preconditioned"])
def test_an_intercept_beside_raw_features(family) -> None:
    """Logistic regression with an l1: each variable, and each entry, has a step of its own, asked for or not."""
    rng = np.random.default_rng(2)
    A = rng.standard_normal((100, 6)) * np.logspace(0, 3, 6)
    labels = np.where(A @ (rng.standard_normal(6) / np.logspace(0, 3, 6)) + 1 + rng.standard_normal(100) > 0, 1.0, -1.0)
    doc = document(
        {"A": A, "one": np.ones((100, 1)), "labels": labels}, variables={"w": {"shape": [6]}, "c": {"shape": [1]}},
        operators={"A": {"matrix": "A"}, "C": {"matrix": "one"}}, policy={"family": family},
        terms=[
            {"atom": "logistic", "arg": [{"op": "A", "var": "w"}, {"op": "C", "var": "c"}], "data": "labels"},
            {"atom": "l1", "arg": "w", "weight": 1.0},
        ],
        stop={"maxIterations": 20_000, "residual": 1e-9},
    )  # fmt: skip
    point, end, flow = solve(doc)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert flow.choice.method.name == ("fista" if family == "accelerated" else "pg")
    slope = -labels / (1 + np.exp(labels * (A @ point["w"] + point["c"])))
    moved = point["w"] != 0
    assert abs(slope.sum()) < 1e-6
    assert np.abs((A.T @ slope + np.sign(point["w"]))[moved]).max() < 1e-4
    assert np.abs((A.T @ slope)[~moved]).max(initial=0) <= 1 + 1e-6


@pytest.mark.parametrize(("step", "said"), [(1.99, ""), (2.0, "at its bound 2"), (2.01, "beyond its bound 2")])
def test_a_step_that_is_too_long_is_warned_of(step, said) -> None:
    flow = compiled(document(
        {"b": [1.0, 2]}, variables={"x": {"like": "b"}}, policy={"step": step},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}], stop={"maxIterations": 10},
    ))  # fmt: skip
    assert [said in one for one in flow.choice.warnings] == [True] * bool(said)


def test_the_estimated_diagonal_of_many_entries_is_still_a_majoriser(rng) -> None:
    k = np.random.default_rng(0).random((5, 5))
    doc = document(
        {"k": k / k.sum(), "b": rng.random((64, 64)), "m": rng.random((64, 64)) + 0.1}, variables={"x": {"like": "b"}},
        operators={"K": {"conv": {"kernel": "k"}}, "M": {"mask": "m"}}, policy={"family": "preconditioned"},
        terms=[{"atom": "quadratic", "arg": "M K x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.01}],
        certificates={"every": 1}, stop={"maxIterations": 300},
    )  # fmt: skip
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), 300)
    energies = [row.energy for row in rows(carry, 0)]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(energies))
    assert snapshot(carry).controller == "GREEN"
