"""`kubectl cflow result` on real nodes: through a pod that reads the volume, beside the engine and after it."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from kit.denoise import spec
from kit.flow import LiveFlow

PLUGIN = Path(sys.executable).with_name("kubectl-cflow")


def plugin(flow: LiveFlow, *words: object) -> str:
    cluster = flow.cluster
    path = f"{cluster.kubectl_path.parent}:{os.environ['PATH']}"
    env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "PATH": path}
    command = [str(PLUGIN), *map(str, words), "-n", flow.namespace]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def reader_is_gone(flow: LiveFlow) -> None:
    def look() -> bool:
        return all(one["metadata"]["name"] != f"{flow.name}-reader" for one in flow.cluster.get(
            f"/api/v1/namespaces/{flow.namespace}/pods", 30)["items"])  # fmt: skip

    flow.cluster.wait_for("the reader pod to be gone", look, 60)


def test_a_result_is_fetched_while_the_flow_runs_and_after_it(flow, tmp_path) -> None:
    flow.apply(spec())
    flow.beyond(4000)
    assert "has not ended" in plugin(flow, "result", flow.name, "-o", tmp_path / "early")
    early = json.loads((tmp_path / "early" / "summary.json").read_text())
    assert early["provisional"] is True
    flow.cluster.wait_for("the sparkline", lambda: "residual  " in plugin(flow, "status", flow.name), 60)
    reader_is_gone(flow)
    flow.apply(spec(iterations=early["iterations"] + 20_000))
    status = flow.phase("Completed")
    assert "as in the status" in plugin(flow, "result", flow.name, "-o", tmp_path / "final")
    digest = hashlib.sha256((tmp_path / "final" / "x.npy").read_bytes()).hexdigest()
    assert digest == status["result"]["sha256"]["x"]
    assert "good" in plugin(flow, "checkpoints", flow.name)
    reader_is_gone(flow)
