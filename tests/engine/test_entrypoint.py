"""Flows that a Python function builds."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso
from solve import carry_of, compiled, document, go, solve, state_bytes

from flowapi.errors import DocumentError, DocumentErrors
from flowengine.compiler import explain
from flowengine.loop import rows

RNG = np.random.default_rng(8)
A = RNG.standard_normal((60, 6))
W = RNG.standard_normal(6)
DATA = {"A": A, "b": A @ W}


def entry(name: str, **parts):
    return document(DATA, entrypoint=f"entries:{name}", **{"stop": {"maxIterations": 3000, "residual": 1e-8}, **parts})


def test_an_iteration_of_somebody_else_converges_and_is_watched() -> None:
    point, end, flow = solve(entry("momentum", params={"rate": 0.02}))
    assert (end.reason, end.controller, flow.choice.method.name) == ("Converged", "GREEN", "entrypoint")
    assert np.abs(point["w"] - W).max() < 1e-7
    assert end.energy < 1e-12
    assert explain(flow) == ["entrypoint: entries:momentum"]


def test_chunks_change_no_bit() -> None:
    flow = compiled(entry("momentum", params={"rate": 0.02}, stop={"maxIterations": 95}))
    whole = go(flow, carry_of(flow), 95)
    for size in (1, 7, 33):
        carry = carry_of(flow)
        for until in [*range(size, 95, size), 95]:
            carry = go(flow, carry, until)
        assert state_bytes(carry) == state_bytes(whole)
    assert [row.iteration for row in rows(whole, 0)] == [*range(10, 100, 10), 95]


def test_a_step_too_long_ends_as_diverged() -> None:
    _, end, _ = solve(entry("momentum", params={"rate": 50.0}))
    assert (end.reason, end.controller) == ("Diverged", "RED")


@pytest.mark.parametrize("policy", [{}, {"family": "accelerated"}])
def test_a_problem_is_solved_as_any_other(policy) -> None:
    point, end, flow = solve(entry("lasso", params={"lam": 60 * 0.05}, policy=policy))
    wanted = Lasso(0.05, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(A, A @ W).coef_
    assert (end.reason, flow.choice.method.name) == ("Converged", "fista" if policy else "pg")
    assert np.abs(point - wanted).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "parts", "path", "words"),
    [
        ("nobody", {}, "flow.entrypoint", "has no function `nobody`"),
        ("nothing", {}, "flow.entrypoint", "without init and step and residual"),
        ("failing", {}, "flow.entrypoint", "KeyError"),
        ("twisted", {}, "flow.entrypoint", "another form of state"),
        ("nameless", {}, "flow.entrypoint", "plain names"),
        ("leaving", {}, "flow.entrypoint", "SystemExit"),
        ("many", {}, "flow.entrypoint", "`energy` returns no single real number"),
        ("named", {}, "flow.entrypoint", "plain names"),
        ("single", {}, "flow.entrypoint", "float32"),
        ("formless", {}, "flow.entrypoint", "another form"),
        ("counting", {}, "flow.entrypoint", "point"),
        ("momentum", {"policy": {"step": 0.1}}, "flow.policy.step", "its own iteration"),
        ("momentum", {"stop": {"gap": 1e-3}}, "flow.stop.gap", "residual"),
        ("lasso", {"policy": {"family": "langevin"}, "stop": {"maxIterations": 9}}, "flow.policy", "not sampled"),
    ],
)
def test_what_is_refused(name, parts, path, words) -> None:
    with pytest.raises(DocumentError, match=words) as caught:
        compiled(entry(name, **{"params": {"rate": 0.02, "lam": 1.0}, **parts}))
    assert caught.value.path == path


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(DocumentError, match="PYTHONPATH") as caught:
        compiled(document(DATA, entrypoint="no.such:build", stop={"maxIterations": 1}))
    assert caught.value.path == "flow.entrypoint"


@pytest.mark.parametrize("name", ["entries", "entries.build", "../entries:build", "os:system()", ":build", "a b:c"])
def test_names_that_are_none(name) -> None:
    with pytest.raises(DocumentErrors) as caught:
        document(DATA, entrypoint=name, stop={"maxIterations": 1})
    assert caught.value.errors[0].path == "flow.entrypoint"


def test_terms_beside_an_entry_point() -> None:
    with pytest.raises(DocumentErrors) as caught:
        entry("momentum", terms=[{"atom": "tikhonov", "arg": "x"}])
    assert caught.value.errors[0].path == "flow.terms"
