"""Which revision is stable, one to go back to; and when a new one has had its time without becoming so."""

from datetime import datetime

from flowapi.report import RunReport
from flowapi.spec import RollbackSpec
from flowapi.status import FlowStatus, RevisionRecord
from flowoperator.core.attempts import has_saved, recovered, running_seconds
from flowoperator.core.observed import Observed
from flowoperator.core.reporting import duration
from flowoperator.core.wanted import ValidSpec

_SURE = frozenset({"Running", "Stopping", "Stopped"})


def with_stability(status: FlowStatus, observed: Observed, now: str) -> FlowStatus:
    """The status with what the engine's report says for the current revision: GREEN checkpoints, time, and a verdict.

    Stable is a revision with a result, or with enough GREEN checkpoints of its own and enough time of its engine.
    """
    report = observed.latest_report
    if report is None or report.revision != status.revision.current or not status.revisions:
        return status
    if report is observed.report and report.state == "Running" and not status.attempt.running_since:
        attempt = status.attempt.model_copy(update={"running_since": now})
        status = status.model_copy(update={"attempt": attempt, "recoveries": recovered(status.recoveries, now)})
    mine = status.revisions[-1]
    if _is_new_and_green(report, observed.flow.status):
        mine = mine.model_copy(update={"green": mine.green + 1})
        status = status.model_copy(update={"revisions": (*status.revisions[:-1], mine)})
    spec = observed.flow.spec.spec
    wanted = spec.rollback if spec is not None else RollbackSpec()
    alive = report is observed.report and report.state == "Running" and not observed.silent
    until = now if alive else status.progress.updated_at
    if report.state != "Finished" and not (report.state in _SURE and _suffices(mine, status, wanted, until)):
        return status
    return status.model_copy(update={"revision": status.revision.model_copy(update={"stable": mine.hash})})


def _is_new_and_green(report: RunReport, before: FlowStatus) -> bool:
    saved = report.saved
    if saved is None or not (saved.green and saved.good and has_saved(report)):
        return False
    known = next((one.checkpoint for one in before.revisions if one.hash == saved.revision), None)
    return known is None or known.id != saved.id


def _suffices(mine: RevisionRecord, status: FlowStatus, wanted: RollbackSpec, now: str) -> bool:
    after = wanted.stable_after
    return mine.green >= after.checkpoints and running_seconds(status, now) >= after.seconds


def goes_back(valid: ValidSpec, status: FlowStatus) -> bool:
    """Whether there is a stable revision to go back to from the current one, and the spec allows it."""
    revision = status.revision
    known = any(one.hash == revision.stable for one in status.revisions)
    return valid.spec.rollback.automatic and not valid.stable and known and revision.stable != revision.current


def time_left(valid: ValidSpec, status: FlowStatus, now: str) -> float | None:
    """Seconds of running that a new revision still has to become stable; None for one that needs no such thing."""
    if not goes_back(valid, status):
        return None
    return valid.spec.rollback.deadline_seconds - running_seconds(status, now)


def overdue(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> str:
    """Why a revision that runs has failed all the same; empty while it has not. Missing evidence is no failure."""
    report, left = observed.report, time_left(valid, status, now.isoformat())
    if report is None or left is None or left > 0 or observed.silent or report.controller == "GREEN":
        return ""
    if report.energy is None or status.revisions[-1].green:  # it has yet to say how it is; or it was well
        return ""
    limit = duration(valid.spec.rollback.deadline_seconds)
    return f"it has run for {limit} and saved no GREEN checkpoint (spec.rollback.deadlineSeconds)"
