"""Names, labels and owners of the objects that belong to a flow."""

from dataclasses import dataclass
from typing import Any

from flowapi.group import API_VERSION, FLOW_LABEL, GROUP, KIND

REVISION_LABEL = f"{GROUP}/revision"
ATTEMPT_LABEL = f"{GROUP}/attempt"
QUEUE_LABELS = ("kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class")  # of a flow, passed on to its Jobs
VOLUME_LABEL = f"{GROUP}/checkpoint-volume"  # of a claim that its owner offers: "true"
SETTINGS_ANNOTATION = f"{GROUP}/settings"
SAVED_SETTINGS_ANNOTATION = f"{GROUP}/saved-settings"  # of a revision's ConfigMap
MANAGER = "computable-flows"


@dataclass(frozen=True)
class FlowRef:
    """Which flow an object belongs to."""

    namespace: str
    name: str
    uid: str


def job_name(flow: str, revision: str, attempt: int) -> str:
    """`<flow>-<hash>-<n>`."""
    return f"{flow}-{revision}-{attempt}"


def configmap_name(flow: str, revision: str) -> str:
    """`<flow>-<hash>`."""
    return f"{flow}-{revision}"


def owner_reference(flow: FlowRef, *, controller: bool) -> dict[str, Any]:
    """The reference by which the garbage collector follows the flow; it never blocks the flow's deletion."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": flow.name,
        "uid": flow.uid,
        "controller": controller,
        "blockOwnerDeletion": False,
    }


def labels(flow: FlowRef, revision: str = "", attempt: int = 0) -> dict[str, str]:
    """The labels by which the operator finds its objects; none of the owner's are copied."""
    found = {
        FLOW_LABEL: flow.name,
        "app.kubernetes.io/name": MANAGER,
        "app.kubernetes.io/component": "engine",
        "app.kubernetes.io/managed-by": MANAGER,
    }
    if revision:
        found[REVISION_LABEL] = revision
    if attempt:
        found[ATTEMPT_LABEL] = str(attempt)
    return found
