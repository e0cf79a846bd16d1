"""The resource `ComputableFlow`: what its spec says, key by key. Defaults live here, never in the user's object."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, JsonValue, StringConstraints, model_validator

from flowapi.errors import DocumentError, DocumentErrors
from flowapi.flow import FlowDocument
from flowapi.frozen import frozen
from flowapi.inputs import DnsName, EnvVar, InputSpec
from flowapi.model import DocumentFinding, Model, nearest
from flowapi.numbers import canonical

GROUP = "computableflow.dev"
VERSION = "v1alpha1"
KIND = "ComputableFlow"
API_VERSION = f"{GROUP}/{VERSION}"

LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317)]
LabelValue = Annotated[str, StringConstraints(max_length=63)]
Quantity = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|[kKMGTPE]i?)?$", max_length=32)]
QuantityOrInt = Quantity | Annotated[int, Field(ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, StringConstraints(max_length=253)]
Whole = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class PullSecret(Model):
    """A secret of the namespace that holds a registry's credentials."""

    name: DnsName


class Resources(Model):
    """CPU, memory and devices of the engine's container."""

    requests: Annotated[dict[Text, QuantityOrInt], Field(max_length=16)] = {}
    limits: Annotated[dict[Text, QuantityOrInt], Field(max_length=16)] = {}


class Toleration(Model):
    """A taint that the engine's pod tolerates."""

    key: Text = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: Text = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    toleration_seconds: Whole | None = None


class EngineSpec(Model):
    """The pod that runs the flow."""

    image: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        None,
        description="The engine's image; the operator's default when left out. A digest keeps bits reproducible.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=8)] = ()
    resources: Resources = Resources()
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    affinity: dict[str, Any] | None = Field(None, description="As in a pod.")
    topology_spread_constraints: Annotated[tuple[dict[str, Any], ...], Field(max_length=8)] = ()
    priority_class_name: DnsName | None = None
    runtime_class_name: DnsName | None = None
    service_account_name: DnsName | None = None
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64)] = ()
    pod_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}
    pod_annotations: Annotated[
        dict[LabelKey, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=32)
    ] = {}
    processes: Annotated[int, Field(strict=True, ge=1, le=1)] = Field(
        1, description="Processes that share the flow; this version runs one."
    )

    @model_validator(mode="after")
    def _names_once(self) -> "EngineSpec":
        names = [variable.name for variable in self.env]
        if len(names) != len(set(names)):
            raise DocumentFinding("an environment variable stands here twice", path="env", remedy="Keep one of them.")
        return self


class VolumeSpec(Model):
    """Where checkpoints live: a claim that exists, or one to be made."""

    claim_name: DnsName | None = None
    size: Quantity | None = Field(None, description="Of the claim to be made; 1Gi when left out.")
    storage_class_name: DnsName | None = None
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] = "ReadWriteOnce"

    @model_validator(mode="after")
    def _one_origin(self) -> "VolumeSpec":
        if self.claim_name and (self.size or self.storage_class_name):
            raise DocumentFinding(
                "`claimName` names a claim that exists; `size` and `storageClassName` describe one to be made",
                remedy="Keep one kind.",
            )
        return self


class CheckpointSpec(Model):
    """When the state is saved, and how many of the saved ones are kept."""

    every_iterations: Count = 100
    every_seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = Field(
        10.0, description="A due checkpoint closer than this to the last one is skipped; 0: none is."
    )
    keep: Annotated[int, Field(strict=True, ge=1, le=100)] = 3
    volume: VolumeSpec = VolumeSpec()


class UpgradeSpec(Model):
    """What a changed flow starts from: the last good checkpoint (Continue), or its own start (Restart)."""

    mode: Literal["Continue", "Restart"] = "Continue"


class RollbackSpec(Model):
    """Going back by itself when a new revision fails."""

    automatic: Flag = False
    later: ClassVar[frozenset[str]] = frozenset({"deadlineSeconds", "stableAfter"})

    @model_validator(mode="after")
    def _not_yet(self) -> "RollbackSpec":
        if self.automatic:
            raise DocumentFinding(
                "automatic rollback is not available in this version",
                path="automatic",
                remedy="Write false, and roll back by reverting the spec.",
            )
        return self


class RetrySpec(Model):
    """How many failures in a row are tried again; evictions and preemptions don't count."""

    limit: Annotated[int, Field(strict=True, ge=0, le=100)] = 6
    later: ClassVar[frozenset[str]] = frozenset({"windowSeconds"})


class FlowSpec(Model):
    """The spec of a ComputableFlow."""

    flow: dict[str, Any] = Field(description="What is computed: an energy, where its data lie, and when to stop.")
    engine: EngineSpec = EngineSpec()
    inputs: Annotated[tuple[InputSpec, ...], Field(max_length=16)] = ()
    checkpoint: CheckpointSpec = CheckpointSpec()
    upgrade: UpgradeSpec = UpgradeSpec()
    rollback: RollbackSpec = RollbackSpec()
    retry: RetrySpec = RetrySpec()
    retry_nonce: Annotated[str, StringConstraints(max_length=63)] = Field(
        "", description="Write another text to have a stalled flow tried again."
    )
    suspend: Flag = False
    termination_grace_period_seconds: Annotated[int, Field(strict=True, ge=1, le=86400)] = 120
    revision_history_limit: Annotated[int, Field(strict=True, ge=1, le=10)] = 10
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    later: ClassVar[frozenset[str]] = frozenset({"restore", "ttlSecondsAfterFinished"})

    @model_validator(mode="after")
    def _inputs_once(self) -> "FlowSpec":
        names = [source.name for source in self.inputs]
        if len(names) != len(set(names)):
            raise DocumentFinding("an input's name stands here twice", path="inputs", remedy="Rename one of them.")
        return self


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
            raise DocumentErrors(
                [DocumentError(f"{value.get(key)!r} is not {wanted}", path=key, remedy=f"Write {wanted}.")]
            )
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or len(name) > 40 or not name.replace("-", "").isalnum():
        message = "a flow's name has at most 40 lower-case letters, digits and dashes"
        raise DocumentErrors([DocumentError(message, path="metadata.name", remedy="Write a shorter or simpler one.")])
    if extra := sorted(set(value) - {"apiVersion", "kind", "metadata", "spec", "status"}):
        raise DocumentErrors([DocumentError("unknown key", path=key, remedy="Remove it.") for key in extra])
    spec, document = parse_spec(value.get("spec"))
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return Manifest(name, namespace if isinstance(namespace, str) else "", spec, document, bare=False)
