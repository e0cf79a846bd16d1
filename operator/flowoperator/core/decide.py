"""The decision: from what was seen to what to do. Pure and total; killed after any write, the next pass converges."""

from datetime import datetime

from flowapi.report import ExitCode
from flowapi.status import FlowStatus
from flowoperator.core import conditions
from flowoperator.core.attempts import advanced, counted, interrupted, next_attempt
from flowoperator.core.observed import InvalidSpec, Job, Observed, ValidSpec
from flowoperator.core.plan import Action, Create, DeleteJob, Event, Plan, SetClaimOwners
from flowoperator.core.reporting import only_progress
from flowoperator.core.reporting import told as reported
from flowoperator.core.revisions import desired, record, start_of, switched, with_outcome
from flowoperator.objects.claim import build_claim, claim_owners
from flowoperator.objects.configmap import build_configmap
from flowoperator.objects.job import Attempt, build_job

FRESH_SECONDS = 0.5
UNSAVED_SECONDS = 1.0  # until the attempt's first checkpoint is known: after a crash it decides on a new Job
STEADY_SECONDS = 3.0
_IMAGE = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}


def decide(observed: Observed, now: datetime) -> Plan:
    """The next step.

    Args:
        observed: The flow, its objects, and what its engine says.
        now: Wall time, for the status' times only; no decision depends on it but how often progress is written.
    """
    if observed.flow.deleting:
        return Plan()
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = reported(observed, stamp)
    spec = observed.flow.spec
    if isinstance(spec, InvalidSpec):
        return _closed(observed, told, conditions.stalled("InvalidSpec", spec.message), now)
    if spec.spec.suspend:
        return _suspend(observed, told, now)
    return _run(observed, spec, told, now)


def _run(observed: Observed, valid: ValidSpec, told: FlowStatus, now: datetime) -> Plan:
    """One row after another: what runs is not what is wanted; it was interrupted; it is missing; it ended; it runs."""
    wanted, job = desired(observed.flow, valid, observed.image), observed.job
    if told.revision.current != wanted.hash:
        return _switch(observed, valid, told, wanted.hash, now)
    if job is not None and not job.deleting and job.settings != valid.settings_hash:
        return _again(observed, told, now, Event("Restarted", "Run-time settings changed; going on at a checkpoint."))
    if (words := interrupted(observed)) is not None and advanced(observed):
        cause = observed.words_of(told.attempt.pod_name or words.pod_name)
        counts = told.model_copy(update={"recoveries": counted(told.recoveries, cause)})
        if words.disrupted:
            event = Event("Preempted", "The pod was moved away; going on at a checkpoint.")
        else:
            event = Event(
                "Interrupted", f"The engine ended with {words.exit_code}; going on at a checkpoint.", "Warning"
            )
        return _again(observed, counts, now, event)
    if job is None or job.deleting:
        return _missing(observed, valid, told, now)
    return _ended(observed, told, job, now) if job.finished else _watch(observed, told, now)


def _missing(observed: Observed, valid: ValidSpec, told: FlowStatus, now: datetime) -> Plan:
    """The attempt's Job is gone or going: the result stands, or the attempt starts (again)."""
    known = record(told, told.revision.current)
    if observed.job is None and known is not None and known.outcome == "Completed":
        if observed.flow.status.observed_generation == observed.flow.generation:
            return _closed(observed, told, _completed(told), now)
        return _again(observed, told, now, Event("Restarted", "The spec changed after the flow had ended."))
    return _start(observed, valid, told, now)


def _switch(observed: Observed, valid: ValidSpec, told: FlowStatus, revision: str, now: datetime) -> Plan:
    """The spec asks for another revision: write its first attempt down; whatever else runs goes in the next pass."""
    stamp, flow = now.strftime("%Y-%m-%dT%H:%M:%SZ"), observed.flow
    back = record(told, revision) is not None
    first = not told.revision.current
    status = switched(
        told, revision, generation=flow.generation, now=stamp, limit=valid.spec.revision_history_limit
    )  # fmt: skip
    status = next_attempt(status, flow.ref.name, stamp, above=_highest(observed))
    if first:
        event, reason = Event("Created", f"Revision {revision} starts."), "Scheduling"
    elif back:
        event, reason = (
            Event("RollbackStarted", f"Back to revision {revision}, at its latest checkpoint."),
            "RollingBack",
        )
    else:
        event, reason = Event("Upgraded", f"Revision {revision} starts ({valid.spec.upgrade.mode})."), "Upgrading"
    if not first:
        truth: conditions.Truth = "True" if back else "False"
        status = conditions.with_condition(
            status,
            "RolledBack",
            truth,
            "SpecReverted" if back else "NewRevision",
            event.message,
            flow.generation,
            stamp,
        )
    verdict = conditions.waiting(reason, event.message)
    status = conditions.with_verdict(status, verdict, flow.generation, stamp)
    return Plan(status, _stop_all(observed, except_for=""), (event,), 0.0)


def _again(observed: Observed, status: FlowStatus, now: datetime, event: Event, *, above: int = 0) -> Plan:
    """The same revision in a new Job."""
    stamp, flow = now.strftime("%Y-%m-%dT%H:%M:%SZ"), observed.flow
    status = next_attempt(status, flow.ref.name, stamp, above=max(above, _highest(observed)))
    status = conditions.with_verdict(status, conditions.waiting("Restoring", event.message), flow.generation, stamp)
    return Plan(status, _stop_all(observed, except_for=""), (event,), 0.0)


def _highest(observed: Observed) -> int:
    """The highest attempt among the Jobs of this name, should the status have forgotten it."""
    return max((job.attempt for job in observed.jobs), default=0)


def _suspend(observed: Observed, told: FlowStatus, now: datetime) -> Plan:
    verdict = conditions.suspended()
    if any(not pod.ended for pod in observed.pods) or any(not job.finished for job in observed.jobs):
        verdict = conditions.waiting("Scheduling", "Stopping at a checkpoint.")
    plan = _closed(observed, told, verdict, now)
    running = tuple(job for job in observed.jobs if not job.finished)
    return Plan(plan.status, _stop(observed, running), plan.events, plan.requeue_after)


def _start(observed: Observed, valid: ValidSpec, told: FlowStatus, now: datetime) -> Plan:
    """Make what the attempt needs, and its Job once nothing else of this flow is there."""
    flow = observed.flow
    needs, trouble = _needs(observed, valid)
    others = _stop_all(observed, except_for=told.attempt.job_name)
    if trouble is not None:
        return _closed(observed, told, trouble, now, (*needs, *others))
    if observed.jobs or any(not pod.ended for pod in observed.pods):
        foreign = next((job for job in observed.jobs if job.owner_uid != flow.ref.uid), None)
        message = f"Waiting until Job {foreign.name} of another owner is gone." if foreign else _still_there(observed)
        return _closed(observed, told, conditions.waiting("Scheduling", message), now, (*needs, *others))
    start, jump = start_of(told, valid.spec.upgrade.mode)
    words = observed.last_words[-1] if observed.last_words else None
    attempt = Attempt(
        number=told.attempt.number,
        revision=desired(flow, valid, observed.image),
        start=start,
        jump=jump,
        retain=tuple(one.hash for one in told.revisions if one.hash != told.revision.current),
        adopt=words.report.owner_uid if words and words.report else "",
    )
    job = Create(build_job(flow.ref, valid.spec, valid.settings, attempt))
    plan = _closed(observed, told, conditions.waiting("Scheduling", f"Attempt {attempt.number} starts."), now)
    return Plan(plan.status, (*needs, job), plan.events, FRESH_SECONDS)


def _still_there(observed: Observed) -> str:
    pod = next((pod for pod in observed.pods if not pod.ended), None)
    if pod is None:
        return "Waiting until the Job of the attempt before is gone."
    return (
        f"Waiting until pod {pod.name} has ended. If its node {pod.node} is lost, delete the Node object "
        "or taint it node.kubernetes.io/out-of-service; the operator never forces a pod away."
    )


def _needs(observed: Observed, valid: ValidSpec) -> tuple[tuple[Action, ...], conditions.Verdict | None]:
    """The claim and the ConfigMap that are missing, and what only a person can bring."""
    flow, claim, volume = observed.flow, observed.claim, valid.spec.checkpoint.volume
    wanted = desired(flow, valid, observed.image)
    actions: list[Action] = []
    if claim is None and volume.claim_name:
        message = (
            f"spec.checkpoint.volume.claimName: there is no claim {volume.claim_name}. Create it, or leave it out."
        )
        return (), conditions.stalled("Unschedulable", message)
    if claim is None:
        actions.append(Create(build_claim(flow.ref, volume, valid.spec.deletion_policy)))
    elif claim.deleting:
        return (), conditions.waiting("Scheduling", f"Claim {claim.name} is being deleted.")
    elif claim.lost:
        return (), conditions.stalled("Unschedulable", f"Claim {claim.name} has lost its volume.")
    else:
        actions += _owners(observed, valid)
    if observed.missing_inputs:
        return tuple(actions), conditions.stalled("InvalidSpec", " ".join(observed.missing_inputs))
    if wanted.hash not in observed.revisions:
        actions.append(Create(build_configmap(flow.ref, wanted)))
    return tuple(actions), None


def _owners(observed: Observed, valid: ValidSpec) -> tuple[Action, ...]:
    """A claim of ours follows the deletion policy; one that the user made never does."""
    claim = observed.claim
    if claim is None or not claim.ours:
        return ()
    owners = tuple(claim_owners(observed.flow.ref, valid.spec.deletion_policy))
    same = claim.owner_uids == frozenset(owner["uid"] for owner in owners)
    return () if same else (SetClaimOwners(claim.name, owners),)


def _ended(observed: Observed, told: FlowStatus, job: Job, now: datetime) -> Plan:
    """The Job is over: a result, a volume to adopt, or a failure that a person has to look at."""
    report = observed.latest_report
    if job.finished == "Complete":
        told = with_outcome(told, "Completed", told.checkpoint)
        first = told.phase != "Completed"
        verdict = _completed(told)
        event = (Event("Completed", verdict.message),) if first else ()
        return _closed(observed, told, verdict, now, _kept(observed), event)
    if report and report.owner_uid and report.max_attempt is not None and report.owner_uid != observed.flow.ref.uid:
        adopted = Event("Adopted", "The volume of the earlier flow of this name is taken over.")
        return _again(observed, told, now, adopted, above=report.max_attempt)
    words = observed.words
    if report and report.max_attempt is not None and words and words.exit_code == ExitCode.FENCED:
        counted_on = Event("Restarted", f"The volume has seen attempt {report.max_attempt}; counting on from there.")
        return _again(observed, told, now, counted_on, above=report.max_attempt)
    error = report.error if report else None
    if error is not None and (words is None or words.exit_code == error.code):
        place = f"{error.path}: " if error.path else ""
        verdict = conditions.stalled(error.reason, f"{place}{error.message}. {error.remedy}".strip())
    elif job.reason == "BackoffLimitExceeded":
        verdict = conditions.stalled("RetriesExhausted", "The engine failed too often; its pods' logs say why.")
    elif words is not None and words.exit_code == ExitCode.DIVERGED:
        verdict = conditions.stalled("Diverged", "The iterates left the finite numbers.")
    else:
        verdict = conditions.stalled("RetriesExhausted", f"The Job failed ({job.reason or 'no reason given'}).")
    event = (Event("Stalled", verdict.message, "Warning"),) if told.phase != "Stalled" else ()
    return _closed(observed, with_outcome(told, "Failed", told.checkpoint), verdict, now, _kept(observed), event)


def _watch(observed: Observed, told: FlowStatus, now: datetime) -> Plan:
    """The attempt is on its way or runs."""
    pod, report = observed.pod, observed.report
    others = _stop_all(observed, except_for=told.attempt.job_name)
    if pod is not None and pod.waiting in _IMAGE:
        verdict = conditions.stalled(
            "ImagePullFailed",
            f"spec.engine.image: {pod.message or pod.waiting}. Correct the image, or give imagePullSecrets.",
        )
        return _closed(observed, told, verdict, now, others)
    if pod is not None and pod.unschedulable:
        return _closed(observed, told, conditions.waiting("Scheduling", pod.unschedulable), now, others)
    if report is not None and report.attempt == told.attempt.number and report.state == "Running":
        verdict = conditions.running(f"Revision {report.revision} runs.")
        plan = _closed(observed, told, verdict, now, (*others, *_kept(observed)))
        return Plan(plan.status, plan.actions, plan.events, STEADY_SECONDS if advanced(observed) else UNSAVED_SECONDS)
    state = report.state if report else "starting"
    plan = _closed(observed, told, conditions.waiting("Restoring", f"The engine is {state.lower()}."), now, others)
    return Plan(plan.status, plan.actions, plan.events, FRESH_SECONDS)


def _kept(observed: Observed) -> tuple[Action, ...]:
    spec = observed.flow.spec
    return _owners(observed, spec) if isinstance(spec, ValidSpec) else ()


def _completed(status: FlowStatus) -> conditions.Verdict:
    result = status.result
    if result is None:
        return conditions.completed("Converged", "The flow has ended; its result lies on the volume.")
    return conditions.completed(
        result.reason, f"Ended at iteration {result.iteration}; the result is at {result.path}."
    )


def _stop_all(observed: Observed, *, except_for: str) -> tuple[Action, ...]:
    return _stop(observed, tuple(job for job in observed.jobs if job.name != except_for))


def _stop(observed: Observed, jobs: tuple[Job, ...]) -> tuple[Action, ...]:
    """Delete Jobs of this flow; a Job of another owner is never touched."""
    mine = observed.flow.ref.uid
    return tuple(DeleteJob(job.name, job.uid) for job in jobs if job.owner_uid == mine and not job.deleting)


def _closed(
    observed: Observed,
    status: FlowStatus,
    verdict: conditions.Verdict,
    now: datetime,
    actions: tuple[Action, ...] = (),
    events: tuple[Event, ...] = (),
) -> Plan:
    """A plan with the verdict written into the status, unless only progress of the last moments would be written."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    status = conditions.with_verdict(status, verdict, observed.flow.generation, stamp)
    if only_progress(observed.flow.status, status, now):
        return Plan(None, actions, events, STEADY_SECONDS)
    return Plan(status, actions, events, STEADY_SECONDS)
