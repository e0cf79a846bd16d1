"""The problems as flow documents. No jax here: what only starts runs needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from problems import Problem

TERMS: dict[str, list[dict[str, Any]]] = {
    "tv-denoise": [
        {"atom": "quadratic", "arg": "x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": "weight"},
    ],
    "huber-denoise": [
        {"atom": "quadratic", "arg": "x", "data": "b", "as": "smooth"},
        {"atom": "huber", "arg": "D x", "weight": "weight", "delta": "delta"},
        {"atom": "box", "arg": "x", "lo": 0, "hi": 1},
    ],
    "tv-deblur": [
        {"atom": "quadratic", "arg": "K x", "data": "b"}, {"atom": "norm_l21", "arg": "D x", "weight": "weight"},
    ],
    "lasso": [{"atom": "quadratic", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": "weight"}],
    "logistic": [{"atom": "logistic", "arg": "A x", "data": "b"}, {"atom": "l1", "arg": "x", "weight": "weight"}],
}  # fmt: skip
OPERATORS: dict[str, dict[str, Any]] = {
    "tv-denoise": {"D": {"gradient": {}}},
    "huber-denoise": {"D": {"gradient": {}}},
    "tv-deblur": {"K": {"conv": {"kernel": "k", "boundary": "periodic"}}, "D": {"gradient": {"boundary": "periodic"}}},
    "lasso": {"A": {"matrix": "A"}},
    "logistic": {"A": {"matrix": "A"}},
}
ACCELERATED = {"family": "accelerated"}
SEARCHED = {"family": "accelerated", "step": "backtracking"}
POLICIES: dict[str, dict[str, dict[str, Any]]] = {
    "tv-denoise": {"pd3o": {"algorithm": "pd3o"}},
    "huber-denoise": {"fista": {"algorithm": "fista"}},
    "tv-deblur": {"accelerated": ACCELERATED},
    "lasso": {"accelerated": ACCELERATED, "accelerated, backtracking": SEARCHED},
    "logistic": {"accelerated": ACCELERATED, "accelerated, backtracking": SEARCHED},
}


def document(problem: Problem, policy: dict[str, Any]) -> dict[str, Any]:
    """The flow of a problem; its arrays lie in files of their names."""
    columns = problem.arrays["A"].shape[1] if "A" in problem.arrays else 0
    variable = {"shape": [columns], "init": 0} if columns else {"like": "b", "init": "b"}
    terms = [{key: _known(problem, value) for key, value in one.items()} for one in TERMS[problem.kind]]
    return {
        "dtype": str(problem.arrays["b"].dtype),
        "data": {name: {"npy": f"{name}.npy"} for name in problem.arrays},
        "variables": {"x": variable},
        "operators": OPERATORS[problem.kind],
        "terms": terms,
        "policy": policy,
        "stop": {"maxIterations": 10**9},
    }


def _known(problem: Problem, value: Any) -> Any:
    return problem.numbers[value] if value in ("weight", "delta") else value


def leave(problem: Problem, folder: Path) -> None:
    """The arrays where the flow looks for them."""
    for name, array in problem.arrays.items():
        np.save(folder / f"{name}.npy", array)


def first_policy(problem: Problem) -> dict[str, Any]:
    """The one by which the engine is judged."""
    return next(iter(POLICIES[problem.kind].values()))
