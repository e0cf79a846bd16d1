"""Every operator: the adjoint is one, gram is WᵀW, the norm bound is never below the true norm, frames are tight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowengine import linops
from flowengine.arithmetic import dot
from kit.laws import MANY, over
from kit.operators import OPERATORS, dense, shape_of

NOT_SHARP = {
    "chain", "sum", "conv zero", "conv one axis", "mask", "incidence", "sparse", "radon", "stack",
    "curl, two dimensions", "curl, three dimensions",
}  # fmt: skip
TIGHT = ["reshape", "wavelet", "wavelet, long filter on one axis", "scale", "broadcast", "frame"]
COTIGHT = ["identity", "reshape", "wavelet", "wavelet, long filter on one axis", "scale", "slice", "gather, each once"]


@pytest.mark.parametrize("name", OPERATORS)
def test_the_adjoint_is_one_and_gram_is_the_adjoint_of_the_image(name, draw) -> None:
    operator, shape = OPERATORS[name], shape_of(name)

    def laws(x, y):
        image = operator.apply(x)
        return dot(image, y) - dot(x, operator.adjoint(y)), operator.gram(x) - operator.adjoint(image)

    image = jax.eval_shape(operator.apply, jax.ShapeDtypeStruct(shape, jnp.float64))
    many = jnp.asarray(draw.standard_normal((MANY, *shape)))
    others = jax.tree.map(lambda leaf: jnp.asarray(draw.standard_normal((MANY, *leaf.shape))), image)
    for away in over(jax.jit(laws), many, others):
        assert np.abs(away).max() < 1e-10


@pytest.mark.parametrize("name", OPERATORS)
def test_the_norm_is_a_bound_and_sharp_where_it_can_be(name) -> None:
    true = np.linalg.norm(dense(OPERATORS[name], shape_of(name)), 2)
    assert OPERATORS[name].norm >= true * (1 - 1e-12)
    assert name in NOT_SHARP or OPERATORS[name].norm <= true * 1.001


def test_a_norm_by_power_iteration_is_a_bound(rng) -> None:
    big = rng.standard_normal((1100, 1000))
    assert linops.spectral_norm(big) >= np.sqrt(np.linalg.eigvalsh(big.T @ big)[-1])


@pytest.mark.parametrize("name", TIGHT)
def test_tight_frames_are_and_the_fourier_transform_knows(name) -> None:
    operator, shape = OPERATORS[name], shape_of(name)
    matrix, bound = dense(operator, shape), linops.tight(operator)
    assert bound is not None
    assert np.allclose(matrix.T @ matrix, bound * np.eye(matrix.shape[1]), atol=1e-12)
    assert np.allclose(linops.power_of(operator, shape), bound)


@pytest.mark.parametrize("name", COTIGHT)
def test_what_makes_proxes_simple_does(name) -> None:
    operator = OPERATORS[name]
    matrix, bound = dense(operator, shape_of(name)), linops.cotight(operator)
    assert bound is not None
    assert np.allclose(matrix @ matrix.T, bound * np.eye(len(matrix)), atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - set(COTIGHT)))
def test_nothing_else_claims_to_be_cotight(name) -> None:
    assert linops.cotight(OPERATORS[name]) is None


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - set(TIGHT)))
def test_what_is_no_tight_frame_and_not_invariant_to_shifts_has_no_power(name) -> None:
    by_fourier = name == "identity" or name.endswith("periodic")
    assert (linops.power_of(OPERATORS[name], shape_of(name)) is not None) == by_fourier


def test_a_matrix_keeps_its_gram_matrix_where_that_is_much_smaller() -> None:
    kept = [
        OPERATORS[name].with_gram().squared is not None
        for name in ("matrix of many rows", "matrix of many rows, left", "matrix ravel", "matrix right")
    ]
    assert kept == [True, True, False, False]
