"""Problems of several variables, by CVXPY."""

from typing import Any

import numpy as np

from kit.references.recipe import Answer, Data, cvxpy, differences, least, lengths, recipe


@recipe()
def steps_and_spikes() -> tuple[Data, Answer]:
    """½‖u + v − b‖² + 0.3 TV(u) + 0.2 ‖v‖₁, v ≥ 0."""
    rng, n = np.random.default_rng(0), 40
    steps, spikes = np.cumsum(rng.random(n) < 0.1).astype(float), (rng.random(n) < 0.1) * 3.0
    b = steps + spikes + 0.05 * rng.standard_normal(n)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        u, v = cp.Variable(n), cp.Variable(n)
        energy = 0.5 * cp.sum_squares(u + v - b) + 0.3 * cp.norm1(cp.diff(u)) + 0.2 * cp.norm1(v)
        return {"energy": least(energy, [v >= 0]), "u": u.value, "v": v.value}

    return {"b": b}, answer


@recipe()
def generalised_variation() -> tuple[Data, Answer]:
    """Bredies, Kunisch and Pock, SIAM Journal on Imaging Sciences 3, 2010, with v's plain gradient."""
    rng = np.random.default_rng(0)
    plane = np.add.outer(np.arange(8.0), np.arange(7.0)) / 5
    b = plane + (rng.random((8, 7)) < 0.3) + 0.1 * rng.standard_normal((8, 7))

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        u, v, w = cp.Variable((8, 7)), cp.Variable((8, 7)), cp.Variable((8, 7))
        first = [one - part for one, part in zip(differences(u), (v, w), strict=True)]
        second = sum(cp.sum(cp.abs(one)) for part in (v, w) for one in differences(part))
        energy = 0.5 * cp.sum_squares(u - b) + 0.2 * lengths(first) + 0.3 * second
        return {"energy": least(energy, tolerance=None), "u": u.value}

    return {"b": b}, answer


@recipe()
def sum_of_operators() -> tuple[Data, Answer]:
    """½‖Au − 2Bv − y‖² + 0.3 ‖u‖₁ + 0.1 ‖v‖²."""
    rng = np.random.default_rng(0)
    A, B, y = rng.standard_normal((20, 15)), rng.standard_normal((20, 10)), rng.standard_normal(20)

    def answer() -> dict[str, Any]:
        cp = cvxpy()
        u, v = cp.Variable(15), cp.Variable(10)
        energy = 0.5 * cp.sum_squares(A @ u - 2 * B @ v - y) + 0.3 * cp.norm1(u) + 0.1 * cp.sum_squares(v)
        return {"energy": least(energy), "u": u.value}

    return {"A": A, "B": B, "y": y}, answer
