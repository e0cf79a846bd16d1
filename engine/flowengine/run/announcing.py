"""What a start has found, told in the report and in the telemetry, which begins here."""

from __future__ import annotations

import uuid

from flowapi.report import SavedCheckpoint
from flowengine import capsule
from flowengine.compiler import explain
from flowengine.run.opening import Opened
from flowengine.run.reporting import Reporter
from flowengine.run.request import RunRequest
from flowengine.run.telemetry import Telemetry


def announce(opened: Opened, iteration: int, reporter: Reporter, telemetry: Telemetry) -> None:
    """Say where a run begins or goes on, what its last process lost, and which checkpoints were passed over."""
    claimed = opened.claimed
    reporter.update(
        attempt=opened.store.attempt,
        epoch=claimed.epoch,
        restored_from=opened.restored,
        previous=claimed.previous,
        lost_iterations=claimed.lost,
        passed_over=len(claimed.passed_over),
        bit_identical=opened.bit_identical,
        iteration=iteration,
    )
    for one in claimed.passed_over:
        telemetry.event("CHECKPOINT_CORRUPT", iteration, checkpoint=one.id, detail=one.reason)
    if claimed.base is None:
        warm = claimed.warm
        detail = f"from {warm.ref.id} of revision {warm.ref.revision}" if warm else None
        telemetry.event("RUN_STARTED", iteration, detail=detail)
    else:
        ref = claimed.base.ref
        saved = SavedCheckpoint(revision=ref.revision, id=ref.id, iteration=ref.iteration, digest=ref.digest)
        reporter.update(saved=saved, durable=ref.iteration)
        event: capsule.Event = "ROLLBACK" if claimed.jumped or claimed.returned else "FLOW_RESUMED"
        telemetry.event(event, iteration, checkpoint=ref.id, from_epoch=ref.epoch, lost=claimed.lost)
    reporter.show()


def recording(request: RunRequest, opened: Opened) -> Telemetry:
    """Where rows and events of this process go; what a killed one left half-written is swept away."""
    layout, files = opened.store.layout, opened.store.files
    common = {
        "run_id": _run_id(request), "flow_name": request.revision.name,
        "revision": request.revision.hash, "epoch": opened.claimed.epoch,
    }  # fmt: skip
    about = {
        "method": opened.compiled.choice.method.name, "why": explain(opened.compiled),
        "seed": opened.compiled.document.seed, "env": dict(opened.env),
    }  # fmt: skip
    kept = capsule.Capsule(layout.telemetry(request.revision.hash), common, files, about)
    files.sweep(kept.folder)
    return Telemetry(kept, request.settings.telemetry.every, int(opened.carry.certificates))


def _run_id(request: RunRequest) -> str:
    """The same for every process of a flow: telemetry of one flow has one run_id."""
    name = f"{request.owner.namespace}/{request.owner.name}/{request.owner.uid}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
