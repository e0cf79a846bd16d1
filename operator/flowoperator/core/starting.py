"""The start of an attempt: what it needs, and its Job once nothing else of this flow is there."""

from datetime import datetime

from flowapi.status import FlowStatus
from flowoperator.core import conditions, troubles
from flowoperator.core.attempts import recent_failures
from flowoperator.core.moves import closed, stamp_of, stop_all
from flowoperator.core.observed import Observed, Pod
from flowoperator.core.plan import Action, Create, Plan
from flowoperator.core.revisions import revision_file, start_of
from flowoperator.core.wanted import ValidSpec
from flowoperator.objects.claim import build_claim
from flowoperator.objects.configmap import build_configmap
from flowoperator.objects.job import Attempt, build_job
from flowoperator.objects.meta import configmap_name

WAIT_SECONDS = 1.0
INPUT_SECONDS = 15.0


def start(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan:
    """Make claim, ConfigMap and Job, in this order; or say what is waited for."""
    others = stop_all(observed, except_for=status.attempt.job_name)
    if (blocker := _blocker(observed, now)) is not None:
        return closed(observed, status, blocker, now, others, requeue_after=WAIT_SECONDS)
    refusal = observed.refusal if observed.refusal and not observed.refusal.changing else None
    if refusal is not None and refusal.generation == observed.flow.generation and refusal.retry_in > 0:
        return closed(observed, status, troubles.refused(refusal), now, others, requeue_after=refusal.retry_in)
    if valid.stable and ((known := observed.map_of(valid.stable)) is None or (observed.live and known.tuple is None)):
        gone = f"ConfigMap {configmap_name(observed.flow.ref.name, valid.stable)}, which says what it is, is gone."
        return closed(observed, status, conditions.stalled("RevisionFailed", gone), now, others)
    needs = _needs(observed, valid)
    if observed.missing_inputs and not valid.stable:
        verdict = conditions.stalled("InvalidSpec", " ".join(observed.missing_inputs))
        return closed(observed, status, verdict, now, needs, requeue_after=INPUT_SECONDS)
    if observed.inputs and not valid.stable:  # they are those that the spec asks for
        attempt = status.attempt.model_copy(update={"inputs": observed.inputs})
        status = status.model_copy(update={"attempt": attempt})
    verdict = (
        conditions.waiting("Scheduling", f"Attempt {status.attempt.number} starts.")
        if refusal is None
        else troubles.refused(refusal)  # until a try has shown otherwise
    )
    job = Create(_job(observed, valid, status, stamp_of(now)))
    return closed(observed, status, verdict, now, (*needs, job), requeue_after=WAIT_SECONDS)


def _blocker(observed: Observed, now: datetime) -> conditions.Verdict | None:
    """What must be gone first: Jobs and pods of this flow, another writer on its volume, a deleted flow's ConfigMap."""
    flow = observed.flow
    if foreign := next((job for job in observed.jobs if job.owner_uid != flow.ref.uid), None):
        return conditions.waiting("Scheduling", f"Waiting until Job {foreign.name} of another owner is gone.")
    alive = [pod for pod in observed.pods if not pod.ended]
    if writer := next((pod for pod in alive if pod.flow != flow.ref.name), None):
        return conditions.stalled("VolumeInUse", _in_use(observed, writer))
    if alive:
        return conditions.waiting("Scheduling", troubles.stopping(alive[0], now))
    if observed.jobs:
        return conditions.waiting("Scheduling", "Waiting until the Job of the attempt before is gone.")
    old = next((one for one in observed.maps if one.owner_uid != flow.ref.uid), None)
    if old is not None:
        return conditions.waiting("Scheduling", f"Waiting until ConfigMap {old.name} of the deleted flow is gone.")
    return None


def _in_use(observed: Observed, writer: Pod) -> str:
    whose = f"pod {writer.name} of flow {writer.flow}" if writer.flow else f"pod {writer.name}"
    shared = f" Flows {', '.join(observed.sharing)} name the same claim; give each its own." if observed.sharing else ""
    claim = observed.flow.claim_name
    return f"Claim {claim} is in use: {whose} mounts it for writing. The flow starts once that has ended.{shared}"


def _needs(observed: Observed, valid: ValidSpec) -> tuple[Action, ...]:
    """The claim and the ConfigMap, where they are missing."""
    flow, volume = observed.flow, valid.spec.checkpoint.volume
    found: list[Action] = []
    if observed.claim is None:
        found.append(Create(build_claim(flow.ref, volume, valid.spec.deletion_policy)))
    if observed.map_of(valid.hash) is None:
        found.append(Create(build_configmap(flow.ref, revision_file(observed, valid), valid.asked_settings)))
    return tuple(found)


def _job(observed: Observed, valid: ValidSpec, status: FlowStatus, now: str) -> dict[str, object]:
    retry = valid.spec.retry
    last = observed.terminations[-1] if observed.terminations else None
    attempt = Attempt(
        number=status.attempt.number,
        revision=revision_file(observed, valid),
        start=start_of(status, valid.spec.upgrade.mode),
        retain=tuple(one.hash for one in status.revisions if one.hash != status.revision.current),
        budget=max(retry.limit - recent_failures(status.recoveries, retry.window_seconds, now), 0),
        queue=observed.flow.queue,
        adopt=last.report.owner_uid if last and last.report else "",
    )
    return build_job(observed.flow.ref, valid.spec, valid.settings, attempt, observed.resources)
