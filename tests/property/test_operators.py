"""Every operator: the adjoint is one, gram is WᵀW, and the norm bound is never below the true norm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve

from flowengine import linops
from flowengine.storage import Packed, dot, logical, norm

RNG = np.random.default_rng(0)
SHAPE = (5, 6)
KERNEL = RNG.standard_normal((3, 4))
A = RNG.standard_normal((7, 30))
OPERATORS = {
    "identity": linops.Identity(),
    "mask": linops.Mask(jnp.asarray(RNG.random(SHAPE)), 1.0),
    "matrix ravel": linops.Matrix(jnp.asarray(A), "ravel", SHAPE, linops.spectral_norm(A)),
    "matrix left": linops.Matrix(jnp.asarray(A[:, :5]), "left", SHAPE, linops.spectral_norm(A[:, :5])),
    "matrix right": linops.Matrix(jnp.asarray(A[:6]), "right", SHAPE, linops.spectral_norm(A[:6])),
    "conv periodic": linops.build_conv(KERNEL, SHAPE, "periodic", (0, 1)),
    "conv zero": linops.build_conv(KERNEL, SHAPE, "zero", (0, 1)),
    "conv one axis": linops.build_conv(KERNEL[0], SHAPE, "zero", (1,)),
    "gradient neumann": linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 0.5)),
    "gradient periodic": linops.build_gradient(SHAPE, "periodic", (0, 1), (1.0, 1.0)),
    "gradient one axis": linops.build_gradient(SHAPE, "neumann", (1,), (2.0,)),
    "laplacian neumann": linops.Laplacian(linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 0.5))),
    "laplacian periodic": linops.Laplacian(linops.build_gradient(SHAPE, "periodic", (0,), (1.0,))),
    "incidence": linops.build_incidence(RNG.integers(0, 30, (50, 2)), RNG.random(50), SHAPE),
    "reshape": linops.Reshape(SHAPE, (2, 15)),
    "chain": linops.Chain((
        linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 1.0)), linops.build_conv(KERNEL, SHAPE, "periodic", (0, 1))
    )),
    "sum": linops.Sum((linops.Identity(), linops.build_conv(KERNEL, SHAPE, "zero", (0, 1))), (2.0, -0.5)),
}  # fmt: skip


def dense(operator) -> np.ndarray:
    columns = [
        np.concatenate([np.ravel(logical(operator.apply(jnp.asarray(unit.reshape(SHAPE)))))])
        for unit in np.eye(int(np.prod(SHAPE)))
    ]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_adjoint_and_gram(name, seed) -> None:
    operator = OPERATORS[name]
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.standard_normal(SHAPE))
    image = operator.apply(x)
    y = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape)), image)
    assert np.isclose(dot(image, y), dot(x, operator.adjoint(y)), atol=1e-10)
    assert np.allclose(operator.gram(x), operator.adjoint(image), atol=1e-10)


@pytest.mark.parametrize("name", OPERATORS)
def test_norm_is_a_bound(name) -> None:
    operator = OPERATORS[name]
    true = np.linalg.norm(dense(operator), 2)
    assert operator.norm >= true
    if name not in {"chain", "sum", "conv zero", "conv one axis", "mask", "incidence"}:
        assert operator.norm <= true * 1.001


def test_convolution_is_the_true_one() -> None:
    x = RNG.standard_normal((9, 8))
    ours = linops.build_conv(KERNEL, x.shape, "zero", (0, 1)).apply(jnp.asarray(x))
    full = convolve(x, KERNEL)
    assert np.allclose(ours, full[1 : 1 + 9, 2 : 2 + 8])
    periodic = linops.build_conv(KERNEL, x.shape, "periodic", (0, 1)).apply(jnp.asarray(x))
    i, j = 4, 5
    wanted = sum(KERNEL[a, b] * x[(i - a + 1) % 9, (j - b + 2) % 8] for a in range(3) for b in range(4))
    assert np.isclose(periodic[i, j], wanted)


def test_gradient_convention() -> None:
    x = jnp.asarray([[1.0, 2.0, 4.0], [1.0, 5.0, 9.0]])
    d = logical(linops.build_gradient((2, 3), "neumann", (0, 1), (1.0, 1.0)).apply(x))
    assert np.array_equal(d[0], [[0, 3, 5], [0, 0, 0]])
    assert np.array_equal(d[1], [[1, 2, 0], [4, 4, 0]])
    p = logical(linops.build_gradient((2, 3), "periodic", (1,), (1.0,)).apply(x))
    assert np.array_equal(p[0], [[1, 2, -3], [4, 4, -8]])


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
def test_large_gradients_are_packed_and_equal(boundary) -> None:
    shape = (600, 500)
    operator = linops.build_gradient(shape, boundary, (0, 1), (1.0, 1.0))
    x = jnp.asarray(RNG.standard_normal(shape))
    image = operator.apply(x)
    assert isinstance(image, Packed)
    small = linops.build_gradient(shape, boundary, (0, 1), (1.0, 1.0)).apply(x[:, :].astype(jnp.float32))
    assert np.allclose(logical(image), logical(small), atol=1e-5)
    assert np.isclose(norm(image) ** 2, dot(x, operator.adjoint(image)))


def test_power_iteration_is_a_bound() -> None:
    big = RNG.standard_normal((1100, 1000))
    assert linops.spectral_norm(big) >= np.linalg.norm(big, 2)


BY_FOURIER = ["identity", "conv periodic", "gradient periodic", "laplacian periodic", "two periodic"]
PERIODIC = OPERATORS | {
    "two periodic": linops.Chain((
        linops.build_gradient(SHAPE, "periodic", (0, 1), (1.0, 2.0)), linops.build_conv(KERNEL, SHAPE, "periodic", (0, 1))
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_FOURIER)
def test_the_power_is_the_gram_operators_in_fourier_space(name) -> None:
    operator = PERIODIC[name]
    x = jnp.asarray(np.random.default_rng(3).standard_normal(SHAPE))
    power = linops.power_of(operator, SHAPE)
    assert np.allclose(jnp.fft.irfftn(jnp.fft.rfftn(x) * power, s=SHAPE), operator.gram(x), atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - set(BY_FOURIER)))
def test_others_have_no_power(name) -> None:
    assert linops.power_of(OPERATORS[name], SHAPE) is None
