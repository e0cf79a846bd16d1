"""What a capsule needs of the volume that it lies on."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from typing_extensions import Buffer


class Readable(Protocol):
    """What looking at a capsule needs."""

    def read(self, path: Path, limit: int) -> bytes:
        """A whole file of at most so many bytes."""

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, sorted."""


class Plain:
    """Reads any folder."""

    def read(self, path: Path, limit: int) -> bytes:
        """A whole file of at most so many bytes."""
        with path.open("rb") as file:
            return file.read(limit)

    def names(self, folder: Path) -> list[str]:
        """The names in a folder, sorted; none if there is no folder."""
        return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []


PLAIN = Plain()


class Disk(Readable, Protocol):
    """Whole files, durable; the store has one, so that a fault can be put at each of its system calls."""

    def make_folder(self, path: Path) -> None:
        """Make a folder, unless it is there."""

    def put(self, path: Path, chunks: Iterable[Buffer]) -> None:
        """Put a file in place, whole or not at all."""

    def sha256(self, path: Path) -> str:
        """Of a whole file."""

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name."""

    def remove(self, path: Path) -> None:
        """Remove a file."""

    def sweep(self, folder: Path) -> None:
        """Remove what killed writers left."""

    def point(self, link: Path, folder: Path) -> bool:
        """Make a link point at a folder; whether that went."""
