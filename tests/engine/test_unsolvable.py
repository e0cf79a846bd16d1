"""Problems without a solution are proven to have none, and no others are."""

import numpy as np
import pytest

from flowapi.errors import InfeasibleError, UnboundedError
from flowengine.loop import snapshot
from flowengine.run import unsolvable
from kit.kinds import CONVEX, flow_of
from kit.solving import carry_of, compiled, document, go

INDEFINITE = np.array([[1, 0.3, 0], [0.3, -0.5, 0.2], [0, 0.2, 2.0]])
A = [[1.0, -1, 0], [0, 1, -2]]


def verdict(flow, iterations=1000):
    carry = go(flow, carry_of(flow), iterations)
    return unsolvable.unsolvable(flow, carry, snapshot(carry), "flow")


def test_a_covariance_that_is_indefinite_leaves_the_likelihood_unbounded() -> None:
    """⟨S, X⟩ − log det X falls along the eigenvector of S's eigenvalue below 0."""
    error = verdict(compiled(document(
        {"S": INDEFINITE, "I": np.eye(3)}, variables={"X": {"shape": [3, 3], "init": "I"}},
        terms=[{"atom": "log_det", "arg": "X"}, {"atom": "linear", "arg": "X", "costs": "S"}],
        stop={"maxIterations": 20_000},
    )))  # fmt: skip
    assert isinstance(error, UnboundedError)
    assert (error.code, error.path) == (76, "flow.terms")
    assert "falls without end, as iteration 1000 proves, along +0.96·X[1, 1]" in str(error)


@pytest.mark.parametrize("algorithm", ["admm", pytest.param("pd3o", marks=pytest.mark.thorough)])
def test_a_linear_program_is_unbounded_or_infeasible_or_neither(algorithm) -> None:
    """One program: min ⟨c, x⟩, x ≥ 0, Ax − d within [−3, 2] along rows that differ, or contradict each other."""
    found = []
    for costs, rows, offset in (
        ([-1.0, -1, 0.1], A, [0.0, 0]),
        ([1.0, 1, 0.1], A, [0.0, 0]),
        ([1.0, 1, 0.1], [A[0], A[0]], [0.0, 9]),
    ):
        error = verdict(compiled(document(
            {"A": rows, "c": costs, "d": offset}, variables={"x": {"shape": [3]}}, operators={"A": {"matrix": "A"}},
            terms=[
                {"atom": "linear", "arg": "x", "costs": "c"}, {"atom": "nonnegative", "arg": "x"},
                {"atom": "box", "arg": "A x", "lo": -3, "hi": 2, "data": "d"},
            ],
            policy={"algorithm": algorithm}, stop={"maxIterations": 20_000},
        )))  # fmt: skip
        found.append(type(error))
    assert found == [UnboundedError, type(None), InfeasibleError]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", CONVEX)
def test_nothing_is_proven_of_healthy_flows(monkeypatch, kind) -> None:
    """However far they still are."""
    monkeypatch.setattr(unsolvable, "DOUBTFUL", -1.0)
    monkeypatch.setattr(unsolvable, "FIRST", 10)
    for iterations in (10, 100):
        assert verdict(flow_of(kind), iterations) is None


def test_looks_are_at_absolute_iterations_that_double() -> None:
    looks, k = [], 0
    while k < 9000:
        k = unsolvable.next_due(k)
        looks.append(k)
    assert looks == [1000, 2000, 4000, 8000, 16_000]
    assert [k for k in range(0, 9000, 500) if unsolvable.due(k)] == looks[:4]
    assert unsolvable.next_due(1999) == 2000
