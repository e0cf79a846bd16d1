"""The claim of the checkpoint volume, where the flow does not name one that exists."""

from typing import Any, Literal

from flowapi.spec import VolumeSpec
from flowoperator.objects.meta import FlowRef, labels, owner_reference

DEFAULT_SIZE = "1Gi"
DeletionPolicy = Literal["Retain", "Delete"]


def build_claim(flow: FlowRef, volume: VolumeSpec, policy: DeletionPolicy) -> dict[str, Any]:
    """The claim; only under `Delete` does it have an owner, so that it goes with the flow."""
    spec: dict[str, Any] = {
        "accessModes": [volume.access_mode],
        "resources": {"requests": {"storage": volume.size or DEFAULT_SIZE}},
    }
    if volume.storage_class_name:
        spec["storageClassName"] = volume.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": flow.name,
            "namespace": flow.namespace,
            "labels": labels(flow),
            "ownerReferences": claim_owners(flow, policy),
        },
        "spec": spec,
    }


def claim_owners(flow: FlowRef, policy: DeletionPolicy) -> list[dict[str, Any]]:
    """The owners that a claim of ours should have under a deletion policy."""
    return [owner_reference(flow, controller=False)] if policy == "Delete" else []
