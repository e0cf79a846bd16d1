"""Printing never decides over computing: closed, full, left, standing still or of few characters, a run goes on."""

import contextlib
import fcntl
import json
import os
import pty
import shlex
import signal
import subprocess
import termios

import pytest

from flowapi.report import ExitCode
from flowengine.store import list_checkpoints
from kit.manifests import write_flow
from kit.pod import Pod
from kit.runs import CFLOW, progress, saved, start, summary, wait_until


def shell(line: str, **more) -> subprocess.CompletedProcess:
    """A line of bash, with $RUN for a flow's command; the code is that of the first command of a pipe."""
    script = f"{line}\nexit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict:
    """The result where nothing goes wrong."""
    folder = tmp_path_factory.mktemp("whole")
    manifest = write_flow(folder / "flow", limit=1000)
    process = start("run", manifest, "--root", folder / "root")
    process.communicate(timeout=120)
    return summary(folder / "root")["sha256"]


LOST = {
    "a full disk": (">/dev/full", "standard output can't be written (No space left on device)"),
    "closed": (">&-", ""),
    "all closed": ("<&- >&- 2>&-", ""),
    "errors to a full disk": ("2>/dev/full", ""),
    "a reader that leaves": ("| head -1", ""),
    "a reader that leaves at once": ("| true", ""),
    "JSON to a reader that leaves": ("--json | head -1", ""),
    "JSON to a full disk": ("--json >/dev/full", "standard output can't be written"),
}


THOROUGH = ("closed", "errors to a full disk", "a reader that leaves at once", "JSON to a full disk")


@pytest.mark.parametrize(
    "how", [pytest.param(one, marks=pytest.mark.thorough if one in THOROUGH else ()) for one in LOST]
)
def test_a_run_without_anybody_to_tell_ends_with_the_same_bits(tmp_path, whole, how) -> None:
    redirection, said = LOST[how]
    manifest, root = write_flow(tmp_path / "flow", limit=1000), tmp_path / "root"
    done = shell(f"{CFLOW} run {manifest} --root {root} {redirection}")
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert summary(root)["sha256"] == whole
    assert {one.problem for one in list_checkpoints(root, deep=True)} == {""}


@pytest.mark.parametrize("encoding", ["latin-1", pytest.param("ascii", marks=pytest.mark.thorough)])
def test_a_terminal_of_few_characters(tmp_path, whole, encoding) -> None:
    manifest, root = write_flow(tmp_path / "flow-–-λ", limit=1000), tmp_path / "root-–-λ"
    done = shell(f"{CFLOW} run {manifest} --root {root}", env={**os.environ, "PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert "result/x.npy" in done.stdout
    assert summary(root)["sha256"] == whole


def test_a_reader_that_stops_reading_stops_no_run(tmp_path, whole) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=1000, every=10), tmp_path / "root"
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen([CFLOW, "run", manifest, "--root", root, "--json"], stdout=writer)
    os.close(writer)
    wait_until(process, (root / "result" / "summary.json").exists)
    with os.fdopen(reader) as stream:
        lines = stream.read().splitlines()
    assert process.wait(timeout=60) == 0
    assert json.loads(lines[-1])["sha256"] == whole


@pytest.fixture
def terminal(tmp_path):
    """A flow with a bar on a terminal of its own: the process, and the terminal's other side."""
    manifest, root = write_flow(tmp_path / "flow", limit=10**9), tmp_path / "root"
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", CFLOW, "run", manifest, "--root", root]
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    yield process, ours, root
    process.kill()
    process.wait()


def test_a_terminal_that_is_gone_asks_for_an_end(terminal) -> None:
    """The kernel sends SIGHUP, and everything that is printed from then on is an error."""
    process, ours, root = terminal
    wait_until(process, lambda: progress(root) > 300)
    os.close(ours)
    assert process.wait(timeout=60) == ExitCode.STOPPED
    assert saved(root) == progress(root) > 300


def test_a_terminal_that_stands_still_stops_no_run(terminal) -> None:
    """As after Ctrl-S: nobody takes what is printed, and the terminal takes no more."""
    process, ours, root = terminal
    termios.tcflow(ours, termios.TCOOFF)
    wait_until(process, lambda: saved(root) > 3000)
    process.send_signal(signal.SIGTERM)
    with (root / "LOCK").open() as lock:
        wait_until(process, lambda: is_free(lock))  # the run is over, what is printed of it waits
    assert saved(root) == progress(root)
    os.close(ours)
    assert process.wait(timeout=60) == ExitCode.STOPPED


def is_free(lock) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def test_nohup_goes_on(tmp_path) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=10**9), tmp_path / "root"
    line = f"trap '' HUP; exec {CFLOW} run {manifest} --root {root} --quiet"
    process = subprocess.Popen(["bash", "-c", line], stdout=subprocess.DEVNULL)
    wait_until(process, lambda: progress(root) > 100)
    process.send_signal(signal.SIGHUP)
    reached = progress(root)
    wait_until(process, lambda: progress(root) > reached + 300)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == ExitCode.STOPPED


def test_a_pod_whose_log_is_lost_goes_on(tmp_path) -> None:
    pod = Pod(tmp_path, limit=1000)
    process = pod.start(1, engine=("bash", "-c", f'exec {CFLOW} engine "$@" >/dev/full', "-"))
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert saved(pod.volume) == 1000


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("checkpoints list {root} >/dev/full", 74, "standard output can't be written (No space left on device)"),
        ("atoms >/dev/full", 74, "standard output can't be written"),
        ("atoms | true", 0, ""),
        ("checkpoints list {root} | true", 0, ""),
        ("checkpoints verify {root} >&-", 0, ""),
        ("--help >&-", 0, ""),
    ],
)
def test_what_only_prints_fails_where_it_can_not(tmp_path, line, code, said) -> None:
    manifest, root = write_flow(tmp_path / "flow", limit=100), tmp_path / "root"
    shell(f"{CFLOW} run {manifest} --root {root}")
    done = shell(f"{CFLOW} " + line.format(root=shlex.quote(str(root)), manifest=shlex.quote(str(manifest))))
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.splitlines()) == bool(said)


def test_ctrl_c_ends_what_only_looks_with_130(tmp_path) -> None:
    os.mkfifo(tmp_path / "flow.yaml")
    process = start("lint", tmp_path / "flow.yaml")
    with (tmp_path / "flow.yaml").open("w"):  # it reads from here on
        process.send_signal(signal.SIGINT)
        out = "".join(process.communicate(timeout=60))
    assert (process.returncode, out) == (130, "")
