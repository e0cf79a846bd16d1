"""The exact solver and Halpern's iteration, by themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowengine.problem import Hypers, Problem, Term, Unknown
from flowengine.steps import anchored, by_eigenvectors, counted, reanchored, solved


def problem_of(matrix) -> Problem:
    from flowengine.atoms import Linear, QuadraticForm
    from flowengine.linops import Identity

    values, vectors = np.linalg.eigh(matrix)
    form = QuadraticForm(
        jnp.asarray(1.0), jnp.zeros(len(matrix)), jnp.asarray(vectors), jnp.asarray(values), definite=False, top=1.0
    )
    slope = Linear(jnp.asarray(1.0), jnp.arange(1.0, len(matrix) + 1))
    terms = tuple(Term(atom, Identity(), None, "") for atom in (form, slope))
    return Problem(terms, None, (), jnp.zeros(len(matrix)), (Unknown("x", (len(matrix),)),), "float64")


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), rank=st.integers(0, 6), spread=st.floats(0, 4), rho=st.floats(-4, 4),
    weight=st.floats(-4, 4),
)  # fmt: skip
def test_eigenvectors_solve_whatever_the_ranks_the_units_and_rho(seed, rank, spread, rho, weight) -> None:
    rng = np.random.default_rng(seed)
    units = 10.0 ** rng.uniform(-spread / 2, spread / 2, 6)
    F, K = rng.standard_normal((rank, 6)) * units, rng.standard_normal((7, 6)) * units
    H, P, rho = 10.0**weight * F.T @ F, K.T @ K, 10.0**rho
    problem, right = problem_of(H), rng.standard_normal(6) * units
    spectrum = by_eigenvectors(problem, lambda x: jnp.asarray(P) @ x)
    x = np.asarray(solved(problem, spectrum, jnp.asarray(right), jnp.asarray(rho)))
    wanted = right - np.arange(1.0, 7)
    matrix = H + rho * P
    away, summed = (one / units for one in (matrix @ x - wanted, abs(matrix) @ abs(x)))  # in the units of a gradient
    assert np.linalg.norm(away) < 1e-7 * np.linalg.norm(summed)  # what is rounded: the right side may be far less


def turn(angle: float):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


@pytest.mark.parametrize("angle", [0.05, 0.3, 1.0, 3.0])
def test_anchors_find_the_middle_that_a_rotation_turns_about(angle) -> None:
    """N alone never comes nearer."""
    N, tau = turn(angle), jnp.asarray(1.0)
    hypers = Hypers(tau, (), jnp.asarray(1e-3), jnp.asarray(1e3))
    v = jnp.asarray([1.0, 0.0])
    steps = anchored(hypers, v)
    for k in range(1, 3_001):
        mapped = N @ v
        v = (1 - steps.share) * mapped + steps.share * steps.anchor
        steps = counted(steps)
        if k % 10 == 0:
            moved = jnp.sum((v - steps.anchor) ** 2)
            steps = reanchored(
                steps, v, jnp.linalg.norm(N @ v - v), (moved, moved), (moved, moved), hypers, jnp.asarray(10)
            )
    assert float(jnp.linalg.norm(v)) < 1e-6
    assert float(steps.tau) == pytest.approx(1)  # primal and dual parts moved alike


def test_no_look_changes_no_anchor_and_a_fixed_step_stays() -> None:
    hypers = Hypers(jnp.asarray(2.0), ())
    steps = counted(anchored(hypers, jnp.zeros(3)))
    one, many = jnp.asarray(1.0), jnp.asarray(100.0)
    same = reanchored(steps, jnp.ones(3), one, (one, many), (one, many), hypers, jnp.asarray(0))
    assert jax.tree.all(jax.tree.map(np.array_equal, steps, same))
    moved = reanchored(steps, jnp.ones(3), one, (one, many), (one, many), hypers, jnp.asarray(10))
    assert np.array_equal(moved.anchor, np.ones(3))  # there was none for a third of the run
    assert (float(moved.tau), int(moved.since)) == (2.0, 0)
    balanced = Hypers(jnp.asarray(2.0), (), jnp.asarray(1.0), jnp.asarray(8.0))
    assert float(
        reanchored(steps, jnp.ones(3), one, (many, one), (many, one), balanced, jnp.asarray(10)).tau
    ) == pytest.approx(4)


@pytest.mark.parametrize(
    ("moves", "tau"), [((1.0, 1e4), 0.2), ((1e-30, 1e4), 2.0), ((1e4, 1e-27), 2.0), ((0.0, 1e4), 0.2)]
)
def test_a_move_that_may_be_rounding_moves_no_step(moves, tau) -> None:
    """But one of exactly nothing does: a point that is pinned to its bounds."""
    hypers = Hypers(jnp.asarray(2.0), (), jnp.asarray(0.02), jnp.asarray(200.0))
    steps = counted(anchored(hypers, jnp.zeros(3)))
    primal, dual = (jnp.asarray(one) for one in moves)
    sizes = jnp.asarray(100.0), jnp.asarray(100.0)
    after = reanchored(steps, jnp.ones(3), jnp.asarray(1.0), (primal, dual), sizes, hypers, jnp.asarray(10))
    assert float(after.tau) == pytest.approx(tau)
