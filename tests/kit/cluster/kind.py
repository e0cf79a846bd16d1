"""A cluster by kind, where a container engine works and can get its node image."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from kit.cluster.errors import KitError
from kit.cluster.images import Image
from kit.cluster.paths import KUBECONFIG, cache
from kit.cluster.run import run

NAME = "computable-flows"


@dataclass(frozen=True)
class Kind:
    """One control plane and two workers, which share a folder of this machine for volumes."""

    name: str = "kind"

    @property
    def volumes(self) -> Path:
        """Mounted into each node under the same path."""
        return cache() / "kind-volumes"

    def missing(self) -> str:
        """`kind`, or an engine that answers."""
        if shutil.which("kind") is None:
            return "kind is not on PATH"
        try:
            run(["docker", "info"], timeout=20)
        except KitError:
            return "no container engine answers `docker info`"
        return ""

    def up(self) -> Path:
        """The cluster, made where it is not there yet."""
        KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
        self.volumes.mkdir(exist_ok=True)
        if NAME not in run(["kind", "get", "clusters"]).split():
            mounts = {"extraMounts": [{"hostPath": str(self.volumes), "containerPath": str(self.volumes)}]}
            nodes = [{"role": role, **mounts} for role in ("control-plane", "worker", "worker")]
            config = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes}
            run(["kind", "create", "cluster", f"--name={NAME}", "--config=-", "--wait=180s"], data=json.dumps(config))
        run(["kind", "export", "kubeconfig", f"--name={NAME}", f"--kubeconfig={KUBECONFIG}"])
        return KUBECONFIG

    def load(self, image: Image) -> None:
        """Into every node."""
        run(["kind", "load", "image-archive", str(image.archive), f"--name={NAME}"])

    def down(self) -> None:
        """Delete it, with its volumes."""
        run(["kind", "delete", "cluster", f"--name={NAME}"])
        shutil.rmtree(self.volumes, ignore_errors=True)
        KUBECONFIG.unlink(missing_ok=True)
