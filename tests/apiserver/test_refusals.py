"""The apiserver's refusal of an object is news for the flow's owner: its words, the field to change, one event."""

import pytest

from kit.apiserver.proxy import Fault
from kit.apiserver.scene import spec, wait_for


def quota(scene, hard):
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}, "spec": {"hard": hard}}
    scene.api.post(scene.path("resourcequotas"), body)
    wait_for(
        "the quota to hold", lambda: scene.api.get(scene.path("resourcequotas", "tight")).get("status", {}).get("hard")
    )


@pytest.mark.parametrize(
    ("hard", "kind"), [({"count/jobs.batch": "0"}, "Job"), ({"persistentvolumeclaims": "0"}, "PersistentVolumeClaim")]
)
def test_a_quota_is_waited_for_and_more_of_it_is_enough(scene, hard, kind):
    quota(scene, hard)
    flow = scene.flow().apply(spec())
    flow.until("it to say so", lambda status: "exceeded quota: tight" in str(status["conditions"]))
    status, reason, message = flow.condition("Reconciling")
    assert (status, reason) == ("True", "ProgressingWithRetry")
    assert f"The apiserver refuses the {kind}" in message
    scene.api.delete(scene.path("resourcequotas", "tight"))
    flow.next_pod(60).run(10)
    flow.phase("Running")


def test_a_claim_beyond_the_limit_range_names_its_size(scene):
    limit = {"type": "PersistentVolumeClaim", "max": {"storage": "1Mi"}}
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": [limit]}}
    scene.api.post(scene.path("limitranges"), body)
    flow = scene.flow().apply(spec())
    message = flow.stalled("Refused")
    assert message.startswith("spec.checkpoint.volume.size: the apiserver refuses the PersistentVolumeClaim")
    assert "maximum storage usage" in message


def test_what_an_admission_policy_says_is_said(scene):
    scene.proxy.faults.append(
        Fault("POST", "/jobs", 403, times=1, message='admission webhook "policy" denied the request: no')
    )
    flow = scene.flow().apply(spec())
    assert 'admission webhook "policy" denied the request: no' in flow.stalled("Refused")
    flow.next_pod(40).run(10)
    flow.phase("Running")
    assert [count for reason, _, count in flow.events() if reason == "Stalled"] == [1]


def test_an_object_that_is_invalid_names_the_field_of_the_spec(scene):
    said = 'Job.batch "denoise" is invalid: spec.template.spec.containers[0].resources.limits: Invalid value'
    scene.proxy.faults.append(Fault("POST", "/jobs", 422, times=1000, message=said))
    flow = scene.flow().apply(spec())
    message = flow.stalled("InvalidSpec")
    assert message.startswith("spec.engine.resources: the apiserver refuses the Job")
    assert flow.jobs() == []


def test_a_scratch_request_above_our_own_bound_is_no_contradiction(scene):
    flow = scene.flow().apply(spec(engine={"resources": {"requests": {"ephemeral-storage": "5Gi"}}}))
    resources = flow.next_pod().body()["spec"]["containers"][0]["resources"]
    assert resources["limits"]["ephemeral-storage"] == "5Gi"


def test_a_refusal_backs_off_and_an_edit_is_tried_at_once(scene):
    scene.proxy.faults.append(Fault("POST", "/jobs", 403, times=1000, message="no"))
    flow = scene.flow().apply(spec())
    flow.stalled("Refused")
    assert len([one for one in scene.proxy.writes if one.path.endswith("/jobs")]) < 4
    scene.proxy.faults.clear()
    flow.apply(spec(weight=0.2))
    flow.next_pod(5)


def test_an_owner_that_may_not_be_set_holds_up_neither_status_nor_suspension(scene):
    flow = scene.flow().apply(spec())
    flow.next_pod().run(100, 90)
    flow.phase("Running")
    scene.proxy.faults.append(Fault("PATCH", "/persistentvolumeclaims/", 403, times=1000, message="no owners here"))
    flow.edit(deletionPolicy="Delete")
    flow.edit(suspend=True)
    flow.phase("Suspended")
