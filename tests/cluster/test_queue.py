"""The real Kueue on real nodes: a flow waits, runs, is preempted, saves, waits, goes on, and ends with the same bits."""

import pytest

from kit.cluster.builtin.layout import HOST_ADDRESS
from kit.denoise import EVERY, spec
from kit.kueue import CPU, kueue, labels, rival


@pytest.mark.thorough
def test_a_flow_that_is_preempted_by_another_job_of_its_queue_ends_with_the_same_bits(
    cluster, namespace, flow, reference, tmp_path
):
    if cluster.provider != "builtin":
        pytest.skip("Kueue runs beside the cluster, which must reach this machine's address: the built-in one does")
    wanted = spec(engine={"resources": CPU})
    whole = reference(wanted)

    def queued():
        cluster.wait_for("it to be queued", lambda: flow.condition("Reconciling")[1] == "Queued")

    def ask(name):
        cluster.apply([rival(name, cluster.engine, ["sleep", "3000"])], namespace)

    def withdraw(name):
        cluster.kubectl("delete", "job", name, f"--namespace={namespace}")

    with kueue(cluster.kubectl, cluster.kubeconfig, namespace, tmp_path, cpus=1, address=HOST_ADDRESS):
        ask("first")
        flow.apply(wanted, labels=labels("low"))
        queued()
        withdraw("first")
        flow.beyond(EVERY)
        ask("second")
        queued()
        cluster.wait_for("its pod to be gone", lambda: not flow.pods())
        withdraw("second")
        status = flow.phase("Completed")
    assert status["attempt"]["number"] == 1
    assert status["restoredFrom"]["iteration"] >= EVERY
    assert status["recoveries"]["lostIterations"] == 0
    assert status["result"]["sha256"]["x"] == whole
