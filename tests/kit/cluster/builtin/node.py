"""A node: the configuration of its containerd, its pods' network and its kubelet."""

import json

from kit.cluster.builtin.control import kubeconfig
from kit.cluster.builtin.layout import DNS, LOGS, PAUSE, PKI, Node
from kit.cluster.tools import Tools

CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "{run}/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", \
"io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]

[grpc]
address = "{socket}"

[ttrpc]
address = "{socket}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def write_node(node: Node) -> None:
    """The node's configuration files."""
    (node.folder / "cni").mkdir(parents=True)
    text = CONTAINERD.format(folder=node.folder, run=node.run, socket=node.socket, pause=PAUSE)
    (node.folder / "containerd.toml").write_text(text)
    (node.folder / "cni" / "pods.conflist").write_text(json.dumps(_network(node)))
    (node.folder / "kubelet.json").write_text(json.dumps(_kubelet(node)))
    (node.folder / "resolv.conf").write_text("")


def commands(node: Node, tools: Tools) -> dict[str, list[str]]:
    """The node's processes."""
    return {
        f"containerd-{node.number}": ["containerd", "--config", f"{node.folder}/containerd.toml"],
        f"kubelet-{node.number}": [
            f"{tools['kubelet']}", f"--config={node.folder}/kubelet.json", f"--root-dir={node.folder}/kubelet",
            f"--kubeconfig={kubeconfig(node.name)}", f"--hostname-override={node.name}", f"--node-ip={node.address}",
        ],
    }  # fmt: skip


def _network(node: Node) -> dict[str, object]:
    """Pods of a node on a bridge of its own; the namespace's kernel routes between the bridges."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": f"{node.folder}/addresses",
    }
    bridge = {"type": "bridge", "bridge": node.bridge, "isGateway": True, "ipMasq": False, "hairpinMode": True}
    return {"cniVersion": "0.4.0", "name": f"pods-{node.number}", "plugins": [{**bridge, "ipam": ipam}]}


def _kubelet(node: Node) -> dict[str, object]:
    """Its cgroups and its pods' logs are its own: two kubelets that share them kill each other's pods."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "healthzPort": 0,
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "clients.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "podLogsDir": str(LOGS / "pods" / node.name),
        "volumePluginDir": f"{node.folder}/plugins",
        "resolvConf": f"{node.folder}/resolv.conf",
        "clusterDNS": [DNS],
        "failSwapOn": False,
        "evictionHard": {},
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
        "nodeStatusUpdateFrequency": "5s",
        "serializeImagePulls": False,
        "shutdownGracePeriod": "0s",
    }
