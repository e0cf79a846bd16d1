"""Why an attempt does not run, from what Kubernetes says about its Job and its pod: one sentence a cause."""

from datetime import datetime, timedelta

from flowoperator.core import conditions
from flowoperator.core.observed import Observed, Pod, Refusal

IMAGE = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
LOST_AFTER = timedelta(seconds=30)
UNREACHABLE_SECONDS = 10.0

# what of the spec decides a field of the objects that we make
_FIELDS = (
    ("resources", "spec.engine.resources"),
    ("nodeSelector", "spec.engine.nodeSelector"),
    ("tolerations", "spec.engine.tolerations"),
    ("affinity", "spec.engine.affinity"),
    ("topologySpreadConstraints", "spec.engine.topologySpreadConstraints"),
    ("priorityClassName", "spec.engine.priorityClassName"),
    ("runtimeClassName", "spec.engine.runtimeClassName"),
    ("serviceAccountName", "spec.engine.serviceAccountName"),
    ("imagePullSecrets", "spec.engine.imagePullSecrets"),
    ("image", "spec.engine.image"),
    ("env", "spec.engine.env"),
    ("template.labels", "spec.engine.podLabels"),
    ("metadata.labels", "spec.engine.podLabels"),
    ("annotations", "spec.engine.podAnnotations"),
    ("volumes", "spec.inputs"),
    ("storage", "spec.checkpoint.volume.size"),
    ("accessModes", "spec.checkpoint.volume.accessMode"),
    ("storageClassName", "spec.checkpoint.volume.storageClassName"),
)


def field_of(text: str) -> str:
    """The path into the spec that a path into a Job or claim, or a sentence about one, comes from; empty if unknown."""
    return next((ours for theirs, ours in _FIELDS if theirs in text), "")


def refused(refusal: Refusal) -> conditions.Verdict:
    """The apiserver's words, with the field to change where it is known."""
    place = next((found for path in (*refusal.fields, refusal.message) if (found := field_of(path))), "")
    article = f"{place}: the" if place else "The"
    message = f"{article} apiserver refuses the {refusal.kind}: {refusal.message}"
    if "exceeded quota" in refusal.message:
        return conditions.waiting("ProgressingWithRetry", f"{message}. It is tried again until there is room.")
    if refusal.status in {400, 422}:
        return conditions.stalled("InvalidSpec", message)
    return conditions.stalled("Refused", f"{message}. It is tried again; ask whoever runs the cluster.")


def stopping(pod: Pod, now: datetime) -> str:
    """What is waited for while a pod ends; a node is called lost only once the pod should have been gone."""
    if not pod.deleting:
        return f"Waiting until pod {pod.name} has ended."
    until = moment(pod.deleting)
    if until is None or now < until + LOST_AFTER:
        return f"Waiting until pod {pod.name} has stopped; it has until {pod.deleting}."
    return (
        f"Pod {pod.name} should have been gone at {pod.deleting}: node {pod.node} may be lost. If it is, delete the "
        "Node object or taint it node.kubernetes.io/out-of-service; the operator never forces a pod away."
    )


def moment(text: str) -> datetime | None:
    """The time that a text names; None if it names none, or not in which zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def trouble(observed: Observed, now: datetime) -> conditions.Verdict | None:
    """Why the attempt does not iterate; None when nothing speaks against it."""
    job, pod = observed.job, observed.pod
    if job is not None and job.suspended:
        said = f": {observed.warnings[-1].rstrip('.')}" if observed.warnings else ""
        return conditions.waiting("Queued", f"Job {job.name} is held back by a queue{said}.")
    if pod is None or pod.ended:
        return _of_events(observed, "The Job makes no pod")
    if pod.deleting:
        return conditions.waiting("Restoring", stopping(pod, now))
    if pod.blocked in IMAGE:
        own = observed.flow.spec
        named = getattr(getattr(own, "revision", None), "image", None)
        place = "spec.engine.image" if named else "the operator's default image (engine.image of the chart)"
        return conditions.stalled(
            "ImagePullFailed", f"{place}: {pod.message or pod.blocked}. Correct the image, or give imagePullSecrets."
        )
    if pod.blocked not in STARTING:
        said = f": {pod.message}" if pod.message else ""
        return conditions.stalled("PodCannotStart", f"Pod {pod.name} can't start: {pod.blocked}{said}.")
    if pod.unschedulable:
        claim = observed.claim
        if claim is not None and claim.phase == "Pending" and (why := _of_events(observed, "")) is not None:
            return why
        return conditions.waiting("Unschedulable", f"No node takes pod {pod.name}: {pod.unschedulable}")
    if pod.engine_ended and pod.outlives:
        names = ", ".join(pod.outlives)
        return conditions.stalled(
            "SidecarRuns",
            f"The engine of pod {pod.name} has ended, but its container {names} keeps the Job from ending. "
            "Disable its injection by spec.engine.podAnnotations or podLabels, or make it a native sidecar.",
        )
    return None if pod.running else _of_events(observed, f"Pod {pod.name} can't start")


def _of_events(observed: Observed, what: str) -> conditions.Verdict | None:
    """What the newest warning says; a quota is waited for, anything else is for a person."""
    if not observed.warnings:
        return None
    said = observed.warnings[-1].rstrip(".")
    message = f"{what}: {said}." if what else f"{said}."
    if "exceeded quota" in said:
        return conditions.waiting("ProgressingWithRetry", f"{message} It is tried again until there is room.")
    return conditions.stalled("PodCannotStart", message)


def unreachable(pod: Pod) -> str:
    """A pod that runs, and whose engine does not answer."""
    return (
        f"Pod {pod.name} runs, but its engine doesn't answer the operator at {pod.ip}:8080; "
        "a NetworkPolicy may stand between them. Progress is unknown."
    )
