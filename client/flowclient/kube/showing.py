"""Flows of a cluster as tables, trees and documents. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import yaml

from flowapi.frozen import frozen
from flowapi.status import FlowStatus

Json = dict[str, Any]
Output = Literal["", "wide", "json", "yaml", "name"]
OUTPUTS: tuple[Output, ...] = ("", "wide", "json", "yaml", "name")
KIND = "computableflow.computableflow.dev"
Rows = list[list[str]]


@frozen
class Column:
    """A column of a table of flows; `wide` ones come with -o wide."""

    title: str
    value: Callable[[Json, FlowStatus, datetime], str]
    wide: bool = False


def _name(flow: Json, _: FlowStatus, __: datetime) -> str:
    return str(flow["metadata"]["name"])


LIST = (
    Column("NAME", _name),
    Column("PHASE", lambda _, status, __: status.phase),
    Column("ITERATION", lambda _, status, __: status.display.iteration),
    Column("ENERGY", lambda _, status, __: status.display.energy),
    Column("HEALTH", lambda _, status, __: status.progress.health),
    Column("ETA", lambda _, status, __: status.display.eta),
    Column("CHECKPOINT", lambda _, status, now: age(status.checkpoint.time, now) if status.checkpoint else ""),
    Column("RECOVERIES", lambda _, status, __: str(status.recoveries.count)),
    Column("REVISION", lambda _, status, __: status.revision.current, wide=True),
    Column("RESIDUAL", lambda _, status, __: status.display.residual, wide=True),
    Column("NODE", lambda _, status, __: status.attempt.node_name, wide=True),
    Column("LOST", lambda _, status, __: str(status.recoveries.lost_iterations), wide=True),
    Column("AGE", lambda flow, _, now: age(flow["metadata"].get("creationTimestamp", ""), now)),
    Column("MESSAGE", lambda _, status, __: sentence(status), wide=True),
)
TOP = (
    Column("NAME", _name),
    Column("PHASE", lambda _, status, __: status.phase),
    Column("IT/S", lambda _, status, __: status.display.rate),
    Column("ITERATION", lambda _, status, __: status.display.iteration),
    Column("ETA", lambda _, status, __: status.display.eta),
    Column("MEMORY", lambda flow, _, __: _memory(flow)),
    Column("NODE", lambda _, status, __: status.attempt.node_name),
)


def table(flows: Sequence[Json], columns: Sequence[Column], now: datetime, *, spaces: bool, wide: bool) -> Rows:
    """Rows of text with the titles first; with a namespace in front where there are several."""
    chosen = [one for one in columns if wide or not one.wide]
    rows = [[*(["NAMESPACE"] if spaces else []), *(one.title for one in chosen)]]
    for flow in flows:
        status = FlowStatus.read(flow.get("status", {}))
        front = [str(flow["metadata"]["namespace"])] if spaces else []
        rows.append([*front, *(one.value(flow, status, now) or "–" for one in chosen)])
    return rows


def aligned(rows: Rows) -> str:
    """As kubectl does: columns three spaces apart."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_document(objects: Sequence[Json], output: Output, *, single: bool) -> str:
    """Objects with -o json, yaml or name."""
    if output == "name":
        return "".join(f"{KIND}/{one['metadata']['name']}\n" for one in objects)
    body = objects[0] if single else {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    if output == "json":
        return json.dumps(body, indent=4) + "\n"
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def sentence(status: FlowStatus) -> str:
    """The one that matters: why a flow is stalled, what it waits for, or how it is."""
    for kind in ("Stalled", "Reconciling", "Ready"):
        for one in status.conditions:
            if one.type == kind and (one.status == "True" or kind == "Ready") and one.message:
                return one.message
    return ""


def tree(flow: Json, jobs: Sequence[Json], pods: Sequence[Json], now: datetime) -> str:
    """Flow → revision → attempt → Job → pod, and what it waits for."""
    status, meta = FlowStatus.read(flow.get("status", {})), flow["metadata"]
    head = f"{meta['namespace']}/{meta['name']}  {status.phase}"
    children: list[tuple[str, Any]] = [(line, []) for line in _about(flow, status)]
    for record in reversed(status.revisions):
        marks = [word for word in ("current", "desired", "stable") if getattr(status.revision, word) == record.hash]
        line = f"revision r{record.number} {record.hash}  " + ", ".join([record.outcome, *marks])
        below: list[tuple[str, Any]] = []
        if record.checkpoint:
            seen = age(record.checkpoint.time, now)
            below.append((f"checkpoint {record.checkpoint.id} at iteration {record.checkpoint.iteration}, {seen}", []))
        if record.hash == status.revision.current and status.attempt.number:
            below.append(_attempt(status, jobs, pods, now))
        children.append((line, below))
    return "\n".join([head, *_branches(children)]) + "\n"


def _about(flow: Json, status: FlowStatus) -> list[str]:
    shown, found = status.display, []
    if shown.iteration:
        parts = [f"iteration {shown.iteration}", f"energy {shown.energy}", f"residual {shown.residual}"]
        parts += [status.progress.health, f"{shown.rate} it/s" if shown.rate else "", shown.eta and f"ETA {shown.eta}"]
        found.append("  ".join(one for one in parts if one and not one.endswith(" ")))
    told = (one for one in status.conditions if one.type in ("Stalled", "Reconciling", "Ready") and one.message)
    found += [f"{one.type}={one.status} {one.reason}: {one.message}" for one in told]
    if status.recoveries.count:
        lost = f", {status.recoveries.lost_iterations} iterations computed again"
        found.append(f"{status.recoveries.count} recoveries ({status.recoveries.evictions} evictions{lost})")
    if status.result:
        found.append(f"result: {status.result.reason} at iteration {status.result.iteration}")
    stale = status.observed_generation < flow["metadata"].get("generation", 0)
    return [*(["the operator has not acted on the newest spec yet"] if stale else []), *found]


def _attempt(status: FlowStatus, jobs: Sequence[Json], pods: Sequence[Json], now: datetime) -> tuple[str, Any]:
    attempt = status.attempt
    line = f"attempt {attempt.number}, started {age(attempt.started_at, now)} ago"
    own = [one for one in jobs if one["metadata"]["name"] == attempt.job_name]
    if not own:
        return line, [(f"Job {attempt.job_name} is gone", [])]
    mine = [one for one in pods if (one["metadata"].get("labels") or {}).get("job-name") == attempt.job_name]
    return line, [(f"Job {attempt.job_name}  {_job_state(own[0])}", [(_pod(one), []) for one in mine])]


def _job_state(job: Json) -> str:
    for one in job.get("status", {}).get("conditions", ()):
        if one.get("status") == "True" and one.get("type") in ("Complete", "Failed", "Suspended"):
            return str(one["type"])
    return "Active" if job.get("status", {}).get("active") else "waits"


def _pod(pod: Json) -> str:
    where = pod["spec"].get("nodeName")
    status = pod.get("status", {})
    going = ", ending" if "deletionTimestamp" in pod["metadata"] else ""
    why = next((one.get("message", "") for one in status.get("conditions", ()) if one.get("status") == "False"), "")
    waits = f": {why}" if status.get("phase") == "Pending" and why else ""
    return f"pod {pod['metadata']['name']}  {status.get('phase', '')}{f' on {where}' if where else ''}{going}{waits}"


def _branches(children: Sequence[tuple[str, Any]], front: str = "") -> list[str]:
    lines = []
    for index, (text, below) in enumerate(children):
        last = index == len(children) - 1
        lines.append(f"{front}{'└─ ' if last else '├─ '}{text}")
        lines += _branches(below, front + ("   " if last else "│  "))
    return lines


def age(time: str, now: datetime) -> str:
    """As kubectl writes ages: 12s, 5m3s, 2h5m, 3d4h."""
    try:
        seconds = max(0, int((now - datetime.fromisoformat(time)).total_seconds()))
    except (ValueError, TypeError):
        return ""
    units = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    parts = [f"{seconds // size % over}{unit}" for (size, unit), over in zip(units, (10**6, 24, 60, 60), strict=True)]
    first = next((i for i, (size, _) in enumerate(units) if seconds >= size), 3)
    return "".join(one for one in parts[first : first + 2] if first >= 2 or not one.startswith("0"))


def now_utc() -> datetime:
    """The time of now, for ages."""
    return datetime.now(UTC)


def _memory(flow: Mapping[str, Any]) -> str:
    resources = flow.get("spec", {}).get("engine", {}).get("resources", {})
    limit = resources.get("limits", {}).get("memory")
    return f"{limit} (limit)" if limit else ""
