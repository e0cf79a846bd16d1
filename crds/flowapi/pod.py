"""The engine's pod: what of it the spec says."""

import re
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from flowapi.forms import IMAGE, RESOURCE
from flowapi.inputs import DnsName, EnvVar
from flowapi.labels import LONGEST_KEY, Annotations, LabelMap, short_prefix
from flowapi.model import without_nulls
from flowapi.placement import Affinity, Spread, Toleration
from flowapi.quantities import Quantity, amount
from flowapi.rules import Rule, SpecPart, once

OWN_LABELS = ("app.kubernetes.io/component", "app.kubernetes.io/managed-by", "app.kubernetes.io/name", "controller-uid",
              "job-name")  # fmt: skip
OWN_PREFIXES = ("computableflow.dev/", "batch.kubernetes.io/")


class PullSecret(SpecPart):
    """A secret of the namespace that holds a registry's credentials."""

    name: DnsName = Field(description="The Secret's name.")


ResourceMap = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=RESOURCE, max_length=LONGEST_KEY), AfterValidator(short_prefix)],
        Quantity,
    ],
    Field(max_length=16),
    BeforeValidator(without_nulls),
]


def _within_limits(self: "Resources") -> bool:
    pairs = ((value, self.limits.get(name)) for name, value in self.requests.items())
    return all(limit is None or (amount(value) or 0) <= (amount(limit) or 0) for value, limit in pairs)


def _whole_devices(key: str, self: "Resources") -> bool:
    found: dict[str, str | int] = getattr(self, key)
    return all("/" not in name or re.fullmatch("[0-9]+", str(value)) is not None for name, value in found.items())


def _devices_as_limited(self: "Resources") -> bool:
    devices = ((value, self.limits.get(name)) for name, value in self.requests.items() if "/" in name)
    return all(limit is not None and amount(value) == amount(limit) for value, limit in devices)


_AMOUNTS = "quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k])))"
_COMPARED = f"isQuantity(string(self.requests[k])) && isQuantity(string(self.limits[k])) && {_AMOUNTS}"


class Resources(SpecPart):
    """CPU, memory and devices of the engine's container."""

    requests: ResourceMap = Field({}, description="What a node must have free for the pod; the limits when left out.")
    limits: ResourceMap = Field({}, description="What the engine may use at the most; beyond `memory` it is killed.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.requests) || !has(self.limits) || "
            f"self.requests.all(k, !(k in self.limits) || ({_COMPARED} <= 0))",
            _within_limits,
            "a request is larger than its limit",
            "Raise the limit, or lower the request.",
            at="requests",
        ),
        *(
            Rule(
                f"!has(self.{key}) || self.{key}.all(k, !k.contains('/') || string(self.{key}[k]).matches('^[0-9]+$'))",
                partial(_whole_devices, key),
                "devices come in whole numbers",
                "Write 1, 2, 3 …",
                at=key,
            )
            for key in ("requests", "limits")
        ),
        Rule(
            "!has(self.requests) || self.requests.all(k, !k.contains('/') || "
            f"(has(self.limits) && k in self.limits && {_COMPARED} == 0))",
            _devices_as_limited,
            "a device is requested as often as its limit says",
            "Write the same number twice, or the limit alone.",
            at="requests",
        ),
    )


class EngineSpec(SpecPart):
    """The pod that runs the flow."""

    image: Annotated[str, StringConstraints(pattern=IMAGE, min_length=1, max_length=512)] | None = Field(
        None,
        description="The engine's image; the operator's default when left out. A digest keeps bits reproducible.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None, description="When the image is pulled; as in a pod."
    )
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=8), once("name")] = Field(
        (), description="Secrets with credentials of registries."
    )
    resources: Resources = Resources()
    node_selector: LabelMap = Field({}, description="Labels that the node must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        (), description="Taints of nodes that the pod tolerates."
    )
    affinity: Affinity | None = None
    topology_spread_constraints: Annotated[
        tuple[Spread, ...], Field(max_length=8), once("topologyKey", "whenUnsatisfiable")
    ] = Field((), description="How evenly pods spread over zones or other domains, as in a pod.")
    priority_class_name: DnsName | None = Field(None, description="The PriorityClass of the pod.")
    runtime_class_name: DnsName | None = Field(None, description="The RuntimeClass of the pod.")
    service_account_name: DnsName | None = Field(
        None, description="The pod's ServiceAccount; `default` when left out. No token of it is mounted."
    )
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64), once("name")] = Field(
        (), description="Environment variables of the engine; a change is another revision."
    )
    pod_labels: LabelMap = Field({}, description="Labels for the pod beside the operator's own.")
    pod_annotations: Annotations = Field({}, description="Annotations for the pod.")
    processes: Annotated[int, Field(strict=True, ge=1, le=1)] = Field(
        1, description="Processes that share the flow; this version runs one."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.podLabels) || self.podLabels.all(k, !(k in {list(OWN_LABELS)}) && "
            + " && ".join(f"!k.startsWith('{prefix}')" for prefix in OWN_PREFIXES)
            + ")",
            lambda self: not any(key in OWN_LABELS or key.startswith(OWN_PREFIXES) for key in self.pod_labels),
            "the operator and the Job controller set labels of these names themselves",
            f"Remove {', '.join(OWN_LABELS)} and whatever starts with {' or '.join(OWN_PREFIXES)}.",
            at="podLabels",
        ),
    )
