"""Every prox: Moreau's identity, firm non-expansiveness, and no better point nearby."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowengine.atoms import L1, Interval, Merged, NormL21, Quadratic
from flowengine.storage import Components, Packed, dot, entrywise, logical, scale

SHAPE = (3, 4)


def s(value):
    return jnp.asarray(value, jnp.float64)


DATA = jnp.asarray(np.random.default_rng(1).standard_normal(SHAPE))
ATOMS = {
    "quadratic": Quadratic(s(0.7), DATA),
    "l1": L1(s(0.4), DATA),
    "norm_l21 rows": NormL21(s(0.8), (1,)),
    "norm_l21 columns": NormL21(s(0.8), (0,)),
    "box": Interval(s(-0.5), s(0.75)),
    "nonnegative": Interval(s(0.0), s(jnp.inf)),
    "quadratic + l1": Merged(Quadratic(s(0.7), DATA), L1(s(0.4), 2 * DATA), None, False),
    "l1 + box": Merged(None, L1(s(0.4), DATA), Interval(s(-0.5), s(0.75)), True),
    "quadratic + l1 + box": Merged(Quadratic(s(2.0), DATA), L1(s(0.4), DATA), Interval(s(0.0), s(1.0)), True),
}
points = st.integers(0, 2**32 - 1).map(lambda seed: jnp.asarray(3 * np.random.default_rng(seed).standard_normal(SHAPE)))
steps = st.floats(0.05, 20).map(s)


@pytest.mark.parametrize("name", ATOMS)
@settings(max_examples=25, deadline=None)
@given(points, points, steps)
def test_prox_is_firmly_nonexpansive(name, u, v, step) -> None:
    atom = ATOMS[name]
    p, q = atom.prox(u, step), atom.prox(v, step)
    assert dot(p - q, p - q) <= dot(p - q, u - v) + 1e-9


@pytest.mark.parametrize("name", [name for name in ATOMS if "+" not in name])
@settings(max_examples=25, deadline=None)
@given(points, steps)
def test_moreau(name, u, step) -> None:
    atom = ATOMS[name]
    conjugate = atom.prox_conjugate(u, step)
    assert np.allclose(u, conjugate + step * atom.prox(u / step, 1 / step), atol=1e-9)


@pytest.mark.parametrize("name", ATOMS)
@settings(max_examples=20, deadline=None)
@given(points, steps, st.integers(0, 2**32 - 1))
def test_no_feasible_point_is_better(name, v, step, seed) -> None:
    atom = ATOMS[name]
    best = atom.prox(v, step)

    def objective(z):
        return 0.5 * dot(z - v, z - v) + step * atom.value(z)

    interval = atom if isinstance(atom, Interval) else getattr(atom, "interval", None)
    rng = np.random.default_rng(seed)
    for size in (1e-4, 1e-2, 1.0):
        other = best + size * jnp.asarray(rng.standard_normal(SHAPE))
        if interval is not None:
            other = interval.prox(other, step)
        assert objective(best) <= objective(other) + 1e-9


@pytest.mark.parametrize(
    "name", ["quadratic", "l1", "norm_l21 rows", "quadratic + l1", "l1 + box", "quadratic + l1 + box", "box"]
)
@settings(max_examples=20, deadline=None)
@given(points, points, steps)
def test_fenchel_young(name, u, v, step) -> None:
    """ψ(z) + ψ*(y) ≥ ⟨y, z⟩ on the domains, with equality at a prox pair."""
    atom = ATOMS[name]
    z = atom.prox(u, step)
    y = (u - z) / step
    assert np.isclose(atom.value(z) + atom.conjugate(y), dot(y, z), atol=1e-8)
    other = atom.prox(v, step)
    assert atom.value(other) + atom.conjugate(y) >= dot(y, other) - 1e-8


@pytest.mark.parametrize("storage", [Packed, Components])
@settings(max_examples=20, deadline=None)
@given(points, points, steps)
def test_storage_changes_nothing(storage, u, v, step) -> None:
    """Stored components and the logical array have the same prox, value and inner product."""
    stored, plain = storage.of((u, v)), jnp.stack([u, v])
    for atom in (NormL21(s(0.8), (0,)), NormL21(s(0.8), (1,)), Interval(s(-0.5), s(0.75))):
        assert np.allclose(logical(atom.prox(stored, step)), atom.prox(plain, step))
        assert np.allclose(logical(atom.prox_conjugate(stored, step)), atom.prox_conjugate(plain, step))
        assert np.isclose(atom.value(stored), atom.value(plain))
    data = entrywise(jnp.sin, stored)
    assert np.allclose(logical(L1(s(0.4), data).prox(stored, step)), L1(s(0.4), jnp.sin(plain)).prox(plain, step))
    assert np.isclose(dot(stored, scale(stored, 2.0)), 2 * jnp.sum(plain**2))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(stored))
