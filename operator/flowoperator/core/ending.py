"""The end of an attempt: a result, a volume to adopt, or a failure that a person has to look at."""

import re
from datetime import datetime

from flowapi.errors import VolumeError
from flowapi.report import LAST_ATTEMPT, ExitCode
from flowapi.status import FlowStatus
from flowoperator.core import conditions
from flowoperator.core.moves import again, closed
from flowoperator.core.observed import Job, Observed
from flowoperator.core.plan import Delete, Event, Plan
from flowoperator.core.revisions import record, with_outcome
from flowoperator.core.rollback import roll_back
from flowoperator.core.troubles import moment
from flowoperator.core.volume import growth
from flowoperator.core.wanted import ValidSpec

INPUTS_SECONDS = 30.0
_OF_THE_VOLUME = frozenset({ExitCode.VOLUME, ExitCode.FENCED})  # another revision would meet the same


def ended(observed: Observed, valid: ValidSpec, status: FlowStatus, job: Job, now: datetime) -> Plan:
    """The Job is over, or its engine has ended in a way that is final."""
    report, ending = observed.latest_report, observed.termination
    if job.finished == "Complete":
        known = record(status, status.revision.current)
        status = with_outcome(status, "Completed", status.checkpoint)
        verdict = completed(observed, status)
        event = () if known is not None and known.outcome == "Completed" else (Event("Completed", verdict.message),)
        left = _ttl_left(valid, status, now)
        gone = (Delete("Job", job.name, job.uid),) if left is not None and left <= 0 else ()
        return closed(observed, status, verdict, now, gone, event, None if gone else left)
    newest = report.max_attempt if report and report.max_attempt is not None else LAST_ATTEMPT
    others = bool(report and report.owner_uid and report.owner_uid != observed.flow.ref.uid)
    if others and newest < LAST_ATTEMPT and status.attempt.reason != "Adopted":  # or two flows take turns for ever
        adopted = Event("Adopted", "The volume of the earlier flow of this name is taken over.")
        return again(observed, status, now, adopted, above=newest)
    if ending and ending.exit_code == ExitCode.FENCED and status.attempt.number < newest < LAST_ATTEMPT:
        counted_on = Event("Restarted", f"The volume has seen attempt {newest}; counting on from there.")
        return again(observed, status, now, counted_on, above=newest)
    if observed.inputs and status.attempt.inputs and observed.inputs != status.attempt.inputs:
        return again(observed, status, now, Event("Retried", "The inputs have changed; trying again."))
    verdict = failure(observed, job)
    if verdict.reason == VolumeError.reason and observed.refusal is None and growth(observed, valid.spec):
        return again(observed, status, now, Event("Retried", "The volume grows; trying again."))
    of_volume = ending is not None and ending.exit_code in _OF_THE_VOLUME
    if not of_volume and (back := roll_back(observed, valid, status, verdict.message, now)) is not None:
        return back
    status = with_outcome(status, "Failed", status.checkpoint)
    return closed(observed, status, verdict, now, requeue_after=INPUTS_SECONDS if valid.spec.inputs else None)


def _ttl_left(valid: ValidSpec, status: FlowStatus, now: datetime) -> float | None:
    """Seconds for which the Job of a completed flow stays; None: for as long as the flow does."""
    ttl = valid.spec.ttl_seconds_after_finished
    if ttl is None:
        return None
    if status.revision.replaced:  # the flow is not completed: nothing says since when its run is
        return 0.0
    ends = (one.last_transition_time for one in status.conditions if one.type == "Completed" and one.status == "True")
    since = moment(next(ends, ""))
    return ttl - (now - since).total_seconds() if since is not None else float(ttl)


def failure(observed: Observed, job: Job) -> conditions.Verdict:
    """Why it failed, in the engine's words where it left some."""
    report, ending = observed.latest_report, observed.termination
    error = report.error if report else None
    if error is not None and (ending is None or ending.exit_code == error.code):
        place = f"{error.path}: " if error.path else ""
        reason = error.reason if re.fullmatch("[A-Za-z]{1,64}", error.reason) else "Failed"
        return conditions.stalled(reason, f"{place}{error.message}. {error.remedy}".strip())
    if ending is not None and ending.exit_code == ExitCode.DIVERGED:
        return conditions.stalled("Diverged", "The iterates became NaN or infinite.")
    last = f" The engine of pod {ending.pod_name} {ending.cause}." if ending is not None else ""
    if job.reason == "BackoffLimitExceeded":
        return conditions.stalled("RetriesExhausted", f"The engine failed too often.{last} Its pods' logs say more.")
    return conditions.stalled("RetriesExhausted", f"The Job failed ({job.reason or 'no reason given'}).{last}")


def completed(observed: Observed, status: FlowStatus) -> conditions.Verdict:
    """The result, and whether its volume is still there."""
    result, claim = status.result, observed.claim
    reason = result.reason if result else "Converged"
    said = (
        f"Ended at iteration {result.iteration}; the result is at {result.path}." if result else "The flow has ended."
    )
    if claim is None:
        return conditions.completed(reason, f"{said} Claim {observed.flow.claim_name}, which held it, is gone.")
    if claim.deleting:
        return conditions.completed(reason, f"{said} Claim {claim.name}, which holds it, is being deleted.")
    return conditions.completed(reason, said)
