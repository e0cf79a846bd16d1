"""The prox of every atom: Moreau's identity, firm non-expansiveness, no better point, any storage."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowengine import atoms
from flowengine.arithmetic import dot, scale
from flowengine.atoms import L1, Cardinality, Interval, NormL21, merge, merges
from flowengine.storage import Components, Packed, entrywise, logical
from kit.atoms import ATOMS, MERGED, NONNEGATIVE, ONE, SHAPE, SPECTRAL, projected, s
from kit.laws import MANY, over, points, steps


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
def test_a_prox_is_firmly_nonexpansive(name, draw) -> None:
    def slack(u, v, step):
        p, q = ATOMS[name].prox(u, step), ATOMS[name].prox(v, step)
        return dot(p - q, u - v) - dot(p - q, p - q)

    assert over(slack, points(draw), points(draw), steps(draw)).min() >= -1e-8


@pytest.mark.parametrize("name", ONE)
def test_moreaus_identity(name, draw) -> None:
    def away(u, step):
        return ONE[name].prox_conjugate(u, step) + step * ONE[name].prox(u / step, 1 / step) - u

    assert np.abs(over(away, points(draw), steps(draw))).max() < 1e-9


@pytest.mark.parametrize("name", ATOMS)
def test_no_feasible_point_is_better_than_the_prox(name, draw) -> None:
    atom = ATOMS[name]

    def worse(v, step, move):
        def objective(z):
            return 0.5 * dot(z - v, z - v) + step * atom.value(z)

        best = atom.prox(v, step)
        others = [projected(atom, best + size * move, step) for size in (1e-4, 1e-2, 1.0)]
        return projected(atom, best, step) - best, jnp.stack([objective(z) for z in others]) - objective(best)

    moved, more = over(worse, points(draw), steps(draw), jnp.asarray(draw.standard_normal((MANY, *SHAPE))))
    assert np.abs(moved).max() < 1e-8
    assert more.min() >= -1e-8


@pytest.mark.parametrize("name", SPECTRAL)
def test_the_prox_of_a_function_of_eigenvalues(name, draw) -> None:
    """Firmly non-expansive, no better point on the way to another, and positive semidefinite."""
    atom = SPECTRAL[name]

    def laws(u, v, step):
        p, q = atom.prox(u, step), atom.prox(v, step)

        def objective(z):
            return 0.5 * dot(z - u, z - u) + step * atom.value(z)

        others = jnp.stack([objective(p + size * (q - p)) for size in (1e-4, 1e-2, 1.0)])
        return dot(p - q, u - v) - dot(p - q, p - q), others - objective(p), jnp.linalg.eigvalsh((p + p.T) / 2)[0]

    square = (4, 4)
    slack, more, least = over(laws, points(draw, square), points(draw, square), steps(draw))
    assert slack.min() >= -1e-8
    assert more.min() >= -1e-8
    assert least.min() > -1e-12


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


STORED = {
    "columns": NormL21(s(0.8), (0,)), "balls of columns": atoms.BlockBalls(NormL21(s(0.8), (0,))),
    "rows": NormL21(s(0.8), (1,)), "interval": Interval(s(-0.5), s(0.75)),
}  # fmt: skip


@pytest.mark.parametrize("storage", [Packed, Components])
def test_storage_changes_nothing(storage, draw) -> None:
    """Stored components and the logical array have the same prox, value and inner product."""

    def pairs(u, v, step):
        stored, plain = storage.of((u, v)), jnp.stack([u, v])
        found = [(dot(stored, scale(stored, 2.0)), 2 * jnp.sum(plain**2))]
        for atom in STORED.values():
            found.append((logical(atom.prox(stored, step)), atom.prox(plain, step)))
            found.append((logical(atom.prox_conjugate(stored, step)), atom.prox_conjugate(plain, step)))
            found.append((atom.value(stored), atom.value(plain)))
        curved = entrywise(jnp.sin, stored)
        found.append((logical(L1(s(0.4), curved).prox(stored, step)), L1(s(0.4), jnp.sin(plain)).prox(plain, step)))
        return found

    for stored, plain in over(pairs, points(draw), points(draw), steps(draw)):
        assert np.allclose(stored, plain)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(storage.of((jnp.ones(2), jnp.ones(2)))))


COMPLEX = jnp.asarray(np.random.default_rng(5).standard_normal((2, *SHAPE)).T @ [1, 1j]).T
OF_COMPLEX = {
    "quadratic": atoms.Quadratic(s(0.6), COMPLEX), "l1": L1(s(0.6), COMPLEX), "norm_l21": NormL21(s(0.6), (0,)),
    "huber": atoms.Huber(s(0.6), COMPLEX, s(0.4)), "nuclear": atoms.Nuclear(s(0.6)), "l2_ball": atoms.L2Ball(s(1.0), COMPLEX),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_COMPLEX)
def test_the_prox_of_complex_numbers(name, draw) -> None:
    """No neighbour is better, and Moreau's identity."""
    atom = OF_COMPLEX[name]

    def laws(v, step, move):
        def cost(point):
            return dot(point - v, point - v) / 2 + step * atom.value(point)

        best = atom.prox(v, step)
        other = projected(atom, best + 1e-3 * move, step)
        return (cost(other) - cost(best)) / (1 + cost(best)), atom.prox_conjugate(v, step) + step * atom.prox(
            v / step, 1 / step
        ) - v

    def numbers():
        return points(draw) + 1j * points(draw)

    more, away = over(laws, numbers(), steps(draw), numbers())
    assert more.min() >= -1e-12
    assert np.abs(away).max() < 1e-9
