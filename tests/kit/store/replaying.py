"""The model of a power cut: what was not synced may be lost, torn or zeroed, in any combination."""

import itertools
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flowengine.store import IO

Operation = tuple[Any, ...]

STATES_PER_PREFIX = int(os.environ.get("CFLOW_REPLAY_STATES", "24"))


class Recorder(IO):
    """Performs and records, by paths below a folder that was there before; `skip` leaves out syncs of its name."""

    def __init__(self, base: Path, skip: str = "") -> None:
        self.base, self.skip = base, skip
        self.log: list[Operation] = []
        self.open: dict[int, list[Any]] = {}

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.base))

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self.open[descriptor] = [len(self.log), 0, path.name]
        self.log.append(("create", self._name(path), len(self.log)))
        return descriptor

    def write(self, descriptor: int, data: Any) -> None:
        inode, offset, _ = self.open[descriptor]
        raw = bytes(memoryview(data).cast("B"))
        super().write(descriptor, data)
        self.log.append(("write", inode, offset, raw))
        self.open[descriptor][1] += len(raw)

    def fsync(self, descriptor: int) -> None:
        super().fsync(descriptor)
        name = self.open[descriptor][2]
        kinds = ("manifest", "state", "x.npy", "summary", "SHA256SUMS", "telemetry", "events", "local")
        kind = next((one for one in kinds if one in name), "fence")
        if self.skip != f"fsync {kind}":
            self.log.append(("fsync", self.open[descriptor][0]))

    def close(self, descriptor: int) -> None:
        self.open.pop(descriptor, None)
        super().close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.log.append(("rename", self._name(source), self._name(target)))

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self.log.append(("link", self._name(source), self._name(target)))

    def symlink(self, target: str, path: Path) -> None:
        super().symlink(target, path)
        self.log.append(("symlink", self._name(path), target))

    def mkdir(self, path: Path, *mode: int) -> None:
        super().mkdir(path, *mode)
        self.log.append(("mkdir", self._name(path)))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.log.append(("unlink", self._name(path)))

    def rmdir(self, path: Path) -> None:
        super().rmdir(path)
        self.log.append(("rmdir", self._name(path)))

    def fsync_folder(self, path: Path) -> None:
        super().fsync_folder(path)
        named = ("ckpts", "fence", "result", "telemetry", "revisions")
        kind = "checkpoint" if path.parent.name == "ckpts" else path.name if path.name in named else "other"
        kind = "above" if path == self.base else "root" if path.parent == self.base else kind
        if self.skip != f"folder {kind}":
            self.log.append(("fsync_folder", self._name(path)))


def folders(operation: Operation) -> set[str]:
    """The folders whose names an operation changes."""
    if operation[0] in ("create", "mkdir", "unlink", "rmdir", "symlink"):
        return {str(Path(operation[1]).parent)}
    if operation[0] in ("rename", "link"):
        return {str(Path(operation[1]).parent), str(Path(operation[2]).parent)}
    return set()


def pending(log: list[Operation]) -> list[int]:
    """The operations that no later sync made durable."""
    result = []
    for index, operation in enumerate(log):
        later = log[index + 1 :]
        if operation[0] == "write":
            durable = any(one[0] == "fsync" and one[1] == operation[1] for one in later)
        else:
            durable = all(any(one[:2] == ("fsync_folder", name) for one in later) for name in folders(operation))
        if not durable:
            result.append(index)
    return result


def outcomes(log: list[Operation], rng: random.Random) -> Iterator[dict[int, int]]:
    """Ways in which the pending operations may have fared: 0 lost, 1 done, 2 torn, 3 zeroed."""
    open_ = pending(log)
    choices = [(0, 1, 2, 3) if log[index][0] == "write" else (0, 1) for index in open_]
    count = 1
    for choice in choices:
        count *= len(choice)
    combinations: Iterable[tuple[int, ...]]
    if count <= STATES_PER_PREFIX:
        combinations = itertools.product(*choices)
    else:
        ends = [tuple(choice[0] for choice in choices), tuple(1 for _ in choices)]
        drawn = [tuple(rng.choice(choice) for choice in choices) for _ in range(STATES_PER_PREFIX - 2)]
        combinations = [*ends, *drawn]
    for combination in combinations:
        yield dict(zip(open_, combination, strict=True))


def build(log: list[Operation], fate: dict[int, int], root: Path) -> None:
    """The file system after a power cut, below a folder that is there."""
    names: dict[str, int | None] = {}
    made = {"."}
    links: dict[str, str] = {}
    data: dict[int, bytearray] = {}
    inode_of = {one[1]: one[2] for one in log if one[0] == "create"}
    for index, operation in enumerate(log):
        how = fate.get(index, 1)
        match operation:
            case ("create", name, inode):
                data.setdefault(inode, bytearray())
                if how:
                    names[name] = inode
            case ("write", inode, offset, raw):
                kept = {0: b"", 1: raw, 2: raw[: len(raw) // 2], 3: bytes(len(raw))}[how]
                content = data.setdefault(inode, bytearray())
                content.extend(bytes(max(0, offset + len(kept) - len(content))))
                content[offset : offset + len(kept)] = kept
            case ("mkdir", name) if how:
                made.add(name)
            case ("symlink", name, target) if how:
                links[name] = target
            case ("rename", source, target) if how and source in links:
                links[target] = links.pop(source)
            case ("rename", source, target) if how:
                names[target] = names.pop(source, inode_of.get(source))
            case ("link", source, target) if how:
                names[target] = names.get(source, inode_of.get(source))
            case ("unlink", name) if how:
                names.pop(name, None)
                links.pop(name, None)
            case ("rmdir", name) if how:
                made.discard(name)
    for name in sorted(made):
        if (root / name).parent.is_dir():  # what lies in a folder that was lost is lost with it
            (root / name).mkdir(exist_ok=True)
    for name, inode in names.items():
        if inode is not None and (root / name).parent.is_dir():
            (root / name).write_bytes(data[inode])
    for name, target in links.items():
        if (root / name).parent.is_dir():
            (root / name).symlink_to(target)
