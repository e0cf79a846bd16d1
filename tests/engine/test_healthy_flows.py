"""No healthy flow is ever RED, and all are GREEN in the end."""

import numpy as np
import pytest

from flowapi.errors import DocumentError
from flowengine.loop import rows, snapshot
from kit.solving import carry_of, compiled, document, go

SHAPE = (12, 10)
OPERATORS = {
    "K": {"conv": {"kernel": "k"}}, "Z": {"conv": {"kernel": "k", "boundary": "zero"}}, "A": {"matrix": "A"},
    "M": {"mask": "m"}, "D": {"gradient": {}}, "P": {"gradient": {"boundary": "periodic"}},
}  # fmt: skip
FITS = [
    {"atom": "quadratic", "arg": "K x", "data": "b"},
    {"atom": "quadratic", "arg": "A x", "data": "y"},
    {"atom": "huber", "arg": "Z x", "data": "b", "delta": 0.1},
    {"atom": "quadratic", "arg": "M x", "data": "b"},
    {"atom": "quadratic", "arg": "x", "data": "b"},
    {"atom": "logistic", "arg": "A x", "data": "s"},
    {"atom": "kullback_leibler", "arg": "x", "data": "c"},
    {"atom": "l1", "arg": "K x", "data": "b"},
]
PENALTIES = [
    [{"atom": "l1", "arg": "x", "weight": 0.05}],
    [{"atom": "tv", "arg": "x", "weight": 0.05}],
    [{"atom": "norm_l21", "arg": "P x", "weight": 0.05}],
    [{"atom": "tikhonov", "arg": "x", "weight": 0.1}],
    [{"atom": "box", "arg": "x", "lo": 0, "hi": 1}],
    [{"atom": "nuclear", "arg": "x", "weight": 0.1}],
    [{"atom": "simplex", "arg": "x", "total": 3.0}, {"atom": "gradient", "arg": "x", "weight": 0.1}],
    [{"atom": "tv", "arg": "x", "weight": 0.05}, {"atom": "nonnegative", "arg": "x"}],
    [{"atom": "l1", "arg": "P x", "weight": 0.05}, {"atom": "l2_ball", "arg": "x", "radius": 4.0}],
]
POLICIES = [{}, {"family": "accelerated"}, {"family": "accelerated", "step": "backtracking"}, {"step": "backtracking"}]


DTYPES = ["float64", "float32"]
STRUCTURES = [  # every value with every policy or dtype somewhere, not every pair
    (number % 8, (5 * number + number // 9) % 9, (number + number // 4) % 4, (number + number // 8) % 2) for number in range(12)
]  # fmt: skip
ALIKE = 17


def drawn(rng) -> dict[str, np.ndarray]:
    return {
        "b": rng.random(SHAPE), "k": rng.random((3, 3)) / 9, "m": rng.random(SHAPE) < 0.7, "A": rng.standard_normal((30, 120)),
        "y": rng.standard_normal(30), "s": rng.choice([-1.0, 1.0], 30), "c": rng.integers(0, 6, SHAPE),
    }  # fmt: skip


def flow(data, terms, policy, dtype):
    def build(policy):
        return compiled(document(
            data, dtype=dtype, variables={"x": {"shape": list(SHAPE), "init": 0.5}}, operators=OPERATORS, terms=terms,
            certificates={"every": 5}, policy=policy, stop={"maxIterations": 10_000},
        ))  # fmt: skip

    try:
        return build(policy)
    except DocumentError:  # a searched step, where a dual term has a fixed one
        return build({key: value for key, value in policy.items() if key != "step"})


def assert_healthy(one, which: str) -> None:
    carry = go(one, carry_of(one), 1_000)
    assert "RED" not in [row.controller for row in rows(carry, 0)], f"{which}: {one.choice.reasons}"
    assert snapshot(carry).controller == "GREEN", which


@pytest.mark.parametrize(("fit", "penalty", "policy", "dtype"), STRUCTURES)
def test_no_flow_of_this_structure_is_red_whatever_its_data(fit, penalty, policy, dtype) -> None:
    """One program for all of them: what is compiled depends on the operators, not on the data beside them."""
    fixed = drawn(np.random.default_rng([fit, penalty, policy, dtype]))
    for seed in range(ALIKE):
        data = drawn(np.random.default_rng(seed)) | {name: fixed[name] for name in ("k", "A")}
        one = flow(data, [FITS[fit], *PENALTIES[penalty]], POLICIES[policy], DTYPES[dtype])
        assert_healthy(one, f"data of seed {seed}")


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(200))
def test_no_flow_of_any_structure_is_red(seed) -> None:
    rng = np.random.default_rng(seed)
    fit, penalty = FITS[rng.integers(len(FITS))], PENALTIES[rng.integers(len(PENALTIES))]
    policy = POLICIES[rng.integers(len(POLICIES))]
    data = drawn(rng)
    assert_healthy(flow(data, [fit, *penalty], policy, str(rng.choice(DTYPES))), f"seed {seed}")
