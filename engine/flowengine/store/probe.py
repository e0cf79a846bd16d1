"""Whether a volume can do what checkpoints need; found out at each start, before anything rests on it.

Object stores behind a file system (mountpoint-s3, gcsfuse) may lack renames, exclusive creation, or bytes that can be
read back before a file is closed for good. Better a sentence at the start than a lost week.
"""

import contextlib
import errno
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from flowapi.errors import VolumeError
from flowengine.store.io import FULL, IO, TRANSIENT, put_file, read_file, refused
from flowengine.store.layout import PROBE_PREFIX

T = TypeVar("T")
STALE_SECONDS = 60.0
UNWELL = TRANSIENT | {errno.EROFS}  # nothing about its kind: another one of the same kind would do
_OLD, _NEW = b"old\n", b"new\n"
_REMEDY = (
    "Use a volume with a POSIX file system (a disk, block storage, NFS 4, CephFS); docs/how-to/volumes.md has a table."
)


def probe(io: IO, root: Path) -> None:
    """Try exclusive creation, fsync, reading back, an atomic rename over a file, and a synced folder.

    Raises:
        VolumeError: the volume can't do one of them; the sentence names it and the kind of mount.
    """
    folder = root / f"{PROBE_PREFIX}{secrets.token_hex(4)}"
    try:
        _step(root, "make a folder", lambda: io.mkdir(folder))
        _step(root, "write and sync a file", lambda: put_file(io, folder / "old", _OLD))
        if not _refuses_second(io, folder / "old"):
            raise _unfit(root, "create a file only where there is none (O_EXCL)")
        _step(root, "write and sync a file", lambda: put_file(io, folder / "new", _NEW))
        _step(root, "rename a file over another", lambda: io.rename(folder / "new", folder / "old"))
        _step(root, "sync a folder", lambda: io.fsync_folder(folder))
        _sweep(io, root, folder)
        names = _step(root, "list a folder", lambda: io.names(folder))
        data = _step(root, "read back what was written", lambda: read_file(io, folder / "old", len(_NEW)))
        if names != ["old"] or data != _NEW:
            raise _unfit(root, "give a renamed file its new content")
    finally:
        _remove(io, folder)


def mount_type(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The file system's type at a path, such as `ext4` or `fuse.mountpoint-s3`; empty where the kernel doesn't tell."""
    found = ("", "")
    with contextlib.suppress(OSError, ValueError):
        place = path.resolve()
        for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            _, where, kind, *_ = line.split(" ")
            if place.is_relative_to(where) and len(where) >= len(found[0]):
                found = (where, kind)
    return found[1]


def _step(root: Path, what: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except OSError as error:
        if error.errno in FULL:
            raise refused(error, f"the volume at {root} has no room for a claim") from error
        if error.errno in UNWELL:
            raise refused(error, f"the volume at {root} can't {what}") from error
        raise _unfit(root, what, error) from error


def _unfit(root: Path, what: str, error: OSError | None = None) -> VolumeError:
    kind = mount_type(root)
    place = f"{root} ({kind})" if kind else str(root)
    why = f" ({error.strerror})" if error else ""
    return VolumeError(f"the volume at {place} can't {what}{why}", remedy=_REMEDY)


def _refuses_second(io: IO, path: Path) -> bool:
    try:
        io.close(io.create(path))
    except FileExistsError:
        return True
    return False


def _sweep(io: IO, root: Path, own: Path) -> None:
    """Remove what killed probes left; what is newer may be another start's."""
    with contextlib.suppress(OSError):
        now = io.modified(own)
        for name in io.names(root):
            if name.startswith(PROBE_PREFIX) and now - io.modified(root / name) > STALE_SECONDS:
                _remove(io, root / name)


def _remove(io: IO, folder: Path) -> None:
    with contextlib.suppress(OSError):
        for name in io.names(folder):
            io.unlink(folder / name)
        io.rmdir(folder)
