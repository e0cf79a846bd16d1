"""The tests' own file systems: nothing of the machine keeps them when they are taken away."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.mounts import Disk, mounted

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def other() -> Iterator[subprocess.Popen]:
    """A process outside that begins a mount namespace once it is told to, as a node of a cluster does."""
    line = "read word && exec unshare --mount --propagation private sh -c 'echo begun; exec cat'"
    with subprocess.Popen(["sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def begin(other: subprocess.Popen) -> None:
    """Tell it."""
    other.stdin.write("now\n")
    other.stdin.flush()
    assert other.stdout.readline() == "begun\n"


def in_use(folder: Path) -> bool:
    """Whether a loop device of this machine has a file in a folder, be it unlinked."""
    return any(
        str(folder) in one.read_text(encoding="utf-8") for one in Path("/sys/block").glob("loop*/loop/backing_file")
    )


def test_a_namespace_that_is_begun_meanwhile_keeps_no_disk(tmp_path, other) -> None:
    disk = Disk(tmp_path)
    try:
        begin(other)
        assert in_use(tmp_path)
    finally:
        disk.close()
    assert not in_use(tmp_path)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_what_is_mounted_is_seen_by_children_and_gone_afterwards(tmp_path, monkeypatch, pool) -> None:
    monkeypatch.chdir(tmp_path)
    with mounted(tmp_path / "outer", "-t", "tmpfs", "tmpfs"), mounted(tmp_path / "inner", "-t", "tmpfs", "tmpfs"):
        (tmp_path / "inner" / "file").write_text("there")
        pool.submit(int).result()  # a thread that stays
        assert subprocess.run(["cat", tmp_path / "inner" / "file"], capture_output=True, check=True).stdout == b"there"
    assert [one.name for one in tmp_path.rglob("*")] == ["inner", "outer"]
    assert Path.cwd() == tmp_path
