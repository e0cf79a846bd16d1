"""The real Kueue: a flow waits for its quota, runs, is preempted, waits again, and goes on as the same Job."""

import pytest

from kit.apiserver.scene import spec
from kit.kueue import QUEUE, kueue

pytestmark = pytest.mark.thorough
CPU = {"requests": {"cpu": "1"}}


def rival(scene, name):
    """A Job of higher priority that wants the whole quota."""
    container = {
        "name": "work", "image": "work", "resources": CPU,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    pod = {
        "restartPolicy": "Never", "containers": [container],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    }  # fmt: skip
    labels = {"kueue.x-k8s.io/queue-name": QUEUE, "kueue.x-k8s.io/priority-class": "high"}
    body = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": labels},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }  # fmt: skip
    path = scene.path("jobs", group="apis/batch/v1")
    scene.api.post(path, body)
    return f"{path}/{name}"


def queued(flow):
    """Wait until it is queued and says why; the sentence."""
    flow.until(
        "to be queued, with Kueue's own words",
        lambda status: any(
            (one["type"], one["reason"]) == ("Reconciling", "Queued") and "queue: " in one["message"]
            for one in status["conditions"]
        ),
        60,
    )
    return flow.condition("Reconciling")[2]


def test_a_flow_waits_for_quota_runs_is_preempted_waits_and_goes_on(scene, tmp_path):
    with kueue(scene.api, scene.plane.kubeconfig, scene.namespace, tmp_path, cpus=1):
        first = rival(scene, "first")
        flow = scene.flow()
        body = flow.object(spec(engine={"resources": CPU}))
        body["metadata"]["labels"] = {
            "kueue.x-k8s.io/queue-name": QUEUE,
            "kueue.x-k8s.io/priority-class": "low",
        }
        scene.api.post(flow.path.rsplit("/", 1)[0], body)
        assert "insufficient unused quota" in queued(flow)
        scene.api.delete(first)
        pod = flow.next_pod(60).run(100, 90)
        flow.until("its checkpoint", lambda status: status.get("checkpoint"))
        (job,) = flow.jobs()
        second = rival(scene, "second")
        pod.wait_until_deleting(60)
        assert "Preempted" in queued(flow) or "quota" in queued(flow)
        scene.operator.restart()
        scene.api.delete(second)
        again = flow.next_pod(60).run(120, 110)
        assert (again.attempt, again.arguments()["start"]) == (1, "latest")
        assert [one["metadata"]["uid"] for one in flow.jobs()] == [job["metadata"]["uid"]]
        flow.phase("Running")
        again.finish()
        flow.phase("Completed")
