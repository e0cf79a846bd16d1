"""A volume that can't do what checkpoints need is refused at the start, in a sentence; one that can keeps no trace."""

import errno
import os

import pytest

from flowapi.errors import VolumeError
from flowengine.store import IO
from flowengine.store.probe import STALE_SECONDS, mount_type, probe
from kit.store.faulty import Faulty, fail_with
from kit.store.volume import open_store, take


class Poor(IO):
    """A volume that lacks something."""

    def __init__(self, **methods) -> None:
        for name, method in methods.items():
            setattr(self, name, method)


def refuse(number: int):
    def call(*_):
        raise OSError(number, os.strerror(number))

    return call


def overwrite(path):
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def copy_instead(source, target) -> None:
    target.write_bytes(source.read_bytes())


LACKS = {
    "rename": ({"rename": refuse(errno.ENOSYS)}, "can't rename a file over another"),
    "rename that copies": ({"rename": copy_instead}, "can't give a renamed file its new content"),
    "rename that does nothing": ({"rename": lambda *_: None}, "can't give a renamed file its new content"),
    "exclusive creation": ({"create": overwrite}, "can't create a file only where there is none"),
    "sync": ({"fsync": refuse(errno.EINVAL)}, "can't write and sync a file"),
    "folder sync": ({"fsync_folder": refuse(errno.EINVAL)}, "can't sync a folder"),
    "reading back": ({"open_read": refuse(errno.ENOENT)}, "can't read back what was written"),
    "folders": ({"mkdir": refuse(errno.ENOTSUP)}, "can't make a folder"),
    "listing": ({"names": refuse(errno.ENOTSUP)}, "can't list a folder"),
}


@pytest.mark.parametrize("lack", LACKS)
def test_what_is_missing_is_named(tmp_path, lack) -> None:
    methods, sentence = LACKS[lack]
    with pytest.raises(VolumeError, match=sentence) as caught:
        open_store(tmp_path, io=Poor(**methods))
    assert mount_type(tmp_path) in caught.value.message
    assert "docs/how-to/volumes.md" in caught.value.remedy
    assert not (tmp_path / "OWNER").exists()


def test_a_good_volume_keeps_no_trace(tmp_path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    probe(IO(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_full_volume_is_said_to_be_full(tmp_path) -> None:
    with pytest.raises(VolumeError, match="no room") as caught:
        probe(Faulty(at=2, fault=fail_with(errno.ENOSPC)), tmp_path)
    assert caught.value.full


def test_what_a_killed_probe_left_goes_but_not_a_running_one(tmp_path) -> None:
    for name in ("old", "young"):
        folder = tmp_path / f".probe-{name}"
        folder.mkdir()
        (folder / "old").write_bytes(b"x")
    long_ago = (tmp_path / ".probe-young").stat().st_mtime - STALE_SECONDS - 10
    os.utime(tmp_path / ".probe-old", (long_ago, long_ago))
    take(tmp_path)[0].close()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == [".probe-young"]


def test_the_mount_that_is_nearest_names_the_type(tmp_path) -> None:
    mounts = tmp_path / "mounts"
    kinds = {"/": "ext4", tmp_path: "fuse.mountpoint-s3", f"{tmp_path}x": "nfs4"}
    mounts.write_text("".join(f"device {where} {kind} rw 0 0\n" for where, kind in kinds.items()))
    assert mount_type(tmp_path / "flow", mounts) == "fuse.mountpoint-s3"
    assert mount_type(tmp_path / "flow", tmp_path / "none") == ""


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ESTALE])
def test_a_volume_that_is_broken_or_read_only_is_not_called_one_of_the_wrong_kind(tmp_path, number) -> None:
    with pytest.raises(VolumeError, match="can't make a folder") as refused:
        probe(Faulty(at=1, fault=fail_with(number)), tmp_path)
    assert "POSIX" not in refused.value.remedy
    assert str(tmp_path) in refused.value.message
