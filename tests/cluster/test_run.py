"""A flow from `kubectl apply` to its result."""

import hashlib

import pytest

from kit.denoise import spec


def test_a_flow_runs_to_completion(flow, tmp_path):
    flow.apply(spec(iterations=5000))
    status = flow.phase("Completed")
    assert status["result"]["reason"] == "IterationLimit"
    assert status["result"]["iteration"] == 5000
    assert {kind: flow.condition(kind)[:2] for kind in ("Ready", "Completed", "Stalled", "Reconciling")} == {
        "Ready": ("True", "Completed"),
        "Completed": ("True", "IterationLimit"),
        "Stalled": ("False", "Proceeding"),
        "Reconciling": ("False", "Settled"),
    }
    assert {"Created", "Completed"} <= flow.events()
    volume = flow.copy(tmp_path)
    file = volume / status["result"]["path"] / "x.npy"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == status["result"]["sha256"]["x"]


@pytest.mark.thorough
def test_the_operator_leaves_the_users_object_alone(flow):
    wanted = spec(iterations=3000)
    flow.apply(wanted)
    flow.phase("Completed")
    body = flow.body()
    assert body["spec"] == wanted
    assert set(body["metadata"].get("annotations", {})) <= {"kubectl.kubernetes.io/last-applied-configuration"}
    assert "finalizers" not in body["metadata"]
    assert "labels" not in body["metadata"]


@pytest.mark.thorough
def test_more_iterations_go_on_where_the_flow_had_ended(flow, reference):
    whole = reference(spec(iterations=8000))
    flow.apply(spec(iterations=5000))
    flow.phase("Completed")
    flow.apply(spec(iterations=8000))
    status = flow.phase("Completed")
    assert status["restoredFrom"]["iteration"] == 5000
    assert status["result"]["sha256"]["x"] == whole
