"""What a run that a limit ended says would have helped, by trials on its own problem."""

import numpy as np

from flowengine.loop import snapshot
from flowengine.run.sooner import sooner
from kit.solving import ENDLESS, carry_of, compiled, document, go

FIT, SPARSE = {"atom": "quadratic", "arg": "A w", "data": "b"}, {"atom": "l1", "arg": "w", "weight": 0.5}


def lasso(iterations: int, residual: float = 1e-6, **policy):
    """100 rows, 400 columns of unequal sizes, which plain steps take long for."""
    rng = np.random.default_rng(0)
    A, w = rng.standard_normal((100, 400)) * np.linspace(0.5, 2, 400), np.zeros(400)
    w[:8] = 1
    return document(
        {"A": A, "b": A @ w + 0.1 * rng.standard_normal(100)}, variables={"w": {"shape": [400]}},
        operators={"A": {"matrix": "A"}}, terms=[FIT, SPARSE], policy=policy,
        stop={"maxIterations": iterations, "residual": residual},
    )  # fmt: skip


def ended(doc):
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), ENDLESS)
    now = snapshot(carry)
    assert now.reason == "IterationLimit"
    return flow, now


def test_a_policy_that_is_there_within_as_many_iterations_is_named_with_their_number() -> None:
    (said,) = sooner(*ended(lasso(1_000, family="basic")))
    assert said == "tried on the same problem, `policy: {family: accelerated}` was there after 810 iterations"


def test_where_none_is_there_the_nearest_is_named_with_its_residual() -> None:
    (said,) = sooner(*ended(lasso(1_000, residual=1e-13, family="basic")))
    assert said.startswith("tried on the same problem, `policy: {family: accelerated}` came to a residual of ")
    assert said.endswith(" in 1000 iterations")


def test_nothing_is_named_where_nothing_is_nearer() -> None:
    rng = np.random.default_rng(5)
    doc = document(
        {"b": np.cumsum(rng.standard_normal(400))}, variables={"x": {"like": "b"}},
        terms=[{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "tv", "arg": "x", "weight": 300.0}],
        stop={"maxIterations": 1_000, "residual": 1e-14},
    )  # fmt: skip
    assert sooner(*ended(doc)) == []


def test_a_first_look_is_answered_without_trials(monkeypatch) -> None:
    monkeypatch.setattr("flowengine.run.sooner._tried", None)
    assert sooner(*ended(lasso(100, family="basic"))) == []
