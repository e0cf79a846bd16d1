"""The run report: what an engine says of itself, and its exit codes. At most 4,096 bytes at its largest."""

import json
from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_serializer

from flowapi.model import Model

MAX_BYTES = 4096
MOST_DIGESTS = 8


class ExitCode(IntEnum):
    """How an engine ends."""

    FINISHED = 0
    DOCUMENT = 64
    DATA = 65
    INTERNAL = 70
    VOLUME = 74
    STOPPED = 75
    DIVERGED = 76
    FENCED = 77


State = Literal["Starting", "Loading", "Compiling", "Restoring", "Running", "Stopping", "Finished", "Stopped", "Failed"]
Colour = Literal["RED", "AMBER", "GREEN"]
Reason = Literal["Converged", "IterationLimit", "TimeLimit", "Diverged", "Cancelled"]
Short = Annotated[str, StringConstraints(max_length=128)]
Sentence = Annotated[str, StringConstraints(max_length=1024)]


class SavedCheckpoint(Model):
    """A checkpoint as the engine names it; `digest` is the SHA-256 of its manifest, which covers every byte."""

    revision: Short
    id: Short
    iteration: int
    digest: Short
    good: bool = True


class RestoredFrom(Model):
    """Where this process started, and the SHA-256 of the arrays as they stood in memory after the restore."""

    revision: Short
    id: Short
    iteration: int
    digest: Short
    arrays_sha256: Short
    reason: Literal["Resume", "Rollback", "Continue", "Restore"] = "Resume"


class PreviousEpoch(Model):
    """How far the last process on this volume had come, by its last sign of life."""

    epoch: int
    last_iteration: int
    last_wall_ms: int


class RunResult(Model):
    """How a flow ended; of many arrays the first ones alone have their SHA-256 here, all of them in `summary.json`."""

    reason: Reason
    iteration: int
    energy: float | None = None
    path: Short = ""
    sha256: Annotated[dict[Short, Short], Field(max_length=MOST_DIGESTS)] = {}
    bit_identical: bool = True


class RunError(Model):
    """Why a flow failed."""

    code: int
    reason: Short
    path: Sentence = ""
    message: Sentence
    remedy: Sentence = ""


class RunReport(Model):
    """One look at a run: the answer of `GET /status`, and the termination message."""

    schema_: Literal["computableflow.dev/run-report/1"] = Field("computableflow.dev/run-report/1", alias="schema")
    revision: Short
    attempt: int
    epoch: int = 0
    state: State = "Starting"
    iteration: int = 0
    max_iterations: int | None = None
    energy: float | None = None
    residual: float | None = None
    gap: float | None = None
    controller: Colour = "RED"
    rate: float | None = Field(None, description="Iterations a second.")
    eta: float | None = Field(None, description="Seconds to the iteration limit.")
    saved: SavedCheckpoint | None = None
    durable: int | None = Field(None, description="Iteration of the newest checkpoint that survives a power cut.")
    restored_from: RestoredFrom | None = None
    previous: PreviousEpoch | None = None
    lost_iterations: int = 0
    max_attempt: int | None = Field(None, description="The newest on a volume that this attempt may not have.")
    owner_uid: Short = ""
    passed_over: int = Field(0, description="Corrupt checkpoints that the restore passed over.")
    write_failed: Sentence = Field("", description="Why the last save failed; empty once one worked again.")
    warnings: Annotated[tuple[Sentence, ...], Field(max_length=4)] = ()
    bit_identical: bool = True
    result: RunResult | None = None
    error: RunError | None = None

    @field_serializer("energy", "residual", "gap", "rate", "eta")
    def _finite(self, value: float | None) -> float | None:
        """JSON has no NaN: a number that isn't finite is absent."""
        return value if value is not None and abs(value) < float("inf") else None

    def to_bytes(self, limit: int = MAX_BYTES) -> bytes:
        """As JSON of at most `limit` bytes: texts are cut, halved again and again, until it fits."""
        body = self.model_dump(by_alias=True, exclude_none=True, mode="json")
        longest = 1024
        while len(data := json.dumps(_cut(body, longest), separators=(",", ":")).encode()) > limit:
            longest //= 2
        return data


def _cut(value: Any, longest: int) -> Any:
    match value:
        case str() if len(value) > longest:
            return value[: longest - 1] + "…" if longest > 1 else ""
        case dict():
            return {
                key: _cut(item, longest) if key not in ("schema", "sha256") else item for key, item in value.items()
            }
        case list():
            return [_cut(item, longest) for item in value]
        case _:
            return value
