"""What an engine's report says in the words of the status, and when that is worth a write."""

import math
from datetime import datetime, timedelta

from flowapi.report import RunReport
from flowapi.status import DisplayStatus, FlowStatus, ProgressStatus, RestoredFromStatus, ResultStatus
from flowoperator.core import conditions
from flowoperator.core.attempts import counted, has_saved, paused, with_losses
from flowoperator.core.observed import Observed
from flowoperator.core.revisions import checkpoint_status, with_outcome, with_saved
from flowoperator.core.troubles import moment
from flowoperator.core.wanted import ValidSpec

WRITE_SECONDS = 30.0


def observed_status(observed: Observed, now: str) -> FlowStatus:
    """The status with what the engine of the current attempt says of itself, and what others left."""
    status, report = _with_pod(observed, now), observed.latest_report
    for one in observed.terminations:
        given_up = one.attempt < status.attempt.since
        if one.report is not None and one.report.saved is not None and not given_up:
            status = with_saved(status, one.report.saved, now)
    if report is None or report.revision != status.revision.current:
        return status
    status = _with_report(with_losses(status, report), report, now)
    if report.result is not None and _is_asked_for(observed, status):
        status = status.model_copy(update={"result": ResultStatus.model_validate(report.result.model_dump())})
    outcome = status.revisions[-1].outcome if status.revisions else "Running"
    status = with_outcome(status, outcome, status.checkpoint)
    base = report.restored_from
    if status.attempt.reason == "Rollback" and base is not None and base.revision != report.revision:
        gone = f"Back to revision {report.revision}, whose checkpoints are gone"
        said = f"{gone}: it continues from {base.id} of revision {base.revision}."
        why = "RevisionFailed" if status.revision.replaced else "SpecReverted"
        status = conditions.with_condition(status, "RolledBack", "True", why, said, observed.flow.generation, now)
    return conditions.with_report(status, report, observed.flow.generation, now)


def _is_asked_for(observed: Observed, status: FlowStatus) -> bool:
    """Whether the revision that runs is the one that the spec asks for: another one's result is not the flow's."""
    spec = observed.flow.spec
    asked = spec.asked if isinstance(spec, ValidSpec) else status.revision.desired
    return not status.revision.replaced or asked == status.revision.current


def _with_pod(observed: Observed, now: str) -> FlowStatus:
    """The status with the pod that is there now; another than the one before is a recovery from how that one ended.

    A failed one is none: it has recovered nothing, its own end counts once something follows it, and it may be older
    than the one before, which was evicted and is gone.
    """
    status, pod = observed.flow.status, observed.pod
    if observed.job is None:
        status = paused(status)
        return status.model_copy(update={"attempt": status.attempt.model_copy(update={"pod_name": ""})})
    if pod is None:
        return status
    before = status.attempt.pod_name
    if before not in {"", pod.name}:
        if pod.ended == "Failed":
            return status
        end, queued = observed.termination_of(before), observed.job.queued or observed.job.suspended
        recoveries = counted(status.recoveries, end, observed.window, now)
        status = paused(status).model_copy(update={"recoveries": recoveries})
        ran = end is not None and not queued  # one that never ran has not failed to get on, nor one whose turn was over
        fruitless = 0 if status.attempt.saved else status.attempt.fruitless + ran
        status = status.model_copy(update={"attempt": status.attempt.model_copy(update={"fruitless": fruitless})})
    names = {"pod_name": pod.name, "node_name": pod.node}
    return status.model_copy(update={"attempt": status.attempt.model_copy(update=names)})


def _with_report(status: FlowStatus, report: RunReport, now: str) -> FlowStatus:
    """Progress, checkpoint, and where it started."""
    base, saved, attempt = report.restored_from, report.saved, status.attempt
    update: dict[str, object] = {"progress": _progress(report, now), "display": _display(report)}
    if _same_progress(status.progress, report):
        del update["progress"]
    if has_saved(report):
        update["attempt"] = attempt.model_copy(update={"saved": True})
        update["restore"] = status.restore.model_copy(update={"revision": ""})
    if base is not None:
        rolled_back = base.reason == "Resume" and attempt.reason == "Rollback"
        update["restored_from"] = RestoredFromStatus(
            revision=base.revision, checkpoint=base.id, iteration=base.iteration, digest=base.digest,
            reason="Rollback" if rolled_back else base.reason,
        )  # fmt: skip
    elif report.state == "Running":
        update["restored_from"] = None
    if saved is not None and saved.revision == status.revision.current:
        old = status.checkpoint
        update["checkpoint"] = checkpoint_status(saved, old.time if old and old.id == saved.id else now)
    return status.model_copy(update=update)


def _same_progress(old: ProgressStatus, report: RunReport) -> bool:
    """Whether nothing has moved since the status was written: then its time stands."""
    return (old.iteration, old.max_iterations, old.energy, old.residual) == (
        report.iteration, report.max_iterations, report.energy, report.residual,
    ) and bool(old.updated_at)  # fmt: skip


def _progress(report: RunReport, now: str) -> ProgressStatus:
    ends = ""
    if report.eta is not None and report.state == "Running" and 0 <= report.eta < 1e9:
        ends = (datetime.fromisoformat(now) + timedelta(seconds=report.eta)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ProgressStatus(
        iteration=report.iteration,
        max_iterations=report.max_iterations,
        energy=report.energy,
        residual=report.residual,
        health=report.controller if report.energy is not None else "",
        iterations_per_second=report.rate,
        estimated_completion_time=ends,
        updated_at=now,
    )


def _display(report: RunReport) -> DisplayStatus:
    """Numbers as a column of `kubectl get` has room for."""
    limit = f"/{report.max_iterations}" if report.max_iterations is not None else ""
    energy, residual, rate = (
        f"{number:.6g}" if number is not None else "" for number in (report.energy, report.residual, report.rate)
    )
    eta = duration(report.eta) if report.eta is not None and report.state == "Running" else ""
    iteration = f"{report.iteration}{limit}"
    return DisplayStatus(iteration=iteration, energy=energy, eta=eta, residual=residual, rate=rate)


def duration(seconds: float) -> str:
    """The two largest units, as kubectl writes ages: `2h5m`, `45s`."""
    left, parts = round(min(max(seconds, 0.0), 1e9)), list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def due_in(old: FlowStatus, new: FlowStatus, now: datetime) -> float:
    """Seconds until the new status is worth a write: at most 30 where the two differ in progress and checkpoint alone.

    Infinity where they are the same.
    """
    if old == new:
        return math.inf
    blank = {
        "progress": ProgressStatus(),
        "display": DisplayStatus(),
        "checkpoint": None,
        "conditions": (),
        "revisions": (),
    }
    states = [_said(status) for status in (old, new)]
    outcomes = [[(one.hash, one.outcome) for one in status.revisions] for status in (old, new)]
    if old.model_copy(update=blank) != new.model_copy(update=blank) or states[0] != states[1]:
        return 0.0
    if outcomes[0] != outcomes[1] or bool(old.checkpoint) != bool(new.checkpoint):
        return 0.0
    written = moment(old.progress.updated_at) if new.progress.updated_at else None
    return WRITE_SECONDS - (now - written).total_seconds() if written is not None else 0.0


def _said(status: FlowStatus) -> list[tuple[str, str, str, str]]:
    """The conditions, less the sentence about the newest checkpoint, which is progress."""
    return [
        (one.type, one.status, one.reason, "" if one.type == "Checkpointed" else one.message)
        for one in status.conditions
    ]
