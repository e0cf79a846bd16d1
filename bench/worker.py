"""A process that measures one library: JSON a line on stdin, an answer a line on stdout.

    python bench/worker.py MODULE          MODULE has `offers(problem) -> list[Offer]`

    {"do": "offers", "problem": PATH}      → {"offers": [{key, name, setting, restarts, granule, schedule}]}
    {"do": "build", "key": KEY}            → {"seconds": until the first iteration is done, compiling and all}
    {"do": "run", "key": KEY, "count": N, "reset": BOOL, "energy": BOOL} → {"seconds", "energy"}
    {"do": "point", "key": KEY, "path": PATH} · {"do": "drop", "key": KEY} · {"do": "call", "name", "problem"}

What goes wrong comes back as {"unable": why}; the process goes on.
"""

import gc
import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from problems import Problem
from solver import Offer, Solver, UnableError


class Worker:
    """The offers of a module, and the solvers that were built of them."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.offered: dict[str, tuple[Problem, Offer]] = {}
        self.built: dict[str, Solver] = {}

    def offers(self, problem: str) -> dict[str, Any]:
        """What can do the problem."""
        loaded = Problem.load(Path(problem))
        found = []
        for one in self.module.offers(loaded):
            key = f"{loaded.name} | {one.name} | {one.setting}"
            self.offered[key] = loaded, one
            about = {"name": one.name, "setting": one.setting, "restarts": one.restarts}
            found.append({"key": key, **about, "granule": one.granule, "schedule": one.schedule})
        return {"offers": found}

    def build(self, key: str) -> dict[str, Any]:
        """Set up, and iterate once: that compiles whatever compiles."""
        offer = self.offered[key][1]
        began = time.perf_counter()
        solver = self.built[key] = offer.build()
        solver.run(offer.schedule[0] if offer.schedule else 1)
        return {"seconds": time.perf_counter() - began}

    def run(self, key: str, count: int, *, reset: bool = False, energy: bool = False) -> dict[str, Any]:
        """Iterate; the energy is taken after the clock has stopped."""
        solver = self.built[key]
        if reset:
            solver.reset()
        gc.collect()
        began = time.perf_counter()
        solver.run(count)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "energy": self.offered[key][0].energy(solver.point()) if energy else None}

    def point(self, key: str, path: str) -> dict[str, Any]:
        """Leave the point in a file."""
        np.save(path, self.built[key].point())
        return {}

    def drop(self, key: str) -> dict[str, Any]:
        """Forget a solver."""
        self.built.pop(key, None)
        return {}

    def call(self, name: str, problem: str) -> dict[str, Any]:
        """What only this module knows of a problem."""
        result: dict[str, Any] = getattr(self.module, name)(Problem.load(Path(problem)))
        return result


def main() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")
    try:
        worker, hindrance = Worker(importlib.import_module(sys.argv[1])), ""
    except ImportError as error:
        worker, hindrance = Worker(None), f"cannot be imported: {error}"
    for line in sys.stdin:
        words = json.loads(line)
        try:
            if hindrance:
                raise UnableError(hindrance)  # noqa: TRY301 - the one place that answers
            act: Callable[..., dict[str, Any]] = getattr(worker, words.pop("do"))
            answer = act(**words)
        except UnableError as reason:
            answer = {"unable": str(reason)}
        except Exception as error:  # noqa: BLE001 - a peer's failure is a result, and goes into the JSON
            answer = {"unable": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
