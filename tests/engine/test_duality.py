"""Duality gaps: never below 0, and closed at the end, wherever there is one."""

import numpy as np
import pytest

from kit.references import regressions, variables
from kit.solving import document, solve


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


def test_the_gap_of_a_logistic_flow_closes() -> None:
    data, _ = regressions.constrained("simplex")
    _, end, _ = solve(document(
        {"A": data["A"], "y": np.where(data["b"] > 0, 1, -1)}, variables={"w": {"shape": [15]}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "logistic", "arg": "A w", "data": "y"}, {"atom": "l1", "arg": "w", "weight": 1.0}],
        policy={"family": "accelerated"}, stop={"maxIterations": 50_000, "gap": 1e-11},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert -1e-13 < end.gap <= 1e-11


def test_a_gap_closes_in_a_frame() -> None:
    _, end, _ = solve(document(
        {"b": np.random.default_rng(4).standard_normal((8, 8))}, variables={"x": {"like": "b"}},
        operators={"W": {"wavelet": {"name": "haar", "levels": 1}}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "W x", "weight": 0.3}],
        stop={"maxIterations": 5000, "gap": 1e-9},
    ))  # fmt: skip
    assert end.gap < 1e-9


def test_a_gap_of_sums_of_operators_on_several_variables() -> None:
    data, best = variables.sum_of_operators()
    point, last, _ = solve(document(
        data, variables={"u": {"shape": [15]}, "v": {"shape": [10]}},
        operators={"A": {"matrix": "A"}, "B": {"matrix": "B"}}, policy={"family": "accelerated"},
        terms=[
            {"atom": "quadratic", "arg": [{"op": "A", "var": "u"}, {"op": "B", "var": "v", "scale": -2}], "data": "y"},
            {"atom": "l1", "arg": "u", "weight": 0.3}, {"atom": "tikhonov", "arg": "v", "weight": 0.2, "as": "prox"},
        ],
        stop={"maxIterations": 50_000, "gap": 1e-9},
    ))  # fmt: skip
    assert last.reason == "Converged"
    assert 0 <= last.gap < 1e-9
    assert abs(last.energy - best["energy"]) < 1e-7
    assert np.allclose(point["u"], best["u"], atol=1e-5)


def test_a_gap_with_a_shifted_norm_as_dual() -> None:
    """l1 alone as g bounds the dual: whether a dual term's conjugate is finite at one point alone is asked of it."""
    _, end, _ = solve(document(
        {"b": [1.0, 2.0, 3.0], "c": [[0.1, 0.1, 0.1]]}, variables={"x": {"like": "b"}},
        operators={"D": {"gradient": {}}, "S": {"scale": {"by": 2}}}, stop={"maxIterations": 2000, "gap": 1e-6},
        terms=[
            {"atom": "quadratic", "arg": "S x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.1},
            {"atom": "norm_l21", "arg": "D x", "data": "c"},
        ],
    ))  # fmt: skip
    assert end.reason == "Converged"
