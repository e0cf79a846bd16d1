"""The control plane: keys, tokens, kubeconfigs and the commands of its components."""

import json
import os
import secrets
from pathlib import Path

from kit.cluster.builtin.layout import CONTROL, NODES, PKI, PORT, SERVER, SERVICES
from kit.cluster.paths import STATE
from kit.cluster.run import run
from kit.cluster.tools import Tools

USERS = {
    "admin": ("admin", "system:masters"),
    "manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    **{node.name: (f"system:node:{node.name}", "system:nodes") for node in NODES},
}


def write_keys() -> dict[str, str]:
    """Keys, a token for each user, and a kubeconfig for each; returns the tokens."""
    PKI.mkdir(mode=0o700)
    run(["openssl", "genrsa", "-out", PKI / "accounts.key", "2048"])
    key_options = ["-newkey", "rsa:2048", "-nodes", "-days", "3650"]
    run([
        "openssl", "req", "-x509", *key_options, "-subj", "/CN=kubelet-clients",
        "-keyout", PKI / "clients.key", "-out", PKI / "clients.crt",
    ])  # fmt: skip
    run([
        "openssl", "req", "-x509", *key_options, "-subj", "/O=system:masters/CN=apiserver",
        "-CA", PKI / "clients.crt", "-CAkey", PKI / "clients.key",
        "-keyout", PKI / "apiserver-kubelet.key", "-out", PKI / "apiserver-kubelet.crt",
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth",
    ])  # fmt: skip
    tokens = {user: secrets.token_hex(16) for user in USERS}
    lines = [f'{tokens[user]},{name},{name},"{group}"' for user, (name, group) in USERS.items()]
    _private(PKI / "tokens.csv", "\n".join(lines) + "\n")
    for user, token in tokens.items():
        _private(kubeconfig(user), kubeconfig_text(token, {"certificate-authority": str(PKI / "apiserver.crt")}))
    return tokens


def kubeconfig(user: str) -> Path:
    """Where a component finds its credentials."""
    return PKI / f"{user}.kubeconfig"


def kubeconfig_text(token: str, authority: dict[str, str]) -> str:
    """A kubeconfig; JSON is YAML."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cflow", "cluster": {"server": SERVER, **authority}}],
            "users": [{"name": "cflow", "user": {"token": token}}],
            "contexts": [{"name": "cflow", "context": {"cluster": "cflow", "user": "cflow"}}],
            "current-context": "cflow",
        }
    )


def _private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def commands(tools: Tools) -> dict[str, list[str]]:
    """The control plane's processes. etcd does not sync: a cluster for tests need not survive a power cut."""
    return {
        "etcd": [
            f"{tools['etcd']}", f"--data-dir={STATE / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
        ],
        "kube-apiserver": [
            f"{tools['kube-apiserver']}", "--etcd-servers=http://127.0.0.1:2379", f"--cert-dir={PKI}",
            "--bind-address=0.0.0.0", f"--secure-port={PORT}", f"--advertise-address={CONTROL}",
            f"--token-auth-file={PKI / 'tokens.csv'}", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", f"--service-cluster-ip-range={SERVICES}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={PKI / 'accounts.key'}",
            f"--service-account-signing-key-file={PKI / 'accounts.key'}",
            f"--kubelet-client-certificate={PKI / 'apiserver-kubelet.crt'}",
            f"--kubelet-client-key={PKI / 'apiserver-kubelet.key'}",
            "--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true",
        ],
        "kube-controller-manager": [
            f"{tools['kube-controller-manager']}", f"--kubeconfig={kubeconfig('manager')}",
            "--use-service-account-credentials", f"--service-account-private-key-file={PKI / 'accounts.key'}",
            f"--root-ca-file={PKI / 'apiserver.crt'}", "--leader-elect=false", "--bind-address=127.0.0.1",
        ],
        "kube-scheduler": [
            f"{tools['kube-scheduler']}", f"--kubeconfig={kubeconfig('scheduler')}", "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ],
        "kube-proxy": [f"{tools['kube-proxy']}", f"--config={STATE / 'proxy.json'}"],
    }  # fmt: skip


def write_proxy() -> None:
    """One kube-proxy serves both nodes: they share a network namespace."""
    text = json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "hostnameOverride": NODES[0].name,
            "clientConnection": {"kubeconfig": str(kubeconfig("proxy"))},
            "conntrack": {"maxPerCore": 0},
        }
    )
    (STATE / "proxy.json").write_text(text)
