"""Many points at once for the laws that every atom, operator and manifold must obey."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

MANY = 256
LEAST_STEP, MOST_STEP = 0.05, 20.0


def points(rng: np.random.Generator, shape: tuple[int, ...] = (3, 4)) -> Array:
    """Many points: 0, equal entries, whole numbers and single entries first, then any."""
    found = 3 * rng.standard_normal((MANY, *shape))
    found[0], found[1], found[2] = 0, 1, -2
    found[3:12] = np.round(found[3:12])
    found[12:16] *= rng.permutation(np.arange(found[0].size)).reshape(shape) == 0
    return jnp.asarray(found)


def steps(rng: np.random.Generator) -> Array:
    """As many steps, the shortest and the longest among them."""
    found = np.exp(rng.uniform(np.log(LEAST_STEP), np.log(MOST_STEP), MANY))
    found[::17], found[5::17] = LEAST_STEP, MOST_STEP
    return jnp.asarray(found)


def over(law: Callable[..., Any], *many: Any) -> Any:
    """What a law gives at each of many points: every operation runs once, for all of them."""
    return jax.tree.map(np.asarray, jax.vmap(law)(*many))
