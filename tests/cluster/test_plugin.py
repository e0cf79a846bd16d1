"""`kubectl cflow result` on real nodes: through a pod that reads the volume, beside the engine and after it."""

import hashlib
import json

from kit.denoise import spec
from kit.flow import LiveFlow


def reader_is_gone(flow: LiveFlow) -> None:
    def look() -> bool:
        return all(one["metadata"]["name"] != f"{flow.name}-reader" for one in flow.cluster.get(
            f"/api/v1/namespaces/{flow.namespace}/pods", 30)["items"])  # fmt: skip

    flow.cluster.wait_for("the reader pod to be gone", look, 60)


def test_a_result_is_fetched_while_the_flow_runs_and_after_it(flow, tmp_path) -> None:
    flow.apply(spec())
    flow.beyond(4000)
    assert "has not ended" in flow.plugin("result", flow.name, "-o", tmp_path / "early")
    early = json.loads((tmp_path / "early" / "summary.json").read_text())
    assert early["provisional"] is True
    flow.cluster.wait_for("the sparkline", lambda: "residual  " in flow.plugin("status", flow.name), 60)
    reader_is_gone(flow)
    flow.apply(spec(iterations=early["iterations"] + 20_000))
    status = flow.phase("Completed")
    assert "as in the status" in flow.plugin("result", flow.name, "-o", tmp_path / "final")
    digest = hashlib.sha256((tmp_path / "final" / "x.npy").read_bytes()).hexdigest()
    assert digest == status["result"]["sha256"]["x"]
    assert "good" in flow.plugin("checkpoints", flow.name)
    reader_is_gone(flow)
