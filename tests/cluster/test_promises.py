"""Promises that only a real engine on a real disk can keep or break: first moments, lost volumes, lineages, memory."""

import json
import random
import time

import pytest

from kit.cluster import KitError
from kit.denoise import EVERY, LENGTH, spec
from kit.flow import revision_of

GRACE = 60


def claims(cluster, namespace):
    return json.loads(cluster.kubectl("get", "persistentvolumeclaims", f"--namespace={namespace}", "-o", "json"))[
        "items"
    ]


def stopped_within(cluster, flow, pod, seconds):
    """Whether the pod is gone in far less than its grace period: this asks for seconds where a lost signal costs 60."""
    cluster.wait_for(
        f"pod {pod} to be gone", lambda: pod not in {one["metadata"]["name"] for one in flow.pods()}, seconds
    )


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.thorough)])
def test_sigterm_in_a_pods_first_moments_is_obeyed(cluster, flow, rounds):
    rng = random.Random(rounds)
    wanted = spec(iterations=LENGTH * max(rounds // 2, 1), terminationGracePeriodSeconds=GRACE)
    flow.apply(wanted)
    for number in range(rounds):
        pod = cluster.wait_for("a pod that runs", flow.pod)
        time.sleep(rng.uniform(0, 2))  # the moment is what is tested: any of its first seconds
        if number % 2:
            flow.evict()
        else:
            flow.apply(wanted | {"suspend": True})
        stopped_within(cluster, flow, pod, GRACE / 2)
        flow.apply(wanted)
    status = flow.phase("Completed")
    assert status["recoveries"]["crashes"] == 0


def test_a_deleted_claim_is_a_loss_that_is_said_and_never_a_silent_start_at_0(cluster, namespace, flow):
    flow.apply(spec())
    flow.beyond(2 * EVERY)
    cluster.wait_for("its checkpoint to be known", lambda: flow.status().get("checkpoint"))
    cluster.kubectl("delete", "persistentvolumeclaim", flow.name, f"--namespace={namespace}", "--wait=false")
    assert "being deleted" in flow.stalled("VolumeLost")
    flow.evict()
    cluster.wait_for("the claim to be gone", lambda: not claims(cluster, namespace))
    cluster.wait_for("the loss to be said", lambda: "is gone" in flow.condition("Stalled")[2])
    assert not claims(cluster, namespace)
    flow.apply(spec() | {"retryNonce": "begin anew"})
    report = flow.beyond(EVERY)
    assert report.restored_from is None
    assert flow.phase("Completed")["result"]["iteration"] == LENGTH


def test_two_edits_in_a_row_keep_the_warm_start_of_the_first_revision(flow):
    a, b, c = (spec(weight, rollback={"automatic": False}) for weight in (0.1, 0.2, 0.3))
    flow.apply(a)
    flow.beyond(2 * EVERY)
    flow.cluster.wait_for("its checkpoint to be known", lambda: flow.status().get("checkpoint"))
    b["flow"]["data"]["b"]["npy"] = "picture/nothing.npy"
    flow.apply(b)
    flow.stalled("InvalidSpec")
    flow.apply(c)
    report = flow.beyond(0, epoch=2)
    assert report.restored_from is not None
    assert (report.restored_from.revision, report.restored_from.reason) == (revision_of(a), "Continue")
    assert report.restored_from.iteration >= 2 * EVERY


def test_a_flow_that_diverges_ends_once(cluster, namespace, flow):
    flow.apply({
        "flow": {
            "data": {"b": {"inline": [1.0, 2.0]}},
            "variables": {"x": {"like": "b", "init": 0}},
            "terms": [{"atom": "quadratic", "arg": "x", "data": "b"}],
            "policy": {"step": 2.01},
            "stop": {"maxIterations": 10_000_000},
        },
        "checkpoint": {"everyIterations": 1000, "everySeconds": 0, "volume": {"size": "1Gi"}},
    })  # fmt: skip
    flow.stalled("Diverged")
    status = flow.status()
    assert status["recoveries"]["crashes"] == 0
    assert status["attempt"]["number"] == 1


def test_an_edit_that_diverges_ends_with_the_bits_of_the_stable_revision(flow, reference):
    whole, wrong = reference(spec()), spec()
    wrong["flow"] |= {"terms": wrong["flow"]["terms"][:1], "policy": {"step": 2.01}}
    wrong["flow"].pop("operators")
    wrong["flow"]["stop"] = {"maxIterations": 3 * EVERY}  # the stable revision has a stop of its own
    flow.apply(spec())
    flow.beyond(2 * EVERY)
    stable = revision_of(spec())
    flow.cluster.wait_for("it to be stable", lambda: flow.status()["revision"]["stable"] == stable)
    flow.apply(wrong)
    assert revision_of(wrong) in flow.stalled("RevisionFailed")
    flow.cluster.wait_for("its end", lambda: "with its result" in flow.condition("Stalled")[2])
    status = flow.status()
    assert (status["revision"]["current"], status["revision"]["desired"]) == (stable, revision_of(wrong))
    assert status["restoredFrom"]["revision"] == stable
    assert status["recoveries"]["crashes"] == 0
    flow.apply(spec())
    assert flow.phase("Completed")["result"]["sha256"]["x"] == whole


@pytest.mark.thorough
def test_an_edit_that_takes_too_much_memory_leaves_the_stable_revision_its_own(flow, reference):
    whole, tight = reference(spec()), {"engine": {"resources": {"limits": {"memory": "96Mi"}}}, "retry": {"limit": 0}}
    flow.apply(spec())
    flow.beyond(2 * EVERY)
    stable = revision_of(spec())
    flow.cluster.wait_for("it to be stable", lambda: flow.status()["revision"]["stable"] == stable)
    flow.apply(spec(weight=0.2, iterations=3 * EVERY, **tight))
    assert "want of memory" in flow.stalled("RevisionFailed")
    flow.cluster.wait_for("it to run", lambda: "runs in its place" in flow.condition("Stalled")[2])
    attempt = flow.status()["attempt"]["number"]
    flow.apply(spec())
    status = flow.phase("Completed")
    assert (status["attempt"]["number"], status["result"]["sha256"]["x"]) == (attempt, whole)


@pytest.mark.thorough
def test_an_engine_without_enough_memory_says_so(flow):
    flow.apply(spec(engine={"resources": {"limits": {"memory": "96Mi"}}}, retry={"limit": 0}))
    assert "want of memory (limit 96Mi)" in flow.stalled("RetriesExhausted")


@pytest.mark.thorough
def test_a_service_account_that_is_not_there_is_named(flow):
    flow.apply(spec(engine={"serviceAccountName": "nobody"}))
    assert 'serviceaccount "nobody" not found' in flow.stalled("PodCannotStart")


@pytest.mark.thorough
def test_a_quota_is_said_and_waited_for(cluster, namespace, flow):
    cluster.kubectl("create", "quota", "none", "--hard=count/jobs.batch=0", f"--namespace={namespace}")
    flow.apply(spec(iterations=3000))
    cluster.wait_for("it to say so", lambda: "exceeded quota: none" in flow.condition("Reconciling")[2])
    cluster.kubectl("delete", "quota", "none", f"--namespace={namespace}")
    flow.phase("Completed")


@pytest.mark.thorough
def test_retain_asked_for_while_suspended_keeps_the_volume(cluster, namespace, flow):
    flow.apply(spec(deletionPolicy="Delete"))
    flow.beyond(EVERY)
    flow.apply(spec(deletionPolicy="Delete", suspend=True))
    flow.phase("Suspended")
    flow.apply(spec(deletionPolicy="Retain", suspend=True))
    flow.phase("Suspended")
    flow.delete()
    with pytest.raises(KitError):
        cluster.wait_for("the claim to go, which it must not", lambda: not claims(cluster, namespace), 10)
