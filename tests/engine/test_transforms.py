"""Fourier and cosine transforms beside everything that could lay their arrays out in another way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowengine import linops
from flowengine.transforms import dctn, idctn
from kit.operators import OPERATORS, shape_of
from kit.solving import document, solve

thorough = pytest.mark.thorough
KERNEL = [0.25, 0.5, 0.25]
BY_TRANSFORMS = ["conv periodic", "conv zero", "conv one axis"]
SIZES = [1, 13, 33]
METHODS = {
    "pg": {"algorithm": "pg"}, "searched": {"algorithm": "pg", "step": "backtracking"}, "fista": {"algorithm": "fista"},
    "pd3o": {"algorithm": "pd3o"}, "admm": {"algorithm": "admm"}, "ula": {"algorithm": "ula"},
    "mala": {"algorithm": "mala"}, "myula": {"algorithm": "myula"}, "leapfrog": {"algorithm": "leapfrog"},
    "hmc": {"algorithm": "hmc", "trajectory": 3},
}  # fmt: skip
SMOOTH_ONLY = {"pg", "searched", "fista", "ula", "mala", "leapfrog", "hmc"}


def test_a_short_signal_is_deblurred_with_total_variation() -> None:
    """Optimal where the dual p of the differences, Σ_{j≤i} of the gradient, stays in the ball and is on it at jumps."""
    data = np.tile([1.0, 2.0, 3.0], 4)
    x, end, flow = solve(document(
        {"d": data, "k": KERNEL}, variables={"x": {"shape": [12]}}, operators={"K": {"conv": {"kernel": "k"}}},
        terms=[{"atom": "quadratic", "arg": "K x", "data": "d"}, {"atom": "tv", "arg": "x", "weight": 0.05}],
        stop={"maxIterations": 300, "residual": 1e-6},
    ))  # fmt: skip
    assert (flow.choice.method.name, flow.choice.method.waves, end.reason) == ("admm", None, "Converged")
    blur = sum(weight * np.roll(np.eye(12), shift, 0) for weight, shift in zip(KERNEL, (-1, 0, 1), strict=True))
    p, steps = np.cumsum(blur.T @ (blur @ x - data)), np.diff(x)
    assert abs(p[-1]) < 1e-5
    assert np.abs(p).max() < 0.05 + 1e-5
    assert np.abs(p[:-1] @ steps - 0.05 * np.abs(steps).sum()) < 1e-5
    assert abs(end.energy - ((blur @ x - data) @ (blur @ x - data) / 2 + 0.05 * np.abs(steps).sum())) < 1e-6


@pytest.mark.parametrize(
    "name", [*BY_TRANSFORMS, *(pytest.param(one, marks=thorough) for one in OPERATORS if one not in BY_TRANSFORMS)]
)
def test_an_operator_between_eigenvalue_routines_is_itself(name) -> None:
    """They want memory by columns, transforms want rows; batches along another axis are transposed."""
    operator, shape = OPERATORS[name], shape_of(name)
    size = int(np.prod(shape))
    orthogonal = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0]

    def gram(units: jax.Array, axis: int) -> jax.Array:
        def one(unit: jax.Array) -> jax.Array:
            return jnp.ravel(operator.gram(unit.reshape(shape)))

        return jax.vmap(one, in_axes=axis, out_axes=axis)(units)

    def between(matrix: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
        made = gram(jnp.linalg.svd(matrix, full_matrices=False)[0], axis)
        return made, jnp.linalg.svd(made, compute_uv=False)

    apart = jax.jit(gram, static_argnums=1)
    for axis in (0, 1):
        made, values = jax.jit(between, static_argnums=1)(orthogonal, axis)
        inner = np.asarray(jnp.linalg.svd(orthogonal, full_matrices=False)[0])
        assert np.abs(made - apart(inner, axis)).max() < 1e-10
        assert np.abs(values - np.linalg.svd(made, compute_uv=False)).max() < 1e-10


def test_cosine_and_fourier_transforms_between_eigenvalue_routines() -> None:
    fourier, there = linops.Fourier((0, 1)), jnp.asarray(np.random.default_rng(1).standard_normal((6, 6)))

    def between(matrix: jax.Array) -> tuple[jax.Array, ...]:
        inner = jnp.linalg.svd(matrix)[0]
        images = dctn(inner), idctn(dctn(inner)), fourier.adjoint(fourier.apply(inner + 0j))
        return inner, *images, *(jnp.linalg.svd(one, compute_uv=False) for one in images)

    inner, image, back, round_trip, *values = jax.jit(between)(there)
    assert np.abs(back - inner).max() < 1e-12
    assert np.abs(round_trip - inner).max() < 1e-12
    assert abs(np.linalg.norm(image) - np.linalg.norm(inner)) < 1e-12
    assert all(np.abs(one - 1).max() < 1e-12 for one in values)


@thorough
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_series_of_every_length(method, size) -> None:
    """Odd, prime, 1, one past a power of two; the operators share a program."""
    rng = np.random.default_rng(size)
    terms = [
        {"atom": "quadratic", "arg": "K x", "data": "d"}, {"atom": "quadratic", "arg": "Z x", "data": "d"},
        {"atom": "quadratic", "arg": "x", "data": "d"},
    ]  # fmt: skip
    if method not in SMOOTH_ONLY:
        terms += [{"atom": "l1", "arg": "K x", "data": "d"}] + [{"atom": "tv", "arg": "x", "weight": 0.05}] * (size > 1)
    sampler = method in {"ula", "mala", "myula", "leapfrog", "hmc"}
    _, end, _ = solve(document(
        {"d": rng.random(size) + 1, "k": KERNEL}, variables={"x": {"shape": [size]} | ({"chains": 3} if sampler else {})},
        operators={"K": {"conv": {"kernel": "k"}}, "Z": {"conv": {"kernel": "k", "boundary": "zero"}}},
        terms=terms, policy=METHODS[method], stop={"maxIterations": 40},
    ))  # fmt: skip
    assert end.finite


@thorough
@pytest.mark.parametrize(
    ("atom", "size"),
    [
        *(("quadratic", size) for size in (1, 2, 13, 50, 65, 100, 129, 200, 255, 257)),
        *((atom, 50) for atom in ("huber", "l1", "kullback_leibler")),
    ],
)
def test_a_series_of_every_length_is_deblurred_whatever_the_misfit(atom, size) -> None:
    rng = np.random.default_rng(size)
    _, end, _ = solve(document(
        {"d": rng.integers(1, 4, size), "k": KERNEL}, variables={"x": {"shape": [size], "init": 1}},
        operators={"K": {"conv": {"kernel": "k"}}},
        terms=[{"atom": atom, "arg": "K x", "data": "d"}] + [{"atom": "tv", "arg": "x", "weight": 0.05}] * (size > 1),
        stop={"maxIterations": 40},
    ))  # fmt: skip
    assert end.finite
