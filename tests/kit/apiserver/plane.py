"""A control plane without nodes: the real etcd, kube-apiserver and kube-controller-manager, on loopback, up in seconds."""

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kit.apiserver.api import Api, ApiError
from kit.cluster import tools
from kit.cluster.errors import KitError
from kit.cluster.operator import CHART, NAMESPACE, RELEASE
from kit.cluster.run import WITH_PARENT, run
from kit.ports import free_ports

ENGINE = "engine.example/computable-flows-engine:0.1.0"
_UP_SECONDS = 180


@dataclass(frozen=True)
class Plane:
    """A running control plane.

    Attributes:
        url: Of the apiserver.
        authority: The file of its certificate.
        admin: A client that may do everything: a person, a node, an administrator.
        token: Of the operator's service account.
    """

    url: str
    authority: Path
    kubeconfig: Path
    kubectl: Path
    admin: Api
    token: str

    def run_kubectl(self, *arguments: str, data: str = "") -> str:
        """What kubectl prints.

        Raises:
            KitError: it failed.
        """
        return run([self.kubectl, f"--kubeconfig={self.kubeconfig}", *arguments], data=data)


@contextmanager
def start(folder: Path) -> Iterator[Plane]:
    """A control plane with our CRD, RBAC and the operator's account in it, for as long as the context lasts.

    Args:
        folder: For its data and logs.

    Raises:
        KitError: the tools can't be had here, or a component did not come up; with its last lines.
    """
    found = tools.ensure()
    api_port, etcd_port, peer_port, manager_port = free_ports(4)
    url, token = f"https://127.0.0.1:{api_port}", secrets.token_hex(16)
    accounts, authority = folder / "accounts.key", folder / "pki" / "apiserver.crt"
    run(["openssl", "genrsa", "-out", accounts, "2048"])
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    (folder / "tokens.csv").chmod(0o600)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(_kubeconfig(url, token, authority))
    etcd = f"http://127.0.0.1:{etcd_port}"
    children: list[subprocess.Popen[bytes]] = []

    def component(name: str, *arguments: str) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            children.append(subprocess.Popen([*WITH_PARENT, found[name], *arguments], stdout=log, stderr=log))

    try:
        component(
            "etcd", f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=error",
            f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
        )  # fmt: skip
        component("kube-apiserver", *_apiserver(folder, etcd, api_port))
        _wait_for(lambda: authority.exists(), "the apiserver's certificate", folder)
        admin = Api(url, authority, token)
        _wait_for(_answers(admin, "/readyz"), "the apiserver", folder)
        install(kubeconfig)
        _wait_for(_answers(admin, "/apis/computableflow.dev/v1alpha1/computableflows"), "the CRD", folder)
        # after the CRD: the garbage collector looks for new kinds twice a minute only
        component("kube-controller-manager", *_manager(folder, kubeconfig, manager_port))
        # the manager gives each namespace a default account, without which no pod can be made
        account_path = "/api/v1/namespaces/default/serviceaccounts/default"
        _wait_for(_answers(admin, account_path), "the controller manager", folder)
        account = admin.post(
            f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{RELEASE}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86_400}},
        )["status"]["token"]
        yield Plane(url, authority, kubeconfig, found["kubectl"], admin, account)
    finally:
        for child in reversed(children):
            child.kill()
            child.wait()


def _apiserver(folder: Path, etcd: str, port: int) -> list[str]:
    return [
        f"--etcd-servers={etcd}", f"--cert-dir={folder / 'pki'}", "--bind-address=127.0.0.1",
        f"--secure-port={port}", "--advertise-address=127.0.0.1", f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        "--endpoint-reconciler-type=none", "--allow-privileged=true", "--max-requests-inflight=0",
        "--enable-priority-and-fairness=false",
    ]  # fmt: skip


def _manager(folder: Path, kubeconfig: Path, port: int) -> list[str]:
    """No node answers heartbeats here, and pods of lost nodes are what tests look at: what would tidy up is off."""
    return [
        f"--kubeconfig={kubeconfig}", "--use-service-account-credentials", "--leader-elect=false",
        f"--service-account-private-key-file={folder / 'accounts.key'}", "--bind-address=127.0.0.1",
        f"--secure-port={port}", f"--root-ca-file={folder / 'pki' / 'apiserver.crt'}",
        "--controllers=*,-node-lifecycle-controller,-pod-garbage-collector-controller",
        "--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-gc-syncs=20", "--concurrent-job-syncs=20",
    ]  # fmt: skip


def install(kubeconfig: Path) -> None:
    """What the chart installs, less the operator's own pod: it runs in the test's process."""
    found = tools.ensure()
    text = run([
        found["helm"], "template", RELEASE, CHART, f"--namespace={NAMESPACE}", f"--set=engine.image={ENGINE}",
    ])  # fmt: skip
    kept = [one for one in text.split("\n---\n") if "\nkind: Deployment\n" not in f"\n{one}\n"]
    kubectl: list[str | Path] = [found["kubectl"], f"--kubeconfig={kubeconfig}"]
    if not run([*kubectl, "get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"]).strip():
        run([*kubectl, "create", "namespace", NAMESPACE])
    run([*kubectl, "apply", "--server-side", "-f", "-"], data="\n---\n".join(kept))


def _answers(admin: Api, path: str) -> Callable[[], bool]:
    """Whether there is an answer; while a server comes up there is none, or one that asks to come again."""

    def holds() -> bool:
        try:
            admin.get(path)
        except ApiError:
            return False
        return True

    return holds


def _wait_for(holds: Callable[[], bool], what: str, folder: Path) -> None:
    end = time.monotonic() + _UP_SECONDS
    while not holds():
        if time.monotonic() > end:
            logs = {log.name: log.read_text(errors="replace")[-1500:] for log in folder.glob("*.log")}
            raise KitError(f"{what} did not come up within {_UP_SECONDS} s: {json.dumps(logs, indent=1)}")
        time.sleep(0.05)


def _kubeconfig(url: str, token: str, authority: Path) -> str:
    """JSON is YAML."""
    return json.dumps({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "plane", "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "admin"}}],
        "current-context": "plane",
    })  # fmt: skip
