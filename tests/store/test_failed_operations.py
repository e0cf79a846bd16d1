"""No failure of the volume is acknowledged, and none leaves half of anything."""

import errno
import os

import pytest

from flowapi.errors import VolumeError
from flowengine.store import IO, Retention
from flowengine.store.fence import read_progress
from kit.store.faulty import COUNTING, Faulty, fail_with
from kit.store.volume import OWNER, A, iterations, meta, open_store, state, take


class Counting(IO):
    """Fails at the n-th operation that changes the volume, whatever it is; reads are tried again and don't count."""

    def __init__(self) -> None:
        self.calls, self.at = 0, -1
        self.written: set[int] = set()

    def __getattribute__(self, name):
        if name not in {"create", "write", "fsync", "close", "rename", "link", "mkdir", "fsync_folder"}:
            return object.__getattribute__(self, name)

        def call(*arguments):
            if name == "close" and arguments[0] not in self.written:
                return os.close(*arguments)
            with COUNTING:
                self.calls += 1
                broken = self.calls == self.at
            if broken:
                raise OSError(errno.EIO, "broken")
            result = getattr(IO, name)(self, *arguments)
            if name == "create":
                self.written.add(result)
            elif name == "close":
                self.written.discard(arguments[0])
            return result

        return call


def test_a_save_with_any_failed_operation_is_not_acknowledged(tmp_path) -> None:
    io = Counting()
    store, _ = take(tmp_path, io=io)
    io.calls = 0
    store.save(1, state(1), meta())
    total = io.calls
    assert total >= 12
    for at in range(1, total + 1):
        io.calls, io.at = 0, at
        with pytest.raises(VolumeError, match="could not be written"):
            store.save(2, state(2), meta())
        io.at = -1
        assert iterations(tmp_path) == [1], at
        assert len(list((tmp_path / "revisions" / A / "ckpts").iterdir())) == 1
    store.close()


@pytest.mark.parametrize("fresh", [True, False])
def test_a_claim_with_any_failed_operation_is_not_made(tmp_path, fresh) -> None:
    io, at, succeeded = Counting(), 0 if fresh else 1, False  # of a root that is there the name above it is no matter
    while not succeeded:
        at += 1
        root = tmp_path / f"{at * fresh}"
        if not fresh:
            take(root)[0].close()
        io.calls, io.at = 0, at
        try:
            take(root, io=io)[0].close()
        except VolumeError:
            continue
        succeeded = io.calls < at
        assert succeeded, f"operation {at} failed, and nobody said so"


@pytest.mark.parametrize("operation", ["create", "write", "fsync", "close", "rename", "fsync_folder"])
def test_an_adoption_that_fails_is_not_one(tmp_path, operation) -> None:
    take(tmp_path)[0].close()
    again = OWNER.model_copy(update={"uid": "uid-2"})

    class Refusing(IO):
        armed = False

        def __getattribute__(self, name):
            if name == operation and object.__getattribute__(self, "armed"):
                raise OSError(errno.EIO, "broken")
            return object.__getattribute__(self, name)

        def lock(self, descriptor):
            super().lock(descriptor)
            self.armed = True  # what comes before is the probe's and the folders'

    with pytest.raises(VolumeError):
        open_store(tmp_path, 5, owner=again, adopt="uid-1", io=Refusing())


@pytest.mark.parametrize(("operation", "number"), [("unlink", 1), ("fsync_folder", 1)])
def test_a_removal_that_fails_at_its_beginning_leaves_a_whole_checkpoint_or_none(tmp_path, operation, number) -> None:
    """The commit record goes first and for good, or everything stays: never a commit record without its state."""
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2)]
    folder = tmp_path / "revisions" / A / "ckpts" / ids[0]
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    store._io = Faulty(at=number, fault=fail_with(errno.EIO), calls=(operation,))
    store.collect(Retention(A, keep=1))
    assert (folder / "state.safetensors").read_bytes() == before["state.safetensors"]
    store._io = IO()
    store.collect(Retention(A, keep=1))
    store.close()
    store, _ = take(tmp_path)
    store.collect(Retention(A, keep=1))
    assert not folder.exists()
    store.close()


def test_a_fence_that_cannot_be_read_is_no_acknowledgement(tmp_path) -> None:
    io = Faulty(at=-1, fault=fail_with(errno.ESTALE), calls=("names",))
    store, _ = take(tmp_path, io=io)
    store.save(1, state(1), meta())
    io.count, io.at = 0, -1
    store.save(2, state(2), meta())
    total = io.count
    for at in range(1, total + 1):
        io.count, io.at = 0, at
        with pytest.raises(VolumeError, match="can't be read"):
            store.save(3, state(3), meta())
    io.count, io.at = 0, 1
    with pytest.raises(VolumeError, match="can't be read"):
        store.check_fence()
    io.at = -1
    assert iterations(tmp_path) == [2, 1]
    store.close()


def test_a_volume_that_cannot_be_looked_at_while_thinning_out_is_an_error(tmp_path) -> None:
    store, _ = take(tmp_path)
    for k in (1, 2, 3):
        store.save(k, state(k), meta())
    io = store._io = Faulty(at=-1, fault=fail_with(errno.ESTALE), calls=("names",))
    for at in range(1, 4):
        io.count, io.at = 0, at
        with pytest.raises(VolumeError):
            store.collect(Retention(A, keep=1))
    assert iterations(tmp_path) == [3, 2, 1]
    store.close()


def test_a_sign_of_life_that_fails_leaves_the_one_before(tmp_path) -> None:
    store, _ = take(tmp_path)
    store.heartbeat(17, 1)
    for operation in ("create", "write", "rename"):
        store._io = Faulty(at=1, fault=fail_with(errno.ENOSPC), calls=(operation,))
        store.heartbeat(18, 2)
        assert read_progress(IO(), store.layout, 1).last_iteration == 17
    store._io = IO()  # a killed one left its scratch file
    (tmp_path / "fence" / ".progress.1").write_bytes(b"")
    store.heartbeat(19, 3)
    assert read_progress(IO(), store.layout, 1).last_iteration == 19
    store.close()


def test_what_a_killed_claim_left_of_the_revisions_file_is_no_obstacle(tmp_path) -> None:
    (tmp_path / "revisions" / A).mkdir(parents=True)
    left = tmp_path / "revisions" / A / ".revision.json.0a1b2c3d.tmp"
    left.write_bytes(b"half")
    take(tmp_path, attempt=1)[0].close()
    assert not left.exists()
    assert (tmp_path / "revisions" / A / "revision.json").read_bytes() == b"{}"
