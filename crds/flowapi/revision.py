"""A revision *is* its hash: what decides the numbers a flow computes, and nothing else.

Hashed: the flow without name, stop and telemetry, the inputs, the environment, the number of processes and the image
as written. Everything else is a run-time setting: changing it restarts the pod at a checkpoint, in the same revision.
"""

import hashlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints

from flowapi.flow import FlowDocument, Stop, Telemetry
from flowapi.forms import CHECKPOINT, REVISION
from flowapi.inputs import EnvVar, InputSpec
from flowapi.model import Model
from flowapi.numbers import canonical_json

if TYPE_CHECKING:
    from flowapi.spec import FlowSpec  # a pod's start does without the models of the resource

HASH_VERSION = 1
HASH_DIGITS = 10
REVISION_KEY = "revision.json"
"""Of the ConfigMap that holds a revision, and its file in the pod."""
MOST_PINS = 10
RevisionHash = Annotated[str, StringConstraints(pattern=REVISION)]
CheckpointName = Annotated[str, StringConstraints(pattern=CHECKPOINT, max_length=31)]
_NOT_HASHED = ("name", "stop", "telemetry")


class RevisionTuple(Model):
    """What a revision's hash is taken of."""

    flow: dict[str, Any]
    inputs: tuple[InputSpec, ...] = ()
    env: tuple[EnvVar, ...] = ()
    processes: int = 1
    image: str | None = None

    @classmethod
    def of(cls, spec: "FlowSpec") -> "RevisionTuple":
        """The part of a spec that decides the numbers; lists whose order means nothing are sorted."""
        return cls(
            flow={key: value for key, value in spec.flow.items() if key not in _NOT_HASHED and value is not None},
            inputs=tuple(sorted(spec.inputs, key=lambda source: source.name)),
            env=tuple(sorted(spec.engine.env, key=lambda variable: variable.name)),
            processes=spec.engine.processes,
            image=spec.engine.image,
        )

    @property
    def parts(self) -> dict[str, Any]:
        """As JSON, without what is unset or empty: another version, with other keys, reads and hashes it alike."""
        return self.model_dump(by_alias=True, exclude_defaults=True, mode="json") | {"flow": self.flow}

    @property
    def canonical(self) -> bytes:
        """The bytes that are hashed."""
        return canonical_json({"hashVersion": HASH_VERSION, **self.parts})

    @property
    def hash(self) -> str:
        """Ten hexadecimal digits of the SHA-256."""
        return hashlib.sha256(self.canonical).hexdigest()[:HASH_DIGITS]


class CheckpointSettings(Model):
    """The part of `spec.checkpoint` that the engine acts on."""

    every_iterations: int = 100
    every_seconds: float = 10.0
    keep: int = 3
    pin: Annotated[tuple[CheckpointName, ...], Field(max_length=MOST_PINS)] = ()


class RuntimeSettings(Model):
    """What the engine may be told anew without becoming another revision."""

    stop: Stop
    telemetry: Telemetry = Telemetry()
    checkpoint: CheckpointSettings = CheckpointSettings()

    @classmethod
    def of(cls, spec: "FlowSpec", document: FlowDocument) -> "RuntimeSettings":
        """The run-time settings of a spec."""
        named = set(CheckpointSettings.model_fields)
        return cls(
            stop=document.stop,
            telemetry=document.telemetry,
            checkpoint=CheckpointSettings(**spec.checkpoint.model_dump(include=named, exclude_unset=True)),
        )

    def asked(self) -> dict[str, Any]:
        """As JSON, without what is unset: a default of another version changes nothing here."""
        parts = self.model_dump(by_alias=True, exclude_unset=True, exclude_none=True, mode="json")
        return {key: part for key, part in parts.items() if part}

    def to_json(self) -> str:
        """What is asked for, as one argument of the engine's command line. The rest are the engine's own defaults."""
        return canonical_json(self.asked()).decode()


class RevisionFile(Model):
    """`revision.json`: the whole tuple with the image resolved; mounted into the pod and kept on the volume."""

    hash_version: int = HASH_VERSION
    hash: RevisionHash
    name: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    namespace: Annotated[str, StringConstraints(max_length=63)] = ""
    uid: Annotated[str, StringConstraints(max_length=64)] = ""
    tuple: RevisionTuple
    resolved_image: str | None = None

    def document(self, settings: RuntimeSettings) -> FlowDocument:
        """The flow document of this revision with the run-time settings of now."""
        stop = settings.stop.model_dump(by_alias=True, exclude_none=True)
        telemetry = settings.telemetry.model_dump(by_alias=True, exclude_none=True)
        flow = {**self.tuple.flow, "name": self.name, "stop": stop}
        return FlowDocument.parse(flow | ({"telemetry": telemetry} if telemetry else {}), at="spec.flow")

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        body = self.model_dump(by_alias=True, exclude_none=True, mode="json", exclude={"tuple"})
        return canonical_json(body | {"tuple": self.tuple.parts})
