"""Linear programs, and what is selected of them, by HiGHS."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kit.references.recipe import Answer, Data, recipe


def solved(costs: ArrayLike, **constraints: Any) -> dict[str, Any]:
    """The least energy and where it is, over x ≥ 0 if nothing else is said."""
    from scipy.optimize import linprog

    best = linprog(costs, **constraints)
    assert best.success, best.message
    return {"energy": best.fun, "x": best.x}


@recipe()
def diet() -> tuple[Data, Answer]:
    """Stigler, Journal of Farm Economics 27, 1945, in calories and milligrams: rows differ by five orders of magnitude."""
    rng = np.random.default_rng(20)
    units = np.array([2000, 50, 1000, 5, 60, 0.02, 2, 15, 70])
    K = rng.random((9, 30)) * (rng.random((9, 30)) < 0.7) * units[:, None] / 10
    c, least = rng.random(30) + 0.2, units * 1.0
    data = {"c": c, "K": K, "least": least, "most": 2 * least}
    return data, lambda: solved(c, A_ub=np.vstack([-K, K]), b_ub=np.concatenate([-least, 2 * least]))


@recipe()
def transport() -> tuple[Data, Answer]:
    """Kantorovich, Doklady Akademii Nauk 37, 1942: min ⟨C, P⟩, rows and columns of P ≥ 0 with given sums."""
    from scipy import sparse

    rng, (n, m) = np.random.default_rng(0), (30, 40)
    cost = (np.linspace(0, 1, n)[:, None] - np.linspace(0, 1, m)) ** 2
    a, b = (part / part.sum() for part in (rng.random(n), rng.random(m)))
    data = {"C": cost, "a": a[:, None], "b": b[None], "right": np.ones((m, 1)), "left": np.ones((1, n))}
    sums = sparse.vstack([sparse.kron(sparse.eye(n), np.ones((1, m))), sparse.kron(np.ones((1, n)), sparse.eye(m))])
    return data, lambda: {"energy": solved(cost.ravel(), A_eq=sums.tocsr(), b_eq=np.concatenate([a, b]))["energy"]}


@recipe()
def small_transport() -> tuple[Data, Answer]:
    """As `transport`; costs without ties have one answer."""
    rng = np.random.default_rng(12)
    C, a, b = rng.random((4, 5)), np.full(4, 0.25), np.array([0.1, 0.15, 0.2, 0.25, 0.3])
    columns = np.kron(np.ones(4), np.eye(5))[:-1]  # the last says nothing new
    R, s = np.vstack([np.kron(np.eye(4), np.ones(5)), columns]), np.concatenate([a, b[:-1]])
    return {"C": C, "R": R, "s": s}, lambda: {"x": solved(C.ravel(), A_eq=R, b_eq=s)["x"].reshape(4, 5)}


@recipe()
def selector() -> tuple[Data, Answer]:
    """Candès and Tao, Annals of Statistics 35, 2007: min ‖x‖₁ with ‖Aᵀ(b − Ax)‖∞ ≤ 0.15."""
    rng, n, bound = np.random.default_rng(1), 1100, 0.15
    A = rng.standard_normal((150, n)) / np.sqrt(150)
    b = A[:, :12] @ (3 * rng.standard_normal(12)) + 0.05 * rng.standard_normal(150)
    gram, pulled = A.T @ A, A.T @ b

    def answer() -> dict[str, Any]:
        above = np.concatenate([pulled, -pulled]) + bound
        return {"energy": solved(np.ones(2 * n), A_ub=np.block([[gram, -gram], [-gram, gram]]), b_ub=above)["energy"]}

    return {"G": gram, "g": pulled}, answer


@recipe()
def cut() -> tuple[Data, Answer]:
    """Chambolle, EMMCVPR 2005: min Σ w|u_i − u_j| on a grid, with sources at 1 and sinks at 0."""
    from scipy import sparse

    rng, (n, m) = np.random.default_rng(5), (12, 15)
    number = np.arange(n * m).reshape(n, m)
    sides = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    edges = np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in sides])
    weights = rng.integers(1, 6, len(edges)).astype(float)
    ends, held = np.r_[number[2:10, 0], number[2:10, -1]], np.repeat([1.0, 0.0], 8)

    def answer() -> dict[str, Any]:
        count, k = n * m, len(edges)
        places = np.r_[np.arange(k), np.arange(k)], edges.T.ravel()
        D, eye = sparse.csr_array((np.r_[np.ones(k), -np.ones(k)], places), (k, count)), sparse.eye_array(k)
        best = solved(
            np.r_[np.zeros(count), weights],
            A_ub=sparse.vstack([sparse.hstack([D, -eye]), sparse.hstack([-D, -eye])]),
            b_ub=np.zeros(2 * k),
            A_eq=sparse.csr_array((np.ones(16), (np.arange(16), ends)), (16, count + k)),
            b_eq=held,
            bounds=(None, None),
        )
        return {"energy": best["energy"]}

    return {"e": edges, "w": weights, "ends": ends, "held": held}, answer


@recipe((0, 10, 40), (3, 3, 6))
def program(seed: int, rows: int, columns: int) -> tuple[Data, Answer]:
    """Constraints that a sparse point meets, and costs: min ⟨c, x⟩ with Ax = b, x ≥ 0."""
    rng = np.random.default_rng(seed)
    A = rng.random((rows, columns))
    b, c = A @ np.where(rng.random(columns) < 0.3, rng.random(columns), 0), rng.random(columns)
    return {"A": A, "b": b, "c": c}, lambda: {"energy": solved(c, A_eq=A, b_eq=b)["energy"]}


def _sums(n: int) -> np.ndarray:
    """Of rows and of columns of a square matrix."""
    return np.vstack([np.kron(np.eye(n), np.ones((1, n))), np.kron(np.ones((1, n)), np.eye(n))])


@recipe()
def transport_in_pixels() -> tuple[Data, Answer]:
    """As `transport`, with squared distances of pixels as costs."""
    n, rng = 12, np.random.default_rng(1)
    places = np.linspace(0, 255, n)
    a, b = (part / part.sum() for part in (rng.random(n) + 0.01, rng.random(n) + 0.01))
    A, parts, c = _sums(n), np.r_[a, b], (places[:, None] - places) ** 2
    return {"A": A, "b": parts, "c": c}, lambda: {"energy": solved(c.ravel(), A_eq=A, b_eq=parts)["energy"]}


@recipe(1e4, 0.0)
def even_transport(costs: float) -> tuple[Data, Answer]:
    """As `transport`, of even histograms, with random costs up to this."""
    n, rng = 20, np.random.default_rng(1)
    A, b, c = _sums(n), np.full(2 * n, 1 / n), costs * rng.random((n, n))
    return {"A": A, "b": b, "c": c}, lambda: {"energy": solved(c.ravel(), A_eq=A, b_eq=b)["energy"]}


@recipe()
def quantile_of_large_columns() -> tuple[Data, Answer]:
    """Koenker and Bassett, Econometrica 46, 1978, at 0.9, with columns in large units."""
    rng = np.random.default_rng(0)
    A = 1e4 * rng.standard_normal((150, 2))
    b = A @ [1e-4, -2e-4] + rng.standard_normal(150)

    def answer() -> dict[str, Any]:
        parts = np.c_[A / 1e4, -A / 1e4, np.eye(150), -np.eye(150)]
        costs = np.r_[np.zeros(4), np.full(150, 0.9), np.full(150, 0.1)]
        return {"energy": solved(costs, A_eq=parts, b_eq=b)["energy"]}

    return {"A": A, "b": b}, answer
