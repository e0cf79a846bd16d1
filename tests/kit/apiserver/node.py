"""A node whose pods do what a test tells them: bound, started, asked for their status, ended, gone. Real API objects."""

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from flowapi.report import RunReport, RunResult, SavedCheckpoint
from kit.apiserver.api import Api, Json

NODES = ("node-1", "node-2")
CONTAINER = "engine"
_addresses = itertools.count(1)


def now() -> str:
    """As Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Engines:
    """What engines answer on their status port, by their pod's address; requests are counted."""

    answers: dict[str, RunReport | bytes | None] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /status` at the address that the Host header names."""
        address = request.host.split(":")[0]
        self.asked[address] = self.asked.get(address, 0) + 1
        found = self.answers.get(address)
        if found is None:
            if request.transport is not None:
                request.transport.abort()  # nobody listens there
            return web.Response(status=503)
        data = found if isinstance(found, bytes) else found.to_bytes()
        return web.Response(body=data, content_type="application/json")


@dataclass
class Node:
    """Both nodes: makes pods run that the Job controller made."""

    api: Api
    engines: Engines

    def register(self) -> None:
        """Make the Node objects, Ready."""
        for name in NODES:
            if self.api.get(f"/api/v1/nodes/{name}", missing=None) is None:
                self.api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
                ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
                         "lastHeartbeatTime": now(), "lastTransitionTime": now()}  # fmt: skip
                self.api.merge(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [ready]}})

    def pod(self, body: Json) -> "ScriptedPod":
        """A handle for a pod that exists."""
        meta = body["metadata"]
        return ScriptedPod(self, meta["namespace"], meta["name"], meta["uid"], dict(meta.get("labels") or {}))


@dataclass
class ScriptedPod:
    """One pod of an engine, and what becomes of it."""

    node: Node
    namespace: str
    name: str
    uid: str
    labels: dict[str, str]
    address: str = ""
    report: RunReport | None = None

    @property
    def path(self) -> str:
        """Of the object."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @property
    def revision(self) -> str:
        """Its revision's hash."""
        return self.labels["computableflow.dev/revision"]

    @property
    def attempt(self) -> int:
        """Its attempt's number."""
        return int(self.labels["computableflow.dev/attempt"])

    def body(self) -> Json | None:
        """The object as it is; None once it is gone."""
        found: Json | None = self.node.api.get(self.path, missing=None)
        return found if found is not None and found["metadata"]["uid"] == self.uid else None

    def arguments(self) -> dict[str, str]:
        """What the engine was told, by option."""
        words = (self.body() or {})["spec"]["containers"][0]["args"]
        return {name.removeprefix("--"): value for name, value in itertools.pairwise(words) if name.startswith("--")}

    def bind(self, node: str = NODES[0]) -> "ScriptedPod":
        """Put it on a node, as the scheduler does."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": self.name}, "target": target}
        self.node.api.post(f"{self.path}/binding", binding)
        return self

    def status(self, phase: str, state: Json, **more: Any) -> None:
        """Write its status: a phase, the engine container's state, and whatever else."""
        container = {
            "name": CONTAINER, "image": "", "imageID": "", "restartCount": 0, "state": state,
            "ready": more.pop("ready", False),
        }  # fmt: skip
        self.node.api.merge(
            f"{self.path}/status", {"status": {"phase": phase, "containerStatuses": [container], **more}}
        )

    def condition(self, kind: str, status: str, reason: str = "", message: str = "") -> None:
        """Set one of its conditions, as scheduler and kubelet do."""
        found = [one for one in (self.body() or {})["status"].get("conditions", ()) if one["type"] != kind]
        one = {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now()}
        self.node.api.merge(f"{self.path}/status", {"status": {"conditions": [*found, one]}})

    def run(
        self, iteration: int = 0, saved: int = 0, *, node: str = NODES[0], silent: bool = False, **more: Any
    ) -> "ScriptedPod":
        """Bind it, start its container, and let its engine answer with a report (`silent`: it can't be reached)."""
        self.bind(node)
        number = next(_addresses)
        self.address = f"10.{64 + number // 65_536}.{number // 256 % 256}.{number % 256}"
        self.status("Running", {"running": {"startedAt": now()}}, podIP=self.address, podIPs=[{"ip": self.address}],
                    startTime=now(), ready=True)  # fmt: skip
        if not silent:
            self.say(iteration, saved, **more)
        return self

    def say(self, iteration: int = 0, saved: int = 0, **more: Any) -> "ScriptedPod":
        """What its engine answers from now on; `saved` is the iteration of its newest checkpoint (0: none)."""
        self.report = self.told(iteration, saved, **more)
        self.node.engines.answers[self.address] = self.report
        return self

    def told(self, iteration: int = 0, saved: int = 0, **more: Any) -> RunReport:
        """A report of this pod's engine."""
        checkpoint = SavedCheckpoint(
            revision=self.revision, id=f"{saved:010}-{self.attempt}", iteration=saved, digest="d" * 64,
            green=more.get("controller", "GREEN") == "GREEN",
        )  # fmt: skip
        report = RunReport(
            revision=self.revision, attempt=self.attempt, epoch=self.attempt, state="Running", iteration=iteration,
            controller="GREEN", energy=1.0, residual=0.5, max_iterations=1000, rate=100.0,
            saved=checkpoint if saved else None,
        )  # fmt: skip
        return report.model_copy(update=more)

    def end(self, code: int, *, reason: str = "", message: str | None = None, **more: Any) -> "ScriptedPod":
        """Its container ends with an exit code and, unless a message is given, its last report changed by `more`."""
        self.node.engines.answers.pop(self.address, None)
        if message is None:
            report = (self.report or self.told()).model_copy(
                update={"state": "Finished" if code == 0 else "Stopped", **more}
            )
            message = report.to_bytes().decode()
        terminated = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error"), "message": message,
                      "startedAt": now(), "finishedAt": now()}  # fmt: skip
        self.status("Succeeded" if code == 0 else "Failed", {"terminated": terminated})
        return self

    def finish(self, iteration: int = 1000) -> "ScriptedPod":
        """The flow has its result."""
        self.say(iteration, iteration)
        result = RunResult(
            reason="IterationLimit", iteration=iteration, energy=1.0, path="result", sha256={"x": "s" * 64}
        )
        return self.end(0, result=result)

    def evict(self, code: int = 75, **more: Any) -> "ScriptedPod":
        """The Eviction API takes it: condition, deletion, its engine ends, and it is gone, as with a kubelet."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": self.name, "namespace": self.namespace},
        }
        self.node.api.post(f"{self.path}/eviction", body)
        return self.end(code, **more).vanish()

    def obey(self, code: int = 75, **more: Any) -> "ScriptedPod":
        """It is being deleted: its engine ends on SIGTERM and it is gone."""
        self.wait_until_deleting()
        return self.end(code, **more).vanish()

    def wait_until_deleting(self, seconds: float = 20) -> "ScriptedPod":
        """Until somebody has asked for its deletion."""
        end = time.monotonic() + seconds
        while (body := self.body()) is not None and "deletionTimestamp" not in body["metadata"]:
            if time.monotonic() > end:
                raise AssertionError(f"pod {self.name} is not deleted; it is {json.dumps(body['status'])}")
            time.sleep(0.02)
        return self

    def vanish(self) -> "ScriptedPod":
        """The kubelet confirms that nothing is left of it: the object goes, whatever holds it but finalizers."""
        self.node.engines.answers.pop(self.address, None)
        self.node.api.delete(self.path, grace=0)
        return self


class Janitor(threading.Thread):
    """The kubelet's least duty, for tests that look elsewhere: pods that are being deleted end with 75 and go.

    It leaves pods alone that a test has named in `spared`.
    """

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(daemon=True, name=f"janitor of {namespace}")
        self.node, self.namespace = node, namespace
        self.spared: set[str] = set()
        self.handles: dict[str, ScriptedPod] = {}
        self.stopped = threading.Event()

    def run(self) -> None:
        """Until stopped; looking takes at most a fifth of the time."""
        took = 0.0
        while not self.stopped.wait(max(0.1, 4 * took)):
            begun = time.monotonic()
            for body in self.node.api.items(f"/api/v1/namespaces/{self.namespace}/pods"):
                if "deletionTimestamp" not in body["metadata"] or body["metadata"]["name"] in self.spared:
                    continue
                pod = self.handles.get(body["metadata"]["uid"]) or self.node.pod(body)
                if body["status"].get("phase") == "Running":
                    pod.end(75)
                pod.vanish()
            took = time.monotonic() - begun
