"""The size of the checkpoint volume against the real apiserver: its rules, its admission, its refusals."""

import secrets

import pytest

from kit.apiserver.api import ApiError
from kit.apiserver.scene import spec, wait_for


@pytest.fixture
def classes(scene):
    """Two classes of the test's own: one that can grow, one that can't; volumes are made by the test."""
    made = {}
    for name, grows in (("grows", True), ("fixed", False)):
        full = f"{name}-{secrets.token_hex(3)}"
        scene.api.post(
            "/apis/storage.k8s.io/v1/storageclasses",
            {
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": full},
                "provisioner": "test.example/none", "allowVolumeExpansion": grows,
            },
        )  # fmt: skip
        made[name] = full
    yield made
    for full in made.values():
        scene.api.delete(f"/apis/storage.k8s.io/v1/storageclasses/{full}")


def volume(scene, claim):
    """A volume for a claim, as a provisioner makes one; its name."""
    meta, asked = claim["metadata"], claim["spec"]
    name = f"pvc-{meta['uid']}"
    scene.api.post(
        "/api/v1/persistentvolumes",
        {
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": "test.example/none"}},
            "spec": {
                "storageClassName": asked["storageClassName"], "capacity": asked["resources"]["requests"],
                "accessModes": asked["accessModes"], "hostPath": {"path": "/none"},
                "claimRef": {"kind": "PersistentVolumeClaim", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
            },
        },
    )  # fmt: skip
    return name


def running(scene, storage_class):
    """A flow that runs and has saved, on a volume of 1Gi of a class."""
    flow = scene.flow().apply(spec(checkpoint={"volume": {"size": "1Gi", "storageClassName": storage_class}}))
    claim = wait_for("its claim", lambda: scene.claim("denoise"))
    name = volume(scene, claim)
    wait_for("the claim to be bound", lambda: scene.claim("denoise")["status"].get("phase") == "Bound")
    pod = flow.next_pod().run(200, 100)
    flow.phase("Running")
    return flow, pod, name


def resize(flow, size):
    """Change the size alone, as `kubectl apply` of an edited file does."""
    flow.scene.api.merge(flow.path, {"spec": {"checkpoint": {"volume": {"size": size}}}})


def requested(scene):
    return scene.claim("denoise")["spec"]["resources"]["requests"]["storage"]


def test_a_larger_size_reaches_the_claim_while_the_pod_goes_on(scene, classes):
    flow, pod, name = running(scene, classes["grows"])
    resize(flow, "2Gi")
    wait_for("the claim to ask for more", lambda: requested(scene) == "2Gi")
    flow.until("to say so", lambda status: "is being resized from 1Gi to 2Gi" in flow.condition("Ready")[2])
    scene.api.merge(f"/api/v1/persistentvolumes/{name}", {"spec": {"capacity": {"storage": "2Gi"}}})
    scene.api.merge(
        scene.path("persistentvolumeclaims", "denoise/status"), {"status": {"capacity": {"storage": "2Gi"}}}
    )
    flow.until("to say it no more", lambda status: "resized" not in flow.condition("Ready")[2])
    assert "deletionTimestamp" not in pod.body()["metadata"]
    assert flow.status()["attempt"]["number"] == 1


def test_a_smaller_size_is_taken_and_the_claim_stays(scene, classes):
    flow, pod, _ = running(scene, classes["grows"])
    resize(flow, "2Gi")
    wait_for("the claim to ask for more", lambda: requested(scene) == "2Gi")
    resize(flow, "1Gi")
    flow.until("the edit to be seen", lambda status: True)
    assert requested(scene) == "2Gi"
    assert "deletionTimestamp" not in pod.body()["metadata"]


def test_a_class_that_cannot_grow_is_said_and_an_evicted_pod_comes_back(scene, classes):
    flow, pod, _ = running(scene, classes["fixed"])
    resize(flow, "2Gi")
    flow.until("to say so", lambda status: "must support resize" in flow.condition("Ready")[2])
    truth, reason, message = flow.condition("Ready")
    assert (truth, reason) == ("True", "Running")
    assert "spec.checkpoint.volume.size: the apiserver refuses" in message
    pod.evict()
    flow.next_pod().run(300, 200)
    flow.phase("Running")
    flow.told({"ResizeRefused"})
    resize(flow, "1Gi")
    flow.until("to say it no more", lambda status: "refuses" not in flow.condition("Ready")[2])


@pytest.mark.parametrize(
    "edit", [{"claimName": "another", "size": None, "storageClassName": None}, {"storageClassName": "another"}, {"accessMode": "ReadWriteMany"}]
)  # fmt: skip
def test_another_volume_is_refused(scene, edit):
    flow = scene.flow().apply(spec(checkpoint={"volume": {"size": "1Gi", "storageClassName": "some"}}))
    with pytest.raises(ApiError, match="immutable but for its size"):
        scene.api.merge(flow.path, {"spec": {"checkpoint": {"volume": edit}}})


def test_a_size_may_be_given_later_and_a_default_may_be_written_out(scene):
    flow = scene.flow().apply(spec())
    scene.api.merge(flow.path, {"spec": {"checkpoint": {"volume": {"size": "2Gi", "accessMode": "ReadWriteOnce"}}}})
    scene.api.merge(flow.path, {"spec": {"checkpoint": None}})
