"""From the version before to this one, back, and forth again, under flows that run and that have ended: none restarts.

The version before is `CFLOW_PREVIOUS`, any name that Git knows; without it the newest tag, or where there is none the
commit fifty before this one.
"""

import os
import subprocess
import time

import pytest

from kit.apiserver import plane as planes
from kit.apiserver.process import OperatorProcess
from kit.apiserver.scene import scene as make_scene
from kit.apiserver.scene import spec, wait_for
from kit.cluster.paths import CHECKOUT

FLOWS = 20
PASSES_SECONDS = 25.0  # for passes over all flows, and the early comparisons of the cache
CRD = "crds/computableflows.computableflow.dev.yaml"


def git(*words):
    return subprocess.run(["git", "-C", CHECKOUT, *words], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def previous(tmp_path):
    """The checkout of the version before, with its environment."""
    tags = git("tag", "--list", "v*", "--sort=-version:refname").splitlines()
    known = os.environ.get("CFLOW_PREVIOUS") or next(iter(tags), "HEAD~50")
    folder = tmp_path / "previous"
    git("worktree", "add", "--detach", folder, known)
    try:
        subprocess.run(["make", ".venv"], cwd=folder, check=True, capture_output=True)
        yield folder
    finally:
        git("worktree", "remove", "--force", folder)


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_no_flow_restarts_when_the_operator_changes_its_version(previous, tmp_path, loop):
    with planes.start(tmp_path) as plane, make_scene(plane, loop, started=False) as scene:

        def begin(checkout):
            plane.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", (checkout or CHECKOUT) / CRD)
            port = scene.operator.engines_port
            return OperatorProcess(scene.operator.url, plane.token, port, scene.namespace, checkout=checkout)

        def state():
            """Jobs and pods by their uids, and what each flow is; not the conditions' sentences."""
            jobs = {one["metadata"]["uid"] for one in scene.jobs()}
            pods = {one["metadata"]["uid"] for flow in flows for one in flow.pods()}
            said = [(one["phase"], one["attempt"], one["revision"], one.get("result"), one["recoveries"])
                    for one in (flow.status() for flow in flows)]  # fmt: skip
            return jobs, pods, said

        flows = [scene.flow(f"flow-{number}") for number in range(FLOWS)]
        operator = begin(previous)
        try:
            for flow in flows:
                flow.apply(spec())
            pods = [flow.next_pod(60).run(100, 90) for flow in flows]
            for pod in pods[FLOWS // 2 :]:
                pod.finish()
            wanted = ["Running"] * (FLOWS // 2) + ["Completed"] * (FLOWS - FLOWS // 2)
            wait_for("all to be as they should", lambda: [flow.status().get("phase") for flow in flows] == wanted, 120)
            time.sleep(5)  # for the last checkpoint to be written
            before = state()
            for checkout in (None, previous, None):
                assert operator.drain() == 0
                operator = begin(checkout)
                time.sleep(PASSES_SECONDS)
                assert state() == before
            pods[0].evict()
            flows[0].next_pod(60).run(110, 100)
            flows[0].until("it to go on", lambda status: status["recoveries"]["evictions"] == 1)
        finally:
            operator.kill()
