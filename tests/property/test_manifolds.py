"""Every manifold: tangent spaces, gradients in its metric, retractions, and the nearest point."""

import jax.numpy as jnp
import numpy as np
import pytest

from flowengine.atoms import L1, Cardinality, Interval, embed
from flowengine.steps import MANIFOLDS
from kit.laws import MANY, over

SHAPES = {"euclidean": (3, 2), "sphere": (3, 2), "stiefel": (5, 3), "spd": (4, 4)}
CASES = [
    (name, dtype) for name in MANIFOLDS for dtype in ("float64", "complex128") if (name, dtype) != ("spd", "complex128")
]


def directions(name: str, dtype: str, draw):
    """Many arbitrary ones."""
    many = draw.standard_normal((MANY, *SHAPES[name]))
    return jnp.asarray(many + 1j * draw.standard_normal(many.shape) if dtype == "complex128" else many)


def members(name: str, dtype: str, draw):
    """Many points of the manifold."""
    starts = directions(name, dtype, draw)
    starts = starts @ starts.mT + jnp.eye(4) if name == "spd" else starts
    return over(MANIFOLDS[name].nearest, starts)


def inner(a, b):
    return jnp.sum((a.conj() * b).real)


def off(name, x):
    """How far a point is from the manifold."""
    match name:
        case "sphere":
            return jnp.abs(inner(x, x) - 1)
        case "stiefel":
            return jnp.abs(x.conj().T @ x - jnp.eye(3)).max()
        case "spd":
            return jnp.abs(x - x.T).max() + jnp.maximum(0, -jnp.linalg.eigvalsh(x)[0])
    return jnp.zeros(())


def metric(name, x, v, w):
    """⟨v, w⟩ₓ."""
    return jnp.trace(jnp.linalg.solve(x, v) @ jnp.linalg.solve(x, w)) if name == "spd" else inner(v, w)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_projections_are_orthogonal(name, dtype, draw) -> None:
    manifold = MANIFOLDS[name]

    def laws(x, g, h):
        flat = manifold.project(x, g)
        return manifold.project(x, flat) - flat, inner(flat, h) - inner(g, manifold.project(x, h))

    for away in over(laws, members(name, dtype, draw), *(directions(name, dtype, draw) for _ in range(2))):
        assert np.abs(away).max() < 1e-12


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_the_gradient_represents_the_slope_in_the_metric(name, dtype, draw) -> None:
    """⟨grad, v⟩ₓ = ⟨g, v⟩ for tangent v."""
    manifold = MANIFOLDS[name]

    def laws(x, g, h):
        v, gradient = manifold.project(x, h), manifold.gradient(x, g)
        size = jnp.abs(gradient).max()
        return metric(name, x, gradient, v), inner(g, v), jnp.abs(manifold.project(x, gradient) - gradient).max() / size

    many = members(name, dtype, draw), directions(name, dtype, draw), directions(name, dtype, draw)
    slope, wanted, away = over(laws, *many)
    assert np.allclose(slope, wanted, rtol=1e-9, atol=1e-9)
    assert away.max() < 1e-12


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_retractions_stay_on_the_manifold_and_agree_to_first_order(name, dtype, draw) -> None:
    manifold = MANIFOLDS[name]

    def laws(x, g):
        v = manifold.gradient(x, g)
        far = [off(name, manifold.retract(x, size * v)) / jnp.maximum(1, jnp.abs(size * v).max()) ** 2
               for size in (1e-3, 1.0, 30.0)]  # fmt: skip
        ahead, behind = (manifold.retract(x, t * v) for t in (1e-5, -1e-5))
        size = 1 + jnp.abs(v).max()
        curved = jnp.abs((ahead - behind) / 2e-5 - v).max() / size**3
        return off(name, x), jnp.stack(far), jnp.abs(manifold.retract(x, 0 * v) - x).max() / size, curved

    start, far, stays, curved = over(laws, members(name, dtype, draw), directions(name, dtype, draw))
    assert start.max() < 1e-12
    assert far.max() < 1e-9
    assert stays.max() < 1e-12
    assert curved.max() < 1e-8


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_no_point_of_the_manifold_is_nearer(name, dtype, draw) -> None:
    anywhere = directions(name, dtype, draw)
    nearest = over(MANIFOLDS[name].nearest, anywhere)
    if name == "spd":
        assert not np.isfinite(nearest).any()  # nothing but positive definite matrices is one
        return

    def slack(g, best, rival):
        return inner(g - rival, g - rival) - inner(g - best, g - best)

    assert over(slack, anywhere, nearest, members(name, dtype, draw)).min() >= -1e-12


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
RIVALS = 4_000


def rivals(draw, best, atom, *, positive: bool, dtype: str):
    """Points of the sphere far from and near a point, with the same signs allowed and no more entries."""

    def drawn(*shape):
        one = draw.standard_normal(shape)
        return one if dtype == "float64" else one + 1j * draw.standard_normal(shape)

    others = np.concatenate([drawn(RIVALS, 4), best + 0.02 * drawn(RIVALS, 4)])
    others = np.abs(others) if positive else others
    if atom.count is not None:
        others *= np.argsort(np.argsort(draw.random(others.shape), axis=1), axis=1) < atom.count
        middle = slice(RIVALS // 2, RIVALS)
        others[middle] = np.where(best, others[middle] + best, 0)
    return others / np.linalg.norm(others, axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", ON_SPHERES)
def test_no_point_of_a_sphere_is_better_than_the_prox(name, dtype, draw) -> None:
    parts = ON_SPHERES[name]
    positive = any(isinstance(part, Interval) for part in parts)
    dtype = "float64" if positive else dtype
    atom, many = embed(MANIFOLDS["sphere"].nearest, parts), 40
    v = draw.standard_normal((many, 4)) + (1j * draw.standard_normal((many, 4)) if dtype == "complex128" else 0)
    steps = draw.uniform(0.05, 3, many)
    weight = 0.0 if atom.l1 is None else float(atom.l1.weight)
    found = over(
        lambda v, step: (atom.prox(v, step), atom.value(atom.prox(v, step))), jnp.asarray(v), jnp.asarray(steps)
    )
    for at, step, best, value in zip(v, steps, *found, strict=True):
        others = rivals(draw, best, atom, positive=positive, dtype=dtype)
        energies = [
            0.5 * (np.abs(x - at) ** 2).sum(-1) + step * weight * np.abs(x).sum(-1) for x in (best, others)
        ]  # fmt: skip
        assert abs(np.linalg.norm(best) - 1) < 1e-14
        assert np.count_nonzero(best) <= (atom.count or 4)
        assert not positive or (best >= 0).all()
        assert energies[0] <= np.nanmin(energies[1]) + 1e-12
        assert np.isclose(value, weight * np.abs(best).sum())
