"""What a cluster tells of a flow, in the values that pages are drawn of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowapi.frozen import frozen
from flowapi.revision import RevisionFile
from flowapi.status import CheckpointStatus, FlowStatus
from flowclient import revisions, story
from flowclient.dashboard.source import Condition, Revision, Row, key_of
from flowclient.flows import Flow
from flowclient.kube import showing
from flowengine.capsule import History, Lineage
from flowengine.capsule.curve import NUMBERS, WHOLE
from flowengine.store import CheckpointRef, Listed

Json = dict[str, Any]
WORDS = {"True": "yes", "False": "no"}
EVENT = {"event": "", "iter": 0, "epoch": 0, "t_wall_ms": 0, "checkpoint": None, "lost": None, "detail": None}


@frozen
class Telemetry:
    """What an engine answers, as far as this version can read it."""

    table: Any
    events: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def read(cls, told: Json) -> Telemetry | None:
        """From the answer; None where it has another form."""
        import pyarrow as pa  # noqa: PLC0415 - not for the list

        columns = told.get("columns", {})
        types = {**dict.fromkeys(WHOLE, pa.int64()), **dict.fromkeys(NUMBERS, pa.float64()), "controller": pa.string()}
        try:
            arrays = {name: pa.array(columns.get(name, []), kind) for name, kind in types.items()}
            events = tuple({**EVENT, **one} for one in told.get("events", ()))
            return cls(pa.table(arrays), events) if all(_sane(one) for one in events) else None
        except (TypeError, ValueError, AttributeError):  # pyarrow's own errors are some of these
            return None


def _sane(event: Mapping[str, Any]) -> bool:
    whole = (event["iter"], event["epoch"], event["t_wall_ms"], event["lost"] or 0)
    return isinstance(event["event"], str) and all(isinstance(one, int) for one in whole)


def key(flow: Json) -> str:
    """Of its row."""
    return key_of(str(flow["metadata"].get("namespace", "")), str(flow["metadata"]["name"]))


def row(flow: Json) -> Row:
    """Of the list, from the status alone."""
    status, meta = FlowStatus.read(flow.get("status", {})), flow["metadata"]
    progress, runs = status.progress, status.phase == "Running"
    rate = progress.iterations_per_second if runs and progress.iterations_per_second else None
    iteration = status.result.iteration if status.result else progress.iteration
    most = progress.max_iterations
    sentence = showing.sentence(status)
    if status.observed_generation < meta.get("generation", 0):
        sentence = f"The operator has not acted on the newest spec yet. {sentence}".strip()
    return Row(
        key=key(flow), name=str(meta["name"]), place=str(meta.get("namespace", "")), state=status.phase,
        health=progress.health, iteration=iteration, most=most, residual=progress.residual, rate=rate,
        left=(most - iteration) / rate if rate and most and most > iteration else None,
        saved_at=status.checkpoint.time if status.checkpoint else "", sentence=sentence,
    )  # fmt: skip


def known_flow(flow: Json, file: RevisionFile | None, told: Telemetry | None) -> Flow:
    """A flow of a cluster, as far as status, ConfigMap and engine know it."""
    status = FlowStatus.read(flow.get("status", {}))
    revision = status.revision.current or status.revision.desired
    empty = told or Telemetry.read({})
    return Flow(
        root=Path(str(flow["metadata"]["name"])),
        name=str(flow["metadata"]["name"]),
        revision=revision,
        revisions=tuple(one.hash for one in status.revisions),
        document=file.tuple.flow if file else flow.get("spec", {}).get("flow", {}),
        manifest={},
        history=History(empty.table if empty else None, empty.events if empty else (), 0, Lineage()),
        summary=_summary(status),
        checkpoints=tuple(_listed(one.checkpoint) for one in reversed(status.revisions) if one.checkpoint),
    )


def _summary(status: FlowStatus) -> Json | None:
    if status.result is None or status.phase != "Completed":
        return None
    found = status.result
    return {
        "reason": found.reason, "iterations": found.iteration, "energy": found.energy,
        "residual": status.progress.residual, "certificate": status.progress.health or None,
        "bitIdentical": found.bit_identical, "sha256": dict(found.sha256),
    }  # fmt: skip


def _listed(saved: CheckpointStatus) -> Listed:
    ref = CheckpointRef(saved.revision, saved.id, saved.iteration, 0, saved.digest)
    return Listed(ref, "", good=saved.good, visible=True, bytes=0)


def known_revisions(flow: Json, files: Mapping[str, RevisionFile]) -> tuple[Revision, ...]:
    """Those that ran, with what each changed."""
    status = FlowStatus.read(flow.get("status", {}))
    found, before = [], None
    for one in status.revisions:
        marks = [word for word in ("current", "desired", "stable") if getattr(status.revision, word) == one.hash]
        file = files.get(one.hash)
        found.append(
            Revision(
                name=f"r{one.number}", hash=one.hash, outcome=", ".join([one.outcome, *marks]), started=one.started_at,
                checkpoint=str(one.checkpoint.iteration) if one.checkpoint else "",
                diff=revisions.diff(before, file) if before and file else "",
            )
        )  # fmt: skip
        before = file
    return tuple(found)


def conditions(flow: Json) -> tuple[Condition, ...]:
    """In words."""
    status = FlowStatus.read(flow.get("status", {}))
    return tuple(
        Condition(one.type, WORDS.get(one.status, "not known"), one.reason, one.message, one.last_transition_time)
        for one in status.conditions
    )


def event_lines(events: Sequence[Json]) -> str:
    """Events, the newest last, as `kubectl describe` has them."""

    def when(one: Json) -> str:
        return str(one.get("lastTimestamp") or one.get("eventTime") or one["metadata"].get("creationTimestamp") or "")

    lines = []
    for one in sorted(events, key=when):
        times = f" ×{one['count']}" if (one.get("count") or 1) > 1 else ""
        lines.append(f"{when(one) or story.NEVER}  {one.get('reason', '')}{times}: {one.get('message', '')}")
    return "\n".join(lines)
