"""Every manifold: tangent spaces, gradients in its metric, retractions, and the nearest point."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowengine.atoms import L1, Cardinality, Interval, embed
from flowengine.steps import MANIFOLDS

SHAPES = {"euclidean": (3, 2), "sphere": (3, 2), "stiefel": (5, 3), "spd": (4, 4)}
seeds = st.integers(0, 2**32 - 1)
CASES = [
    (name, dtype) for name in MANIFOLDS for dtype in ("float64", "complex128") if (name, dtype) != ("spd", "complex128")
]


def drawn(name: str, dtype: str, seed: int):
    """A point of the manifold and two arbitrary directions."""
    rng = np.random.default_rng(seed)

    def array():
        one = rng.standard_normal(SHAPES[name])
        return jnp.asarray(one + 1j * rng.standard_normal(SHAPES[name]) if dtype == "complex128" else one)

    start = array()
    start = start @ start.T + jnp.eye(4) if name == "spd" else start
    return MANIFOLDS[name].nearest(start), array(), array()


def inner(a, b):
    return float(jnp.sum((a.conj() * b).real))


def off(name, x):
    """How far a point is from the manifold."""
    match name:
        case "sphere":
            return abs(inner(x, x) - 1)
        case "stiefel":
            return float(jnp.abs(x.conj().T @ x - jnp.eye(3)).max())
        case "spd":
            return float(jnp.abs(x - x.T).max() + max(0.0, -float(jnp.linalg.eigvalsh(x)[0])))
    return 0.0


@pytest.mark.parametrize(("name", "dtype"), CASES)
@settings(max_examples=15, deadline=None)
@given(seeds)
def test_projections_are_orthogonal(name, dtype, seed) -> None:
    manifold, (x, g, h) = MANIFOLDS[name], drawn(name, dtype, seed)
    flat = manifold.project(x, g)
    assert np.allclose(manifold.project(x, flat), flat)
    assert np.isclose(inner(flat, h), inner(g, manifold.project(x, h)))


@pytest.mark.parametrize(("name", "dtype"), CASES)
@settings(max_examples=15, deadline=None)
@given(seeds)
def test_the_gradient_represents_the_slope_in_the_metric(name, dtype, seed) -> None:
    """⟨grad, v⟩ₓ = ⟨g, v⟩ for tangent v."""
    manifold, (x, g, h) = MANIFOLDS[name], drawn(name, dtype, seed)
    v, gradient = manifold.project(x, h), manifold.gradient(x, g)
    metric = jnp.trace(jnp.linalg.solve(x, gradient) @ jnp.linalg.solve(x, v)) if name == "spd" else inner(gradient, v)
    assert np.isclose(metric, inner(g, v))
    assert np.allclose(manifold.project(x, gradient), gradient)


@pytest.mark.parametrize(("name", "dtype"), CASES)
@settings(max_examples=15, deadline=None)
@given(seeds)
def test_retractions_stay_on_the_manifold_and_agree_to_first_order(name, dtype, seed) -> None:
    manifold, (x, g, _) = MANIFOLDS[name], drawn(name, dtype, seed)
    v = manifold.gradient(x, g)
    assert off(name, x) < 1e-12
    for size in (1e-3, 1.0, 30.0):
        assert off(name, manifold.retract(x, size * v)) < 1e-9 * max(1, float(jnp.abs(size * v).max()) ** 2)
    assert np.allclose(manifold.retract(x, 0 * v), x)
    ahead, behind = (manifold.retract(x, t * v) for t in (1e-5, -1e-5))
    size = 1 + float(jnp.abs(v).max())
    assert np.allclose((ahead - behind) / 2e-5, v, atol=1e-8 * size**3)


@pytest.mark.parametrize(("name", "dtype"), CASES)
@settings(max_examples=15, deadline=None)
@given(seeds, seeds)
def test_no_point_of_the_manifold_is_nearer(name, dtype, seed, other) -> None:
    manifold, (_, g, _) = MANIFOLDS[name], drawn(name, dtype, seed)
    if name == "spd":
        assert not np.isfinite(manifold.nearest(g)).any()  # nothing but positive definite matrices is one
        return
    best, rival = manifold.nearest(g), drawn(name, dtype, other)[0]
    assert inner(g - best, g - best) <= inner(g - rival, g - rival) + 1e-12


def test_starts_that_lead_nowhere() -> None:
    assert not np.isfinite(MANIFOLDS["sphere"].nearest(jnp.zeros(3))).any()
    assert not np.isfinite(MANIFOLDS["stiefel"].nearest(jnp.ones((4, 2)))).any()
    assert not np.isfinite(MANIFOLDS["spd"].nearest(jnp.diag(jnp.asarray([1.0, -1.0])))).any()


ON_SPHERES = {
    "alone": [],
    "l1": [L1(jnp.asarray(0.4), jnp.zeros(()))],
    "l1 that leaves nothing": [L1(jnp.asarray(9.0), jnp.zeros(()))],
    "cardinality": [Cardinality(2)],
    "nonnegative": [Interval(jnp.asarray(0.0), jnp.asarray(jnp.inf))],
}
ON_SPHERES["all"] = [*ON_SPHERES["l1"], *ON_SPHERES["cardinality"], *ON_SPHERES["nonnegative"]]


@pytest.mark.parametrize("name", ON_SPHERES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@settings(max_examples=10, deadline=None)
@given(seeds, st.floats(0.05, 3.0))
def test_no_point_of_a_sphere_is_better_than_the_prox(name, dtype, seed, step) -> None:
    """Against 20,000 others with the same signs allowed and no more entries, far and near."""
    parts, rng = ON_SPHERES[name], np.random.default_rng(seed)
    positive = any(isinstance(part, Interval) for part in parts)
    dtype = "float64" if positive else dtype

    def drawn(*shape):
        one = rng.standard_normal(shape)
        return one if dtype == "float64" else one + 1j * rng.standard_normal(shape)

    atom, v = embed(MANIFOLDS["sphere"].nearest, parts), drawn(4)
    best = np.asarray(atom.prox(jnp.asarray(v), jnp.asarray(step)))
    others = np.concatenate([drawn(10_000, 4), best + 0.02 * drawn(10_000, 4)])
    others = np.abs(others) if positive else others
    if atom.count is not None:
        others *= np.argsort(np.argsort(rng.random(others.shape), axis=1), axis=1) < atom.count
        others[5000:10_000] = np.where(best, others[5000:10_000] + best, 0)
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    weight = 0.0 if atom.l1 is None else float(atom.l1.weight)

    def objective(x):
        return 0.5 * (np.abs(x - v) ** 2).sum(-1) + step * weight * np.abs(x).sum(-1)

    assert abs(np.linalg.norm(best) - 1) < 1e-14
    assert np.count_nonzero(best) <= (atom.count or 4)
    assert not positive or (best >= 0).all()
    assert objective(best) <= np.nanmin(objective(others)) + 1e-12
    assert np.isclose(float(atom.value(jnp.asarray(best))), weight * np.abs(best).sum())
