"""What a test sees: a namespace with the operator at work in it, flows as their owners handle them, and their pods."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flowapi.group import API_VERSION, KIND
from flowapi.spec import parse_spec
from kit.apiserver.api import Api, ApiError, Json
from kit.apiserver.node import Engines, Janitor, Node, ScriptedPod
from kit.apiserver.operator import Loop, Operator, serve
from kit.apiserver.plane import Plane
from kit.apiserver.proxy import Proxy

T = TypeVar("T")
FLOW_LABEL = "computableflow.dev/flow"


def spec(weight: float = 0.1, limit: int = 1000, **more: Any) -> Json:
    """A small flow that both models accept."""
    flow = {
        "data": {"b": {"inline": [[0, 1], [1, 0]]}},
        "variables": {"x": {"like": "b"}},
        "operators": {"D": {"gradient": {}}},
        "terms": [
            {"atom": "quadratic", "arg": "x", "data": "b"},
            {"atom": "norm_l21", "arg": "D x", "weight": weight},
        ],
        "stop": {"maxIterations": limit},
    }
    return {"flow": flow, **more}


def wait_for(what: str, look: Callable[[], T], seconds: float = 20) -> T:
    """What `look` finds, as soon as it finds something.

    Raises:
        AssertionError: nothing within the time, which is for hangs only.
    """
    end = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)


@dataclass
class Scene:
    """One namespace, one operator, one node, for one test."""

    plane: Plane
    namespace: str
    node: Node
    operator: Operator
    proxy: Proxy
    janitor: Janitor
    flows: dict[str, "Flow"] = field(default_factory=dict)

    @property
    def api(self) -> Api:
        """The administrator's client."""
        return self.plane.admin

    def path(self, resource: str, name: str = "", group: str = "api/v1") -> str:
        """Of objects in the namespace."""
        return f"/{group}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def flow(self, name: str = "denoise") -> "Flow":
        """A handle; the same one for the same name."""
        return self.flows.setdefault(name, Flow(self, name))

    def around(self, flow: "Flow") -> str:
        """What else is there, for who has to find out why a flow does not move."""
        pods = [(one["metadata"]["name"], one["status"].get("phase"), one["metadata"].get("deletionTimestamp"),
                 one["metadata"].get("finalizers")) for one in flow.pods()]  # fmt: skip
        jobs = [(one["metadata"]["name"], one["metadata"].get("deletionTimestamp")) for one in flow.jobs()]
        writes = [f"{one} → {one.status}" for one in self.proxy.writes[-6:]]
        return (
            f"the operator is {'alive' if self.operator.alive else 'dead'} and was killed at {self.proxy.killed_at}, "
            f"the janitor is {'alive' if self.janitor.is_alive() else 'dead'}; pods: {pods}; Jobs: {jobs}; last writes: {writes}"
        )

    def jobs(self) -> list[Json]:
        """All of the namespace."""
        return self.api.items(self.path("jobs", group="apis/batch/v1"))

    def claim(self, name: str) -> Json | None:
        """A PersistentVolumeClaim; None when there is none."""
        found: Json | None = self.api.get(self.path("persistentvolumeclaims", name), missing=None)
        return found


@dataclass
class Flow:
    """A ComputableFlow, as a person with kubectl handles it."""

    scene: Scene
    name: str
    seen: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """Of the resource."""
        return self.scene.path("computableflows", self.name, f"apis/{API_VERSION}")

    def object(self, wanted: Json) -> Json:
        """The resource with this spec."""
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": self.name}, "spec": wanted}

    def apply(self, wanted: Json) -> "Flow":
        """Make it, or replace its spec."""
        body = self.object(wanted)
        while (old := self.body()) is not None:
            meta = {"name": self.name, "resourceVersion": old["metadata"]["resourceVersion"]}
            try:
                self.scene.api.put(self.path, {**body, "metadata": meta})
            except ApiError as error:
                if error.status != 409:  # the operator has written its status in between
                    raise
            else:
                return self
        self.scene.api.post(self.path.rsplit("/", 1)[0], body)
        return self

    def edit(self, **keys: Any) -> "Flow":
        """Change top keys of its spec; None removes one."""
        self.scene.api.merge(self.path, {"spec": keys})
        return self

    def delete(self) -> None:
        """Delete it."""
        self.scene.api.delete(self.path)

    def body(self) -> Json | None:
        """The resource; None when there is none."""
        found: Json | None = self.scene.api.get(self.path, missing=None)
        return found

    def status(self) -> Json:
        """What the operator says of it."""
        return (self.body() or {}).get("status") or {}

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message."""
        for one in self.status().get("conditions", ()):
            if one["type"] == kind:
                return one["status"], one["reason"], one.get("message", "")
        return "", "", ""

    def until(self, what: str, holds: Callable[[Json], Any], seconds: float = 20) -> Json:
        """Wait until its status, for the spec as it is now, is so; the status."""

        def look() -> Json:
            self.scene.operator.check()
            body = self.body() or {}
            found: Json = body.get("status") or {}
            current = found.get("observedGeneration") == body.get("metadata", {}).get("generation")
            return found if current and holds(found) else {}

        try:
            return wait_for(f"{self.name}: {what}", look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {json.dumps(self.status(), indent=1)}") from error

    def phase(self, wanted: str, seconds: float = 20) -> Json:
        """Wait for a phase; the status."""
        return self.until(f"to be {wanted}", lambda status: status.get("phase") == wanted, seconds)

    def stalled(self, reason: str, seconds: float = 20) -> str:
        """Wait until it is stalled for a reason; the message."""
        self.until(
            f"to be stalled ({reason})",
            lambda status: any((one["type"], one["status"], one["reason"]) == ("Stalled", "True", reason)
                               for one in status.get("conditions", ())), seconds,
        )  # fmt: skip
        return self.condition("Stalled")[2]

    def pods(self) -> list[Json]:
        """Its pods."""
        return self.scene.api.items(self.scene.path("pods") + f"?labelSelector={FLOW_LABEL}={self.name}")

    def jobs(self) -> list[Json]:
        """Its Jobs."""
        path = self.scene.path("jobs", group="apis/batch/v1")
        return self.scene.api.items(f"{path}?labelSelector={FLOW_LABEL}={self.name}")

    def next_pod(self, seconds: float = 20) -> ScriptedPod:
        """Wait for a living pod that was not handed out before."""

        def look() -> Json | None:
            self.scene.operator.check()
            for one in self.pods():
                meta = one["metadata"]
                if meta["uid"] not in self.seen and "deletionTimestamp" not in meta:
                    return one
            return None

        try:
            found = wait_for(f"a new pod of {self.name}", look, seconds)
        except AssertionError as error:
            status = json.dumps(self.status(), indent=1)
            raise AssertionError(f"{error}; its status is {status}; {self.scene.around(self)}") from error
        assert found is not None
        self.seen.add(found["metadata"]["uid"])
        pod = self.scene.node.pod(found)
        self.scene.janitor.handles[pod.uid] = pod
        return pod

    def events(self) -> list[tuple[str, str, int]]:
        """Reason, message and count of the events about it, oldest first."""
        found = [one for one in self.scene.api.items(self.scene.path("events"))
                 if (one["involvedObject"].get("kind"), one["involvedObject"].get("name")) == (KIND, self.name)]  # fmt: skip
        found.sort(key=lambda one: one["metadata"]["creationTimestamp"])
        return [(one["reason"], one.get("message", ""), one.get("count") or 1) for one in found]

    def reasons(self) -> set[str]:
        """Reasons of the events that are there."""
        return {reason for reason, _, _ in self.events()}

    def told(self, reasons: set[str]) -> None:
        """Wait for events of these reasons: they are posted after the status was written."""
        wait_for(f"events {reasons}", lambda: reasons <= self.reasons())


@contextmanager
def scene(plane: Plane, loop: Loop, *, started: bool = True, everywhere: bool = False) -> Iterator[Scene]:
    """A scene in a new namespace; at its end the operator is killed and nothing of it moves any more."""
    namespace = f"scene-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    plane.admin.post(
        "/api/v1/namespaces",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
    )
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    wait_for("the default account", lambda: plane.admin.get(account, missing=None), 60)
    engines = Engines()
    node = Node(plane.admin, engines)
    node.register()
    proxy = Proxy(plane.url, str(plane.authority))
    to_engines, engines_port = loop.run(serve(engines.handle))
    to_apiserver, port = loop.run(serve(proxy.handle))
    operator = Operator(loop, f"http://127.0.0.1:{port}", plane.token, "" if everywhere else namespace, engines_port)
    proxy.on_kill = operator.crash
    janitor = Janitor(node, namespace)
    janitor.start()
    try:
        if started:
            operator.start()
        yield Scene(plane, namespace, node, operator, proxy, janitor)
    finally:
        operator.kill()
        janitor.stopped.set()
        janitor.join(60)
        loop.run(proxy.close())
        loop.run(to_apiserver.cleanup())
        loop.run(to_engines.cleanup())
        plane.admin.delete(f"/api/v1/namespaces/{namespace}")


def revision_of(wanted: Json) -> str:
    """The revision that a spec asks for."""
    from flowapi.revision import RevisionTuple

    return RevisionTuple.of(parse_spec(wanted)[0]).hash
