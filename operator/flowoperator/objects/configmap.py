"""The ConfigMap of a revision: its data, immutable, are the whole tuple with the image resolved.

An annotation says under which run-time settings it last saved: that changes in one write, without the data.
"""

from typing import Any

from flowapi.revision import REVISION_KEY, RevisionFile
from flowoperator.objects.meta import SAVED_SETTINGS_ANNOTATION, FlowRef, configmap_name, labels, owner_reference

MOST_SETTINGS = 128 * 1024  # bytes; Kubernetes takes twice as much of all annotations of an object


def saved_settings(settings: str) -> dict[str, str]:
    """The annotation; none where they are too long: then the revision goes back with the settings of the day."""
    return {SAVED_SETTINGS_ANNOTATION: settings} if len(settings.encode()) <= MOST_SETTINGS else {}


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
            "annotations": saved_settings(settings),
            "ownerReferences": [owner_reference(flow, controller=True)],
        },
        "immutable": True,
        "data": {REVISION_KEY: revision.to_bytes().decode()},
    }
