"""The status of a ComputableFlow, in the terms of kstatus. A hint: the volume is the truth."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from flowapi.lenient import SENTENCE, what_fits
from flowapi.model import Model
from flowapi.report import LAST_ATTEMPT, MOST_DIGESTS

MOST_FAILED = 10
MOST_RESTORES = 10
Phase = Literal["Pending", "Running", "Suspended", "Completed", "Stalled"]
ConditionType = Literal["Ready", "Reconciling", "Stalled", "Checkpointed", "Certified", "RolledBack", "Completed"]
Short = Annotated[str, StringConstraints(max_length=253)]
Sentence = Annotated[str, StringConstraints(max_length=SENTENCE)]
Time = Annotated[str, StringConstraints(max_length=40)]
Whole = Annotated[int, Field(ge=0, le=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Condition(Model):
    """One condition; `message` is a sentence that a person can act on."""

    type: ConditionType = Field(description="What it is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+$", max_length=64)] = Field(
        description="One word for why, the same for every flow."
    )
    message: Sentence = Field("", description="A sentence for people: what happened, and what to do.")
    observed_generation: Whole = Field(0, description="The metadata.generation that it speaks of.")
    last_transition_time: Time = Field(description="When `status` changed last.")


class FailedRevision(Model):
    """A revision that was given up for the last stable one, and under which circumstances."""

    hash: Short = Field("", description="Hash of the revision that failed.")
    settings: Short = Field("", description="A hash of the run-time settings that it failed with.")
    inputs: Short = Field("", description="A fingerprint of the inputs that it failed with.")
    deadline_seconds: Whole = Field(0, description="The spec.rollback.deadlineSeconds that it had.")
    time: Time = Field("", description="When it was given up.")
    message: Sentence = Field("", description="Why it failed.")


class RevisionStatus(Model):
    """Which revision runs, which one the spec asks for, and which one to go back to."""

    current: Short = Field("", description="Hash of the revision that runs, or ran last.")
    desired: Short = Field("", description="Hash of the revision that the spec asks for.")
    stable: Short = Field("", description="Hash of the newest stable revision: the one to go back to.")
    failed: Annotated[tuple[FailedRevision, ...], Field(max_length=MOST_FAILED)] = Field(
        (), description="Revisions that failed and were given up, the newest last."
    )

    @property
    def replaced(self) -> bool:
        """Whether another revision runs than the one that the spec asks for, which has failed."""
        return bool(self.failed) and self.failed[-1].hash == self.desired != self.current


class CheckpointStatus(Model):
    """A checkpoint on the volume."""

    revision: Short = Field("", description="Hash of the revision that wrote it.")
    id: Short = Field("", description="Its name on the volume.")
    iteration: Whole = Field(0, description="The iteration whose state it holds.")
    time: Time = Field("", description="When the operator first saw it.")
    digest: Short = Field("", description="SHA-256 of its manifest, which covers every byte of it.")
    good: bool = Field(default=True, description="Whether all of its numbers are finite.")


class RevisionRecord(Model):
    """A revision that ran; `number` is for people only."""

    number: Whole = Field(description="1 for the flow's first revision, 2 for its second.")
    hash: Short = Field(description="The revision's hash: ten hexadecimal digits.")
    generation: Whole = Field(0, description="The metadata.generation that asked for it first.")
    started_at: Time = Field("", description="When it was first asked for.")
    outcome: Literal["Running", "Superseded", "Completed", "Failed"] = Field(
        "Running", description="What became of it."
    )
    checkpoint: CheckpointStatus | None = Field(None, description="Its newest checkpoint that is known.")
    green: Whole = Field(0, description="How many of its checkpoints were seen that were saved while GREEN.")
    ran_seconds: Whole = Field(0, description="How long its engine ran in attempts that are over.")


class AttemptStatus(Model):
    """The start that runs now; written before its Job is made."""

    number: Annotated[int, Field(ge=0, le=LAST_ATTEMPT)] = Field(
        0, description="Rises with every Job of the flow; the volume refuses a lower one."
    )
    reason: Short = Field("", description="Why this attempt was started.")
    inputs: Short = Field("", description="A fingerprint of the inputs that it started with.")
    job_name: Short = Field("", description="The Job that runs it.")
    pod_name: Short = Field("", description="The newest pod of that Job.")
    node_name: Short = Field("", description="The node that this pod is on.")
    started_at: Time = Field("", description="When it was started.")
    running_since: Time = Field("", description="When its engine first said that it runs, in the pod that is there.")
    epoch: Whole = Field(0, description="The lease on the volume whose losses have been counted.")
    since: Whole = Field(0, description="The first attempt on this volume; what earlier ones saved is given up.")
    fruitless: Whole = Field(0, description="Pods of it that ended without such a checkpoint, in a row.")
    saved: bool = Field(
        default=False, description="Whether it has saved a checkpoint newer than the one it started from."
    )


class ProgressStatus(Model):
    """How far the run is, as its engine last said."""

    iteration: Whole = Field(0, description="Iterations done.")
    max_iterations: Whole | None = Field(None, description="Where the run stops at the latest.")
    energy: Finite | None = Field(None, description="The energy at the last certificate.")
    residual: Finite | None = Field(None, description="The stationarity residual at the last certificate.")
    health: Literal["", "RED", "AMBER", "GREEN"] = Field("", description="Whether its certificates hold.")
    iterations_per_second: Finite | None = Field(None, description="Speed of the last chunk.")
    estimated_completion_time: Time = Field("", description="When it reaches maxIterations at this speed.")
    updated_at: Time = Field("", description="When the engine said so.")


class DisplayStatus(Model):
    """The progress as text, for the columns of `kubectl get`."""

    iteration: Short = Field("", description="Iterations done, of how many at the most: 3200/4000.")
    energy: Short = Field("", description="The energy with six significant digits.")
    eta: Short = Field("", description="Time left to maxIterations at the present speed: 2h5m.")
    residual: Short = Field("", description="The stationarity residual with six significant digits.")
    rate: Short = Field("", description="Iterations per second with six significant digits.")


class RestoredFromStatus(Model):
    """The checkpoint that the running process started from, and why that one."""

    revision: Short = Field("", description="Hash of the revision that wrote it.")
    checkpoint: Short = Field("", description="Its name on the volume.")
    iteration: Whole = Field(0, description="The iteration that the process went on from.")
    digest: Short = Field("", description="SHA-256 of its manifest.")
    reason: Short = Field("", description="Resume, Rollback, Continue or Restore.")


class RestoreStatus(Model):
    """The `spec.restore` that was acted on."""

    nonce: Short = Field("", description="Its nonce.")
    place: Short = Field("", description="Where it starts from: REVISION/NAME, or REVISION/latest.")
    revision: Short = Field(
        "", description="Hash of the revision that starts there, until that has saved a checkpoint since."
    )
    done: Annotated[tuple[Short, ...], Field(max_length=MOST_RESTORES)] = Field(
        (), description="Ids of earlier restores that have happened, oldest first."
    )


class RecoveriesStatus(Model):
    """What interruptions cost so far."""

    count: Whole = Field(0, description="Starts after an interruption.")
    evictions: Whole = Field(0, description="Of them, after a pod was moved away: evicted, preempted or drained.")
    crashes: Whole = Field(0, description="Of them, after the engine failed.")
    lost_iterations: Whole = Field(0, description="Iterations that were computed twice, since no checkpoint held them.")
    lost_seconds: Whole = Field(0, description="The time that those took, at the speed of before.")
    down_seconds: Whole = Field(0, description="Time from interruptions until an engine ran again.")
    last_seconds: Whole | None = Field(None, description="The same of the last interruption alone.")
    interrupted_at: Time = Field("", description="When the engine was seen to have ended, until one runs again.")
    failures: Whole = Field(0, description="Failures of the engine that count against spec.retry.limit.")
    failures_since: Time = Field("", description="When the first of them was seen.")


class ResultStatus(Model):
    """How the wanted revision ended."""

    reason: Short = Field(description="Why it stopped: Converged, IterationLimit or TimeLimit.")
    iteration: Whole = Field(description="Where it stopped.")
    energy: Finite | None = Field(None, description="The energy there.")
    path: Short = Field("", description="The folder of the result on the volume.")
    sha256: Annotated[dict[Short, Short], Field(max_length=MOST_DIGESTS)] = Field(
        {}, description="SHA-256 of each array of the result; of many, the first ones."
    )
    bit_identical: bool = Field(
        default=True, description="Whether an uninterrupted run with this image and kind of CPU gives the same bits."
    )


class FlowStatus(Model):
    """What the operator knows of the flow; nobody else writes here."""

    observed_generation: Whole = Field(0, description="The metadata.generation that the status speaks of.")
    phase: Phase = Field("Pending", description="How the flow stands, in a word.")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        (), description="How the flow stands, in kstatus' terms: Ready, Reconciling, Stalled and others."
    )
    revision: RevisionStatus = RevisionStatus()
    revisions: Annotated[tuple[RevisionRecord, ...], Field(max_length=10)] = Field(
        (), description="Revisions that ran; the current one comes last."
    )
    retry_nonce: Short = Field("", description="The spec.retryNonce that was acted on.")
    restore: RestoreStatus = RestoreStatus()
    attempt: AttemptStatus = AttemptStatus()
    progress: ProgressStatus = ProgressStatus()
    display: DisplayStatus = DisplayStatus()
    checkpoint: CheckpointStatus | None = Field(None, description="The current revision's newest checkpoint.")
    restored_from: RestoredFromStatus | None = None
    recoveries: RecoveriesStatus = RecoveriesStatus()
    result: ResultStatus | None = None

    @classmethod
    def read(cls, value: object) -> "FlowStatus":
        """What can be read of a status, whoever wrote it: an odd field or item of a list is left out by itself."""
        return what_fits(cls, value) or cls()

    def to_patch(self) -> dict[str, Any]:
        """As the body of a merge patch."""
        return self.model_dump(by_alias=True, mode="json")
