"""The checkpoint volume: nothing that was saved is lost without a word, and no foreign volume is written to."""

import pytest

from kit.apiserver.proxy import dropped, only
from kit.apiserver.scene import spec, wait_for


def running(scene, name="denoise", **more):
    flow = scene.flow(name).apply(spec(**more))
    pod = flow.next_pod().run(906_000, 900_000)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    return flow, pod


def claim(name, **meta):
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, **meta},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip


def mounting(name, claim_name, *, read_only=False):
    container = {
        "name": "main", "image": "busybox",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": read_only}],
    }  # fmt: skip
    source = {"claimName": claim_name, "readOnly": read_only}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "containers": [container], "volumes": [{"name": "v", "persistentVolumeClaim": source}],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }  # fmt: skip


@pytest.mark.parametrize("phase", ["Suspended", "Completed", "Running", "Stalled"])
def test_retain_asked_for_in_any_phase_holds_before_it_is_said_to_be_seen(scene, phase):
    flow = scene.flow().apply(spec(deletionPolicy="Delete"))
    pod = flow.next_pod().run(100, 90)
    flow.phase("Running")
    if phase == "Suspended":
        flow.edit(suspend=True)
    elif phase == "Completed":
        pod.finish()
    elif phase == "Stalled":
        pod.end(76)
    flow.phase(phase)
    assert scene.claim("denoise")["metadata"]["ownerReferences"]
    flow.edit(deletionPolicy="Retain")
    flow.until("the edit to be seen", lambda status: True)
    assert "ownerReferences" not in scene.claim("denoise")["metadata"]


def test_a_claim_that_is_being_deleted_is_said_at_once_and_no_engine_starts_on_an_empty_one(scene):
    flow, pod = running(scene)
    scene.api.delete(scene.path("persistentvolumeclaims", "denoise"))
    assert "being deleted" in flow.stalled("VolumeLost")
    assert "deletionTimestamp" not in pod.body()["metadata"], "what still runs goes on"
    pod.evict()
    wait_for("the claim to be gone", lambda: scene.claim("denoise") is None)
    message = flow.stalled("VolumeLost")
    wait_for("the sentence of the loss", lambda: "is gone" in flow.condition("Stalled")[2])
    message = flow.condition("Stalled")[2]
    assert "iteration 900000" in message
    assert "retryNonce" in message
    wait_for("no Job to wait for it", lambda: not flow.jobs())
    assert scene.claim("denoise") is None
    assert flow.status()["checkpoint"]["iteration"] == 900_000


def test_another_nonce_begins_anew_on_an_empty_volume(scene):
    flow, _pod = running(scene)
    flow.edit(suspend=True)
    flow.phase("Suspended")
    scene.api.delete(scene.path("persistentvolumeclaims", "denoise"))
    wait_for("the claim to be gone", lambda: scene.claim("denoise") is None)
    flow.edit(suspend=None)
    flow.stalled("VolumeLost")
    flow.edit(retryNonce="give it up")
    fresh = flow.next_pod()
    assert "--expect-checkpoint" not in str(fresh.body()["spec"]["containers"][0]["args"])
    assert scene.claim("denoise") is not None
    assert "checkpoint" not in flow.status()
    fresh.run(10)
    flow.phase("Running")
    flow.told({"Retried"})


def test_a_restored_claim_is_gone_on_with_and_the_engine_must_find_a_checkpoint_there(scene):
    flow, _pod = running(scene)
    flow.edit(suspend=True)
    flow.phase("Suspended")
    scene.api.delete(scene.path("persistentvolumeclaims", "denoise"))
    wait_for("the claim to be gone", lambda: scene.claim("denoise") is None)
    flow.edit(suspend=None)
    flow.stalled("VolumeLost")
    restored = claim(
        "denoise", labels={"computableflow.dev/checkpoint-volume": "true", "computableflow.dev/flow": "denoise"}
    )
    scene.api.post(scene.path("persistentvolumeclaims"), restored)
    again = flow.next_pod()
    assert "--expect-checkpoint" in again.body()["spec"]["containers"][0]["args"]


def test_a_completed_flow_says_when_its_results_claim_is_gone(scene):
    flow, pod = running(scene)
    pod.finish()
    flow.phase("Completed")
    scene.api.delete(scene.path("persistentvolumeclaims", "denoise"))
    scene.api.delete(pod.path)
    flow.until("it to say so", lambda status: "is gone" in str(status["conditions"]))
    assert flow.status()["phase"] == "Completed"


def test_a_foreign_claim_of_the_flows_name_is_not_written_to(scene):
    scene.api.post(scene.path("persistentvolumeclaims"), claim("denoise"))
    flow = scene.flow().apply(spec())
    message = flow.stalled("VolumeInUse")
    assert "spec.checkpoint.volume.claimName" in message
    assert flow.jobs() == []
    label = {"metadata": {"labels": {"computableflow.dev/checkpoint-volume": "true"}}}
    scene.api.merge(scene.path("persistentvolumeclaims", "denoise"), label)
    flow.edit(retryNonce="it is mine")
    flow.next_pod()


def test_a_claim_that_the_flow_names_must_exist_and_is_used_as_it_is(scene):
    flow = scene.flow().apply(spec(checkpoint={"volume": {"claimName": "mine"}}))
    assert "there is no claim mine" in flow.stalled("Unschedulable")
    scene.api.post(scene.path("persistentvolumeclaims"), claim("mine"))
    flow.next_pod(40)
    assert "ownerReferences" not in scene.claim("mine")["metadata"]


def test_a_pod_that_only_reads_the_claim_blocks_nothing(scene):
    scene.api.post(scene.path("persistentvolumeclaims"), claim("mine"))
    scene.api.post(scene.path("pods"), mounting("reader", "mine", read_only=True))
    flow = scene.flow().apply(spec(checkpoint={"volume": {"claimName": "mine"}}))
    flow.next_pod().run(10)
    flow.phase("Running")


def test_a_second_writer_is_named(scene):
    scene.api.post(scene.path("persistentvolumeclaims"), claim("mine"))
    scene.api.post(scene.path("pods"), mounting("writer", "mine"))
    flow = scene.flow().apply(spec(checkpoint={"volume": {"claimName": "mine"}}))
    assert "pod writer mounts it for writing" in flow.stalled("VolumeInUse")
    scene.api.delete(scene.path("pods", "writer"), grace=0)
    flow.next_pod()


def test_two_flows_on_one_claim_say_so(scene):
    scene.api.post(scene.path("persistentvolumeclaims"), claim("mine"))
    first = scene.flow("first").apply(spec(checkpoint={"volume": {"claimName": "mine"}}))
    pod = first.next_pod().run(10)
    first.phase("Running")
    second = scene.flow("second").apply(spec(checkpoint={"volume": {"claimName": "mine"}}))
    message = second.stalled("VolumeInUse")
    assert f"pod {pod.name} of flow first" in message
    assert "Flows first name the same claim" in message


def test_a_claim_without_our_label_is_not_taken_for_lost_by_an_operator_that_has_just_started(scene):
    scene.api.post(scene.path("persistentvolumeclaims"), claim("mine"))
    flow, _pod = running(scene, checkpoint={"volume": {"claimName": "mine"}})
    flow.edit(suspend=True)
    flow.phase("Suspended")
    scene.operator.restart()
    flow.edit(suspend=None)
    flow.next_pod()
    assert "VolumeLost" not in flow.reasons()


def test_what_the_last_pod_saved_as_it_was_suspended_is_known(scene):
    flow, pod = running(scene)
    pod.report = pod.told(906_018, 906_018)
    flow.edit(suspend=True)
    assert flow.phase("Suspended")["checkpoint"]["iteration"] == 906_018


def test_a_volume_that_is_given_up_stays_so_whatever_dead_pods_had_saved_there(scene):
    flow, pod = running(scene)
    scene.janitor.spared.add(pod.name)
    scene.api.delete(scene.path("persistentvolumeclaims", "denoise"))
    flow.stalled("VolumeLost")
    pod.evict()
    wait_for("the claim to be gone", lambda: scene.claim("denoise") is None)
    wait_for("the sentence of the loss", lambda: "is gone" in flow.condition("Stalled")[2])
    flow.edit(retryNonce="give it up")
    fresh = flow.next_pod()
    assert "--expect-checkpoint" not in fresh.body()["spec"]["containers"][0]["args"]


def test_another_claim_of_the_same_name_is_not_given_the_owner_of_the_one_that_was_seen(scene):
    flow, _pod = running(scene)
    flow.edit(suspend=True)
    flow.phase("Suspended")
    scene.proxy.filter = only("persistentvolumeclaims", dropped)
    scene.api.delete(scene.path("persistentvolumeclaims", "denoise"))
    wait_for("the claim to be gone", lambda: scene.claim("denoise") is None)
    scene.api.post(scene.path("persistentvolumeclaims"), claim("denoise"))
    flow.edit(deletionPolicy="Delete")
    wait_for(
        "the operator to try",
        lambda: [one for one in scene.proxy.writes if "persistentvolumeclaims/denoise" in one.path and one.status],
    )
    assert "ownerReferences" not in scene.claim("denoise")["metadata"]
