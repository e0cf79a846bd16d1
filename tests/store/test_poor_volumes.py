"""Volumes without links, without locks, or that don't tell their space: each works, or is refused."""

import errno
import os

import pytest

from flowapi.errors import VolumeError, VolumeInUseError
from flowengine.store import IO, Layout, Owner
from flowengine.store.owner import read_owner
from kit.store.volume import OWNER, A, meta, open_store, resumed, state, take

OTHER = Owner(namespace="ns", name="other", uid="uid-9")


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
