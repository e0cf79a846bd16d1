"""What lies beside the checkpoints: whole files, put in place at once and durable, by the same system calls."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from typing_extensions import Buffer

from flowengine.store.io import IO, patiently, put_files, read_file
from flowengine.store.layout import make_folder

SCRATCH = ".tmp"


class Files:
    """Whole files on a volume. Errors are OSError, and VolumeError where reading failed again and again."""

    def __init__(self, io: IO | None = None) -> None:
        self._io = io or IO()

    def make_folder(self, path: Path) -> None:
        """Make a folder, and its name durable, unless it is there."""
        make_folder(self._io, path)

    def put(self, path: Path, chunks: Iterable[Buffer]) -> None:
        """Put a file in place, whole or not at all; it is durable when this returns."""
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}{SCRATCH}")
        try:
            put_files(self._io, iter([(scratch, iter(chunks))]))
            self._io.rename(scratch, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._io.unlink(scratch)
            raise
        self._io.fsync_folder(path.parent)

    def read(self, path: Path, limit: int) -> bytes:
        """A whole file; errors as `read_file`."""
        return read_file(self._io, path, limit)

    def sha256(self, path: Path) -> str:
        """Of a file of any size."""
        return patiently(lambda: self._sha256(path), path)

    def _sha256(self, path: Path) -> str:
        found, room = hashlib.sha256(), memoryview(bytearray(1 << 20))
        descriptor = self._io.open_read(path)
        try:
            while count := self._io.read_into(descriptor, room):
                found.update(room[:count])
        finally:
            self._io.close(descriptor)
        return found.hexdigest()

    def names(self, folder: Path) -> list[str]:
        """The names in a folder; none if there is no folder."""
        return self._io.names(folder)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name in its folder."""
        self._io.rename(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        self._io.unlink(path)

    def sweep(self, folder: Path) -> None:
        """Remove what a killed `put` left in a folder, as far as the volume lets us."""
        with contextlib.suppress(OSError):
            for name in self._io.names(folder):
                if name.startswith(".") and name.endswith(SCRATCH):
                    self._io.unlink(folder / name)

    def point(self, link: Path, folder: Path) -> bool:
        """Make a relative symbolic link point at a folder, replacing an older one; whether that went.

        Volumes without links do without, and a real folder of this name stays.
        """
        target = os.path.relpath(folder, link.parent)
        scratch = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
        try:
            if link.is_symlink() and os.readlink(link) == target:  # noqa: PTH115 - its text, not a path
                return True
            self._io.symlink(target, scratch)
            self._io.rename(scratch, link)
            self._io.fsync_folder(link.parent)
        except OSError:
            with contextlib.suppress(OSError):
                self._io.unlink(scratch)
            return False
        return True
