"""The real Kueue beside an apiserver, from its Go module, with one queue in one namespace."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from kit.apiserver.api import Api, ApiError
from kit.apiserver.scene import wait_for
from kit.cluster import golang
from kit.cluster.run import WITH_PARENT, run
from kit.ports import free_ports

MODULE = "sigs.k8s.io/kueue"
GROUP = "/apis/kueue.x-k8s.io/v1beta1"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
WATCHED = ("job", "workload", "clusterqueue", "resourceflavor")  # by the last word of a webhook's path
QUEUE = "team"
NAMESPACE = "kueue-system"


@contextmanager
def kueue(admin: Api, kubeconfig: Path, namespace: str, folder: Path, *, cpus: int) -> Iterator[None]:
    """Kueue for the Jobs of a namespace: a queue `team` with so many CPUs, priorities `low` and `high`.

    Its webhooks are asked for this namespace alone; they, the queue and the process are gone at the end.
    """
    source = Path(run(["go", "list", "-m", "-f", "{{.Dir}}", MODULE], cwd=golang.MODULES / "kueue").strip())
    hook_port, health_port, metrics_port = free_ports(3)
    for crd in sorted((source / "config/components/crd/bases").glob("*.yaml")):
        _make(admin, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(crd.read_text()))
    _make(admin, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    authority = _certificate(folder)
    config = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2", "kind": "Configuration", "namespace": NAMESPACE,
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health_port}"},
        "metrics": {"bindAddress": f"127.0.0.1:{metrics_port}"},
        "webhook": {"host": "127.0.0.1", "port": hook_port, "certDir": str(folder)},
        "leaderElection": {"leaderElect": False}, "internalCertManagement": {"enable": False},
        "integrations": {"frameworks": ["batch/job"]},
    }  # fmt: skip
    (folder / "kueue.yaml").write_text(json.dumps(config))
    program = golang.ensure("kueue", [f"{MODULE}/cmd/kueue"]) / "kueue"
    options = [f"--config={folder / 'kueue.yaml'}", f"--kubeconfig={kubeconfig}"]
    with (folder / "kueue.log").open("wb") as log:
        child = subprocess.Popen([*WITH_PARENT, *_with_certificates(folder), program, *options], stdout=log, stderr=log)
    made: list[str] = []
    try:
        hooks = yaml.safe_load_all((source / "config/components/webhook/manifests.yaml").read_text())
        url = f"https://127.0.0.1:{hook_port}"
        made += [_webhooks(admin, one, namespace, url, authority) for one in hooks]
        for path, body in _queue(namespace, cpus):
            wait_for(f"Kueue to take a {path.rsplit('/', 1)[1]}", partial(_make, admin, path, body), 120)
            made.insert(0, f"{path}/{body['metadata']['name']}")
        yield
    finally:
        child.kill()
        child.wait()
        for path in reversed(made):  # the webhooks first, which nobody answers now
            admin.delete(path)


def _certificate(folder: Path) -> str:
    """A certificate of 127.0.0.1 in the folder; itself as a webhook's `caBundle`."""
    subject: list[str | Path] = ["-subj", "/CN=kueue", "-addext", "subjectAltName=IP:127.0.0.1"]
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


def _webhooks(admin: Api, body: dict[str, Any], namespace: str, url: str, authority: str) -> str:
    """Kueue's webhooks at an address; the path of what was made."""
    kept = []
    for one in body["webhooks"]:
        path = one["clientConfig"]["service"]["path"]
        if path.rsplit("-", 1)[1] in WATCHED:
            selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
            selector = selector if path.endswith(("-job", "-workload")) else {}  # others are in no namespace
            kept.append({**one, "clientConfig": {"url": f"{url}{path}", "caBundle": authority}, **selector})
    plural = f"{body['kind'][0].lower()}{body['kind'][1:]}s"
    name = f"kueue-{namespace}"
    admin.post(f"{HOOKS}/{plural}", {**body, "metadata": {"name": name}, "webhooks": kept})
    return f"{HOOKS}/{plural}/{name}"


def _queue(namespace: str, cpus: int) -> Iterator[tuple[str, dict[str, Any]]]:
    def of(kind: str, name: str, **more: Any) -> dict[str, Any]:
        return {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": kind, "metadata": {"name": name}, **more}

    quotas = {"cpu": str(cpus), "memory": "64Gi", "ephemeral-storage": "64Gi"}
    flavor = {"name": "default", "resources": [{"name": key, "nominalQuota": text} for key, text in quotas.items()]}
    spec = {
        "namespaceSelector": {}, "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [{"coveredResources": list(quotas), "flavors": [flavor]}],
    }  # fmt: skip
    yield f"{GROUP}/resourceflavors", of("ResourceFlavor", "default", spec={})
    yield f"{GROUP}/clusterqueues", of("ClusterQueue", f"queue-{namespace}", spec=spec)
    for name, value in (("low", 1), ("high", 100)):
        yield f"{GROUP}/workloadpriorityclasses", of("WorkloadPriorityClass", name, value=value)
    yield (
        f"{GROUP}/namespaces/{namespace}/localqueues",
        of("LocalQueue", QUEUE, spec={"clusterQueue": f"queue-{namespace}"}),
    )


def _make(admin: Api, path: str, body: dict[str, Any]) -> bool:
    """Whether the object is there now; webhooks that do not answer yet refuse it."""
    try:
        admin.post(path, body)
    except ApiError as error:
        if error.status == 409:
            return True
        if error.status not in {404, 500}:
            raise
        return False
    return True
