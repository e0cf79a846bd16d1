"""How flows are run as a person would run them, killed, and looked at from outside."""

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from flowengine.cli import entry
from flowengine.store import Layout, list_checkpoints
from flowengine.store.io import IO
from flowengine.store.layout import CheckpointId
from flowengine.store.reader import Reader

CFLOW = Path(sys.executable).with_name("cflow")


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(CFLOW), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def run(*arguments: object, code: int = 0) -> str:
    """Run to the end; the output. Any other exit code is an error."""
    process = start(*arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, (process.returncode, out, err)
    return out + err


def here(*arguments: object, code: int = 0) -> str:
    """As `run`, but in this process: for commands that say something and compute nothing, of which many are tried."""
    ended, said = ended_here(*arguments)
    assert ended == code, (ended, said)
    return said


def ended_here(*arguments: object) -> tuple[int, str]:
    """A command in this process: its exit code, and what it says."""
    for name in ("jax.numpy", "jaxlib.mlir.dialects.mhlo"):  # whole: other tests need what a start leaves out of them
        importlib.import_module(name)
    said, ended = io.StringIO(), None
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", ["cflow", *map(str, arguments)]),
        mock.patch.object(os, "_exit", sys.exit),
        mock.patch.object(entry, "leave_at_once"),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        try:
            entry.main()
        except SystemExit as end:
            ended = end.code
    assert ended is None or isinstance(ended, int), ended
    return ended or 0, said.getvalue()


def summary(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "result" / "summary.json").read_text())
    return found


def final_state(root: Path) -> dict[str, bytes]:
    """Every array of the newest checkpoint, as raw bytes."""
    newest = next(one for one in list_checkpoints(root) if one.visible)
    identity = CheckpointId.parse(newest.ref.id)
    assert identity is not None
    leaves = Reader(IO(), Layout(root)).load(newest.ref.revision, identity).leaves
    return {name: leaf.array.tobytes() for name, leaf in leaves.items()}


def same_end(root: Path, other: Path) -> None:
    """The same results and final state, to the bit."""
    assert summary(root)["sha256"] == summary(other)["sha256"]
    assert final_state(root) == final_state(other)


def saved(root: Path) -> int:
    """Iteration of the newest committed checkpoint."""
    return max((one.ref.iteration for one in list_checkpoints(root)), default=0)


def progress(root: Path) -> int:
    """The newest sign of life below a root."""
    found = sorted((root / "fence").glob("*.progress"))
    try:
        return int(json.loads(found[-1].read_text())["lastIteration"]) if found else 0
    except ValueError:
        return 0


def wait_until(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Wait for something that a running process does; it must not end before. A port may not be open yet."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, (process.returncode, process.communicate())
        with contextlib.suppress(OSError):
            if ready():
                return
        time.sleep(0.01)
    raise AssertionError("it did not come within two minutes")


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool], number: int = signal.SIGKILL) -> str:
    """Send a signal as soon as `ready()` holds, and take what the process printed; it must not end before."""
    while process.poll() is None:
        if ready():
            process.send_signal(number)
            return "".join(process.communicate(timeout=60))
        time.sleep(0.002)  # or it takes the core that the process needs
    raise AssertionError(f"it ended by itself: {process.returncode} {process.communicate()}")
