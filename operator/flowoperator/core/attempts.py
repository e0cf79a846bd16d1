"""Attempts: when the next one is due, how long their engines ran, and what interruptions have cost."""

from flowapi.numbers import LARGEST_EXACT_INTEGER
from flowapi.report import LAST_ATTEMPT, RunReport
from flowapi.status import AttemptStatus, FlowStatus, RecoveriesStatus
from flowoperator.core.observed import Observed, TerminationRecord
from flowoperator.core.revisions import with_outcome
from flowoperator.core.troubles import moment
from flowoperator.objects.meta import job_name


def next_attempt(status: FlowStatus, flow: str, now: str, reason: str, *, above: int = 0) -> FlowStatus:
    """The status with the next attempt of the current revision written down, before its Job is made."""
    status = paused(status)
    number = min(max(status.attempt.number, above) + 1, LAST_ATTEMPT)
    attempt = AttemptStatus(
        number=number,
        job_name=job_name(flow, status.revision.current, number),
        started_at=now,
        epoch=status.attempt.epoch,
        reason=reason,
        since=status.attempt.since,
    )
    status = with_outcome(status, "Running", status.checkpoint)
    return status.model_copy(update={"attempt": attempt, "result": None})


def paused(status: FlowStatus) -> FlowStatus:
    """The status once the engine that ran does so no more: its time, as far as it was seen, is its revision's."""
    if not status.attempt.running_since or not status.revisions:
        return status
    seconds = running_seconds(status, status.progress.updated_at)
    mine = status.revisions[-1].model_copy(update={"ran_seconds": round(seconds)})
    attempt = status.attempt.model_copy(update={"running_since": ""})
    return status.model_copy(update={"revisions": (*status.revisions[:-1], mine), "attempt": attempt})


def running_seconds(status: FlowStatus, until: str) -> float:
    """How long engines of the current revision have run, up to a time."""
    before = float(status.revisions[-1].ran_seconds) if status.revisions else 0.0
    since, end = moment(status.attempt.running_since), moment(until)
    return before + (max((end - since).total_seconds(), 0.0) if since is not None and end is not None else 0.0)


def interrupted(observed: Observed) -> TerminationRecord | None:
    """How the attempt's pod ended before its flow did, when no other pod of its Job lives or is on its way."""
    job, ended = observed.job, observed.termination
    if job is None or job.finished or job.deleting or ended is None or ended.exit_code == 0:
        return None
    left = [pod for pod in observed.pods if pod.job_uid == job.uid and not pod.ended]
    return None if any(not pod.engine_ended or pod.uid != ended.pod_uid for pod in left) else ended


def vanished(observed: Observed) -> str:
    """The attempt's pod, if it is gone and nobody saw how it ended; else empty.

    So it is when a pod is evicted while no operator works, or forced away. Its Job starts another one after its own
    back-off. In a queue that is its turn.
    """
    job, name = observed.job, observed.flow.status.attempt.pod_name
    if job is None or job.finished or job.ending or job.deleting or job.queued or job.suspended:
        return ""
    known = observed.termination_of(name) is not None or any(pod.job_uid == job.uid for pod in observed.pods)
    return "" if known else name


def advanced(observed: Observed) -> bool:
    """Whether the current attempt has saved a checkpoint newer than the one it started from, as far as is known."""
    report = observed.latest_report
    return observed.flow.status.attempt.saved or (report is not None and has_saved(report))


def has_saved(report: RunReport) -> bool:
    """Whether a process has saved a checkpoint newer than the one it started from."""
    if report.saved is None or report.saved.revision != report.revision:
        return False
    base = report.restored_from
    return report.saved.iteration > (base.iteration if base and base.revision == report.revision else 0)


def counted(recoveries: RecoveriesStatus, ended: TerminationRecord | None, window: int, now: str) -> RecoveriesStatus:
    """One recovery more, by its cause where that is known; a crash counts as a failure for `window` seconds."""
    update: dict[str, object] = {"count": recoveries.count + 1, "interrupted_at": recoveries.interrupted_at or now}
    if ended is not None and ended.disrupted:
        update["evictions"] = recoveries.evictions + 1
    elif ended is not None and ended.crashed:
        failures = recent_failures(recoveries, window, now)
        since = recoveries.failures_since if failures else now
        update |= {"crashes": recoveries.crashes + 1, "failures": failures + 1, "failures_since": since}
    return recoveries.model_copy(update=update)


def recent_failures(recoveries: RecoveriesStatus, window: int, now: str) -> int:
    """Failures that count against `retry.limit`: those of the window that the first of them began."""
    since, until = moment(recoveries.failures_since), moment(now)
    within = since is not None and until is not None and (until - since).total_seconds() <= window
    return recoveries.failures if within else 0


def without_failures(status: FlowStatus) -> FlowStatus:
    """The status once a person has asked for another try."""
    recoveries = status.recoveries.model_copy(update={"failures": 0, "failures_since": ""})
    return status.model_copy(update={"recoveries": recoveries})


def with_losses(status: FlowStatus, report: RunReport) -> FlowStatus:
    """Add what the process before had lost, told by its successor from the volume; once for each epoch."""
    if report.epoch <= status.attempt.epoch:
        return status
    recoveries, speed = status.recoveries, status.progress.iterations_per_second or 0.0
    lost = min(recoveries.lost_iterations + report.lost_iterations, LARGEST_EXACT_INTEGER)
    seconds = round(min(report.lost_iterations / speed, LARGEST_EXACT_INTEGER)) if speed > 0 else 0
    update = {"lost_iterations": lost, "lost_seconds": min(recoveries.lost_seconds + seconds, LARGEST_EXACT_INTEGER)}
    return status.model_copy(
        update={
            "attempt": status.attempt.model_copy(update={"epoch": report.epoch}),
            "recoveries": recoveries.model_copy(update=update),
        }
    )


def recovered(recoveries: RecoveriesStatus, now: str) -> RecoveriesStatus:
    """The interruption is over: an engine runs again."""
    since, until = moment(recoveries.interrupted_at), moment(now)
    if since is None or until is None:
        return recoveries
    seconds = max(round((until - since).total_seconds()), 0)
    update = {"down_seconds": recoveries.down_seconds + seconds, "last_seconds": seconds, "interrupted_at": ""}
    return recoveries.model_copy(update=update)
