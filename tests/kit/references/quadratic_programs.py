"""Quadratic programs and machines, by Clarabel through CVXPY."""

from typing import Any

import numpy as np

from kit.references.recipe import Answer, Data, cvxpy, least, recipe


@recipe((150, 3, 31), (64, 2, 2), (60, 1, 4))
def few_entries_of_a_ball(n: int, k: int, seed: int) -> tuple[Data, Answer]:
    """⟨c, x⟩ with ‖x‖ ≤ 1 and the first k entries at least 0.2."""
    c = np.random.default_rng(seed).standard_normal(n)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(n)
        return {"energy": least(c @ z, [cp.norm(z) <= 1, z[:k] >= 0.2])}

    return {"c": c, "few": np.arange(k)}, answer


@recipe()
def support_vector_regression() -> tuple[Data, Answer]:
    """The dual: Smola and Schölkopf, Statistics and Computing 14, 2004."""
    rng, n = np.random.default_rng(28), 300
    points = rng.random((n, 2))
    kernel = np.exp(-8 * ((points[:, None] - points) ** 2).sum(-1))
    y = np.sin(6 * points[:, 0]) + 0.1 * rng.standard_normal(n)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(n)
        loss = 0.5 * cp.quad_form(z, cp.psd_wrap(kernel)) - y @ z + 0.1 * cp.norm1(z)
        return {"energy": least(loss, [cp.abs(z) <= 5, cp.sum(z) == 0], tolerance=None)}

    return {"K": kernel, "y": -y, "one": np.ones((1, n))}, answer


def _machine(X: np.ndarray, y: np.ndarray, weight: float = 1.0, *, biased: bool = True) -> dict[str, Any]:
    """½‖w‖² + weight Σ max(0, 1 − yᵢ(⟨xᵢ, w⟩ + bias))."""
    cp = cvxpy()
    w, bias = cp.Variable(X.shape[1]), cp.Variable() if biased else 0
    loss = 0.5 * cp.sum_squares(w) + weight * cp.sum(cp.pos(1 - cp.multiply(y, X @ w + bias)))
    return {"energy": least(loss), "w": w.value}


@recipe()
def machine() -> tuple[Data, Answer]:
    """Cortes and Vapnik, Machine Learning 20, 1995, without a bias."""
    rng = np.random.default_rng(12)
    X = rng.standard_normal((60, 5))
    y = np.where(X @ rng.standard_normal(5) + 0.7 * rng.standard_normal(60) > 0, 1, -1)
    return {"X": X, "y": y}, lambda: _machine(X, y, 0.5, biased=False)


@recipe()
def machine_of_raw_features() -> tuple[Data, Answer]:
    """As `machine`, with a bias that nothing shrinks and columns of 0.01 to 1,000."""
    rng = np.random.default_rng(22)
    X = np.exp(rng.standard_normal((200, 8))) * 10.0 ** np.array([0, 1, 2, 3, -1, -2, 0, 1])
    y = np.sign((X / X.std(0) - (X / X.std(0)).mean(0)) @ rng.standard_normal(8) + 0.3 * rng.standard_normal(200))
    return {"X": X, "y": y, "one": np.ones((200, 1))}, lambda: _machine(X, y)


@recipe()
def machine_with_slacks() -> tuple[Data, Answer]:
    """As `machine`, with a bias, as Ax + tb + s ≥ 1 with s ≥ 0."""
    rng = np.random.default_rng(11)
    points = rng.standard_normal((50, 4))
    signs = np.sign(points @ [1, -1, 0.5, 0] + 0.3 * rng.standard_normal(50))
    return {"A": signs[:, None] * points, "t": signs[:, None]}, lambda: _machine(points, signs)


@recipe(1.0, 0.1)
def portfolio(most: float) -> tuple[Data, Answer]:
    """Markowitz, Journal of Finance 7, 1952: x on the simplex, with no more than `most` in one place."""
    rng = np.random.default_rng(23)
    F = rng.standard_normal((50, 5))
    S, mean = 0.01 * (F @ F.T + np.diag(rng.random(50))), 0.01 * rng.random(50)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(50)
        risk = 2.5 * cp.quad_form(z, cp.psd_wrap(S)) - mean @ z
        return {"energy": least(risk, [z >= 0, cp.sum(z) == 1, z <= most], 1e-11), "x": z.value}

    return {"S": S, "m": -mean}, answer


@recipe()
def uneven_bounds() -> tuple[Data, Answer]:
    """½‖Ax − b‖² with Kx ≤ d, whose rows differ by six orders of magnitude."""
    rng = np.random.default_rng(24)
    A, b = rng.standard_normal((40, 10)), rng.standard_normal(40)
    K = rng.standard_normal((15, 10)) * 10.0 ** rng.uniform(-3, 3, 15)[:, None]
    size = np.linalg.norm(K, axis=1)
    most = K @ rng.standard_normal(10) + 0.1 * size

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        z = cp.Variable(10)
        held = [(K / size[:, None]) @ z <= most / size]
        return {"energy": least(0.5 * cp.sum_squares(A @ z - b), held, 1e-11), "x": z.value}

    return {"A": A, "b": b, "K": K, "most": most}, answer
