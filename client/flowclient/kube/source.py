"""A dashboard's flows on a cluster: the list by a watch, a flow's page by what the caller may read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from flowapi.errors import FlowError
from flowapi.revision import RevisionFile
from flowapi.status import FlowStatus
from flowclient.dashboard.source import Detail, Row, Text
from flowclient.kube import known, showing
from flowclient.kube.cluster import ask_engine, belongings, events, revision_files, running
from flowclient.kube.kubectl import Json, Kubectl, KubectlError
from flowclient.kube.watching import Watch
from flowclient.report import POINTS

LIVE_SECONDS, REST_SECONDS = 5.0, 30.0  # between two looks at what belongs to a flow, while somebody looks at its page
LINES = 200
ASKING = 6  # kubectls at a time
NAMES = {
    "pods": "Pods", "jobs": "Jobs", "events": "Events", "configmaps": "ConfigMaps, which say what revisions are,",
    "log": "The pod's log", "telemetry": "The engine's telemetry",
}  # fmt: skip
RIGHTS = {
    "pods": "`list` of pods", "jobs": "`list` of jobs", "events": "`list` of events",
    "configmaps": "`list` of configmaps", "log": "`get` of pods/log", "telemetry": "`get` of pods/proxy",
}  # fmt: skip


class Cluster:
    """The flows of a namespace, or of all, with the caller's own rights.

    Args:
        kubectl: With the caller's flags.
        every: All namespaces.
        labels: Only flows with these.

    Raises:
        KubectlError: flows can't be listed.
    """

    place = "namespace"

    def __init__(self, kubectl: Kubectl, *, every: bool = False, labels: str = "") -> None:
        self._kubectl = kubectl
        self._watch = Watch(kubectl, ((*(["-A"] if every else []), *(["-l", labels] if labels else []))))
        self.title = _title(kubectl, every=every)
        self._rows: dict[str, tuple[str, Row]] = {}
        self._asking = ThreadPoolExecutor(ASKING, "kubectl")

    def rows(self) -> Mapping[str, Row]:
        """Every flow, by its key; no engine is asked."""
        found = {}
        for flow in self._watch.flows():
            key, version = known.key(flow), str(flow["metadata"].get("resourceVersion", ""))
            before = self._rows.get(key)
            found[key] = before if before and before[0] == version else (version, known.row(flow))
        self._rows = found
        return {key: row for key, (_, row) in found.items()}

    def notes(self) -> Sequence[str]:
        """Why the list may be old."""
        trouble = self._watch.trouble()
        return (trouble,) if trouble else ()

    def stamp(self, key: str) -> object:
        """The resource's version, and a clock: what belongs to a flow is not watched."""
        flow = self._flow(key)
        alive = FlowStatus.read(flow.get("status", {})).phase in ("Running", "Pending")
        return flow["metadata"].get("resourceVersion"), int(
            time.monotonic() / (LIVE_SECONDS if alive else REST_SECONDS)
        )

    def detail(self, key: str) -> Detail:
        """All about a flow that the caller may read."""
        flow = self._flow(key)
        look = _Look(self._kubectl, flow, self._asking)
        return look.detail()

    def close(self) -> None:
        """End the watch."""
        self._watch.close()
        self._asking.shutdown(wait=False, cancel_futures=True)

    def _flow(self, key: str) -> Json:
        return next((one for one in self._watch.flows() if known.key(one) == key), None) or _missing(key)


class _Look:
    """One look at a flow and what belongs to it; what is refused becomes a note."""

    def __init__(self, kubectl: Kubectl, flow: Json, asking: ThreadPoolExecutor) -> None:
        self._kubectl, self._flow, self._asking = kubectl, flow, asking
        self._notes: list[str] = []

    def detail(self) -> Detail:
        """Asks for all that doesn't depend on one another at once."""
        flow, status = self._flow, FlowStatus.read(self._flow.get("status", {}))
        asked: dict[str, Future[Any]] = {
            "pods": self._begin(lambda: belongings(self._kubectl, flow, "pod")[0]),
            "jobs": self._begin(lambda: belongings(self._kubectl, flow, "job")[0]),
            "events": self._begin(lambda: events(self._kubectl, flow)),
            "configmaps": self._begin(lambda: revision_files(self._kubectl, flow)),
        }
        found = {what: self._take(what, one) for what, one in asked.items()}
        pods: list[Json] = found["pods"] or []
        log = self._begin(lambda: self._log(pods)) if pods else None
        told = self._telemetry(pods, known_pods=found["pods"] is not None)
        files: Mapping[str, RevisionFile] = found["configmaps"] or {}
        tree = showing.tree(flow, found["jobs"] or [], pods, showing.now_utc())
        texts = [Text("Revisions, Jobs and pods", tree)]
        if found["events"]:
            texts.append(Text("Events", known.event_lines(found["events"])))
        if log is not None:
            lines = self._take("log", log)
            texts += [Text("Log of the newest pod", lines)] if lines else []
        arrays = f"The arrays are on the volume: `kubectl cflow result {self._words()}` fetches them."
        return Detail(
            flow=known.known_flow(flow, files.get(status.revision.current), told),
            missing=arrays if status.result or status.checkpoint else "",
            listed=False, notes=tuple(self._notes), revisions=known.known_revisions(flow, files),
            conditions=known.conditions(flow), texts=tuple(texts),
        )  # fmt: skip

    def _words(self) -> str:
        """The flow, as a command names it."""
        meta = self._flow["metadata"]
        return f"{meta['name']} -n {meta['namespace']}"

    def _begin(self, read: Callable[[], Any]) -> Future[Any]:
        return self._asking.submit(read)

    def _take(self, what: str, asked: Future[Any]) -> Any:
        try:
            return asked.result()
        except FlowError as error:
            forbidden = "(Forbidden)" in str(error)
            remedy = f" Ask whoever runs the cluster for {RIGHTS[what]} in this namespace." if forbidden else ""
            self._notes.append(f"{NAMES[what]} can't be read: {str(error).rstrip('.')}.{remedy}")
        except (ValueError, KeyError, TypeError) as error:  # JSON or a ConfigMap of another form
            self._notes.append(f"{NAMES[what]} can't be read: {error}.")
        return None

    def _telemetry(self, pods: Sequence[Json], *, known_pods: bool) -> known.Telemetry | None:
        pod = running(pods)
        from_volume = f"`kubectl cflow report {self._words()}` reads it from the volume."
        if pod is None:
            if known_pods and self._flow.get("status", {}).get("revisions"):
                self._notes.append(f"No engine runs that could be asked for the curve; {from_volume}")
            return None
        answer = self._take("telemetry", self._begin(lambda: ask_engine(self._kubectl, pod, POINTS)))
        if answer is None:
            self._notes.append(f"So the curve is not shown; {from_volume}")
            return None
        told = known.Telemetry.read(answer)
        if told is None:
            self._notes.append(f"The engine answers telemetry that this version can't read; {from_volume}")
        return told

    def _log(self, pods: Sequence[Json]) -> str:
        newest = max(pods, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))["metadata"]
        inside = self._kubectl.within(str(newest["namespace"]))
        return inside.run("logs", str(newest["name"]), "-c", "engine", f"--tail={LINES}", "--request-timeout=10s")


def _title(kubectl: Kubectl, *, every: bool) -> str:
    """Which flows of which cluster, by the kubeconfig."""
    try:
        found = json.loads(kubectl.run("config", "view", "--minify", "-o", "json"))
        context = found["contexts"][0]
        cluster, inside = str(context["name"]), str(context["context"].get("namespace") or "default")
    except (KubectlError, ValueError, KeyError, IndexError, TypeError):
        cluster, inside = "this cluster", "default"
    named = kubectl.namespace() or inside
    return f"Flows of {'all namespaces' if every else f'namespace {named}'} in {cluster}"


def _missing(key: str) -> Json:
    raise KeyError(key)
