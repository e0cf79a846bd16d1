"""What operators of neighbours compute: convolutions, differences, wavelets, tomography, as others define them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import pywt
from scipy import sparse
from scipy.signal import convolve
from scipy.sparse.linalg import norm as lengths_of

from flowengine import linops
from flowengine.arithmetic import dot, norm
from flowengine.storage import Components, Packed, logical
from kit.operators import KERNEL, SPARSE, wavelet


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


@pytest.mark.parametrize(
    ("name", "levels"), [("haar", 1), ("haar", 3), ("db2", 2), ("db4", 2), ("db8", 1), ("sym5", 2)]
)
def test_wavelets_are_those_of_pywavelets(rng, name, levels) -> None:
    x = rng.standard_normal((64, 48))
    ours = wavelet(name, (0, 1), levels)
    wanted, _ = pywt.coeffs_to_array(pywt.wavedec2(x, name, mode="periodization", level=levels))
    found, back = jax.jit(lambda x: (ours.apply(x), ours.adjoint(ours.apply(x))))(x)
    assert np.abs(found - wanted).max() < 1e-12
    assert np.abs(back - x).max() < 1e-11  # PyWavelets tabulates some filters to twelve digits


def test_sparse_matrices_are_theirs_and_complex_ones_have_their_adjoint(rng) -> None:
    x, y = rng.standard_normal(30), rng.standard_normal(8) + 1j * rng.standard_normal(8)
    assert np.allclose(linops.build_sparse(SPARSE, (30,)).apply(jnp.asarray(x)), SPARSE @ x)
    turned = linops.build_sparse(SPARSE * (1 + 2j), (30,))
    assert np.allclose(turned.adjoint(jnp.asarray(y)), (SPARSE * (1 + 2j)).conj().T @ y)


@pytest.mark.parametrize(("columns", "size"), [(2**16, 2), (2**16 + 1, 4)])
def test_numbers_of_columns_take_two_bytes_where_the_last_one_fits(columns, size) -> None:
    matrix = sparse.csr_array(([2.0, 3.0, 5.0], ([0, 0, 1], [0, columns - 1, 2**15])), (2, columns))
    ours, x = linops.build_sparse(matrix, (columns,)), np.arange(1.0, columns + 1)
    assert {one.dtype.itemsize for one in ours.rows.columns} == {size}
    assert np.array_equal(ours.apply(jnp.asarray(x)), matrix @ x)
    assert np.array_equal(ours.adjoint(jnp.ones(2)), matrix.T @ np.ones(2))


def test_sparse_rows_of_any_lengths_are_stored_with_few_zeros(rng) -> None:
    """One long row, rows without an entry, and lengths that halve; also of many vectors at once."""
    lengths = np.concatenate([[400], np.repeat([64, 32, 16, 8, 4, 2, 1, 0], 50)])
    matrix = sparse.vstack([sparse.random_array((1, 400), density=n / 400, rng=rng) for n in lengths]).tocsr()
    ours = linops.build_sparse(matrix, (400,))
    x, y = rng.standard_normal((3, 400)), rng.standard_normal((3, 401))
    assert np.allclose(jax.jit(jax.vmap(ours.apply))(x), x @ matrix.T)
    assert np.allclose(jax.jit(jax.vmap(ours.adjoint))(y), y @ matrix)
    assert np.allclose(ours.rows.lengths(), lengths_of(matrix, axis=1))
    assert np.allclose(ours.columns.lengths(), lengths_of(matrix, axis=0))
    assert sum(one.size for one in ours.rows.values) < 1.2 * matrix.nnz
    nothing = linops.build_sparse(sparse.csr_array((3, 5)), (5,))
    assert not np.any(nothing.apply(jnp.ones(5)))
    assert not np.any(nothing.adjoint(jnp.ones(3)))


def test_radon_keeps_the_mass_of_what_stays_inside_at_every_angle(rng) -> None:
    picture = np.zeros((20, 20))
    picture[8:12, 7:13] = rng.random((4, 6))
    beam = linops.plain_beam((20, 20), np.deg2rad(np.arange(0.0, 180.0, 15.0)), None, None, circle=False)
    sinogram = linops.radon_matrix((20, 20), beam, np.float64) @ picture.ravel()
    assert np.allclose(sinogram.reshape(12, 20).sum(axis=1), picture.sum())
    assert np.allclose(sinogram.reshape(12, 20)[0], picture.sum(axis=0))


@pytest.mark.parametrize("circle", [True, False])
@pytest.mark.parametrize("shape", [(20, 20), (15, 15), (12, 17)])
def test_the_convention_of_scikit_image_is_its_own_radon(rng, shape, circle) -> None:
    """To rounding, of a picture that is 0 outside the inscribed circle."""
    from skimage.transform import radon

    degrees = np.array([0.0, 10.0, 45.0, 90.0, 133.7, 180.0])
    beam = linops.skimage_beam(shape, np.deg2rad(degrees), None, None, circle=circle)
    rows, columns = (grid - half for grid, half in zip(np.mgrid[: shape[0], : shape[1]], beam.centre, strict=True))
    picture = rng.random(shape) * (np.hypot(rows, columns) <= min(shape) // 2 - 2)
    mine = (linops.radon_matrix(shape, beam, np.float64) @ picture.ravel()).reshape(beam.output)
    assert np.abs(mine - radon(picture, degrees, circle=circle)).max() < 1e-10


def test_a_point_above_and_right_of_the_centre_is_where_each_convention_says() -> None:
    """At θ = 0 the bins are columns, x; at 90° they count upwards, y: 2 to the right, 1 up, of 9 bins about number 4."""
    picture = np.zeros((9, 9))
    picture[3, 6] = 1.0
    for beam in (
        linops.plain_beam((9, 9), np.array([0, np.pi / 2]), None, None, circle=False),
        linops.skimage_beam((9, 9), np.array([0, np.pi / 2]), None, None, circle=True),
    ):
        sinogram = (linops.radon_matrix((9, 9), beam, np.float64) @ picture.ravel()).reshape(beam.output)
        at_0, at_90 = sinogram.T if beam.turned else sinogram
        assert np.flatnonzero(at_0 > 0.5).tolist() == [6]
        assert np.flatnonzero(at_90 > 0.5).tolist() == [5]


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
