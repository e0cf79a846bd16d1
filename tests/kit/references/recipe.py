"""Answers of other people's solvers, on record: each beside the recipe that computes it anew.

A recipe is a function that makes a problem's data and says how somebody else's solver finds the answer. Tests get the
data and the recorded answer, and need no such solver; `make references` computes all answers anew, and the thorough
tests compare them with the record. One file of records stands beside each module of recipes.
"""

import functools
import importlib.metadata
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Data = Mapping[str, ArrayLike]
Arrays = dict[str, np.ndarray]
Answer = Callable[[], Data]
"""Computes what tests compare with."""

FOLDER = Path(__file__).parent
SOLVERS = ("clarabel", "cvxpy", "highspy", "numpy", "scikit-image", "scikit-learn", "scipy", "scs")
VERSIONS = "versions"
RECIPES: dict[str, "Recipe"] = {}
"""By name."""


class Recipe:
    """A function that makes a problem and the way to its answer, and the cases of its arguments on record."""

    def __init__(self, make: Callable[..., tuple[Data, Answer]], cases: tuple[tuple[Any, ...], ...]) -> None:
        self.name, self.topic, self.cases = make.__name__, make.__module__.rsplit(".", 1)[-1], cases
        self._make = make

    def __call__(self, *case: Any) -> tuple[Data, Arrays]:
        """The problem's data and the answer on record."""
        data, _ = self._make(*case)
        found, start = record(self.topic), f"{self.key(case)}/"
        if f"{start}problem" not in found:
            raise LookupError(f"no answer to {self.key(case)} is on record: run `make references`")
        if not np.allclose(found[f"{start}problem"], fingerprint(data), rtol=1e-9, atol=1e-9):
            raise LookupError(f"the answer to {self.key(case)} is of another problem: run `make references`")
        return data, {name.removeprefix(start): array for name, array in found.items() if name.startswith(start)}

    def key(self, case: tuple[Any, ...]) -> str:
        """What a case is recorded by."""
        return f"{self.name}({', '.join(map(str, case))})"

    def computed(self, case: tuple[Any, ...]) -> Arrays:
        """What is to be recorded of a case, computed anew."""
        data, answer = self._make(*case)
        start = f"{self.key(case)}/"
        found = {f"{start}{name}": np.asarray(value, np.result_type(value, float)) for name, value in answer().items()}
        return found | {f"{start}problem": fingerprint(data)}


def recipe(*cases: Any) -> Callable[[Callable[..., tuple[Data, Answer]]], Recipe]:
    """Register a recipe with the cases of its arguments that are on record; without any, it takes none."""

    def register(make: Callable[..., tuple[Data, Answer]]) -> Recipe:
        listed = tuple(case if isinstance(case, tuple) else (case,) for case in cases) or ((),)
        RECIPES[make.__name__] = made = Recipe(make, listed)
        return made

    return register


def fingerprint(data: Data) -> np.ndarray:
    """Numbers that are others for another problem, but for its rounding."""
    found: list[float] = []
    for name in sorted(data):
        flat = np.ravel(np.asarray(data[name]))
        weights = np.cos(np.arange(flat.size)) / np.sqrt(flat.size)
        size = float(np.abs(flat).max(initial=0)) or 1.0
        found += [flat.size, size, *(float(part @ weights) / size for part in (flat.real, flat.imag))]
    return np.array(found)


@functools.cache
def record(topic: str) -> Arrays:
    """All that is on record of one module's recipes."""
    file = FOLDER / f"{topic}.npz"
    if not file.exists():
        return {}
    with np.load(file) as found:
        return dict(found)


def write(topic: str, arrays: Arrays) -> None:
    """Record the answers of one module's recipes, with the versions of what found them."""
    versions = {name: importlib.metadata.version(name) for name in SOLVERS if _installed(name)}
    named: dict[str, Any] = arrays | {VERSIONS: np.array(json.dumps(versions))}
    np.savez_compressed(FOLDER / f"{topic}.npz", **named)
    record.cache_clear()


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def cvxpy() -> Any:
    """CVXPY, whose import warns of other packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cvxpy as cp
    return cp


def least(energy: Any, held: Any = (), tolerance: float | None = 1e-10, **settings: Any) -> float:
    """The least value of a CVXPY expression under constraints, by Clarabel; its variables have their values then."""
    if tolerance is not None:
        settings |= dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance)
    cp = cvxpy()
    found = cp.Problem(cp.Minimize(energy), list(held)).solve(**{"solver": "CLARABEL"} | settings)
    return float(found)


def differences(x: Any) -> list[Any]:
    """Forward differences of a matrix along its axes with a zero last one, as CVXPY expressions: Neumann boundary."""
    cp, (n, m) = cvxpy(), x.shape
    down = cp.vstack([x[1:, :] - x[:-1, :], np.zeros((1, m))])
    return [down, cp.hstack([x[:, 1:] - x[:, :-1], np.zeros((n, 1))])]


def lengths(parts: list[Any]) -> Any:
    """Σ of the lengths of the vectors that matrices make, entry by entry."""
    cp = cvxpy()
    return cp.sum(cp.norm(cp.vstack([cp.vec(part, order="C") for part in parts]), 2, axis=0))


def total_variation(x: Any) -> Any:
    """Isotropic, of a CVXPY matrix."""
    return lengths(differences(x))
