"""Every system call of the store, in one object, so that tests can put a fault at each of them."""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from typing_extensions import Buffer

from flowapi.errors import ENLARGE, VolumeError

READ_CHUNK = 1 << 24
SENT_AT_ONCE = 1 << 22
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
UNREADABLE = frozenset((errno.EIO, *(getattr(errno, name) for name in ("EBADMSG", "EUCLEAN") if hasattr(errno, name))))
"""The medium's own error, and what ext4 and xfs say of a wrong checksum; btrfs and zfs say EIO."""
TRANSIENT = frozenset((*UNREADABLE, errno.ESTALE, errno.EACCES, errno.ETIMEDOUT, errno.EAGAIN))
RETRY_SECONDS = (0.05, 0.2, 1.0)
T = TypeVar("T")


class IO:
    """Plain system calls; symbolic links are never followed in the last component of a path."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist; return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)

    def write(self, descriptor: int, data: Buffer) -> None:
        """Write all of the data."""
        view = memoryview(data).cast("B")
        while view:
            view = view[os.write(descriptor, view) :]

    def send(self, descriptor: int, begin: int, size: int) -> None:
        """Ask the kernel to start writing a part of a file to the disk; only a hint."""
        if hasattr(os, "posix_fadvise"):
            with contextlib.suppress(
                OSError
            ):  # dirty pages are sent and stay; clean ones, not asked for here, would go
                os.posix_fadvise(descriptor, begin, size, os.POSIX_FADV_DONTNEED)

    def fsync(self, descriptor: int) -> None:
        """Bring a file's bytes to the disk. Never retried: after a failure the kernel may have dropped them."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close; a write error may show only here."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Put a file in its place, atomically."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a whole file a second name that must not exist."""
        os.link(source, target, follow_symlinks=False)

    def symlink(self, target: str, path: Path) -> None:
        """Make a symbolic link whose name must not exist."""
        path.symlink_to(target)

    def mkdir(self, path: Path, mode: int = 0o750) -> None:
        """Make one folder that must not exist."""
        path.mkdir(mode)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def rmdir(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def fsync_folder(self, path: Path) -> None:
        """Bring a folder's names to the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        except OSError as error:
            error.filename = str(path)
            raise
        finally:
            os.close(descriptor)

    def open_read(self, path: Path) -> int:
        """Open a regular file for reading; FileNotFoundError for anything else."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise FileNotFoundError(errno.ENOENT, "a link, not a file", path.name) from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, "not a regular file", path.name)
        return descriptor

    def lock(self, descriptor: int) -> None:
        """Take an advisory lock on an open file at once; BlockingIOError when somebody else holds it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def free(self, path: Path) -> int | None:
        """Bytes that may still be written to the volume; None when it doesn't say."""
        space = os.statvfs(path)
        return space.f_bavail * space.f_frsize if space.f_blocks else None

    def modified(self, path: Path) -> float:
        """When a folder's names changed last, by the volume's clock, in seconds."""
        return path.lstat().st_mtime

    def size(self, descriptor: int) -> int:
        """Bytes in an open file."""
        return os.fstat(descriptor).st_size

    def read_into(self, descriptor: int, view: memoryview) -> int:
        """Fill a view from an open file; return how much came, less than its size only at the file's end."""
        filled = 0
        while filled < len(view):
            count = os.readv(descriptor, [view[filled : filled + READ_CHUNK]])
            if count == 0:
                break
            filled += count
        return filled

    def names(self, path: Path) -> list[str]:
        """The names in a folder; none if there is no folder, or a link to one."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return []
            raise
        try:
            return sorted(os.listdir(descriptor))  # noqa: PTH208 - of an open folder
        finally:
            os.close(descriptor)

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder, and no link to one."""
        return (mode := self._mode(path)) is not None and stat.S_ISDIR(mode)

    def is_there(self, path: Path) -> bool:
        """Whether the name is taken, by whatever it is."""
        return self._mode(path) is not None

    def _mode(self, path: Path) -> int | None:
        try:
            return path.lstat().st_mode
        except FileNotFoundError:
            return None


def refused(error: OSError, what: str) -> VolumeError:
    """What a refusal of the volume is for a person: the reason, and what to do about it."""
    remedies = {
        errno.EROFS: "The volume is mounted read-only.",
        errno.EACCES: "Check the permissions (fsGroup).",
        errno.ENAMETOOLONG: "Give it a shorter name.",
        errno.ENOTDIR: "Give the path of a folder.",
        errno.ELOOP: "The links lead in a circle.",
        errno.EMFILE: "Raise the limit of open files (ulimit -n).",
    }
    full = error.errno in FULL
    remedy = "Make room on the volume." if full else remedies.get(error.errno or 0, "Check the volume.")
    found = VolumeError(f"{what} ({reason(error)})", remedy=remedy, on_cluster=ENLARGE if full else "")
    found.full, found.unreadable = full, error.errno in UNREADABLE
    return found


def reason(error: OSError) -> str:
    """What the system said, and of which file."""
    place = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes | os.PathLike) else ""
    return f"{error.strerror or error}{place}"


def patiently(read: Callable[[], T], path: Path) -> T:
    """Read a file, and try again what may pass by itself.

    Raises:
        FileNotFoundError: there is nothing to read.
        VolumeError: it did not pass.
    """
    for pause in (*RETRY_SECONDS, None):
        try:
            return read()
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno not in TRANSIENT or pause is None:
                error.filename = error.filename or str(path)
                raise refused(error, "the volume can't be read") from error
            time.sleep(pause)
    raise AssertionError("the last round returned or raised")


def read_file(io: IO, path: Path, limit: int) -> bytes:
    """A whole small file.

    Raises:
        FileNotFoundError: there is no such regular file.
        ValueError: it has more than `limit` bytes.
        VolumeError: the volume can't be read, not even after a while.
    """
    return patiently(lambda: _read_once(io, path, limit), path)


def _read_once(io: IO, path: Path, limit: int) -> bytes:
    descriptor = io.open_read(path)
    try:
        size = io.size(descriptor)
        if size > limit:
            raise ValueError(f"{path.name} has {size} bytes, more than {limit}")
        data = bytearray(size)
        filled = io.read_into(descriptor, memoryview(data))
        return bytes(data[:filled])
    finally:
        io.close(descriptor)


def put_file(io: IO, path: Path, data: Buffer) -> None:
    """Create a file with these bytes and bring them to the disk. On an error the file is unfinished: discard it."""
    put_files(io, iter([(path, iter((data,)))]))


def put_files(io: IO, files: Iterator[tuple[Path, Iterator[Buffer]]]) -> None:
    """Create files from their chunks, and sync them when all are written.

    What was written is on its way to the disk while more is made; one commit of the journal serves all files.
    """
    opened: list[int] = []
    at = Path()
    try:
        for at, chunks in files:
            opened.append(io.create(at))
            _write_all(io, opened[-1], chunks)
        for descriptor in opened:
            io.fsync(descriptor)
        while opened:
            io.close(opened.pop())
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = error.filename or str(at)
        for descriptor in opened:
            os.close(descriptor)
        raise


def _write_all(io: IO, descriptor: int, chunks: Iterator[Buffer]) -> None:
    sent = written = 0
    for chunk in chunks:
        io.write(descriptor, chunk)
        written += memoryview(chunk).nbytes
        if written - sent >= SENT_AT_ONCE:
            io.send(descriptor, sent, written - sent)
            sent = written
    if written > sent:
        io.send(descriptor, sent, written - sent)


def replace_file(io: IO, path: Path, data: bytes, *, scratch: Path) -> None:
    """Put these bytes in place of a file, whole or not at all, and durable."""
    put_file(io, scratch, data)
    io.rename(scratch, path)
    io.fsync_folder(path.parent)
