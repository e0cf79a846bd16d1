"""The status of a ComputableFlow, in the terms of kstatus. A hint: the volume is the truth."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from flowapi.model import Model
from flowapi.report import MOST_DIGESTS

Phase = Literal["Pending", "Running", "Suspended", "Completed", "Stalled"]
ConditionType = Literal["Ready", "Reconciling", "Stalled", "Checkpointed", "Certified", "RolledBack", "Completed"]
Short = Annotated[str, StringConstraints(max_length=253)]
Sentence = Annotated[str, StringConstraints(max_length=1024)]
Time = Annotated[str, StringConstraints(max_length=40)]
Whole = Annotated[int, Field(ge=0)]


class Condition(Model):
    """One condition; `message` is a sentence that a person can act on."""

    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+$", max_length=64)]
    message: Sentence = ""
    observed_generation: Whole = 0
    last_transition_time: Time


class RevisionStatus(Model):
    """Which revision runs, which is wanted, which is the last that proved stable, which failed."""

    current: Short = ""
    stable: Short = ""
    desired: Short = ""
    failed: Annotated[tuple[Short, ...], Field(max_length=10)] = ()


class CheckpointStatus(Model):
    """A checkpoint on the volume."""

    revision: Short = ""
    id: Short = ""
    iteration: Whole = 0
    time: Time = ""
    digest: Short = ""
    good: bool = True


class RevisionRecord(Model):
    """A revision that ran; `number` is for people only."""

    number: Whole
    hash: Short
    generation: Whole = 0
    started_at: Time = ""
    outcome: Literal["Running", "Superseded", "Completed", "Failed"] = "Running"
    checkpoint: CheckpointStatus | None = None


class AttemptStatus(Model):
    """The start that runs now; written before its Job is made."""

    number: Whole = 0
    job_name: Short = ""
    pod_name: Short = ""
    node_name: Short = ""
    started_at: Time = ""
    epoch: Whole = Field(0, description="Claim on the volume whose losses have been counted.")
    saved: bool = Field(
        default=False, description="Whether it has saved a checkpoint newer than the one it started from."
    )


class ProgressStatus(Model):
    """How far the run is."""

    iteration: Whole = 0
    max_iterations: Whole | None = None
    energy: float | None = None
    residual: float | None = None
    controller: Literal["", "RED", "AMBER", "GREEN"] = ""
    iterations_per_second: float | None = None
    estimated_completion_time: Time = ""
    updated_at: Time = ""


class RestoredFromStatus(Model):
    """The checkpoint that the running process started from, and why that one."""

    revision: Short = ""
    checkpoint: Short = ""
    iteration: Whole = 0
    digest: Short = ""
    reason: Short = ""


class RecoveriesStatus(Model):
    """What interruptions cost so far."""

    count: Whole = 0
    evictions: Whole = 0
    crashes: Whole = 0
    lost_iterations: Whole = 0
    last_seconds: float | None = None


class ResultStatus(Model):
    """How the wanted revision ended."""

    reason: Short
    iteration: Whole
    energy: float | None = None
    path: Short = ""
    sha256: Annotated[dict[Short, Short], Field(max_length=MOST_DIGESTS)] = {}
    bit_identical: bool = True


class FlowStatus(Model):
    """The status subresource."""

    observed_generation: Whole = 0
    phase: Phase = "Pending"
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    revision: RevisionStatus = RevisionStatus()
    revisions: Annotated[tuple[RevisionRecord, ...], Field(max_length=10)] = ()
    attempt: AttemptStatus = AttemptStatus()
    progress: ProgressStatus = ProgressStatus()
    checkpoint: CheckpointStatus | None = None
    restored_from: RestoredFromStatus | None = None
    recoveries: RecoveriesStatus = RecoveriesStatus()
    result: ResultStatus | None = None

    def to_patch(self) -> dict[str, Any]:
        """As the body of a merge patch."""
        return self.model_dump(by_alias=True, mode="json")
