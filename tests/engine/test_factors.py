"""Couplings that are not linear: factors of a matrix, orthogonality, products; and starts where nothing moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowengine import atoms
from kit.solving import carry_of, compiled, document, go, solve, state_bytes


def factors(policy, mask=None, every=50):
    W, H = np.random.default_rng(1).random((20, 3)), np.random.default_rng(2).random((15, 3))
    data = {"X": W @ H.T} | ({"m": mask} if mask is not None else {})
    start = {"init": 0.5, "spread": 0.1}
    term = {"atom": "low_rank", "arg": "U", "with": "V", "data": "X", **({"mask": "m"} if mask is not None else {})}
    return W @ H.T, document(
        data, seed=1, variables={"U": {"shape": [20, 3], **start}, "V": {"shape": [15, 3], **start}}, policy=policy,
        terms=[term, {"atom": "nonnegative", "arg": "U"}, {"atom": "nonnegative", "arg": "V"}],
        certificates={"every": every}, stop={"maxIterations": 40_000, "residual": 1e-8},
    )  # fmt: skip


@pytest.mark.parametrize(("policy", "method"), [({}, "palm"), ({"algorithm": "pg"}, "pg")])
def test_nonnegative_factors_of_a_matrix_are_found(policy, method) -> None:
    X, doc = factors(policy)
    point, last, flow = solve(doc)
    assert flow.choice.method.name == method
    assert (last.reason, last.controller) == ("Converged", "GREEN")
    assert np.allclose(point["U"] @ point["V"].T, X, atol=1e-5)
    assert min(point["U"].min(), point["V"].min()) >= 0


def test_factors_fill_in_what_a_mask_leaves_out() -> None:
    mask = (np.random.default_rng(3).random((20, 15)) < 0.8).astype(float)
    X, doc = factors({}, mask)
    point, last, _ = solve(doc)
    assert last.controller == "GREEN"
    assert np.abs(point["U"] @ point["V"].T - X).max() < 1e-2


def test_palm_has_the_same_bits_in_chunks_of_any_size() -> None:
    _, doc = factors({}, every=10)
    flow = compiled(doc)
    whole = state_bytes(go(flow, carry_of(flow), 200))
    for size in (1, 7, 33):
        carry = carry_of(flow)
        for until in [*range(size, 200, size), 200]:
            carry = go(flow, carry, until)
        assert state_bytes(carry) == whole


def test_orthogonality_gives_the_nearest_matrix_with_orthonormal_columns() -> None:
    """The polar factor, as the weight grows."""
    M = np.random.default_rng(4).standard_normal((6, 3))
    doc = document(
        {"M": M}, variables={"U": {"like": "M", "init": "M"}},
        terms=[{"atom": "quadratic", "arg": "U", "data": "M"}, {"atom": "orthogonality", "arg": "U", "weight": 1000}],
        stop={"maxIterations": 20_000, "residual": 1e-9},
    )  # fmt: skip
    point, last, flow = solve(doc)
    left, _, right = np.linalg.svd(M, full_matrices=False)
    assert not flow.problem.convex
    assert last.controller == "GREEN"
    assert np.abs(point - left @ right).max() < 2e-3


RNG = np.random.default_rng(0)
COUPLINGS = {
    "low_rank": (atoms.LowRank(jnp.asarray(0.7), jnp.asarray(RNG.standard_normal((4, 3))), None), ((4, 2), (3, 2))),
    "low_rank of vectors": (atoms.LowRank(jnp.asarray(0.7), jnp.asarray(RNG.standard_normal((4, 3))), None), ((4,), (3,))),
    "low_rank with a mask": (
        atoms.LowRank(jnp.asarray(0.7), jnp.asarray(RNG.standard_normal((4, 3))), jnp.asarray(RNG.random((4, 3)))),
        ((4, 2), (3, 2)),
    ),
    "bilinear": (atoms.Bilinear(jnp.asarray(0.7)), ((5,), (5,))),
    "orthogonality": (atoms.Orthogonality(jnp.asarray(0.7)), (4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", COUPLINGS)
def test_gradients_of_couplings_are_those_of_automatic_differentiation(rng, name) -> None:
    atom, shapes = COUPLINGS[name]
    pair = isinstance(shapes[0], tuple)
    z = (
        tuple(jnp.asarray(rng.standard_normal(one)) for one in shapes)
        if pair
        else jnp.asarray(rng.standard_normal(shapes))
    )
    ours, theirs = atom.gradient(z), jax.grad(atom.value)(z)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.allclose(a, b)


@pytest.mark.parametrize(
    ("start", "terms"),
    [
        ({"x": {"shape": [4, 2]}}, [{"atom": "orthogonality", "arg": "x"}]),
        (
            {"x": {"shape": [2], "manifold": "sphere", "init": "e"}},
            [{"atom": "quadratic_form", "arg": "x", "matrix": "P"}],
        ),
        (
            {"u": {"shape": [3, 1]}, "v": {"shape": [4, 1]}},
            [{"atom": "low_rank", "arg": "u", "with": "v", "data": "X"}],
        ),
    ],
    ids=["a maximum", "an eigenvector", "a saddle"],
)
def test_a_start_where_nothing_moves_is_warned_of(start, terms) -> None:
    data = {"P": np.diag([3.0, 1.0]), "e": [1.0, 0.0], "X": np.ones((3, 4))}
    used = {name: value for name, value in data.items() if name in str((start, terms))}
    flow = compiled(document(used, variables=start, terms=terms, stop={"maxIterations": 10}))
    assert any("the gradient is 0 where it starts" in one for one in flow.choice.warnings)
