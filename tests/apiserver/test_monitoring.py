"""A real Prometheus reads the operator and an engine: no panel of the dashboard is empty, and each alert comes and goes."""

import json
import re

import pytest
import yaml

from kit import prometheus
from kit.apiserver.leaders import LEASE, operator
from kit.apiserver.scene import spec, wait_for
from kit.pod import Pod
from kit.ports import free_port
from kit.runs import wait_until

pytestmark = pytest.mark.thorough


@pytest.fixture
def watched(idle_scene, loop, tmp_path):
    """A Prometheus that scrapes an operator with a flow that is evicted once, and a real engine."""
    scene, port = idle_scene, free_port()
    engine = Pod(tmp_path, limit=10_000_000)
    process = engine.start(1)
    labels = {"namespace": scene.namespace, "pod": "denoise-1", "computableflow_dev_flow": "denoise"}
    scene.api.delete(LEASE)
    try:
        with operator(scene, loop, "watched", port):
            flow = scene.flow().apply(spec())
            pod = flow.next_pod(60).run(100, 90)
            flow.until("its checkpoint", lambda status: status.get("checkpoint"))
            wait_until(process, lambda: engine.get("/readyz")[0] == 200)
            with prometheus.prometheus(tmp_path, {port: {"pod": "operator-1"}, engine.port: labels}) as found:
                wait_for("both targets", lambda: found.up() == 2, 60)
                pod.evict()
                flow.next_pod(60).run(120, 110)
                yield found
    finally:
        process.kill()
        process.communicate()


def test_no_panel_of_the_dashboard_is_empty_and_an_eviction_is_counted(watched):
    for title, query in prometheus.queries():
        wait_for(f"{title}: {query}", lambda text=query: watched.query(text), 60)
    query = 'sum by (cause) (computableflow_recoveries_total{cause="eviction"})'
    wait_for("the eviction", lambda: [one["value"][1] for one in watched.query(query)] == ["1"], 60)


FLOW = {"namespace": "work", "flow": "denoise"}
# the series that make an alert come, a sample a minute, and when it is there and gone
ALERTS = {
    "FlowStalled": ({'computableflow_phase{%s, phase="Stalled"}': "1x10 0x10"}, 7, 15),
    "FlowNotGreen": (
        {"computableflow_green{%s}": "0x20 1x10", 'computableflow_phase{%s, phase="Running"}': "1x30"}, 18, 25,
    ),
    "FlowCheckpointOld": (
        {
            "computableflow_checkpoint_timestamp_seconds{%s}": "0x80 4860x20",
            'computableflow_phase{%s, phase="Running"}': "1x100",
        }, 70, 90,
    ),
    "FlowLosesWork": (
        {
            "computableflow_lost_seconds_total{%s}": "0+60x300 18000x1600",
            "computableflow_down_seconds_total{%s}": "0+1x300 300x1600",
        }, 290, 1880,
    ),
    "FlowOperatorAbsent": ({"flowoperator_leader": "0x5 1x10"}, 3, 9),
    "FlowOperatorBehind": ({"flowoperator_queue_length": "200x15 0x10"}, 12, 20),
}  # fmt: skip


def expected(rule: dict) -> dict:
    """The alert as it reaches a person."""
    labels = FLOW if "$labels" in json.dumps(rule) else {}
    phase = {"phase": "Stalled"} if rule["alert"] == "FlowStalled" else {}
    said = {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda found: FLOW[found[1]], text)
        for key, text in rule["annotations"].items()
    }
    return {"exp_labels": {**labels, **phase, **rule["labels"]}, "exp_annotations": said}


def test_each_alert_comes_and_goes(tmp_path):
    path = prometheus.rules(tmp_path)
    prometheus.promtool("check", "rules", path)
    (group,) = yaml.safe_load(prometheus.ALERTS.read_text())
    assert set(ALERTS) == {one["alert"] for one in group["rules"]}
    place = ", ".join(f'{key}="{value}"' for key, value in FLOW.items())
    tests = []
    for rule in group["rules"]:
        series, there, gone = ALERTS[rule["alert"]]
        tests.append(
            {
                "interval": "1m",
                "input_series": [
                    {"series": name.replace("%s", place), "values": text} for name, text in series.items()
                ],
                "alert_rule_test": [
                    {"eval_time": f"{there}m", "alertname": rule["alert"], "exp_alerts": [expected(rule)]},
                    {"eval_time": f"{gone}m", "alertname": rule["alert"], "exp_alerts": []},
                ],
            }
        )
    (tmp_path / "tests.yaml").write_text(json.dumps({"rule_files": [path.name], "tests": tests}))
    assert "SUCCESS" in prometheus.promtool("test", "rules", tmp_path / "tests.yaml")
