"""Regressions and classifications, by CVXPY and scikit-learn."""

import warnings
from typing import Any

import numpy as np

from kit.references.recipe import Answer, Data, cvxpy, least, recipe


@recipe()
def lasso() -> tuple[Data, Answer]:
    """½‖Aw − b‖² + 5‖w‖₁: Tibshirani, Journal of the Royal Statistical Society B 58, 1996."""
    rng = np.random.default_rng(2)
    A, w = rng.standard_normal((100, 300)), np.zeros(300)
    w[:10] = rng.standard_normal(10)
    b = A @ w + 0.05 * rng.standard_normal(100)

    def answer() -> dict[str, Any]:
        from sklearn.linear_model import Lasso

        return {"w": Lasso(alpha=0.05, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(A, b).coef_}

    return {"A": A, "b": b}, answer


@recipe()
def small_lasso() -> tuple[Data, Answer]:
    """As `lasso`, with 3‖w‖₁."""
    rng = np.random.default_rng(8)
    A = rng.standard_normal((60, 6))
    b = A @ rng.standard_normal(6)

    def answer() -> dict[str, Any]:
        from sklearn.linear_model import Lasso

        return {"w": Lasso(0.05, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(A, b).coef_}

    return {"A": A, "b": b}, answer


@recipe()
def elastic_net() -> tuple[Data, Answer]:
    """Zou and Hastie, Journal of the Royal Statistical Society B 67, 2005."""
    rng = np.random.default_rng(2)
    X, w = rng.standard_normal((100, 60)), np.zeros(60)
    w[:8] = rng.standard_normal(8)
    y = X @ w + 0.05 * rng.standard_normal(100)

    def answer() -> dict[str, Any]:
        from sklearn.linear_model import ElasticNet

        model = ElasticNet(0.05, l1_ratio=0.7, fit_intercept=False, tol=1e-14, max_iter=10**6)
        return {"w": model.fit(X, y).coef_}

    return {"A": X, "b": y}, answer


def _logistic(X: np.ndarray, y: np.ndarray, **settings: Any) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():  # of settings that it will name otherwise
        warnings.simplefilter("ignore", FutureWarning)
        model = LogisticRegression(fit_intercept=False, tol=1e-12, **settings).fit(X, y)
    return {"w": np.squeeze(model.coef_.T)}


@recipe()
def sparse_classification() -> tuple[Data, Answer]:
    """Σ log(1 + exp(−yᵢ⟨xᵢ, w⟩)) + 4‖w‖₁: Koh, Kim and Boyd, Journal of Machine Learning Research 8, 2007."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((200, 60))
    y = np.where(X[:, :5] @ rng.standard_normal(5) + 0.5 * rng.standard_normal(200) > 0, 1, -1)
    settings = {"l1_ratio": 1.0, "C": 1 / 4.0, "solver": "liblinear", "max_iter": 100_000, "random_state": 0}
    return {"A": X, "labels": y}, lambda: _logistic(X, y, **settings)


@recipe()
def several_classes() -> tuple[Data, Answer]:
    """Cross entropy + ‖W‖²."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((120, 6))
    y = np.argmax(X @ rng.standard_normal((6, 3)) + 0.5 * rng.standard_normal((120, 3)), axis=1)
    return {"X": X, "y": y}, lambda: _logistic(X, y, C=1 / 2.0, max_iter=10_000)


@recipe(0.1, 0.5, 0.8)
def quantile(q: float) -> tuple[Data, Answer]:
    """Σ pinball(b − Xw) + 1.6‖w‖₁: Koenker and Bassett, Econometrica 46, 1978, with one answer."""
    rng = np.random.default_rng(12)
    X = rng.standard_normal((80, 6))
    b = X @ rng.standard_normal(6) + rng.standard_normal(80)

    def answer() -> dict[str, Any]:
        from sklearn.linear_model import QuantileRegressor

        return {"w": QuantileRegressor(quantile=q, alpha=0.02, fit_intercept=False, solver="highs").fit(X, b).coef_}

    return {"X": X, "b": b}, answer


def _small() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    A = rng.standard_normal((40, 15))
    w = np.where(rng.random(15) < 0.4, rng.standard_normal(15), 0)
    return A, A @ w + 0.05 * rng.standard_normal(40)


@recipe("simplex", "l1_ball", "l2_ball", "knapsack", "affine")
def constrained(name: str) -> tuple[Data, Answer]:
    """½‖Aw − b‖² under one constraint."""
    A, b = _small()
    more: dict[str, Any] = {"knapsack": {"c": np.arange(15)}, "affine": {"E": A[:3], "r": [1.0, 2.0, 3.0]}}

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(15)
        held = {
            "simplex": [z >= 0, cp.sum(z) == 2],
            "l1_ball": [cp.norm(z, 1) <= 1.5],
            "l2_ball": [cp.norm(z, 2) <= 0.7],
            "knapsack": [np.arange(15) @ z <= -1],
            "affine": [A[:3] @ z == [1.0, 2.0, 3.0]],
        }
        least(0.5 * cp.sum_squares(A @ z - b), held[name])
        return {"w": z.value}

    return {"A": A, "b": b} | more.get(name, {}), answer


@recipe("huber", "entropy", "relative entropy", "barrier", "l1 misfit", "groups")
def regularised(name: str) -> tuple[Data, Answer]:
    """A fit of Aw to b beside one regulariser."""
    A, b = _small()
    shares = [1.0, 0.5, 2.0]
    more: dict[str, Any] = {
        "relative entropy": {"p": np.full(15, 0.3)},
        "groups": {"g": np.arange(15) // 5, "v": shares},
    }

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(15)
        fit, ridge = 0.5 * cp.sum_squares(A @ z - b), 0.5 * cp.sum_squares(z)
        grouped = sum(v * cp.norm(z[5 * i : 5 * i + 5], 2) for i, v in enumerate(shares))
        energies = {
            "huber": 0.5 * cp.sum(cp.huber(A @ z - b, 0.1)) + ridge,
            "entropy": fit - cp.sum(cp.entr(z)),
            "relative entropy": fit + cp.sum(cp.kl_div(z, np.full(15, 0.3))),
            "barrier": fit - cp.sum(cp.log(z)),
            "l1 misfit": cp.norm(A @ z - b, 1) + ridge,
            "groups": fit + 3 * grouped,
        }
        least(energies[name], tolerance=None)
        return {"w": z.value}

    return {"A": A, "b": b} | more.get(name, {}), answer


@recipe()
def weighted_lasso() -> tuple[Data, Answer]:
    """The adaptive lasso, Zou, Journal of the American Statistical Association 101, 2006, on data of unequal precision."""
    rng = np.random.default_rng(4)
    A, b = rng.standard_normal((20, 12)), rng.standard_normal(20)
    precision, factors = rng.random(20) + 0.5, np.where(np.arange(12) % 3, rng.random(12), 0)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(12)
        fit = 0.5 * cp.sum_squares(cp.multiply(precision, A @ z - b))
        least(fit + 3 * cp.norm1(cp.multiply(factors, z)))
        return {"w": z.value}

    return {"A": A, "b": b, "p": precision, "f": factors}, answer


@recipe()
def square_root_lasso() -> tuple[Data, Answer]:
    """‖Ax − b‖ + ½‖x‖₁: Belloni, Chernozhukov and Wang, Biometrika 98, 2011, beside Cx ≤ d."""
    rng = np.random.default_rng(12)
    A, C, truth = rng.standard_normal((30, 12)), rng.standard_normal((5, 12)), np.r_[1.0, -2, 3, np.zeros(9)]
    b, d = A @ truth + 0.1 * rng.standard_normal(30), C @ truth - 0.05

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        x = cp.Variable(12)
        return {"energy": least(cp.norm(A @ x - b) + 0.5 * cp.norm1(x), [C @ x <= d]), "x": x.value}

    return {"A": A, "b": b, "C": C, "d": d}, answer


@recipe()
def uneven_columns() -> tuple[Data, Answer]:
    """½‖Ax − b‖² + 0.01‖x‖₁ with −1 ≤ x ≤ 20, where columns differ by three orders of magnitude."""
    A = np.random.default_rng(0).standard_normal((80, 60)) * np.logspace(-2, 1, 60)
    b = np.random.default_rng(1).standard_normal(80)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        x = cp.Variable(60)
        return {"energy": least(0.5 * cp.sum_squares(A @ x - b) + 0.01 * cp.norm1(x), [x >= -1, x <= 20])}

    return {"A": A, "b": b}, answer


@recipe(("logistic", 0.0), ("logistic", 0.1), ("huber", 0.0), ("huber", 0.1))
def steps_of_uneven_columns(loss: str, ridge: float) -> tuple[Data, Answer]:
    """A loss of Xx + ‖Dx‖₁ + ridge/2 ‖x‖², D first differences; columns of 1 to 100."""
    rng = np.random.default_rng(60)
    X = rng.standard_normal((150, 20)) * np.geomspace(1, 100, 20)
    steps = np.repeat(rng.standard_normal(4), 5)
    y = np.sign(X @ steps + rng.logistic(size=150)) if loss == "logistic" else X @ steps + rng.standard_t(1, 150)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(20)
        fit = cp.logistic(cp.multiply(-y, X @ z)) if loss == "logistic" else cp.huber(X @ z - y, 0.5) / 2
        return {"energy": least(cp.sum(fit) + cp.norm1(cp.diff(z)) + ridge / 2 * cp.sum_squares(z))}

    return {"X": X, "y": y, "D": np.diff(np.eye(20), axis=0)}, answer


@recipe()
def complex_lasso() -> tuple[Data, Answer]:
    """½‖Ax − b‖² + 2‖x‖₁ of complex numbers."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, 40)) + 1j * rng.standard_normal((20, 40))
    b = rng.standard_normal(20) + 1j * rng.standard_normal(20)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        x = cp.Variable(40, complex=True)
        energy = least(0.5 * cp.sum_squares(cp.abs(A @ x - b)) + 2 * cp.sum(cp.abs(x)), tolerance=None)
        return {"energy": energy, "x": x.value}

    return {"A": A, "b": b}, answer
