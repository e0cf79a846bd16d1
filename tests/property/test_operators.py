"""Every operator: the adjoint is one, gram is WᵀW, and the norm bound is never below the true norm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.fft import dctn, idctn
from scipy.signal import convolve

from flowengine import linops
from flowengine.arithmetic import dot, norm
from flowengine.storage import Components, Packed, logical

RNG = np.random.default_rng(0)
SHAPE = (5, 6)
KERNEL = RNG.standard_normal((3, 4))
A = RNG.standard_normal((7, 30))
GRID = linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 0.5))
CUBE = linops.build_gradient((3, 4, 2), "neumann", (0, 1, 2), (1.0, 0.5, 2.0))
SPARSE = sparse.random(8, 30, density=0.2, random_state=3, format="csr")
WAVELETS = linops.graph_wavelets(np.asarray(sparse.csgraph.laplacian(abs(SPARSE.T @ SPARSE)).toarray()), 3)


def wavelet(name: str, axes: tuple[int, ...], levels: int) -> linops.Wavelet:
    filters = pywt.Wavelet(name)
    return linops.build_wavelet(np.asarray(filters.dec_lo), np.asarray(filters.dec_hi), axes, levels)


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
    "hessian neumann": linops.Hessian(linops.build_gradient(SHAPE, "neumann", (0, 1), (1.0, 0.5))),
    "hessian periodic": linops.Hessian(linops.build_gradient(SHAPE, "periodic", (0, 1), (1.0, 1.0))),
    "divergence": linops.Divergence(GRID),
    "curl, two dimensions": linops.Curl(GRID),
    "divergence, three dimensions": linops.Divergence(CUBE),
    "curl, three dimensions": linops.Curl(CUBE),
    "wavelet": wavelet("haar", (0, 1), 2),
    "wavelet, long filter on one axis": wavelet("db4", (1,), 1),
    "sparse": linops.build_sparse(SPARSE, SHAPE),
    "radon": linops.build_sparse(linops.radon_matrix(6, np.array([0.0, 30.0, 90.0]), np.float64), (6, 6), (3, 6)),
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
    return SHAPES.get(name, SHAPE)


def dense(operator, shape=SHAPE) -> np.ndarray:
    columns = [
        np.concatenate([np.ravel(logical(operator.apply(jnp.asarray(unit.reshape(shape)))))])
        for unit in np.eye(int(np.prod(shape)))
    ]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("name", OPERATORS)
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_adjoint_and_gram(name, seed) -> None:
    operator = OPERATORS[name]
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.standard_normal(shape_of(name)))
    image = operator.apply(x)
    y = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape)), image)
    assert np.isclose(dot(image, y), dot(x, operator.adjoint(y)), atol=1e-10)
    assert np.allclose(operator.gram(x), operator.adjoint(image), atol=1e-10)


@pytest.mark.parametrize("name", OPERATORS)
def test_norm_is_a_bound(name) -> None:
    operator = OPERATORS[name]
    true = np.linalg.norm(dense(operator, shape_of(name)), 2)
    assert operator.norm >= true * (1 - 1e-12)
    if name not in {"chain", "sum", "conv zero", "conv one axis", "mask", "incidence", "sparse", "radon", "stack",
                    "curl, two dimensions", "curl, three dimensions"}:  # fmt: skip
        assert operator.norm <= true * 1.001


def test_convolution_is_the_true_one(rng) -> None:
    x = rng.standard_normal((9, 8))
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
def test_large_gradients_are_packed_and_equal(rng, boundary) -> None:
    shape = (600, 500)
    operator = linops.build_gradient(shape, boundary, (0, 1), (1.0, 1.0))
    x = jnp.asarray(rng.standard_normal(shape))
    image = operator.apply(x)
    assert isinstance(image, Packed)
    assert np.allclose(logical(image), differences(np.asarray(x), boundary), atol=1e-14)
    assert np.isclose(norm(image) ** 2, dot(x, operator.adjoint(image)))


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
@pytest.mark.parametrize("shape", [(1,), (2,), (1, 4), (3, 1, 5)])
def test_differences_along_axes_of_one_or_two_entries(rng, shape, boundary) -> None:
    operator = linops.build_gradient(shape, boundary, tuple(range(len(shape))), (1.0,) * len(shape))
    x, y = rng.standard_normal(shape), rng.standard_normal((len(shape), *shape))
    assert np.allclose(logical(operator.apply(jnp.asarray(x))), differences(x, boundary), atol=1e-14)
    stored = Components.of(tuple(jnp.asarray(y)))
    assert np.isclose(np.vdot(differences(x, boundary), y), np.vdot(x, operator.adjoint(stored)))


@pytest.mark.parametrize("boundary", ["neumann", "periodic"])
@pytest.mark.parametrize("build", [lambda d: d, linops.Laplacian, linops.Hessian])
def test_squares_of_large_stencils_are_their_adjoint_after_them(rng, build, boundary) -> None:
    shape = (80, 70)  # more entries than those whose inner stencil is computed once
    operator = build(linops.build_gradient(shape, boundary, (0, 1), (1.0, 0.5)))
    x, y = (jnp.asarray(rng.standard_normal(shape)) for _ in range(2))
    assert np.isclose(dot(y, jax.jit(operator.gram)(x)), dot(operator.apply(y), operator.apply(x)))


def differences(x: np.ndarray, boundary: str) -> np.ndarray:
    """Forward differences along every axis."""
    last = {"neumann": -1, "periodic": 0}[boundary]
    return np.stack([np.diff(x, axis=axis, append=np.take(x, [last], axis)) for axis in range(x.ndim)])


def test_power_iteration_is_a_bound(rng) -> None:
    big = rng.standard_normal((1100, 1000))
    assert linops.spectral_norm(big) >= np.linalg.norm(big, 2)


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


TIGHT = ["reshape", "wavelet", "wavelet, long filter on one axis", "scale", "broadcast", "frame"]


@pytest.mark.parametrize("name", TIGHT)
def test_tight_frames_are_and_the_fourier_transform_knows(name) -> None:
    operator, shape = OPERATORS[name], shape_of(name)
    matrix, bound = dense(operator, shape), linops.tight(operator)
    assert bound is not None
    assert np.allclose(matrix.T @ matrix, bound * np.eye(matrix.shape[1]), atol=1e-12)
    assert np.allclose(linops.power_of(operator, shape), bound)


COTIGHT = ["identity", "reshape", "wavelet", "wavelet, long filter on one axis", "scale", "slice", "gather, each once"]


@pytest.mark.parametrize("name", COTIGHT)
def test_what_makes_proxes_simple_does(name) -> None:
    operator = OPERATORS[name]
    matrix, bound = dense(operator, shape_of(name)), linops.cotight(operator)
    assert bound is not None
    assert np.allclose(matrix @ matrix.T, bound * np.eye(len(matrix)), atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - set(BY_FOURIER) - set(TIGHT)))
def test_others_have_no_power(name) -> None:
    assert linops.power_of(OPERATORS[name], shape_of(name)) is None


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - set(COTIGHT)))
def test_nothing_else_claims_to_be_cotight(name) -> None:
    assert linops.cotight(OPERATORS[name]) is None


@pytest.mark.parametrize(
    ("name", "levels"), [("haar", 1), ("haar", 3), ("db2", 2), ("db4", 2), ("db8", 1), ("sym5", 2)]
)
def test_wavelets_are_those_of_pywavelets(rng, name, levels) -> None:
    x = rng.standard_normal((64, 48))
    ours = wavelet(name, (0, 1), levels)
    wanted, _ = pywt.coeffs_to_array(pywt.wavedec2(x, name, mode="periodization", level=levels))
    assert np.abs(np.asarray(ours.apply(jnp.asarray(x))) - wanted).max() < 1e-12
    # PyWavelets tabulates some filters to twelve digits
    assert np.abs(np.asarray(ours.adjoint(ours.apply(jnp.asarray(x)))) - x).max() < 1e-11


def test_sparse_matrices_are_theirs_and_complex_ones_have_their_adjoint(rng) -> None:
    x, y = rng.standard_normal(30), rng.standard_normal(8) + 1j * rng.standard_normal(8)
    assert np.allclose(linops.build_sparse(SPARSE, (30,)).apply(jnp.asarray(x)), SPARSE @ x)
    turned = linops.build_sparse(SPARSE * (1 + 2j), (30,))
    assert np.allclose(turned.adjoint(jnp.asarray(y)), (SPARSE * (1 + 2j)).conj().T @ y)


def test_radon_keeps_the_mass_of_what_stays_inside_at_every_angle(rng) -> None:
    picture = np.zeros((20, 20))
    picture[8:12, 7:13] = rng.random((4, 6))
    sinogram = linops.radon_matrix(20, np.arange(0.0, 180.0, 15.0), np.float64) @ picture.ravel()
    assert np.allclose(sinogram.reshape(12, 20).sum(axis=1), picture.sum())
    assert np.allclose(sinogram.reshape(12, 20)[0], picture.sum(axis=0))


def test_second_differences_of_a_quadratic_are_constant_and_a_gradient_has_no_curl(rng) -> None:
    i, j = np.mgrid[0:7.0, 0:8.0]
    d = linops.build_gradient((7, 8), "neumann", (0, 1), (1.0, 1.0))
    parts = logical(linops.Hessian(d).apply(jnp.asarray(i * i + 3 * i * j)))[:, 1:-1, 1:-1]
    assert np.allclose(parts[0], 2)
    assert np.allclose(parts[1], 0)
    assert np.allclose(parts[2], np.sqrt(2) * 3)
    x = jnp.asarray(rng.standard_normal((7, 8)))
    field = logical(d.apply(x))
    assert np.allclose(linops.Curl(d).apply(field), 0)
    assert np.allclose(linops.Divergence(d).apply(field), linops.Laplacian(d).apply(x))
