"""A disk that logs every write and every flush, in order: a loop device on a file that this program serves to the kernel.

Run it as a program: `python -m kit.store.logging_disk IMAGE LOG PLACE` mounts a folder with the one file `disk` at PLACE,
by the kernel's FUSE protocol and nothing else (include/uapi/linux/fuse.h), and ends when it is unmounted.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

ROOT, FILE = 1, 2
NAME = b"disk"
MOST = 1 << 17  # bytes of a write
_IN, _OUT = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
_INIT = struct.Struct("<IIIIHHIIHHI28x")
_ATTR = struct.Struct("<6Q10I")
_TRANSFER = struct.Struct("<QQIIQII")  # how a read and a write begin
_RECORD = struct.Struct("<QI")
FLUSH = 2**64 - 1


class Asked(IntEnum):
    """What the kernel may ask for, by its numbers; everything else is answered with ENOSYS, which it lives with."""

    LOOKUP, FORGET, GETATTR, SETATTR = 1, 2, 3, 4
    OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, CLOSE, INIT = 14, 15, 16, 17, 18, 20, 25, 26
    OPENDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 27, 29, 36, 42


UNANSWERED = (Asked.FORGET, Asked.BATCH_FORGET, Asked.INTERRUPT)
LONG = 3600  # seconds that the kernel may keep what it knows


class Write(NamedTuple):
    """A write of the log; `end` is the log's size after it. A flush has no data."""

    offset: int
    data: bytes
    end: int

    @property
    def flush(self) -> bool:
        """Whether it is a flush: everything before it is on the disk for good."""
        return self.offset == FLUSH


def read_log(path: Path) -> list[Write]:
    """Everything that reached the disk, in order."""
    return list(_records(path.read_bytes()))


def _records(log: bytes) -> Iterator[Write]:
    at = 0
    while at < len(log):
        offset, size = _RECORD.unpack_from(log, at)
        begin = at + _RECORD.size
        at = begin + size
        yield Write(offset, log[begin:at], at)


class Server:
    """Answers the kernel's requests for a folder with one file."""

    def __init__(self, image: Path, log: Path) -> None:
        self._image = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._image).st_size
        self._kernel = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)

    def mount(self, place: Path) -> None:
        """Mount the folder; nothing answers before `serve`."""
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self._kernel},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"logging-disk", os.fsencode(place), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(place))

    def serve(self) -> None:
        """Answer until the folder is unmounted."""
        while True:
            try:
                request = os.read(self._kernel, MOST + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                raise
            _, operation, unique, node, *_ = _IN.unpack_from(request)
            if operation in UNANSWERED:
                continue
            try:
                number, body = 0, self._answer(operation, node, memoryview(request)[_IN.size :])
            except OSError as error:
                number, body = -(error.errno or errno.EIO), b""
            os.write(self._kernel, _OUT.pack(_OUT.size + len(body), number, unique) + body)

    def _answer(self, operation: int, node: int, body: memoryview) -> bytes:
        match operation:
            case Asked.INIT:  # the version, limits, no features
                return _INIT.pack(7, 31, MOST, 0, 16, 12, MOST, 1, 0, 0, 0)
            case Asked.LOOKUP if bytes(body).rstrip(b"\0") == NAME:
                return struct.pack("<4Q2I", FILE, 0, LONG, LONG, 0, 0) + self._attributes(FILE)
            case Asked.LOOKUP:
                raise OSError(errno.ENOENT, "no such file")
            case Asked.GETATTR | Asked.SETATTR:
                return struct.pack("<Q2I", LONG, 0, 0) + self._attributes(node)
            case Asked.OPEN | Asked.OPENDIR:
                return struct.pack("<QIi", 0, 0, 0)
            case Asked.READ:
                _, offset, size, *_ = _TRANSFER.unpack_from(body)
                return os.pread(self._image, size, offset)
            case Asked.WRITE:
                _, offset, size, *_ = _TRANSFER.unpack_from(body)
                data = bytes(body[_TRANSFER.size : _TRANSFER.size + size])
                os.write(self._log, _RECORD.pack(offset, size) + data)
                os.pwrite(self._image, data, offset)
                return struct.pack("<2I", size, 0)
            case Asked.STATFS:
                return struct.pack("<5Q10I", self._size >> 12, 0, 0, 1, 0, 4096, 255, 4096, *[0] * 7)
            case Asked.FSYNC:
                os.write(self._log, _RECORD.pack(FLUSH, 0))
                return b""
            case Asked.RELEASE | Asked.CLOSE | Asked.RELEASEDIR:
                return b""
            case _:
                raise OSError(errno.ENOSYS, "not needed")

    def _attributes(self, node: int) -> bytes:
        folder = node == ROOT
        mode = stat.S_IFDIR | 0o755 if folder else stat.S_IFREG | 0o600
        size = 0 if folder else self._size
        return _ATTR.pack(node, size, size >> 9, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def main(image: str, log: str, place: str) -> None:
    """Serve, once a line has said that it is mounted."""
    server = Server(Path(image), Path(log))
    server.mount(Path(place))
    sys.stdout.write("mounted\n")
    sys.stdout.flush()
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
