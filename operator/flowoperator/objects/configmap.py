"""The ConfigMap of a revision: immutable, with the whole tuple and the image resolved."""

from typing import Any

from flowapi.revision import REVISION_KEY, RevisionFile
from flowoperator.objects.meta import FlowRef, configmap_name, labels, owner_reference


def build_configmap(flow: FlowRef, revision: RevisionFile) -> dict[str, Any]:
    """The ConfigMap that the engine's pod mounts at /etc/cflow."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": configmap_name(flow.name, revision.hash),
            "namespace": flow.namespace,
            "labels": labels(flow, revision.hash),
            "ownerReferences": [owner_reference(flow, controller=True)],
        },
        "immutable": True,
        "data": {REVISION_KEY: revision.to_bytes().decode()},
    }
