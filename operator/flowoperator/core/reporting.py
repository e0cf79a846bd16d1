"""What an engine's report says in the words of the status, and when that is worth a write."""

from datetime import datetime, timedelta

from flowapi.report import RunReport
from flowapi.status import FlowStatus, ProgressStatus, RestoredFromStatus, ResultStatus
from flowoperator.core import conditions
from flowoperator.core.attempts import counted, has_saved, with_losses
from flowoperator.core.observed import Observed
from flowoperator.core.revisions import checkpoint_status, with_outcome, with_saved

WRITE_SECONDS = 30.0


def told(observed: Observed, now: str) -> FlowStatus:
    """The status with what the engine of the current attempt says of itself, and what others left."""
    status, report = _with_pod(observed), observed.latest_report
    for words in observed.last_words:
        if words.report is not None and words.report.saved is not None:
            status = with_saved(status, words.report.saved, now)
    if report is None or report.revision != status.revision.current:
        return status
    status = _with_report(with_losses(status, report), report, now)
    outcome = status.revisions[-1].outcome if status.revisions else "Running"
    status = with_outcome(status, outcome, status.checkpoint)
    return conditions.with_report(status, report, observed.flow.generation, now)


def _with_pod(observed: Observed) -> FlowStatus:
    """The status with the pod that is there now; another than the one before is a recovery from how that one ended.

    A failed one is none: it has recovered nothing, its own end counts once something follows it, and it may be older
    than the one before, which was evicted and is gone.
    """
    status, pod = observed.flow.status, observed.pod
    if observed.job is None:
        return status.model_copy(update={"attempt": status.attempt.model_copy(update={"pod_name": ""})})
    if pod is None:
        return status
    before = status.attempt.pod_name
    if before not in {"", pod.name}:
        if pod.ended == "Failed":
            return status
        status = status.model_copy(update={"recoveries": counted(status.recoveries, observed.words_of(before))})
    names = {"pod_name": pod.name, "node_name": pod.node}
    return status.model_copy(update={"attempt": status.attempt.model_copy(update=names)})


def _with_report(status: FlowStatus, report: RunReport, now: str) -> FlowStatus:
    """Progress, checkpoint, where it started, and the result."""
    progress = ProgressStatus(
        iteration=report.iteration,
        max_iterations=report.max_iterations,
        energy=report.energy,
        residual=report.residual,
        health=report.controller if report.energy is not None else "",
        iterations_per_second=report.rate,
        updated_at=now,
    )
    update: dict[str, object] = {"progress": progress}
    if has_saved(report):
        update["attempt"] = status.attempt.model_copy(update={"saved": True})
    if (base := report.restored_from) is not None:
        update["restored_from"] = RestoredFromStatus(
            revision=base.revision, checkpoint=base.id, iteration=base.iteration, digest=base.digest, reason=base.reason
        )
    if (saved := report.saved) is not None:
        old = status.checkpoint
        update["checkpoint"] = checkpoint_status(saved, old.time if old and old.id == saved.id else now)
    if report.result is not None:
        update["result"] = ResultStatus.model_validate(report.result.model_dump())
    return status.model_copy(update=update)


def only_progress(old: FlowStatus, new: FlowStatus, now: datetime) -> bool:
    """Whether the two differ in progress and checkpoint alone, and the old was written less than 30 s ago."""
    blank = {"progress": ProgressStatus(), "checkpoint": None, "conditions": (), "revisions": ()}
    states = [_said(status) for status in (old, new)]
    outcomes = [[(one.hash, one.outcome) for one in status.revisions] for status in (old, new)]
    if old.model_copy(update=blank) != new.model_copy(update=blank) or states[0] != states[1]:
        return False
    if outcomes[0] != outcomes[1] or bool(old.checkpoint) != bool(new.checkpoint):
        return False
    if not old.progress.updated_at or not new.progress.updated_at:
        return old.progress == new.progress
    written = datetime.fromisoformat(old.progress.updated_at)
    return now - written < timedelta(seconds=WRITE_SECONDS)


def _said(status: FlowStatus) -> list[tuple[str, str, str, str]]:
    """The conditions, less the sentence about the newest checkpoint, which is progress."""
    return [
        (one.type, one.status, one.reason, "" if one.type == "Checkpointed" else one.message)
        for one in status.conditions
    ]
