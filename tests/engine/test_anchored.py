"""Problems like linear programs that are too large to be solved for exactly, against HiGHS; the map behind them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from flowengine.arithmetic import dot
from flowengine.methods import PD3O, AnchoredPD3O
from kit.solving import carry_of, compiled, document, go, solve

EXACTLY = {"maxIterations": 20_000, "residual": 1e-7}


def test_the_transport_of_one_histogram_to_another_against_highs() -> None:
    """Kantorovich, Doklady Akademii Nauk 37, 1942: min ⟨C, P⟩, rows and columns of P ≥ 0 with given sums."""
    rng, (n, m) = np.random.default_rng(0), (30, 40)
    cost = (np.linspace(0, 1, n)[:, None] - np.linspace(0, 1, m)) ** 2
    a, b = (part / part.sum() for part in (rng.random(n), rng.random(m)))
    plan, end, flow = solve(document(
        {"C": cost, "a": a[:, None], "b": b[None], "right": np.ones((m, 1)), "left": np.ones((1, n))},
        variables={"P": {"like": "C"}},
        operators={"R": {"matrix": {"matrix": "right", "apply": "right"}}, "L": {"matrix": {"matrix": "left", "apply": "left"}}},
        terms=[
            {"atom": "linear", "arg": "P", "costs": "C"}, {"atom": "nonnegative", "arg": "P"},
            {"atom": "box", "arg": "R P", "data": "a", "lo": 0, "hi": 0},
            {"atom": "box", "arg": "L P", "data": "b", "lo": 0, "hi": 0},
        ],
        stop=EXACTLY,
    ))  # fmt: skip
    sums = sparse.vstack([sparse.kron(sparse.eye(n), np.ones((1, m))), sparse.kron(np.ones((1, n)), sparse.eye(m))])
    best = linprog(cost.ravel(), A_eq=sums.tocsr(), b_eq=np.concatenate([a, b]))
    assert isinstance(flow.choice.method, AnchoredPD3O)
    assert (end.reason, end.controller) == ("Converged", "GREEN")  # pd3o without an anchor isn't there after 20,000
    assert abs(end.energy - best.fun) / best.fun < 1e-4
    assert plan.min() == 0


def test_a_sparse_selector_against_highs() -> None:
    """Candès and Tao, Annals of Statistics 35, 2007: min ‖x‖₁ with ‖Aᵀ(b − Ax)‖∞ ≤ λ."""
    rng, n, bound = np.random.default_rng(1), 1100, 0.15
    A = rng.standard_normal((150, n)) / np.sqrt(150)
    b = A[:, :12] @ (3 * rng.standard_normal(12)) + 0.05 * rng.standard_normal(150)
    gram, pulled = A.T @ A, A.T @ b
    _, end, flow = solve(document(
        {"G": gram, "g": pulled}, variables={"x": {"shape": [n]}}, operators={"G": {"matrix": "G"}},
        terms=[{"atom": "l1", "arg": "x"}, {"atom": "box", "arg": "G x", "data": "g", "lo": -bound, "hi": bound}],
        stop={"maxIterations": 20_000, "residual": 1e-6},
    ))  # fmt: skip
    best = linprog(
        np.ones(2 * n), A_ub=np.block([[gram, -gram], [-gram, gram]]), b_ub=np.concatenate([pulled, -pulled]) + bound
    )
    assert isinstance(flow.choice.method, AnchoredPD3O)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert end.iteration < 8_000  # not there after 20,000 without an anchor
    assert abs(end.energy - best.fun) / best.fun < 1e-5


def test_the_smallest_cut_of_a_grid_with_ends_held_in_a_frame_against_highs() -> None:
    """Chambolle, EMMCVPR 2005: min Σ w|u_i − u_j| with sources at 1 and sinks at 0; what is selected is piecewise linear."""
    rng, (n, m) = np.random.default_rng(5), (12, 15)
    number = np.arange(n * m).reshape(n, m)
    sides = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    edges = np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in sides])
    weights = rng.integers(1, 6, len(edges)).astype(float)
    ends = np.r_[number[2:10, 0], number[2:10, -1]]
    _, end, flow = solve(document(
        {"e": edges, "w": weights, "ends": ends, "held": np.repeat([1.0, 0.0], 8)}, variables={"u": {"shape": [n * m], "init": 0.5}},
        operators={"S": {"select": {"indices": "ends"}}},
        terms=[
            {"atom": "graph_tv", "arg": "u", "edges": "e", "weights": "w"},
            {"atom": "box", "arg": "S u", "data": "held", "lo": 0, "hi": 0},
        ],
        policy={"algorithm": "pd3o"}, stop={"maxIterations": 20_000, "residual": 1e-7},
    ))  # fmt: skip
    count, k = n * m, len(edges)
    D = sparse.csr_array(
        (np.r_[np.ones(k), -np.ones(k)], (np.r_[np.arange(k), np.arange(k)], edges.T.ravel())), (k, count)
    )
    held = sparse.csr_array((np.ones(16), (np.arange(16), ends)), (16, count + k))
    eye = sparse.eye_array(k)
    best = linprog(
        np.r_[np.zeros(count), weights], A_ub=sparse.vstack([sparse.hstack([D, -eye]), sparse.hstack([-D, -eye])]),
        b_ub=np.zeros(2 * k), A_eq=held, b_eq=np.repeat([1.0, 0.0], 8), bounds=(None, None),
    )  # fmt: skip
    assert isinstance(flow.choice.method, AnchoredPD3O)
    assert (end.reason, end.controller) == ("Converged", "GREEN")
    assert abs(end.energy - best.fun) < 1e-4 * best.fun


TERMS = {
    "flat": [{"atom": "l1", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "D x", "weight": 0.8}],
    "round": [{"atom": "l1", "arg": "x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.8}],
    "curved": [{"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "l1", "arg": "D x", "weight": 0.8}],
}


@pytest.mark.parametrize(
    ("terms", "dtype", "method"),
    [("flat", "float64", AnchoredPD3O), ("flat", "float32", PD3O), ("round", "float64", PD3O), ("curved", "float64", PD3O)],
)  # fmt: skip
def test_an_anchor_is_set_where_all_terms_are_piecewise_linear(terms, dtype, method) -> None:
    assert isinstance(picture(terms, dtype).choice.method, method)


def picture(terms: str, dtype: str = "float64"):
    rng = np.random.default_rng(2)
    b = np.kron(rng.random((4, 4)), np.ones((10, 10)))
    b[rng.random(b.shape) < 0.3] = 1
    return compiled(document(
        {"b": b}, dtype=dtype, variables={"x": {"like": "b"}}, operators={"D": {"gradient": {}}}, terms=TERMS[terms],
        policy={"algorithm": "pd3o"}, stop={"maxIterations": 10_000},
    ))  # fmt: skip


def test_the_map_is_firmly_nonexpansive_in_its_norm() -> None:
    """‖N(v) − N(w)‖² + ‖(v − N(v)) − (w − N(w))‖² ≤ ‖v − w‖² for points of a run and points at random."""
    flow = picture("flat")
    problem, method, hypers = flow.problem, flow.choice.method, flow.choice.hypers
    one, rng = go(flow, carry_of(flow), 200).state, np.random.default_rng(3)

    def squared(v) -> float:
        x, (y,) = v
        sigma = float(hypers.sigma[0] * hypers.tau / one.tau)
        pulled = problem.dual[0].operator.adjoint(y)
        return float(dot(x, x) / one.tau + dot(y, y) / sigma - 2 * dot(pulled, x))

    def mapped(v):
        new = method.step(problem, hypers, type(one)(one.x, one.y, v, one.steps))
        return new.x, new.y

    def apart(a, b):
        return jax.tree.map(jnp.subtract, a, b)

    for _ in range(20):
        v, w = (jax.tree.map(lambda leaf: leaf + rng.standard_normal(leaf.shape), one.v) for _ in range(2))
        images = apart(mapped(v), mapped(w))
        rest = apart(apart(v, w), images)
        assert squared(images) + squared(rest) <= squared(apart(v, w)) * (1 + 1e-12)
