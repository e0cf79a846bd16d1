"""A flow that lost its pod five times on real nodes has one curve, with a mark for each time."""

import json

import pytest

from kit.dashboards import marks
from kit.denoise import EVERY, LENGTH, spec
from kit.runs import here


@pytest.mark.thorough
def test_five_interruptions_are_five_marks_on_one_curve(cluster, flow, tmp_path) -> None:
    cluster.arm()
    flow.apply(spec())
    reached, interruptions = 0, (flow.evict, flow.kill, flow.evict, flow.kill, flow.evict)
    for number, interrupt in enumerate(interruptions):
        reached = flow.beyond(reached + 2 * EVERY, epoch=number + 1).iteration
        interrupt()
    status = flow.phase("Completed")
    assert status["recoveries"]["count"] == len(interruptions)

    flow.plugin("report", flow.name, "-o", tmp_path / "report.html")
    assert set(marks((tmp_path / "report.html").read_text(encoding="utf-8"))) == {(len(interruptions), 0)}

    rows = here("query", "SELECT iter FROM telemetry ORDER BY iter", flow.copy(tmp_path / "volume"), "--format", "json")
    iterations = [row["iter"] for row in json.loads(rows)]
    every = iterations[0]
    assert iterations == list(range(every, LENGTH + 1, every))
