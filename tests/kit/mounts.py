"""Real file systems for the tests: made in a file, mounted, cut off from power, and taken away again."""

import contextlib
import ctypes
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
CLONE_FS, CLONE_NEWNS, MS_PRIVATE, MS_REC = 0x200, 0x20000, 1 << 18, 1 << 14


def sh(*command: object) -> str:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout.strip()


_apart = 0


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """For this thread and its children, mounts that nobody else sees.

    Whoever begins a mount namespace (a node of a cluster does) copies every mount that he sees, and keeps it when it is taken
    away here: the file system would stay in use, be written to later, and not be mounted again by its UUID.
    """
    global _apart  # noqa: PLW0603 - the namespace is the thread's; within it no other is needed
    if _apart:
        yield
        return
    before, folder = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC), Path.cwd()
    try:
        _call("unshare", CLONE_NEWNS)
        _apart = 1
        try:
            _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            yield
        finally:
            _apart = 0
            _call("unshare", CLONE_FS)  # a library's threads may share it by now: only who shares it with none may go
            _call("setns", before, CLONE_NEWNS)
            os.chdir(folder)
    finally:
        os.close(before)


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


@contextlib.contextmanager
def mounted(place: Path, *options: object) -> Iterator[Path]:
    """Something mounted at a place for a while."""
    place.mkdir(exist_ok=True)
    with apart():
        sh("mount", *options, place)
        try:
            yield place
        finally:
            sh("umount", place)


class Disk:
    """An ext4 in a file, behind a loop device."""

    def __init__(self, folder: Path, size: str = "64M") -> None:
        self._image = folder / "disk"
        self.place = folder / "mounted"
        self.place.mkdir()
        self._apart = contextlib.ExitStack()
        self._apart.enter_context(apart())
        sh("truncate", "-s", size, self._image)
        sh("mkfs.ext4", "-q", self._image)
        self._device = sh("losetup", "--find", "--show", self._image)
        sh("mount", self._device, self.place)

    def cut(self) -> None:
        """Cut the power: what is not on the disk now will never be. The file system answers with errors from here on."""
        descriptor = os.open(self.place, os.O_RDONLY)
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(descriptor)

    def again(self) -> None:
        """Mount it anew; the journal is replayed."""
        sh("umount", self.place)
        sh("mount", self._device, self.place)

    def close(self) -> None:
        sh("umount", self.place)
        sh("losetup", "--detach", self._device)
        self._apart.close()
        self._image.unlink()
