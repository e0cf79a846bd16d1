"""A revision that fails is given up for the last stable one; the object of its owner is not touched."""

from flowapi.report import RunError
from kit.apiserver.scene import revision_of, spec, wait_for

STABLE, WRONG = spec(), spec(weight=0.2)
DIVERGED = RunError(code=76, reason="Diverged", message="the energy left every bound", remedy="Lower policy.step.")


def given_up(scene):
    """The flow, its stable revision's pod in place of the one that failed, and the object before."""
    flow = scene.flow().apply(STABLE)
    flow.next_pod().run(100, 90)
    flow.until("to be stable", lambda status: status["revision"]["stable"] == revision_of(STABLE))
    flow.apply(WRONG)
    pod = flow.next_pod().run(3)
    assert pod.revision == revision_of(WRONG)
    flow.phase("Running")
    before = flow.body()
    pod.end(76, error=DIVERGED)
    back = flow.next_pod().run(110, 100)
    assert back.revision == revision_of(STABLE)
    return flow, back, before


def test_the_stable_revision_runs_and_the_spec_stays(scene):
    flow, back, before = given_up(scene)
    assert (back.arguments()["start"], revision_of(WRONG) in back.arguments().get("lineage", "")) == ("latest", False)
    message = flow.stalled("RevisionFailed")
    assert "the energy left every bound. Lower policy.step." in message
    flow.until("its progress", lambda status: status["progress"]["iteration"] == 110)
    after = flow.body()
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"])
    assert flow.condition("RolledBack")[:2] == ("True", "RevisionFailed")
    flow.told({"RevisionStable", "RolledBack"})


def test_a_revert_adopts_the_pod_that_runs(scene):
    flow, back, _ = given_up(scene)
    flow.stalled("RevisionFailed")
    flow.apply(STABLE)
    flow.phase("Running")
    assert [one["metadata"]["uid"] for one in flow.pods() if "deletionTimestamp" not in one["metadata"]] == [back.uid]
    assert flow.condition("RolledBack")[:2] == ("True", "SpecReverted")
    flow.told({"SpecReverted"})


def test_more_memory_tries_the_failed_revision_once_more(scene):
    flow, _, _ = given_up(scene)
    flow.stalled("RevisionFailed")
    flow.edit(engine={"resources": {"limits": {"memory": "2Gi"}}})
    again = flow.next_pod().run(3)
    assert again.revision == revision_of(WRONG)
    again.end(76, error=DIVERGED)
    assert flow.next_pod().run(120, 110).revision == revision_of(STABLE)
    flow.stalled("RevisionFailed")


def test_an_operator_that_starts_anew_goes_on_with_the_stable_revision(scene):
    flow, back, _ = given_up(scene)
    flow.stalled("RevisionFailed")
    scene.node.engines.asked.clear()
    scene.operator.restart()
    wait_for("it to ask the engine", lambda: scene.node.engines.asked)  # or nobody sees how its pod ends
    back.evict()
    again = flow.next_pod().run(120, 110)
    assert (again.revision, again.attempt) == (revision_of(STABLE), back.attempt + 1)
    flow.until("the recovery", lambda status: status["recoveries"]["evictions"] == 1)
    flow.stalled("RevisionFailed")


def test_a_revision_without_a_green_checkpoint_by_its_deadline_is_given_up(scene):
    flow = scene.flow().apply(STABLE)
    flow.next_pod().run(100, 90)
    flow.until("to be stable", lambda status: status["revision"]["stable"] == revision_of(STABLE))
    flow.apply({**WRONG, "rollback": {"deadlineSeconds": 1}})
    flow.next_pod().run(3, controller="AMBER")
    assert flow.next_pod().run(110, 100).revision == revision_of(STABLE)
    assert "spec.rollback.deadlineSeconds" in flow.stalled("RevisionFailed")


def test_mended_inputs_try_the_failed_revision_once_more(scene):
    scene.api.post(scene.path("configmaps"), {"metadata": {"name": "photo"}, "data": {"b.csv": "1"}})
    flow = scene.flow().apply(STABLE)
    flow.next_pod().run(100, 90)
    flow.until("to be stable", lambda status: status["revision"]["stable"] == revision_of(STABLE))
    flow.apply({**WRONG, "inputs": [{"name": "photo", "configMapName": "photo"}]})
    first = flow.next_pod().run(0)
    first.end(65, error=RunError(code=65, reason="InvalidSpec", message="1 NaN", remedy="Mask it."))
    assert flow.next_pod().run(110, 100).revision == revision_of(STABLE)
    flow.stalled("RevisionFailed")
    scene.api.merge(scene.path("configmaps", "photo"), {"data": {"b.csv": "2"}})
    flow.edit(suspend=False)  # a pass
    assert wait_for("the next pod", flow.next_pod).revision == first.revision
