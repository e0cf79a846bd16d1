"""Where everything lies below a flow's root. Names are generated here or checked here; none comes from a spec."""

import contextlib
import errno
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from flowapi.frozen import frozen
from flowengine.store.io import IO

REVISION = re.compile(r"[0-9a-f]{10}")
_CHECKPOINT = re.compile(r"([0-9]{12})-e([0-9]{6,10})-([0-9a-f]{6})")
_CLAIM = re.compile(r"[0-9]{10}")

STATE_FILE = "state.safetensors"
MANIFEST_FILE = "manifest.json"
MANIFEST_SCRATCH = ".manifest.tmp"
CORRUPT_MARK = "CORRUPT"
PIN_MARK = "PINNED"
PROBE_PREFIX = ".probe-"
MOST_EPOCHS = 10**9
"""No run can have claimed as often: a larger number is not ours."""


@dataclass(frozen=True, order=True)
class CheckpointId:
    """The name of a checkpoint, ordered as the writers made them: by epoch, then by iteration."""

    epoch: int
    iteration: int
    suffix: str

    @classmethod
    def new(cls, iteration: int, epoch: int) -> "CheckpointId":
        """A name that nobody else uses."""
        return cls(epoch, iteration, secrets.token_hex(3))

    @classmethod
    def parse(cls, name: str) -> "CheckpointId | None":
        """The checkpoint behind a folder's name; None for any other name."""
        match = _CHECKPOINT.fullmatch(name)
        return cls(int(match[2]), int(match[1]), match[3]) if match and int(match[2]) <= MOST_EPOCHS else None

    def __str__(self) -> str:
        return f"{self.iteration:012d}-e{self.epoch:06d}-{self.suffix}"


@frozen
class Layout:
    """Paths below the root of a flow."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> "Layout":
        """Below a root that may be given by symbolic links: they are followed once, here, and never again.

        Raises:
            OSError: they lead in a circle.
        """
        try:
            return cls(root.resolve())
        except RuntimeError as error:  # of Python before 3.13
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(root)) from error

    @property
    def owner(self) -> Path:
        return self.root / "OWNER"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def lock(self) -> Path:
        return self.root / "LOCK"

    @property
    def fence(self) -> Path:
        return self.root / "fence"

    @property
    def revisions(self) -> Path:
        return self.root / "revisions"

    @property
    def result_link(self) -> Path:
        return self.root / "result"

    def claim(self, epoch: int) -> Path:
        return self.fence / f"{epoch:010d}"

    def base(self, epoch: int) -> Path:
        return self.fence / f"{epoch:010d}.base"

    def progress(self, epoch: int) -> Path:
        return self.fence / f"{epoch:010d}.progress"

    def revision(self, revision: str) -> Path:
        if not REVISION.fullmatch(revision):
            raise ValueError(f"{revision!r} is not a revision's hash")
        return self.revisions / revision

    def revision_file(self, revision: str) -> Path:
        return self.revision(revision) / "revision.json"

    def checkpoints(self, revision: str) -> Path:
        return self.revision(revision) / "ckpts"

    def checkpoint(self, revision: str, identity: CheckpointId) -> Path:
        return self.checkpoints(revision) / str(identity)

    def result(self, revision: str) -> Path:
        return self.revision(revision) / "result"

    def telemetry(self, revision: str) -> Path:
        return self.revision(revision) / "telemetry"


def epochs(io: IO, layout: Layout) -> list[int]:
    """The epochs that somebody claimed, ascending."""
    return [int(name) for name in io.names(layout.fence) if _CLAIM.fullmatch(name)]


def revisions(io: IO, layout: Layout) -> list[str]:
    """The revisions on the volume."""
    names = (name for name in io.names(layout.revisions) if REVISION.fullmatch(name))
    return [name for name in names if io.is_folder(layout.revisions / name)]


def checkpoint_ids(io: IO, layout: Layout, revision: str) -> list[CheckpointId]:
    """Every checkpoint folder of a revision, committed or not, oldest first."""
    found = (CheckpointId.parse(name) for name in io.names(layout.checkpoints(revision)))
    return sorted(identity for identity in found if identity)


def make_folder(io: IO, path: Path) -> None:
    """Make a folder below the root, and its name durable; a folder that is there already is fine, a link is not.

    One that is there may have been made by a process that was killed before it could bring the name to the disk.
    """
    if not io.is_folder(path):
        try:
            io.mkdir(path)
        except FileExistsError as error:
            if not io.is_folder(path):
                raise NotADirectoryError(
                    errno.ENOTDIR, "something else stands where a folder belongs", str(path)
                ) from error
    io.fsync_folder(path.parent)


def make_root(io: IO, root: Path) -> None:
    """Make the root, and what is missing of the path to it, and their names durable."""
    missing = []
    place = root
    while not io.is_there(place):
        missing.append(place)
        place = place.parent
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            io.mkdir(folder, 0o777)
        _sync_above(io, folder)
    if not io.is_folder(root):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
    if not missing:
        with contextlib.suppress(OSError):  # a mount's own name is in no folder of ours
            io.fsync_folder(root.parent)


def _sync_above(io: IO, folder: Path) -> None:
    """A folder that can be written to, but not read, can't be synced."""
    with contextlib.suppress(PermissionError):
        io.fsync_folder(folder.parent)
