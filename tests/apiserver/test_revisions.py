"""A revision is what it was when it first ran, whatever the defaults are today."""

import json

from kit.apiserver.scene import revision_of, spec, wait_for


def image_of(pod):
    return pod.body()["spec"]["containers"][0]["image"]


def test_another_default_image_changes_no_revision_that_has_run(scene):
    flow = scene.flow().apply(spec())
    first = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    before = image_of(first)
    scene.operator.image = "engine.example/newer:2"
    scene.operator.restart()
    first.evict()
    second = flow.next_pod()
    assert image_of(second) == before
    pinned = scene.api.get(scene.path("configmaps", f"denoise-{second.revision}"))["data"]["revision.json"]
    assert json.loads(pinned)["resolvedImage"] == before
    flow.apply(spec(weight=0.2))
    assert image_of(flow.next_pod()) == "engine.example/newer:2"


def test_a_default_that_cannot_be_pulled_is_not_the_owners_fault_and_a_right_one_is_enough(idle_scene):
    scene = idle_scene
    right, scene.operator.image = scene.operator.image, "engine.example/missing:1"
    scene.operator.start()
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().bind()
    pod.status("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "missing:1 not found"}})
    assert "engine.image of the chart" in flow.stalled("ImagePullFailed")
    scene.operator.image = right
    scene.operator.restart()
    assert image_of(flow.next_pod()) == right


def test_a_revisions_configmap_deleted_by_hand_is_made_again_with_the_image_that_ran(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100, 90)
    flow.phase("Running")
    scene.operator.image = "engine.example/newer:2"
    scene.operator.restart()
    path = scene.path("configmaps", f"denoise-{pod.revision}")
    scene.api.delete(path)
    body = wait_for("the ConfigMap", lambda: scene.api.get(path, missing=None))
    assert json.loads(body["data"]["revision.json"])["resolvedImage"] == image_of(pod)


def test_configmaps_of_forgotten_revisions_go(scene):
    edits = [spec(weight=round(0.1 * (1 + number), 1), revisionHistoryLimit=2) for number in range(4)]
    flow = scene.flow()
    for edit in edits:
        flow.apply(edit)
        flow.next_pod().run(10)
    kept = {f"denoise-{revision_of(edit)}" for edit in edits[-2:]}

    def names():
        return {one["metadata"]["name"] for one in scene.api.items(scene.path("configmaps"))} - {"kube-root-ca.crt"}

    wait_for("two to be left", lambda: names() == kept)


def test_run_time_settings_restart_the_same_revision(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.phase("Running")
    flow.edit(checkpoint={"everyIterations": 7})
    again = flow.next_pod()
    assert (again.attempt, again.revision) == (2, revision_of(spec()))
    assert '"everyIterations":7' in again.arguments()["settings"]
