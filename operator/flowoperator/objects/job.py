"""The Job of an attempt: one pod at a time, restricted, with the exit codes' meaning told to the Job controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowapi.inputs import InputSpec
from flowapi.pod import EngineSpec
from flowapi.report import ExitCode
from flowapi.revision import REVISION_KEY, RevisionFile, RuntimeSettings
from flowapi.spec import FlowSpec
from flowoperator.objects.meta import (
    SETTINGS_ANNOTATION,
    FlowRef,
    configmap_name,
    job_name,
    labels,
    owner_reference,
)
from flowoperator.objects.settings import asked_settings, settings_hash

CONTAINER = "engine"
PORT = 8080
_SCRATCH = "ephemeral-storage"
USER = 65532
_FINAL = [ExitCode.DOCUMENT, ExitCode.DATA, ExitCode.DIVERGED, ExitCode.FENCED]
_POD_ANNOTATIONS = {
    "sidecar.istio.io/inject": "false",
    "linkerd.io/inject": "disabled",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
}


@dataclass(frozen=True)
class Start:
    """Where an attempt starts.

    Attributes:
        at: `latest`, `fresh`, or a checkpoint as REVISION/NAME (REVISION/latest).
        id: Of a start that happens once; empty for `latest`.
        lineage: Revisions to continue from, nearest first, while this one has no checkpoint of its own.
        expected: Whether a checkpoint is known: then an engine that finds none must not begin at iteration 0.
    """

    at: str
    id: str = ""
    lineage: tuple[str, ...] = ()
    expected: bool = False


@dataclass(frozen=True)
class Attempt:
    """One start of the engine.

    Attributes:
        number: Rises with each Job; the store refuses a lower one.
        revision: What runs.
        start: Where it starts.
        retain: Other revisions that keep a checkpoint.
        budget: Failures of it that are tried again.
        adopt: Uid of a deleted flow whose volume is taken over.
        queue: Labels for whoever lets Jobs wait for their turn.
    """

    number: int
    revision: RevisionFile
    start: Start
    retain: tuple[str, ...]
    budget: int
    adopt: str = ""
    queue: tuple[tuple[str, str], ...] = ()


def build_job(
    flow: FlowRef, spec: FlowSpec, settings: RuntimeSettings, attempt: Attempt,
    resources: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:  # fmt: skip
    """The Job of an attempt; `resources` are the requests and limits of an engine whose spec names none."""
    revision = attempt.revision.hash
    found = labels(flow, revision, attempt.number)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(flow.name, revision, attempt.number),
            "namespace": flow.namespace,
            "labels": {**dict(attempt.queue), **found},
            "annotations": {SETTINGS_ANNOTATION: settings_hash(asked_settings(spec, settings))},
            "ownerReferences": [owner_reference(flow, controller=True)],
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": attempt.budget,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {
                "metadata": {
                    "labels": {**spec.engine.pod_labels, **found},
                    "annotations": {**_POD_ANNOTATIONS, **spec.engine.pod_annotations},
                },
                "spec": _pod(flow, spec, settings, attempt, resources),
            },
        },
    }


def _failure_rules() -> list[dict[str, Any]]:
    """Final exit codes come first: an evicted pod that ended with one of them has still failed for good."""

    def exits(codes: list[ExitCode]) -> dict[str, Any]:
        return {"containerName": CONTAINER, "operator": "In", "values": [int(code) for code in codes]}

    return [
        {"action": "FailJob", "onExitCodes": exits(_FINAL)},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Ignore", "onExitCodes": exits([ExitCode.STOPPED])},
    ]


def _pod(
    flow: FlowRef, spec: FlowSpec, settings: RuntimeSettings, attempt: Attempt,
    resources: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:  # fmt: skip
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, settings, attempt, resources)],
        "volumes": _volumes(flow, spec, attempt),
        **_placement(spec.engine),
    }


def _placement(engine: EngineSpec) -> dict[str, Any]:
    """What the spec says about where the pod may run, in the pod's own words."""
    fields = {
        "image_pull_secrets", "node_selector", "tolerations", "affinity", "topology_spread_constraints",
        "priority_class_name", "runtime_class_name", "service_account_name",
    }  # fmt: skip
    return engine.model_dump(include=fields, by_alias=True, exclude_defaults=True, mode="json")


def _container(
    spec: FlowSpec, settings: RuntimeSettings, attempt: Attempt, resources: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": attempt.revision.resolved_image,
        "args": _arguments(settings, attempt),
        "env": [
            {"name": "XDG_CACHE_HOME", "value": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
            *(variable.model_dump(by_alias=True) for variable in attempt.revision.tuple.env),
        ],
        "ports": [{"name": "status", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "status"}, "periodSeconds": 5},
        "resources": _resources(spec, resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": "/dev/termination-log",
        "volumeMounts": [
            {"name": "flow", "mountPath": "/flow"},
            {"name": "revision", "mountPath": "/etc/cflow", "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
            *(
                {"name": f"input-{index}", "mountPath": f"/inputs/{source.name}", "readOnly": True}
                for index, source in enumerate(attempt.revision.tuple.inputs)
            ),
        ],
    }
    if spec.engine.image_pull_policy:
        container["imagePullPolicy"] = spec.engine.image_pull_policy
    return container


def _arguments(settings: RuntimeSettings, attempt: Attempt) -> list[str]:
    arguments = [
        "engine",
        "--revision-file", f"/etc/cflow/{REVISION_KEY}",
        "--root", "/flow",
        "--attempt", str(attempt.number),
        "--start", attempt.start.at,
        "--settings", settings.to_json(),
    ]  # fmt: skip
    texts = {
        "start-id": attempt.start.id,
        "lineage": ",".join(attempt.start.lineage),
        "retain": ",".join(attempt.retain),
        "adopt": attempt.adopt,
    }
    for option, value in texts.items():
        if value:
            arguments += [f"--{option}", value]
    return [*arguments, *(["--expect-checkpoint"] if attempt.start.expected else [])]


def _resources(spec: FlowSpec, defaults: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The spec's, else the defaults of the installation; scratch space is bounded in any case.

    A bound that is smaller than what the spec requests would contradict it: then the request is the bound.
    """
    asked = spec.engine.resources.model_dump(mode="json")
    given = asked if asked["requests"] or asked["limits"] else {"requests": {}, "limits": {}, **defaults}
    bound = given["requests"].get(_SCRATCH, "1Gi")
    return {"requests": dict(given["requests"]), "limits": {_SCRATCH: bound, **given["limits"]}}


def _volumes(flow: FlowRef, spec: FlowSpec, attempt: Attempt) -> list[dict[str, Any]]:
    claim = spec.checkpoint.volume.claim_name or flow.name
    return [
        {"name": "flow", "persistentVolumeClaim": {"claimName": claim}},
        {"name": "revision", "configMap": {"name": configmap_name(flow.name, attempt.revision.hash)}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "512Mi"}},
        *({"name": f"input-{index}", **_source(one)} for index, one in enumerate(attempt.revision.tuple.inputs)),
    ]


def _source(source: InputSpec) -> dict[str, Any]:
    if source.claim_name:
        return {"persistentVolumeClaim": {"claimName": source.claim_name, "readOnly": True}}
    return {"configMap": {"name": source.config_map_name}}
