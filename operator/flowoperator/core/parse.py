"""Kubernetes' JSON taken apart into observed values. Total: what is missing or odd reads as absent."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowapi.errors import FlowError
from flowapi.group import FLOW_LABEL, KIND
from flowapi.numbers import canonical
from flowapi.report import MAX_BYTES, RunReport
from flowapi.revision import REVISION_KEY, RevisionFile
from flowapi.spec import FlowSpec, parse_spec
from flowapi.status import FlowStatus
from flowoperator.core.observed import Claim, Flow, Job, Pod, RevisionMap, TerminationRecord
from flowoperator.core.wanted import InvalidSpec, ValidSpec
from flowoperator.objects.job import CONTAINER
from flowoperator.objects.meta import (
    ATTEMPT_LABEL,
    QUEUE_LABELS,
    REVISION_LABEL,
    SAVED_SETTINGS_ANNOTATION,
    SETTINGS_ANNOTATION,
    VOLUME_LABEL,
    FlowRef,
)

Json = Mapping[str, Any]


def spec(body: Json) -> ValidSpec | InvalidSpec:
    """The spec of a ComputableFlow, or the sentences that say what is wrong with it."""
    try:
        return ValidSpec(*parse_spec(body.get("spec")))
    except FlowError as error:
        return InvalidSpec(str(error), _around(body.get("spec")))


def _around(value: object) -> FlowSpec | None:
    """What a spec says beside its flow, which is wrong: that holds nevertheless."""
    try:
        return FlowSpec.parse(canonical({**value, "flow": {}}, "spec"), at="spec") if isinstance(value, dict) else None
    except FlowError:
        return None


def flow(body: Json, known: ValidSpec | InvalidSpec | None = None) -> Flow:
    """A ComputableFlow; `known` is its spec where this generation was read before."""
    meta = body["metadata"]
    return Flow(
        ref=FlowRef(meta["namespace"], meta["name"], meta["uid"]),
        generation=meta.get("generation", 0),
        spec=known or spec(body),
        status=FlowStatus.read(body.get("status")),
        deleting="deletionTimestamp" in meta,
        queue=tuple((name, value) for name in QUEUE_LABELS if (value := _label(body, name))),
    )


def job(body: Json) -> Job:
    """A Job. `SuccessCriteriaMet` and `FailureTarget` are not the end: its pods may still run."""
    meta, status = body["metadata"], body.get("status") or {}
    ends = {one["type"]: one for one in status.get("conditions") or () if one.get("status") == "True"}
    end = ends.get("Complete") or ends.get("Failed") or {}
    containers = body.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or ()
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        owner_uid=controller_uid(body),
        revision=_label(body, REVISION_LABEL),
        attempt=_whole(_label(body, ATTEMPT_LABEL)),
        settings=(meta.get("annotations") or {}).get(SETTINGS_ANNOTATION, ""),
        image=next((one.get("image", "") for one in containers if one.get("name") == CONTAINER), ""),
        deleting="deletionTimestamp" in meta,
        finished=end.get("type", ""),
        ending=bool(ends.keys() & {"SuccessCriteriaMet", "FailureTarget"}),
        reason=end.get("reason", ""),
        message=end.get("message", ""),
        suspended=bool((body.get("spec") or {}).get("suspend")),
        queued=bool(_label(body, QUEUE_LABELS[0])),
    )


def pod(body: Json) -> Pod:
    """A pod."""
    meta, status = body["metadata"], body.get("status") or {}
    phase, engine = status.get("phase"), _container(body)
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    scheduled: Json = conditions.get("PodScheduled") or {}
    blocked, message = _blocked(status)
    others = [one for one in status.get("containerStatuses") or () if one.get("name") != CONTAINER]
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        job_uid=controller_uid(body),
        flow=_label(body, FLOW_LABEL),
        node=(body.get("spec") or {}).get("nodeName", ""),
        ip=status.get("podIP", ""),
        running=phase == "Running",
        ready=bool(engine.get("ready")),
        ended=phase if phase in {"Succeeded", "Failed"} else "",
        deleting=meta.get("deletionTimestamp", ""),
        blocked=blocked,
        message=message,
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
        engine_ended="terminated" in engine.get("state", {}),
        outlives=tuple(one["name"] for one in others if "running" in one.get("state", {})),
        memory=_memory(body),
        writes=written(body),
    )


def _blocked(status: Json) -> tuple[str, str]:
    """Reason and message of the first container that waits for more than its turn; init containers come first."""
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            own = "" if one.get("name") == CONTAINER else f"container {one.get('name')}: "
            return waiting["reason"], f"{own}{waiting.get('message', '')}".strip()
    return "", ""


def _memory(body: Json) -> str:
    containers = (body.get("spec") or {}).get("containers") or ()
    engine: Json = next((one for one in containers if one.get("name") == CONTAINER), {})
    return str(((engine.get("resources") or {}).get("limits") or {}).get("memory", ""))


def termination(body: Json) -> TerminationRecord | None:
    """How a pod's engine ended; None while it has not. The message comes from the pod: it is bounded and checked."""
    ended = (_container(body).get("state") or {}).get("terminated")
    if ended is None:
        return None
    meta, found = body["metadata"], (body.get("status") or {}).get("conditions") or ()
    disrupted = any(one.get("type") == "DisruptionTarget" and one.get("status") == "True" for one in found)
    return TerminationRecord(
        pod_uid=meta["uid"],
        revision=_label(body, REVISION_LABEL),
        attempt=_whole(_label(body, ATTEMPT_LABEL)),
        exit_code=ended.get("exitCode", 137),
        disrupted=disrupted,
        report=RunReport.read((ended.get("message") or "").encode(), MAX_BYTES),
        job_uid=controller_uid(body),
        pod_name=meta["name"],
        created=created(body),
        reason=ended.get("reason", ""),
        memory=_memory(body),
    )


def claim(body: Json) -> Claim:
    """A PersistentVolumeClaim."""
    meta, status = body["metadata"], body.get("status") or {}
    owners = meta.get("ownerReferences") or ()
    return Claim(
        name=meta["name"],
        ours=_label(body, FLOW_LABEL) == meta["name"],
        offered=_label(body, VOLUME_LABEL) == "true",
        flow_uids=frozenset(one["uid"] for one in owners if one.get("kind") == KIND),
        deleting="deletionTimestamp" in meta,
        phase=status.get("phase", ""),
        uid=meta["uid"],
        requested=_storage((body.get("spec") or {}).get("resources"), "requests"),
        capacity=_storage(status, "capacity"),
        resizing=_resizing(status),
    )


def _storage(body: Json | None, key: str) -> str:
    return str(((body or {}).get(key) or {}).get("storage", ""))


def _resizing(status: Json) -> str:
    """The conditions that tell of a resize: an error before what is merely under way."""
    found = {one.get("type"): one for one in status.get("conditions") or () if one.get("status") == "True"}
    for kind in ("ControllerResizeError", "NodeResizeError", "FileSystemResizePending", "Resizing"):
        if kind in found:
            return f"{kind}: {found[kind].get('message', '')}".rstrip(": .")
    return ""


def revision_map(body: Json) -> RevisionMap:
    """A revision's ConfigMap; of its content, only the image that was resolved, and its run-time settings."""
    meta, data = body["metadata"], body.get("data") or {}
    try:
        image = json.loads(data.get(REVISION_KEY, "{}")).get("resolvedImage") or ""
    except (ValueError, AttributeError):
        image = ""
    owner, revision = controller_uid(body), _label(body, REVISION_LABEL)
    settings = (meta.get("annotations") or {}).get(SAVED_SETTINGS_ANNOTATION, "")
    return RevisionMap(meta["name"], meta["uid"], owner, revision, str(image), settings)


def whole_revision_map(body: Json) -> RevisionMap:
    """A revision's ConfigMap with what was hashed, if that has the hash of its label."""
    found = revision_map(body)
    try:
        file = RevisionFile.model_validate_json((body.get("data") or {}).get(REVISION_KEY, ""))
    except ValueError:
        return found
    return replace(found, tuple=file.tuple) if file.tuple.hash == found.revision else found


def written(body: Json) -> frozenset[str]:
    """The claims that a pod which has not ended mounts otherwise than for reading."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if status.get("phase") in {"Succeeded", "Failed"}:
        return frozenset()
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    mounts = [mount for one in containers for mount in one.get("volumeMounts") or ()]
    writable = {mount.get("name") for mount in mounts if not mount.get("readOnly")}
    sources = ((one.get("name"), one.get("persistentVolumeClaim") or {}) for one in spec.get("volumes") or ())
    return frozenset(
        source.get("claimName", "") for name, source in sources if not source.get("readOnly") and name in writable
    ) - {""}


def created(body: Json) -> str:
    """When an object was made: text that sorts by time."""
    found: str = body["metadata"].get("creationTimestamp") or ""
    return found


def controller_uid(body: Json) -> str:
    """The uid of the controlling owner; empty without one."""
    owners = body["metadata"].get("ownerReferences") or ()
    return next((one["uid"] for one in owners if one.get("controller")), "")


def flow_name(body: Json) -> str:
    """The flow that an object of ours belongs to; empty for another's."""
    return _label(body, FLOW_LABEL)


def _label(body: Json, name: str) -> str:
    found: str = (body["metadata"].get("labels") or {}).get(name, "")
    return found


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _container(body: Json) -> Json:
    statuses = (body.get("status") or {}).get("containerStatuses") or ()
    found: Json = next((one for one in statuses if one.get("name") == CONTAINER), {})
    return found
