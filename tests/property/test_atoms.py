"""Every atom: Moreau's identity, firm non-expansiveness, no better point, Fenchel and Young, gradients and their bounds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import wrightomega

from flowengine import atoms, linops
from flowengine.arithmetic import dot, scale
from flowengine.atoms import L1, Cardinality, Interval, NormL21, Quadratic, merge, merges
from flowengine.atoms.entropy import wright_omega
from flowengine.storage import Components, Packed, entrywise, logical

SHAPE = (3, 4)


def s(value):
    return jnp.asarray(value, jnp.float64)


RNG = np.random.default_rng(1)
DATA = jnp.asarray(RNG.standard_normal(SHAPE))
COUNTS = jnp.asarray(RNG.integers(0, 5, SHAPE).astype(float))
SIGNS = jnp.asarray(np.where(RNG.random(SHAPE) < 0.5, -1.0, 1.0))
LABELS = jnp.asarray(np.eye(4)[RNG.integers(0, 4, 3)])
ROWS = RNG.standard_normal((2, 12))
GROUPS = jnp.asarray(RNG.integers(0, 3, 12))
SQUARE = RNG.standard_normal((12, 12))
VALUES, VECTORS = np.linalg.eigh(SQUARE @ SQUARE.T)
FRAME = linops.Matrix(jnp.asarray(2 * np.linalg.qr(SQUARE)[0]), "ravel", SHAPE, 2.0)
FORM = atoms.QuadraticForm(
    s(0.7), DATA, jnp.asarray(VECTORS), jnp.asarray(VALUES), definite=True, top=float(VALUES[-1])
)

ONE = {
    "quadratic": Quadratic(s(0.7), DATA),
    "quadratic_form": FORM,
    "huber": atoms.Huber(s(0.7), DATA, s(0.4)),
    "poisson": atoms.Poisson(s(0.7), COUNTS),
    "kullback_leibler": atoms.KullbackLeibler(s(0.7), COUNTS),
    "logistic": atoms.Logistic(s(3.0), SIGNS),
    "hinge": atoms.Hinge(s(0.7), SIGNS),
    "pinball": atoms.Pinball(s(0.7), DATA, s(0.2)),
    "linear": atoms.Linear(s(0.7), DATA),
    "l1": L1(s(0.4), DATA),
    "l1, weighted": atoms.WeightedL1(s(0.4), jnp.abs(DATA) + 0.1, DATA, covered=True),
    "l1, weighted, one free": atoms.WeightedL1(s(0.4), jnp.abs(DATA).at[0, 0].set(0), DATA, covered=False),
    "norm_l21 rows": NormL21(s(0.8), (1,)),
    "norm_l21 columns": NormL21(s(0.8), (0,)),
    "groups": atoms.GroupNorm(s(0.8), GROUPS, jnp.asarray([1.0, 0.5, 2.0, 0.0]), 3, covered=True),
    "groups, one free": atoms.GroupNorm(s(0.8), GROUPS, jnp.asarray([1.0, 0.0, 2.0, 0.0]), 3, covered=False),
    "nuclear": atoms.Nuclear(s(0.8)),
    "box": Interval(s(-0.5), s(0.75)),
    "nonnegative": Interval(s(0.0), s(jnp.inf)),
    "simplex": atoms.Simplex(s(2.0), None),
    "simplex of columns": atoms.Simplex(s(2.0), 0),
    "l1_ball": atoms.L1Ball(s(1.5)),
    "l2_ball": atoms.L2Ball(s(1.5), DATA),
    "l2_balls of columns": atoms.BlockBalls(NormL21(s(1.5), (0,))),
    "knapsack": atoms.Knapsack(jnp.abs(DATA), s(1.0)),
    "affine": atoms.Affine(jnp.asarray(ROWS), jnp.asarray(np.linalg.pinv(ROWS)), jnp.asarray([1.0, -2.0])),
    "negative_entropy": atoms.NegativeEntropy(s(0.7)),
    "relative_entropy": atoms.RelativeEntropy(s(0.7), COUNTS + 0.5),
    "log_barrier": atoms.LogBarrier(s(0.7)),
    "norm_l21 of a difference": atoms.Shifted(NormL21(s(0.8), (1,)), DATA),
    "box around data": atoms.Shifted(Interval(s(-0.5), s(0.75)), DATA),
}
FRAMED = {
    "l1 in a frame": atoms.Framed(L1(s(0.4), jnp.zeros(12)), FRAME, 4.0, square=True),
    "groups of some entries": atoms.Framed(NormL21(s(0.8), (0,)), linops.Slice(0, 0, 2, 1, SHAPE), 1.0, square=False),
}
NONNEGATIVE = ONE["nonnegative"]
MERGED = {
    "quadratic + l1": [Quadratic(s(0.7), DATA), L1(s(0.4), 2 * DATA)],
    "l1 + box": [L1(s(0.4), DATA), ONE["box"]],
    "quadratic + l1 + box": [Quadratic(s(2.0), DATA), L1(s(0.4), DATA), Interval(s(0.0), s(1.0))],
    "nonnegative + norm_l21": [NONNEGATIVE, ONE["norm_l21 rows"]],
    "groups + nonnegative": [ONE["groups"], NONNEGATIVE],
    "l1 + norm_l21": [L1(s(0.4), s(0.0)), ONE["norm_l21 rows"]],
    "l1 + nonnegative + groups": [L1(s(0.4), s(0.0)), NONNEGATIVE, ONE["groups"]],
    "quadratic + l1 + norm_l21": [Quadratic(s(0.7), DATA), L1(s(0.4), s(0.0)), ONE["norm_l21 columns"]],
    "two intervals": [ONE["box"], NONNEGATIVE],
    **{f"quadratic + {name}": [Quadratic(s(0.7), DATA), atom] for name, atom in ONE.items() if name != "quadratic"},
}
ATOMS = ONE | FRAMED | {name: merge(parts) for name, parts in MERGED.items()}
FINITE = [name for name in ATOMS if getattr(ATOMS[name], "dual_domain", "part") == "whole"]
BALLS = [name for name in ATOMS if ATOMS[name].dual_domain == "ball"]
SMOOTH = {name: atom for name, atom in ONE.items() if atom.smooth}
points = st.integers(0, 2**32 - 1).map(lambda seed: jnp.asarray(3 * np.random.default_rng(seed).standard_normal(SHAPE)))
steps = st.floats(0.05, 20).map(s)


def projected(atom, z, step):
    """A point of the domain near z: the prox of what only constrains, and of each part of a sum that does."""
    parts = [atom.interval, atom.other] if isinstance(atom, atoms.Merged) else [atom]
    for part in parts:
        if part is not None and part.indicator:
            z = part.prox(z, step)
    return jnp.abs(z) + 1e-9 if any(isinstance(part, POSITIVE) for part in parts) else z


POSITIVE = atoms.Poisson | atoms.NegativeEntropy | atoms.RelativeEntropy | atoms.LogBarrier


def test_the_merges_are_those_of_the_table() -> None:
    assert all(merges(parts) for parts in MERGED.values())
    assert not merges([ONE["box"], ONE["norm_l21 rows"]])
    assert not merges([ONE["l1"], ONE["nuclear"]])
    assert not merges([ONE["l1"], ONE["groups"]])  # around data
    assert merges([NONNEGATIVE, Cardinality(3)])
    assert not merges([ONE["box"], Cardinality(3)])
    assert not merges([ONE["l1"], ONE["l1"]])
    assert not merges([ONE["nuclear"], NONNEGATIVE])
    assert not merges([ONE["quadratic"], ONE["quadratic"]])


@pytest.mark.parametrize("name", ATOMS)
@settings(max_examples=15, deadline=None)
@given(points, points, steps)
def test_prox_is_firmly_nonexpansive(name, u, v, step) -> None:
    atom = ATOMS[name]
    p, q = atom.prox(u, step), atom.prox(v, step)
    assert dot(p - q, p - q) <= dot(p - q, u - v) + 1e-8


@pytest.mark.parametrize("name", ONE)
@settings(max_examples=10, deadline=None)
@given(points, steps)
def test_moreau(name, u, step) -> None:
    atom = ATOMS[name]
    conjugate = atom.prox_conjugate(u, step)
    assert np.allclose(u, conjugate + step * atom.prox(u / step, 1 / step), atol=1e-9)


@pytest.mark.parametrize("name", ATOMS)
@settings(max_examples=12, deadline=None)
@given(points, steps, st.integers(0, 2**32 - 1))
def test_no_feasible_point_is_better(name, v, step, seed) -> None:
    atom = ATOMS[name]
    best = atom.prox(v, step)
    assert np.allclose(projected(atom, best, step), best, atol=1e-8)

    def objective(z):
        return 0.5 * dot(z - v, z - v) + step * atom.value(z)

    rng = np.random.default_rng(seed)
    for size in (1e-4, 1e-2, 1.0):
        other = projected(atom, best + size * jnp.asarray(rng.standard_normal(SHAPE)), step)
        assert objective(best) <= objective(other) + 1e-8


@pytest.mark.parametrize("name", ATOMS)
@settings(max_examples=12, deadline=None)
@given(points, points, steps)
def test_fenchel_young(name, u, v, step) -> None:
    """ψ(z) + ψ*(y) ≥ ⟨y, z⟩ on the domains, with equality at a prox pair."""
    atom = ATOMS[name]
    z = atom.prox(u, step)
    y = (u - z) / step
    assert np.isclose(atom.value(z) + atom.conjugate(y), dot(y, z), rtol=1e-8, atol=1e-7)
    other = atom.prox(v, step)
    assert atom.value(other) + atom.conjugate(y) >= dot(y, other) - 1e-7


@pytest.mark.parametrize("name", FINITE)
@settings(max_examples=12, deadline=None)
@given(points, points, steps)
def test_a_conjugate_that_is_said_to_be_finite_is_so_and_bounds(name, y, v, step) -> None:
    atom = ATOMS[name]
    z = atom.prox(v, step)
    assert np.isfinite(atom.conjugate(y))
    assert atom.value(z) + atom.conjugate(y) >= dot(y, z) - 1e-7


@pytest.mark.parametrize("name", BALLS)
@settings(max_examples=12, deadline=None)
@given(points, points, steps)
def test_a_point_shrunk_to_the_ball_bounds(name, y, v, step) -> None:
    atom = ATOMS[name]
    whole = atom if isinstance(atom, atoms.Merged) else merge([atom])
    z, y = atom.prox(v, step), whole.shrink(y) * y
    assert whole.value(z) + whole.conjugate(y) >= dot(y, z) - 1e-7
    assert whole.shrink(0.999 * y) == 1


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=15, deadline=None)
@given(points, points)
def test_gradients_and_their_lipschitz_constants(name, u, v) -> None:
    atom = SMOOTH[name]
    if isinstance(atom, POSITIVE):
        u, v = jnp.abs(u) + 0.01, jnp.abs(v) + 0.01
    assert np.allclose(atom.gradient(u), jax.grad(atom.value)(u), atol=1e-9)
    turned, bound = atom.gradient(u) - atom.gradient(v), atom.lipschitz * (1 + 1e-6)
    assert bound == np.inf or jnp.sqrt(dot(turned, turned)) <= bound * jnp.sqrt(dot(u - v, u - v)) + 1e-9


@settings(max_examples=20, deadline=None)
@given(points, points)
def test_cross_entropy(u, v) -> None:
    atom = atoms.CrossEntropy(s(0.7), LABELS)
    assert np.allclose(atom.gradient(u), jax.grad(atom.value)(u), atol=1e-9)
    turned = atom.gradient(u) - atom.gradient(v)
    assert dot(turned, turned) <= atom.lipschitz**2 * dot(u - v, u - v) + 1e-9
    y = atom.gradient(u)
    assert np.isclose(atom.value(u) + atom.conjugate(y), dot(y, u), atol=1e-9)
    assert atom.value(v) + atom.conjugate(y) >= dot(y, v) - 1e-9


squares = st.integers(0, 2**32 - 1).map(
    lambda seed: jnp.asarray(3 * np.random.default_rng(seed).standard_normal((4, 4)))
)
SPECTRAL = {
    "log_det": atoms.LogDet(s(0.7)),
    "semidefinite": atoms.Semidefinite(),
    "quadratic + log_det": merge([Quadratic(s(0.7), jnp.asarray(RNG.standard_normal((4, 4)))), atoms.LogDet(s(0.7))]),
}


@pytest.mark.parametrize("name", SPECTRAL)
@settings(max_examples=20, deadline=None)
@given(squares, squares, steps)
def test_atoms_of_eigenvalues(name, u, v, step) -> None:
    """Firmly non-expansive, no better point, Fenchel and Young, and the eigenvalues that a prox must leave."""
    atom = SPECTRAL[name]
    p, q = atom.prox(u, step), atom.prox(v, step)
    assert dot(p - q, p - q) <= dot(p - q, u - v) + 1e-8
    assert np.linalg.eigvalsh((p + p.T) / 2)[0] > -1e-12
    y = (u - p) / step
    assert np.isclose(atom.value(p) + atom.conjugate(y), dot(y, p), rtol=1e-8, atol=1e-7)
    assert atom.value(q) + atom.conjugate(y) >= dot(y, q) - 1e-7
    for size in (1e-4, 1e-2, 1.0):
        other = p + size * (q - p)
        change = 0.5 * dot(other - u, other - u) + step * atom.value(other)
        assert 0.5 * dot(p - u, p - u) + step * atom.value(p) <= change + 1e-8


@settings(max_examples=20, deadline=None)
@given(squares)
def test_the_gradient_of_log_det(u) -> None:
    atom, inside = SPECTRAL["log_det"], u @ u.T + 0.1 * jnp.eye(4) + (u - u.T)
    assert np.allclose(atom.gradient(inside), jax.grad(atom.value)(inside), atol=1e-9)
    assert np.isclose(atom.value(inside), -0.7 * np.linalg.slogdet((inside + inside.T) / 2)[1])
    assert atom.value(-inside) == jnp.inf


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_cardinality_keeps_the_best_of_all_supports(seed, count) -> None:
    v = jnp.asarray(np.random.default_rng(seed).standard_normal((2, 3)))
    kept = np.asarray(Cardinality(count).prox(v, s(1.0))).ravel()
    flat = np.asarray(v).ravel()
    best = min(sum(flat[i] ** 2 for i in range(6) if i not in support) for support in supports_of(count))
    assert np.count_nonzero(kept) <= count
    assert np.isclose(((kept - flat) ** 2).sum(), best)
    above, positive = np.maximum(flat, 0), np.asarray(merge([NONNEGATIVE, Cardinality(count)]).prox(v, s(1.0))).ravel()
    best = min(((flat - np.where(np.isin(range(6), support), above, 0)) ** 2).sum() for support in supports_of(count))
    assert np.count_nonzero(positive) <= count
    assert (positive >= 0).all()
    assert np.isclose(((positive - flat) ** 2).sum(), best)


def supports_of(count: int):
    return itertools.combinations(range(6), count)


def test_wrights_omega() -> None:
    x = np.concatenate([np.linspace(-30, 30, 601), [-700.0, 1.0, 1e2, 1e4, 1e6]])
    assert np.allclose(wright_omega(jnp.asarray(x)), wrightomega(x), rtol=1e-13)


@pytest.mark.parametrize("storage", [Packed, Components])
@settings(max_examples=20, deadline=None)
@given(points, points, steps)
def test_storage_changes_nothing(storage, u, v, step) -> None:
    """Stored components and the logical array have the same prox, value and inner product."""
    stored, plain = storage.of((u, v)), jnp.stack([u, v])
    for atom in (
        NormL21(s(0.8), (0,)),
        atoms.BlockBalls(NormL21(s(0.8), (0,))),
        NormL21(s(0.8), (1,)),
        Interval(s(-0.5), s(0.75)),
    ):
        assert np.allclose(logical(atom.prox(stored, step)), atom.prox(plain, step))
        assert np.allclose(logical(atom.prox_conjugate(stored, step)), atom.prox_conjugate(plain, step))
        assert np.isclose(atom.value(stored), atom.value(plain))
    data = entrywise(jnp.sin, stored)
    assert np.allclose(logical(L1(s(0.4), data).prox(stored, step)), L1(s(0.4), jnp.sin(plain)).prox(plain, step))
    assert np.isclose(dot(stored, scale(stored, 2.0)), 2 * jnp.sum(plain**2))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(stored))
