"""Conditions in the terms of kstatus: never both Stalled and Reconciling; a message is a sentence to act on."""

from dataclasses import dataclass
from typing import Literal

from flowapi.report import RunReport
from flowapi.status import Condition, ConditionType, FlowStatus, Phase

Truth = Literal["True", "False", "Unknown"]
_LONGEST = 1024


@dataclass(frozen=True)
class Verdict:
    """How a flow stands: one of the ways below, with the reason and the sentence for it."""

    phase: Phase
    reason: str
    message: str


def waiting(reason: str, message: str) -> Verdict:
    """On the way to what is wanted."""
    return Verdict("Pending", reason, message)


def running(message: str) -> Verdict:
    """The engine iterates."""
    return Verdict("Running", "Running", message)


def suspended() -> Verdict:
    """Nothing runs, as wanted."""
    return Verdict("Suspended", "Suspended", "Suspended; set spec.suspend to false to go on from the last checkpoint.")


def completed(reason: str, message: str) -> Verdict:
    """The flow has its result."""
    return Verdict("Completed", reason, message)


def stalled(reason: str, message: str) -> Verdict:
    """Only a person can help."""
    return Verdict("Stalled", reason, message)


def standing(status: FlowStatus, verdict: Verdict) -> Verdict:
    """The verdict on the flow, given that on its run: a stable revision may run in place of one that has failed."""
    revision = status.revision
    if not revision.replaced or verdict.phase == "Suspended" or verdict.reason == "InvalidSpec":
        return verdict
    does = {"Running": "runs in its place.", "Completed": "stands in its place, with its result."}
    said = does.get(verdict.phase, f"is to run in its place. {verdict.message}")
    message = (
        f"Revision {revision.desired} failed: {revision.failed[-1].message} Revision {revision.current} {said} "
        "Correct the spec or revert it; another spec.retryNonce tries it again."
    )
    return stalled(verdict.reason if verdict.phase == "Stalled" else "RevisionFailed", message)


def with_verdict(status: FlowStatus, verdict: Verdict, generation: int, now: str) -> FlowStatus:
    """The status with phase, Ready, Reconciling, Stalled and Completed as the verdict says."""
    phase = verdict.phase
    ready: Truth = "True" if phase in {"Running", "Completed", "Suspended"} else "False"
    ready_reason = phase if ready == "True" else "NotReady"
    found: list[tuple[ConditionType, Truth, str, str]] = [("Ready", ready, ready_reason, verdict.message)]
    found.append(("Reconciling", *_when(phase == "Pending", verdict, "Settled")))
    found.append(("Stalled", *_when(phase == "Stalled", verdict, "Proceeding")))
    found.append(("Completed", *_when(phase == "Completed", verdict, "Unfinished")))
    for kind, truth, reason, message in found:
        status = with_condition(status, kind, truth, reason, message, generation, now)
    if phase == "Suspended":  # what was asked for is no interruption
        recoveries = status.recoveries.model_copy(update={"interrupted_at": ""})
        status = status.model_copy(update={"recoveries": recoveries})
    return status.model_copy(update={"phase": phase, "observed_generation": generation})


def _when(holds: bool, verdict: Verdict, otherwise: str) -> tuple[Truth, str, str]:  # noqa: FBT001
    return ("True", verdict.reason, verdict.message) if holds else ("False", otherwise, "")


def with_report(status: FlowStatus, report: RunReport, generation: int, now: str) -> FlowStatus:
    """Checkpointed and Certified, as the engine says. An engine that says nothing changes neither."""
    if report.write_failed:
        status = with_condition(status, "Checkpointed", "False", "WriteFailed", report.write_failed, generation, now)
    elif report.saved is not None:
        message = f"Checkpoint {report.saved.id} at iteration {report.saved.iteration}."
        status = with_condition(status, "Checkpointed", "True", "Saved", message, generation, now)
    if report.state == "Running" and report.energy is not None:
        colour = {"GREEN": "Green", "AMBER": "Amber", "RED": "Red"}[report.controller]
        truth: Truth = "False" if colour == "Red" else "True"
        status = with_condition(status, "Certified", truth, colour, "", generation, now)
    return status


def without(status: FlowStatus, *kinds: ConditionType) -> FlowStatus:
    """The status without some conditions, which spoke of something else."""
    return status.model_copy(update={"conditions": tuple(one for one in status.conditions if one.type not in kinds)})


def with_condition(
    status: FlowStatus, kind: ConditionType, truth: Truth, reason: str, message: str, generation: int, now: str
) -> FlowStatus:
    """One condition set; its transition time moves only when its truth does."""
    old = next((one for one in status.conditions if one.type == kind), None)
    new = Condition(
        type=kind,
        status=truth,
        reason=reason,
        message=message[:_LONGEST],
        observed_generation=generation,
        last_transition_time=old.last_transition_time if old and old.status == truth else now,
    )
    if old is None:
        return status.model_copy(update={"conditions": (*status.conditions, new)})
    return status.model_copy(
        update={"conditions": tuple(new if one.type == kind else one for one in status.conditions)}
    )
