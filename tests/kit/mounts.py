"""Real file systems for the tests: made in a file, mounted, cut off from power, and taken away again."""

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


def sh(*command: object) -> str:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout.strip()


@contextlib.contextmanager
def mounted(place: Path, *options: object) -> Iterator[Path]:
    """Something mounted at a place for a while."""
    place.mkdir(exist_ok=True)
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
        self._image.unlink()
