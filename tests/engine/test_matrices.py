"""Published problems whose variable is a matrix, against other people's solvers."""

import numpy as np
import pytest

from flowapi.errors import DataError
from flowengine.compiler.terms import forms
from kit.references import matrices
from kit.solving import compiled, document, solve

FAR = {"maxIterations": 400_000, "residual": 1e-10}
DEFINITE = {"atom": "semidefinite", "arg": "X"}
ONES = {"atom": "affine", "arg": "X", "matrix": "E", "data": "one"}


def test_completion() -> None:
    data, best = matrices.completion()
    x, end, _ = solve(document(
        data, variables={"X": {"like": "b"}}, operators={"M": {"mask": "m"}},
        terms=[{"atom": "quadratic", "arg": "M X", "data": "b"}, {"atom": "nuclear", "arg": "X", "weight": 0.5}],
        policy={"family": "accelerated"}, stop={"maxIterations": 20_000, "residual": 1e-10},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert np.abs(x - best["X"]).max() < 1e-4


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_whether_there_is_a_gap_does_not_depend_on_the_order_of_terms(order) -> None:
    """The box bounds the variable, and has the prox wherever it stands."""
    data, best = matrices.completion_within_bounds()
    terms = [
        {"atom": "weighted", "arg": "x", "data": "b", "factors": "seen"},
        {"atom": "nuclear", "arg": "x", "weight": 0.3}, {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
    ]  # fmt: skip
    _, end, flow = solve(document(
        data, variables={"x": {"like": "b"}}, terms=[terms[i] for i in order], stop={"maxIterations": 20_000, "gap": 1e-7}
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert [str(role.role) for role in flow.roles] == ["smooth", *("dual" if i == 1 else "prox" for i in order[1:])]
    np.testing.assert_allclose(end.energy, best["energy"], rtol=1e-6)


def test_a_large_quadratic_form_does_without_eigenvectors_where_nothing_needs_them(monkeypatch) -> None:
    monkeypatch.setattr(forms, "LARGE", 4)
    root = np.random.default_rng(0).standard_normal((8, 8))
    full, low = root @ root.T, root[:, :3] @ root[:, :3].T

    def form(P, **stop):
        flow = compiled(document(
            {"P": P}, variables={"x": {"shape": [8]}}, stop={"maxIterations": 5, **stop},
            terms=[{"atom": "quadratic_form", "arg": "x", "matrix": "P"}, {"atom": "box", "arg": "x", "lo": 0, "hi": 1}],
        ))  # fmt: skip
        return flow.roles[0].term.atom

    for P, definite in ((full, True), (low, False)):
        top = np.linalg.eigvalsh(P)[-1]
        assert (form(P).vectors, form(P).definite) == (None, definite)
        assert top <= form(P).top < top * (1 + 1e-5)
    assert form(full, gap=1e-3).vectors is not None
    with pytest.raises(DataError, match="eigenvalue -1"):
        form(full - (np.linalg.eigvalsh(full)[0] + 1) * np.eye(8))


def test_rows_chosen_together() -> None:
    data, best = matrices.rows_chosen_together()
    x, _, _ = solve(document(
        data, variables={"W": {"shape": [8, 5]}}, operators={"A": {"matrix": {"matrix": "A", "apply": "left"}}},
        terms=[
            {"atom": "quadratic", "arg": "A W", "data": "b"},
            {"atom": "norm_l21", "arg": "W", "axis": 1, "weight": 6.0},
        ],
        stop={"maxIterations": 100_000, "residual": 1e-10},
    ))  # fmt: skip
    assert np.abs(x - best["W"]).max() < 1e-5


def precision(weight: float) -> list[dict]:
    return [
        {"atom": "linear", "arg": "T", "costs": "S"}, {"atom": "log_det", "arg": "T"},
        {"atom": "l1", "arg": "T", "factors": "off", "weight": weight},
    ]  # fmt: skip


def test_the_graphical_lasso() -> None:
    data, best = matrices.sparse_precision()
    found, end, _ = solve(document(data, variables={"T": {"shape": [6, 6]}}, terms=precision(0.3), stop=FAR))
    assert end.reason == "Converged"
    assert np.abs(found - best["T"]).max() < 1e-6 * np.abs(best["T"]).max()
    assert (found == found.T).all()


@pytest.mark.parametrize("terms", [2, 3])
def test_a_covariance_of_small_numbers_needs_no_step(terms) -> None:
    """Entries of the answer are 10⁴, and nothing tells the step so beforehand."""
    data, best = matrices.precision_of_small_numbers()
    found, end, _ = solve(document(
        dict(data) | {"i": np.eye(2)}, variables={"T": {"shape": [2, 2], "init": "i"}}, terms=precision(1e-5)[:terms],
        stop={"maxIterations": 20_000, "residual": 1e-8},
    ))  # fmt: skip
    wanted = best["T"] if terms == 3 else np.linalg.inv(data["S"])
    assert end.reason == "Converged"
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_the_nearest_correlation_matrix() -> None:
    data, best = matrices.nearest_correlation()
    x, end, _ = solve(document(
        data, variables={"X": {"like": "G", "init": "G"}},
        terms=[{"atom": "quadratic", "arg": "X", "data": "G"}, DEFINITE, ONES], stop=FAR,
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert np.abs(x - best["X"]).max() < 1e-6


@pytest.mark.thorough
def test_the_largest_cut_relaxed() -> None:
    data, best = matrices.largest_cut()
    x, end, _ = solve(document(
        data, variables={"X": {"like": "C"}}, terms=[{"atom": "linear", "arg": "X", "costs": "C"}, DEFINITE, ONES],
        stop={"maxIterations": 400_000, "residual": 1e-9},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert abs((data["C"] * x).sum() - best["energy"]) < 1e-6 * abs(best["energy"])


def test_the_smallest_ellipsoid_about_points() -> None:
    """One ball a column."""
    data, best = matrices.smallest_ellipsoid()
    A, end, _ = solve(document(
        data, variables={"A": {"shape": [3, 3], "init": "i"}},
        operators={"P": {"matrix": {"matrix": "p", "apply": "right"}}},
        terms=[{"atom": "log_det", "arg": "A"}, {"atom": "l2_ball", "arg": "P A", "radius": 1, "axis": 0}],
        stop={"maxIterations": 200_000, "residual": 1e-9},
    ))  # fmt: skip
    assert end.reason == "Converged"
    assert abs(-np.linalg.slogdet(A)[1] - best["energy"]) < 1e-6 * abs(best["energy"])
    assert np.linalg.norm(A @ data["p"], axis=0).max() < 1 + 1e-7
