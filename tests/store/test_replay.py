"""Power cuts, replayed: what was not synced may be lost, torn or zeroed, in any combination.

The operations of a run are recorded; for every prefix, file systems that a power cut could leave are built, and a new
process must find every acknowledged checkpoint, the jumps that happened, and whose volume it is. Leaving out any one kind
of sync must be caught.
"""

import itertools
import os
import random
import shutil
from pathlib import Path

import pytest

from flowengine.store import IO, At, Latest, Layout, Retention, list_checkpoints
from flowengine.store.fence import read_claims
from flowengine.store.owner import read_owner
from kit.store.volume import OWNER, A, B, meta, state, take, value_of

STATES_PER_PREFIX = int(os.environ.get("CFLOW_REPLAY_STATES", "24"))


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


def left(log: list[tuple], fate: dict[int, int]) -> dict[str, bytes | None]:
    """The file system after a power cut: the bytes of each file, None for a folder."""
    names: dict[str, int] = {}
    made: set[str] = set()
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
    tree: dict[str, bytes | None] = {".": None}
    there = [(name, None) for name in sorted(made)] + [
        (name, inode) for name, inode in names.items() if inode is not None
    ]
    for name, inode in there:
        if str(Path(name).parent) in tree:  # what lies in a folder that was lost is lost with it
            tree[name] = None if inode is None else bytes(data[inode])
    return tree


def build(tree: dict[str, bytes | None], root: Path) -> None:
    for name, content in tree.items():
        if content is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(content)


JUMP = "restore-1"


def recorded(root: Path, skip: str) -> tuple[list[tuple], list[tuple[int, int, str]]]:
    """The operations of four processes on one volume: two plain ones, a jump back, and one of a second revision.

    Returns:
        The operations, and after how many of them which (step, checkpoint) was acknowledged.
    """
    root.mkdir()
    io = Recorder(root, skip)
    marks: list[tuple[int, int, str]] = []

    def work(revision: str, steps: range, start=Latest(), jump: str = "") -> None:  # noqa: B008
        store, _ = take(root, revision, start, io=io, attempt=steps.start, jump=jump)
        for step in steps:
            ref = store.save(step, state(step), meta(revision))
            marks.append((len(io.log), step, ref.id))
            store.collect(Retention(revision, keep=2))
        store.close()

    work(A, range(1, 4))
    work(A, range(4, 6))
    work(A, range(6, 8), At(A, marks[3][2]), JUMP)
    work(B, range(8, 10))
    return io.log, marks


def violations(tmp_path: Path, skip: str = "") -> list[str]:
    log, marks = recorded(tmp_path / "work", skip)
    rng, found, seen = random.Random(7), [], set()
    for count in range(len(log) + 1):
        acknowledged = [(step, name) for at, step, name in marks if at <= count]
        jumped = marks[3][2] if acknowledged and acknowledged[-1][0] >= 6 else ""
        for fate in outcomes(log[:count], rng):
            tree = left(log[:count], fate)
            case = (frozenset(tree.items()), len(acknowledged))
            if case in seen:  # many a fate leaves the same files
                continue
            seen.add(case)
            root = tmp_path / f"{len(seen)}"
            build(tree, root)
            try:
                problem = check(root, acknowledged, jumped)
            except Exception as error:
                problem = repr(error)
            shutil.rmtree(root)
            if problem:
                found.append(f"after {count} operations: {problem}")
                if skip:
                    return found
    return found


def check(root: Path, acknowledged: list[tuple[int, str]], jumped: str) -> str:
    """What a start after the power cut finds wrong."""
    known = {name for _, name in acknowledged}
    for one in list_checkpoints(root, deep=True):
        if one.problem and one.ref.id in known:
            return f"the acknowledged {one.ref.id} is damaged: {one.problem}"
    steps = [step for step, _ in acknowledged]
    if steps and (
        read_owner(IO(), Layout(root)) != OWNER or (root / "revisions" / A / "revision.json").read_bytes() != b"{}"
    ):
        return "the volume has forgotten whose it is, or what its revision was"
    if steps and (newest := max((one.attempt for one in read_claims(IO(), Layout(root))), default=0)) < last_attempt(
        steps
    ):
        return f"attempt {last_attempt(steps)} is forgotten ({newest})"
    for revision, reached in ((A, max((step for step in steps if step < 8), default=0)), (B, max(steps, default=0))):
        if revision == B and reached < 8:
            continue
        if reached == 5 and any(one.jump == JUMP and one.base for one in read_claims(IO(), Layout(root))):
            reached = 4  # the jump has happened: 5 is left behind
        start = At(A, jumped) if jumped and revision == A else Latest()
        store, claimed = take(root, revision, start, attempt=50, jump=JUMP if jumped and revision == A else "")
        k = value_of(claimed.base.leaves) if claimed.base else 0
        store.save(99, state(99), meta(revision))
        store.close()
        if k < reached:
            return f"{reached} of {revision} was acknowledged, {k} is found"
    return ""


def last_attempt(steps: list[int]) -> int:
    """The attempt that acknowledged last; an attempt has the number of its first step."""
    return max(first for first in (1, 4, 6, 8) if first <= steps[-1])


def test_no_power_cut_loses_what_was_acknowledged(tmp_path) -> None:
    assert violations(tmp_path) == []


@pytest.mark.parametrize(
    "skip",
    [
        "fsync state",
        "fsync manifest",
        "fsync fence",
        "folder checkpoint",
        "folder ckpts",
        "folder fence",
        "folder other",
    ],
)
def test_every_sync_is_needed(tmp_path, skip) -> None:
    assert violations(tmp_path, skip) != []
