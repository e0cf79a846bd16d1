"""Kubernetes' JSON taken apart into observed values. Total: what is missing or odd reads as absent."""

from collections.abc import Mapping
from typing import Any

from flowapi.errors import FlowError
from flowapi.report import MAX_BYTES, RunReport
from flowapi.spec import parse_spec
from flowapi.status import FlowStatus
from flowoperator.core.observed import Claim, Flow, InvalidSpec, Job, LastWords, Pod, ValidSpec
from flowoperator.objects.job import CONTAINER
from flowoperator.objects.meta import (
    ATTEMPT_LABEL,
    FLOW_LABEL,
    REVISION_LABEL,
    SETTINGS_ANNOTATION,
    FlowRef,
)

Json = Mapping[str, Any]


def flow(body: Json) -> Flow:
    """A ComputableFlow."""
    meta = body["metadata"]
    try:
        spec: ValidSpec | InvalidSpec = ValidSpec(*parse_spec(body.get("spec")))
    except FlowError as error:
        spec = InvalidSpec(str(error))
    return Flow(
        ref=FlowRef(meta["namespace"], meta["name"], meta["uid"]),
        generation=meta.get("generation", 0),
        spec=spec,
        status=FlowStatus.read(body.get("status")),
        deleting="deletionTimestamp" in meta,
    )


def job(body: Json) -> Job:
    """A Job. `SuccessCriteriaMet` and `FailureTarget` are not the end: its pods may still run."""
    meta, status = body["metadata"], body.get("status") or {}
    ends = {one["type"]: one for one in status.get("conditions") or () if one.get("status") == "True"}
    end = ends.get("Complete") or ends.get("Failed") or {}
    kind = end.get("type", "")
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        owner_uid=controller_uid(body),
        revision=_label(body, REVISION_LABEL),
        attempt=_whole(_label(body, ATTEMPT_LABEL)),
        settings=(meta.get("annotations") or {}).get(SETTINGS_ANNOTATION, ""),
        deleting="deletionTimestamp" in meta,
        finished=kind,
        reason=end.get("reason", ""),
    )


def pod(body: Json) -> Pod:
    """A pod."""
    meta, status = body["metadata"], body.get("status") or {}
    phase = status.get("phase")
    waiting = _container(body).get("state", {}).get("waiting", {})
    scheduled: Json = next((one for one in status.get("conditions") or () if one.get("type") == "PodScheduled"), {})
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        job_uid=controller_uid(body),
        node=(body.get("spec") or {}).get("nodeName", ""),
        ip=status.get("podIP", ""),
        running=phase == "Running",
        ended=phase if phase in {"Succeeded", "Failed"} else "",
        deleting="deletionTimestamp" in meta,
        waiting=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
    )


def last_words(body: Json) -> LastWords | None:
    """How a pod's engine ended; None while it has not. The message comes from the pod: it is bounded and checked."""
    ended = _container(body).get("state", {}).get("terminated")
    if ended is None:
        return None
    meta, found = body["metadata"], (body.get("status") or {}).get("conditions") or ()
    disrupted = any(one.get("type") == "DisruptionTarget" and one.get("status") == "True" for one in found)
    return LastWords(
        pod_uid=meta["uid"],
        revision=_label(body, REVISION_LABEL),
        attempt=_whole(_label(body, ATTEMPT_LABEL)),
        exit_code=ended.get("exitCode", 137),
        disrupted=disrupted,
        report=report(ended.get("message", "").encode(), limit=MAX_BYTES),
        job_uid=controller_uid(body),
        pod_name=meta["name"],
        created=created(body),
    )


def report(data: bytes, *, limit: int) -> RunReport | None:
    """A run report; None for anything else, however long."""
    return RunReport.read(data, limit)


def claim(body: Json) -> Claim:
    """A PersistentVolumeClaim."""
    meta = body["metadata"]
    return Claim(
        name=meta["name"],
        ours=_label(body, FLOW_LABEL) == meta["name"],
        owner_uids=frozenset(one["uid"] for one in meta.get("ownerReferences") or ()),
        deleting="deletionTimestamp" in meta,
        lost=(body.get("status") or {}).get("phase") == "Lost",
    )


def claims_of(body: Json) -> frozenset[str]:
    """The claims that a pod mounts for writing or reading."""
    volumes = (body.get("spec") or {}).get("volumes") or ()
    return frozenset(one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one)


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
