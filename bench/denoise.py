"""Iterations a second on total-variation denoising: the engine beside hand-written JAX, a native loop and peers.

`pd3o` on the isotropic problem, `fista` on Huber's smoothed anisotropic one. All loops of one problem do the same
iteration with the same steps, and are held to it: their points after some iterations must agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from lab import Entrant, Lab, attempted, best_settings, paired, rates, say, shown
from problems import Problem, huber_denoise, tv_denoise

SIZES = (64, 128, 256, 512, 1024, 2048)
AGREED = 20  # iterations
ROUNDING = 2e-5  # of float32, in the points
SAME_ENERGY = 1e-3
BY_METHOD: dict[str, tuple[Callable[[int], Problem], tuple[int, ...]]] = {
    "pd3o": (tv_denoise, SIZES),
    "fista": (huber_denoise, (128, *SIZES[3:])),
}


def with_steps(lab: Lab, problem: Problem) -> Problem:
    """The problem with the steps that the engine chose for it."""
    return replace(problem, numbers={**problem.numbers, **lab.call("steps", problem)})


def same_iteration(lab: Lab, problem: Problem) -> dict[str, float]:
    """How far every loop's point is from the engine's after some iterations.

    Raises:
        ArithmeticError: one of them does another iteration, or solves another problem.
    """
    problem = with_steps(lab, problem)
    entrants, _ = lab.enter(problem)
    points, distances, energies = [], {}, {}
    for one in entrants:
        one.run(AGREED, reset=True)
        path = str(lab.scratch / "point.npy")
        one.worker.ask("point", key=one.key, path=path)
        points.append(np.load(path))
        energies[shown(one)] = one.measured(400, reset=True)[1]
    for one, point in zip(entrants, points, strict=True):
        if one.library in ("engine", "native loop"):
            distances[shown(one)] = float(np.max(np.abs(point - points[0])))
        one.drop()
    worst, lowest = max(distances.values()), min(energies.values())
    if worst > ROUNDING or max(energies.values()) > lowest * (1 + SAME_ENERGY):
        raise ArithmeticError(f"not the same iteration or problem: {distances}, {energies}")
    return {"pointsDiffer": worst, "energiesDiffer": max(energies.values()) / lowest - 1}


def at_size(lab: Lab, method: str, size: int, budget: float, rounds: int) -> dict[str, Any]:
    """Rates and ratios of one method at one size."""
    problem = with_steps(lab, BY_METHOD[method][0](size))
    entrants, absent = lab.enter(problem)
    fields = best_settings(entrants, budget / 5)
    found = rates(fields, budget, rounds)
    for one in entrants:
        one.drop()
    answer = {"problem": problem.name, **_summary(fields, found), "absent": absent}
    say(f"{problem.name}: {answer['ratios']}")
    return answer


def _summary(fields: list[Entrant], found: dict[str, list[float]]) -> dict[str, Any]:
    medians = {one.key: median(found[one.key]) for one in fields}
    ours = next(one for one in fields if one.name == "engine")
    by_hand = [one for one in fields if one.name == "hand-written JAX"]
    fastest = max(by_hand, key=lambda one: medians[one.key])
    ratios = {"hand-written JAX": paired(found[ours.key], found[fastest.key])}
    for one in fields:
        if one.name not in ("engine", "hand-written JAX"):
            ratios[one.name] = paired(found[ours.key], found[one.key])
    return {
        "iterationsPerSecond": {shown(one): round(medians[one.key], 2) for one in fields},
        "rounds": {shown(one): [round(rate, 2) for rate in found[one.key]] for one in fields},
        "fastestHandWritten": fastest.setting,
        "ratios": ratios,
        "firstIterationSeconds": {shown(one): round(one.first, 3) for one in fields},
    }


def measure(lab: Lab, *, quick: bool) -> dict[str, Any]:
    """Both methods at their sizes."""
    answer: dict[str, Any] = {"kernels": lab.call("kernels", tv_denoise(512))}
    for method, (make, sizes) in BY_METHOD.items():
        agreement = same_iteration(lab, make(96))
        say(f"{method}: all do the same iteration ({agreement})")
        chosen = [size for size in sizes if size in (128, 512)] if quick else sizes
        budget, rounds = (0.1, 3) if quick else (0.25, 7)
        by_size = {
            str(size): attempted(make(size).name, partial(at_size, lab, method, size, budget, rounds))
            for size in chosen
        }
        answer[method] = {"agreement": agreement, "sizes": by_size}
    return answer
