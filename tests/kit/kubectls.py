"""kubectl as a dashboard asks it, without a cluster: answers that are written down, and a watch that prints events."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from flowapi.revision import RevisionFile, RevisionTuple
from flowclient.kube.kubectl import Json, Kubectl, KubectlError

FORBIDDEN = '(Forbidden): {} is forbidden: User "eve" cannot do this'


def _revision(weight: float) -> RevisionFile:
    tuple_ = RevisionTuple(flow={"terms": [{"atom": "l1", "arg": "x", "weight": weight}]})
    return RevisionFile(hash=tuple_.hash, name="denoise", tuple=tuple_, resolved_image="i")


OLD, NEW = _revision(0.1), _revision(0.2)


def flow(name: str = "denoise", version: int = 7, **status: Any) -> Json:
    """A flow that was edited once and runs; keys of its status changed by `status`."""
    records = [
        {"number": 1, "hash": OLD.hash, "outcome": "Superseded", "startedAt": "2026-01-01T10:00:00Z"},
        {"number": 2, "hash": NEW.hash, "outcome": "Running", "startedAt": "2026-01-01T11:00:00Z",
         "checkpoint": {"revision": NEW.hash, "id": "c90", "iteration": 90, "time": "2026-01-01T11:59:48Z"}},
    ]  # fmt: skip
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Running",
        "message": "It <i>runs</i>.",
        "lastTransitionTime": "t",
    }
    return {
        "kind": "ComputableFlow",
        "metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": str(version), "generation": 2},
        "spec": {"flow": {"terms": []}},
        "status": {"observedGeneration": 2, "phase": "Running", "revisions": records, "conditions": [ready],
                   "revision": {"current": NEW.hash, "desired": NEW.hash, "stable": OLD.hash},
                   "progress": {"iteration": 95, "maxIterations": 1000, "residual": 0.5, "health": "AMBER",
                                "iterationsPerSecond": 100.0},
                   "checkpoint": records[1]["checkpoint"], **status},
    }  # fmt: skip


def telemetry() -> Json:
    """What its engine answers."""
    rows = range(10, 100, 10)
    columns: Json = {
        name: [1.0 / k for k in rows] for name in ("E", "residual", "gap", "feasibility", "grad_norm", "alpha")
    }
    columns |= {
        "iter": list(rows),
        "epoch": [1] * 9,
        "t_wall_ms": [k * 1000 for k in rows],
        "controller": ["AMBER"] * 9,
    }
    columns |= {"invariant_drift_max": [None] * 9}
    names = (("RUN_STARTED", 0), ("FLOW_RESUMED", 40), ("ROLLBACK", 60), ("CHECKPOINT_CREATED", 90))
    return {"columns": columns, "events": [{"event": name, "iter": k, "epoch": 1, "t_wall_ms": k} for name, k in names]}


class Fake(Kubectl):
    """Answers by what is asked for; a watch prints the events that it is given, and goes on."""

    answers: Json
    events: str
    then: str
    asked: list[tuple[str, ...]]
    children: list["subprocess.Popen[str]"]

    def within(self, namespace: str) -> Kubectl:
        """The same."""
        return self

    def run(self, *words: str, stdin: str | None = None, seconds: float | None = None) -> str:
        """What is written down, else that it is forbidden."""
        what = words[1] if words[0] == "get" else words[0]
        self.asked.append(words)
        found = self.answers.get(what)
        if found is None:
            raise KubectlError(FORBIDDEN.format(what))
        return found if isinstance(found, str) else json.dumps(found)

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """A child that prints the events."""
        self.asked.append(words)
        code = f"import sys, time\nsys.stdout.write({self.events!r})\nsys.stdout.flush()\n{self.then}"
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.children.append(child)
        return child


def fake(*, watched: Sequence[Json] = (), then: str = "time.sleep(600)", **answers: Any) -> Fake:
    """One with a flow that runs; other answers, or None for what is forbidden, by what is asked for."""
    found = Fake()
    pod = {
        "metadata": {"name": "p", "namespace": "ns", "creationTimestamp": "t"},
        "spec": {},
        "status": {"phase": "Running"},
    }
    maps = [{"data": {"revision.json": one.to_bytes().decode()}} for one in (OLD, NEW)]
    known_answers = {
        "computableflows.computableflow.dev": {"items": [flow()]}, "pod": {"items": [pod]}, "job": {"items": []},
        "configmap": {"items": maps}, "events": {"items": [{"metadata": {}, "reason": "Started", "message": "It started."}]},
        "--raw": telemetry(), "logs": "line <b>1</b>\n", "config": "{}",
    }  # fmt: skip
    text = "".join(json.dumps(one, indent=4) + "\n" for one in watched)
    values = {"answers": known_answers | answers, "events": text, "then": then, "asked": [], "children": []}
    for name, value in values.items():
        object.__setattr__(found, name, value)
    return found
