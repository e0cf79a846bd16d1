"""The end of a run: its result and summary, written once and found again by a start that has nothing left to do."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import numpy as np

from flowapi.errors import DivergedError
from flowapi.report import MOST_DIGESTS, RunResult
from flowengine import capsule
from flowengine.compiler import CompiledFlow
from flowengine.loop import Carry, Snapshot, rows
from flowengine.methods import External, Sampler
from flowengine.run.cadence import per_second
from flowengine.run.mixing import bias, unmixed
from flowengine.run.opening import Opened
from flowengine.run.request import RunRequest
from flowengine.run.statistics import statistics
from flowengine.store import CheckpointStore, Retention
from flowengine.store.io import FULL, refused

APART = 1e-2  # a violation above it, relative, says that constraints may contradict each other
LIMITS = {"IterationLimit": "stop.maxIterations", "TimeLimit": "stop.wallTime"}


def write_result(
    opened: Opened, request: RunRequest, carry: Carry, now: Snapshot, reason: str, seconds: float
) -> dict[str, Any]:
    """Write the outputs and the summary of a run that ended; returns the summary."""
    compiled = opened.compiled
    arrays, seen = results_of(compiled, carry), rows(carry, now.certificates - 1)
    feasibility = finite(seen[-1].feasibility) if seen else None
    summary: dict[str, Any] = {
        "flow": request.revision.name,
        "revision": request.revision.hash,
        "reason": reason,
        "iterations": now.iteration,
        "energy": finite(now.energy),
        "residual": finite(now.residual),
        "feasibility": feasibility,
        "gap": finite(now.gap),
        "certificate": now.controller,
        "guarantee": _guarantee(compiled),
        "method": compiled.choice.method.name,
        "sha256": {name: capsule.digest(array) for name, array in arrays.items()},
        "bitIdentical": opened.bit_identical,
        "wallSeconds": round(seconds, 3),
        "iterationsPerSecond": None if (rate := per_second(now.iteration, seconds)) is None else round(rate, 3),
        "epochs": opened.claimed.epoch,
        "stop": _stop_rules(request),
        "warnings": [
            *opened.warnings,
            *_unmet(opened, request, now, reason, feasibility, carry),
            *_findings(compiled, arrays, now),
        ],
    }
    if isinstance(compiled.choice.method, Sampler):
        summary["acceptance"] = round(float(carry.state.acceptance.mean()), 4)
        summary["bias"] = bias(compiled, compiled.choice.method, carry)
    _put(opened.store, arrays, summary, request.retention)
    return summary


def _put(store: CheckpointStore, arrays: Mapping[str, np.ndarray], summary: dict[str, Any], policy: Retention) -> None:
    """Put the result in place; on a full volume once more, after every checkpoint has gone that may go.

    Raises:
        FencedError: a newer attempt has the volume.
        VolumeError: it can't be written; the last checkpoint is there, and a start makes the result again.
    """
    folder = store.layout.result(policy.current)
    store.check_fence()
    try:
        try:
            capsule.write_result(store.files, folder, arrays, summary)
        except OSError as error:
            if error.errno not in FULL or not store.collect(policy.least):
                raise
            capsule.write_result(store.files, folder, arrays, summary)
    except OSError as error:
        what = "the result could not be written; the last checkpoint was, and the next start makes it of that"
        raise refused(error, what) from error


def diverged(opened: Opened, request: RunRequest, iteration: int) -> DivergedError:
    """What to say of iterates that are not finite: a step that somebody gave is too long, or there is no minimum."""
    policy = opened.compiled.document.policy
    message = f"the iterates became NaN or infinite by iteration {iteration}"
    if policy.samples and policy.step is None:
        remedy = "Give a step below the one that `cflow plan` shows; `mala` and `hmc` refuse to cross a barrier."
        return DivergedError(message, path=f"{request.at}.policy", remedy=remedy)
    if isinstance(policy.step, int | float):
        return DivergedError(message, path=f"{request.at}.policy.step", remedy="Use a smaller step, or leave it out.")
    if (biggest := opened.compiled.largest).beyond(4):
        return DivergedError(message, path=biggest.path, remedy=biggest.remedy)
    remedy = "The step was no longer than is safe, so look for a direction in which the energy falls without end."
    return DivergedError(message, path=f"{request.at}.terms", remedy=remedy)


def results_of(compiled: CompiledFlow, carry: Carry) -> dict[str, np.ndarray]:
    """Every array that a flow leaves: the variables by name, and what `outputs` asks for."""
    point = compiled.choice.method.point(carry.state)
    named = point if isinstance(point, dict) else {compiled.problem.unknowns[0].name: point}
    arrays = {name: np.asarray(value) for name, value in named.items()}
    if isinstance(compiled.choice.method, Sampler):
        arrays |= statistics(compiled.choice.method, carry.state)
    return arrays


def _unmet(
    opened: Opened, request: RunRequest, now: Snapshot, reason: str, feasibility: float | None, carry: Carry
) -> list[str]:
    """The accuracy that was asked for, where a limit came first: the flow may have no solution at all."""
    if reason not in LIMITS:
        return []
    stop = request.settings.stop
    rules = (("residual", stop.residual, now.residual), ("gap", stop.gap, now.gap))
    missed = [(name, wanted, found) for name, wanted, found in rules if wanted is not None and found is not None]
    remedy = f"raise {request.at}.{LIMITS[reason]}"
    constrained = any(term.atom.indicator for term in opened.compiled.problem.dual)
    if constrained and feasibility is not None and feasibility > APART:
        remedy += f"; where `feasibility`, now {feasibility:.3g}, falls no further, constraints contradict each other"
    if missed:
        remedy = "; ".join((remedy, *_advice(opened, carry)))
    return [
        *(
            f"ended by its limit, for {request.at}.stop.{name} can't hold: {why}. Stop at a `residual`"
            for name, why in _never(request, now)
        ),
        *(
            f"ended by its limit with a {name} of {found:.3g}, {wanted:.3g} was asked for: {remedy}"
            for name, wanted, found in missed
        ),
    ]


def _advice(opened: Opened, carry: Carry) -> list[str]:
    """What lets the method arrive sooner."""
    from flowengine.compiler.plan import fewer_iterations  # noqa: PLC0415 - only where a limit came first

    compiled = opened.compiled
    problem = replace(compiled.problem, init=compiled.choice.method.point(carry.state))
    return [one.rstrip(".") for one in fewer_iterations(replace(compiled, problem=problem))]


def is_tried(request: RunRequest, reason: str) -> bool:
    """Whether other policies are tried once the result is written: where a limit came before the accuracy asked for.

    Only on a person's machine: a pod has no memory to spare, and what runs out of it must not run again.
    """
    stop = request.settings.stop
    return reason in LIMITS and not request.attempt and (stop.residual is not None or stop.gap is not None)


def tried(opened: Opened, now: Snapshot) -> list[str]:
    """Which policy would have been there."""
    from flowengine.run.sooner import sooner  # noqa: PLC0415 - only where a limit came first

    return sooner(opened.compiled, now)


def _never(request: RunRequest, now: Snapshot) -> list[tuple[str, str]]:
    """The rules of which nothing is known at the end, so that no more iterations help, and why."""
    stop, energy = request.settings.stop, finite(now.energy)
    if now.certificates == 0:
        return []
    at_infinity = "the energy is infinite or not known at the point"
    found = []
    if stop.relative_change is not None and energy is None:
        found.append(("relativeChange", at_infinity))
    if stop.gap is not None and finite(now.gap) is None:
        found.append(("gap", at_infinity if energy is None else "no finite dual value was found"))
    return found


def _findings(compiled: CompiledFlow, arrays: Mapping[str, np.ndarray], now: Snapshot) -> list[str]:
    """What the result itself says against trusting it."""
    red = "the certificate is RED: a gate broke, see docs/explanation/stopping.md"
    found = [red] if now.controller == "RED" else []
    if isinstance(compiled.choice.method, Sampler):
        found += unmixed(compiled, compiled.choice.method, arrays)
    return found


def _guarantee(compiled: CompiledFlow) -> str | None:
    """Of what a minimiser found; a sampler finds no point."""
    if compiled.document.policy.samples:
        return None
    own = isinstance(compiled.choice.method, External)
    return "global" if compiled.problem.convex and not own else "local"


def finished_before(request: RunRequest, store: CheckpointStore, iteration: int) -> Mapping[str, Any] | None:
    """The summary of a flow that had ended at this iteration under the same stop rules, its result still whole."""
    folder = store.layout.result(request.revision.hash)
    summary = capsule.read_result(store.files, folder)
    if summary is None or summary["stop"] != _stop_rules(request) or summary["iterations"] != iteration:
        return None
    return summary


def point_at_result(store: CheckpointStore, revision: str) -> str:
    """Make the link for people point at the revision's result; a sentence where something else stands in its place."""
    link, folder = store.layout.result_link, store.layout.result(revision)
    with suppress(OSError):  # nobody can say what stands there; the result is in its place
        if not store.files.point(link, folder) and link.exists() and not link.is_symlink():
            return f"{link} is not the link that it was, and not this result: that is in {folder}"
    return ""


def result_of(summary: Mapping[str, object], revision: str) -> RunResult:
    """What a summary says, in the words of the report, which has room for the first few arrays."""
    digests = cast("Mapping[str, str]", summary["sha256"])
    return RunResult.model_validate(
        {
            "reason": summary["reason"],
            "iteration": summary["iterations"],
            "energy": summary["energy"],
            "path": f"revisions/{revision}/result",
            "sha256": dict(itertools.islice(digests.items(), MOST_DIGESTS)),
            "bitIdentical": summary["bitIdentical"],
        }
    )


def finite(value: float | None) -> float | None:
    """The number if JSON has it, else None."""
    return value if value is not None and abs(value) < float("inf") else None


def _stop_rules(request: RunRequest) -> dict[str, object]:
    return request.settings.stop.model_dump(by_alias=True, exclude_none=True)
