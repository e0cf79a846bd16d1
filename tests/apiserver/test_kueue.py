"""The real Kueue: a flow waits for its quota, runs, is preempted, waits again, and goes on as the same Job."""

import pytest

from kit.apiserver.scene import spec
from kit.kueue import CPU, kueue, labels, rival

pytestmark = pytest.mark.thorough


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
    with kueue(scene.plane.run_kubectl, scene.plane.kubeconfig, scene.namespace, tmp_path, cpus=1):
        path = scene.path("jobs", group="apis/batch/v1")
        scene.api.post(path, rival("first"))
        flow = scene.flow()
        body = flow.object(spec(engine={"resources": CPU}))
        body["metadata"]["labels"] = labels("low")
        scene.api.post(flow.path.rsplit("/", 1)[0], body)
        assert "insufficient unused quota" in queued(flow)
        scene.api.delete(f"{path}/first")
        pod = flow.next_pod(60).run(100, 90)
        flow.until("its checkpoint", lambda status: status.get("checkpoint"))
        (job,) = flow.jobs()
        scene.api.post(path, rival("second"))
        pod.wait_until_deleting(60)
        assert "Preempted" in queued(flow) or "quota" in queued(flow)
        scene.operator.restart()
        scene.api.delete(f"{path}/second")
        again = flow.next_pod(60).run(120, 110)
        assert (again.attempt, again.arguments()["start"]) == (1, "latest")
        assert [one["metadata"]["uid"] for one in flow.jobs()] == [job["metadata"]["uid"]]
        flow.phase("Running")
        again.finish()
        flow.phase("Completed")
