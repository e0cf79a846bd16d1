"""`cflow engine`, the pod's entry: status server, termination message, exit codes, jumps."""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from flowapi.reader import read_one
from flowapi.report import RunReport
from flowapi.revision import RevisionFile, RevisionTuple, RuntimeSettings
from flowapi.spec import load_manifest
from kit.manifests import BOUNDED, DENOISE, write_flow
from kit.runs import CFLOW, saved


class Pod:
    """What the operator gives an engine: a volume, inputs, a revision file, an attempt."""

    def __init__(self, folder: Path, **flow) -> None:
        self.folder = folder
        self.volume = folder / "volume"
        self.words = folder / "termination-log"
        self.edit(write_flow(folder / "flow", **flow))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def edit(self, manifest: Path) -> str:
        read = load_manifest(read_one(manifest))
        tuple_ = RevisionTuple.of(read.spec)
        revision = RevisionFile(hash=tuple_.hash, name=read.name, namespace="ns", uid="uid-1", tuple=tuple_)
        (self.folder / "revision.json").write_bytes(revision.to_bytes())
        self.settings = RuntimeSettings.of(read.spec, read.document).to_json()
        return tuple_.hash

    def start(self, attempt: int, *more: str, engine: tuple[str, ...] = (str(CFLOW), "engine")) -> subprocess.Popen:
        command = [
            *engine, "--revision-file", str(self.folder / "revision.json"), "--root", str(self.volume),
            "--attempt", str(attempt), "--settings", self.settings, "--inputs", str(self.folder / "flow"),
            "--port", str(self.port), *more,
        ]  # fmt: skip
        self.words.unlink(missing_ok=True)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "CFLOW_TERMINATION_LOG": str(self.words)})  # fmt: skip

    def run(self, attempt: int, *more: str) -> tuple[int, RunReport]:
        code, report = self.run_to_any_end(attempt, *more)
        assert code != 70
        return code, report

    def run_to_any_end(self, attempt: int, *more: str) -> tuple[int, RunReport]:
        process = self.start(attempt, *more)
        out, _ = process.communicate(timeout=120)
        assert self.words.stat().st_size <= 4096
        assert ("Traceback" in out) == (process.returncode == 70), out
        return process.returncode, RunReport.model_validate_json(self.words.read_bytes())

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


def wait_for(condition, process) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(
        f"it did not come: {process.poll()} {process.stdout.read() if process.poll() is not None else ''}"
    )


def test_status_ready_metrics_and_last_words(tmp_path) -> None:
    pod = Pod(tmp_path, limit=10_000_000)
    process = pod.start(1)
    try:
        wait_for(lambda: pod.get("/livez")[0] == 200, process)
        wait_for(lambda: pod.get("/readyz")[0] == 200, process)
        report = RunReport.model_validate_json(pod.get("/status")[1])
        assert (report.state, report.attempt, report.epoch) == ("Running", 1, 1)
        assert report.saved.iteration >= 100
        assert report.controller == "GREEN"
        assert b"cflow_iteration{" in pod.get("/metrics")[1]
        assert pod.get("/else")[0] == 404
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 75
    words = RunReport.model_validate_json(pod.words.read_bytes())
    assert (words.state, words.saved.iteration) == ("Stopped", words.iteration)
    assert words.iteration == saved(pod.volume)


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


@pytest.mark.parametrize(("template", "weight"), [(DENOISE, "0.1"), (BOUNDED, "0.01")], ids=["pd3o", "admm"])
def test_spec_rollback_and_continue(template, weight, tmp_path) -> None:
    """A → B (Continue) → A: B warm-starts from A's state once; A goes on from its own latest checkpoint."""
    pod = Pod(tmp_path, limit=600, template=template)
    manifest = tmp_path / "flow" / "flow.yaml"
    text = manifest.read_text()
    a = pod.edit(manifest)
    assert pod.run(1)[0] == 0
    pod.settings = pod.settings.replace("600", "900")
    manifest.write_text(text.replace(f"weight: {weight}", "weight: 0.3"))
    b = pod.edit(manifest)
    code, report = pod.run(2, "--start", f"{a}/latest", "--jump", "j1", "--retain", f"{a},{b}")
    assert (code, report.revision) == (0, b)
    assert (report.restored_from.revision, report.restored_from.reason) == (a, "Continue")
    code, report = pod.run(3, "--start", f"{a}/latest", "--jump", "j1", "--retain", f"{a},{b}")
    assert (code, report.restored_from.reason) == (0, "Resume")
    manifest.write_text(text)
    assert pod.edit(manifest) == a
    code, report = pod.run(4, "--retain", f"{a},{b}")
    assert (code, report.restored_from.revision, report.restored_from.iteration) == (0, a, 600)


def test_an_entry_point_continues_from_its_whole_state(tmp_path, monkeypatch) -> None:
    """Another number in its flow is another revision; the optimiser's memory goes along. Terms can't go on from it."""
    pod = Pod(tmp_path, limit=200)
    terms = pod.edit(tmp_path / "flow" / "flow.yaml")
    example = Path(__file__).parent.parent.parent / "examples" / "training"
    monkeypatch.setenv("PYTHONPATH", str(example))
    shutil.copy(example / "spirals.csv", tmp_path / "flow" / "in" / "spirals.csv")
    manifest = tmp_path / "flow" / "entry.yaml"
    text = (
        "apiVersion: computableflow.dev/v1alpha1\nkind: ComputableFlow\nmetadata: {name: denoise}\nspec:\n  flow:\n"
        "    data: {spirals: {csv: in/spirals.csv}}\n    entrypoint: training:build\n    params: {rate: 0.01}\n"
        "    stop: {maxIterations: 500}\n  inputs: [{name: in, configMapName: data}]\n"
    )
    manifest.write_text(text)
    a = pod.edit(manifest)
    code, first = pod.run(1)
    assert code == 0
    manifest.write_text(text.replace("0.01", "0.005"))
    b = pod.edit(manifest)
    code, report = pod.run(2, "--start", f"{a}/latest", "--jump", "j1", "--retain", f"{a},{b}")
    assert (code, report.restored_from.reason) == (0, "Continue")
    assert report.result.energy < first.result.energy
    pod.edit(tmp_path / "flow" / "flow.yaml")
    code, report = pod.run(3, "--start", f"{b}/latest", "--jump", "j2", "--retain", f"{a},{b},{terms}")
    assert (code, report.error.path, report.error.remedy) == (65, "spec.upgrade.mode", "Use Restart.")


def test_continue_leads_to_a_point_of_the_manifold_or_nowhere(tmp_path) -> None:
    pod = Pod(tmp_path, limit=50)
    manifest = tmp_path / "flow" / "flow.yaml"
    text = (
        "apiVersion: computableflow.dev/v1alpha1\nkind: ComputableFlow\nmetadata: {name: denoise}\nspec:\n  flow:\n"
        "    data: {g: {inline: [[1.5, 0], [0, -1]]}, h: {inline: [[1, 0], [0, 1]]}}\n"
        "    variables: {x: {like: g, init: g%s}}\n    terms: [{atom: quadratic, arg: x, data: h}]\n"
        "    stop: {maxIterations: 1}\n"
    )
    manifest.write_text((text % "").replace("data: h", "data: g"))
    a = pod.edit(manifest)
    assert pod.run(1)[0] == 0
    manifest.write_text((text % ", manifold: spd").replace("init: g", "init: h"))
    pod.edit(manifest)
    code, report = pod.run(2, "--start", f"{a}/latest", "--jump", "j1", "--retain", a)
    assert (code, report.error.path, report.error.remedy) == (65, "spec.upgrade.mode", "Use Restart.")
    assert "manifold" in report.error.message
    manifest.write_text(text % ", manifold: stiefel")
    pod.edit(manifest)
    assert pod.run(3, "--start", f"{a}/latest", "--jump", "j2", "--retain", a)[0] == 0
    found = np.load(next((pod.volume / "result").glob("x.npy")))
    assert np.abs(found.T @ found - np.eye(2)).max() < 1e-12


def test_continue_with_another_shape_is_incompatible(tmp_path) -> None:
    pod = Pod(tmp_path, limit=200)
    a = pod.edit(tmp_path / "flow" / "flow.yaml")
    assert pod.run(1)[0] == 0
    pod.edit(write_flow(tmp_path / "flow", DENOISE, size=32, limit=200, dtype="float32"))
    code, report = pod.run(2, "--start", f"{a}/latest", "--jump", "j", "--retain", a)
    assert (code, report.error.reason, report.error.path) == (65, "IncompatibleCheckpoint", "spec.upgrade.mode")


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


WATCHED = """
import sys
from importlib.util import _LazyModule
from flowengine.cli import engine
load = engine.load_jax
def watched():
    load()
    import jax.monitoring
    jax.monitoring.register_event_listener(
        lambda event, **_: print("PROGRAM", flush=True) if event.endswith("/compile_requests_use_cache") else None
    )
engine.load_jax = watched
code = engine.main(sys.argv[1:])
print("LOADED", *(name for name, module in sys.modules.items() if type(module) is not _LazyModule))
sys.exit(code)
"""


def test_a_resumed_start_asks_for_one_program_and_loads_no_more_than_it_needs(tmp_path) -> None:
    """Every small program beside the loop would take 0.01 s of each recovery, and so would many a module."""
    pod = Pod(tmp_path, limit=10**8, every=1000)
    first = pod.start(1)
    wait_for(lambda: saved(pod.volume) > 0, first)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    second = pod.start(2, engine=(sys.executable, "-c", WATCHED))
    lines = list(itertools.takewhile(lambda line: '"Running"' not in line, second.stdout))
    second.send_signal(signal.SIGTERM)
    rest = second.communicate(timeout=60)[0].splitlines()
    assert second.returncode == 75
    assert sum(line.startswith("PROGRAM") for line in lines) == 1
    loaded = set(next(line for line in rest if line.startswith("LOADED")).split())
    assert "jax._src.pjit" in loaded
    assert not loaded & {"jaxtyping", "etils", "jax.nn", "jax.debug", "jaxlib.mosaic.python.tpu", "scipy", "rich"}


def test_what_a_start_leaves_out_is_there_when_touched() -> None:
    """An entry point may use all of jax, and whatever else is installed."""
    code = """
from flowengine.run.platform import prepare
from flowengine.run.jax_import import LATER, load_jax
prepare(1)
load_jax()
import sys
import jax
from importlib.util import _LazyModule
later = {name for name in LATER if type(sys.modules[name]) is _LazyModule}
assert later == LATER, LATER - later
import etils.epath, jax.scipy.linalg, jax.nn
assert float(jax.nn.softplus(0.0)) > 0.6
assert jax.scipy.special.xlogy(1.0, 1.0) == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True)
