"""An hour of trouble: flows are evicted, killed, edited, reverted and paused, operators too; bits and memory stay.

`CFLOW_SOAK_SECONDS` and `CFLOW_SOAK_SEED` change the hour and repeat its events.
"""

import json
import os
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from kit.cluster.errors import KitError
from kit.cluster.operator import NAMESPACE
from kit.denoise import LENGTH, spec
from kit.flow import LiveFlow

WEIGHTS = (0.1, 0.2)
FLOWS = 2
PAUSE = (2.0, 8.0)  # seconds between events
SELECTOR = "app.kubernetes.io/name=computable-flows,app.kubernetes.io/component=operator"


@dataclass
class Soak:
    """The flows under trouble; each that has ended is compared, and another one takes its place."""

    cluster: object
    namespace: str
    wanted: dict[float, str]
    rng: random.Random
    counts: Counter = field(default_factory=Counter)
    flows: dict[str, float] = field(default_factory=dict)
    number: int = 0

    def flow(self, name):
        return LiveFlow(self.cluster, self.namespace, name)

    def begin(self):
        self.number += 1
        name = f"soak-{self.number}"
        self.flows[name] = self.rng.choice(WEIGHTS)
        self.flow(name).apply(self.spec(name))

    def spec(self, name, **more):
        return spec(weight=self.flows[name], deletionPolicy="Delete", **more)

    def renew(self):
        """Compare what has ended."""
        for name in list(self.flows):
            status = self.flow(name).status()
            assert status.get("phase") != "Stalled", json.dumps({name: status})
            if status.get("phase") == "Completed" and status["revision"]["current"] == status["revision"]["desired"]:
                assert status["result"]["sha256"]["x"] == self.wanted[self.flows[name]], (name, json.dumps(status))
                self.counts["ended with the same bits"] += 1
                self.counts["recoveries"] += status["recoveries"]["count"]
                self.flow(name).delete()
                del self.flows[name]
                self.begin()

    def trouble(self):
        """One event; a pod that is gone already is no fault."""
        name = self.rng.choice(sorted(self.flows))
        flow, kind = self.flow(name), self.rng.choice(["evict", "evict", "kill", "edit", "suspend"])
        with suppress(KitError):
            match kind:
                case "evict":
                    flow.evict()
                case "kill":
                    flow.kill()
                case "edit":
                    if not flow.status().get("checkpoint"):
                        return  # a revision without one would go on from the other's
                    mine = self.flows[name]
                    flow.apply(spec(weight=sum(WEIGHTS) - mine, deletionPolicy="Delete"))
                    time.sleep(self.rng.uniform(0, 6))
                    flow.apply(self.spec(name))
                case "suspend":
                    flow.apply(self.spec(name, suspend=True))
                    time.sleep(self.rng.uniform(0, 6))
                    flow.apply(self.spec(name))
            self.counts[kind] += 1

    def operators(self):
        listed = self.cluster.json("get", "pods", f"--namespace={NAMESPACE}", f"--selector={SELECTOR}")
        return [one["metadata"]["name"] for one in listed["items"] if "deletionTimestamp" not in one["metadata"]]

    def change_leader(self):
        for name in self.operators():
            if self.measured(name, "flowoperator_leader"):
                self.cluster.kubectl("delete", "pod", name, f"--namespace={NAMESPACE}", "--wait=false")
                self.counts["leader changes"] += 1

    def resident(self):
        """MB of the operator that leads; 0 where none does at this moment."""
        found = [
            self.measured(name, "process_resident_memory_bytes") / 2**20
            for name in self.operators()
            if self.measured(name, "flowoperator_leader")
        ]
        return max(found, default=0.0)

    def measured(self, pod, series):
        with suppress(KitError):
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8081/proxy/metrics"
            for family in families(self.cluster.kubectl("get", "--raw", path)):
                for sample in family.samples:
                    if sample.name == series:
                        return sample.value
        return 0.0


@pytest.mark.thorough
@pytest.mark.timeout(3 * 3600)
def test_an_hour_of_trouble_changes_no_bit_and_takes_no_memory(cluster, namespace, reference):
    seconds = float(os.environ.get("CFLOW_SOAK_SECONDS", "3600"))
    seed = int(os.environ.get("CFLOW_SOAK_SEED") or time.time())
    print(f"seed {seed}")
    cluster.arm()
    wanted = {weight: reference(spec(weight=weight, iterations=LENGTH)) for weight in WEIGHTS}
    soak = Soak(cluster, namespace, wanted, random.Random(seed))
    for _ in range(FLOWS):
        soak.begin()
    begun, memory = time.monotonic(), []
    while (spent := time.monotonic() - begun) < seconds:
        soak.renew()
        soak.trouble()
        if spent < seconds / 2 and soak.rng.random() < 0.1:  # later ones would hide what an operator gathers
            soak.change_leader()
        if spent > seconds / 2 and (now := soak.resident()):
            memory.append(now)
        time.sleep(soak.rng.uniform(*PAUSE))
    for name in soak.flows:
        status = soak.flow(name).phase("Completed", 600)
        assert status["result"]["sha256"]["x"] == wanted[soak.flows[name]], (name, status)
        soak.counts["ended with the same bits"] += 1
    fifth = max(len(memory) // 5, 1)
    first, last = (sum(part) / len(part) for part in (memory[:fifth], memory[-fifth:]))
    print(f"seed {seed}: {dict(soak.counts)}; the operator holds {first:.1f} MB, then {last:.1f} MB")
    assert last <= 1.05 * first, memory
