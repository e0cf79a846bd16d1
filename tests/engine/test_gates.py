"""Honest colours: no healthy flow is ever RED, and broken ones are, before they have ended."""

import dataclasses

import jax
import jax.numpy as jnp
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


def random_flow(seed: int, **policy):
    """A problem with a minimum, chosen at random; the policy too, unless one is given."""
    rng = np.random.default_rng(seed)
    fit, penalty = FITS[rng.integers(len(FITS))], PENALTIES[rng.integers(len(PENALTIES))]
    wanted = policy or POLICIES[rng.integers(len(POLICIES))]
    data = {
        "b": rng.random(SHAPE), "k": rng.random((3, 3)) / 9, "m": rng.random(SHAPE) < 0.7, "A": rng.standard_normal((30, 120)),
        "y": rng.standard_normal(30), "s": rng.choice([-1.0, 1.0], 30), "c": rng.integers(0, 6, SHAPE),
    }  # fmt: skip

    def build(policy):
        return compiled(
            document(
                data, dtype=str(rng.choice(["float64", "float32"])), variables={"x": {"shape": list(SHAPE), "init": 0.5}},
                operators=OPERATORS, terms=[fit, *penalty], certificates={"every": 5}, policy=policy,
                stop={"maxIterations": 10_000},
            )
        )  # fmt: skip

    try:
        return build(wanted)
    except DocumentError:  # a searched step, where a dual term has a fixed one
        return build({key: value for key, value in wanted.items() if key != "step"})


@pytest.mark.parametrize("block", range(20))
def test_no_healthy_flow_is_red(block) -> None:
    for seed in range(10 * block, 10 * block + 10):
        try:
            one = random_flow(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        carry = go(one, carry_of(one), 1_000)
        seen = [row.controller for row in rows(carry, 0)]
        assert "RED" not in seen, f"seed {seed}: {one.choice.reasons}"
        assert snapshot(carry).controller == "GREEN"


def colours(one, carry, limit: int = 3_000) -> list[str]:
    return [row.controller for row in rows(go(one, carry, limit), 0)]


METHODS = {
    "pg": [FITS[1], *PENALTIES[0]], "fista": [FITS[1], *PENALTIES[0]], "pd3o": [FITS[0], *PENALTIES[1]],
    "admm": [FITS[0], *PENALTIES[2]], "admm exact": [FITS[0], *PENALTIES[1]],
    "admm anchored": [{"atom": "l1", "arg": "K x", "data": "b"}, *PENALTIES[0]],
    "admm cosine": [FITS[4], *PENALTIES[1]],
    "pd3o anchored": [{"atom": "l1", "arg": "K x", "data": "b"}, *PENALTIES[0]],
}  # fmt: skip


def flow_of(method: str, **policy):
    rng = np.random.default_rng(1)
    data = {
        "b": rng.random(SHAPE),
        "k": rng.random((3, 3)),
        "A": rng.standard_normal((30, 120)),
        "y": rng.standard_normal(30),
    }
    names = {"K", "A", "D", "P"}
    return compiled(
        document(
            data, variables={"x": {"like": "b", "init": "b"}}, certificates={"every": 5},
            policy={"algorithm": method.split(maxsplit=1)[0], **policy}, operators={name: spec for name, spec in OPERATORS.items() if name in names}, terms=METHODS[method],
            stop={"maxIterations": 10_000},
        )
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("at", [0, 37, 500])
def test_a_number_that_is_none_turns_red(method, at) -> None:
    one = flow_of(method)
    carry = go(one, carry_of(one), at)
    point = one.choice.method.point(carry.state)
    broken = jax.tree.map(lambda leaf: leaf.at[(0,) * leaf.ndim].set(jnp.nan) if leaf is point else leaf, carry.state)
    if method == "pd3o":  # its x is one of a pair
        broken = dataclasses.replace(
            broken, points=jax.tree.map(lambda leaf: leaf.at[0, 0].set(jnp.nan), carry.state.points)
        )
    if method == "pd3o anchored":  # its x is made anew from v
        broken = dataclasses.replace(broken, v=jax.tree.map(lambda leaf: leaf.at[0, 0].set(jnp.nan), carry.state.v))
    if method.startswith("admm"):  # its x is made anew from the copies
        broken = dataclasses.replace(broken, y=jax.tree.map(lambda leaf: leaf.at[0, 0].set(jnp.nan), carry.state.y))
    if method == "fista":  # its x is made anew from the extrapolated point
        broken = dataclasses.replace(
            broken, pair=jax.tree.map(lambda leaf: leaf.at[0, 0].set(jnp.nan), carry.state.pair)
        )
    end = go(one, dataclasses.replace(carry, state=broken), at + 100)
    assert (snapshot(end).controller, snapshot(end).reason) == ("RED", "Diverged")


@pytest.mark.parametrize("method", ["pg", "fista", "pd3o"])
@pytest.mark.parametrize("factor", [3.0, 10.0])
def test_a_step_that_is_too_long_turns_red(method, factor) -> None:
    one = flow_of(method, step=factor * float(flow_of(method).choice.hypers.tau))
    assert one.choice.warnings
    assert "RED" in colours(one, carry_of(one))


@pytest.mark.parametrize("factor", [3.0, 10.0])
def test_a_step_that_balances_is_held_to_its_bound(factor) -> None:
    one = flow_of("pd3o")
    carry = carry_of(one)
    longer = dataclasses.replace(
        carry.state, steps=dataclasses.replace(carry.state.steps, tau=factor * carry.state.tau)
    )
    end = go(one, dataclasses.replace(carry, state=longer), 3_000)
    assert float(end.state.tau) <= float(end.hypers.most)
    assert snapshot(end).controller == "GREEN"


class Backwards:
    """An operator whose adjoint has the wrong sign."""

    def __init__(self, inner) -> None:
        self.inner, self.norm = inner, inner.norm

    def apply(self, x):
        return self.inner.apply(x)

    def adjoint(self, y):
        return jax.tree.map(jnp.negative, self.inner.adjoint(y))

    def gram(self, x):
        return self.adjoint(self.apply(x))


jax.tree_util.register_pytree_node(Backwards, lambda one: ((one.inner,), None), lambda _, parts: Backwards(*parts))


@pytest.mark.parametrize("method", ["pg", "fista", "pd3o"])
def test_an_adjoint_that_is_none_turns_red(method) -> None:
    one = flow_of(method)
    wrong = tuple(dataclasses.replace(term, operator=Backwards(term.operator)) for term in one.problem.smooth)
    broken = dataclasses.replace(one, problem=dataclasses.replace(one.problem, smooth=wrong))
    assert "RED" in colours(broken, carry_of(broken))


@pytest.mark.parametrize(
    ("invariant", "colour"), [({"sum": "x"}, "GREEN"), ({"sum": "D x"}, "RED"), ({"norm": "x"}, "RED")]
)
def test_an_invariant_that_drifts_is_red(invariant, colour) -> None:
    """Gradient descent on ½‖∇x‖² keeps the mean; the norm falls, and with it the sum of the differences."""
    doc = document(
        {"b": np.random.default_rng(0).random((8, 9))}, variables={"x": {"like": "b", "init": "b"}},
        operators={"D": {"gradient": {}}}, terms=[{"atom": "gradient", "arg": "x"}],
        certificates={"every": 5, "invariants": [invariant]}, stop={"maxIterations": 100},
    )  # fmt: skip
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), 100)
    drifts = [row.drift for row in rows(carry, 0)]
    assert snapshot(carry).controller == colour
    assert (max(drifts) < 1e-12) == (colour == "GREEN")


def test_invariants_of_every_chain_are_watched() -> None:
    doc = document(
        {}, variables={"q": {"shape": [3], "chains": 5, "spread": 1.0}}, terms=[{"atom": "tikhonov", "arg": "q"}],
        certificates={"every": 5, "invariants": [{"norm": "q", "tolerance": 0.5}]}, policy={"algorithm": "leapfrog", "step": 0.1},
        stop={"maxIterations": 200},
    )  # fmt: skip
    flow = compiled(doc)
    carry = go(flow, carry_of(flow), 200)
    assert snapshot(carry).controller == "RED"
    assert carry.invariants[0].value.shape == (5,)
