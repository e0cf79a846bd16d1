"""Published problems of signals and pictures against other people's solvers."""

import numpy as np
import pytest
import pywt
from scipy.sparse.csgraph import laplacian

from flowengine.compiler import explain
from kit.references import signals
from kit.solving import document, solve

FIT = {"atom": "quadratic", "arg": "x", "data": "b"}
FAR = {"maxIterations": 200_000, "residual": 1e-11}


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def denoise(data, *terms, stop=None, **parts):
    return document(data, variables={"x": {"like": "b"}}, terms=[FIT, *terms], stop=stop or FAR, **parts)


def test_denoising_against_cvxpy() -> None:
    data, best = signals.denoised()
    variation = {"atom": "norm_l21", "arg": "D x", "weight": 0.2}
    x, end, flow = solve(denoise(data, variation, operators={"D": {"gradient": {}}}, stop={"maxIterations": 60_000, "residual": 1e-8}))  # fmt: skip
    assert flow.choice.method.name == "pd3o"
    assert end.reason == "Converged"
    assert np.abs(x - best["x"]).max() < 1e-6


def test_denoising_against_chambolle() -> None:
    data, best = signals.denoised_by_projections()
    variation = {"atom": "norm_l21", "arg": "D x", "weight": 0.1}
    x, _, _ = solve(denoise(data, variation, operators={"D": {"gradient": {}}}, stop={"maxIterations": 20_000, "residual": 1e-9}))  # fmt: skip
    assert np.abs(x - best["x"]).max() < 1e-4


def test_deblurring_with_a_box() -> None:
    data, best = signals.deblurred()
    x, end, flow = solve(document(
        data, variables={"x": {"like": "b", "init": "b"}},
        operators={"K": {"conv": {"kernel": "k"}}, "D": {"gradient": {}}},
        terms=[
            {"atom": "quadratic", "arg": "K x", "data": "b"},
            {"atom": "norm_l21", "arg": "D x", "weight": 0.01},
            {"atom": "box", "arg": "x", "lo": 0.1, "hi": 0.9},
        ],
        stop={"maxIterations": 100_000, "gap": 1e-11},
    ))  # fmt: skip
    assert [one.role.value for one in flow.roles] == ["smooth", "dual", "prox"]
    assert end.reason == "Converged"
    assert end.gap <= 1e-11
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-8
    assert np.abs(x - best["x"]).max() < 1e-4


@pytest.mark.thorough
def test_inpainting() -> None:
    data, best = signals.inpainted()
    _, end, _ = solve(document(
        data, variables={"x": {"like": "b"}}, operators={"M": {"mask": "m"}, "D": {"gradient": {}}},
        terms=[
            {"atom": "quadratic", "arg": "M x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": 0.02},
            {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
        ],
        stop={"maxIterations": 200_000, "gap": 1e-10},
    ))  # fmt: skip
    assert abs(end.energy - best["energy"]) / best["energy"] < 1e-6


def test_a_trend_settles() -> None:
    """Where primal and dual moves turn about each other, a ratio of the steps that followed every turn never settled."""
    data, best = signals.trend()
    trend = {"atom": "l1", "arg": "S x", "weight": 10.0}
    x, end, _ = solve(denoise(data, trend, operators={"S": {"matrix": "S"}}, stop={"maxIterations": 20_000, "residual": 1e-7}))  # fmt: skip
    assert end.reason == "Converged"
    assert np.abs(x - best["x"]).max() < 1e-4


def test_a_trend_of_second_differences_with_borders() -> None:
    data, best = signals.trend_with_ends()
    x, end, _ = solve(denoise(data, {"atom": "tv2", "arg": "x", "weight": 2.0, "isotropic": False}))
    assert np.abs(x - best["x"]).max() < 1e-6
    assert end.controller == "GREEN"


def test_second_order_total_variation_of_a_picture() -> None:
    data, best = signals.second_order_variation()
    x, end, _ = solve(denoise(data, {"atom": "tv2", "arg": "x", "weight": 0.2}))
    assert np.abs(x - best["x"]).max() < 1e-5
    assert abs(end.energy - best["energy"]) < 1e-8 * best["energy"]


@pytest.mark.parametrize("coarse", [True, False])
def test_wavelet_shrinkage_is_soft_thresholding_of_coefficients(coarse, rng) -> None:
    """Donoho and Johnstone, Biometrika 81, 1994."""
    b = rng.standard_normal((16, 32))
    term = {"atom": "wavelet_l1", "arg": "x", "name": "db2", "levels": 2, "weight": 0.4, "coarse": coarse}
    x, end, flow = solve(denoise({"b": b}, term))
    coefficients, slices = pywt.coeffs_to_array(pywt.wavedec2(b, "db2", mode="periodization", level=2))
    shrunk = np.sign(coefficients) * np.maximum(np.abs(coefficients) - 0.4, 0)
    if not coarse:
        shrunk[:4, :8] = coefficients[:4, :8]
    wanted = pywt.waverec2(pywt.array_to_coeffs(shrunk, slices, "wavedec2"), "db2", mode="periodization")
    assert np.abs(x - wanted).max() < 1e-8
    assert flow.choice.method.name == "fista"
    assert any("simple in that frame" in line for line in explain(flow))
    assert end.controller == "GREEN"


def test_overlapping_groups() -> None:
    data, best = signals.overlapping_groups()
    term = {"atom": "overlapping_group", "arg": "x", "members": "m", "groupWeights": "w", "weight": 0.6}
    x, end, _ = solve(denoise(data, term))
    assert np.abs(x - best["x"]).max() < 1e-5
    assert abs(end.energy - best["energy"]) < 1e-8 * best["energy"]


@pytest.mark.thorough
def test_wavelets_of_a_graph() -> None:
    data, best = signals.wavelets_of_a_graph()
    term = {"atom": "graph_wavelet_l1", "arg": "x", "edges": "e", "weights": "w", "scales": 3, "weight": 0.3}
    x, _, _ = solve(denoise(data, term))
    assert np.abs(x - best["x"]).max() < 1e-6


@pytest.mark.parametrize("atom", ["dirichlet", "graph_tv"])
def test_a_signal_on_a_graph(atom) -> None:
    data, best = signals.variation_on_a_graph()
    edges, weights, b = data["e"], data["w"], data["b"]
    x, _, _ = solve(document(
        data, variables={"x": {"like": "b"}},
        terms=[FIT, {"atom": atom, "arg": "x", "edges": "e", "weights": "w", "weight": 0.3}],
        stop={"maxIterations": 50_000, "residual": 1e-13},
    ))  # fmt: skip
    adjacency = np.zeros((6, 6))
    adjacency[edges[:, 0], edges[:, 1]] = adjacency[edges[:, 1], edges[:, 0]] = weights
    if atom == "dirichlet":
        assert np.abs(x - np.linalg.solve(np.eye(6) + 0.3 * laplacian(adjacency), b)).max() < 1e-10
    else:
        assert np.abs(x - best["x"]).max() < 1e-6


def test_counts_under_an_operator_with_total_variation() -> None:
    """No Lipschitz constant, so by the prox of the conjugate."""
    data, best = signals.counts()
    x, end, flow = solve(document(
        data, variables={"x": {"shape": [20], "init": 1.0}}, operators={"M": {"matrix": "M"}},
        terms=[
            {"atom": "poisson", "arg": "M x", "data": "d"}, {"atom": "tv", "arg": "x", "weight": 0.3},
            {"atom": "nonnegative", "arg": "x"},
        ],
        stop={"maxIterations": 400_000, "residual": 1e-10},
    ))  # fmt: skip
    assert [one.role.value for one in flow.roles] == ["dual", "dual", "prox"]
    assert end.reason == "Converged"
    assert abs(end.energy - best["energy"]) / abs(best["energy"]) < 1e-7
    assert np.abs(x - best["x"]).max() < 1e-3


def test_a_real_image_from_masked_fourier_coefficients() -> None:
    """The adjoint onto a real variable takes the real part."""
    data, best = signals.from_fourier_coefficients()
    point, last, _ = solve(document(
        data, variables={"x": {"shape": [16, 16]}}, operators={"F": {"fft": {}}, "M": {"mask": "m"}},
        terms=[{"atom": "quadratic", "arg": "M F x", "data": "y"}, {"atom": "tv", "arg": "x", "weight": 0.02}],
        stop={"maxIterations": 10_000},
    ))  # fmt: skip
    assert point.dtype == np.float64
    assert abs(last.energy - best["energy"]) < 1e-5
    assert np.allclose(point, best["x"], atol=1e-2)


def test_tomography_of_a_phantom_with_total_variation() -> None:
    """Few views and TV give the phantom back, of a sinogram that scikit-image made.

    Sidky and Pan, Physics in Medicine and Biology 53, 2008.
    """
    from skimage.transform import radon

    phantom = np.zeros((16, 16))
    phantom[4:12, 5:12] = 1.0
    phantom[6:9, 7:10] = 0.3
    degrees = np.arange(12) * 15.0
    x, end, _ = solve(document(
        {"s": radon(phantom, degrees, circle=True), "theta": degrees}, variables={"x": {"shape": [16, 16]}},
        operators={"R": {"radon": {"angles": "theta", "convention": "skimage"}}},
        terms=[{"atom": "quadratic", "arg": "R x", "data": "s"}, {"atom": "tv", "arg": "x", "weight": 1e-3},
               {"atom": "box", "arg": "x", "lo": 0, "hi": 1}],
        stop={"maxIterations": 30_000, "residual": 1e-7},
    ))  # fmt: skip
    assert np.abs(x - phantom).max() < 0.02
    assert end.controller == "GREEN"
