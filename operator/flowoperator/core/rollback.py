"""Automatic rollback: the last stable revision runs in place of one that failed, and the spec stays as it is."""

from dataclasses import replace
from datetime import datetime

from flowapi.report import ExitCode
from flowapi.status import MOST_FAILED, FailedRevision, FlowStatus
from flowoperator.core import conditions
from flowoperator.core.attempts import next_attempt, without_failures
from flowoperator.core.moves import highest, stamp_of, stop_all
from flowoperator.core.observed import Observed, ValidSpec
from flowoperator.core.plan import Event, Plan
from flowoperator.core.revisions import record, restores, switched, with_outcome, without_failure
from flowoperator.core.stability import goes_back

_OF_THE_VOLUME = frozenset({ExitCode.VOLUME, ExitCode.FENCED})  # another revision would meet the same
_LONGEST = 400


def placed(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> tuple[ValidSpec, FlowStatus]:
    """What is to run: what the spec asks for, or the stable revision while all is as it was when that failed.

    Another revision, other run-time settings, other inputs, another `retryNonce`, a restore: what the spec asks for is
    tried. A spec that asks for the stable revision itself finds it running.
    """
    revision = status.revision
    if not revision.replaced:
        return valid, status
    if revision.current == valid.asked:
        return valid, _adopted(observed, status, now)
    failed = revision.failed[-1]
    others = observed.inputs and failed.inputs and observed.inputs != failed.inputs
    same = (valid.asked, valid.settings_hash) == (failed.hash, failed.settings) and not others
    asked_again = valid.spec.retry_nonce != status.retry_nonce or restores(status, valid)
    if same and valid.spec.rollback.automatic and not asked_again:
        return replace(valid, stable=revision.current), status
    return valid, status


def _adopted(observed: Observed, status: FlowStatus, now: datetime) -> FlowStatus:
    revision = status.revision.model_copy(update={"desired": status.revision.current})
    said = f"The spec asks for revision {revision.current} again, which runs already."
    return conditions.with_condition(
        status.model_copy(update={"revision": revision}), "RolledBack", "True", "SpecReverted", said,
        observed.flow.generation, stamp_of(now),
    )  # fmt: skip


def roll_back(observed: Observed, valid: ValidSpec, status: FlowStatus, cause: str, now: datetime) -> Plan | None:
    """Give the current revision up for the last stable one; None where there is none, or where that would not help."""
    ending = observed.termination
    if not goes_back(valid, status) or (ending is not None and ending.exit_code in _OF_THE_VOLUME):
        return None
    stamp, given_up, stable = stamp_of(now), status.revision.current, status.revision.stable
    failed = FailedRevision(
        hash=given_up, settings=valid.settings_hash, inputs=status.attempt.inputs, time=stamp,
        message=f"{cause[:_LONGEST].rstrip('.')}.",
    )  # fmt: skip
    ended = record(status, stable)
    status = switched(
        with_outcome(status, "Failed", status.checkpoint), stable, generation=observed.flow.generation, now=stamp,
        limit=valid.spec.revision_history_limit,
    )  # fmt: skip
    before = without_failure(status.revision, given_up).failed
    revision = status.revision.model_copy(update={"desired": given_up, "failed": (*before, failed)[-MOST_FAILED:]})
    status = status.model_copy(update={"revision": revision})
    status = next_attempt(without_failures(status), observed.flow.ref.name, stamp, "Rollback", above=highest(observed))
    if ended is not None and ended.outcome == "Completed":
        status = with_outcome(status, "Completed", status.checkpoint)
    verdict = conditions.standing(status, conditions.waiting("RollingBack", "It starts from its last good checkpoint."))
    generation = observed.flow.generation
    status = conditions.with_condition(
        status, "RolledBack", "True", "RevisionFailed", verdict.message, generation, stamp
    )
    status = conditions.with_verdict(status, verdict, generation, stamp)
    return Plan(status, stop_all(observed), (Event("RolledBack", verdict.message, "Warning"),), 0.0)
