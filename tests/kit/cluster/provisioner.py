"""Gives each claim of a class a folder that all nodes share, grows it when asked, and removes it after its claim.

Runs as a script in a pod of the cluster, on the operator's image, without the project's packages.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.utils.quantity import parse_quantity

USER = 65532  # the flows'; Kubernetes changes no owner of a hostPath
WATCH_SECONDS = 300
CONFLICT, GONE = 409, 404


def serve(api: client.CoreV1Api, name: str, folder: Path, claim: Any) -> None:
    """A volume for a claim that has none, a larger one for a claim that asks for it."""
    if claim.spec.storage_class_name != name or claim.metadata.deletion_timestamp:
        return
    if claim.status.phase == "Pending" and not claim.spec.volume_name:
        _make(api, name, folder, claim)
    elif claim.status.phase == "Bound":
        _grow(api, claim)


def _make(api: client.CoreV1Api, name: str, folder: Path, claim: Any) -> None:
    """The volume, bound to this claim alone."""
    volume = f"pvc-{claim.metadata.uid}"
    place = folder / volume
    place.mkdir(exist_ok=True)
    os.chown(place, USER, USER)
    meta = {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": name}}
    reference = {"kind": "PersistentVolumeClaim", "namespace": claim.metadata.namespace, "name": claim.metadata.name}
    spec = {
        "storageClassName": name,
        "capacity": {"storage": claim.spec.resources.requests["storage"]},
        "accessModes": claim.spec.access_modes,
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": {**reference, "uid": claim.metadata.uid},
        "hostPath": {"path": str(place), "type": "Directory"},
    }
    body: Any = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec}
    api.create_persistent_volume(body)


def _grow(api: client.CoreV1Api, claim: Any) -> None:
    """A folder has the room of its disk: what grows is the number."""
    wanted = claim.spec.resources.requests["storage"]
    if parse_quantity(wanted) <= parse_quantity(claim.status.capacity["storage"]):
        return
    api.patch_persistent_volume(claim.spec.volume_name, {"spec": {"capacity": {"storage": wanted}}})
    api.patch_namespaced_persistent_volume_claim_status(
        claim.metadata.name, claim.metadata.namespace, {"status": {"capacity": {"storage": wanted}}}
    )


def remove(api: client.CoreV1Api, name: str, folder: Path, volume: Any) -> None:
    """A volume whose claim is gone, with what lies in it."""
    if volume.spec.storage_class_name == name and volume.status.phase == "Released":
        shutil.rmtree(folder / volume.metadata.name, ignore_errors=True)
        api.delete_persistent_volume(volume.metadata.name)


def follow(listing: Callable[..., Any], handle: Callable[[Any], None]) -> None:
    """Hand each object over as it comes and changes, for ever; what went wrong is tried with the next list."""
    while True:
        try:
            for event in watch.Watch().stream(listing, timeout_seconds=WATCH_SECONDS):
                if event["type"] in {"ADDED", "MODIFIED"}:
                    handle(event["object"])
        except ApiException as error:
            if error.status not in {CONFLICT, GONE}:
                print(error, file=sys.stderr, flush=True)


def main() -> None:
    """Arguments: the class' name, and the folder that all nodes share."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    config.load_incluster_config()
    api = client.CoreV1Api()
    removing = threading.Thread(
        target=follow, args=(api.list_persistent_volume, lambda one: remove(api, name, folder, one)), daemon=True
    )
    removing.start()
    follow(api.list_persistent_volume_claim_for_all_namespaces, lambda one: serve(api, name, folder, one))


if __name__ == "__main__":
    main()
