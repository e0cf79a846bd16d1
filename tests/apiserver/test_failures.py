"""What a person reads when an attempt fails or does not start: each cause its own reason and sentence."""

import time

import pytest

from flowapi.report import RunError
from kit.apiserver.node import now
from kit.apiserver.scene import spec, wait_for


@pytest.mark.parametrize(
    ("code", "reason"), [(64, "InvalidSpec"), (65, "IncompatibleCheckpoint"), (76, "Diverged"), (77, "Fenced")]
)
def test_a_final_exit_code_is_final_whoever_sees_it_first(scene, code, reason):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(20, 20)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    pod.end(code, error=RunError(code=code, reason=reason, message="it is so", path="spec.flow", remedy="Mend it."))
    assert "spec.flow: it is so. Mend it." in flow.stalled(reason)
    wait_for("the Job's controller to agree", lambda: flow.jobs()[0]["status"].get("failed"))
    assert flow.status()["attempt"]["number"] == 1
    assert len(flow.jobs()) == 1
    assert flow.status()["recoveries"]["crashes"] == 0


def test_a_crash_after_a_checkpoint_goes_on_and_says_why_it_crashed(scene):
    flow = scene.flow().apply(spec(engine={"resources": {"limits": {"memory": "256Mi"}}}))
    pod = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    pod.end(137, reason="OOMKilled", message="")
    flow.next_pod().run(100)
    flow.phase("Running")
    (message,) = [message for reason, message, _ in flow.events() if reason == "Interrupted"]
    assert "want of memory (limit 256Mi)" in message
    assert "spec.engine.resources.limits.memory" in message
    assert flow.status()["recoveries"]["crashes"] == 1


def test_retries_that_are_exhausted_say_how_the_last_one_ended(scene):
    flow = scene.flow().apply(spec(retry={"limit": 0}))
    flow.next_pod().run(10).end(137, reason="OOMKilled", message="")
    assert "want of memory" in flow.stalled("RetriesExhausted")


def test_a_failed_flow_is_tried_again_by_suspending_and_resuming_it(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(10).end(65)
    flow.phase("Stalled")
    flow.edit(suspend=True)
    flow.phase("Suspended")
    flow.edit(suspend=None)
    assert flow.next_pod().attempt == 2


def test_a_failed_flow_is_tried_again_with_another_nonce_and_once_a_nonce(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(10).end(65)
    flow.phase("Stalled")
    flow.edit(retryNonce="1")
    again = flow.next_pod().run(10)
    assert again.attempt == 2
    again.end(65)
    flow.phase("Stalled")
    assert flow.status()["attempt"]["number"] == 2


def test_a_failed_flow_is_tried_again_when_its_input_has_changed(scene):
    path = scene.path("configmaps")
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "picture"}, "data": {"a": "1"}}
    scene.api.post(path, made)
    flow = scene.flow().apply(spec(inputs=[{"name": "picture", "configMapName": "picture"}]))
    flow.next_pod().run(10).end(65)
    flow.phase("Stalled")
    scene.api.merge(f"{path}/picture", {"data": {"a": "2"}})
    assert flow.next_pod(60).attempt == 2
    flow.told({"Retried"})


def test_a_missing_input_is_named_and_making_it_is_enough(scene):
    flow = scene.flow().apply(spec(inputs=[{"name": "picture", "configMapName": "not-there"}]))
    assert "spec.inputs[0].configMapName: there is no ConfigMap not-there" in flow.stalled("InvalidSpec")
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "not-there"}}
    scene.api.post(scene.path("configmaps"), made)
    flow.next_pod(40)


def test_a_job_that_makes_no_pod_says_why(scene):
    flow = scene.flow().apply(spec(engine={"serviceAccountName": "nobody"}))
    message = flow.stalled("PodCannotStart", 30)
    assert 'serviceaccount "nobody" not found' in message


def test_a_quota_on_pods_is_waited_for_and_said(scene):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    scene.api.post(scene.path("resourcequotas"), quota)
    wait_for(
        "the quota to hold", lambda: scene.api.get(scene.path("resourcequotas", "none")).get("status", {}).get("hard")
    )
    flow = scene.flow().apply(spec())
    flow.until("it to say so", lambda status: "exceeded quota: none" in str(status["conditions"]), 30)
    assert flow.condition("Reconciling")[:2] == ("True", "ProgressingWithRetry")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("CreateContainerConfigError", 'configmap "b" not found'),
        ("RunContainerError", "exec: no such file"),
        ("CreateContainerError", "context deadline exceeded"),
    ],
)
def test_a_container_that_cannot_start_says_why(scene, reason, words):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().bind()
    pod.status("Pending", {"waiting": {"reason": reason, "message": words}})
    message = flow.stalled("PodCannotStart")
    assert pod.name in message
    assert f"{reason}: {words}" in message
    pod.status("Running", {"running": {"startedAt": now()}}, podIP="10.1.1.1")
    flow.until("to be on its way again", lambda status: status["phase"] == "Pending")


def warn(scene, pod, reason, message):
    """An event against a pod."""
    about = {"kind": "Pod", "name": pod.name, "uid": pod.uid, "namespace": scene.namespace, "apiVersion": "v1"}
    scene.api.post(scene.path("events"), {
        "apiVersion": "v1", "kind": "Event", "type": "Warning", "involvedObject": about, "lastTimestamp": now(),
        "metadata": {"name": f"{pod.name}.{reason.lower()}", "namespace": scene.namespace},
        "reason": reason, "message": message,
    })  # fmt: skip


def test_a_volume_that_cannot_be_mounted_is_said_from_the_pods_events(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().bind()
    pod.status("Pending", {"waiting": {"reason": "ContainerCreating"}})
    warn(scene, pod, "FailedMount", "Multi-Attach error for volume pv-1")
    assert "Multi-Attach error for volume pv-1" in flow.stalled("PodCannotStart", 30)


def test_a_probe_is_no_reason_why_a_pod_cannot_start(scene):
    """A kubelet that has much to do probes a container before it says that the pod runs."""
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().bind()
    pod.status("Pending", {"waiting": {"reason": "ContainerCreating"}})
    warn(scene, pod, "FailedMount", "Multi-Attach error for volume pv-1")
    time.sleep(1.1)  # events have whole seconds
    warn(scene, pod, "Unhealthy", "Readiness probe failed: connection refused")
    assert "Multi-Attach error for volume pv-1" in flow.stalled("PodCannotStart", 30)


def test_a_readiness_probe_that_failed_in_a_pod_that_is_dead_says_nothing_of_the_next_one(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(10)
    flow.phase("Running")
    warn(scene, pod, "Unhealthy", "Readiness probe failed")
    pod.end(137, message="")
    flow.until("to say how it ended", lambda status: "ended with exit code 137" in str(status["conditions"]))
    flow.next_pod(40)
    assert "Stalled" not in flow.reasons()


def test_a_pod_that_no_node_takes_says_why(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod()
    pod.condition("PodScheduled", "False", "Unschedulable", "0/2 nodes are available: 2 Insufficient memory.")
    flow.until("it to say so", lambda status: "Insufficient memory" in str(status["conditions"]))
    assert flow.condition("Reconciling")[:2] == ("True", "Unschedulable")


def test_a_named_image_that_cannot_be_pulled_is_the_specs_fault(scene):
    flow = scene.flow().apply(spec(engine={"image": "localhost/none:1"}))
    pod = flow.next_pod().bind()
    pod.status("Pending", {"waiting": {"reason": "ErrImagePull", "message": "localhost/none:1 not found"}})
    message = flow.stalled("ImagePullFailed")
    assert message.startswith("spec.engine.image: localhost/none:1 not found")
    flow.told({"ImagePullFailed"})


def test_a_container_that_outlives_the_engine_is_named(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100)
    flow.phase("Running")
    state = {"terminated": {"exitCode": 0, "message": pod.told().to_bytes().decode()}}
    sidecar = {"name": "proxy", "image": "", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}
    engine = {"name": "engine", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    scene.api.merge(f"{pod.path}/status", {"status": {"containerStatuses": [engine, sidecar]}})
    assert "its container proxy keeps the Job from ending" in flow.stalled("SidecarRuns")


def test_an_engine_that_cannot_be_asked_is_said_not_to_answer(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(silent=True)
    flow.until("it to say so", lambda status: "NetworkPolicy" in str(status["conditions"]), 40)
    assert flow.status()["phase"] == "Running", "its readiness probe succeeds"
    pod.say(100, 90)
    flow.until("its report", lambda status: status["progress"]["iteration"] == 100, 40)


def test_one_missed_answer_changes_nothing(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100)
    flow.phase("Running")
    answer = scene.node.engines.answers.pop(pod.address)
    asked = scene.node.engines.asked[pod.address]
    wait_for("three questions without an answer", lambda: scene.node.engines.asked[pod.address] > asked + 2)
    assert flow.status()["phase"] == "Running"
    assert flow.condition("Ready")[0] == "True"
    scene.node.engines.answers[pod.address] = answer


def test_a_pod_that_is_stopping_is_not_called_lost_and_one_that_should_be_gone_is(scene):
    flow = scene.flow().apply(spec(terminationGracePeriodSeconds=30))
    pod = flow.next_pod().run(100, 90)
    flow.phase("Running")
    scene.janitor.spared.add(pod.name)
    flow.apply(spec(weight=0.2, terminationGracePeriodSeconds=30))
    pod.wait_until_deleting()
    flow.until("it to wait", lambda status: f"Waiting until pod {pod.name} has stopped" in str(status["conditions"]))
    assert "lost" not in flow.condition("Ready")[2]
    pod.obey()
    flow.next_pod()


def test_a_failed_pod_beside_the_one_that_finished_is_counted_once(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(10).end(137, message="")
    second = flow.next_pod(40)
    assert second.attempt == 1, "nothing was saved: the Job's own back-off holds"
    second.run(20, 10).finish()
    recoveries = flow.phase("Completed")["recoveries"]
    assert (recoveries["count"], recoveries["crashes"]) == (1, 1)
