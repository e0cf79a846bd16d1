"""`admm` with factors of banded equations: series, and what couples neighbours of several variables; against others."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from kit.references import signals
from kit.solving import carry_of, compiled, document, go, solve, state_bytes

FIT = {"atom": "quadratic", "arg": "x", "data": "b"}
INNER = {"L": {"laplacian": {}}, "S": {"select": {"axis": 0, "start": 1, "stop": 1199}}}


def trend(**parts):
    data, best = signals.trend_inside_a_series()
    return document(
        data, variables={"x": {"like": "b"}}, operators=INNER,
        terms=[FIT, {"atom": "l1", "arg": "S L x", "weight": 50.0}], **parts,
    ), best  # fmt: skip


def test_a_trend_without_its_borders_is_no_transform_but_has_bands() -> None:
    doc, best = trend(stop={"maxIterations": 6_000, "residual": 1e-6})
    x, end, flow = solve(doc)
    assert (flow.choice.method.name, flow.choice.method.banded) == ("admm", True)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-5
    assert np.abs(x - best["x"]).max() < 1e-2


def test_a_run_that_was_cut_has_the_same_factors() -> None:
    b = 7 + np.cumsum(0.01 * np.random.default_rng(0).standard_normal(600))
    flow = compiled(document(
        {"b": b}, variables={"x": {"like": "b"}}, operators=INNER | {"S": {"select": {"axis": 0, "start": 1, "stop": 599}}},
        terms=[FIT, {"atom": "l1", "arg": "S L x", "weight": 50.0}], stop={"maxIterations": 400},
    ))  # fmt: skip
    whole, cut = go(flow, carry_of(flow), 400), carry_of(flow)
    for until in (7, 20, 33, 250, 400):
        cut = go(flow, cut, until)
    assert float(whole.state.spectrum.rho) != 1  # they were made again on the way
    assert state_bytes(cut) == state_bytes(whole)


@pytest.mark.parametrize(("boundary", "arg", "banded"), [("neumann", "D x", False), ("periodic", "S D x", True)])
def test_an_isotonic_trend_is_that_of_pooled_neighbours(boundary, arg, banded) -> None:
    """Best, Chakravarti and Ubhaya, SIAM Journal on Optimization 10, 2000; `pd3o` takes 40,000 iterations."""
    n = 2_000
    b = 3 * np.sqrt(np.arange(n) / n) + 0.3 * np.random.default_rng(1).standard_normal(n)
    x, end, flow = solve(document(
        {"b": b}, variables={"x": {"like": "b"}},
        operators={"D": {"gradient": {"boundary": boundary}}, "S": {"select": {"axis": 1, "stop": n - 1}}},
        terms=[FIT, {"atom": "nonnegative", "arg": arg}], stop={"maxIterations": 2_000, "residual": 1e-8},
    ))  # fmt: skip
    assert (flow.choice.method.name, flow.choice.method.banded) == ("admm", banded)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert end.iteration < 1_000
    assert np.abs(x - isotonic_regression(b).x).max() < 1e-5


def test_generalised_total_variation_of_two_variables() -> None:
    """Bredies, Kunisch and Pock, SIAM Journal on Imaging Sciences 3, 2010, with all derivatives of the field."""
    data, best = signals.ramps_and_an_edge()
    x, end, flow = solve(document(
        data, variables={"u": {"like": "b"}, "w": {"shape": [2, 20, 20]}},
        operators={"D": {"gradient": {}}, "J": {"gradient": {"axes": [1, 2]}}},
        terms=[
            {"atom": "quadratic", "arg": "u", "data": "b"},
            {"atom": "norm_l21", "arg": [{"op": "D", "var": "u"}, {"var": "w", "scale": -1}], "weight": 0.1},
            {"atom": "norm_l21", "arg": "J w", "axis": [0, 1], "weight": 0.2},
        ],
        policy={"algorithm": "admm"}, stop={"maxIterations": 3_000, "residual": 1e-4},
    ))  # fmt: skip
    assert flow.choice.method.banded
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-5
    assert np.abs(x["u"] - best["u"]).max() < 1e-2
