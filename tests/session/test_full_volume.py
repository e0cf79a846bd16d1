"""A volume without room: the run goes on, says so, and saves as soon as it can."""

import contextlib
import os
import signal
import subprocess

import pytest

from flowengine.store import list_checkpoints
from kit.manifests import write_flow
from kit.mounts import mounted
from kit.runs import CFLOW, kill_when, run, saved, start, summary, wait_until


def test_a_full_disk_is_said_and_the_run_goes_on_to_its_end(tmp_path) -> None:
    """No file may grow beyond 64 KiB: no checkpoint can be written. Periodic ones are warnings, the last one is 74."""
    manifest = write_flow(tmp_path / "flow", limit=2_000)
    root = tmp_path / "root"
    small = ["bash", "-c", f"ulimit -f 64; exec {CFLOW} run {manifest} --root {root}"]
    done = subprocess.run(small, capture_output=True, text=True, check=False)
    assert done.returncode == 74, done.stdout + done.stderr
    assert "WriteFailed" in done.stderr
    assert "the checkpoint at iteration 2000 could not be written" in done.stderr
    assert saved(root) == 0
    assert not list((root / "revisions").glob("*/ckpts/*"))
    run("run", manifest, "--root", root)
    assert summary(root)["iterations"] == 2_000


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_saving_resumes_when_there_is_room_again(tmp_path) -> None:
    """A real full volume: the run goes on without saving, says so, and saves as soon as it can."""
    manifest = write_flow(tmp_path / "flow", limit=10**9, every=500)
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as volume:
        root = volume / "root"
        process = start("run", manifest, "--root", root)
        wait_until(process, lambda: saved(root) > 0)
        filler = volume / "somebody else's"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        said = next(line for line in process.stderr if "WriteFailed" in line)
        assert "Make room on the volume" in said
        stuck = saved(root)
        assert [one.problem for one in list_checkpoints(root, deep=True)] == [
            ""
        ]  # of the old ones only the newest stays
        filler.unlink()
        wait_until(process, lambda: saved(root) > stuck)
        out = kill_when(process, lambda: True, signal.SIGTERM)
        assert process.returncode == 75, out
        assert "going on from iteration" in run("run", manifest, "--root", root, "--until", str(saved(root)), code=75)
