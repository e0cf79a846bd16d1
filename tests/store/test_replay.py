"""Power cuts, replayed: what was not synced may be lost, torn or zeroed, in any combination.

The operations of a run are recorded; for every prefix, file systems that a power cut could leave are built, and a new
process must find every acknowledged checkpoint, the jumps that happened, and whose volume it is. Leaving out any one kind
of sync must be caught.
"""

import random
import shutil
from pathlib import Path

import pytest

from flowengine.store import IO, At, Latest, Layout, Retention, list_checkpoints
from flowengine.store.fence import read_claims
from flowengine.store.owner import read_owner
from kit.store.replaying import Recorder, build, outcomes
from kit.store.volume import OWNER, A, B, meta, state, take, value_of

JUMP = "restore-1"


def recorded(root: Path, skip: str) -> tuple[list[tuple], list[tuple[int, int, str]]]:
    """The operations of four processes on one volume: two plain ones, a jump back, and one of a second revision.

    Returns:
        The operations, and after how many of them which (step, checkpoint) was acknowledged.
    """
    root.parent.mkdir()
    io = Recorder(root.parent, skip)
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
    log, marks = recorded(tmp_path / "work" / "flow", skip)
    rng = random.Random(7)
    found = []
    for count in range(len(log) + 1):
        acknowledged = [(step, name) for at, step, name in marks if at <= count]
        jumped = marks[3][2] if acknowledged and acknowledged[-1][0] >= 6 else ""
        for number, fate in enumerate(outcomes(log[:count], rng)):
            place = tmp_path / f"{count}-{number}"
            place.mkdir()
            build(log[:count], fate, place)
            try:
                problem = check(place / "flow", acknowledged, jumped)
            except Exception as error:
                problem = repr(error)
            shutil.rmtree(place)
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
        "folder revisions",
        "folder root",
        "folder above",
        "folder other",
    ],
)
def test_every_sync_is_needed(tmp_path, skip) -> None:
    assert violations(tmp_path, skip) != []
