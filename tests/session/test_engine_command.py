"""`cflow engine`, the pod's entry: status server, termination message, exit codes."""

import json
import signal
import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from flowapi.report import RunReport
from flowengine.run.board import Board
from flowengine.run.server import StatusServer
from kit.pod import Pod
from kit.runs import saved, wait_until


def test_status_ready_metrics_and_last_words(tmp_path) -> None:
    pod = Pod(tmp_path, limit=10_000_000)
    process = pod.start(1)
    try:
        wait_until(process, lambda: pod.get("/livez")[0] == 200)
        wait_until(process, lambda: pod.get("/readyz")[0] == 200)
        report = RunReport.model_validate_json(pod.get("/status")[1])
        assert (report.state, report.attempt, report.epoch) == ("Running", 1, 1)
        assert report.saved.iteration >= 100
        assert report.controller == "GREEN"
        scraped = {one.name: one.samples[0].value for one in families(pod.get("/metrics")[1].decode())}
        assert scraped["cflow_iteration"] >= report.iteration
        assert scraped["cflow_saves"] >= 1
        assert scraped["cflow_saved_bytes"] > 0
        assert scraped["cflow_save_seconds"] > 0
        assert pod.get("/else")[0] == 404
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 75
    words = RunReport.model_validate_json(pod.words.read_bytes())
    assert (words.state, words.saved.iteration) == ("Stopped", words.iteration)
    assert words.iteration == saved(pod.volume)


def test_telemetry_of_a_running_flow_goes_back_to_what_killed_pods_left(tmp_path) -> None:
    pod = Pod(tmp_path, limit=10_000_000)
    process = pod.start(1)
    wait_until(process, lambda: pod.get("/telemetry")[0] == 200)
    wait_until(process, lambda: saved(pod.volume) >= 300)
    process.kill()
    process.communicate(timeout=60)
    process = pod.start(2)
    try:
        wait_until(process, lambda: pod.get("/telemetry")[0] == 200)
        first = json.loads(pod.get("/telemetry")[1])["columns"]["iter"][-1]
        wait_until(process, lambda: json.loads(pod.get(f"/telemetry?after={first}")[1])["rows"] > 20)
        told = json.loads(pod.get("/telemetry?points=10000")[1])
        iterations = told["columns"]["iter"]
        assert iterations == sorted(set(iterations))
        assert set(told["columns"]["epoch"]) == {1, 2}
        resumed = next(one for one in told["events"] if one["event"] == "FLOW_RESUMED")
        assert [one["until"] for one in told["lineage"]] == [resumed["iter"], None]
        thin = json.loads(pod.get(f"/telemetry?after={first}&points=20")[1])
        assert len(thin["columns"]["E"]) <= 20 < thin["rows"]
        assert thin["columns"]["iter"][0] > first
        assert pod.get("/telemetry?points=1000000") == (400, b"points lies between 2 and 10000\n")
        assert pod.get("/telemetry?points=10&timeout=10s")[0] == 200, "what kubectl's --request-timeout adds"
        assert pod.get("/telemetry?after=x")[0] == pod.get("/telemetry?then=1")[0] == 400
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_finish_restart_and_older_attempt(tmp_path) -> None:
    pod = Pod(tmp_path, limit=400)
    code, first = pod.run(3)
    assert (code, first.state, first.result.reason, first.result.iteration) == (0, "Finished", "IterationLimit", 400)
    code, again = pod.run(4)
    assert (code, again.result) == (0, first.result)
    assert again.restored_from.iteration == 400
    code, late = pod.run(2)
    assert (code, late.error.reason, late.max_attempt) == (77, "Fenced", 4)


MANY = """
flow:
  name: many
  dtype: {dtype}
  data: {{b: {{npy: b.npy}}}}
  variables: {{x: {{shape: [2], chains: 2, spread: 1}}, z: {{shape: [3], chains: 2, spread: 1}}}}
  terms:
  - {{atom: tikhonov, arg: x}}
  - {{atom: tikhonov, arg: z}}
  policy: {{family: langevin}}
  outputs:
  - {{mean: x}}
  - {{var: x}}
  - {{rhat: x}}
  - {{ess: x}}
  - {{quantiles: x, keep: 10}}
  - {{mean: z}}
  - {{var: z}}
  - {{rhat: z}}
  - {{ess: z}}
  stop: {{maxIterations: {limit}}}
"""


def test_a_report_has_room_for_some_of_many_results(tmp_path) -> None:
    pod = Pod(tmp_path, limit=200, template=MANY)
    for attempt in (1, 2):  # the second has nothing left to do
        code, report = pod.run(attempt)
        assert (code, report.state, len(report.result.sha256)) == (0, "Finished", 8)
        summary = json.loads((pod.volume / report.result.path / "summary.json").read_text())
        assert len(summary["sha256"]) >= 9
        assert report.result.sha256.items() <= summary["sha256"].items()


def test_a_deleted_flows_volume(tmp_path) -> None:
    pod = Pod(tmp_path, limit=200)
    assert pod.run(5)[0] == 0
    path = tmp_path / "revision.json"
    path.write_text(path.read_text().replace("uid-1", "uid-2"))
    code, report = pod.run(6)
    assert (code, report.error.reason) == (65, "VolumeInUse")
    assert "uid-1, attempt 5" in report.error.message
    code, report = pod.run(6, "--adopt", "uid-1")
    assert (code, report.restored_from.iteration) == (0, 200)


@pytest.mark.parametrize("settings", ["{", json.dumps({"stop": {}}), json.dumps({"stop": {"maxIterations": "x"}})])
def test_damaged_settings_are_exit_64(tmp_path, settings) -> None:
    pod = Pod(tmp_path, limit=200)
    pod.settings = settings
    assert pod.run(1)[0] == 64


@pytest.mark.parametrize("why", ["taken", "no port"])
def test_a_port_that_can_not_be_served_stops_no_run(tmp_path, why) -> None:
    pod = Pod(tmp_path, limit=300)
    with socket.socket() as other:
        if why == "taken":
            other.bind(("0.0.0.0", pod.port))
            other.listen()
        else:
            pod.port = 70_000
        code, report = pod.run(1)
    assert (code, report.state, report.result.iteration) == (0, "Finished", 300)
    assert any(f"port {pod.port} can't be served" in one for one in report.warnings)


def test_the_hosts_name_is_asked_of_nobody(monkeypatch) -> None:
    """A name service that is down would hold up each start."""
    monkeypatch.setattr(socket, "gethostbyaddr", lambda _: pytest.fail("the name service was asked"))
    with StatusServer(Board(RunReport(revision="", attempt=1)), 0) as server:
        assert (server.trouble, server.port > 0) == ("", True)
