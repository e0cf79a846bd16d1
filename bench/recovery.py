"""How long a flow stands still after an eviction, beside a bare Job that is evicted in turn with it, a few times.

From the last sign of life on the volume to the next process's first certificate there (every 10 iterations: a little
later than its first iteration). For the Job: from the eviction to the first line of the next pod's process, which
computes nothing; Kubernetes makes it wait longer each time. Writes build/bench/recovery.json.
"""

import json
import math
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "demo"))

from volume import epochs, first_certificate

from kit import cluster as kit
from kit.cluster import Cluster
from kit.flow import LiveFlow

NAMESPACE = "cflow-bench"
EVICTIONS = 20
OF_THE_JOB = 4  # it waits 10, 20, 40, 80 … seconds
SPEC: dict[str, Any] = {
    "flow": {
        "dtype": "float32",
        "data": {"b": {"image": "photo/blurred.png"}},
        "variables": {"x": {"like": "b", "init": "b"}},
        "operators": {"D": {"gradient": {}}},
        "terms": [
            {"atom": "quadratic", "arg": "x", "data": "b"},
            {"atom": "norm_l21", "arg": "D x", "weight": 0.05},
        ],
        "stop": {"maxIterations": 10_000_000},
    },
    "inputs": [{"name": "photo", "configMapName": "photo"}],
    "checkpoint": {"everyIterations": 200, "everySeconds": 1, "volume": {"size": "1Gi"}},
}


class Flow:
    """The flow, and what its volume says of each eviction."""

    def __init__(self, cluster: Cluster) -> None:
        self._flow, self._epoch = LiveFlow(cluster, NAMESPACE, "denoise"), 1
        self._flow.apply(SPEC)

    def evict(self) -> None:
        """Evict its pod once it has run for a while, and wait for the next one's first sign of life."""
        before = self._flow.beyond(0, epoch=self._epoch)
        self._flow.beyond(before.iteration + 500, epoch=self._epoch)
        self._flow.evict()
        self._epoch += 1
        self._flow.beyond(0, epoch=self._epoch)

    def seconds(self) -> list[float]:
        """How long it stood still after each eviction."""
        self._flow.apply(SPEC | {"suspend": True})
        self._flow.phase("Suspended")
        volume = self._flow.copy(ROOT / "build" / "bench" / "volume")
        found = {one.number: one for one in epochs(volume)}
        return [first_certificate(volume, found[n + 1]) - found[n].ended for n in range(1, self._epoch)]


class BareJob:
    """A Job whose pod starts Python, prints the time and waits."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        code = (
            "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); "
            "print(time.time(), flush=True); signal.pause()"
        )
        container = {"name": "bare", "image": cluster.engine, "command": ["python3", "-c", code]}
        template = {
            "metadata": {"labels": {"bench": "bare"}},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
        ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
        spec = {"podReplacementPolicy": "Failed", "podFailurePolicy": {"rules": [ignore]}, "template": template}
        cluster.apply(
            [{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bare"}, "spec": spec}], NAMESPACE
        )
        self._pod, _ = self._next("")

    def evict(self) -> float:
        """Seconds from an eviction of its pod to the first line of the next one."""
        began = time.time()
        self._cluster.evict(NAMESPACE, self._pod)
        self._pod, started = self._next(self._pod)
        return started - began

    def _next(self, before: str) -> tuple[str, float]:
        """The pod after that one, and when its process began."""
        where = f"--namespace={NAMESPACE}"

        def look() -> list[tuple[str, float]]:
            for pod in self._cluster.json("get", "pods", where, "--selector=bench=bare")["items"]:
                name = pod["metadata"]["name"]
                running = any("running" in one["state"] for one in pod["status"].get("containerStatuses", ()))
                if name != before and running and (line := self._cluster.kubectl("logs", where, name).strip()):
                    return [(name, float(line))]
            return []

        return self._cluster.wait_for("the bare Job's next pod", look, 120)[0]


def rank(seconds: list[float], share: float) -> float:
    """The smallest of them that so large a share doesn't exceed."""
    return round(sorted(seconds)[math.ceil(share * len(seconds)) - 1], 2)


def main() -> None:
    """Measure both and print them."""
    cluster = kit.ensure()
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", timeout=180)
    cluster.kubectl("create", "namespace", NAMESPACE)
    photo = ROOT / "examples" / "deblur" / "photo"
    cluster.kubectl("create", "configmap", "photo", f"--from-file={photo}", f"--namespace={NAMESPACE}")
    live, bare = Flow(cluster), BareJob(cluster)
    job = []
    for number in range(EVICTIONS):
        live.evict()
        if number < OF_THE_JOB:
            job.append(bare.evict())
    flow = live.seconds()
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    answer = {
        "date": datetime.now(UTC).date().isoformat(),
        "cluster": cluster.provider,
        "flow": {"p50": rank(flow, 0.5), "p95": rank(flow, 0.95), "seconds": [round(one, 2) for one in flow]},
        "bareJob": {"p50": rank(job, 0.5), "p95": rank(job, 0.95), "seconds": [round(one, 2) for one in job]},
    }
    target = ROOT / "build" / "bench" / "recovery.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
