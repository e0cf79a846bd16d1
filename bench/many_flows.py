"""The operator with many flows: requests to the apiserver, time from event to Job, start, memory and CPU.

A real control plane without nodes; a scripted node answers for all engines. The operator runs in a process of its own,
as its container would, through a proxy that counts. Prints JSON: one row for each number of flows.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from kit.apiserver import plane as planes
from kit.apiserver.node import Engines, Node, ScriptedPod
from kit.apiserver.operator import Loop, serve
from kit.apiserver.process import OperatorProcess
from kit.apiserver.proxy import Proxy
from kit.apiserver.scene import spec

STEADY_SECONDS = 60.0
NAMESPACES = 10
STUCK, SILENT = "stuck", "silent"  # namespaces: a quota without room; engines that don't answer


class Bench:
    """Flows, their pods, and the operator's process."""

    def __init__(self, plane: planes.Plane, loop: Loop) -> None:
        self.plane, self.loop = plane, loop
        self.engines = Engines()
        self.node = Node(plane.admin, self.engines)
        self.node.register()
        self.proxy = Proxy(plane.url, str(plane.authority))
        _, self.engines_port = loop.run(serve(self.engines.handle))
        _, self.port = loop.run(serve(self.proxy.handle))
        self.operator: OperatorProcess | None = None
        self.known: dict[str, ScriptedPod] = {}

    def start(self) -> None:
        """The operator's process."""
        self.operator = OperatorProcess(f"http://127.0.0.1:{self.port}", self.plane.token, self.engines_port)

    def stop(self) -> None:
        """Kill it."""
        self.running.kill()

    @property
    def running(self) -> OperatorProcess:
        """The operator's process, which was started."""
        if self.operator is None:
            raise RuntimeError("the operator does not run")
        return self.operator

    def requests(self) -> int:
        """Reads and writes so far."""
        return len(self.proxy.writes) + sum(self.proxy.reads.values())

    def play(self) -> int:
        """Run each pod that is new; how many run."""
        for body in self.plane.admin.items("/api/v1/pods?labelSelector=computableflow.dev/flow"):
            uid, silent = body["metadata"]["uid"], body["metadata"]["namespace"] == SILENT
            if uid not in self.known:
                self.known[uid] = self.node.pod(body).run(100, 90, silent=silent)
        return len(self.known)

    def space(self, name: str) -> None:
        """Make a namespace."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.plane.admin.post("/api/v1/namespaces", body)

    def flow(self, namespace: str, name: str) -> None:
        """Make a flow."""
        meta = {"name": name, "namespace": namespace}
        body = {
            "apiVersion": "computableflow.dev/v1alpha1", "kind": "ComputableFlow", "metadata": meta, "spec": spec(),
        }  # fmt: skip
        self.plane.admin.post(f"/apis/computableflow.dev/v1alpha1/namespaces/{namespace}/computableflows", body)

    def burden(self, count: int) -> None:
        """Half of so many flows that the quota of their namespace holds back, half whose engines are silent."""
        for name in (STUCK, SILENT):
            self.space(name)
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
                 "spec": {"hard": {"count/jobs.batch": "0"}}}  # fmt: skip
        self.plane.admin.post(f"/api/v1/namespaces/{STUCK}/resourcequotas", quota)
        for number in range(count):
            self.flow((STUCK, SILENT)[number % 2], f"flow-{number}")

    def iterate(self, seconds: float) -> None:
        """Engines go on, so that each answer is news."""
        end, iteration = time.monotonic() + seconds, 100
        while time.monotonic() < end:
            iteration += 100
            for pod in self.known.values():
                if pod.namespace != SILENT:
                    self.engines.answers[pod.address] = pod.told(iteration, iteration - 10)
            time.sleep(min(5.0, max(0.0, end - time.monotonic())))


def settled(bench: Bench, count: int, silent: int) -> None:
    """Wait until the status of all flows says that they run and have saved, and the silent ones run too."""
    while True:
        pods = bench.play()
        items = bench.plane.admin.items("/apis/computableflow.dev/v1alpha1/computableflows")
        saved = sum((one.get("status") or {}).get("attempt", {}).get("saved", False) for one in items)
        if saved >= count and pods >= count + silent:
            return
        time.sleep(1)


def latency(bench: Bench, flows: list[tuple[str, str]]) -> list[float]:
    """Seconds from an eviction's last event to the next Job, for some flows."""
    found: list[float] = []
    by_flow = {(pod.namespace, pod.labels["computableflow.dev/flow"]): pod for pod in bench.known.values()}
    for namespace, name in flows:
        pod, path = by_flow[namespace, name], f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
        pod.evict()
        begun = time.monotonic()
        while bench.plane.admin.get(f"{path}-{pod.revision}-2", missing=None) is None:
            time.sleep(0.01)
        found.append(time.monotonic() - begun)
    return sorted(found)


def measure(count: int, burden: int) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory() as folder, planes.start(Path(folder)) as plane:
        loop = Loop()
        bench = Bench(plane, loop)
        spaces = [f"bench-{number}" for number in range(NAMESPACES)]
        for name in spaces:
            bench.space(name)
        bench.start()
        bench.burden(burden)
        flows = [(spaces[number % NAMESPACES], f"flow-{number}") for number in range(count)]
        for namespace, name in flows:
            bench.flow(namespace, name)
        settled(bench, count, burden // 2)
        player = threading.Thread(target=bench.iterate, args=(STEADY_SECONDS + 30,), daemon=True)
        player.start()
        time.sleep(20)
        requests, cpu, begun = bench.requests(), bench.running.cpu(), time.monotonic()
        time.sleep(STEADY_SECONDS)
        took = time.monotonic() - begun
        steady = {"requests": (bench.requests() - requests) / took / count, "cpu": (bench.running.cpu() - cpu) / took}
        player.join()
        resident = bench.running.resident()
        waits = latency(bench, flows[:: max(count // 50, 1)])
        bench.stop()
        start = restart(bench, count, burden // 2)
        bench.stop()
        return {
            "flows": count,
            "stuck_or_silent_elsewhere": burden,
            "requests_per_second_and_flow": round(steady["requests"], 4),
            "cpu_cores": round(steady["cpu"], 3),
            "resident_mb": round(resident),
            "event_to_job_p50_s": round(waits[len(waits) // 2], 3),
            "event_to_job_p95_s": round(waits[len(waits) * 19 // 20], 3),
            "event_to_job_worst_s": round(waits[-1], 3),
            "start_to_all_passed_s": round(start, 1),
        }


def restart(bench: Bench, count: int, silent: int) -> float:
    """Seconds from a fresh process to a pass over each flow, seen by its questions to all engines that run."""
    bench.engines.asked.clear()
    begun = time.monotonic()
    bench.start()
    running = count - len(range(0, count, max(count // 50, 1))) + silent
    while len(bench.engines.asked) < running and time.monotonic() < begun + 300:
        time.sleep(0.2)
    return time.monotonic() - begun


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, nargs="+", default=[250, 2000])
    parser.add_argument("--burden", type=int, default=500, help="stuck or silent flows elsewhere, in a last row")
    wanted = parser.parse_args()
    rows = [measure(count, 0) for count in wanted.flows]
    if wanted.burden:
        rows.append(measure(wanted.flows[0], wanted.burden))
    print(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
