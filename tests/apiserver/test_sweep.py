"""Wherever the operator dies, the next one ends where an undisturbed one does, with the same creates and deletes."""

import random

import pytest

from kit.apiserver.proxy import Moment
from kit.apiserver.scene import scene as make_scene
from kit.apiserver.scene import spec, wait_for

SECONDS = 60


def run(scene, flow, **report):
    """The next pod of the flow runs; no other of its pods may run then."""
    pod = flow.next_pod(SECONDS)
    alive = [
        one["metadata"]["name"]
        for one in flow.pods()
        if one["status"].get("phase") == "Running" and one["metadata"]["name"] != pod.name
    ]
    assert not alive, f"{alive} run beside {pod.name}"
    return pod.run(**report)


def begun(scene, **more):
    flow = scene.flow().apply(spec(**more))
    pod = run(scene, flow, iteration=100, saved=90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"), SECONDS)
    return flow, pod


def create(scene):
    flow, pod = begun(scene)
    pod.finish()
    flow.phase("Completed", SECONDS)
    return flow


def evict(scene):
    flow, pod = begun(scene)
    pod.evict()
    run(scene, flow, iteration=120)
    flow.phase("Running", SECONDS)
    return flow


def edit(scene):
    flow, _ = begun(scene)
    flow.apply(spec(weight=0.2))
    run(scene, flow, iteration=10, saved=5)
    flow.until("the edit's checkpoint", lambda status: (status.get("checkpoint") or {}).get("iteration") == 5, SECONDS)
    return flow


def revert(scene):
    flow = edit(scene)
    flow.apply(spec())
    run(scene, flow, iteration=100)
    flow.phase("Running", SECONDS)
    return flow


def fail(scene):
    flow, _ = begun(scene)
    flow.apply(spec(weight=0.2))
    run(scene, flow, iteration=3).end(76)
    run(scene, flow, iteration=100)
    flow.until("the stable revision's iterations", lambda status: status["progress"]["iteration"] == 100, SECONDS)
    return flow


def restore(scene):
    flow, _ = begun(scene)
    flow.edit(restore={"nonce": "1", "revision": flow.status()["revision"]["current"]})
    run(scene, flow, iteration=100, saved=95)
    flow.until("a newer checkpoint", lambda status: (status.get("checkpoint") or {}).get("iteration") == 95, SECONDS)
    return flow


def retry(scene):
    flow = scene.flow().apply(spec())
    run(scene, flow, iteration=3).end(76)
    flow.phase("Stalled", SECONDS)
    flow.edit(retryNonce="1")
    run(scene, flow, iteration=100)
    flow.phase("Running", SECONDS)
    return flow


def suspend(scene):
    flow, _ = begun(scene)
    flow.edit(suspend=True)
    flow.phase("Suspended", SECONDS)
    flow.edit(suspend=None)
    run(scene, flow, iteration=100)
    flow.phase("Running", SECONDS)
    return flow


def delete(scene):
    flow, _ = begun(scene, deletionPolicy="Delete")
    flow.delete()
    wait_for("everything to be gone", lambda: not (flow.jobs() or flow.pods() or scene.claim("denoise")), SECONDS)
    return flow


WORKLOADS = {one.__name__: one for one in (create, evict, edit, revert, fail, restore, retry, suspend, delete)}


def end_of(scene, flow):
    """What must be the same at the end: the status less its times and names of pods, and what was made and deleted."""
    status = flow.status()
    attempt, checkpoint = status.get("attempt", {}), status.get("checkpoint") or {}
    recoveries = status.get("recoveries", {})
    return {
        "phase": status.get("phase"),
        "attempt": (attempt.get("number"), attempt.get("jobName")),
        "revisions": [(one["hash"], one["outcome"]) for one in status.get("revisions", ())],
        "checkpoint": checkpoint.get("iteration"),
        # an eviction that nobody saw, for the operator was dead, is counted without its cause
        "recoveries": {name: recoveries.get(name) for name in ("count", "crashes", "lostIterations", "failures")},
        "conditions": sorted((one["type"], one["status"], one["reason"]) for one in status.get("conditions", ())),
        "jobs": sorted(one["metadata"]["name"] for one in flow.jobs()),
        "created": scene.proxy.made("POST"),
        "deleted": scene.proxy.made("DELETE"),
    }


@pytest.fixture(scope="module")
def undisturbed(plane, loop):
    """How a workload ends, and how many writes it takes, when nobody disturbs it."""
    known = {}

    def look(name):
        if name not in known:
            with make_scene(plane, loop) as scene:
                flow = WORKLOADS[name](scene)
                known[name] = (end_of(scene, flow), len(scene.proxy.writes))
        return known[name]

    return look


def disturbed(plane, loop, name, number, moment, wanted):
    with make_scene(plane, loop) as scene:
        scene.proxy.kill_at = (number, moment)
        flow = WORKLOADS[name](scene)

        def others():
            """What is not as wanted: found, and wanted."""
            found = end_of(scene, flow)
            return {key: (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]}

        try:
            wait_for("the last writes, which may still be on their way", lambda: not others(), 10)
        except AssertionError:
            point = f"{name}: killed {moment.value} write {scene.proxy.killed_at}"
            assert not others(), f"{point}: {others()}; {scene.around(flow)}"


@pytest.mark.parametrize("name", WORKLOADS)
def test_killed_at_a_few_writes(plane, loop, undisturbed, name):
    wanted, count = undisturbed(name)
    points = [(number, moment) for number in range(1, count + 1) for moment in Moment]
    for number, moment in random.Random(name).sample(points, 2):
        disturbed(plane, loop, name, number, moment, wanted)


@pytest.mark.thorough
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("name", WORKLOADS)
def test_killed_at_every_write(plane, loop, undisturbed, name, moment):
    wanted, count = undisturbed(name)
    for number in range(1, count + 1):
        disturbed(plane, loop, name, number, moment, wanted)
