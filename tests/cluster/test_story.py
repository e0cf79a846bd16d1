"""What a flow's life in Git is made of: edits, reverts, pauses, deletion, and a node that goes away."""

import json

import pytest

from kit.denoise import EVERY, LENGTH, spec
from kit.flow import revision_of


def test_an_edit_continues_from_the_last_good_checkpoint(flow):
    a, b = spec(), spec(weight=0.2)
    flow.apply(a)
    flow.beyond(2 * EVERY)
    flow.apply(b)
    report = flow.beyond(0, epoch=2)
    assert report.revision == revision_of(b)
    assert report.restored_from is not None
    assert (report.restored_from.revision, report.restored_from.reason) == (revision_of(a), "Continue")
    assert report.restored_from.iteration >= 2 * EVERY
    status = flow.phase("Completed")
    assert status["result"]["iteration"] == LENGTH
    assert status["revision"]["current"] == revision_of(b)


@pytest.mark.thorough
def test_restart_begins_afresh(flow, reference):
    b = spec(weight=0.2, iterations=8000)
    whole = reference(b)
    flow.apply(spec())
    flow.beyond(EVERY)
    flow.apply(b | {"upgrade": {"mode": "Restart"}})
    status = flow.phase("Completed")
    assert "restoredFrom" not in status
    assert status["result"]["sha256"]["x"] == whole


def test_a_revert_goes_on_from_its_own_checkpoint_and_so_does_the_revert_of_that(flow, reference):
    a, b = spec(), spec(weight=0.2)
    whole = reference(a)
    flow.apply(a)
    flow.beyond(2 * EVERY)
    flow.apply(b)
    first_b = flow.beyond(2 * EVERY, epoch=2)
    left = flow.status()["revisions"][0]["checkpoint"]
    flow.apply(a)
    back = flow.beyond(0, epoch=3)
    assert back.restored_from is not None
    assert back.revision == back.restored_from.revision == revision_of(a)
    assert (back.restored_from.id, back.restored_from.digest) == (left["id"], left["digest"])
    assert flow.condition("RolledBack")[:2] == ("True", "SpecReverted")
    flow.apply(b)
    again = flow.beyond(0, epoch=4)
    assert again.restored_from is not None
    assert again.restored_from.revision == revision_of(b)
    assert again.restored_from.iteration >= first_b.iteration
    flow.apply(a)
    status = flow.phase("Completed")
    assert status["result"]["sha256"]["x"] == whole
    assert status["recoveries"]["lostIterations"] == 0
    assert "RollbackStarted" in flow.events()


@pytest.mark.thorough
def test_a_completed_revision_comes_back_with_its_result(flow):
    a, b = spec(iterations=3000), spec(weight=0.2, iterations=3000)
    flow.apply(a)
    result = flow.phase("Completed")["result"]
    flow.apply(b)
    assert flow.phase("Completed")["result"]["sha256"] != result["sha256"]
    flow.apply(a)
    status = flow.phase("Completed")
    assert status["revision"]["current"] == revision_of(a)
    assert status["result"] == result


def test_suspend_stops_at_a_checkpoint_and_resume_goes_on(cluster, flow, reference):
    wanted = spec()
    whole = reference(wanted)
    flow.apply(wanted)
    flow.beyond(EVERY)
    flow.apply(wanted | {"suspend": True})
    flow.phase("Suspended")
    cluster.wait_for("no pod", lambda: not flow.pods())
    flow.apply(wanted)
    after = flow.beyond(0, epoch=2)
    assert after.restored_from is not None
    assert after.lost_iterations == 0
    told = cluster.wait_for("the status to say from where", lambda: flow.status().get("restoredFrom"))
    assert told["checkpoint"] == after.restored_from.id
    status = flow.phase("Completed")
    assert status["result"]["sha256"]["x"] == whole
    assert status["recoveries"]["count"] == 0


def test_retain_keeps_the_volume_and_the_same_flow_goes_on_with_it(cluster, namespace, flow, reference):
    wanted = spec()
    whole = reference(wanted)
    flow.apply(wanted)
    flow.beyond(2 * EVERY)
    flow.delete()
    cluster.wait_for("no pod", lambda: not flow.pods())
    cluster.kubectl("get", "persistentvolumeclaim", flow.name, f"--namespace={namespace}")
    flow.apply(wanted)
    after = flow.beyond(0)
    assert after.restored_from is not None
    assert after.restored_from.iteration >= 2 * EVERY
    assert after.lost_iterations == 0
    status = flow.phase("Completed")
    assert status["result"]["sha256"]["x"] == whole


@pytest.mark.thorough
def test_another_flow_on_a_retained_volume_starts_afresh(cluster, flow, reference):
    b = spec(weight=0.2, iterations=8000)
    whole = reference(b)
    flow.apply(spec())
    flow.beyond(EVERY)
    flow.delete()
    cluster.wait_for("no pod", lambda: not flow.pods())
    flow.apply(b)
    status = flow.phase("Completed")
    assert "restoredFrom" not in status
    assert status["result"]["sha256"]["x"] == whole


@pytest.mark.thorough
def test_delete_takes_the_volume_along(cluster, namespace, flow):
    flow.apply(spec(deletionPolicy="Delete"))
    flow.beyond(EVERY)
    flow.delete()

    def claims() -> list[str]:
        found = json.loads(cluster.kubectl("get", "persistentvolumeclaim", f"--namespace={namespace}", "-o", "json"))
        return [one["metadata"]["name"] for one in found["items"]]

    cluster.wait_for("no claim and no pod", lambda: not claims() and not flow.pods())


def test_a_drained_node_sends_the_flow_to_the_other(cluster, flow, reference):
    wanted = spec()
    whole = reference(wanted)
    flow.apply(wanted)
    flow.beyond(EVERY)
    node = flow.node()
    try:
        cluster.drain(node)
        after = flow.beyond(EVERY, epoch=2)
        assert after.lost_iterations == 0
        assert flow.node() != node
    finally:
        cluster.uncordon(node)
    cluster.kubectl("rollout", "status", "deployment/computable-flows", "--namespace=computable-flows-system")
    assert flow.phase("Completed")["result"]["sha256"]["x"] == whole


@pytest.mark.thorough
def test_a_restore_goes_back_to_a_checkpoint_and_ends_with_the_same_bits(flow, reference):
    wanted = spec()
    whole = reference(wanted)
    wanted["checkpoint"]["keep"] = 10
    flow.apply(wanted)
    flow.beyond(2 * EVERY)
    known = flow.status()["checkpoint"]
    flow.beyond(known["iteration"] + 3 * EVERY)
    place = f"{revision_of(wanted)}/{known['id']}"
    flow.apply(wanted | {"restore": {"nonce": "1", "checkpoint": place}})
    status = flow.phase("Completed")
    assert (status["restoredFrom"]["checkpoint"], status["restoredFrom"]["reason"]) == (known["id"], "Restore")
    assert status["result"]["sha256"]["x"] == whole


@pytest.mark.thorough
def test_a_volume_grows_under_a_running_flow(cluster, namespace, flow):
    wanted = spec(iterations=20_000_000)
    flow.apply(wanted)
    flow.beyond(EVERY)
    pod, path = flow.pod(), f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{flow.name}"
    flow.apply(wanted | {"checkpoint": wanted["checkpoint"] | {"volume": {"size": "2Gi"}}})
    cluster.wait_for("the claim to grow", lambda: cluster.get(path)["status"]["capacity"]["storage"] == "2Gi")
    flow.beyond(flow.report().iteration + EVERY)
    assert (flow.pod(), flow.status()["attempt"]["number"]) == (pod, 1)
