"""The history of revisions: in `status.revisions` the one that runs comes last, after the one it came from."""

import hashlib
from typing import Literal

from flowapi.report import SavedCheckpoint
from flowapi.revision import RevisionFile
from flowapi.status import (
    MOST_RESTORES,
    CheckpointStatus,
    DisplayStatus,
    FlowStatus,
    ProgressStatus,
    RestoreStatus,
    RevisionRecord,
    RevisionStatus,
)
from flowoperator.core import conditions
from flowoperator.core.observed import Observed
from flowoperator.core.wanted import ValidSpec
from flowoperator.objects.job import Start

Outcome = Literal["Running", "Superseded", "Completed", "Failed"]


def revision_file(observed: Observed, valid: ValidSpec) -> RevisionFile:
    """The revision that is to run, with the image that was resolved when it first ran.

    What a stable revision is that runs in place of the spec's is in its ConfigMap alone. The cache does not keep that,
    but whatever is made is decided on live objects.
    """
    flow, job = observed.flow, observed.job
    known = observed.map_of(valid.hash)
    wanted = known.tuple if valid.stable and known is not None and known.tuple is not None else valid.revision
    running = job.image if job is not None and job.revision == valid.hash else ""
    return RevisionFile(
        hash=valid.hash,
        name=flow.ref.name,
        namespace=flow.ref.namespace,
        uid=flow.ref.uid,
        tuple=wanted,
        resolved_image=wanted.image or (known.image if known else "") or running or observed.image,
    )


def record(status: FlowStatus, revision: str) -> RevisionRecord | None:
    """What is known of a revision."""
    return next((one for one in status.revisions if one.hash == revision), None)


def switched(status: FlowStatus, revision: str, *, generation: int, now: str, limit: int) -> FlowStatus:
    """The status once another revision runs: its record last, the one before marked as superseded.

    An earlier revision keeps its number and its checkpoint, and is tried once more if it had failed. The oldest records
    go when there are more than `limit`, but never the stable one, nor the last one that has a checkpoint. What the
    engine said of the revision before is no word about this one.
    """
    known = record(status, revision)
    number = max((one.number for one in status.revisions), default=0) + 1
    again = {"outcome": "Running"} | ({"green": 0, "ran_seconds": 0} if known and known.outcome == "Failed" else {})
    mine = known.model_copy(update=again) if known else RevisionRecord(
        number=number, hash=revision, generation=generation, started_at=now
    )  # fmt: skip
    others = [_superseded(one) for one in status.revisions if one.hash != revision]
    kept = _kept(others, max(limit, 2) - 1, status.revision.stable)
    update = {
        "revisions": (*kept, mine),
        "revision": without_failure(status.revision, revision).model_copy(
            update={"current": revision, "desired": revision}
        ),
        "result": None,
        "restored_from": None,
        "checkpoint": mine.checkpoint,
        "progress": ProgressStatus(),
        "display": DisplayStatus(),
    }
    return conditions.without(status.model_copy(update=update), "Checkpointed", "Certified")


def without_failure(known: RevisionStatus, revision: str) -> RevisionStatus:
    """The same without what a revision had failed of."""
    return known.model_copy(update={"failed": tuple(one for one in known.failed if one.hash != revision)})


def _kept(records: list[RevisionRecord], most: int, stable: str) -> tuple[RevisionRecord, ...]:
    kept, older = records[-most:], records[:-most]
    spared = [one for one in older if one.hash == stable]
    if not spared and not any(one.checkpoint is not None for one in kept):
        spared = [one for one in older if one.checkpoint is not None][-1:]
    return (*spared, *kept[len(spared) :])


def _superseded(one: RevisionRecord) -> RevisionRecord:
    return one.model_copy(update={"outcome": "Superseded"}) if one.outcome == "Running" else one


def with_restore(status: FlowStatus, valid: ValidSpec) -> FlowStatus:
    """The status once `spec.restore` is acted on; the same where there is none, or one that has happened."""
    asked, known = valid.spec.restore, status.restore
    if not restores(status, valid) or asked is None:
        return status
    happened = (_restore_id(known.nonce, known.place),) if known.nonce and not known.revision else ()
    done = (*known.done, *happened)[-MOST_RESTORES:]
    restore = RestoreStatus(nonce=asked.nonce, place=asked.place, revision=valid.asked, done=done)
    return status.model_copy(update={"restore": restore})


def restores(status: FlowStatus, valid: ValidSpec) -> bool:
    """Whether the spec asks for a restore that has not happened yet."""
    asked, known = valid.spec.restore, status.restore
    if asked is None or (asked.nonce, asked.place) == (known.nonce, known.place):
        return False
    return _restore_id(asked.nonce, asked.place) not in known.done


def without_withdrawn(status: FlowStatus, valid: ValidSpec) -> FlowStatus:
    """The status without a restore that has yet to happen and that the spec asks for no more."""
    asked, known = valid.spec.restore, status.restore
    if not known.revision or (asked is not None and (asked.nonce, asked.place) == (known.nonce, known.place)):
        return status
    return status.model_copy(update={"restore": RestoreStatus(done=known.done)})


def _restore_id(nonce: str, place: str) -> str:
    """Of a start that happens once; the volume remembers it too."""
    return f"restore-{hashlib.sha256(f'{nonce} {place}'.encode()).hexdigest()[:10]}"


def with_outcome(status: FlowStatus, outcome: Outcome, checkpoint: CheckpointStatus | None) -> FlowStatus:
    """The status with what became of the revision that runs."""
    if not status.revisions:
        return status
    last = status.revisions[-1]
    mine = checkpoint if checkpoint and checkpoint.revision == last.hash else last.checkpoint
    last = last.model_copy(update={"outcome": outcome, "checkpoint": mine})
    return status.model_copy(update={"revisions": (*status.revisions[:-1], last)})


def with_saved(status: FlowStatus, saved: SavedCheckpoint, now: str) -> FlowStatus:
    """The status with a checkpoint that a revision's last process wrote as it was stopped for another one."""

    def newer(one: RevisionRecord) -> RevisionRecord:
        known = one.checkpoint
        if one.hash != saved.revision or (known is not None and known.iteration >= saved.iteration):
            return one
        return one.model_copy(update={"checkpoint": checkpoint_status(saved, now)})

    return status.model_copy(update={"revisions": tuple(newer(one) for one in status.revisions)})


def checkpoint_status(saved: SavedCheckpoint, time: str) -> CheckpointStatus:
    """A checkpoint of the engine's report in the status' words."""
    return CheckpointStatus(
        revision=saved.revision,
        id=saved.id,
        iteration=saved.iteration,
        time=time,
        digest=saved.digest,
        good=saved.good,
    )


def start_of(status: FlowStatus, mode: Literal["Continue", "Restart"]) -> Start:
    """Where the current revision starts.

    One with checkpoints of its own goes on from the newest: that is a resume, and a rollback too. Without any it
    continues from the nearest revision before it that has a good one (`Continue`), or begins afresh (`Restart`).
    One that runs in place of another, which has failed, takes nothing from that one. The volume decides which
    checkpoints there are; the status may not have seen them all. A restore goes before all of that, once.
    """
    restore = status.restore
    if restore.revision and restore.revision == status.revision.current:
        return Start(restore.place, _restore_id(restore.nonce, restore.place))
    mine, failed = status.revisions[-1], status.revision.desired if status.revision.replaced else ""
    before = [one for one in status.revisions[-2::-1] if one.hash != failed]
    if mode == "Restart":
        if mine.checkpoint is None and before:
            return Start("fresh", f"{mine.hash}-{mine.number}")
        return Start("latest", expected=_good(mine))
    return Start("latest", "", tuple(one.hash for one in before), any(_good(one) for one in (mine, *before)))


def _good(one: RevisionRecord) -> bool:
    return one.checkpoint is not None and one.checkpoint.good
