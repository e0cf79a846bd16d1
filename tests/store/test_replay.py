"""Power cuts, replayed: what was not synced may be lost, torn or zeroed, in any combination.

The operations of a run are recorded; for every prefix, file systems that a power cut could leave are built, and a new
process must find every acknowledged checkpoint. Leaving out any one kind of sync must be caught.
"""

import itertools
import random
from pathlib import Path

import pytest
from harness import A, meta, state, take, value_of

from flowengine.store import IO, Retention, list_checkpoints

STATES_PER_PREFIX = 24


class Recorder(IO):
    """Performs and records, by paths below the root; `skip` leaves out syncs whose name contains it."""

    def __init__(self, root: Path, skip: str = "") -> None:
        self.root, self.skip = root, skip
        self.log: list[tuple] = []
        self.open: dict[int, list] = {}

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root))

    def create(self, path):
        descriptor = super().create(path)
        self.open[descriptor] = [len(self.log), 0, path.name]
        self.log.append(("create", self._name(path), len(self.log)))
        return descriptor

    def write(self, descriptor, data):
        inode, offset, _ = self.open[descriptor]
        raw = bytes(memoryview(data).cast("B"))
        super().write(descriptor, data)
        self.log.append(("write", inode, offset, raw))
        self.open[descriptor][1] += len(raw)

    def fsync(self, descriptor):
        super().fsync(descriptor)
        name = self.open[descriptor][2]
        kind = "manifest" if "manifest" in name else "state" if "state" in name else "fence"
        if self.skip != f"fsync {kind}":
            self.log.append(("fsync", self.open[descriptor][0]))

    def close(self, descriptor):
        self.open.pop(descriptor, None)
        super().close(descriptor)

    def rename(self, source, target):
        super().rename(source, target)
        self.log.append(("rename", self._name(source), self._name(target)))

    def link(self, source, target):
        super().link(source, target)
        self.log.append(("link", self._name(source), self._name(target)))

    def mkdir(self, path):
        super().mkdir(path)
        self.log.append(("mkdir", self._name(path)))

    def unlink(self, path):
        super().unlink(path)
        self.log.append(("unlink", self._name(path)))

    def rmdir(self, path):
        super().rmdir(path)
        self.log.append(("rmdir", self._name(path)))

    def fsync_folder(self, path):
        super().fsync_folder(path)
        kind = (
            "checkpoint" if path.parent.name == "ckpts" else path.name if path.name in ("ckpts", "fence") else "other"
        )
        if self.skip != f"folder {kind}":
            self.log.append(("fsync_folder", self._name(path)))


def folders(operation) -> set[str]:
    """The folders whose names an operation changes."""
    if operation[0] in ("create", "mkdir", "unlink", "rmdir"):
        return {str(Path(operation[1]).parent)}
    if operation[0] in ("rename", "link"):
        return {str(Path(operation[1]).parent), str(Path(operation[2]).parent)}
    return set()


def pending(log: list[tuple]) -> list[int]:
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


def outcomes(log: list[tuple], rng: random.Random):
    """Ways in which the pending operations may have fared: 0 lost, 1 done, 2 torn, 3 zeroed."""
    open_ = pending(log)
    choices = [(0, 1, 2, 3) if log[index][0] == "write" else (0, 1) for index in open_]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count <= STATES_PER_PREFIX:
        combinations = itertools.product(*choices)
    else:
        ends = [tuple(choice[0] for choice in choices), tuple(1 for _ in choices)]
        drawn = [tuple(rng.choice(choice) for choice in choices) for _ in range(STATES_PER_PREFIX - 2)]
        combinations = iter([*ends, *drawn])
    for combination in combinations:
        yield dict(zip(open_, combination, strict=True))


def build(log: list[tuple], fate: dict[int, int], root: Path) -> None:
    """The file system after a power cut."""
    names: dict[str, int] = {}
    made = {"."}
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
            case ("rename", source, target) if how:
                names[target] = names.pop(source, inode_of.get(source))
            case ("link", source, target) if how:
                names[target] = names.get(source, inode_of.get(source))
            case ("unlink", name) if how:
                names.pop(name, None)
            case ("rmdir", name) if how:
                made.discard(name)
    for name in sorted(made):
        if str(Path(name).parent) in made:
            (root / name).mkdir(parents=True, exist_ok=True)
    for name, inode in names.items():
        if inode is not None and (root / name).parent.is_dir():
            (root / name).write_bytes(data[inode])


def recorded(root: Path, skip: str) -> tuple[list[tuple], list[tuple[int, int]]]:
    """The operations of two processes on one volume, and after how many of them which iteration was acknowledged."""
    root.mkdir()
    io = Recorder(root, skip)
    marks = []
    for first in (1, 4):
        store, _ = take(root, io=io)
        for iteration in range(first, first + 3):
            store.save(iteration, state(iteration), meta())
            marks.append((len(io.log), iteration))
            store.collect(Retention(A, keep=2))
        store.close()
    return io.log, marks


def violations(tmp_path: Path, skip: str) -> list[str]:
    log, marks = recorded(tmp_path / "work", skip)
    rng = random.Random(7)
    found = []
    for count in range(len(log) + 1):
        acknowledged = max((k for at, k in marks if at <= count), default=0)
        for number, fate in enumerate(outcomes(log[:count], rng)):
            root = tmp_path / f"{count}-{number}"
            root.mkdir()
            build(log[:count], fate, root)
            problem = check(root, acknowledged)
            if problem:
                found.append(f"after {count} operations: {problem}")
                if skip:
                    return found
    return found


def check(root: Path, acknowledged: int) -> str:
    try:
        intact = [one for one in list_checkpoints(root, deep=True) if not one.problem and one.visible]
        store, claimed = take(root)
    except Exception as error:
        return repr(error)
    k = value_of(claimed.base.leaves) if claimed.base else 0
    if k < acknowledged:
        return f"{acknowledged} was acknowledged, {k} is found of {len(intact)}"
    store.save(99, state(99), meta())
    store.close()
    return ""


def test_no_power_cut_loses_an_acknowledged_checkpoint(tmp_path) -> None:
    assert violations(tmp_path, "") == []


@pytest.mark.parametrize("skip", ["fsync state", "fsync manifest", "folder checkpoint", "folder ckpts"])
def test_every_sync_of_a_save_is_needed(tmp_path, skip) -> None:
    assert violations(tmp_path, skip) != []
