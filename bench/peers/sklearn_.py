"""scikit-learn's coordinate descent and solvers of L1-penalised logistic regression, tolerances off."""

from __future__ import annotations

from typing import Any

import numpy as np
from problems import Problem
from sklearn.linear_model import Lasso, LogisticRegression
from solver import Offer, UnableError


class Fit:
    """`fit` with this many sweeps, anew each time."""

    def __init__(self, problem: Problem, keys: dict[str, Any]) -> None:
        self.a, self.b, self.keys = np.asfortranarray(problem.arrays["A"]), problem.arrays["b"], keys
        self.weight, self.lasso = problem.numbers["weight"], problem.kind == "lasso"
        self.reset()

    def reset(self) -> None:
        self.x = np.zeros(self.a.shape[1])

    def run(self, count: int) -> None:
        if self.lasso:
            model = Lasso(self.weight / len(self.b), fit_intercept=False, tol=0, max_iter=count, **self.keys)
        else:
            model = LogisticRegression(
                l1_ratio=1.0, C=1 / self.weight, fit_intercept=False, tol=1e-15, max_iter=count, **self.keys
            )
        self.x = np.ravel(model.fit(self.a, self.b).coef_)

    def point(self) -> np.ndarray:
        return self.x


SETTINGS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "lasso": (
        "scikit-learn Lasso",
        {
            "cyclic": {},
            "random": {"selection": "random", "random_state": 0},
            "precomputed Gram matrix": {"precompute": True},
        },
    ),
    "logistic": (
        "scikit-learn LogisticRegression",
        {"liblinear": {"solver": "liblinear"}, "saga": {"solver": "saga", "random_state": 0}},
    ),
}


def offers(problem: Problem) -> list[Offer]:
    """Sparse regressions."""
    if problem.kind not in SETTINGS:
        raise UnableError("has regressions, no pictures")
    name, settings = SETTINGS[problem.kind]
    return [
        Offer(name, setting, lambda keys=keys: Fit(problem, keys), restarts=True)  # type: ignore[misc]
        for setting, keys in settings.items()
    ]
