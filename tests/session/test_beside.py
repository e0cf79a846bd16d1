"""Nothing beside the store stops a run or its saves: telemetry that can't be written, a thread that dies, what hangs."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowapi.report import ExitCode
from kit.manifests import write_flow
from kit.runs import kill_when, progress, run, saved, start, summary


@pytest.fixture
def stub(tmp_path, monkeypatch) -> Path:
    """A folder that Python looks into first."""
    folder = tmp_path / "stub"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def without_telemetry(stub: Path, error: str) -> None:
    (stub / "pyarrow").mkdir()
    (stub / "pyarrow" / "__init__.py").write_text(f"raise {error}\n")


@pytest.mark.parametrize("error", ["ImportError('broken')", "MemoryError", "SystemExit(3)"])
def test_telemetry_that_can_not_be_loaded_costs_no_checkpoint_and_no_result(tmp_path, stub, error) -> None:
    manifest = write_flow(tmp_path / "flow", limit=2000)
    run("run", manifest, "--root", tmp_path / "whole")
    without_telemetry(stub, error)
    root = tmp_path / "root"
    out = run("run", manifest, "--root", root)
    assert "telemetry could not be written" in out
    assert "Traceback" not in out
    assert summary(root)["sha256"] == summary(tmp_path / "whole")["sha256"]
    assert saved(root) == 2000


def test_without_telemetry_a_stop_still_saves(tmp_path, stub) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=10**9), tmp_path / "root"
    without_telemetry(stub, "ImportError")
    process = start("run", manifest, "--root", root)
    out = kill_when(process, lambda: progress(root) > 300, signal.SIGTERM)
    assert process.returncode == ExitCode.STOPPED, out
    assert saved(root) == progress(root)


DEAD = """
from flowengine.run.saver import Saver
def dies(self, job):
    raise SystemExit("the saver dies")
Saver._saved = dies
"""


@pytest.mark.parametrize("command", ["run", "engine"])
def test_a_saver_that_dies_ends_the_run_with_a_save_and_a_code(tmp_path, stub, command) -> None:
    from kit.pod import Pod

    (stub / "sitecustomize.py").write_text(DEAD)
    pod = Pod(tmp_path, limit=10**9)
    if command == "engine":
        code, report = pod.run_to_any_end(1)
        assert (code, report.error.reason) == (ExitCode.INTERNAL, "InternalError")
        assert saved(pod.volume) == report.iteration >= 100
        return
    out = run("run", tmp_path / "flow" / "flow.yaml", "--root", tmp_path / "root", code=ExitCode.INTERNAL)
    assert "the thread that saves has died" in out
    assert saved(tmp_path / "root") == progress(tmp_path / "root") >= 100


HANGS = """
import sys, threading, time
from flowengine.run.watchdog import Watchdog
watchdog = Watchdog(deadline=0.2)
exec(sys.argv[1])
threading.Event().wait(60)
"""


@pytest.mark.parametrize(
    ("does", "word"),
    [
        ("watchdog.alive('iterating')", "iterating"),
        ("watchdog.alive('iterating'); watchdog.alive('saving'); watchdog.rest('iterating')", "saving"),
        ("watchdog.alive('compiling', 0.5)", "compiling"),
        ("import os; os.close(2); watchdog.alive('iterating')", ""),
        ("sys.stderr = None; watchdog.alive('iterating')", ""),
    ],
)
def test_what_makes_no_progress_is_ended_with_the_stacks_of_all_threads(does, word) -> None:
    done = subprocess.run([sys.executable, "-c", HANGS, does], capture_output=True, text=True, timeout=30)
    assert done.returncode == ExitCode.INTERNAL
    if word:
        assert f"no progress in {word} for" in done.stderr
        assert "Thread 0x" in done.stderr


def test_one_that_rests_is_not_watched() -> None:
    code = HANGS.replace("wait(60)", "wait(1)")
    does = "watchdog.alive('iterating'); watchdog.rest('iterating')"
    subprocess.run([sys.executable, "-c", code, does], check=True, timeout=30)
