"""Second differences, wavelets, overlapping groups, graphs and equations against CVXPY and linear algebra."""

import warnings

import numpy as np
import pytest
import pywt
from scipy import sparse

from flowapi.errors import FlowError
from flowapi.flow import FlowDocument
from flowengine.compiler import explain
from flowengine.linops import graph_wavelets
from kit.solving import FILES, compiled, document, solve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import cvxpy as cp

TIGHT = {"solver": cp.CLARABEL, "tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}
FIT = {"atom": "quadratic", "arg": "x", "data": "b"}
FAR = {"maxIterations": 200_000, "residual": 1e-11}


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def denoise(b, *terms, data=None, stop=None, **parts):
    return document({"b": b, **(data or {})}, variables={"x": {"like": "b"}}, terms=[FIT, *terms],
                    stop=stop or FAR, **parts)  # fmt: skip


def test_trend_filtering_against_cvxpy(rng) -> None:
    """ℓ1 trend filtering, Kim, Koh, Boyd and Gorinevsky, SIAM Review 51, 2009: piecewise linear fits."""
    t = np.arange(40.0)
    b = np.interp(t, [0, 12, 25, 39], [0, 6, 2, 9]) + 0.3 * rng.standard_normal(40)
    x, end, _ = solve(denoise(b, {"atom": "tv2", "arg": "x", "weight": 2.0, "isotropic": False}))
    second = np.diff(np.eye(40), 2, axis=0)
    ends = np.zeros((2, 40))  # with neumann borders the second difference at the ends is a first one
    ends[0, :2], ends[1, -2:] = [-1, 1], [1, -1]
    wanted = cp.Variable(40)
    rows = np.vstack([second, ends])
    cp.Problem(cp.Minimize(0.5 * cp.sum_squares(wanted - b) + 2 * cp.norm1(rows @ wanted))).solve(**TIGHT)
    assert np.abs(x - wanted.value).max() < 1e-6
    assert end.controller == "GREEN"


def test_second_order_total_variation_of_a_picture_against_cvxpy(rng) -> None:
    b, weight = rng.standard_normal((7, 8)), 0.2
    x, end, _ = solve(denoise(b, {"atom": "tv2", "arg": "x", "weight": weight}))
    d0, d1 = (np.vstack([np.diff(np.eye(n), axis=0), np.zeros((1, n))]) for n in b.shape)
    z = cp.Variable(b.shape)
    parts = [d0.T @ d0 @ z, z @ d1.T @ d1, np.sqrt(2) * d0 @ z @ d1.T]
    stacked = cp.vstack([cp.vec(part, order="C") for part in parts])
    energy = 0.5 * cp.sum_squares(z - b) + weight * cp.sum(cp.norm(stacked, axis=0))
    best = cp.Problem(cp.Minimize(energy)).solve(**TIGHT)
    assert np.abs(x - z.value).max() < 1e-5
    assert abs(end.energy - best) < 1e-8 * best


@pytest.mark.parametrize("coarse", [True, False])
def test_wavelet_shrinkage_is_soft_thresholding_of_coefficients(coarse, rng) -> None:
    """Donoho and Johnstone, Biometrika 81, 1994."""
    b = rng.standard_normal((16, 32))
    doc = denoise(b, {"atom": "wavelet_l1", "arg": "x", "name": "db2", "levels": 2, "weight": 0.4, "coarse": coarse})
    x, end, flow = solve(doc)
    coefficients, slices = pywt.coeffs_to_array(pywt.wavedec2(b, "db2", mode="periodization", level=2))
    shrunk = np.sign(coefficients) * np.maximum(np.abs(coefficients) - 0.4, 0)
    if not coarse:
        shrunk[:4, :8] = coefficients[:4, :8]
    wanted = pywt.waverec2(pywt.array_to_coeffs(shrunk, slices, "wavedec2"), "db2", mode="periodization")
    assert np.abs(x - wanted).max() < 1e-8
    assert flow.choice.method.name == "pg"
    assert any("simple in that frame" in line for line in explain(flow))
    assert end.controller == "GREEN"


def test_wavelet_deblurring_in_a_frame_and_by_a_dual_agree(rng) -> None:
    """ISTA, Daubechies, Defrise and De Mol, CPAM 57, 2004: the same minimiser by fista, pd3o and admm."""
    b, kernel = rng.random((16, 16)), np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    found = {}
    for algorithm, role in (("fista", None), ("pd3o", "dual"), ("admm", "dual")):
        term = {"atom": "l1", "arg": "W x", "weight": 0.02, **({"as": role} if role else {})}
        doc = document(
            {"b": b, "k": kernel}, variables={"x": {"like": "b"}},
            operators={"K": {"conv": {"kernel": "k"}}, "W": {"wavelet": "haar"}}, policy={"algorithm": algorithm},
            terms=[{"atom": "quadratic", "arg": "K x", "data": "b"}, term, {"atom": "tikhonov", "arg": "x", "weight": 0.01}],
            stop={"maxIterations": 200_000, "residual": 1e-10},
        )  # fmt: skip
        found[algorithm], end, flow = solve(doc)
        assert flow.choice.method.name == algorithm
        assert end.reason == "Converged"
    assert np.abs(found["fista"] - found["pd3o"]).max() < 1e-6
    assert np.abs(found["fista"] - found["admm"]).max() < 1e-6


def test_a_gap_closes_in_a_frame(rng) -> None:
    doc = denoise(rng.standard_normal((8, 8)), {"atom": "l1", "arg": "W x", "weight": 0.3},
                  operators={"W": {"wavelet": {"name": "haar", "levels": 1}}}, stop={"maxIterations": 5000, "gap": 1e-9})  # fmt: skip
    assert solve(doc)[1].gap < 1e-9


def test_overlapping_groups_against_cvxpy(rng) -> None:
    """Jacob, Obozinski and Vert, ICML 2009, in the form that keeps unions of complements of groups."""
    b, groups, weights = (
        rng.standard_normal(10),
        [[0, 1, 2, 3], [2, 3, 4, 5], [5, 6, 7], [7, 8, 9]],
        [1.0, 0.5, 2.0, 1.0],
    )
    members = np.array([(g, i) for g, group in enumerate(groups) for i in group])
    term = {"atom": "overlapping_group", "arg": "x", "members": "m", "groupWeights": "w", "weight": 0.6}
    x, end, _ = solve(denoise(b, term, data={"m": members, "w": weights}))
    z = cp.Variable(10)
    penalty = sum(w * cp.norm(z[group]) for w, group in zip(weights, groups, strict=True))
    best = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(z - b) + 0.6 * penalty)).solve(**TIGHT)
    assert np.abs(x - z.value).max() < 1e-5
    assert abs(end.energy - best) < 1e-8 * best


def test_weights_of_a_lasso_and_of_a_fit_against_cvxpy(rng) -> None:
    """The adaptive lasso, Zou, JASA 101, 2006, on data of unequal precision."""
    A, b = rng.standard_normal((20, 12)), rng.standard_normal(20)
    precision, factors = rng.random(20) + 0.5, np.where(np.arange(12) % 3, rng.random(12), 0)
    doc = document(
        {"A": A, "b": b, "p": precision, "f": factors}, variables={"x": {"shape": [12]}}, operators={"A": {"matrix": "A"}},
        terms=[{"atom": "weighted", "arg": "A x", "data": "b", "factors": "p"},
               {"atom": "l1", "arg": "x", "factors": "f", "weight": 3.0}],
        policy={"family": "accelerated"}, stop=FAR,
    )  # fmt: skip
    x, _, flow = solve(doc)
    assert flow.choice.method.name == "fista"
    z = cp.Variable(12)
    fit = 0.5 * cp.sum_squares(cp.multiply(precision, A @ z - b))
    cp.Problem(cp.Minimize(fit + 3 * cp.norm1(cp.multiply(factors, z)))).solve(**TIGHT)
    assert np.abs(x - z.value).max() < 1e-6


def test_wavelets_of_a_graph_against_cvxpy(rng) -> None:
    edges = np.array([(i, (i + 1) % 9) for i in range(9)] + [(0, 4), (2, 7)])
    b, weights = rng.standard_normal(9), rng.random(11) + 0.5
    term = {"atom": "graph_wavelet_l1", "arg": "x", "edges": "e", "weights": "w", "scales": 3, "weight": 0.3}
    x, _, _ = solve(denoise(b, term, data={"e": edges, "w": weights}))
    laplacian = np.zeros((9, 9))
    for (i, j), w in zip(edges, weights, strict=True):
        laplacian[[i, j], [i, j]] += w
        laplacian[[i, j], [j, i]] -= w
    z = cp.Variable(9)
    objective = 0.5 * cp.sum_squares(z - b) + 0.3 * cp.norm1(graph_wavelets(laplacian, 3) @ z)
    cp.Problem(cp.Minimize(objective)).solve(**TIGHT)
    assert np.abs(x - z.value).max() < 1e-6


def matrix_of(function, shape) -> np.ndarray:
    return np.stack([function(unit.reshape(shape)).ravel() for unit in np.eye(int(np.prod(shape)))], axis=1)


def forward(a, axis, h=1.0):
    return np.concatenate([np.diff(a, axis=axis), np.zeros_like(np.take(a, [0], axis))], axis=axis) / h


def second(a, axis, h=1.0):
    padded = np.pad(a, [(1, 1) if i == axis else (0, 0) for i in range(a.ndim)], mode="edge")
    return np.diff(padded, 2, axis=axis) / h**2


EQUATIONS = {
    "heat": ({"kappa": 0.7, "dt": 0.5, "spacing": 0.8}, (5, 4, 3), lambda z: (z[1:] - z[:-1]) / 0.5
             - 0.7 * (second(z, 1, 0.8) + second(z, 2, 0.8))[:-1]),
    "wave": ({"speed": 1.5, "dt": 0.5}, (6, 5), lambda z: (z[2:] - 2 * z[1:-1] + z[:-2]) / 0.25
             - 2.25 * second(z, 1)[1:-1]),
    "pde_poisson": ({"spacing": [0.5, 1]}, (4, 5), lambda z: second(z, 0, 0.5) + second(z, 1)),
    "curl": ({}, (2, 4, 3), lambda z: forward(z[1], 0) - forward(z[0], 1)),
    "boundary": ({"axes": [0]}, (4, 3), lambda z: z * np.isin(np.arange(4), [0, 3])[:, None]),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations_in_least_squares_against_linear_algebra(name, rng) -> None:
    keys, shape, equation = EQUATIONS[name]
    b = rng.standard_normal(shape)
    x, _, _ = solve(denoise(b, {"atom": name, "arg": "x", "weight": 0.3, **keys}, policy={"family": "accelerated"}))
    W = matrix_of(equation, shape)
    wanted = np.linalg.solve(np.eye(b.size) + 0.3 * W.T @ W, b.ravel())
    assert np.abs(x.ravel() - wanted).max() < 1e-8


def test_a_field_is_made_free_of_divergence(rng) -> None:
    """The projection of Chorin, Mathematics of Computation 22, 1968, here by a heavy penalty."""
    b = rng.standard_normal((2, 6, 5))
    term = {"atom": "divergence", "arg": "x", "weight": 1e4, "boundary": "periodic"}
    x, _, _ = solve(
        denoise(b, term, policy={"family": "accelerated"}, stop={"maxIterations": 100_000, "residual": 1e-10})
    )
    flow_out = sum(x[i] - np.roll(x[i], 1, axis=i) for i in range(2))
    assert np.abs(flow_out).max() < 1e-3 * np.abs(b).max()


def test_sparse_matrices_from_a_file_and_dense_ones_give_the_same(rng) -> None:
    A = sparse.random(60, 40, density=0.1, random_state=1, format="csr")
    b = rng.standard_normal(60)
    sparse.save_npz(f"{FILES.name}/A.npz", A)
    np.save(f"{FILES.name}/dense.npy", A.toarray())
    np.save(f"{FILES.name}/b60.npy", b)
    found = []
    for source in ({"csr": "A.npz"}, {"npy": "dense.npy"}):
        doc = FlowDocument.parse({
            "data": {"A": source, "b": {"npy": "b60.npy"}}, "variables": {"x": {"shape": [40]}},
            "operators": {"A": {"matrix": "A"}}, "policy": {"family": "accelerated"},
            "terms": [{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": 0.2}],
            "stop": {"maxIterations": 50_000, "residual": 1e-12},
        })  # fmt: skip
        found.append(solve(doc)[0])
    assert np.abs(found[0] - found[1]).max() < 1e-10


def test_tomography_of_a_phantom_with_total_variation() -> None:
    """Sidky and Pan, Physics in Medicine and Biology 53, 2008: few views and TV give the phantom back."""
    phantom = np.zeros((16, 16))
    phantom[3:12, 4:13] = 1.0
    phantom[6:9, 7:10] = 0.3
    from flowengine.linops import radon_matrix

    sinogram = (radon_matrix(16, np.arange(12) * 15.0, np.float64) @ phantom.ravel()).reshape(12, 16)
    doc = document(
        {"s": sinogram}, variables={"x": {"shape": [16, 16]}}, operators={"R": {"radon": 12}},
        terms=[{"atom": "quadratic", "arg": "R x", "data": "s"}, {"atom": "tv", "arg": "x", "weight": 1e-3},
               {"atom": "box", "arg": "x", "lo": 0, "hi": 1}],
        stop={"maxIterations": 30_000, "residual": 1e-7},
    )  # fmt: skip
    x, end, _ = solve(doc)
    assert np.abs(x - phantom).max() < 0.02
    assert end.controller == "GREEN"


REFUSED = [
    ({"A": {"matrix": "R"}, "W": {"frame": "A"}}, "operators.W.frame.bound", "no tight frame"),
    ({"W": {"wavelet": "bior2.2"}}, "operators.W.wavelet.name", "not orthogonal"),
    ({"W": {"wavelet": "db44"}}, "operators.W.wavelet.name", "no wavelet of PyWavelets"),
    ({"W": {"wavelet": {"name": "haar", "levels": 3}}}, "operators.W.wavelet.levels", "can be halved 1 times"),
    ({"W": {"select": {"axis": 0, "start": 6}}}, "operators.W.select", "has no entries"),
    ({"W": {"select": {"indices": "R"}}}, "operators.W.select.indices", "whole numbers"),
    ({"W": {"compose": ["I", "W"]}, "I": {"identity": {}}}, "operators.W.compose.of", "made of itself"),
    ({"W": {"radon": 4}}, "operators.W.radon", "A square picture"),
    ({"W": {"broadcast": {"size": 2, "axis": 3}}}, "operators.W.broadcast.axis", "no place 3"),
    ({"W": {"stack": ["V"]}}, "operators.W.stack.of", "not among the operators"),
]  # fmt: skip


@pytest.mark.parametrize(("operators", "path", "words"), REFUSED)
def test_operators_that_fit_nothing_are_refused_before_any_compute(operators, path, words) -> None:
    with pytest.raises(FlowError) as caught:
        compiled(document(
            {"b": np.ones(6), "R": np.full((6, 6), 0.5)}, variables={"x": {"like": "b"}}, operators=operators,
            terms=[FIT, {"atom": "l1", "arg": "W x"}], stop={"maxIterations": 1},
        ))  # fmt: skip
    assert caught.value.path == f"flow.{path}"
    assert words in str(caught.value)


def test_an_analysis_without_an_operator_is_refused() -> None:
    with pytest.raises(FlowError, match="an analysis needs an operator"):
        denoise(np.ones(4), {"atom": "analysis_l1", "arg": "x"})


def test_sparse_data_are_only_for_matrices() -> None:
    sparse.save_npz(f"{FILES.name}/only.npz", sparse.eye(4, format="csr"))
    doc = FlowDocument.parse({
        "data": {"A": {"csr": "only.npz"}}, "variables": {"x": {"shape": [4, 4]}},
        "terms": [{"atom": "quadratic", "arg": "x", "data": "A"}], "stop": {"maxIterations": 1},
    })  # fmt: skip
    with pytest.raises(FlowError, match="only a `matrix` operator takes sparse data"):
        compiled(doc)


def test_data_behind_packed_components_keep_their_type() -> None:
    """Components of a gradient beyond 2 MiB are packed two by two: real data beside them stay real."""
    doc = document(
        {"b": np.zeros((600, 500))}, variables={"x": {"like": "b", "init": 1.0}}, operators={"D": {"gradient": {}}},
        terms=[FIT, {"atom": "huber", "arg": "D x", "weight": 0.1}, {"atom": "l1", "arg": "D x", "weight": 0.1}],
        stop={"maxIterations": 20},
    )  # fmt: skip
    x, end, _ = solve(doc)
    assert end.iteration == 20
    assert np.isfinite(x).all()
