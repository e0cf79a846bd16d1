"""An attempt that is on its way or runs."""

from dataclasses import replace
from datetime import datetime, timedelta

from flowapi.report import RunReport
from flowapi.status import FlowStatus
from flowoperator.core import conditions
from flowoperator.core.attempts import advanced
from flowoperator.core.moves import again, closed, stamp_of, stop_all
from flowoperator.core.observed import Observed, Pod
from flowoperator.core.plan import Delete, Event, Plan
from flowoperator.core.rollback import roll_back
from flowoperator.core.stability import overdue, time_left
from flowoperator.core.troubles import IMAGE, UNREACHABLE_SECONDS, moment, trouble, unreachable
from flowoperator.core.wanted import ValidSpec

UNCLEAR_AFTER = timedelta(seconds=3)
UNKNOWN_SECONDS = 60.0
LONGEST_SECONDS = 30.0
FEWEST = 3  # pods in a row without a newer checkpoint, before it is said


def watch(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan:
    """What the attempt's pod and engine say; where they say nothing, what stands in their way."""
    pod, others = observed.pod, stop_all(observed, except_for=status.attempt.job_name)
    if pod is not None and pod.blocked in IMAGE and (mended := _other_default(observed, valid, status, now)):
        return mended
    if (bad := trouble(observed, now)) is not None:
        plan = closed(observed, status, bad, now, others, requeue_after=_later(status, now))
        return replace(plan, unclear=bad.reason == "Queued" and _age(status, now) > UNCLEAR_AFTER)
    if (cause := _fruitless(observed, valid, status)) is not None:
        verdict = conditions.stalled("NoProgress", cause)
        return closed(observed, status, verdict, now, others, requeue_after=_later(status, now))
    report = observed.report
    if report is not None and report.attempt != status.attempt.number:
        report = None  # of the attempt before
    if report is None and pod is not None and _ran(observed, status, pod):
        verdict = conditions.running(f"Revision {status.revision.current} runs.")
        return closed(observed, status, verdict, now, others, requeue_after=_later(status, now))
    if report is not None and report.state == "Running":
        status = _certified(observed, status, now)
        cause = overdue(observed, valid, status, now)
        if cause and (back := roll_back(observed, valid, status, cause, now)) is not None:
            return back
        said = f"Revision {report.revision} runs."
        if observed.silent > UNKNOWN_SECONDS and pod is not None:
            said = f"{said} {unreachable(pod)}"
        left = time_left(valid, status, stamp_of(now)) or 0.0
        return closed(observed, status, conditions.running(said), now, others, requeue_after=left if left > 0 else None)
    if pod is not None and pod.running and observed.silent > UNREACHABLE_SECONDS:
        return closed(observed, status, _silent(pod), now, others, requeue_after=LONGEST_SECONDS)
    verdict = conditions.waiting("Restoring", _state(observed, report))
    plan = closed(observed, status, verdict, now, others, requeue_after=_later(status, now))
    unclear = (pod is None or not pod.running) and _age(status, now) > UNCLEAR_AFTER
    return replace(plan, unclear=unclear)


def _ran(observed: Observed, status: FlowStatus, pod: Pod) -> bool:
    """Whether this pod's engine ran when an operator last asked it, or the kubelet; this operator has yet to ask."""
    alive = pod.running and not pod.engine_ended and observed.silent <= UNREACHABLE_SECONDS
    known = bool(status.attempt.running_since) or (pod.ready and observed.flow.status.phase == "Running")
    return alive and known


def _fruitless(observed: Observed, valid: ValidSpec, status: FlowStatus) -> str | None:
    """What to say of pods that end again and again, from whatever cause, before they have saved anything new."""
    count = status.attempt.fruitless
    if status.attempt.saved or count < max(valid.spec.retry.limit, FEWEST):
        return None
    last = observed.terminations[-1] if observed.terminations else None
    end = "" if last is None else "was moved away" if last.disrupted else last.cause
    how = f"; pod {last.pod_name} {end}" if last is not None else ""
    return (
        f"{count} pods in a row ended without a newer checkpoint{how}. The Job starts another one, later each time. "
        "Save more often (spec.checkpoint.everySeconds, everyIterations), or see why pods are moved away."
    )


def _state(observed: Observed, report: RunReport | None) -> str:
    """What the engine does before it iterates, or why the last one no longer does."""
    pod, ending = observed.pod, observed.termination
    if ending is not None and ending.crashed and (pod is None or pod.ended):
        return f"The engine of pod {ending.pod_name} {ending.cause}. The Job starts another one, later each time."
    return f"The engine is {report.state.lower() if report is not None else 'starting'}."


def _silent(pod: Pod) -> conditions.Verdict:
    """Its readiness probe, which the kubelet asks, turns true once the engine has saved: then it does iterate."""
    if pod.ready:
        return conditions.running(unreachable(pod))
    return conditions.waiting("Restoring", unreachable(pod))


def _certified(observed: Observed, status: FlowStatus, now: datetime) -> FlowStatus:
    """Missing evidence is no failure: only after a deadline it is unknown how the iterates are."""
    if observed.silent <= UNKNOWN_SECONDS:
        return status
    return conditions.with_condition(
        status, "Certified", "Unknown", "Unknown", f"The engine has not answered for {UNKNOWN_SECONDS:.0f} s or more.",
        observed.flow.generation, stamp_of(now),
    )  # fmt: skip


def _other_default(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> Plan | None:
    """A default image that can't be pulled is nothing that the flow's owner chose: another default takes its place."""
    known = observed.map_of(valid.hash)
    if valid.stable or valid.revision.image or known is None or known.image == observed.image or advanced(observed):
        return None
    event = Event("Restarted", "The operator's default image has changed; trying that one.")
    return again(observed, status, now, event, also=(Delete("ConfigMap", known.name, known.uid),))


def _age(status: FlowStatus, now: datetime) -> timedelta:
    started = moment(status.attempt.started_at)
    return now - started if started is not None else timedelta.max


def _later(status: FlowStatus, now: datetime) -> float:
    """Events tell of nearly everything; what they don't tell is asked less and less often."""
    return min(max(_age(status, now).total_seconds() / 4, 1.0), LONGEST_SECONDS)
