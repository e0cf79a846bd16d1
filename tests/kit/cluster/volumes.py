"""A pool of volumes for clusters whose nodes see one folder of this machine: it behaves like shared storage."""

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from kit.cluster.handle import Cluster

CLASS = "cflow-test"
POOL = 16
SIZE = "2Gi"
USER = 65532


def replenish(cluster: Cluster, folder: Path) -> None:
    """Drop the volumes that nobody claims any more, with what lies on them, and make new ones."""
    listed = cluster.json("get", "persistentvolumes")["items"]
    mine = [one for one in listed if one["spec"].get("storageClassName") == CLASS]
    released = [one["metadata"]["name"] for one in mine if one["status"].get("phase") in {"Released", "Failed"}]
    if released:
        cluster.kubectl("delete", "persistentvolume", *released)
    for name in released:
        shutil.rmtree(folder / name, ignore_errors=True)
    free = sum(one["status"].get("phase") in {"Available", "Pending"} for one in mine)
    made = [_volume(folder) for _ in range(POOL - free)]
    cluster.apply([_storage_class(), *made])


def _storage_class() -> dict[str, Any]:
    """The cluster's default, so that a claim that names none is served too."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate",
    }


def _volume(folder: Path) -> dict[str, Any]:
    """A folder that the flows' user may write; Kubernetes changes no owner of a hostPath."""
    name = f"cflow-{secrets.token_hex(5)}"
    place = folder / name
    place.mkdir(parents=True)
    os.chown(place, USER, USER)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": CLASS,
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(place), "type": "Directory"},
        },
    }
