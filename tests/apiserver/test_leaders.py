"""Ten flows that are evicted while the leading operator is killed again and again: nothing lost, never two writers."""

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


class Witness(threading.Thread):
    """Looks for two living pods of one flow, for as long as the test lasts."""

    def __init__(self, scene):
        super().__init__(daemon=True)
        self.scene, self.stopped, self.looks, self.doubles = scene, threading.Event(), 0, []

    def run(self):
        while not self.stopped.wait(0.1):
            living = {}
            for one in self.scene.api.items(self.scene.path("pods")):
                if one["status"].get("phase") in {"Pending", "Running"}:
                    living.setdefault(one["metadata"]["labels"][FLOW_LABEL], []).append(one["metadata"]["name"])
            self.doubles += [names for names in living.values() if len(names) > 1]
            self.looks += 1


@pytest.fixture
def witness(idle_scene):
    found = Witness(idle_scene)
    found.start()
    yield found
    found.stopped.set()
    found.join(60)


@pytest.mark.thorough
@pytest.mark.timeout(1500)
def test_a_leader_that_is_killed_twenty_times_loses_nothing_of_ten_flows_that_are_evicted(idle_scene, loop, witness):
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
        wait_for("the first to hold the Lease", lambda: holder(scene) in running, 60)
        start(1)
        names = [f"flow-{number}" for number in range(FLOWS)]
        flows = {name: scene.flow(name).apply(spec()) for name in names}
        pods = {name: flow.next_pod(60).run(100, 100) for name, flow in flows.items()}
        for flow in flows.values():
            flow.phase("Running", 60)
        for kill in range(KILLS):
            leader = holder(scene)
            moved = chance.sample(names, EVICTED)
            before = chance.randrange(EVICTED + 1)
            for name in moved[:before]:
                pods[name].evict()
            time.sleep(chance.uniform(0, 0.3))
            running.pop(leader).kill()
            began = time.monotonic()
            for name in moved[before:]:
                pods[name].evict()
            wait_for("the other one to hold the Lease", lambda: holder(scene) in running, 60)
            gaps.append(time.monotonic() - began)
            for name in moved:
                saved = 200 + kill
                pods[name] = flows[name].next_pod(60).run(saved, saved)
            for name in moved:
                flows[name].phase("Running", 60)  # an operator has seen the new pod: its end will count
            start(kill + 2)
        for flow in flows.values():
            flow.phase("Running", 60)
        lost = {name: flow.status()["recoveries"].get("lostIterations", 0) for name, flow in flows.items()}
        counted = sum(flow.status()["recoveries"]["count"] for flow in flows.values())
    gaps.sort()
    print(
        f"without a leader: p50 {gaps[KILLS // 2]:.1f} s, p95 {gaps[int(0.95 * KILLS) - 1]:.1f} s, worst {gaps[-1]:.1f} s"
    )
    assert witness.looks > KILLS
    assert not witness.doubles
    assert lost == dict.fromkeys(names, 0)
    assert counted == KILLS * EVICTED
