"""Flows that a Python function builds."""

import numpy as np
import pytest

from flowapi.errors import DocumentError, DocumentErrors
from flowengine.compiler import explain
from flowengine.loop import rows
from kit.references import regressions
from kit.solving import carry_of, compiled, document, go, solve, state_bytes

DATA, LASSO = regressions.small_lasso()
W = np.linalg.lstsq(DATA["A"], DATA["b"], rcond=None)[0]


def entry(name: str, **parts):
    return document(
        DATA, entrypoint=f"kit.entrypoints:{name}", **{"stop": {"maxIterations": 3000, "residual": 1e-8}, **parts}
    )


def test_an_iteration_of_somebody_else_converges_and_is_watched() -> None:
    point, end, flow = solve(entry("Momentum", params={"rate": 0.02}))
    assert (end.reason, end.controller, flow.choice.method.name) == ("Converged", "GREEN", "entrypoint")
    assert np.abs(point["w"] - W).max() < 1e-7
    assert end.energy < 1e-12
    assert explain(flow) == ["entrypoint: kit.entrypoints:Momentum"]


def test_chunks_change_no_bit() -> None:
    flow = compiled(entry("Momentum", params={"rate": 0.02}, stop={"maxIterations": 95}))
    whole = go(flow, carry_of(flow), 95)
    for size in (1, 7, 33):
        carry = carry_of(flow)
        for until in [*range(size, 95, size), 95]:
            carry = go(flow, carry, until)
        assert state_bytes(carry) == state_bytes(whole)
    assert [row.iteration for row in rows(whole, 0)] == [*range(10, 100, 10), 95]


def test_a_step_too_long_ends_as_diverged() -> None:
    _, end, _ = solve(entry("Momentum", params={"rate": 50.0}))
    assert (end.reason, end.controller) == ("Diverged", "RED")


@pytest.mark.parametrize(("policy", "method"), [({}, "fista"), ({"family": "basic"}, "pg")])
def test_a_problem_is_solved_as_any_other(policy, method) -> None:
    point, end, flow = solve(entry("lasso", params={"lam": 60 * 0.05}, policy=policy))
    assert (end.reason, flow.choice.method.name) == ("Converged", method)
    assert np.abs(point - LASSO["w"]).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "parts", "path", "words"),
    [
        ("nobody", {}, "flow.entrypoint", "has no function `nobody`"),
        ("three", {}, "flow.entrypoint", "without init and step and residual"),
        ("failing", {}, "flow.entrypoint", "KeyError"),
        ("Shrinking", {}, "flow.entrypoint", "another form of state"),
        ("Escaping", {}, "flow.entrypoint", "plain names"),
        ("leaving", {}, "flow.entrypoint", "SystemExit"),
        ("ManyEnergies", {}, "flow.entrypoint", "`energy` returns no single real number"),
        ("problem_with_a_name_that_is_a_path", {}, "flow.entrypoint", "plain names"),
        ("problem_of_another_dtype", {}, "flow.entrypoint", "float32"),
        ("problem_with_a_start_of_another_shape", {}, "flow.entrypoint", "another form"),
        ("Counting", {}, "flow.entrypoint", "point"),
        ("Momentum", {"policy": {"step": 0.1}}, "flow.policy.step", "its own iteration"),
        ("Momentum", {"stop": {"gap": 1e-3}}, "flow.stop.gap", "residual"),
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


@pytest.mark.parametrize("name", ["kit", "kit.build", "../kit:build", "os:system()", ":build", "a b:c"])
def test_names_that_are_none(name) -> None:
    with pytest.raises(DocumentErrors) as caught:
        document(DATA, entrypoint=name, stop={"maxIterations": 1})
    assert caught.value.errors[0].path == "flow.entrypoint"


def test_terms_beside_an_entry_point() -> None:
    with pytest.raises(DocumentErrors) as caught:
        entry("Momentum", terms=[{"atom": "tikhonov", "arg": "x"}])
    assert caught.value.errors[0].path == "flow.terms"
