"""On real file systems: power cuts, a full disk, a read-only mount, writers that stop across a takeover, strace's kills."""

import os
import random
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from flowapi.errors import VolumeError
from flowengine.store import IO, Leaf, Retention, list_checkpoints
from kit.mounts import Disk, mounted
from kit.store.processes import in_child, power_cut, takeover
from kit.store.volume import A, meta, resumed, state, take

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def disk(tmp_path_factory):
    one = Disk(tmp_path_factory.mktemp("disk"))
    yield one
    one.close()


class Unsynced(IO):
    """What safetensors and the other stores do: no sync anywhere."""

    def fsync(self, descriptor):
        return None

    def fsync_folder(self, path):
        return None


@needs_root
def test_power_cuts_lose_nothing_that_was_acknowledged(disk) -> None:
    rng = random.Random(3)
    for _ in range(8):
        acknowledged, back = power_cut(disk, rng)
        assert back >= acknowledged


@needs_root
def test_without_syncs_a_power_cut_does_lose_something(disk) -> None:
    """The test above sees what it is meant to see."""
    acknowledged, back = power_cut(disk, random.Random(1), Unsynced())
    assert back < acknowledged


@needs_root
def test_a_full_disk_costs_old_checkpoints_and_never_the_newest(tmp_path) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as root:
        big = lambda k: {**state(k), "big": Leaf(np.full(150_000, k, np.float64))}  # noqa: E731
        store, _ = take(root)
        for k in (1, 2):
            store.save(k, big(k), meta())
        room = root / "somebody else's"
        room.write_bytes(bytes(os.statvfs(root).f_bavail * os.statvfs(root).f_frsize - 300_000))
        with pytest.raises(VolumeError, match="No space left") as caught:
            store.save(3, big(3), meta())
        assert caught.value.full
        assert [one.ref.iteration for one in list_checkpoints(root, deep=True) if not one.problem] == [2, 1]
        assert [name[:12] for _, name in store.collect(Retention(A, keep=2).least)] == ["000000000001"]
        store.save(3, big(3), meta())
        with pytest.raises(VolumeError):
            store.save(4, big(4), meta())
        room.unlink()
        store.save(4, big(4), meta())
        store.close()
        assert [one.ref.iteration for one in list_checkpoints(root, deep=True) if not one.problem] == [4, 3, 2]


@needs_root
def test_listing_and_verifying_need_no_more_than_a_read_only_mount(tmp_path) -> None:
    store, _ = take(tmp_path / "flow")
    store.save(1, state(1), meta())
    store.close()
    with mounted(tmp_path / "view", "--bind", tmp_path / "flow") as root:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(root)], check=True)
        (one,) = list_checkpoints(root, deep=True)
        assert not one.problem
        with pytest.raises(VolumeError, match=r"Read-only|read-only"):
            take(root)


def test_writers_that_are_stopped_across_a_takeover_change_nothing(tmp_path) -> None:
    rng = random.Random(5)
    for attempt in range(1, 40, 4):
        acknowledged, back = takeover(tmp_path, rng, attempt)
        assert back >= acknowledged


SCRIPT = """
from pathlib import Path
from kit.store.processes import save_for_ever
save_for_ever(Path({root!r}), 1)
"""


THOROUGH = pytest.mark.thorough
CALLS = [
    ("fsync", 11), ("rename", 3), ("openat", 1),
    *(pytest.param(*one, marks=THOROUGH) for one in [
        ("fsync", 3), ("rename", 11), ("write", 3), ("write", 11), ("mkdir", 3), ("mkdir", 11), ("unlink", 3), ("unlink", 11),
    ]),
]  # fmt: skip


@needs_strace
@pytest.mark.parametrize(("call", "number"), CALLS)
def test_killed_by_the_kernel_at_a_system_call(tmp_path, call, number) -> None:
    """Not the shim's idea of a system call, but the kernel's."""
    root = tmp_path / "flow"
    store, _ = take(root)
    store.close()
    path = ["-P", str(root)] if call == "openat" else []
    trace = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    command = ["strace", "-f", "-qq", "-o", str(tmp_path / "log"), *path, *trace, sys.executable, "-c"]
    done = subprocess.run([*command, SCRIPT.format(root=str(root))], capture_output=True, text=True, timeout=120)
    assert done.returncode in {-9, 137}, done.stderr
    acknowledged = max((int(line) for line in done.stdout.split()), default=0)
    assert resumed(root) >= acknowledged
    assert [one for one in list_checkpoints(root, deep=True) if one.problem] == []


def test_a_child_that_dies_leaves_the_volume_free(tmp_path) -> None:
    def work(pipe: int) -> None:
        store, _ = take(tmp_path)
        store.save(1, state(1), meta())
        os.write(pipe, b"1\n")
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work)[1] == [1]
    assert resumed(tmp_path) == 1
