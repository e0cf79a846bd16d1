"""The ConfigMap of a revision: immutable, with the whole tuple, the image resolved, and how it last ran well."""

from typing import Any

from flowapi.revision import REVISION_KEY, RevisionFile
from flowoperator.objects.meta import FlowRef, configmap_name, labels, owner_reference

SETTINGS_KEY = "settings.json"


def build_configmap(flow: FlowRef, revision: RevisionFile, settings: str) -> dict[str, Any]:
    """The ConfigMap that the engine's pod mounts at /etc/cflow.

    Args:
        flow: Whose it is.
        revision: What the engine reads.
        settings: The run-time settings (`asked_settings`) for when the revision runs in place of one that has failed.
    """
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
        "data": {REVISION_KEY: revision.to_bytes().decode(), SETTINGS_KEY: settings},
    }
