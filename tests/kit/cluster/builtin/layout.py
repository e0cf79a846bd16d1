"""Names, addresses and folders of the built-in cluster."""

from dataclasses import dataclass
from pathlib import Path

from kit.cluster.paths import STATE

HOST_LINK = "cflow-host"
NODE_LINK = "cflow-nodes"
HOST_ADDRESS = "198.18.77.1"
PREFIX = 24
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
PORT = 6443
PAUSE = "localhost/pause:dev"


@dataclass(frozen=True)
class Node:
    """One of the machine's two nodes: a kubelet and a containerd with folders, addresses and cgroups of their own."""

    number: int

    @property
    def name(self) -> str:
        """As `kubectl get nodes` shows it."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """Of its kubelet."""
        return f"198.18.77.{10 + self.number}"

    @property
    def pods(self) -> str:
        """The subnet of its pods."""
        return f"198.18.{80 + self.number}.0/24"

    @property
    def bridge(self) -> str:
        """The bridge that its pods are plugged into."""
        return f"cflow-pods-{self.number}"

    @property
    def cgroup(self) -> str:
        """The root of its cgroups, in every hierarchy."""
        return f"cflow-node-{self.number}"

    @property
    def folder(self) -> Path:
        """What it keeps on disk."""
        return STATE / self.name

    @property
    def run(self) -> Path:
        """Its sockets; /run is the cluster's own, inside its mount namespace."""
        return Path("/run") / self.name

    @property
    def socket(self) -> Path:
        """Of its containerd."""
        return self.run / "containerd.sock"


NODES = (Node(1), Node(2))
CONTROL = NODES[0].address
SERVER = f"https://{CONTROL}:{PORT}"
PKI = STATE / "pki"
LOGS = STATE / "logs"
VOLUMES = STATE / "volumes"
PLAN = STATE / "plan.json"
