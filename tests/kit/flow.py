"""A flow on a cluster, as a person with kubectl sees and handles it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowapi.group import API_VERSION, KIND
from flowapi.report import RunReport
from flowapi.revision import RevisionTuple
from flowapi.spec import parse_spec
from kit.cluster import HANGS_SECONDS, Cluster
from kit.cluster.errors import KitError

FLOW_LABEL = "computableflow.dev/flow"
PORT = 8080
PLUGIN = Path(sys.executable).with_name("kubectl-cflow")


@dataclass(frozen=True)
class LiveFlow:
    """One ComputableFlow by its name."""

    cluster: Cluster
    namespace: str
    name: str

    def apply(self, spec: dict[str, Any], labels: dict[str, str] | None = None) -> None:
        """Apply the resource with this spec, as from a file."""
        meta = {"name": self.name} | ({"labels": labels} if labels else {})
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": spec}
        self.cluster.apply([body], self.namespace)

    def _get(self, group: str, path: str, timeout: float = 30) -> Any:
        return self.cluster.get(f"/{group}/namespaces/{self.namespace}/{path}", timeout)

    def _kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(*arguments, f"--namespace={self.namespace}")

    def body(self) -> dict[str, Any]:
        """The whole resource."""
        found: dict[str, Any] = self._get(f"apis/{API_VERSION}", f"computableflows/{self.name}")
        return found

    def status(self) -> dict[str, Any]:
        """What the operator says of it."""
        found: dict[str, Any] = self.body().get("status", {})
        return found

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition that speaks of the spec as it is now."""
        body = self.body()
        for one in body.get("status", {}).get("conditions", ()):
            if one["type"] == kind and one["observedGeneration"] == body["metadata"]["generation"]:
                return one["status"], one["reason"], one["message"]
        return "", "", ""

    def pods(self) -> list[dict[str, Any]]:
        """Its pods, whatever their state."""
        found: list[dict[str, Any]] = self._get("api/v1", f"pods?labelSelector={FLOW_LABEL}={self.name}")["items"]
        return found

    def pod(self) -> str:
        """The name of the pod that runs; empty when none does."""
        for one in self.pods():
            if one["status"].get("phase") == "Running" and "deletionTimestamp" not in one["metadata"]:
                found: str = one["metadata"]["name"]
                return found
        return ""

    def node(self) -> str:
        """Where its pod runs; empty when none does."""
        return next(
            (one["spec"].get("nodeName", "") for one in self.pods() if one["metadata"]["name"] == self.pod()), ""
        )

    def report(self) -> RunReport | None:
        """What the running engine says of itself now; None when none answers."""
        pod = self.pod()
        if not pod:
            return None
        try:
            return RunReport.model_validate(self._get("api/v1", f"pods/{pod}:{PORT}/proxy/status", timeout=3))
        except KitError:
            return None

    def beyond(self, iteration: int, *, epoch: int = 0, seconds: float = HANGS_SECONDS) -> RunReport:
        """Wait until an engine (of this epoch or a later one) runs and is beyond an iteration; its report."""

        def look() -> list[RunReport]:
            found = self.report()
            if found is None or found.state != "Running" or found.epoch < epoch or found.iteration <= iteration:
                return []
            return [found]

        return self.cluster.wait_for(f"{self.name} beyond iteration {iteration}", look, seconds)[0]

    def phase(self, wanted: str, seconds: float = HANGS_SECONDS) -> dict[str, Any]:
        """Wait until the status speaks of the spec as it is now and has this phase; the status."""

        def look() -> dict[str, Any]:
            body = self.body()
            found: dict[str, Any] = body.get("status", {})
            current = found.get("observedGeneration") == body["metadata"]["generation"]
            return found if current and found.get("phase") == wanted else {}

        try:
            return self.cluster.wait_for(f"{self.name} to be {wanted}", look, seconds)
        except KitError as error:
            raise KitError(f"{error}; it is {json.dumps(self.status())}") from error

    def stalled(self, reason: str, seconds: float = HANGS_SECONDS) -> str:
        """Wait until the flow is stalled for a reason; the message."""

        def look() -> str:
            status, found, message = self.condition("Stalled")
            return message if (status, found) == ("True", reason) else ""

        try:
            return self.cluster.wait_for(f"{self.name} to be stalled ({reason})", look, seconds)
        except KitError as error:
            raise KitError(f"{error}; it says {self.condition('Stalled')}") from error

    def evict(self) -> str:
        """Ask for its pod's eviction; returns the pod's name."""
        pod = self.pod()
        self.cluster.evict(self.namespace, pod)
        return pod

    def kill(self) -> str:
        """SIGKILL its engine from the node; returns the pod's name."""
        pod = self.pod()
        self.cluster.kill_engine(self.namespace, pod)
        return pod

    def plugin(self, *words: object) -> str:
        """What `kubectl cflow` prints of it."""
        path = f"{self.cluster.kubectl_path.parent}:{os.environ['PATH']}"
        env = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig), "PATH": path}
        command = [str(PLUGIN), *map(str, words), "-n", self.namespace]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def delete(self) -> None:
        """Delete the resource and wait until it is gone."""
        self._kubectl("delete", "computableflow", self.name, "--wait", "--timeout=60s")

    def copy(self, to: Path) -> Path:
        """A copy of its volume."""
        return self.cluster.copy_volume(self.namespace, self.name, to)

    def events(self) -> set[str]:
        """Reasons of the events about it."""
        items = self._get("api/v1", "events")["items"]
        return {
            one["reason"]
            for one in items
            if (one["involvedObject"]["kind"], one["involvedObject"]["name"]) == (KIND, self.name)
        }


def revision_of(spec: dict[str, Any]) -> str:
    """The revision that a spec asks for."""
    return RevisionTuple.of(parse_spec(spec)[0]).hash
