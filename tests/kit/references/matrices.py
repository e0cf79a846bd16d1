"""Problems whose variable is a matrix: completion, covariances, cuts, ellipsoids."""

from typing import Any

import numpy as np

from kit.references.recipe import Answer, Data, cvxpy, least, recipe


@recipe()
def completion() -> tuple[Data, Answer]:
    """½‖m ⊙ X − b‖² + ½‖X‖₊: Mazumder, Hastie and Tibshirani, Journal of Machine Learning Research 11, 2010."""
    rng = np.random.default_rng(6)
    truth = rng.standard_normal((10, 2)) @ rng.standard_normal((2, 8))
    mask = (rng.random(truth.shape) < 0.6).astype(float)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(truth.shape)
        least(0.5 * cp.sum_squares(cp.multiply(mask, z) - mask * truth) + 0.5 * cp.normNuc(z), tolerance=None)
        return {"X": z.value}

    return {"m": mask, "b": mask * truth}, answer


@recipe()
def completion_within_bounds() -> tuple[Data, Answer]:
    """As `completion`, with 0.3 ‖X‖₊ and 0 ≤ X ≤ 1."""
    rng = np.random.default_rng(4)
    b, seen = rng.random((5, 6)), (rng.random((5, 6)) < 0.6).astype(float)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(b.shape)
        energy = 0.5 * cp.sum_squares(cp.multiply(seen, z - b)) + 0.3 * cp.normNuc(z)
        return {"energy": least(energy, [z >= 0, z <= 1], tolerance=None, solver="SCS", eps=1e-9)}

    return {"b": b, "seen": seen}, answer


@recipe()
def rows_chosen_together() -> tuple[Data, Answer]:
    """½‖AW − b‖² + 6 Σ‖W_i‖, i over rows: Yuan and Lin, Journal of the Royal Statistical Society B 68, 2006."""
    rng = np.random.default_rng(2)
    A, b = rng.standard_normal((20, 8)), rng.standard_normal((20, 5))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable((8, 5))
        least(0.5 * cp.sum_squares(A @ z - b) + 6 * cp.sum(cp.norm(z, 2, axis=1)), tolerance=1e-9)
        return {"W": z.value}

    return {"A": A, "b": b}, answer


def _lasso(S: np.ndarray, weight: float) -> dict[str, Any]:
    from sklearn.covariance import graphical_lasso

    return {"T": graphical_lasso(S, weight, tol=1e-10, enet_tol=1e-12, max_iter=1000)[1]}


@recipe()
def sparse_precision() -> tuple[Data, Answer]:
    """⟨S, Θ⟩ − log det Θ + 0.3 Σ_{i≠j}|Θ_ij|: Friedman, Hastie and Tibshirani, Biostatistics 9, 2008."""
    rng = np.random.default_rng(12)
    S = np.cov((rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6))).T)
    return {"S": S, "off": 1 - np.eye(6)}, lambda: _lasso(S, 0.3)


@recipe()
def precision_of_small_numbers() -> tuple[Data, Answer]:
    """As `sparse_precision`, of daily returns: variances are 10⁻⁴."""
    S = np.array([[1e-4, 0.3e-4], [0.3e-4, 2e-4]])
    return {"S": S, "off": 1 - np.eye(2)}, lambda: _lasso(S, 1e-5)


@recipe()
def nearest_correlation() -> tuple[Data, Answer]:
    """½‖X − G‖², X positive semidefinite with a diagonal of ones: Higham, IMA Journal of Numerical Analysis 22, 2002."""
    G = np.array([[1, 0.9, 0.1, -0.6], [0.9, 1, 0.9, 0.2], [0.1, 0.9, 1, 0.95], [-0.6, 0.2, 0.95, 1]])
    rows = np.zeros((4, 16))
    rows[np.arange(4), 5 * np.arange(4)] = 1

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        Z = cp.Variable((4, 4), PSD=True)
        least(cp.sum_squares(Z - G), [cp.diag(Z) == 1])
        return {"X": Z.value}

    return {"G": G, "E": rows, "one": np.ones(4)}, answer


@recipe()
def largest_cut() -> tuple[Data, Answer]:
    """−¼⟨L, X⟩, X ⪰ 0 with a diagonal of ones: Goemans and Williamson, Journal of the ACM 42, 1995."""
    rng = np.random.default_rng(12)
    W = np.triu((rng.random((7, 7)) < 0.5) * rng.random((7, 7)), 1)
    W += W.T
    costs, rows = (W - np.diag(W.sum(0))) / 4, np.zeros((7, 49))
    rows[np.arange(7), 8 * np.arange(7)] = 1

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        Z = cp.Variable((7, 7), PSD=True)
        return {"energy": least(cp.sum(cp.multiply(costs, Z)), [cp.diag(Z) == 1])}

    return {"C": costs, "E": rows, "one": np.ones(7)}, answer


@recipe()
def smallest_ellipsoid() -> tuple[Data, Answer]:
    """−log det A with ‖A pᵢ‖ ≤ 1 for every point: Löwner and John, centred."""
    points = np.array([[2.0], [1.0], [0.5]]) * np.random.default_rng(12).standard_normal((3, 20))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        Z = cp.Variable((3, 3), PSD=True)
        return {"energy": least(-cp.log_det(Z), [cp.norm(Z @ points, axis=0) <= 1])}

    return {"p": points, "i": np.eye(3)}, answer
