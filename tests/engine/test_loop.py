"""The compiled loop: chunks change no bit, one compile a flow, honest colours."""

import dataclasses
import itertools
from functools import partial

import jax
import numpy as np
import pytest

from flowengine.compiler import stops_of
from flowengine.loop import advance, reopened, rows, snapshot
from flowengine.methods import AnchoredPD3O
from flowengine.run import leaves
from kit.kinds import CONVEX, KINDS, B, flow_of
from kit.solving import carry_of, document, go, solve, state_bytes

BALANCED = ["pdhg", "pd3o", "pd3o anchored", "admm", "admm cosine", "admm exact", "admm anchored"]
SINGLE = [
    pytest.param(kind, "float32", marks=() if kind in ("pg", "pd3o") else pytest.mark.thorough) for kind in CONVEX
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_chooses_what_a_kind_says(kind) -> None:
    method, one = flow_of(kind).choice.method, KINDS[kind]
    assert (method.name, getattr(method, "rule", ""), getattr(method, "waves", None)) == (
        one.method,
        one.rule,
        one.waves,
    )
    assert isinstance(method, AnchoredPD3O) == (kind == "pd3o anchored")


def chunked(one, size: int, until: int):
    carry = carry_of(one)
    for end in range(size, until + size, size):
        carry = go(one, carry, min(end, until))
    return carry


@pytest.mark.parametrize(("kind", "dtype"), [*((kind, "float64") for kind in CONVEX), *SINGLE])
def test_chunks_of_any_size_change_no_bit(kind, dtype) -> None:
    one = flow_of(kind, dtype)
    short, whole = (state_bytes(go(one, carry_of(one), until)) for until in (110, 510))
    assert state_bytes(chunked(one, 1, 110)) == short
    for size in (7, 33, 330):
        assert state_bytes(chunked(one, size, 510)) == whole


@pytest.mark.thorough
@pytest.mark.parametrize("size", [1, 3, 10, 97])
@pytest.mark.parametrize("kind", CONVEX)
def test_chunks_of_thousands_of_iterations_change_no_bit(kind, size) -> None:
    one = flow_of(kind)
    assert state_bytes(chunked(one, size, 2_000)) == state_bytes(go(one, carry_of(one), 2_000))


def test_a_restored_carry_is_the_same_and_compiles_nothing() -> None:
    one = flow_of("pd3o")
    carry = go(one, carry_of(one), 100)
    before = advance._cache_size()
    kept = {
        name: leaves.Leaf(leaf.array.copy(), leaf.kind, leaf.weak_type, leaf.impl)
        for name, leaf in leaves.to_leaves(carry).items()
    }
    restored = leaves.to_carry(kept, carry_of(one))
    assert state_bytes(restored) == state_bytes(carry)
    assert state_bytes(go(one, restored, 300)) == state_bytes(go(one, carry, 300))
    assert advance._cache_size() == before


def test_other_stop_rules_compile_nothing() -> None:
    one = flow_of("pdhg", maxIterations=50)
    go(one, carry_of(one), 50)
    before = advance._cache_size()
    other = flow_of("pdhg", maxIterations=70, residual=1e-5)
    assert int(go(other, carry_of(other), 2**40).k) == 70
    assert advance._cache_size() == before


@pytest.mark.parametrize("kind", CONVEX)
def test_a_limit_that_cut_a_block_short_moves_no_step_once_it_is_raised(kind) -> None:
    """All but rounding is as without it: the last step before a limit is compiled beside its certificate."""
    whole = flow_of(kind, maxIterations=120)
    cut = flow_of(kind, maxIterations=57)
    first = go(cut, carry_of(cut), 2**40)
    assert int(first.k) == 57
    went_on = go(whole, reopened(first, stops_of(whole.document.stop, "float64")), 2**40)
    same = partial(np.allclose, rtol=1e-6, atol=1e-9)
    assert jax.tree.all(jax.tree.map(same, went_on.state, go(whole, carry_of(whole), 2**40).state))


@pytest.mark.parametrize("kind", BALANCED)
def test_the_ratio_of_the_steps_moves_within_its_bounds(kind) -> None:
    one = flow_of(kind)
    carry, seen = carry_of(one), set()
    for until in [*range(0, 500, 50), *range(500, 3_000, 250)]:
        carry = go(one, carry, until)
        seen.add(float(carry.state.tau))
    assert len(seen) > 3
    assert float(one.choice.hypers.least) <= min(seen) <= max(seen) <= float(one.choice.hypers.most)
    assert np.isfinite(np.asarray(one.choice.method.point(carry.state))).all()


@pytest.mark.parametrize("kind", ["pdhg", "pd3o"])
def test_a_step_that_is_given_stays(kind) -> None:
    one = flow_of(kind, policy={"step": 0.07})
    assert float(go(one, carry_of(one), 3_000).state.tau) == 0.07


def test_the_limit_is_met_exactly_and_rows_are_complete() -> None:
    one = flow_of("pg", maxIterations=57)
    carry = go(one, carry_of(one), 2**40)
    assert snapshot(carry).reason == "IterationLimit"
    assert [row.iteration for row in rows(carry, 0)] == [10, 20, 30, 40, 50, 57]
    assert [row.iteration for row in rows(carry, 4)] == [50, 57]


def test_random_keys_fold_in_the_revision() -> None:
    one = flow_of("pg")
    first, second = carry_of(one).key, carry_of(one, seed=1).key
    assert not np.array_equal(jax.random.key_data(first), jax.random.key_data(second))


@pytest.mark.parametrize("kind", CONVEX)
def test_healthy_flows_turn_green_and_stay_so(kind) -> None:
    one = flow_of(kind)
    carry = go(one, carry_of(one), 2_000)
    colours = [row.controller for row in rows(carry, 0)]
    assert colours[2:] == ["GREEN"] * (len(colours) - 2)
    energies = [row.energy for row in rows(carry, 0)]
    assert energies[-1] <= energies[0]


@pytest.mark.parametrize(
    ("kind", "start"),
    [(kind, "level") for kind in ("pdhg", "pd3o", "pg", "fista", "admm")]
    + [(kind, "noise") for kind in ("pdhg", "pd3o", "fista", "admm")],
)
def test_a_start_that_is_far_off_makes_no_residual_small(kind, start) -> None:
    """A millionth of a start at a million is no solution; the answer is that of a start at zero."""
    near = flow_of(kind, maxIterations=60_000, residual=1e-5)
    away = 1e6 * (np.random.default_rng(7).standard_normal(B.shape) if start == "noise" else np.ones_like(B))
    far = dataclasses.replace(near, problem=dataclasses.replace(near.problem, init=jax.numpy.asarray(away)))
    found = [near.choice.method.point(go(one, carry_of(one), 60_000).state) for one in (near, far)]
    assert np.linalg.norm(found[0] - found[1]) < 1e-2 * np.linalg.norm(found[0])
    assert snapshot(go(far, carry_of(far), 60_000)).reason == "Converged"


def test_a_solution_at_zero_is_reached_from_afar() -> None:
    """∇f(0) is 0 but for rounding: there it is the start that sets the scale."""
    doc = document(
        {"A": [[0.1], [0.2], [-0.3]], "y": np.ones(3)}, variables={"x": {"shape": [1], "init": 3.0}},
        operators={"A": {"matrix": "A"}}, terms=[{"atom": "logistic", "arg": "A x", "data": "y"}],
        stop={"maxIterations": 20_000, "residual": 1e-8},
    )  # fmt: skip
    x, end, _ = solve(doc)
    assert end.reason == "Converged"
    assert abs(x[0]) < 1e-6


def test_the_residual_means_distance_to_optimality() -> None:
    """At the exact minimiser of a quadratic the residual is rounding; away from it, it is not."""
    one = flow_of("pg", maxIterations=100_000, residual=1e-12)
    end = snapshot(go(one, carry_of(one), 2**40))
    assert end.reason == "Converged"
    assert end.residual < 1e-12
    assert rows(go(one, carry_of(one), 10), 0)[0].residual > 1e-3


def test_stop_rules_of_now_decide_whether_a_finished_run_goes_on() -> None:
    one = flow_of("pdhg", maxIterations=5_000, relativeChange=1e-4)
    done = go(one, carry_of(one), 2**40)
    assert snapshot(done).reason == "Converged"
    for stop, goes_on in (
        ({"maxIterations": 5_000, "relativeChange": 1e-4}, False),
        ({"maxIterations": 5_000, "relativeChange": 1e-9}, True),
        ({"maxIterations": int(done.k)}, False),
        ({"residual": 1e-9}, True),
    ):
        stops = stops_of(flow_of("pdhg", **stop).document.stop, "float64")
        assert (snapshot(reopened(done, stops)).reason is None) == goes_on, stop


def test_a_searched_step_ends_between_its_bounds_and_descends() -> None:
    one = flow_of("pg searched")
    carry = go(one, carry_of(one), 500)
    steps = [row.step for row in rows(carry, 0)]
    least, bound = float(one.choice.hypers.least), 1 / (2 * float(one.choice.hypers.least))
    assert least <= steps[-1] <= steps[0] <= 8 / bound * 1.01
    energies = [row.energy for row in rows(carry, 0)]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(energies))
