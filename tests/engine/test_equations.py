"""Equations in least squares, sparse data, and operators that fit nothing."""

import numpy as np
import pytest
from scipy import sparse

from flowapi.errors import FlowError
from flowapi.flow import FlowDocument
from kit.solving import FILES, compiled, document, solve

FIT = {"atom": "quadratic", "arg": "x", "data": "b"}
FAR = {"maxIterations": 200_000, "residual": 1e-11}


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def denoise(b, *terms, data=None, stop=None, **parts):
    return document({"b": b, **(data or {})}, variables={"x": {"like": "b"}}, terms=[FIT, *terms],
                    stop=stop or FAR, **parts)  # fmt: skip


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


REFUSED = [
    ({"A": {"matrix": "R"}, "W": {"frame": "A"}}, "operators.W.frame.bound", "no tight frame"),
    ({"W": {"wavelet": "bior2.2"}}, "operators.W.wavelet.name", "not orthogonal"),
    ({"W": {"wavelet": "db44"}}, "operators.W.wavelet.name", "no wavelet of PyWavelets"),
    ({"W": {"wavelet": {"name": "haar", "levels": 3}}}, "operators.W.wavelet.levels", "can be halved 1 times"),
    ({"W": {"select": {"axis": 0, "start": 6}}}, "operators.W.select", "has no entries"),
    ({"W": {"select": {"indices": "R"}}}, "operators.W.select.indices", "whole numbers"),
    ({"W": {"compose": ["I", "W"]}, "I": {"identity": {}}}, "operators.W.compose.of", "made of itself"),
    ({"W": {"radon": 4}}, "operators.W.radon", "A picture of two dimensions"),
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
