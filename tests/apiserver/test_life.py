"""A flow's life as its owner steers it: it runs, is moved, edited, reverted, suspended, deleted and applied again."""

from flowapi.report import RestoredFrom
from kit.apiserver.scene import revision_of, spec, wait_for


def test_a_flow_is_evicted_goes_on_and_completes(scene):
    flow = scene.flow().apply(spec())
    first = flow.next_pod()
    assert "expect-checkpoint" not in first.arguments()
    first.run(100, 90)
    status = flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    assert (status["phase"], status["checkpoint"]["iteration"]) == ("Running", 90)
    first.evict()
    second = flow.next_pod()
    assert second.attempt == 2
    second.run(120).finish()
    status = flow.phase("Completed")
    assert (status["recoveries"]["count"], status["recoveries"]["evictions"]) == (1, 1)
    assert status["result"]["iteration"] == 1000
    flow.told({"Created", "Preempted", "Completed"})


def test_an_edit_continues_from_the_lineage_and_a_revert_resumes(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    flow.apply(spec(weight=0.2))
    second = flow.next_pod()
    told = second.arguments()
    assert (told["start"], told["lineage"], told["retain"]) == ("latest", revision_of(spec()), revision_of(spec()))
    second.run(10, 5)
    flow.until("the edit's checkpoint to be known", lambda status: status.get("checkpoint", {}).get("iteration") == 5)
    flow.apply(spec())
    third = flow.next_pod()
    assert third.revision == revision_of(spec())
    assert flow.condition("RolledBack")[:2] == ("True", "SpecReverted")
    base = RestoredFrom(revision=third.revision, id="c90", iteration=90, digest="d", arrays_sha256="a", reason="Resume")
    third.run(100, 90, restored_from=base)
    assert flow.until("it to run", lambda status: status.get("restoredFrom"))["restoredFrom"]["reason"] == "Rollback"


def test_an_edit_after_one_that_never_saved_still_continues_from_the_first(scene):
    a, b, c = spec(), spec(weight=0.2), spec(weight=0.3)
    flow = scene.flow().apply(a)
    flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    flow.apply(b)
    flow.next_pod().run(silent=True)
    flow.apply(c)
    told = flow.next_pod().arguments()
    assert told["start"] == "latest"
    assert told["lineage"].split(",") == [revision_of(b), revision_of(a)]
    assert "checkpoint" not in flow.status(), "another revision's checkpoint is none of this one's"


def test_five_edits_within_moments_end_with_the_last_and_its_lineage_in_seconds(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    edits = [spec(weight=round(0.2 + 0.1 * number, 1)) for number in range(5)]
    for edit in edits:
        flow.apply(edit)

    def last():
        pods = [one for one in flow.pods() if "deletionTimestamp" not in one["metadata"]]
        return [
            one for one in pods if one["metadata"]["labels"]["computableflow.dev/revision"] == revision_of(edits[-1])
        ]

    (body,) = wait_for("the pod of the last edit", last, 15)
    told = scene.node.pod(body).arguments()
    assert told["lineage"].split(",")[-1] == revision_of(spec())


def test_a_suspended_flow_stops_resumes_and_counts_nothing(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.phase("Running")
    flow.edit(suspend=True)
    flow.phase("Suspended")
    assert flow.pods() == []
    flow.edit(suspend=None)
    flow.next_pod().run(100)
    status = flow.phase("Running")
    assert status["recoveries"]["count"] == 0
    flow.told({"Suspended", "Resumed"})


def test_suspending_a_completed_flow_leaves_it_completed(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100).finish()
    flow.phase("Completed")
    flow.edit(suspend=True)
    assert flow.phase("Completed")["result"]["iteration"] == 1000
    flow.edit(suspend=None)
    flow.until("the edit to be seen", lambda status: status["phase"] == "Completed")
    assert len(flow.jobs()) == 1


def test_an_invalid_edit_is_named_what_runs_goes_on_and_mending_it_is_enough(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100, 90)
    flow.phase("Running")
    bad = spec()
    bad["flow"]["terms"][1]["atom"] = "norm_l12"
    flow.apply(bad)
    assert "spec.flow.terms[1].atom" in flow.stalled("InvalidSpec")
    assert "deletionTimestamp" not in pod.body()["metadata"]
    flow.apply(spec())
    assert flow.phase("Running")["attempt"]["number"] == 1


def test_deleted_and_applied_again_in_a_moment_old_and_new_objects_never_mix(scene):
    flow = scene.flow().apply(spec(deletionPolicy="Delete"))
    old = flow.next_pod().run(100, 90)
    flow.phase("Running")
    flow.delete()
    flow.apply(spec(deletionPolicy="Delete"))
    uid = flow.body()["metadata"]["uid"]
    new = flow.next_pod(40)
    (job,) = [one for one in flow.jobs() if "deletionTimestamp" not in one["metadata"]]
    owners = {
        one["metadata"]["ownerReferences"][0]["uid"]
        for one in (job, scene.claim("denoise"), scene.api.get(scene.path("configmaps", f"denoise-{new.revision}")))
    }
    assert owners == {uid}
    assert old.body() is None


def test_a_job_deleted_by_hand_is_replaced_and_said(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.phase("Running")
    (job,) = flow.jobs()
    scene.api.delete(scene.path("jobs", job["metadata"]["name"], "apis/batch/v1"))
    assert flow.next_pod().attempt == 2
    flow.told({"JobDeleted"})


def test_a_pod_deleted_by_hand_whose_engine_saved_is_nothing_to_warn_of(scene):
    flow = scene.flow().apply(spec())
    pod = flow.next_pod().run(100, 90)
    flow.until("its checkpoint to be known", lambda status: status.get("checkpoint"))
    scene.api.delete(pod.path)
    flow.next_pod().run(100)
    flow.phase("Running")
    events = scene.api.items(scene.path("events"))
    kinds = {one["type"] for one in events if one["reason"] == "Interrupted"}
    assert kinds <= {"Normal"}


def test_more_iterations_go_on_where_the_flow_had_ended(scene):
    flow = scene.flow().apply(spec(limit=1000))
    flow.next_pod().run(100).finish()
    flow.phase("Completed")
    flow.apply(spec(limit=2000))
    again = flow.next_pod()
    assert (again.attempt, again.revision) == (2, revision_of(spec()))
    again.run(1100, 1000)
    flow.phase("Running")


def test_the_operator_leaves_the_users_object_alone(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100).finish()
    flow.phase("Completed")
    body = flow.body()
    assert body["spec"] == spec()
    assert set(body["metadata"]) <= {
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "generation",
        "resourceVersion",
        "managedFields",
    }
