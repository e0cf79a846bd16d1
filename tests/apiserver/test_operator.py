"""The operator's process: fresh installs, restarts at any point, many flows at once, flows that cost nothing."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack

import aiohttp
import kopf
import pytest

from flowoperator.handlers import CHILDREN
from flowoperator.main import Operator as OperatorProcess
from flowoperator.settings import Settings
from flowoperator.shell.cluster import Cluster
from flowoperator.shell.connection import Connection
from flowoperator.shell.listings import RESYNC_SECONDS
from kit.apiserver import plane as planes
from kit.apiserver.scene import scene as make_scene
from kit.apiserver.scene import spec, wait_for


@pytest.mark.parametrize("moment", ["before the Job", "while it runs", "after its end"])
def test_a_restart_at_any_point_changes_nothing(scene, moment):
    flow = scene.flow().apply(spec())
    if moment == "before the Job":
        wait_for("its first status", flow.status)
        scene.operator.restart()
    pod = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    if moment == "while it runs":
        scene.operator.restart()
        pod.say(200, 190)
    pod.finish()
    flow.phase("Completed")
    if moment == "after its end":
        scene.operator.restart()
    status = flow.phase("Completed")
    assert status["attempt"]["number"] == 1
    assert status["recoveries"]["count"] == 0
    assert len(flow.jobs()) == 1


def running(flow):
    pod = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status["attempt"].get("saved"))
    return pod


def replaced(flow):
    """A stable revision runs in place of one that has diverged."""
    running(flow)
    flow.apply(spec(weight=0.2))
    flow.next_pod().run(3).end(76)
    flow.next_pod().run(150, 140)
    flow.until("it to run", lambda status: "runs in its place" in str(status["conditions"]))


def suspended(flow):
    running(flow)
    flow.edit(suspend=True)
    flow.phase("Suspended")


def unschedulable(flow):
    flow.next_pod().condition("PodScheduled", "False", "Unschedulable", "0/2 nodes are available.")
    flow.until("it to say so", lambda status: "0/2 nodes" in str(status["conditions"]))


def unpulled(flow):
    flow.next_pod().bind().status("Pending", {"waiting": {"reason": "ErrImagePull", "message": "not found"}})
    flow.stalled("ImagePullFailed")


def diverged(flow):
    flow.next_pod().run(3).end(76)
    flow.stalled("Diverged")


def completed(flow):
    running(flow).finish()
    flow.phase("Completed")


@pytest.mark.parametrize("situation", [running, replaced, suspended, unschedulable, unpulled, diverged, completed])
def test_an_operator_that_starts_writes_nothing_while_nothing_has_happened(scene, situation):
    """Or each update of the operator would show flows as pending for a moment."""
    flow = scene.flow().apply(spec())
    situation(flow)
    time.sleep(3)  # for what follows from that
    scene.operator.kill()
    before = flow.body()
    scene.operator.start()
    time.sleep(6)  # for its first passes, and the answers of engines
    assert flow.body() == before


def test_what_happened_while_the_operator_was_away_is_seen_when_it_comes_back(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    scene.operator.kill()
    pod.end(76)
    wait_for("the Job to have failed", lambda: flow.jobs()[0]["status"].get("failed"))
    scene.operator.start()
    assert flow.stalled("Diverged")


def test_two_hundred_flows_start_and_end(scene):
    flows, ended = [scene.flow(f"flow-{number}") for number in range(200)], set()
    for flow in flows:
        scene.api.post(flow.path.rsplit("/", 1)[0], flow.object(spec()))

    def all_completed():
        for body in scene.api.items(scene.path("pods") + "?fieldSelector=status.phase=Pending"):
            if body["metadata"]["uid"] not in ended:
                ended.add(body["metadata"]["uid"])
                scene.node.pod(body).run(10, 5, silent=True).finish()
        if len(ended) < len(flows):
            return []
        bodies = scene.api.items(flows[0].path.rsplit("/", 1)[0])
        return bodies if all((one.get("status") or {}).get("phase") == "Completed" for one in bodies) else []

    statuses = [one["status"] for one in wait_for("all to be completed", all_completed, 400)]
    assert len(ended) == len(statuses) == 200
    assert {one["attempt"]["number"] for one in statuses} == {1}


def test_watches_that_are_begun_again_end_nothing_else(idle_scene, plane, loop):
    """Kopf would cancel whatever was begun after it: the workers, and what asks engines."""
    url = idle_scene.operator.url
    login = kopf.ConnectionInfo(server=url, scheme="Bearer", token=plane.token)

    async def begin():
        stack = AsyncExitStack()
        api = await stack.enter_async_context(Connection(lambda: login))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        operator = OperatorProcess(Settings("engine:1", (idle_scene.namespace,), 0), Cluster(api), http)
        tasks = [asyncio.create_task(operator.work()), asyncio.create_task(operator.watch(lambda: login))]
        return stack, operator, tasks

    async def again(operator):
        await operator.watching.wait()
        operator.listings.dead_watch.set()
        while operator.listings.dead_watch.is_set():
            await asyncio.sleep(0.01)
        await operator.watching.wait()

    async def of_kopf():
        names = [task.get_name().split(" ")[0] for task in asyncio.all_tasks()]
        return names.count("watcher"), names.count("spawner")

    async def end(stack, operator, tasks):
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        operator.engines.close()
        await stack.aclose()

    stack, operator, tasks = loop.run(begin())
    try:
        idle_scene.flow("before").apply(spec())
        idle_scene.flow("before").next_pod().run(100, 90)
        wait_for("all watches", lambda: loop.run(of_kopf())[0] == len(CHILDREN) + 1)
        before = loop.run(of_kopf())
        for _ in range(3):
            loop.run(again(operator), 60)
        idle_scene.flow("after").apply(spec())
        idle_scene.flow("after").next_pod()
        assert not any(task.done() for task in tasks)
        wait_for("Kopf to have left nothing behind", lambda: loop.run(of_kopf()) == before)
    finally:
        loop.run(end(stack, operator, tasks))


def test_watches_that_have_ended_kill_the_process_at_no_later_time(scene, loop):
    """Kopf would, ten minutes after they were begun again."""
    scene.flow().apply(spec())
    scene.flow().next_pod()
    scene.operator.kill()
    assert [timer for timer in loop.loop._scheduled if timer._callback is signal.pthread_kill] == []


def test_settled_flows_cost_nothing(scene):
    flows = [scene.flow(f"flow-{number}") for number in range(5)]
    for flow in flows:
        flow.apply(spec())
        flow.next_pod().run(10).finish()
    for flow in flows:
        flow.phase("Completed")
    scene.proxy.clear()
    quiet = scene.flow("another").apply(spec())
    quiet.next_pod().run(10).finish()
    quiet.phase("Completed")
    assert not [one for one in scene.proxy.writes if "flow-" in one.path]
    assert RESYNC_SECONDS >= 60


def test_a_pass_over_flows_that_have_settled_writes_nothing(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(10).finish()
    flow.phase("Completed")
    version = flow.body()["metadata"]["resourceVersion"]
    scene.operator.restart()
    other = scene.flow("other").apply(spec())
    other.next_pod().run(10)
    other.phase("Running")
    assert flow.body()["metadata"]["resourceVersion"] == version


def test_a_fresh_install_is_ready_within_seconds_though_its_storage_is_still_made(tmp_path, loop):
    """The CRD is made a moment before: the apiserver then answers 429 for its resources, with Retry-After."""
    with planes.start(tmp_path) as plane:

        async def install() -> float:
            clock = asyncio.get_running_loop().time
            login = kopf.ConnectionInfo(
                server=plane.url, ca_path=str(plane.authority), scheme="Bearer", token=plane.token
            )
            async with Connection(lambda: login) as api, aiohttp.ClientSession() as http:
                operator = OperatorProcess(Settings("engine:1", (), 0), Cluster(api), http)
                started = clock()
                tasks = [asyncio.create_task(operator.work()), asyncio.create_task(operator.watch(lambda: login))]
                while not operator.healthy(clock()):
                    for task in tasks:
                        if task.done():
                            task.result()
                    await asyncio.sleep(0.05)
                took = clock() - started
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                return took

        plane.run_kubectl("delete", "crd", "computableflows.computableflow.dev", "--wait")
        planes.install(plane.kubeconfig)
        assert loop.run(install(), 120) < RESYNC_SECONDS / 2, "no listing of now and then was needed"


def test_flows_of_all_namespaces_are_run(plane, loop):
    with make_scene(plane, loop, everywhere=True) as scene, make_scene(plane, loop, started=False) as other:
        there = other.flow().apply(spec())
        there.next_pod()
        scene.flow().apply(spec())
        scene.flow().next_pod()


def test_a_flow_that_is_nested_too_deeply_is_an_invalid_one_and_holds_up_no_other(scene):
    scene.flow("first").apply(spec())
    scene.flow("first").next_pod()
    value: object = 1
    for _ in range(9900):  # the apiserver takes 10,000
        value = [value]
    wanted = spec()
    wanted["flow"]["data"]["b"]["inline"] = value
    deep = scene.flow("deep").apply(wanted)
    assert "levels deep" in deep.stalled("InvalidSpec")
    scene.flow("second").apply(spec())
    scene.flow("second").next_pod()
    scene.operator.restart()
    scene.flow("third").apply(spec())
    scene.flow("third").next_pod()
