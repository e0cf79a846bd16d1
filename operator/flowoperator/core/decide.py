"""The decision: from what was seen to what to do. Pure and total; killed after any write, the next pass converges."""

from dataclasses import replace
from datetime import datetime

from flowapi.status import FlowStatus
from flowoperator.core import conditions, troubles
from flowoperator.core.attempts import (
    advanced,
    counted,
    interrupted,
    next_attempt,
    paused,
    recent_failures,
    vanished,
    without_failures,
)
from flowoperator.core.ending import completed, ended
from flowoperator.core.moves import again, closed, highest, stamp_of, stop, stop_all, with_claim, with_repairs
from flowoperator.core.observed import Observed, TerminationRecord
from flowoperator.core.plan import Event, Plan
from flowoperator.core.reporting import observed_status
from flowoperator.core.revisions import record, restores, switched, with_restore, without_withdrawn
from flowoperator.core.rollback import placed, reverted
from flowoperator.core.stability import with_stability
from flowoperator.core.starting import start
from flowoperator.core.volume import says_lost, volume_trouble, without_checkpoints
from flowoperator.core.wanted import InvalidSpec, ValidSpec
from flowoperator.core.watching import watch

VOLUME_SECONDS = 10.0  # a claim that bears no label of ours can't be watched
SUSPENDING_SECONDS = 30.0  # no event tells that a pod should have been gone


def decide(observed: Observed, now: datetime) -> Plan:
    """The next step.

    Args:
        observed: The flow, its objects, and what its engine says.
        now: Wall time: for the status' times, for how often progress is written, and for which sentence is said.
    """
    if observed.flow.deleting:
        return Plan()
    status = with_stability(observed_status(observed, stamp_of(now)), observed, stamp_of(now))
    spec = observed.flow.spec
    if isinstance(spec, InvalidSpec):
        return _with_news(_invalid(observed, spec, status, now), observed)
    spec, status = placed(observed, spec, without_withdrawn(status, spec), now)
    plan = _suspend(observed, spec, status, now) if spec.spec.suspend else _run(observed, spec, status, now)
    return _with_news(with_repairs(plan, observed, spec), observed)


def _with_news(plan: Plan, observed: Observed) -> Plan:
    """An event for what a report, or the spec alone, has changed about revisions."""
    if plan.status is None:
        return plan
    old, new, events = observed.flow.status.revision, plan.status.revision, list[Event]()
    if new.stable not in {"", old.stable}:
        events.append(Event("RevisionStable", f"Revision {new.stable} is stable: the one to go back to."))
    if old.replaced and new.desired == new.current == old.current:
        events.append(Event("SpecReverted", reverted(new.current)))
    return replace(plan, events=(*events, *plan.events))


def _invalid(observed: Observed, spec: InvalidSpec, status: FlowStatus, now: datetime) -> Plan:
    """What runs goes on, unless it is to be suspended; what the spec says beside its flow holds."""
    around = spec.spec
    jobs = tuple(job for job in observed.jobs if not job.finished) if around is not None and around.suspend else ()
    verdict = conditions.stalled("InvalidSpec", spec.message)
    plan = closed(observed, status, verdict, now, stop(observed, jobs))
    return with_claim(plan, observed, around) if around is not None else plan


def _run(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan:
    """One row after another: what runs is not what is wanted; it was interrupted; it is missing; it ended; it runs."""
    job, ending = observed.job, observed.termination
    recorded = status.revisions[-1].hash if status.revisions else ""
    if not status.revision.current == recorded == valid.hash:
        return _switch(observed, valid, with_restore(_with_nonce(status, valid), valid), now)
    if restores(status, valid):
        status = with_restore(_with_nonce(status, valid), valid)
        return again(observed, status, now, Event("Restoring", f"spec.restore: going on from {status.restore.place}."))
    if valid.spec.retry_nonce != status.retry_nonce:
        return _retry(observed, valid, status, now)
    settled = _is_settled(observed, status)
    if not settled and (lost := volume_trouble(observed, valid, status)) is not None:
        return _without_volume(observed, status, lost, now)
    if job is not None and not job.deleting and not valid.unsure and job.settings != valid.settings_hash:
        return again(observed, status, now, Event("Restarted", "Run-time settings changed; going on at a checkpoint."))
    if job is not None and not job.deleting and not job.finished and ending is not None and ending.final:
        return ended(observed, valid, status, job, now)
    if (recovery := _recovery(observed, valid, status, now)) is not None:
        return recovery
    if job is None or job.deleting:
        return _missing(observed, valid, status, now)
    return ended(observed, valid, status, job, now) if job.finished else watch(observed, valid, status, now)


def _is_settled(observed: Observed, status: FlowStatus) -> bool:
    """Whether the flow has its result and nothing has been asked of it since."""
    known = record(status, status.revision.current)
    return known is not None and known.outcome == "Completed" and observed.flow.status.phase == "Completed"


def _recovery(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan | None:
    """A new Job for an attempt that has saved and whose pod has ended, or is gone; None while it goes on.

    It goes on at once, where the old Job would wait for its back-off.
    """
    if not advanced(observed):
        return None
    if (cut := interrupted(observed)) is not None:
        if not _is_replaced(observed, cut, valid, status, now):
            return None
        cause, event = observed.termination_of(status.attempt.pod_name or cut.pod_name), _interruption(cut)
    elif gone := vanished(observed):
        cause, event = (
            None,
            Event(
                "Interrupted",
                f"Pod {gone} is gone, and no operator saw how it ended. Going on at a checkpoint.",
                "Warning",
            ),
        )
    else:
        return None
    recoveries = counted(status.recoveries, cause, observed.window, stamp_of(now))
    return again(observed, status.model_copy(update={"recoveries": recoveries}), now, event)


def _is_replaced(
    observed: Observed, cut: TerminationRecord, valid: ValidSpec, status: FlowStatus, now: datetime
) -> bool:
    """Whether a new Job takes the place of one whose pod has ended.

    Not in a queue: a new Job would be the last there. Nor after one failure too many: its Job, which counts too, is
    about to fail.
    """
    job, retry = observed.job, valid.spec.retry
    if job is not None and (job.queued or job.suspended):
        return False
    failures = recent_failures(status.recoveries, retry.window_seconds, stamp_of(now))
    return not cut.crashed or failures < retry.limit


def _interruption(cut: TerminationRecord) -> Event:
    if cut.disrupted:
        return Event("Preempted", f"Pod {cut.pod_name} was moved away; going on at a checkpoint.")
    if cut.crashed:
        return Event(
            "Interrupted", f"The engine of pod {cut.pod_name} {cut.cause}. Going on at a checkpoint.", "Warning"
        )
    return Event("Interrupted", f"Pod {cut.pod_name} was stopped and has saved; going on at that checkpoint.")


def _without_volume(observed: Observed, status: FlowStatus, lost: conditions.Verdict, now: datetime) -> Plan:
    """A pod that still runs on the volume goes on; Jobs whose pods would wait for it, or find it empty, go."""
    pod = observed.pod
    alive = pod is not None and pod.running and not pod.engine_ended and not pod.deleting
    actions = () if alive else stop_all(observed)
    return closed(
        observed, status, lost, now, actions, requeue_after=VOLUME_SECONDS if lost.phase == "Stalled" else 1.0
    )


def _missing(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan:
    """The attempt's Job is gone or going: the result stands, or the attempt starts (again)."""
    known, before = record(status, status.revision.current), observed.flow.status
    if known is not None and known.outcome == "Completed":
        if before.observed_generation == observed.flow.generation:
            return closed(observed, status, completed(observed, status), now)
        return again(observed, status, now, Event("Restarted", "The spec changed after the flow had ended."))
    if before.phase == "Suspended":
        return again(observed, status, now, Event("Resumed", "No longer suspended; going on at the last checkpoint."))
    if observed.job is None and known is not None and known.outcome == "Failed":
        return again(observed, status, now, Event("Retried", "The failed Job is gone; trying again."))
    if observed.job is None and before.phase == "Running":
        event = Event("JobDeleted", f"Somebody deleted Job {status.attempt.job_name}; a new one goes on.", "Warning")
        return again(observed, status, now, event)
    return start(observed, valid, status, now)


def _switch(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan:
    """The spec asks for another revision: write its first attempt down; whatever else runs goes in the next pass."""
    stamp, flow, revision = stamp_of(now), observed.flow, valid.hash
    known, first = record(status, revision), not status.revision.current
    retried = status.revision.replaced and status.revision.desired == revision
    back = known is not None and not retried
    if retried:
        event, reason = Event("Retried", f"Revision {revision}, which has failed, is tried again."), "Upgrading"
    elif first:
        event, reason = Event("Created", f"Revision {revision} starts."), "Scheduling"
    elif back:
        event, reason = (
            Event("RollbackStarted", f"Back to revision {revision}, at its latest checkpoint."),
            "RollingBack",
        )
    else:
        event, reason = Event("Upgraded", f"Revision {revision} starts ({valid.spec.upgrade.mode})."), "Upgrading"
    status = switched(
        paused(status), revision, generation=flow.generation, now=stamp, limit=valid.spec.revision_history_limit
    )  # fmt: skip
    status = without_failures(status)
    why = "Rollback" if back else event.reason
    status = next_attempt(status, flow.ref.name, stamp, why, above=highest(observed))
    if not first:
        truth: conditions.Truth = "True" if back else "False"
        named = "SpecReverted" if back else "NewRevision"
        status = conditions.with_condition(
            status, "RolledBack", truth, named, event.message, flow.generation, stamp
        )  # fmt: skip
    status = conditions.with_verdict(status, conditions.waiting(reason, event.message), flow.generation, stamp)
    return Plan(status, stop_all(observed), (event,), 0.0)


def _retry(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan:
    """Another nonce: a stalled flow is tried again, on an empty volume if its own is lost; any other notes it."""
    stalled = observed.flow.status.phase == "Stalled"
    status = _with_nonce(status, valid)
    if stalled and valid.spec.retry_nonce:
        return again(observed, status, now, Event("Retried", "spec.retryNonce has changed; trying again."))
    return Plan(status, requeue_after=0.0)


def _with_nonce(status: FlowStatus, valid: ValidSpec) -> FlowStatus:
    """The nonce noted; another one gives a lost volume up, once the status has said that it is lost."""
    nonce = valid.spec.retry_nonce
    if nonce and nonce != status.retry_nonce and says_lost(status):
        status = without_checkpoints(status)
    return status.model_copy(update={"retry_nonce": nonce})


def _suspend(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan:
    """Nothing of the flow runs; one that has ended stays as it is, unless another revision is asked for."""
    job = observed.job
    if status.revision.current == valid.hash:
        if job is not None and job.finished == "Complete":
            return ended(observed, valid, status, job, now)
        if _is_settled(observed, status):
            return closed(observed, status, completed(observed, status), now)
    stopping = stop(observed, observed.jobs)
    if alive := [pod for pod in observed.pods if not pod.ended]:
        said = troubles.stopping(alive[0], now) if alive[0].deleting else "Stopping at a checkpoint."
        verdict = conditions.waiting("Suspending", said)
        return closed(observed, status, verdict, now, stopping, requeue_after=SUSPENDING_SECONDS)
    if any(not job.finished for job in observed.jobs):
        return closed(observed, status, conditions.waiting("Suspending", "Stopping at a checkpoint."), now, stopping)
    lost = volume_trouble(observed, valid, status)
    verdict = lost if lost is not None and lost.reason == "VolumeLost" else conditions.suspended()
    return closed(observed, status, verdict, now, stopping)
