"""What a flow without a policy comes to, beside every policy that can do it: iterations to a residual of 1e-6.

    .venv/bin/python -P bench/defaults.py [NAME…]

The problems are those whose answers are on record (tests/kit/references), as tests write them down, and the first
experiments of people who come from other packages. A row: the default's method, iterations and seconds, compiled; the
policy with the fewest iterations, and the one that took the least time. Prints JSON, one row a line.
"""

from __future__ import annotations

from flowengine.run.platform import prepare

prepare(2)

import json
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import kit.solving
from flowapi.errors import FlowError
from flowapi.flow import FlowDocument
from flowengine.loop import snapshot
from kit.references import RECIPES
from kit.references.recipe import Recipe
from kit.solving import carry_of, compiled, document, go

LIMIT, RESIDUAL, SECONDS, TURN = 20_000, 1e-6, 30.0, 1_000
TESTS = Path(__file__).parent.parent / "tests" / "engine"
FIT = {"atom": "quadratic", "arg": "A w", "data": "b"}
TOPICS = {one.topic for one in RECIPES.values()}
POLICIES: dict[str, dict[str, Any]] = {
    "basic": {"family": "basic"},
    "basic, searched": {"family": "basic", "step": "backtracking"},
    "preconditioned": {"family": "preconditioned"},
    "accelerated": {"family": "accelerated"},
    "accelerated, jacobi": {"family": "accelerated", "preconditioner": "jacobi"},
    "accelerated, searched": {"family": "accelerated", "step": "backtracking"},
    "pd3o": {"algorithm": "pd3o"},
    "admm": {"algorithm": "admm"},
}


class Collected:
    """Takes what tests would solve of the problems on record, and solves none of it."""

    def __init__(self) -> None:
        self.documents: dict[str, FlowDocument] = {}
        self._keys: list[str] = []

    def pytest_collection(self) -> None:
        """Before any test module is imported."""
        asked = Recipe.__call__

        def noted(recipe: Recipe, *case: Any) -> Any:
            self._keys.append(recipe.key(case))
            return asked(recipe, *case)

        def taken(doc: FlowDocument) -> None:
            key = self._keys[-1] if self._keys else ""
            if key and not doc.policy.samples and doc.entrypoint is None:
                self.documents.setdefault(key, doc)
            pytest.skip("it is only collected")

        setattr(kit.solving, "solve", taken)  # noqa: B010 - what tests import is another function from here on
        setattr(Recipe, "__call__", noted)  # noqa: B010

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Only tests that ask for a record, and solve."""
        items[:] = [
            one for one in items if {*TOPICS} & {*one.obj.__code__.co_names} and "solve" in one.obj.__code__.co_names
        ]

    def pytest_runtest_setup(self) -> None:
        """What tests before this one asked for is none of its."""
        self._keys.clear()


def regression(data: dict[str, Any], *terms: dict[str, Any]) -> FlowDocument:
    """Of the columns of A."""
    parts = {"variables": {"w": {"shape": [data["A"].shape[1]]}}, "operators": {"A": {"matrix": "A"}}}
    return document(data, **parts, terms=list(terms), stop={"maxIterations": LIMIT})


def groups(*more: dict[str, Any]) -> FlowDocument:
    """100 rows, 400 columns of unequal sizes in groups of 4, two of which are not 0."""
    rng = np.random.default_rng(0)
    A, of, w = rng.standard_normal((100, 400)) * np.linspace(0.5, 2, 400), np.arange(400) // 4, np.zeros(400)
    w[:8] = 1
    b = A @ w + 0.1 * rng.standard_normal(100)
    return regression({"A": A, "b": b, "g": of}, FIT, *more)


def raw_units() -> FlowDocument:
    """Logistic regression on 1, age, income and a share, nothing scaled."""
    rng = np.random.default_rng(3)
    age, income, share = rng.uniform(18, 80, 500), rng.lognormal(10.5, 0.5, 500), rng.random(500)
    A = np.stack([np.ones(500), age, income, share], axis=1)
    y = np.sign(0.05 * (age - 45) + (np.log(income) - 10.5) + share - 0.5 + rng.logistic(size=500))
    return regression({"A": A, "b": y}, {"atom": "logistic", "arg": "A w", "data": "b"})


def large_lasso() -> FlowDocument:
    """20,000 rows, 2,000 columns, 20 of which count."""
    rng = np.random.default_rng(1)
    A, w = rng.standard_normal((20_000, 2_000)), np.zeros(2_000)
    w[:20] = rng.standard_normal(20)
    b = A @ w + rng.standard_normal(20_000)
    return regression({"A": A, "b": b}, FIT, {"atom": "l1", "arg": "w", "weight": 500.0})


L21, L1 = {"atom": "norm_l21", "arg": "w", "groups": "g", "weight": 1.0}, {"atom": "l1", "arg": "w", "weight": 0.5}
FIRST: dict[str, Callable[[], FlowDocument]] = {
    "first lasso": lambda: groups(L1),
    "first group lasso": lambda: groups(L21),
    "first lasso with L21 and l1": lambda: groups(L21, L1),
    "logistic in raw units": raw_units,
    "lasso 20,000 × 2,000": large_lasso,
}


def run(doc: FlowDocument, policy: dict[str, Any]) -> dict[str, Any] | None:
    """One policy's way; None where it is refused."""
    stop = {"maxIterations": LIMIT, "residual": RESIDUAL}
    try:
        flow = compiled(FlowDocument.parse({**doc.raw, "policy": policy, "stop": stop}))
    except FlowError:
        return None
    carry = carry_of(flow)
    carry = go(flow, carry, 0)
    carry.ring.block_until_ready()
    begin, until = time.perf_counter(), 0
    while not (now := snapshot(carry)).reason and time.perf_counter() - begin < SECONDS:
        until += TURN
        carry = go(flow, carry, until)
    return {
        "method": flow.choice.method.name,
        "arrived": now.reason == "Converged",
        "iterations": now.iteration,
        "seconds": round(time.perf_counter() - begin, 3),
        "residual": float(f"{now.residual:.2g}") if now.residual is not None else None,
        "energy": now.energy,
    }


def row(doc: FlowDocument) -> dict[str, Any]:
    """One problem's."""
    own = run(doc, {})
    if own is None:
        return {"refused": True}
    others = {name: found for name, policy in POLICIES.items() if (found := run(doc, policy)) is not None}
    there = {name: found for name, found in {"default": own, **others}.items() if found["arrived"]}
    fewest = min(there, key=lambda name: there[name]["iterations"], default=None)
    soonest = min(there, key=lambda name: there[name]["seconds"], default=None)
    return {
        "default": own,
        "fewest": fewest and {"policy": fewest, **there[fewest]},
        "soonest": soonest and {"policy": soonest, **there[soonest]},
        "others": {name: [one["iterations"], one["seconds"], one["arrived"]] for name, one in others.items()},
    }


def main() -> None:
    """Those that are named, else all."""
    collected = Collected()
    options = ["--thorough", "-q", "-p", "no:cacheprovider", "--no-header", "-r", "N"]
    with redirect_stdout(sys.stderr):
        pytest.main([*options, str(TESTS)], plugins=[collected])
    for name in sys.argv[1:] or [*FIRST, *collected.documents]:
        doc = FIRST[name]() if name in FIRST else collected.documents[name]
        sys.stdout.write(json.dumps({name: row(doc)}, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        jax.clear_caches()  # a process may hold so many compiled programs, and no more


main()
