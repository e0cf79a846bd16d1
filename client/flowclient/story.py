"""What a flow's telemetry tells, in words and marks: starts, interruptions, their cost, rollbacks, its end. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from flowapi.frozen import frozen
from flowclient.chart import Mark
from flowclient.flows import Flow
from flowengine.capsule import Curve

WORDS = {
    "RUN_STARTED": "started",
    "FLOW_RESUMED": "went on after an interruption",
    "ROLLBACK": "went back to an earlier checkpoint",
    "RUN_FINISHED": "ended",
    "RUN_FAILED": "failed",
    "CANCELLED": "was stopped",
    "CHECKPOINT_CORRUPT": "passed over a damaged checkpoint",
}
KINDS = {"FLOW_RESUMED": "interruption", "ROLLBACK": "rollback", "RUN_STARTED": "start", "RUN_FINISHED": "end"}
BACK = ("FLOW_RESUMED", "ROLLBACK")
NEVER = "–"


@frozen
class Happening:
    """A line of the list of what happened."""

    time: str
    iteration: int
    what: str
    detail: str


@frozen
class Cost:
    """What interruptions cost."""

    interruptions: int
    rollbacks: int
    lost_iterations: int
    seconds: float


def happenings(flow: Flow) -> list[Happening]:
    """Every event but the checkpoints, which have a line of their own."""
    return [_happening(one) for one in flow.history.events if one["event"] in WORDS]


def marks(flow: Flow) -> list[Mark]:
    """For the curves."""
    found = []
    for one in flow.history.events:
        if one["event"] in KINDS and (one["event"] != "RUN_STARTED" or one["iter"]):
            line = _happening(one)
            detail = f", {line.detail}" if line.detail else ""
            title = f"{line.what} at iteration {one['iter']} ({line.time}{detail})"
            found.append(Mark(int(one["iter"]), KINDS[one["event"]], title))
    return found


def cost(flow: Flow, curve: Curve) -> Cost:
    """Interruptions, and the time from the last row that was kept before each to the first one after it."""
    starts = [one for one in flow.history.events if one["event"] in BACK]
    epochs, times = curve.column("epoch"), curve.column("t_wall_ms")
    seconds = 0.0
    for start in starts:
        before, after = np.flatnonzero(epochs < start["epoch"]), np.flatnonzero(epochs >= start["epoch"])
        if len(before) and len(after) and start["event"] == "FLOW_RESUMED":
            seconds += max(0.0, float(times[after[0]] - times[before[-1]]) / 1000)
    return Cost(
        interruptions=sum(one["event"] == "FLOW_RESUMED" for one in starts),
        rollbacks=sum(one["event"] == "ROLLBACK" for one in starts),
        lost_iterations=sum(one["lost"] or 0 for one in starts),
        seconds=seconds,
    )


def state_in_words(flow: Flow) -> str:
    """How a flow stands: a sentence."""
    if flow.summary is None:
        return f"It has not ended; the newest that is known of it is iteration {flow.iteration}."
    return end_in_words(str(flow.summary["reason"]), int(flow.summary["iterations"]))


def end_in_words(reason: str, iteration: int) -> str:
    """Why a flow ended: a sentence."""
    words = {
        "Converged": "It met its stop rule",
        "IterationLimit": "It ended by its limit of iterations",
        "TimeLimit": "It ended by its limit of time",
        "Diverged": "Its iterates became NaN or infinite",
    }
    return f"{words.get(reason, reason)} at iteration {iteration}."


def health_spans(curve: Curve) -> list[tuple[int, int, int]]:
    """(first iteration, last iteration, health) of each stretch of one colour."""
    health, iterations = curve.health, curve.column("iter")
    if not len(curve):
        return []
    edges = [0, *(np.flatnonzero(np.diff(health)) + 1), len(health)]
    return [
        (int(iterations[a]), int(iterations[min(b, len(health) - 1)]), int(health[a]))
        for a, b in itertools.pairwise(edges)
    ]


def number(value: Any) -> str:
    """Six significant digits, or a dash."""
    return NEVER if value is None or value != value else f"{value:.6g}"  # noqa: PLR0124 - NaN


def duration(seconds: float | None) -> str:
    """Two units of time."""
    if seconds is None:
        return NEVER
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts: list[str] = []
    for size, unit in units:
        if whole >= size:
            parts.append(f"{whole // size} {unit}")
            whole %= size
    return " ".join(parts[:2])


def clock(wall_ms: int) -> str:
    """A time of day, in UTC."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if wall_ms else NEVER


def _happening(event: Any) -> Happening:
    details: Sequence[str] = [
        f"{event['lost']} iterations computed again" if event["lost"] else "",
        f"from checkpoint {event['checkpoint']}" if event["checkpoint"] and event["event"] in BACK else "",
        event["checkpoint"] or "" if event["event"] == "CHECKPOINT_CORRUPT" else "",
        event["detail"] or "",
    ]
    text = ", ".join(one for one in details if one)
    return Happening(clock(event["t_wall_ms"]), int(event["iter"]), WORDS.get(event["event"], event["event"]), text)
