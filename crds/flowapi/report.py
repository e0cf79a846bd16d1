"""The run report: what an engine says of itself, and its exit codes. At most 4,096 bytes at its largest."""

import json
import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints
from pydantic_core import from_json

from flowapi.lenient import SENTENCE, what_fits
from flowapi.model import Model

MAX_BYTES = 4096
MOST_DIGESTS = 8
LAST_ATTEMPT = 999_999_999


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
HEALTH_MARKS: Mapping[str, str] = {"GREEN": "✓", "AMBER": "~", "RED": "!"}
"""Beside each colour's word: no colour stands alone."""
Reason = Literal["Converged", "IterationLimit", "TimeLimit", "Diverged", "Cancelled"]
Short = Annotated[str, StringConstraints(max_length=128)]
Sentence = Annotated[str, StringConstraints(max_length=SENTENCE)]
Whole = Annotated[int, Field(ge=0, le=2**53)]
AttemptNumber = Annotated[int, Field(ge=0, le=LAST_ATTEMPT)]


def _finite(value: Any) -> Any:
    """JSON has no NaN: a number that isn't finite is absent."""
    return value if not isinstance(value, float) or math.isfinite(value) else None


Measured = Annotated[float | None, BeforeValidator(_finite), PlainSerializer(_finite)]
Amount = Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_finite), PlainSerializer(_finite)]


class SavedCheckpoint(Model):
    """A checkpoint as the engine names it; `digest` is the SHA-256 of its manifest, which covers every byte."""

    revision: Short
    id: Short
    iteration: Whole
    digest: Short
    good: bool = True
    green: bool = Field(default=False, description="Whether its certificates held when it was saved.")


class RestoredFrom(Model):
    """Where this process started, and the SHA-256 of the arrays as they stood in memory after the restore."""

    revision: Short
    id: Short
    iteration: Whole
    digest: Short
    arrays_sha256: Short
    reason: Literal["Resume", "Rollback", "Continue", "Restore"] = "Resume"


class PreviousEpoch(Model):
    """How far the last process on this volume had come, by its last sign of life."""

    epoch: Whole
    last_iteration: Whole
    last_wall_ms: Whole


class RunResult(Model):
    """How a flow ended; of many arrays the first ones alone have their SHA-256 here, all of them in `summary.json`."""

    reason: Reason
    iteration: Whole
    energy: Measured = None
    path: Short = ""
    sha256: Annotated[dict[Short, Short], Field(max_length=MOST_DIGESTS)] = {}
    bit_identical: bool = True


class RunError(Model):
    """Why a flow failed."""

    code: Annotated[int, Field(ge=0, le=255)]
    reason: Short
    path: Sentence = ""
    message: Sentence
    remedy: Sentence = ""


class SaveCounts(Model):
    """The saves of one process."""

    count: Whole = 0
    failed: Whole = 0
    replaced: Whole = Field(0, description="States that a newer one replaced before the volume was free for them.")
    seconds: Annotated[float, Field(ge=0)] = 0.0
    bytes: Whole = 0
    waited: Annotated[float, Field(ge=0)] = Field(0.0, description="Seconds for which the loop stood still for a save.")


class RunReport(Model):
    """One look at a run: the answer of `GET /status`, and the termination message."""

    schema_: Literal["computableflow.dev/run-report/1"] = Field("computableflow.dev/run-report/1", alias="schema")
    revision: Short
    attempt: AttemptNumber
    epoch: Whole = 0
    state: State = "Starting"
    iteration: Whole = 0
    max_iterations: Whole | None = None
    energy: Measured = None
    residual: Measured = None
    gap: Measured = None
    controller: Colour = "RED"
    rate: Amount = Field(None, description="Iterations a second.")
    eta: Amount = Field(None, description="Seconds to the iteration limit.")
    saved: SavedCheckpoint | None = None
    durable: Whole | None = Field(None, description="Iteration of the newest checkpoint that survives a power cut.")
    restored_from: RestoredFrom | None = None
    previous: PreviousEpoch | None = None
    lost_iterations: Whole = 0
    max_attempt: Whole | None = Field(None, description="The newest on a volume that this attempt may not have.")
    owner_uid: Short = ""
    saves: SaveCounts = SaveCounts()
    passed_over: Whole = Field(0, description="Corrupt checkpoints that the restore passed over.")
    write_failed: Sentence = Field("", description="Why the last save failed; empty once one worked again.")
    warnings: Annotated[tuple[Sentence, ...], Field(max_length=4)] = ()
    bit_identical: bool = True
    result: RunResult | None = None
    error: RunError | None = None

    @classmethod
    def read(cls, data: bytes, limit: int = MAX_BYTES) -> "RunReport | None":
        """What can be read of a report, whoever wrote it: each key that fits, each sub-model that is whole.

        Args:
            data: JSON of any origin.
            limit: The bytes that a report may have where it comes from.

        Returns:
            None for longer data, for what is no JSON object, and without a revision and an attempt.
        """
        if not data or len(data) > limit:
            return None
        try:
            value = from_json(data)
        except ValueError:
            return None
        return what_fits(cls, value)

    def to_bytes(self, limit: int = MAX_BYTES) -> bytes:
        """As JSON of at most `limit` bytes: texts are cut, halved again and again, until it fits."""
        body = self.model_dump(by_alias=True, exclude_none=True, mode="json")
        longest = SENTENCE
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
