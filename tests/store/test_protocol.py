"""What the protocol promises beside durability: no failure is acknowledged, nothing is left behind, space is found."""

import errno
import json
import os
import threading

import pytest
from harness import COUNTING, OWNER, A, B, Faulty, fail_with, found, meta, open_store, resumed, state, take

from flowapi.errors import DataError, FencedError, IncompatibleError, VolumeError, VolumeInUseError
from flowengine.store import (
    IO,
    CheckpointStore,
    Latest,
    Layout,
    Owner,
    Retention,
    list_checkpoints,
    pin,
    read_checkpoint,
    thin_out,
)
from flowengine.store.fence import read_progress
from flowengine.store.layout import CheckpointId
from flowengine.store.manifest import seal
from flowengine.store.owner import read_owner, take_ownership

OTHER = Owner(namespace="ns", name="other", uid="uid-9")


def tree(root) -> set[str]:
    return {str(one.relative_to(root)) for one in root.rglob("*") if one.is_file()}


def iterations(root) -> list[int]:
    return [one.ref.iteration for one in list_checkpoints(root)]


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


def test_nothing_is_left_behind(tmp_path) -> None:
    files = sorted(os.listdir("/proc/self/fd"))
    for revision in (A, B):
        store, claimed = take(tmp_path, revision)
        for k in (1, 2, 3):
            store.save(found(claimed) + k, state(k), meta(revision))
            store.heartbeat(k, 1)
            store.heartbeat(k + 1, 2)
            store.collect(Retention(revision, keep=1))
        store.close()
    names = {"OWNER", "LOCK", *(f"fence/000000000{n}{what}" for n in (1, 2) for what in ("", ".base", ".progress"))}
    for one in list_checkpoints(tmp_path):
        folder = f"revisions/{one.ref.revision}/ckpts/{one.ref.id}"
        names |= {
            f"revisions/{one.ref.revision}/revision.json",
            f"{folder}/state.safetensors",
            f"{folder}/manifest.json",
        }
    assert tree(tmp_path) == names
    assert len(list_checkpoints(tmp_path)) == 2
    assert sorted(os.listdir("/proc/self/fd")) == files


def test_a_volume_without_links_is_claimed_by_exclusive_creation(tmp_path) -> None:
    class NoLinks(IO):
        def link(self, source, target):
            raise OSError(errno.EPERM, "no links")

    for epoch in (1, 2):
        store, claimed = take(tmp_path, io=NoLinks())
        assert claimed.epoch == epoch
        store.save(epoch, state(epoch), meta())
        store.close()
    assert resumed(tmp_path) == 2


def test_without_links_the_volume_still_has_one_owner(tmp_path) -> None:
    class NoLinks(IO):
        def link(self, source, target):
            raise OSError(errno.EPERM, "no links")

    take(tmp_path, io=NoLinks())[0].close()
    assert read_owner(IO(), Layout(tmp_path)) == OWNER
    with pytest.raises(VolumeInUseError):
        open_store(tmp_path, owner=OTHER, io=NoLinks())


@pytest.mark.parametrize("file", ["OWNER", "0000000001"])
@pytest.mark.parametrize("operation", ["create", "fsync"])
def test_without_links_a_name_that_cannot_be_made_is_no_claim(tmp_path, file, operation) -> None:
    class Refusing(IO):
        def __init__(self):
            self.named = set()

        def link(self, source, target):
            raise OSError(errno.EPERM, "no links")

        def create(self, path):
            if path.name == file and operation == "create":
                raise OSError(errno.EIO, "broken")
            descriptor = super().create(path)
            self.named |= {descriptor} if path.name == file else set()
            return descriptor

        def fsync(self, descriptor):
            if descriptor in self.named:
                raise OSError(errno.EIO, "broken")
            super().fsync(descriptor)

    with pytest.raises(VolumeError):
        take(tmp_path, io=Refusing())


def test_of_two_flows_that_start_at_once_on_a_fresh_volume_one_has_it(tmp_path) -> None:
    class Overtaken(IO):
        def link(self, source, target):
            if target.name == "OWNER":  # the other is on another machine: no lock tells
                take_ownership(IO(), Layout(tmp_path), OWNER, adopt="", max_attempt=0)
            super().link(source, target)

    with pytest.raises(VolumeInUseError, match="at this moment"):
        open_store(tmp_path, owner=OTHER, io=Overtaken())
    assert read_owner(IO(), Layout(tmp_path)) == OWNER


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


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT])
def test_another_failure_of_a_link_is_not_taken_for_a_lack_of_links(tmp_path, number) -> None:
    class Broken(IO):
        def link(self, source, target):
            raise OSError(number, os.strerror(number))

    with pytest.raises(VolumeError):
        take(tmp_path, io=Broken())
    take(tmp_path)[0].close()
    with pytest.raises(VolumeError):
        take(tmp_path, io=Broken())


def test_locks_are_optional_but_broken_ones_are_not(tmp_path) -> None:
    class Locks(IO):
        number = errno.ENOLCK

        def lock(self, descriptor):
            raise OSError(self.number, os.strerror(self.number))

    take(tmp_path, io=Locks())[0].close()
    broken = Locks()
    broken.number = errno.EIO
    with pytest.raises(VolumeError):
        take(tmp_path, io=broken)


def test_a_double_start_on_one_machine_is_refused(tmp_path) -> None:
    store, _ = take(tmp_path, attempt=2)
    with pytest.raises(FencedError, match="another process runs"):
        take(tmp_path, attempt=2)
    newer, _ = take(tmp_path, attempt=3)
    newer.close()
    store.close()
    take(tmp_path, attempt=3)[0].close()


def test_saving_needs_a_claim(tmp_path) -> None:
    store = CheckpointStore.open(tmp_path, take(tmp_path)[0].owner, 9)
    with pytest.raises(RuntimeError, match="claim the volume first"):
        store.save(1, state(1), meta())
    store.close()


class Small(IO):
    """A volume with so many bytes left; every write takes from them, every unlink gives back."""

    def __init__(self, room: int) -> None:
        self.room = room

    def free(self, path):
        return self.room

    def write(self, descriptor, data):
        super().write(descriptor, data)
        self.room -= memoryview(data).nbytes

    def unlink(self, path):
        self.room += path.stat().st_size
        super().unlink(path)


def test_what_cannot_fit_is_refused_before_anything_is_written(tmp_path) -> None:
    io = Small(10**9)
    store, _ = take(tmp_path, io=io)
    io.room = 1000
    with pytest.raises(VolumeError, match="No space left") as caught:
        store.save(1, state(1), meta())
    assert caught.value.full
    assert "Make room" in caught.value.remedy
    assert list((tmp_path / "revisions" / A / "ckpts").iterdir()) == []
    assert io.room == 1000
    store.close()


def test_a_volume_that_does_not_tell_its_space_is_tried(tmp_path) -> None:
    class Silent(IO):
        def free(self, path):
            return None

    store, _ = take(tmp_path, io=Silent())
    store.save(1, state(1), meta())
    store.close()


def test_the_least_of_a_full_volume_keeps_what_is_needed(tmp_path) -> None:
    store, _ = take(tmp_path, B)
    for k in (1, 2):
        store.save(k, state(k), meta(B))
    store.close()
    store, _ = take(tmp_path, A)
    for k in (1, 2, 3, 4, 5):
        store.save(k, state(k), meta(A, good=k != 5))
    damaged = list_checkpoints(tmp_path)[1]
    (tmp_path / "revisions" / A / "ckpts" / damaged.ref.id / "CORRUPT").write_text("bit rot")
    pin(tmp_path, list_checkpoints(tmp_path)[4].ref.id)
    policy = Retention(A, keep=4)
    assert {(revision, int(name[:12])) for revision, name in store.collect(policy)} == {(B, 1)}
    assert {(revision, int(name[:12])) for revision, name in store.collect(policy.least)} == {(A, 2), (A, 4)}
    assert [(one.ref.revision, one.ref.iteration) for one in list_checkpoints(tmp_path)] == [
        (A, 5),
        (A, 3),
        (A, 1),
        (B, 2),
    ]
    store.close()


def test_pins_outlive_retention_until_they_are_taken_away(tmp_path) -> None:
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3)]
    pin(tmp_path, ids[0])
    pin(tmp_path, ids[0])
    assert [one.pinned for one in list_checkpoints(tmp_path)] == [False, False, True]
    store.collect(Retention(A, keep=1))
    assert iterations(tmp_path) == [3, 1]
    pin(tmp_path, ids[0], wanted=False)
    store.collect(Retention(A, keep=1))
    assert iterations(tmp_path) == [3]
    store.close()
    for name in (ids[0], "../../etc", ""):
        with pytest.raises(DataError, match="there is no checkpoint"):
            pin(tmp_path, name)


@pytest.mark.parametrize("operation", ["create", "fsync", "fsync_folder", "unlink"])
def test_a_pin_that_cannot_be_set_says_so(tmp_path, operation) -> None:
    store, _ = take(tmp_path)
    name = store.save(1, state(1), meta()).id
    store.close()
    if operation == "unlink":
        pin(tmp_path, name)
    io = Faulty(at=1, fault=fail_with(errno.EROFS), calls=(operation,))
    with pytest.raises(VolumeError, match="can't be pinned"):
        pin(tmp_path, name, wanted=operation != "unlink", io=io)


def test_a_pin_on_a_checkpoint_that_goes_at_this_moment_says_so(tmp_path) -> None:
    store, _ = take(tmp_path)
    name = store.save(1, state(1), meta()).id
    store.close()
    folder = tmp_path / "revisions" / A / "ckpts" / name

    def remove(*_):
        (folder / "manifest.json").unlink()

    with pytest.raises(DataError, match="was just removed"):
        pin(tmp_path, name, io=Faulty(at=1, fault=remove, calls=("fsync_folder",)))
    assert not folder.exists()


def test_a_pin_set_while_retention_decides_holds(tmp_path) -> None:
    """Another process pins after the decision and before the deletion."""
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2)]

    class Late(IO):
        looked = 0

        def names(self, path):
            if path.name == ids[0]:
                self.looked += 1
                if self.looked == 2:
                    pin(tmp_path, ids[0])
            return super().names(path)

    store._io = Late()
    store.collect(Retention(A, keep=1))
    assert iterations(tmp_path) == [2, 1]
    store.close()


def test_a_newer_versions_checkpoint_is_never_collected(tmp_path) -> None:
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3)]
    path = tmp_path / "revisions" / A / "ckpts" / ids[0] / "manifest.json"
    path.write_bytes(seal(json.loads(path.read_bytes())["body"] | {"format": 2, "minReader": 2}))
    store.collect(Retention(A, keep=1))
    assert set(os.listdir(path.parent.parent)) == {ids[0], ids[2]}
    store.close()


def test_thinning_out_by_hand(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no flow"):
        thin_out(tmp_path, 1)
    store, _ = take(tmp_path, B)
    store.save(1, state(1), meta(B))
    store.close()
    store, _ = take(tmp_path, A)
    ids = [store.save(k, state(k), meta()).id for k in (1, 2, 3)]
    (tmp_path / "revisions" / A / "ckpts" / str(CheckpointId.new(9, store.epoch))).mkdir()  # being written elsewhere
    with pytest.raises(FencedError, match="runs"):
        thin_out(tmp_path, 1)
    store.close()
    assert thin_out(tmp_path, 1, dry_run=True) == [(A, ids[0]), (A, ids[1])]
    assert len(iterations(tmp_path)) == 4
    with pytest.raises(VolumeError, match="can't be removed"):
        thin_out(tmp_path, 1, io=Faulty(at=1, fault=fail_with(errno.EIO), calls=("lock",)))
    assert thin_out(tmp_path, 1) == [(A, ids[0]), (A, ids[1])]
    assert iterations(tmp_path) == [3, 1]
    assert len(list((tmp_path / "revisions" / A / "ckpts").iterdir())) == 2
    take(tmp_path)[0].close()


def test_reading_one_checkpoint(tmp_path) -> None:
    with pytest.raises(DataError, match="no good checkpoint yet"):
        read_checkpoint(tmp_path)
    store, _ = take(tmp_path)
    ids = [store.save(k, state(k), meta(good=k < 3)).id for k in (1, 2, 3)]
    store.close()
    assert read_checkpoint(tmp_path).ref.iteration == 2
    assert read_checkpoint(tmp_path, ids[0]).ref.iteration == 1


def test_two_threads_of_one_process_do_not_disturb_each_other(tmp_path) -> None:
    """The loop gives signs of life while the saver writes and thins out."""
    store, _ = take(tmp_path)
    over = threading.Event()

    def beat() -> None:
        k = 0
        while not over.is_set():
            k += 1
            store.heartbeat(k, k)
            store.check_fence()

    thread = threading.Thread(target=beat)
    thread.start()
    for k in range(1, 60):
        store.save(k, state(k), meta())
        store.collect(Retention(A, keep=2))
    over.set()
    thread.join()
    store.close()
    assert resumed(tmp_path) == 59
    store, claimed = take(tmp_path, start=Latest())
    assert claimed.previous is None or claimed.previous.epoch == 2
    store.close()


def test_a_manifest_of_a_newer_version_stops_a_restore(tmp_path) -> None:
    store, _ = take(tmp_path)
    name = store.save(1, state(1), meta()).id
    store.close()
    path = tmp_path / "revisions" / A / "ckpts" / name / "manifest.json"
    path.write_bytes(seal(json.loads(path.read_bytes())["body"] | {"minReader": 2}))
    with pytest.raises(IncompatibleError):
        read_checkpoint(tmp_path, name)


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
