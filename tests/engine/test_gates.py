"""Honest colours of what is broken: RED before it has ended."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowengine.loop import rows, snapshot
from kit.kinds import CONVEX, B, flow_of
from kit.solving import carry_of, compiled, document, go, solve


def colours(one, carry, limit: int = 3_000) -> list[str]:
    return [row.controller for row in rows(go(one, carry, limit), 0)]


def first_entry_lost(tree: Any) -> Any:
    """With NaN at the first entry of every array."""
    return jax.tree.map(lambda leaf: leaf.at[(0,) * leaf.ndim].set(jnp.nan), tree)


MADE_FROM = {"pg": "x", "fista": "pair", "pdhg": "points", "pd3o": "points", "pd3o anchored": "v", "admm": "y"}
"""The part of a method's state that its next point is made from; `admm` makes it from the copies."""


@pytest.mark.parametrize("kind", CONVEX)
@pytest.mark.parametrize("at", [0, 37, 500])
def test_a_number_that_is_none_turns_red(kind, at) -> None:
    one = flow_of(kind)
    carry = go(one, carry_of(one), at)
    part = MADE_FROM.get(kind) or MADE_FROM[kind.split(maxsplit=1)[0]]
    broken = dataclasses.replace(carry.state, **{part: first_entry_lost(getattr(carry.state, part))})
    end = go(one, dataclasses.replace(carry, state=broken), at + 100)
    assert (snapshot(end).controller, snapshot(end).reason) == ("RED", "Diverged")


@pytest.mark.parametrize("kind", ["pg", "fista", "pd3o"])
@pytest.mark.parametrize("factor", [3.0, 10.0])
def test_a_step_that_is_too_long_turns_red(kind, factor) -> None:
    one = flow_of(kind, policy={"step": factor * float(flow_of(kind).choice.hypers.tau)})
    assert one.choice.warnings
    assert "RED" in colours(one, carry_of(one))


@pytest.mark.parametrize("kind", ["pg", "fista"])
def test_a_step_three_times_too_long_turns_red_before_the_numbers_overflow(kind) -> None:
    """Not a stall, not a slow flow: the energy itself explodes, and the gate says so."""
    one = flow_of(kind)
    carry = carry_of(one)
    carry = dataclasses.replace(carry, hypers=dataclasses.replace(carry.hypers, tau=3 * carry.hypers.tau))
    seen = rows(go(one, carry, 2_000), 0)
    assert "RED" in [row.controller for row in seen if np.isfinite(row.energy)]


def test_a_step_that_is_too_long_ends_as_diverged() -> None:
    doc = document(
        {"b": B}, variables={"x": {"like": "b"}}, operators={"D": {"gradient": {}}},
        terms=[{"atom": "quadratic", "arg": "D x"}, {"atom": "quadratic", "arg": "x", "data": "b"}],
        policy={"step": 3.0}, stop={"maxIterations": 100_000},
    )  # fmt: skip
    x, end, one = solve(doc)
    assert one.choice.warnings
    assert (end.reason, end.controller) == ("Diverged", "RED")
    assert not np.all(np.isfinite(x)) or np.abs(x).max() > 1e100


@pytest.mark.parametrize("factor", [3.0, 10.0])
def test_a_step_that_balances_is_held_to_its_bound(factor) -> None:
    one = flow_of("pd3o")
    carry = carry_of(one)
    steps = dataclasses.replace(carry.state.steps, tau=factor * carry.state.tau)
    end = go(one, dataclasses.replace(carry, state=dataclasses.replace(carry.state, steps=steps)), 3_000)
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


@pytest.mark.parametrize("kind", ["pg", "fista", "pd3o"])
def test_an_adjoint_that_is_none_turns_red(kind) -> None:
    one = flow_of(kind)
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
