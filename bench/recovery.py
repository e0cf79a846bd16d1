"""How long a flow stands still after an eviction, beside a bare Job on the same cluster in the same run.

From the last sign of life on the volume to the next process's first certificate there (every 10 iterations: a little
later than its first iteration). For the Job: from the eviction to the next pod's start.
Writes build/bench/recovery.json.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "demo"))

from volume import epochs, first_certificate

from kit import cluster as kit
from kit.cluster import Cluster
from kit.flow import LiveFlow

NAMESPACE = "cflow-bench"
EVICTIONS = 6
JOB_EVICTIONS = 3
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


def of_flow(cluster: Cluster) -> list[float]:
    """Seconds without an iteration after each eviction of a flow."""
    flow = LiveFlow(cluster, NAMESPACE, "denoise")
    flow.apply(SPEC)
    for epoch in range(1, EVICTIONS + 1):
        before = flow.beyond(0, epoch=epoch)
        flow.beyond(before.iteration + 500, epoch=epoch)
        flow.evict()
    flow.beyond(0, epoch=EVICTIONS + 1)
    flow.apply(SPEC | {"suspend": True})
    flow.phase("Suspended")
    volume = flow.copy(ROOT / "build" / "bench" / "volume")
    by_number = {one.number: one for one in epochs(volume)}
    return [first_certificate(volume, by_number[n + 1]) - by_number[n].ended for n in range(1, EVICTIONS + 1)]


def of_job(cluster: Cluster) -> list[float]:
    """Seconds from each eviction of a bare Job's pod to the start of the next one."""
    where = f"--namespace={NAMESPACE}"
    code = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); signal.pause()"
    container = {"name": "bare", "image": cluster.engine, "command": ["python3", "-c", code]}
    template = {
        "metadata": {"labels": {"bench": "bare"}},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    spec = {"podReplacementPolicy": "Failed", "podFailurePolicy": {"rules": [ignore]}, "template": template}
    cluster.apply([{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bare"}, "spec": spec}], NAMESPACE)

    def running(after: str) -> list[tuple[str, float]]:
        for pod in cluster.json("get", "pods", where, "--selector=bench=bare")["items"]:
            for status in pod["status"].get("containerStatuses", ()):
                started = status["state"].get("running", {}).get("startedAt", "")
                if started and pod["metadata"]["name"] != after:
                    return [(pod["metadata"]["name"], datetime.fromisoformat(started).timestamp())]
        return []

    found = []
    name = cluster.wait_for("the bare Job", lambda: running(""))[0][0]
    for _ in range(JOB_EVICTIONS):
        began, old = time.time(), name
        cluster.evict(NAMESPACE, old)
        name, started = cluster.wait_for("the bare Job's next pod", lambda: running(old), 120)[0]  # noqa: B023
        found.append(started - began)
    return found


def main() -> None:
    """Measure both and print them."""
    cluster = kit.ensure()
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", timeout=180)
    kit.replenish(cluster)
    cluster.kubectl("create", "namespace", NAMESPACE)
    photo = ROOT / "examples" / "deblur" / "photo"
    cluster.kubectl("create", "configmap", "photo", f"--from-file={photo}", f"--namespace={NAMESPACE}")
    flow, job = of_flow(cluster), of_job(cluster)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    answer = {
        "date": datetime.now(UTC).date().isoformat(),
        "cluster": cluster.provider,
        "flowSeconds": [round(one, 2) for one in flow],
        "flowMedian": round(median(flow), 2),
        "lastToFirst": round(flow[-1] / flow[0], 2),
        "bareJobSeconds": [round(one, 1) for one in job],
    }
    target = ROOT / "build" / "bench" / "recovery.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
