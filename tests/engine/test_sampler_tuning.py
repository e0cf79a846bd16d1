"""What a sampler tunes while its outputs burn: the step, and a width for each entry."""

import numpy as np
import pytest

from flowengine.loop import snapshot
from kit.gaussian import gaussian
from kit.solving import carry_of, compiled, document, go, sampled, state_bytes


@pytest.mark.parametrize(
    ("algorithm", "start"),
    [
        ("mala", 30.0),
        ("hmc", 0.0),
        *(pytest.param(*one, marks=pytest.mark.thorough) for one in (("mala", 0.0), ("hmc", 30.0))),
    ],
)
def test_the_step_is_tuned_while_all_outputs_burn(algorithm, start) -> None:
    """In 2,048 dimensions a step that is right among the draws refuses all that begins at the mode, or far from it."""
    one = document(
        {}, seed=3, variables={"x": {"shape": [2048], "init": start}}, terms=[{"atom": "tikhonov", "arg": "x"}],
        policy={"algorithm": algorithm}, outputs=[{"var": "x", "burn": 1500}], stop={"maxIterations": 3000},
    )  # fmt: skip
    flow = compiled(one)
    target = flow.choice.method.kernel.target
    assert flow.choice.method.warm == 1500
    carry = go(flow, carry_of(flow), 1500)
    tuned = state_bytes(carry.state.tuning)
    carry = go(flow, carry, 3000)
    assert state_bytes(carry.state.tuning) == tuned  # never after it
    missed = (
        float(carry.state.acceptance.mean()) - target
    )  # the averaged step refuses less than those that vary about it
    assert -0.15 < missed < 0.3
    assert snapshot(carry).controller == "GREEN"


def test_a_given_step_and_outputs_without_burn_are_left_alone() -> None:
    for outputs, policy in (([{"mean": "x", "burn": 50}], {"step": 0.3}), ([{"mean": "x"}], {})):
        flow = compiled(gaussian(outputs, algorithm="mala", **policy))
        assert flow.choice.method.warm == 0
        assert carry_of(flow).state.tuning is None


def test_a_regression_on_columns_in_their_own_units_has_its_closed_form() -> None:
    """Columns 1, age and income, from a start at 0 that is far off: the posterior is N((AᵀA)⁻¹Aᵀb, (AᵀA)⁻¹)."""
    rng = np.random.default_rng(0)
    columns = np.c_[np.ones(200), rng.normal(40, 10, 200), rng.normal(50_000, 15_000, 200)]
    b = columns @ [2.0, 0.1, 1e-4] + rng.standard_normal(200)
    outputs = [{kind: "w", "burn": 1000} for kind in ("mean", "var", "ess", "rhat")]
    found, last = sampled(document(
        {"A": columns, "b": b}, seed=1, variables={"w": {"shape": [3], "chains": 4}}, operators={"X": {"matrix": "A"}},
        terms=[{"atom": "quadratic", "arg": "X w", "data": "b"}], policy={"algorithm": "hmc"}, outputs=outputs,
        stop={"maxIterations": 5000},
    ))  # fmt: skip
    covariance = np.linalg.inv(columns.T @ columns)
    variance = np.diag(covariance)
    assert last.controller == "GREEN"
    assert (np.abs(found["w_mean"] - covariance @ (columns.T @ b)) < 4 * np.sqrt(variance / found["w_ess"])).all()
    assert np.allclose(found["w_var"], variance, rtol=4 * np.sqrt(2 / found["w_ess"].min()))
    assert (found["w_rhat"] < 1.01).all()
    assert (found["w_ess"] > 1000).all()
