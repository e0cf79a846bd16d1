"""SIGTERM at any moment of a start ends a run at once with 75: as PID 1, before Python runs, while data are loaded."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowapi.report import ExitCode, RunReport
from flowengine.run import signals
from kit.manifests import write_flow
from kit.pod import Pod
from kit.runs import CFLOW, kill_when, start, wait_until

DOCKERFILE = Path(__file__).parent.parent.parent / "Dockerfile"
TERM = 1 << (signal.SIGTERM - 1)
SPACE = ["unshare", "--pid", "--fork", "--kill-child", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
needs_namespaces = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*SPACE, "true"], capture_output=True).returncode != 0,
    reason="this machine gives no PID namespaces",
)
SLOW = """
import os
from pathlib import Path


def build(*_):
    Path(os.environ["REACHED"]).touch()
    with open(os.environ["NEVER"]):  # a pipe that nobody writes to
        raise AssertionError
"""
LOADS_FOR_EVER = (
    "apiVersion: computableflow.dev/v1alpha1\nkind: ComputableFlow\nmetadata: {name: denoise}\nspec:\n  flow:\n"
    "    data: {b: {npy: in/b.npy}}\n    entrypoint: slow:build\n    stop: {maxIterations: 500}\n"
    "  inputs: [{name: in, configMapName: data}]\n"
)


def entrypoint() -> list[str]:
    """How the engine's image starts, with this environment's `cflow`."""
    target = DOCKERFILE.read_text().split("AS engine\n")[1]
    words = json.loads(re.search(r"^ENTRYPOINT (.*)$", target, re.MULTILINE)[1])
    return [str(CFLOW) if word == "cflow" else word for word in words]


@contextlib.contextmanager
def as_first_process(pod: Pod) -> Iterator[tuple[subprocess.Popen, int]]:
    """The engine as PID 1 of a namespace of its own, as in a pod: what it has no handler for, it never gets."""
    outer = pod.start(1, engine=(*SPACE, *entrypoint(), "engine"))
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    try:
        while not (found := children.read_text().split()):
            assert outer.poll() is None, outer.communicate()
        yield outer, int(found[0])
    finally:
        outer.kill()
        outer.communicate()


def becomes_python(pid: int) -> None:
    """Wait until the process has become the interpreter."""
    while "python" not in Path(f"/proc/{pid}/exe").readlink().name:
        time.sleep(0)


def answers(pid: int) -> bool:
    """Whether a SIGTERM reaches a process: it has a handler, or keeps the signal until it has one."""
    status = Path(f"/proc/{pid}/status").read_text()
    return any(
        int(re.search(rf"^{word}:\s*(\w+)", status, re.MULTILINE)[1], 16) & TERM for word in ("SigBlk", "SigCgt")
    )


@needs_namespaces
def test_the_first_process_of_a_pod_answers_before_python_has_started(tmp_path) -> None:
    with as_first_process(Pod(tmp_path, limit=10**9)) as (outer, pid):
        becomes_python(pid)
        assert answers(pid)
        os.kill(pid, signal.SIGTERM)
        assert outer.wait(timeout=30) == ExitCode.STOPPED


@needs_namespaces
@pytest.mark.parametrize("seconds", [0.02, 0.15, 0.4, 0.8, 1.6])
def test_a_pod_that_is_stopped_in_its_first_seconds_ends(tmp_path, seconds) -> None:
    pod = Pod(tmp_path, limit=10**9)
    with as_first_process(pod) as (outer, pid):
        becomes_python(pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            outer.wait(timeout=seconds)
        os.kill(pid, signal.SIGTERM)
        assert outer.wait(timeout=30) == ExitCode.STOPPED


@pytest.fixture
def never(tmp_path, monkeypatch) -> Path:
    """An entry point that loads for ever; the file that says that it has begun."""
    (tmp_path / "slow.py").write_text(SLOW)
    os.mkfifo(tmp_path / "never")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NEVER", str(tmp_path / "never"))
    monkeypatch.setenv("REACHED", str(tmp_path / "reached"))
    return tmp_path / "reached"


def test_what_loads_for_ever_is_stopped_at_once(tmp_path, never) -> None:
    pod = Pod(tmp_path, limit=300)
    (tmp_path / "flow" / "slow.yaml").write_text(LOADS_FOR_EVER)
    revision = pod.edit(tmp_path / "flow" / "slow.yaml")
    process = pod.start(1)
    wait_until(process, never.exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == ExitCode.STOPPED
    process.stdout.close()
    words = RunReport.model_validate_json(pod.words.read_bytes())
    assert (words.state, words.revision, words.saved) == ("Stopped", revision, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["TERM", "INT", "HUP"])
def test_a_local_run_that_is_stopped_while_it_loads_says_so(tmp_path, never, number) -> None:
    write_flow(tmp_path / "flow", limit=300)
    (tmp_path / "flow" / "slow.yaml").write_text(LOADS_FOR_EVER)
    process = start("run", tmp_path / "flow" / "slow.yaml", "--root", tmp_path / "root")
    out = kill_when(process, never.exists, number)
    assert process.returncode == ExitCode.STOPPED, out
    assert "stopped before the first iteration; the same command" in out
    assert "Traceback" not in out


def test_the_first_handlers_know_the_exit_code() -> None:
    """They are there before what defines it can be loaded."""
    assert signals.STOPPED == ExitCode.STOPPED
