"""The compiled loop: chunks change no bit, one compile a flow, honest colours."""

import dataclasses
import itertools
from functools import partial

import jax
import numpy as np
import pytest

from flowengine.compiler import stops_of
from flowengine.loop import advance, reopened, rows, snapshot
from flowengine.run import leaves
from kit.solving import carry_of, compiled, document, go, solve, state_bytes

RNG = np.random.default_rng(4)
B = RNG.random((24, 20))


def flow(kind: str, dtype: str = "float64", **stop):
    stop = stop or {"maxIterations": 1_000_000}
    terms = {
        "pdhg": [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.1}],
        "pd3o": [
            {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.1},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        "admm": [
            {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "P x", "weight": 0.1},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        "exact": [
            {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.1},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        "anchored": [
            {"atom": "l1", "arg": "K x", "data": "b"}, {"atom": "l1", "arg": "D x", "weight": 0.1},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        "cosine": [
            {"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.1},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        "pg": [{"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.01}],
        "fista": [{"atom": "huber", "arg": "K x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.01}],
    }[kind.split(maxsplit=1)[0]]  # fmt: skip
    doc = document(
        {"b": B, "k": [[0.1, 0.2], [0.3, 0.4]]}, dtype=dtype, variables={"x": {"like": "b"}},
        operators={"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {}}, "P": {"gradient": {"boundary": "periodic"}}},
        terms=terms, stop=stop,
        certificates={"every": 10}, policy=POLICIES.get(kind, {}),
    )  # fmt: skip
    return compiled(doc)


POLICIES = {
    "fista": {"family": "accelerated"}, "fista searched": {"family": "accelerated", "step": "backtracking"},
    "pg searched": {"step": "backtracking"}, "admm": {"algorithm": "admm"},
    "exact": {"algorithm": "admm"}, "anchored": {"algorithm": "admm"}, "anchored pd3o": {"algorithm": "pd3o"}, "cosine": {"algorithm": "admm"},
    "pdhg fixed": {"step": 0.07}, "pd3o fixed": {"step": 0.07},
}  # fmt: skip
KINDS = [
    "pdhg",
    "pd3o",
    "pg",
    "fista",
    "fista searched",
    "pg searched",
    "admm",
    "exact",
    "anchored",
    "anchored pd3o",
    "cosine",
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_of_any_size_change_no_bit(kind, dtype) -> None:
    one = flow(kind, dtype)
    whole = state_bytes(go(one, carry_of(one), 1_000))
    for chunk in (1, 7, 33, 330):
        carry = carry_of(one)
        for until in range(chunk, 1_000 + chunk, chunk):
            carry = go(one, carry, min(until, 1_000))
        assert state_bytes(carry) == whole


def test_a_restored_carry_is_the_same_and_compiles_nothing() -> None:
    one = flow("pd3o")
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
    one = flow("pdhg", maxIterations=50)
    go(one, carry_of(one), 50)
    before = advance._cache_size()
    other = flow("pdhg", maxIterations=70, residual=1e-5)
    assert int(go(other, carry_of(other), 2**40).k) == 70
    assert advance._cache_size() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_that_cut_a_block_short_moves_no_step_once_it_is_raised(kind) -> None:
    """All but rounding is as without it: the last step before a limit is compiled beside its certificate."""
    whole = flow(kind, maxIterations=120)
    cut = flow(kind, maxIterations=57)
    first = go(cut, carry_of(cut), 2**40)
    assert int(first.k) == 57
    went_on = go(whole, reopened(first, stops_of(whole.document.stop, "float64")), 2**40)
    same = partial(np.allclose, rtol=1e-6, atol=1e-9)
    assert jax.tree.all(jax.tree.map(same, went_on.state, go(whole, carry_of(whole), 2**40).state))


@pytest.mark.parametrize("kind", ["pdhg", "pd3o", "admm", "exact", "anchored", "anchored pd3o", "cosine"])
def test_the_ratio_of_the_steps_moves_within_its_bounds_unless_the_step_is_given(kind) -> None:
    one = flow(kind)
    hypers, state = one.choice.hypers, go(one, carry_of(one), 3_000).state
    seen = {float(go(one, carry_of(one), k).state.tau) for k in [*range(0, 500, 50), *range(500, 3_000, 250)]}
    assert len(seen) > 3
    assert float(hypers.least) <= min(seen) <= max(seen) <= float(hypers.most)
    if kind in ("pdhg", "pd3o"):
        fixed = flow(f"{kind} fixed")
        assert float(go(fixed, carry_of(fixed), 3_000).state.tau) == 0.07
    assert np.isfinite(np.asarray(one.choice.method.point(state))).all()


def test_the_limit_is_met_exactly_and_rows_are_complete() -> None:
    one = flow("pg", maxIterations=57)
    carry = go(one, carry_of(one), 2**40)
    assert snapshot(carry).reason == "IterationLimit"
    assert [row.iteration for row in rows(carry, 0)] == [10, 20, 30, 40, 50, 57]
    assert [row.iteration for row in rows(carry, 4)] == [50, 57]


def test_random_keys_fold_in_the_revision() -> None:
    one = flow("pg")
    first, second = carry_of(one).key, carry_of(one, seed=1).key
    assert not np.array_equal(jax.random.key_data(first), jax.random.key_data(second))


@pytest.mark.parametrize("kind", KINDS)
def test_healthy_flows_turn_green_and_stay_so(kind) -> None:
    one = flow(kind)
    carry = go(one, carry_of(one), 2_000)
    colours = [row.controller for row in rows(carry, 0)]
    assert colours[2:] == ["GREEN"] * (len(colours) - 2)
    energies = [row.energy for row in rows(carry, 0)]
    assert energies[-1] <= energies[0]


def test_an_overlong_step_turns_red_and_ends_as_diverged() -> None:
    doc = document(
        {"b": B}, variables={"x": {"like": "b"}}, operators={"D": {"gradient": {}}},
        terms=[{"atom": "quadratic", "arg": "D x"}, {"atom": "quadratic", "arg": "x", "data": "b"}],
        policy={"step": 3.0}, stop={"maxIterations": 100_000},
    )  # fmt: skip
    x, end, flow_ = solve(doc)
    assert flow_.choice.warnings
    assert (end.reason, end.controller) == ("Diverged", "RED")
    assert not np.all(np.isfinite(x)) or np.abs(x).max() > 1e100


@pytest.mark.parametrize(
    ("kind", "start"),
    [(kind, "level") for kind in ("pdhg", "pd3o", "pg", "fista", "admm")]
    + [(kind, "noise") for kind in ("pdhg", "pd3o", "fista", "admm")],
)
def test_a_start_that_is_far_off_makes_no_residual_small(kind, start) -> None:
    """A millionth of a start at a million is no solution; the answer is that of a start at zero."""
    near = flow(kind, maxIterations=60_000, residual=1e-5)
    away = 1e6 * (RNG.standard_normal(B.shape) if start == "noise" else np.ones_like(B))
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
    one = flow("pg", maxIterations=100_000, residual=1e-12)
    end = snapshot(go(one, carry_of(one), 2**40))
    assert end.reason == "Converged"
    assert end.residual < 1e-12
    assert rows(go(one, carry_of(one), 10), 0)[0].residual > 1e-3


def test_stop_rules_of_now_decide_whether_a_finished_run_goes_on() -> None:
    one = flow("pdhg", maxIterations=5_000, relativeChange=1e-4)
    done = go(one, carry_of(one), 2**40)
    assert snapshot(done).reason == "Converged"
    for stop, goes_on in (
        ({"maxIterations": 5_000, "relativeChange": 1e-4}, False),
        ({"maxIterations": 5_000, "relativeChange": 1e-9}, True),
        ({"maxIterations": int(done.k)}, False),
        ({"residual": 1e-9}, True),
    ):
        stops = stops_of(flow("pdhg", **stop).document.stop, "float64")
        assert (snapshot(reopened(done, stops)).reason is None) == goes_on, stop


def test_a_searched_step_ends_between_its_bounds_and_descends() -> None:
    one = flow("pg searched")
    carry = go(one, carry_of(one), 500)
    steps = [row.step for row in rows(carry, 0)]
    least, bound = float(one.choice.hypers.least), 1 / (2 * float(one.choice.hypers.least))
    assert least <= steps[-1] <= steps[0] <= 8 / bound * 1.01
    energies = [row.energy for row in rows(carry, 0)]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(energies))


@pytest.mark.parametrize("kind", ["pg", "fista"])
def test_a_step_three_times_too_long_turns_red(kind) -> None:
    """Not a stall, not a slow flow: the energy itself explodes, and the gate says so before the numbers overflow."""
    one = flow(kind)
    long = dataclasses.replace(one.choice.hypers, tau=3 * one.choice.hypers.tau)
    carry = dataclasses.replace(carry_of(one), hypers=long)
    colours = []
    for until in range(10, 2_000, 10):
        carry = go(one, carry, until)
        colours.append(snapshot(carry).controller)
        if colours[-1] == "RED":
            break
    assert colours[-1] == "RED"
