"""Killed, or refused by the disk, at every operation: nothing acknowledged is lost, and the next one can go on."""

import errno
import os
import shutil

import pytest

from flowapi.errors import FlowError, VolumeError
from flowengine.store import Latest, Retention, list_checkpoints
from kit.store.faulty import READING, Faulty, die, fail_with
from kit.store.processes import in_child
from kit.store.volume import A, meta, open_store, resumed, state, take, value_of


def workload(root, io, acknowledge) -> None:
    store, claimed = take(root, io=io)
    first = value_of(claimed.base.leaves) if claimed.base else 0
    try:
        for iteration in range(first + 1, first + 4):
            store.save(iteration, state(iteration), meta())
            acknowledge(iteration)
            store.collect(Retention(A, keep=2))
    finally:
        store.close()


@pytest.fixture
def seeded(tmp_path):
    """Makes volumes on which a process has run already: (a place for the next one, how many operations it takes)."""
    workload(tmp_path / "seed", None, lambda _: None)
    shutil.copytree(tmp_path / "seed", tmp_path / "count")
    counter = Faulty(at=-1, fault=die)
    workload(tmp_path / "count", counter, lambda _: None)

    def root(at: int):
        return shutil.copytree(tmp_path / "seed", tmp_path / f"{at}")

    return root, counter.count


@pytest.mark.parametrize("after", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["before", "after"])
def test_killed_at_every_operation(seeded, after) -> None:
    """After one and before the next the volume is the same; what was acknowledged between them is more by then."""
    copy, total = seeded
    assert total > 60
    for at in range(1, total + 1):
        root = copy(at)
        io = Faulty(at=at, fault=die, after=after)
        status, acknowledged = in_child(
            lambda pipe, root=root, io=io: workload(root, io, lambda k: os.write(pipe, b"%d\n" % k))
        )
        assert os.WIFSIGNALED(status), f"operation {at} was never reached"
        assert resumed(root) >= max(acknowledged, default=3), f"killed {io.hit} at {at}"
        workload(root, None, lambda _: None)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_refused_at_every_operation(seeded, number) -> None:
    copy, total = seeded
    for at in range(1, total + 1):
        root = copy(at)
        acknowledged: list[int] = []
        io = Faulty(at=at, fault=fail_with(number))
        try:
            workload(root, io, acknowledged.append)
        except VolumeError as error:
            assert error.code == 74
        assert resumed(root) >= max(acknowledged, default=3), f"{io.hit} at {at}"
        workload(root, None, lambda _: None)
        folders = {one.name for one in (root / "revisions" / A / "ckpts").iterdir()}
        assert folders == {one.ref.id for one in list_checkpoints(root)}, f"left behind after {io.hit} at {at}"


def test_a_failed_save_leaves_nothing_and_the_next_one_works(tmp_path) -> None:
    store, _ = take(tmp_path)
    store.save(1, state(1), meta())
    good = store._io
    store._io = Faulty(at=3, fault=fail_with(errno.ENOSPC))
    with pytest.raises(VolumeError, match="could not be written"):
        store.save(2, state(2), meta())
    store._io = good
    assert [one.ref.iteration for one in list_checkpoints(tmp_path)] == [1]
    store.save(3, state(3), meta())
    store.close()
    assert resumed(tmp_path) == 3


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])  # of EIO alone: see test_unreadable
def test_an_unreachable_checkpoint_is_never_passed_over(tmp_path, number, monkeypatch) -> None:
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", (0, 0))
    workload(tmp_path, None, lambda _: None)

    class Unreachable(Faulty):
        def open_read(self, path):
            if path.name == "state.safetensors":
                raise OSError(number, os.strerror(number))
            return super().open_read(path)

    store = open_store(tmp_path, io=Unreachable(at=-1, fault=die, calls=()))
    with pytest.raises(VolumeError):
        store.claim(A, b"{}", Latest())
    store.close()
    assert resumed(tmp_path) == 3


def test_a_passing_read_error_is_tried_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("flowengine.store.io.RETRY_SECONDS", (0, 0, 0))
    workload(tmp_path, None, lambda _: None)
    reads = Faulty(at=-1, fault=die, calls=READING)
    take(tmp_path, io=reads)[0].close()
    succeeded = 0
    for at in range(1, reads.count + 1):
        io = Faulty(at=at, fault=fail_with(errno.EIO), calls=READING)
        try:
            store, claimed = take(tmp_path, io=io)
        except (FlowError, OSError):
            continue
        assert value_of(claimed.base.leaves) == 3
        succeeded += 1
        store.close()
    assert succeeded > 0
