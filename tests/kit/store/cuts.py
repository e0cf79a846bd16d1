"""Power cuts of a real file system: what a disk had been told by then, with or without what it had not yet been told to keep."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowapi.errors import FlowError
from flowengine.store import IO
from kit.mounts import apart, mounted, sh
from kit.store.beside import END, Told, go, wrong
from kit.store.logging_disk import NAME, Write, read_log

MAKE = {
    "ext4": ("64M", ("mkfs.ext4", "-q")),
    "xfs": ("300M", ("mkfs.xfs", "-q")),
    "btrfs": ("128M", ("mkfs.btrfs", "-q")),
}
OPTIONS = {"btrfs": ("-o", "nodiscard")}
FATES = ("without", "with", "some of")  # what was written after the last flush
PIECE = 4096
PAUSED = 3


class Unsynced(IO):
    """A disk that is never told to keep anything: the control, which must lose."""

    def fsync(self, descriptor: int) -> None:
        """Nothing."""

    def fsync_folder(self, path: Path) -> None:
        """Nothing."""


def lacking(kind: str) -> str:
    """What is missing for a file system of this kind; empty when nothing is."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if not Path("/dev/fuse").exists() or not list(Path("/dev").glob("loop*")):
        return "there is no /dev/fuse, or no loop device"
    known = Path("/proc/filesystems").read_text(encoding="utf-8").split()
    tool = MAKE[kind][1][0]
    if kind not in known or not {"fuse"} <= set(known):
        return f"the kernel has no {kind}, or no fuse"
    return "" if shutil.which(tool) else f"there is no {tool} (apt-get install xfsprogs btrfs-progs)"


@contextlib.contextmanager
def attached(image: Path, kind: str, place: Path) -> Iterator[Path]:
    """A file system in a file, mounted for a while; what its journal holds is replayed."""
    device = sh("losetup", "--find", "--show", image)
    try:
        with mounted(place, "-t", kind, *OPTIONS.get(kind, ()), device):
            yield place
    finally:
        sh("losetup", "--detach", device)


@contextlib.contextmanager
def _logged(image: Path, log: Path, place: Path) -> Iterator[Path]:
    """The image as a file whose writes are logged."""
    place.mkdir()
    command = [sys.executable, "-P", "-m", "kit.store.logging_disk", str(image), str(log), str(place)]
    with apart(), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "mounted\n", "the logging disk could not be mounted"
        try:
            yield place / os.fsdecode(NAME)
        finally:
            sh("umount", place)


@dataclass(frozen=True)
class Recorded:
    """A run on a file system, as its disk saw it.

    Attributes:
        kind: Of the file system.
        empty: The image that it began with.
        log: What reached the disk.
        words: What the run was sure of, each with the log's size by then.
    """

    kind: str
    empty: Path
    log: Sequence[Write]
    words: Sequence[tuple[int, str]]

    def told(self, end: int) -> Told:
        """What the run had been sure of when the log had this size."""
        told = Told()
        for at, word in self.words:
            if at <= end:
                told.note(word)
        return told


def record(folder: Path, kind: str, io: IO | None = None) -> Recorded:
    """A run that pauses once and then ends, on a new file system."""
    size, make = MAKE[kind]
    empty, image, log = folder / "empty", folder / "image", folder / "log"
    sh("truncate", "-s", size, empty)
    sh(*make, empty)
    sh("cp", "--sparse=always", empty, image)
    words: list[tuple[int, str]] = []
    with _logged(image, log, folder / "served") as file, attached(file, kind, folder / "mounted") as place:
        for until in (PAUSED, END):
            go(place / "flow", io, lambda word: words.append((log.stat().st_size, word)), until=until)
    image.unlink()
    return Recorded(kind, empty, read_log(log), words)


def places(run: Recorded, count: int) -> list[int]:
    """After how many writes the power is cut: over all of the run, its last word included."""
    last = next(index for index, one in enumerate(run.log, 1) if one.end >= run.words[-1][0])
    return sorted({max(1, round(last * (number + 1) / count)) for number in range(count)})


def losses(run: Recorded, folder: Path, cuts: Sequence[int], rng: random.Random) -> Iterator[str]:
    """A sentence for each cut and fate: what a later start misses, or nothing."""
    kept, image = folder / "kept", folder / "cut"
    sh("cp", "--sparse=always", run.empty, kept)
    flushed = 0
    for cut in cuts:
        now = max((index for index, one in enumerate(run.log[:cut], 1) if one.flush), default=0)
        _apply(kept, run.log[flushed:now])
        flushed = max(flushed, now)
        for fate in FATES:
            sh("cp", "--sparse=always", kept, image)
            _apply(image, _fated(run.log[flushed:cut], fate, rng))
            problem = _missed(run, image, folder / "again", run.told(run.log[cut - 1].end))
            yield f"{run.kind}, {fate} what was not flushed, after {cut} writes: {problem}" if problem else ""


def _fated(pending: Sequence[Write], fate: str, rng: random.Random) -> list[Write]:
    """What of the writes reached the disk; a large one may reach it in part."""
    pieces = [
        Write(one.offset + at, one.data[at : at + PIECE], one.end)
        for one in pending
        if not one.flush
        for at in range(0, len(one.data), PIECE)
    ]
    match fate:
        case "without":
            return []
        case "with":
            return pieces
        case _:
            return [one for one in pieces if rng.random() < 0.5]


def _apply(image: Path, writes: Sequence[Write]) -> None:
    with image.open("r+b", buffering=0) as file:
        for one in writes:
            if not one.flush:
                os.pwrite(file.fileno(), one.data, one.offset)


def _missed(run: Recorded, image: Path, place: Path, told: Told) -> str:
    """What a start on the image misses; it must also get to its end."""
    try:
        with attached(image, run.kind, place) as again:
            return wrong(again / "flow", told)
    except (AssertionError, FlowError, OSError) as error:
        return repr(error)
