"""Problems like linear programs that are too large to be solved for directly, against HiGHS; the map behind them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowengine.arithmetic import dot
from flowengine.methods import AnchoredPD3O
from kit.kinds import flow_of
from kit.references import linear_programs
from kit.solving import carry_of, document, go, solve

EXACTLY = {"maxIterations": 20_000, "residual": 1e-7}


def test_the_transport_of_one_histogram_to_another() -> None:
    data, best = linear_programs.transport()
    plan, end, flow = solve(document(
        data, variables={"P": {"like": "C"}},
        operators={"R": {"matrix": {"matrix": "right", "apply": "right"}}, "L": {"matrix": {"matrix": "left", "apply": "left"}}},
        terms=[
            {"atom": "linear", "arg": "P", "costs": "C"}, {"atom": "nonnegative", "arg": "P"},
            {"atom": "box", "arg": "R P", "data": "a", "lo": 0, "hi": 0},
            {"atom": "box", "arg": "L P", "data": "b", "lo": 0, "hi": 0},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    assert isinstance(flow.choice.method, AnchoredPD3O)
    assert (end.reason, end.controller) == ("Converged", "GREEN")  # pd3o without restarts isn't there after 20,000
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-4
    assert plan.min() == 0


@pytest.mark.thorough
def test_a_sparse_selector() -> None:
    data, best = linear_programs.selector()
    _, end, flow = solve(document(
        data, variables={"x": {"shape": [1100]}}, operators={"G": {"matrix": "G"}},
        terms=[{"atom": "l1", "arg": "x"}, {"atom": "box", "arg": "G x", "data": "g", "lo": -0.15, "hi": 0.15}],
        stop={"maxIterations": 20_000, "residual": 1e-6},
    ))  # fmt: skip
    assert isinstance(flow.choice.method, AnchoredPD3O)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert end.iteration < 8_000  # not there after 20,000 without restarts
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-5


def test_the_smallest_cut_of_a_grid_with_ends_held_in_a_frame() -> None:
    """What is selected is piecewise linear."""
    data, best = linear_programs.cut()
    _, end, flow = solve(document(
        data, variables={"u": {"shape": [180], "init": 0.5}}, operators={"S": {"select": {"indices": "ends"}}},
        terms=[
            {"atom": "graph_tv", "arg": "u", "edges": "e", "weights": "w"},
            {"atom": "box", "arg": "S u", "data": "held", "lo": 0, "hi": 0},
        ],
        policy={"algorithm": "pd3o"}, stop=EXACTLY,
    ))  # fmt: skip
    assert isinstance(flow.choice.method, AnchoredPD3O)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best["energy"]) < 1e-4 * best["energy"]


def test_a_small_transport_problem_with_an_affine_constraint() -> None:
    data, best = linear_programs.small_transport()
    p, end, _ = solve(document(
        data, variables={"P": {"like": "C"}},
        terms=[
            {"atom": "linear", "arg": "P", "costs": "C"}, {"atom": "nonnegative", "arg": "P"},
            {"atom": "affine", "arg": "P", "matrix": "R", "data": "s"},
        ],
        stop={"maxIterations": 400_000, "residual": 1e-10},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert np.abs(p - best["x"]).max() < 1e-7


def test_the_map_of_the_restarted_iteration_is_firmly_nonexpansive_in_its_norm() -> None:
    """‖N(v) − N(w)‖² + ‖(v − N(v)) − (w − N(w))‖² ≤ ‖v − w‖² for points of a run and points at random."""
    flow = flow_of("pd3o anchored")
    problem, method, hypers = flow.problem, flow.choice.method, flow.choice.hypers
    one, rng = go(flow, carry_of(flow), 200).state, np.random.default_rng(3)

    def squared(v):
        x, duals = v
        found = dot(x, x) / one.tau
        for term, y, sigma in zip(problem.dual, duals, hypers.sigma, strict=True):
            found += dot(y, y) / (sigma * hypers.tau / one.tau) - 2 * dot(term.operator.adjoint(y), x)
        return found

    def mapped(v):
        new = method.step(problem, hypers, type(one)(one.x, one.y, v, one.steps))
        return new.x, new.y

    def apart(a, b):
        return jax.tree.map(jnp.subtract, a, b)

    @jax.jit
    def both_sides(v, w):
        images = apart(mapped(v), mapped(w))
        return squared(images) + squared(apart(apart(v, w), images)), squared(apart(v, w))

    for _ in range(20):
        v, w = (jax.tree.map(lambda leaf: leaf + rng.standard_normal(leaf.shape), one.v) for _ in range(2))
        images, points = both_sides(v, w)
        assert images <= points * (1 + 1e-12)
