"""Gram operators in Fourier and cosine space, by which a linear system is solved directly."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dctn, idctn

from flowengine import linops
from kit.operators import KERNEL, OPERATORS, SHAPE

BY_FOURIER = [
    "identity",
    "hessian periodic",
    "conv periodic",
    "gradient periodic",
    "laplacian periodic",
    "two periodic",
]
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


COSINE = {
    "gradient": linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 2.0)),
    "one axis": linops.build_gradient(SHAPE, "neumann", (1,), (0.5,)),
    "laplacian": linops.Laplacian(linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 1.0))),
    "second differences": linops.Hessian(linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 3.0))),
    "identity": linops.Identity(),
    "twice": linops.Chain((
        linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 1.0)),
        linops.Laplacian(linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 1.0))),
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", COSINE)
def test_the_power_of_differences_is_the_gram_operators_in_cosines(name) -> None:
    operator = COSINE[name]
    x = jnp.asarray(np.random.default_rng(3).standard_normal(SHAPE))
    power = linops.power_of(operator, SHAPE, "cosine")
    assert np.allclose(power, linops.power_of(operator, SHAPE, "cosine", np), atol=1e-12)
    turned = idctn(dctn(np.asarray(x), norm="ortho") * np.asarray(power), norm="ortho")
    assert np.allclose(turned, operator.gram(x), atol=1e-11)


def test_one_transform_does_not_fit_the_other_boundary() -> None:
    assert linops.power_of(COSINE["gradient"], SHAPE) is None
    assert linops.power_of(linops.build_gradient(SHAPE, "periodic", (0, 1), (1.0, 1.0)), SHAPE, "cosine") is None
    assert linops.power_of(linops.build_conv(KERNEL, SHAPE, "periodic", (0, 1)), SHAPE, "cosine") is None
