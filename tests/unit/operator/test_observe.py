"""What the apiserver lists, put together into what `decide` sees: its order is that of names, not of time."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from flowapi.report import RunReport
from flowapi.spec import API_VERSION, KIND
from flowoperator.core.decide import decide
from flowoperator.core.plan import Plan
from flowoperator.objects.job import CONTAINER
from flowoperator.shell.observe import Observer
from flowoperator.shell.queue import Key
from flowoperator.shell.words import Words
from kit.world import NOW, REF, World, spec

KEY = Key(REF.namespace, REF.name)


@dataclass
class Listed:
    """An apiserver that lists by name, and the one pass after another of an operator before it."""

    world: World
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    words: Words = field(default_factory=Words)

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        if kind != KIND:
            return None
        meta = {"namespace": namespace, "name": name, "uid": REF.uid, "generation": 1, "resourceVersion": "1"}
        asked = self.world.wanted.spec.model_dump(by_alias=True, exclude_unset=True, mode="json")
        status = self.world.status.to_patch()
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": asked, "status": status}

    async def list(self, kind: str, namespace: str, *, labels: str = "") -> list[dict[str, Any]]:
        match kind:
            case "Job":
                body = self.world.bodies[self.world.job.name]
                return [{**body, "metadata": {**body["metadata"], "uid": self.world.job.uid}}]
            case "Pod":
                return [self.pods[name] for name in sorted(self.pods)]
        return []

    def pod(self, name: str, minute: int, phase: str, exit_code: int | None = None, report: str = "") -> None:
        """A pod of the Job, as it is now."""
        job = self.world.job
        ended = {} if exit_code is None else {"terminated": {"exitCode": exit_code, "message": report}}
        self.pods[name] = {
            "metadata": {
                "name": name,
                "uid": f"uid-of-{name}",
                "labels": self.world.bodies[job.name]["metadata"]["labels"],
                "creationTimestamp": f"2026-01-01T00:{minute:02}:00Z",
                "ownerReferences": [{"uid": job.uid, "controller": True}],
            },
            "status": {"phase": phase, "containerStatuses": [{"name": CONTAINER, "state": ended}]},
        }

    def step(self) -> Plan:
        """One pass."""
        seen = asyncio.run(Observer(self, None, self.words, "engine:1").look(KEY))
        plan = decide(seen[0], NOW)
        self.world.status = plan.status or self.world.status
        return plan


@pytest.fixture
def listed() -> Listed:
    world = World(wanted=spec())
    world.settle()
    world.say(120, 100)
    world.step()
    return Listed(world)


@pytest.mark.parametrize(("first", "second"), [("engine-a", "engine-b"), ("engine-b", "engine-a")])
def test_a_failed_pod_beside_the_one_that_finished_is_not_counted_again(listed, first, second):
    status = listed.world.status
    attempt = status.attempt.model_copy(update={"pod_name": first})
    listed.world.status = status.model_copy(update={"attempt": attempt})
    listed.pod(first, 1, "Failed", 137)
    listed.pod(second, 2, "Running")
    listed.step()
    assert (listed.world.status.recoveries.count, listed.world.status.recoveries.crashes) == (1, 1)
    report = RunReport(revision=status.revision.current, attempt=1, state="Finished").to_bytes().decode()
    listed.pod(second, 2, "Succeeded", 0, report)  # its Job does not say Complete yet
    plan = listed.step()
    assert plan.actions == ()
    assert listed.world.status.attempt.number == 1
    assert (listed.world.status.recoveries.count, listed.world.status.recoveries.crashes) == (1, 1)
