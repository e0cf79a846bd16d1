"""The direct solver of banded equations, by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowengine.steps import Equations, Tridiagonal, factored, refactored, solved_in_bands


def random_blocks(rng, count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A positive semidefinite matrix, block tridiagonal, and its blocks."""
    matrix = rng.standard_normal((count * size, count * size))
    block = np.arange(count * size) // size
    matrix[(block[:, None] < block) | (block[:, None] > block + 1)] = 0
    matrix = matrix @ matrix.T
    at = matrix.reshape(count, size, count, size)
    lower = np.stack([np.zeros((size, size)), *(at[i, :, i - 1] for i in range(1, count))])
    return matrix, np.stack([at[i, :, i] for i in range(count)]), lower


def equations(rng, count: int, size: int, entries: int) -> tuple[np.ndarray, np.ndarray, Equations]:
    """H and P, P + 1 on the diagonal, of the first `entries`, in an order of their own."""
    matrices, stored = [], []
    for shift in (0, 1):
        matrix, diagonal, lower = random_blocks(rng, count, size)
        diagonal += shift * np.eye(size)
        matrix += shift * np.eye(len(matrix))
        beyond = np.arange(count * size).reshape(count, size) >= entries
        for i, gone in enumerate(beyond):
            diagonal[i, gone], diagonal[i][:, gone], lower[i, gone] = 0, 0, 0
            if not shift:
                diagonal[i, gone, gone] = 1
        matrices.append(matrix[:entries, :entries])
        stored.append(Tridiagonal(jnp.asarray(diagonal), jnp.asarray(lower)))
    order = rng.permutation(entries)
    places = np.argsort(order)
    mixed = [one[places][:, places] for one in matrices]
    found = Equations(*stored, jnp.asarray(order), jnp.asarray(places), {"x": jnp.arange(float(entries))})
    return mixed[0], mixed[1], found


@pytest.mark.parametrize(
    ("count", "size", "entries"), [(61, 8, 483), (37, 5, 185), (16, 8, 128), (5, 40, 193), (1, 9, 9), (2, 3, 4)]
)
def test_blocks_are_eliminated_at_once_or_one_after_another(rng, count, size, entries) -> None:
    fit, stiff, found = equations(rng, count, size, entries)
    right = rng.standard_normal((3, entries))
    factors = jax.jit(factored)(found, jnp.asarray(1.0))
    for rho in (1.0, 30.0):
        factors = jax.jit(refactored)(found, factors, jnp.asarray(rho))
        assert float(factors.rho) == rho
        solve = jax.vmap(lambda one, factors=factors: solved_in_bands(found, factors, {"x": one}))
        wanted = np.linalg.solve(fit + rho * stiff, (right + np.arange(entries)).T).T
        assert np.allclose(jax.jit(solve)(right)["x"], wanted, rtol=1e-9, atol=1e-10 * np.abs(wanted).max())


def test_the_same_rho_is_not_factored_again(rng) -> None:
    _, _, found = equations(rng, 3, 4, 12)
    factors = factored(found, jnp.asarray(2.0))
    marked = jax.tree.map(lambda one: one + 7 if one.ndim else one, factors)
    same = jax.jit(refactored)(found, marked, jnp.asarray(2.0))
    assert jax.tree.all(jax.tree.map(np.array_equal, same, marked))
