"""Ten flows that are evicted while the leading operator is killed again and again: all go on, never two writers."""

import random
import threading
import time
from contextlib import ExitStack

import pytest

from flowapi.group import FLOW_LABEL
from kit.apiserver.leaders import LEASE, holder, operator
from kit.apiserver.process import OperatorProcess
from kit.apiserver.scene import spec, wait_for

FLOWS, KILLS, EVICTED = 10, 20, 3


class Kubelet(threading.Thread):
    """Runs each pod that comes, one checkpoint further than the last, and looks for two living pods of one flow."""

    def __init__(self, scene):
        super().__init__(daemon=True)
        self.scene, self.stopped = scene, threading.Event()
        self.looks, self.doubles, self.starts, self.saved = 0, [], [], 100
        self.pods = {}

    def run(self):
        while not self.stopped.wait(0.1):
            living = {}
            for one in self.scene.api.items(self.scene.path("pods")):
                if one["status"].get("phase") in {"Pending", "Running"}:
                    name, meta = one["metadata"]["labels"][FLOW_LABEL], one["metadata"]
                    living.setdefault(name, []).append(meta["name"])
                    if meta["uid"] not in self.scene.janitor.handles and "deletionTimestamp" not in meta:
                        self.start_pod(name, one)
            self.doubles += [names for names in living.values() if len(names) > 1]
            self.looks += 1

    def start_pod(self, flow, body):
        pod = self.scene.node.pod(body)
        self.saved += 1
        self.starts.append(pod.arguments()["start"])
        self.scene.janitor.handles[pod.uid] = self.pods[flow] = pod.run(self.saved, self.saved)


@pytest.fixture
def kubelet(idle_scene):
    found = Kubelet(idle_scene)
    found.start()
    yield found
    found.stopped.set()
    found.join(60)


@pytest.mark.thorough
@pytest.mark.timeout(1500)
def test_a_leader_that_is_killed_twenty_times_loses_none_of_ten_flows_that_are_evicted(idle_scene, loop, kubelet):
    scene, seed = idle_scene, random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance, gaps = random.Random(seed), []
    scene.api.delete(LEASE)
    with ExitStack() as stack:
        running: dict[str, OperatorProcess] = {}

        def start(number):
            name = f"operator-{number:02}"
            running[name] = stack.enter_context(operator(scene, loop, name))[0]

        start(0)
        wait_for("the first to hold the Lease", lambda: holder(scene) in running, 120)
        start(1)
        names = [f"flow-{number}" for number in range(FLOWS)]
        flows = {name: scene.flow(name).apply(spec()) for name in names}
        for flow in flows.values():
            flow.phase("Running", 60)
        for kill in range(KILLS):
            moved = {name: kubelet.pods[name] for name in chance.sample(names, EVICTED)}
            before = chance.randrange(EVICTED + 1)
            for pod in list(moved.values())[:before]:
                pod.evict()
            time.sleep(chance.uniform(0, 0.3))
            running.pop(holder(scene)).kill()
            began = time.monotonic()
            for pod in list(moved.values())[before:]:
                pod.evict()
            wait_for("the other one to hold the Lease", lambda: holder(scene) in running, 120)
            gaps.append(time.monotonic() - began)
            start(kill + 2)
            for name, pod in moved.items():
                wait_for(f"another pod of {name}", lambda name=name, pod=pod: kubelet.pods[name] is not pod, 90)
                flows[name].until("it to be seen", lambda status, name=name: (
                    status["phase"] == "Running" and status["attempt"]["podName"] == kubelet.pods[name].name
                ), 90)  # fmt: skip
        counted = sum(flow.status()["recoveries"]["count"] for flow in flows.values())
    gaps.sort()
    print(
        f"without a leader: p50 {gaps[KILLS // 2]:.1f} s, p95 {gaps[int(0.95 * KILLS) - 1]:.1f} s, worst {gaps[-1]:.1f} s"
    )
    print(f"{len(kubelet.starts)} pods, {counted} recoveries")
    assert kubelet.looks > KILLS
    assert not kubelet.doubles
    assert set(kubelet.starts) == {"latest"}
    assert counted >= KILLS * EVICTED
