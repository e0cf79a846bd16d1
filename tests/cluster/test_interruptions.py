"""Evictions, kills and an operator that is away: nothing is lost that was saved, and the bits stay the same."""

import pytest

from kit.denoise import EVERY, LENGTH, spec

DEPLOYMENT = "deployment/computable-flows"
SYSTEM = "--namespace=computable-flows-system"
SELDOM = 30_000
WHILE_SAVING = 15_000  # the loop goes on while a checkpoint is written: 2 s of a quick engine on a busy machine


def test_five_evictions_over_both_nodes_lose_nothing(cluster, flow, reference):
    wanted = spec()
    whole = reference(wanted)
    flow.apply(wanted)
    nodes, reached = [], 0
    for attempt in range(1, 6):
        reached = flow.beyond(reached + EVERY, epoch=attempt).iteration
        nodes.append(flow.node())
        cluster.kubectl("cordon", nodes[-1])
        try:
            flow.evict()
            flow.beyond(reached, epoch=attempt + 1)
        finally:
            cluster.uncordon(nodes[-1])
    status = flow.phase("Completed")
    assert len(set(nodes)) == 2
    assert status["recoveries"]["evictions"] == 5
    assert status["recoveries"]["lostIterations"] == 0
    assert status["attempt"]["number"] == 6
    assert status["result"]["sha256"]["x"] == whole


def seldom_saved() -> dict:
    """Checkpoints are seconds apart, so that a kill between two of them is no matter of luck."""
    wanted = spec(iterations=2 * LENGTH)
    wanted["checkpoint"]["everyIterations"] = SELDOM
    return wanted


def between_checkpoints(flow) -> None:
    """Wait until the engine is well past one checkpoint and well before the next."""

    def look() -> bool:
        report = flow.report()
        if report is None or report.saved is None:
            return False
        return SELDOM // 20 <= report.iteration - report.saved.iteration <= SELDOM // 4

    flow.cluster.wait_for("a place between two checkpoints", look)


def test_a_killed_engine_loses_no_more_than_the_cadence_allows(cluster, flow, reference):
    cluster.arm()
    wanted = seldom_saved()
    whole = reference(wanted)
    flow.apply(wanted)
    between_checkpoints(flow)
    flow.kill()
    after = flow.beyond(SELDOM, epoch=2)
    assert 0 < after.lost_iterations <= SELDOM + WHILE_SAVING
    status = flow.phase("Completed")
    assert status["recoveries"]["crashes"] == 1
    assert status["recoveries"]["lostIterations"] == after.lost_iterations
    assert status["result"]["sha256"]["x"] == whole


@pytest.mark.thorough
def test_an_eviction_while_the_operator_is_away_loses_nothing(cluster, flow, reference):
    wanted = spec()
    whole = reference(wanted)
    flow.apply(wanted)
    flow.beyond(EVERY)
    cluster.kubectl("scale", DEPLOYMENT, SYSTEM, "--replicas=0")
    try:
        cluster.kubectl("wait", "pod", SYSTEM, "--selector=app.kubernetes.io/component=operator", "--for=delete")
        evicted = flow.evict()
        cluster.wait_for("the Job's own next pod", lambda: flow.pod() not in {"", evicted})
    finally:
        cluster.kubectl("scale", DEPLOYMENT, SYSTEM, "--replicas=1")
    cluster.kubectl("rollout", "status", DEPLOYMENT, SYSTEM, "--timeout=60s")
    status = flow.phase("Completed")
    assert status["recoveries"]["count"] == 1
    assert status["recoveries"]["lostIterations"] == 0
    assert status["result"]["sha256"]["x"] == whole


@pytest.mark.thorough
def test_a_killed_operator_changes_nothing(cluster, flow):
    flow.apply(spec())
    flow.beyond(EVERY)
    pod = flow.pod()
    cluster.kubectl(
        "delete", "pod", SYSTEM, "--selector=app.kubernetes.io/component=operator", "--grace-period=0", "--force"
    )
    cluster.kubectl("rollout", "status", DEPLOYMENT, SYSTEM, "--timeout=60s")
    assert flow.pod() == pod
    status = flow.phase("Completed")
    assert status["attempt"]["number"] == 1
    assert status["recoveries"]["count"] == 0


@pytest.mark.thorough
def test_what_was_lost_while_the_operator_was_away_is_reported_by_the_next_engine(cluster, flow, reference):
    cluster.arm()
    wanted = seldom_saved()
    whole = reference(wanted)
    flow.apply(wanted)
    flow.phase("Running")
    cluster.kubectl("scale", DEPLOYMENT, SYSTEM, "--replicas=0")
    try:
        cluster.kubectl("wait", "pod", SYSTEM, "--selector=app.kubernetes.io/component=operator", "--for=delete")
        between_checkpoints(flow)
        killed = flow.kill()
        cluster.wait_for("the Job's own next pod", lambda: flow.pod() not in {"", killed})
        again = flow.beyond(SELDOM)
    finally:
        cluster.kubectl("scale", DEPLOYMENT, SYSTEM, "--replicas=1")
    cluster.kubectl("rollout", "status", DEPLOYMENT, SYSTEM, "--timeout=60s")
    status = flow.phase("Completed")
    assert again.lost_iterations > 0
    assert status["recoveries"]["lostIterations"] == again.lost_iterations
    assert status["recoveries"]["count"] == 1
    assert status["result"]["sha256"]["x"] == whole
