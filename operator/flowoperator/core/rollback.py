"""Automatic rollback: the last stable revision runs in place of one that failed, and the spec stays as it is."""

from dataclasses import replace
from datetime import datetime

from flowapi.status import MOST_FAILED, FailedRevision, FlowStatus
from flowoperator.core import conditions
from flowoperator.core.attempts import next_attempt, paused, without_failures
from flowoperator.core.moves import highest, stamp_of, stop_all
from flowoperator.core.observed import Observed
from flowoperator.core.plan import Event, Plan
from flowoperator.core.revisions import record, restores, switched, with_outcome, without_failure
from flowoperator.core.stability import goes_back
from flowoperator.core.wanted import ValidSpec
from flowoperator.objects.settings import with_settings

LONGEST_CAUSE, LONGEST_BEFORE = 400, 100  # so that all failures that are remembered fit into a status of 16 KiB


def placed(observed: Observed, valid: ValidSpec, status: FlowStatus, now: datetime) -> tuple[ValidSpec, FlowStatus]:
    """What is to run: what the spec asks for, or the stable revision while all is as it was when that failed.

    After another revision, other run-time settings or inputs, a longer deadline, another `retryNonce` or a restore,
    what the spec asks for is tried. A spec that asks for the stable revision itself finds it running.
    """
    revision = status.revision
    if not revision.replaced:
        return valid, status
    if revision.current == valid.asked:
        return valid, _adopted(observed, status, now)
    if _is_as_it_was(observed, valid, revision.failed[-1]) and not _is_asked_again(valid, status):
        noted = status.model_copy(update={"retry_nonce": valid.spec.retry_nonce})
        return _as_it_ran(observed, valid, revision.current), noted
    return valid, status


def _as_it_ran(observed: Observed, valid: ValidSpec, stable: str) -> ValidSpec:
    """The stable revision with the run-time settings that it had: the others may be why the revision failed."""
    known = observed.map_of(stable)
    try:
        spec, document = with_settings(valid.spec, valid.document, known.settings if known else "")
    except ValueError:  # its ConfigMap is gone, or not as the operator made it
        return replace(valid, stable=stable, unsure=True)
    return ValidSpec(spec, document, stable)


def _is_as_it_was(observed: Observed, valid: ValidSpec, failed: FailedRevision) -> bool:
    """Whether the revision would fail again: same settings, same inputs or none to try it with, no more time."""
    others = observed.inputs and failed.inputs and observed.inputs != failed.inputs and not observed.missing_inputs
    same = (valid.asked, valid.trial) == (failed.hash, failed.settings)
    wanted = valid.spec.rollback
    return bool(same and not others and wanted.automatic and wanted.deadline_seconds <= failed.deadline_seconds)


def _shortened(failed: FailedRevision) -> FailedRevision:
    """What is kept of a failure that is no longer the newest."""
    if len(failed.message) <= LONGEST_BEFORE:
        return failed
    return failed.model_copy(update={"message": f"{failed.message[: LONGEST_BEFORE - 1]}…"})


def _is_asked_again(valid: ValidSpec, status: FlowStatus) -> bool:
    nonce = valid.spec.retry_nonce
    return bool(nonce and nonce != status.retry_nonce) or restores(status, valid)


def _adopted(observed: Observed, status: FlowStatus, now: datetime) -> FlowStatus:
    revision = status.revision.model_copy(update={"desired": status.revision.current})
    return conditions.with_condition(
        status.model_copy(update={"revision": revision}), "RolledBack", "True", "SpecReverted",
        reverted(revision.current), observed.flow.generation, stamp_of(now),
    )  # fmt: skip


def reverted(revision: str) -> str:
    """What is said of a spec that goes back to what runs."""
    return f"The spec asks for revision {revision} again, which runs already."


def roll_back(observed: Observed, valid: ValidSpec, status: FlowStatus, cause: str, now: datetime) -> Plan | None:
    """Give the current revision up for the last stable one; None where there is none."""
    if not goes_back(valid, status):
        return None
    stamp, given_up, stable = stamp_of(now), status.revision.current, status.revision.stable
    failed = FailedRevision(
        hash=given_up, settings=valid.trial, inputs=status.attempt.inputs, time=stamp,
        deadline_seconds=valid.spec.rollback.deadline_seconds, message=f"{cause[:LONGEST_CAUSE].rstrip('.')}.",
    )  # fmt: skip
    ended, status = record(status, stable), paused(status)
    status = switched(
        with_outcome(status, "Failed", status.checkpoint), stable, generation=observed.flow.generation, now=stamp,
        limit=valid.spec.revision_history_limit,
    )  # fmt: skip
    before = tuple(_shortened(one) for one in without_failure(status.revision, given_up).failed)
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
