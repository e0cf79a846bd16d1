"""Every linear operator, small, with data of its own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pywt
from scipy import sparse

from flowengine import linops
from flowengine.storage import Components, logical

RNG = np.random.default_rng(0)
SHAPE = (5, 6)
KERNEL = RNG.standard_normal((3, 4))
A = RNG.standard_normal((7, 30))
TALL = np.random.default_rng(1).standard_normal((61, 30))
GRID = linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 0.5))
CUBE = linops.build_gradient((3, 4, 2), "neumann", (0, 1, 2), (1.0, 0.5, 2.0))
SPARSE = sparse.random(8, 30, density=0.2, random_state=3, format="csr")
BEAM = linops.plain_beam((6, 6), np.deg2rad([0.0, 30.0, 90.0]), None, None, circle=False)
WAVELETS = linops.graph_wavelets(np.asarray(sparse.csgraph.laplacian(abs(SPARSE.T @ SPARSE)).toarray()), 3)


def wavelet(name: str, axes: tuple[int, ...], levels: int) -> linops.Wavelet:
    """An orthogonal transform with the filters of this name."""
    filters = pywt.Wavelet(name)
    return linops.build_wavelet(np.asarray(filters.dec_lo), np.asarray(filters.dec_hi), axes, levels)


OPERATORS: dict[str, Any] = {
    "identity": linops.Identity(),
    "mask": linops.Mask(jnp.asarray(RNG.random(SHAPE)), 1.0),
    "matrix ravel": linops.Matrix(jnp.asarray(A), "ravel", SHAPE, linops.spectral_norm(A)),
    "matrix of many rows": linops.Matrix(jnp.asarray(TALL), "ravel", SHAPE, linops.spectral_norm(TALL)).with_gram(),
    "matrix of many rows, left": linops.Matrix(
        jnp.asarray(TALL[:12, :5]), "left", SHAPE, linops.spectral_norm(TALL[:12, :5])
    ).with_gram(),
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
    "hessian neumann": linops.Hessian(linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 0.5))),
    "hessian periodic": linops.Hessian(linops.build_gradient(SHAPE, "periodic", (0, 1), (1.0, 1.0))),
    "divergence": linops.Divergence(GRID),
    "curl, two dimensions": linops.Curl(GRID),
    "divergence, three dimensions": linops.Divergence(CUBE),
    "curl, three dimensions": linops.Curl(CUBE),
    "wavelet": wavelet("haar", (0, 1), 2),
    "wavelet, long filter on one axis": wavelet("db4", (1,), 1),
    "sparse": linops.build_sparse(SPARSE, SHAPE),
    "radon": linops.build_sparse(linops.radon_matrix((6, 6), BEAM, np.float64), (6, 6), BEAM.output),
    "graph wavelets": linops.Matrix(jnp.asarray(WAVELETS), "ravel", SHAPE, linops.spectral_norm(WAVELETS)),
    "scale": linops.Scale(-1.5),
    "slice": linops.Slice(1, 1, 6, 2, SHAPE),
    "gather": linops.build_gather(np.array([0, 7, 7, 7, 29]), SHAPE),
    "gather, each once": linops.build_gather(np.array([0, 7, 29]), SHAPE),
    "broadcast": linops.Broadcast(1, 3),
    "stack": linops.Stack((linops.Scale(2.0), GRID), ((SHAPE, None), ((2, *SHAPE), Components))),
    "logical": linops.Chain((linops.Logical(Components), GRID)),
    "frame": linops.TightFrame(linops.Broadcast(0, 4), 4.0, None),
}  # fmt: skip
SHAPES = {
    "divergence": (2, *SHAPE), "curl, two dimensions": (2, *SHAPE), "divergence, three dimensions": (3, 3, 4, 2),
    "curl, three dimensions": (3, 3, 4, 2), "wavelet": (8, 4), "wavelet, long filter on one axis": (3, 6), "radon": (6, 6),
}  # fmt: skip


def shape_of(name: str) -> tuple[int, ...]:
    """Of what the operator takes."""
    return SHAPES.get(name, SHAPE)


def dense(operator: Any, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """The operator as a matrix: all columns at once."""

    @jax.jit
    def column(unit: jax.Array) -> jax.Array:
        return jnp.ravel(logical(operator.apply(unit)))

    return np.asarray(jax.vmap(column)(jnp.eye(int(np.prod(shape))).reshape(-1, *shape))).T
