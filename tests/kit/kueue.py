"""The real Kueue beside an apiserver, from its Go module, with one queue in one namespace."""

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import yaml

from kit.apiserver.scene import wait_for
from kit.cluster import golang
from kit.cluster.errors import KitError
from kit.cluster.run import WITH_PARENT, run
from kit.ports import free_ports

MODULE = "sigs.k8s.io/kueue"
VERSION = "kueue.x-k8s.io/v1beta1"
WATCHED = ("job", "workload", "clusterqueue", "resourceflavor")  # by the last word of a webhook's path
QUEUE = "team"
NAMESPACE = "kueue-system"
CPU = {"requests": {"cpu": "1"}}
Json = dict[str, Any]


class Kubectl(Protocol):
    """What runs kubectl as somebody who may do everything."""

    def __call__(self, *arguments: str, data: str = "") -> str: ...


@contextmanager
def kueue(
    kubectl: Kubectl, kubeconfig: Path, namespace: str, folder: Path, *, cpus: int, address: str = "127.0.0.1"
) -> Iterator[None]:
    """Kueue for the Jobs of a namespace: a queue `team` with so many CPUs, priorities `low` and `high`.

    Its webhooks are asked for this namespace alone; they, the queue and the process are gone at the end.

    Args:
        kubectl: Of the cluster's administrator.
        kubeconfig: Of the same.
        namespace: Whose Jobs it queues.
        folder: For its configuration and its log.
        cpus: The quota.
        address: Of this machine, as the apiserver sees it.
    """
    source = Path(run(["go", "list", "-m", "-f", "{{.Dir}}", MODULE], cwd=golang.MODULES / "kueue").strip())
    hook_port, health_port, metrics_port = free_ports(3)
    crds = [yaml.safe_load(one.read_text()) for one in sorted((source / "config/components/crd/bases").glob("*.yaml"))]
    _apply(kubectl, [*crds, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    authority = _certificate(folder, address)
    config = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2", "kind": "Configuration", "namespace": NAMESPACE,
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health_port}"},
        "metrics": {"bindAddress": f"127.0.0.1:{metrics_port}"},
        "webhook": {"host": address, "port": hook_port, "certDir": str(folder)},
        "leaderElection": {"leaderElect": False}, "internalCertManagement": {"enable": False},
        "integrations": {"frameworks": ["batch/job"]},
    }  # fmt: skip
    (folder / "kueue.yaml").write_text(json.dumps(config))
    program = golang.ensure("kueue", [f"{MODULE}/cmd/kueue"]) / "kueue"
    options = [
        f"--config={folder / 'kueue.yaml'}", f"--kubeconfig={kubeconfig}", "--feature-gates=VisibilityOnDemand=false",
    ]  # fmt: skip
    with (folder / "kueue.log").open("wb") as log:
        child = subprocess.Popen([*WITH_PARENT, *_with_certificates(folder), program, *options], stdout=log, stderr=log)
    hooks = yaml.safe_load_all((source / "config/components/webhook/manifests.yaml").read_text())
    objects = [_webhooks(one, namespace, f"https://{address}:{hook_port}", authority) for one in hooks]
    objects += _queue(namespace, cpus)

    def taken() -> bool:
        if child.poll() is not None:
            raise KitError(f"Kueue has ended: {(folder / 'kueue.log').read_text()[-1000:]}")
        return _is_applied(kubectl, objects)

    try:
        wait_for("Kueue to take a queue", taken, 120)
        yield
    finally:
        child.kill()
        child.wait()
        for one in objects:  # the webhooks first, which nobody answers now
            where = one["metadata"].get("namespace", "default")
            kubectl(
                "delete",
                one["kind"].lower(),
                one["metadata"]["name"],
                f"--namespace={where}",
                "--wait=false",
                "--ignore-not-found",
            )


def _apply(kubectl: Kubectl, objects: list[Json]) -> None:
    kubectl(
        "apply", "--server-side", "-f", "-", data=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    )


def _is_applied(kubectl: Kubectl, objects: list[Json]) -> bool:
    """Webhooks that do not answer yet refuse."""
    try:
        _apply(kubectl, objects)
    except KitError:
        return False
    return True


def _certificate(folder: Path, address: str) -> str:
    """A certificate of the address in the folder; itself as a webhook's `caBundle`."""
    subject: list[str | Path] = ["-subj", "/CN=kueue", "-addext", f"subjectAltName=IP:{address}"]
    keys: list[str | Path] = ["-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *keys])
    return base64.b64encode((folder / "tls.crt").read_bytes()).decode()


def _with_certificates(folder: Path) -> list[str]:
    """A command's beginning: it sees the certificate where Kueue looks for that of its metrics, and nobody else does."""
    etc, place = folder / "etc", folder / "etc" / "kueue" / "metrics" / "certs"
    place.mkdir(parents=True)
    for name in ("tls.crt", "tls.key"):
        (place / name).write_bytes((folder / name).read_bytes())
    mount = f'mount -t overlay overlay -o "lowerdir={etc}:/etc" /etc && exec "$@"'
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", mount, "sh"]


def _webhooks(body: Json, namespace: str, url: str, authority: str) -> Json:
    """Kueue's webhooks at an address, for one namespace."""
    kept = []
    for one in body["webhooks"]:
        path = one["clientConfig"]["service"]["path"]
        if path.rsplit("-", 1)[1] in WATCHED:
            selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
            selector = selector if path.endswith(("-job", "-workload")) else {}  # others are in no namespace
            kept.append({**one, "clientConfig": {"url": f"{url}{path}", "caBundle": authority}, **selector})
    return {**body, "metadata": {"name": f"kueue-{namespace}"}, "webhooks": kept}


def _queue(namespace: str, cpus: int) -> Iterator[Json]:
    def of(kind: str, name: str, **more: Any) -> Json:
        return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, **more}

    quotas = {"cpu": str(cpus), "memory": "64Gi", "ephemeral-storage": "64Gi"}
    flavor = {"name": "default", "resources": [{"name": key, "nominalQuota": text} for key, text in quotas.items()]}
    spec = {
        "namespaceSelector": {}, "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [{"coveredResources": list(quotas), "flavors": [flavor]}],
    }  # fmt: skip
    yield of("ResourceFlavor", "default", spec={})
    yield of("ClusterQueue", f"queue-{namespace}", spec=spec)
    for name, value in (("low", 1), ("high", 100)):
        yield of("WorkloadPriorityClass", name, value=value)
    queue = of("LocalQueue", QUEUE, spec={"clusterQueue": f"queue-{namespace}"})
    yield {**queue, "metadata": {"name": QUEUE, "namespace": namespace}}


def labels(priority: str) -> dict[str, str]:
    """Of what waits in the queue."""
    return {"kueue.x-k8s.io/queue-name": QUEUE, "kueue.x-k8s.io/priority-class": priority}


def rival(name: str, image: str = "work", command: Sequence[str] = ()) -> Json:
    """A Job of high priority that wants one CPU."""
    container = {
        "name": "work", "image": image, "command": list(command), "resources": CPU,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    pod = {
        "restartPolicy": "Never", "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    }  # fmt: skip
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": labels("high")},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }  # fmt: skip
