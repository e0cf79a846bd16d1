"""A cluster in the hands of tests, demo and bench: what they do to it, the same way on every provider."""

import io
import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kit.cluster.errors import KitError
from kit.cluster.reading import reader
from kit.cluster.run import run

KIT_NAMESPACE = "cflow-test-kit"
HANGS_SECONDS = 300.0  # only what will never come is waited for as long: machines that build beside are slow
T = TypeVar("T")


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers, with the engine's image on its nodes.

    Attributes:
        provider: `given`, `kind` or `builtin`.
        engine: The engine's image.
    """

    provider: str
    kubeconfig: Path
    kubectl_path: Path
    engine: str

    def kubectl(self, *arguments: str, data: str = "", timeout: float = 120) -> str:
        """What kubectl prints.

        Raises:
            KitError: it failed.
        """
        return run(self._command(*arguments), data=data, timeout=timeout)

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.kubectl_path), f"--kubeconfig={self.kubeconfig}", *arguments]

    def json(self, *arguments: str) -> Any:
        """The same, as JSON."""
        return json.loads(self.kubectl(*arguments, "-o", "json"))

    def get(self, path: str, timeout: float = 30) -> Any:
        """The JSON below a path of the apiserver, such as `/api/v1/nodes`.

        Raises:
            KitError: there is none, or no answer in time.
        """
        return reader(self.kubectl_path, self.kubeconfig).get(path, timeout)

    def apply(self, objects: Sequence[dict[str, Any]], namespace: str = "") -> None:
        """Apply objects, as a person would apply a file."""
        where = (f"--namespace={namespace}",) if namespace else ()
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", *where, "-f", "-", data=text)

    def wait_for(self, what: str, look: Callable[[], T], seconds: float = HANGS_SECONDS) -> T:
        """What `look` finds, as soon as it finds something; an object that is not there yet is no error.

        Raises:
            KitError: nothing within the time, which is for hangs only.
        """
        end, why, pause = time.monotonic() + seconds, "", 0.1
        while True:
            try:
                if found := look():
                    return found
            except KitError as error:
                why = f": {error}"
            if time.monotonic() > end:
                raise KitError(f"waited {seconds:.0f} s for {what}{why}")
            time.sleep(pause)
            pause = min(1.2 * pause, 0.5)  # looking takes time of a core, which the engine may need

    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes that take pods."""
        found = self.json("get", "nodes")["items"]
        return tuple(
            one["metadata"]["name"]
            for one in found
            if not any(taint.get("effect") == "NoSchedule" for taint in one["spec"].get("taints", ()))
        )

    def evict(self, namespace: str, pod: str) -> None:
        """Ask for a pod's eviction, as a drain or a descheduler does."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
        self.kubectl("create", "--raw", path, "-f", "-", data=json.dumps(body))

    def drain(self, node: str) -> None:
        """Move everything off a node."""
        self.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s")

    def uncordon(self, node: str) -> None:
        """Let pods onto a node again."""
        self.kubectl("uncordon", node)

    def uncordon_all(self) -> None:
        """Let pods onto every node: a test run that was killed may have left one closed."""
        for node in self.json("get", "nodes")["items"]:
            if node["spec"].get("unschedulable"):
                self.uncordon(node["metadata"]["name"])

    def arm(self) -> None:
        """Make ready to kill: a privileged pod on each node, in a namespace of the kit's own."""
        killers = [_killer(f"killer-{node}", node, self.engine) for node in self.nodes()]
        listed = self.kubectl("get", "pods", f"--namespace={KIT_NAMESPACE}", "-o", "name").split()
        missing = [one for one in killers if f"pod/{one['metadata']['name']}" not in listed]
        if missing:
            self.apply([_killer_namespace(), *missing])
        where = f"--namespace={KIT_NAMESPACE}"
        self.kubectl("wait", where, "pod", "--all", "--for=condition=Ready", "--timeout=60s")

    def kill_engine(self, namespace: str, pod: str, signal: int = 9) -> None:
        """Send a signal to the engine from its node: a pod's first process ignores SIGKILL from inside.

        Raises:
            KitError: there is no such process, or the kit is not armed.
        """
        body = self.json("get", "pod", pod, f"--namespace={namespace}")
        node, uid = body["spec"]["nodeName"], body["metadata"]["uid"]
        command = ["python3", "-c", _KILL, uid, str(signal)]
        self.kubectl("exec", f"--namespace={KIT_NAMESPACE}", f"killer-{node}", "--", *command)

    def copy_volume(self, namespace: str, claim: str, to: Path) -> Path:
        """Copy what lies on a claim's volume to a folder of this machine, through a pod that only reads it.

        What was in the folder before goes.
        """
        shutil.rmtree(to, ignore_errors=True)
        name = f"copy-{claim}"[:63]
        self.apply([_reader(name, claim, self.engine)], namespace)
        try:
            where = f"--namespace={namespace}"
            self.kubectl("wait", where, f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
            packed = subprocess.run(
                self._command("exec", where, name, "--", "python3", "-c", _PACK), capture_output=True, check=False
            )
            if packed.returncode:
                raise KitError(f"the volume of {claim} could not be read: {packed.stderr.decode()}")
            with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
                archive.extractall(to, filter="data")
        finally:
            self.kubectl("delete", "pod", name, where, "--grace-period=0", "--force", "--ignore-not-found")
        return to


_PACK = "import sys, tarfile; tarfile.open(fileobj=sys.stdout.buffer, mode='w|').add('/volume', arcname='.')"
_KILL = """\
import os, pathlib, sys
uid, signal = sys.argv[1].replace('-', '_'), int(sys.argv[2])
killed = 0
for one in pathlib.Path('/proc').iterdir():
    try:
        group = (one / 'cgroup').read_text().replace('-', '_')
        words = (one / 'cmdline').read_bytes().split(b'\\0')
    except OSError:
        continue
    if uid in group and b'engine' in words:
        os.kill(int(one.name), signal)
        killed += 1
sys.exit(0 if killed else f'no engine of pod {sys.argv[1]} runs here')
"""


def _killer_namespace() -> dict[str, Any]:
    """The one place where a privileged pod may run."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": KIT_NAMESPACE, "labels": labels}}


def _killer(name: str, node: str, image: str) -> dict[str, Any]:
    container = {
        "name": "killer",
        "image": image,
        "command": ["python3", "-c", "import signal; signal.pause()"],
        "securityContext": {"privileged": True, "runAsUser": 0},
    }
    spec = {
        "nodeName": node,
        "hostPID": True,
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": KIT_NAMESPACE}, "spec": spec}


def _reader(name: str, claim: str, image: str) -> dict[str, Any]:
    """A pod under Pod Security `restricted` that sleeps beside a volume."""
    container = {
        "name": "reader",
        "image": image,
        "command": ["python3", "-c", "import signal; signal.pause()"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "volume", "mountPath": "/volume", "readOnly": True}],
    }
    spec = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
