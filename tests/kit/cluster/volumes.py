"""Volumes made when they are asked for, on clusters whose nodes see one folder of this machine: as shared storage."""

from pathlib import Path
from typing import Any

from kit.cluster.handle import Cluster
from kit.cluster.images import Image

CLASS = "cflow-folders"
NAMESPACE = "kube-system"
NAME = "cflow-provisioner"
SCRIPT = Path(__file__).parent / "provisioner.py"


def install(cluster: Cluster, folder: Path, image: Image) -> None:
    """A class that is the cluster's default, and what serves it."""
    cluster.apply([_class(), *_rights(), _script(), _deployment(folder, image)])


def _class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": CLASS,
        "allowVolumeExpansion": True,
        "volumeBindingMode": "Immediate",
    }


def _rights() -> list[dict[str, Any]]:
    group, verbs = "rbac.authorization.k8s.io", ["get", "list", "watch"]
    role = {"apiGroup": group, "kind": "ClusterRole", "name": NAME}
    rules = [
        {"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": [*verbs, "create", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["persistentvolumeclaims/status"], "verbs": ["patch"]},
    ]
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAMESPACE}},
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": rules},
        {
            "apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": NAME},
            "roleRef": role, "subjects": [subject],
        },
    ]  # fmt: skip


def _script() -> dict[str, Any]:
    meta = {"name": NAME, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {SCRIPT.name: SCRIPT.read_text()}}


def _deployment(folder: Path, image: Image) -> dict[str, Any]:
    container = {
        "name": "provisioner",
        "image": image.name,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", f"/script/{SCRIPT.name}", CLASS, str(folder)],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [
            {"name": "script", "mountPath": "/script"},
            {"name": "folder", "mountPath": str(folder)},
        ],
    }
    volumes = [
        {"name": "script", "configMap": {"name": NAME}},
        {"name": "folder", "hostPath": {"path": str(folder), "type": "Directory"}},
    ]
    pod = {"serviceAccountName": NAME, "containers": [container], "volumes": volumes}
    labels = {"app": NAME}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels}, "template": template, "strategy": {"type": "Recreate"},
        },
    }  # fmt: skip
