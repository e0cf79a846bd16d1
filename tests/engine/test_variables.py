"""Several variables, and what is said of those that don't fit."""

import numpy as np
import pytest

from flowapi.errors import DataError, DocumentError
from kit.references import variables
from kit.solving import compiled, document, solve


def test_a_signal_apart_into_steps_and_spikes() -> None:
    """Total variation of u and an l1 of v ≥ 0, against CVXPY."""
    data, best = variables.steps_and_spikes()
    doc = document(
        data, variables={"u": {"like": "b"}, "v": {"like": "b"}},
        terms=[
            {"atom": "quadratic", "arg": [{"var": "u"}, {"var": "v"}], "data": "b"}, {"atom": "tv", "arg": "u", "weight": 0.3},
            {"atom": "l1", "arg": "v", "weight": 0.2}, {"atom": "nonnegative", "arg": "v"},
        ],
        stop={"maxIterations": 50_000, "residual": 1e-10},
    )  # fmt: skip
    point, last, flow = solve(doc)
    assert last.controller == "GREEN"
    assert abs(last.energy - best["energy"]) < 1e-7
    assert np.allclose(point["u"], best["u"], atol=1e-5)
    assert np.allclose(point["v"], best["v"], atol=1e-5)
    assert {one.term.path: one.role.value for one in flow.roles}["flow.terms[1]"] == "dual"


@pytest.mark.parametrize("gradient_first", [True, pytest.param(False, marks=pytest.mark.thorough)])
def test_total_generalised_variation(gradient_first) -> None:
    data, best = variables.generalised_variation()
    apart = [{"op": "D", "var": "u"}, {"var": "v", "scale": -1}]
    point, last, _ = solve(document(
        data, variables={"u": {"like": "b"}, "v": {"shape": [2, 8, 7]}},
        operators={"D": {"gradient": {}}, "E": {"gradient": {"axes": [1, 2]}}},
        terms=[
            {"atom": "quadratic", "arg": "u", "data": "b"},
            {"atom": "norm_l21", "arg": apart if gradient_first else apart[::-1], "weight": 0.2},
            {"atom": "l1", "arg": "E v", "weight": 0.3},
        ],
        stop={"maxIterations": 60_000, "residual": 1e-8},
    ))  # fmt: skip
    assert (last.reason, last.controller) == ("Converged", "GREEN")
    assert abs(last.energy - best["energy"]) / best["energy"] < 1e-6
    assert np.allclose(point["u"], best["u"], atol=1e-4)


def test_consensus_of_two_halves_is_the_whole(rng) -> None:
    """½‖u − a‖² + ½‖v − b‖² + ½w‖u − v‖² has u = ((1 + w)a + wb)/(1 + 2w)."""
    a, b, w = rng.standard_normal(5), rng.standard_normal(5), 3.0
    doc = document(
        {"a": a, "b": b}, variables={"u": {"like": "a"}, "v": {"like": "b"}}, policy={"family": "accelerated"},
        terms=[
            {"atom": "quadratic", "arg": "u", "data": "a"}, {"atom": "quadratic", "arg": "v", "data": "b"},
            {"atom": "consensus", "arg": "u", "with": "v", "weight": w},
        ],
        stop={"maxIterations": 5000, "residual": 1e-13},
    )  # fmt: skip
    point, _, _ = solve(doc)
    assert np.allclose(point["u"], ((1 + w) * a + w * b) / (1 + 2 * w), atol=1e-10)


@pytest.mark.parametrize(
    ("parts", "path", "words"),
    [
        ({"terms": [{"atom": "box", "arg": "x", "lo": 0}], "dtype": "complex128"}, "flow.terms[0].arg", "real"),
        ({"terms": [{"atom": "quadratic", "arg": "x", "data": "c"}]}, "flow.terms[0].data", "complex128"),
        ({"terms": [{"atom": "low_rank", "arg": "x", "with": "z"}]}, "flow.terms[0].with", r"\(m, r\)"),
        ({"terms": [{"atom": "bilinear", "arg": "x", "with": "z"}]}, "flow.terms[0].with", "equal"),
        ({"terms": [{"atom": "orthogonality", "arg": "x"}]}, "flow.terms[0].arg", "reshape"),
        (
            {"terms": [{"atom": "orthogonality", "arg": "z"}, {"atom": "tv", "arg": "z"}]}, "flow.terms[1]", "smooth terms",
        ),
        ({"terms": [{"atom": "quadratic", "arg": "x"}], "policy": {"algorithm": "palm", "step": 0.1}}, "flow.policy.step", "out"),
        (
            {
                "terms": [{"atom": "quadratic", "arg": "x"}, {"atom": "quadratic", "arg": "z"}],
                "policy": {"algorithm": "palm", "preconditioner": "jacobi"},
            },
            "flow.policy.preconditioner", "out",
        ),
        (
            {"terms": [{"atom": "quadratic", "arg": [{"var": "x"}, {"var": "z"}]}]}, "flow.terms[0].arg", "different shapes",
        ),
        ({"terms": [{"atom": "box", "arg": "x", "hi": -1}, {"atom": "nonnegative", "arg": "x"}]}, "flow.terms[1]", "overlap"),
        (
            {"terms": [{"atom": "simplex", "arg": "x", "total": 9.0}, {"atom": "box", "arg": "x", "hi": 0.01}]},
            "flow.terms[1]", "overlap",
        ),
        (
            {
                "terms": [{"atom": "linear", "arg": "z", "costs": "k"}, {"atom": "box", "arg": "z", "lo": 0}],
                "variables": {"z": {"shape": [3, 2]}}, "policy": {"family": "preconditioned"},
            },
            "flow.policy.family", "curvature",
        ),
        (
            {
                "terms": [
                    {"atom": "linear", "arg": "z", "costs": "k", "as": "dual"}, {"atom": "l1", "arg": "z"},
                    {"atom": "huber", "arg": "z"},
                ],
                "variables": {"z": {"shape": [3, 2]}}, "stop": {"gap": 1e-3},
            },
            "flow.stop.gap", "residual",
        ),
        (
            {"terms": [{"atom": "tv", "arg": "x"}], "variables": {"x": {"like": "nothing"}}}, "flow.variables.x", "no entries",
        ),
        (
            {"terms": [{"atom": "quadratic_form", "arg": "x", "matrix": "H"}], "variables": {"x": {"shape": [2]}}},
            "flow.terms[0].matrix", "complex",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(parts, path, words) -> None:
    whole = {"variables": {"x": {"shape": [4]}, "z": {"shape": [3, 2]}}, "stop": {"maxIterations": 5}, **parts}
    more = {"H": np.array([[1, 1j], [-1j, 1]])} if "quadratic_form" in str(parts) else {}
    with pytest.raises((DocumentError, DataError), match=words) as caught:
        compiled(document({"c": 1j * np.ones(4), "k": np.ones((3, 2)), "nothing": np.ones(0), **more}, **whole))
    assert caught.value.path == path
