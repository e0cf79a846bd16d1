"""The resource `ComputableFlow`: what its spec says, key by key. Defaults live here, never in the user's object."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue, StringConstraints

from flowapi.bounded import Count, Flag, Whole
from flowapi.errors import DocumentError, DocumentErrors
from flowapi.flow import FlowDocument
from flowapi.forms import CHECKPOINT_OF, LABEL, REVISION
from flowapi.frozen import frozen
from flowapi.group import API_VERSION, KIND
from flowapi.inputs import DnsName, InputSpec
from flowapi.model import nearest
from flowapi.numbers import canonical
from flowapi.pod import EngineSpec
from flowapi.quantities import BOUND, Size, amount
from flowapi.revision import MOST_PINS, CheckpointName
from flowapi.rules import Rule, SpecPart, once
from flowapi.sentences import given


def _is_size(self: "VolumeSpec") -> bool:
    return self.size is None or 0 < (amount(self.size) or 0) < BOUND


class VolumeSpec(SpecPart):
    """Where checkpoints live: a claim that exists, or one to be made."""

    claim_name: DnsName | None = Field(None, description="A PersistentVolumeClaim of the flow's namespace.")
    size: Size | None = Field(None, description="Of the claim to be made; 1Gi when left out.")
    storage_class_name: DnsName | None = Field(
        None, description="The StorageClass of the claim to be made; the cluster's default when left out."
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] = Field(
        "ReadWriteOnce", description="The access mode of the claim to be made."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.claimName) || (!has(self.size) && !has(self.storageClassName) && !has(self.accessMode))",
            lambda self: (
                self.claim_name is None or not self.model_fields_set & {"size", "storage_class_name", "access_mode"}
            ),
            "`claimName` names a claim that exists; `size`, `storageClassName` and `accessMode` describe another",
            "Keep one kind.",
        ),
        Rule(
            "!has(self.size) || !isQuantity(self.size) || (quantity(self.size).isGreaterThan(quantity('0')) && "
            f"quantity(self.size).isLessThan(quantity('{BOUND}')))",
            _is_size,
            "a volume has more than 0 bytes, and fewer than 8Ei",
            "Write it like 10Gi.",
            at="size",
        ),
    )


class CheckpointSpec(SpecPart):
    """When the state is saved, and how many of the saved ones are kept."""

    every_iterations: Count = Field(100, description="A checkpoint is due after so many iterations.")
    every_seconds: Annotated[float, Field(strict=True, ge=0, le=86400, allow_inf_nan=False)] = Field(
        10.0, description="A due checkpoint closer than this to the last one is skipped; 0: none is."
    )
    keep: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        3, description="How many checkpoints of the current revision stay on the volume."
    )
    pin: Annotated[tuple[CheckpointName, ...], Field(max_length=MOST_PINS)] = Field(
        (), description="Names of checkpoints that stay on the volume until they are named here no more."
    )
    volume: VolumeSpec = VolumeSpec()


class RestoreSpec(SpecPart):
    """A start from a checkpoint that a person chose; it happens once for each nonce."""

    nonce: Annotated[str, StringConstraints(min_length=1, max_length=63)] = Field(
        description="Any text; another one asks for another restore."
    )
    revision: Annotated[str, StringConstraints(pattern=REVISION, max_length=10)] | None = Field(
        None, description="Hash of the revision from whose newest good checkpoint the flow goes on."
    )
    checkpoint: Annotated[str, StringConstraints(pattern=CHECKPOINT_OF, max_length=42)] | None = Field(
        None, description="The checkpoint from which the flow goes on, as REVISION/NAME."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.revision) != has(self.checkpoint)",
            lambda self: (self.revision is None) != (self.checkpoint is None),
            "a restore goes on either from a revision or from a checkpoint",
            "Keep one of the two keys.",
        ),
    )

    @property
    def place(self) -> str:
        """Where to start, as the engine is told: REVISION/NAME, or REVISION/latest."""
        return self.checkpoint or f"{self.revision}/latest"


class UpgradeSpec(SpecPart):
    """What a changed flow starts from: the last good checkpoint (Continue), or its own start (Restart)."""

    mode: Literal["Continue", "Restart"] = Field("Continue", description="Continue or Restart.")


class StableAfterSpec(SpecPart):
    """What makes a revision stable: one to go back to."""

    checkpoints: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        1, description="So many checkpoints of its own, saved while its certificates held (GREEN)."
    )
    seconds: Annotated[int, Field(strict=True, ge=0, le=2_592_000)] = Field(
        0, description="So many seconds for which its engine has run."
    )


class RollbackSpec(SpecPart):
    """Going back by itself to the last stable revision when a new one fails; the spec stays as it is."""

    automatic: Flag = Field(
        default=True, description="Whether the last stable revision runs again when a new one fails."
    )
    deadline_seconds: Annotated[int, Field(strict=True, ge=1, le=2_592_000)] = Field(
        600, description="A new revision whose engine has run for so long without a GREEN checkpoint has failed."
    )
    stable_after: StableAfterSpec = StableAfterSpec()


class RetrySpec(SpecPart):
    """How many failures of the engine are tried again; evictions and preemptions don't count."""

    limit: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        6, description="So many failures within windowSeconds are tried again; one more, and the revision has failed."
    )
    window_seconds: Annotated[int, Field(strict=True, ge=1, le=2_592_000)] = Field(
        3600, description="The time from a first failure within which the others count."
    )


class FlowSpec(SpecPart):
    """What is computed, and how its pod, its checkpoints and its retries are handled."""

    flow: dict[str, Any] = Field(description="What is computed: an energy, where its data lie, and when to stop.")
    engine: EngineSpec = EngineSpec()
    inputs: Annotated[tuple[InputSpec, ...], Field(max_length=16), once("name")] = Field(
        (), description="Claims and config maps with the flow's data, mounted read-only."
    )
    checkpoint: CheckpointSpec = CheckpointSpec()
    upgrade: UpgradeSpec = UpgradeSpec()
    rollback: RollbackSpec = RollbackSpec()
    retry: RetrySpec = RetrySpec()
    restore: RestoreSpec | None = Field(None, description="A start from a checkpoint of your choice.")
    retry_nonce: Annotated[str, StringConstraints(max_length=63)] = Field(
        "", description="Write another text to have a stalled flow tried again."
    )
    suspend: Flag = Field(default=False, description="Whether the flow stops at a checkpoint and waits.")
    termination_grace_period_seconds: Annotated[int, Field(strict=True, ge=1, le=86400)] = Field(
        120, description="How long the engine may take to save its last checkpoint when its pod is stopped."
    )
    revision_history_limit: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        10, description="How many revisions the status remembers, and the volume keeps a checkpoint of."
    )
    deletion_policy: Literal["Retain", "Delete"] = Field(
        "Retain", description="Whether the claim of the checkpoints stays when the flow is deleted, or goes with it."
    )
    ttl_seconds_after_finished: Whole | None = Field(
        None, description="The Job of a completed flow is deleted after so many seconds; result and flow stay."
    )


@frozen
class Manifest:
    """A file that `cflow run` and `kubectl apply` both take, or a bare flow document."""

    name: str
    namespace: str
    spec: FlowSpec
    document: FlowDocument
    bare: bool

    @property
    def at(self) -> str:
        """The path of the flow document in the file."""
        return "flow" if self.bare else "spec.flow"


def parse_spec(value: object) -> tuple[FlowSpec, FlowDocument]:
    """Read the spec of a resource and the flow document in it.

    Raises:
        DocumentErrors: everything that is wrong with either.
    """
    spec = FlowSpec.parse(canonical(value, "spec"), at="spec")
    document = FlowDocument.parse(spec.flow, at="spec.flow")
    known = {source.name for source in spec.inputs}
    errors = [
        DocumentError(
            f"`{path.split('/')[0]}` is not among the inputs",
            path=f"spec.flow.data.{name}",
            remedy=nearest(path.split("/")[0], known) or "Add it under `spec.inputs`.",
        )
        for name, path in document.files.items()
        if "/" not in path or path.split("/")[0] not in known
    ]
    if errors:
        raise DocumentErrors(errors)
    return spec, document


def load_manifest(value: JsonValue, *, default_name: str = "flow") -> Manifest:
    """Read a resource, or a bare document `{flow: …}`.

    Args:
        value: What the reader gave for one document.
        default_name: The name of a bare flow that has none.

    Raises:
        DocumentErrors: with everything that is wrong.
    """
    if not isinstance(value, dict):
        raise DocumentErrors([DocumentError("this is neither a flow nor a ComputableFlow", remedy="See examples/.")])
    if "flow" in value and "kind" not in value:
        if extra := sorted(set(value) - {"flow"}):
            remedy = "Beside `flow:` a bare document has no other key."
            raise DocumentErrors([DocumentError("unknown key", path=key, remedy=remedy) for key in extra])
        document = FlowDocument.parse(value["flow"], at="flow")
        return Manifest(document.name or default_name, "", FlowSpec(flow=dict(document.raw)), document, bare=True)
    return _resource(value)


def _resource(value: dict[str, JsonValue]) -> Manifest:
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if value.get(key) != wanted:
            raise DocumentErrors([DocumentError(f"`{wanted}` is needed here", path=key, remedy=given(value.get(key)))])
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or len(name) > 40 or re.fullmatch(LABEL.strip("^$"), name) is None:
        message = "a flow's name has at most 40 lower-case letters, digits and dashes"
        raise DocumentErrors([DocumentError(message, path="metadata.name", remedy="Write a shorter or simpler one.")])
    if extra := sorted(set(value) - {"apiVersion", "kind", "metadata", "spec", "status"}):
        raise DocumentErrors([DocumentError("unknown key", path=key, remedy="Remove it.") for key in extra])
    spec, document = parse_spec(value.get("spec"))
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return Manifest(name, namespace if isinstance(namespace, str) else "", spec, document, bare=False)
