"""Faults done to whole processes: killed at any moment, cut off from power, stopped while others take the volume over."""

import contextlib
import os
import random
import signal
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flowapi.errors import FencedError, FlowError
from flowengine.store import IO, Retention, list_checkpoints
from kit.mounts import Disk
from kit.store.faulty import Faulty, die, fail_with
from kit.store.volume import A, found, meta, resumed, state, take

FENCED = 77


def fork() -> int:
    """As `os.fork`; the threads of other tests' jax, of which it warns, don't matter: children use the store alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return os.fork()


def in_child(work: Callable[[int], None]) -> tuple[int, list[int]]:
    """Run in a forked child that reports acknowledged iterations: (wait status, acknowledged)."""
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        os.close(reader)
        try:
            work(writer)
            os._exit(0)
        except BaseException:
            os._exit(3)
    os.close(writer)
    with os.fdopen(reader) as stream:
        acknowledged = [int(line) for line in stream]
    return os.waitpid(child, 0)[1], acknowledged


def save_for_ever(root: Path, pipe: int, io: IO | None = None, *, attempt: int = 0, steps: int = 10**9) -> None:
    """Claim, go on from what is there, and save every iteration, saying so."""
    store, claimed = take(root, io=io, attempt=attempt)
    base = found(claimed)
    with contextlib.closing(store):
        for k in range(base + 1, base + 1 + steps):
            store.save(k, state(k), meta())
            os.write(pipe, b"%d\n" % k)
            store.heartbeat(k, k)
            store.collect(Retention(A, keep=2))


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """A child that does the work with a pipe to write to: its id, and where to read; it ends with 77 when fenced."""
    reader, writer = os.pipe()
    child = fork()
    if child:
        os.close(writer)
        return child, reader
    code = 1
    with contextlib.suppress(BaseException):
        try:
            work(writer)
            code = 0
        except FencedError:
            code = FENCED
    os._exit(code)


def killed_at_an_operation(root: Path, rng: random.Random) -> tuple[int, int]:
    """SIGKILL before or after any of the shim's operations: (what was acknowledged, what the next one finds)."""
    io = Faulty(at=rng.randrange(1, 110), fault=die, after=rng.random() < 0.5)
    _, acknowledged = in_child(lambda pipe: save_for_ever(root, pipe, io, steps=4))
    return max(acknowledged, default=0), resumed(root)


def killed_at_a_moment(root: Path, rng: random.Random) -> tuple[int, int]:
    """SIGKILL at any time."""
    child, reader = forked(lambda pipe: save_for_ever(root, pipe))
    with os.fdopen(reader) as stream:
        first = int(stream.readline())
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        acknowledged = max((int(line) for line in stream), default=first)
    os.waitpid(child, 0)
    return acknowledged, resumed(root)


def refused(root: Path, rng: random.Random, number: int) -> tuple[int, int]:
    """The disk refuses any one operation."""
    reader, writer = os.pipe()
    with contextlib.suppress(FlowError):
        save_for_ever(root, writer, Faulty(at=rng.randrange(1, 110), fault=fail_with(number)), steps=4)
    os.close(writer)
    with os.fdopen(reader) as stream:
        return max((int(line) for line in stream), default=0), resumed(root)


def power_cut(disk: Disk, rng: random.Random, io: IO | None = None) -> tuple[int, int]:
    """The power goes while a process saves; -1 when nothing can be read afterwards."""
    root = disk.place / "flow"
    child, reader = forked(lambda pipe: save_for_ever(root, pipe, io))
    with os.fdopen(reader) as stream:
        first = int(stream.readline())
        time.sleep(rng.uniform(0, 0.1))
        disk.cut()
        os.kill(child, signal.SIGKILL)
        acknowledged = max((int(line) for line in stream), default=first)
    os.waitpid(child, 0)
    disk.again()
    try:
        return acknowledged, resumed(root)
    except FlowError:
        return acknowledged, -1


def takeover(root: Path, rng: random.Random, attempt: int) -> tuple[int, int]:
    """Three writers, each stopped at any moment while the next takes over; a fourth saves; all go on, and are fenced."""
    with contextlib.ExitStack() as stopped:
        streams = []
        for number in range(attempt, attempt + 3):
            child, reader = forked(partial(save_for_ever, root, attempt=number))
            stopped.callback(end, child)
            streams.append((child, stopped.enter_context(os.fdopen(reader))))
            assert streams[-1][1].readline(), f"writer {number} never saved"
            time.sleep(rng.uniform(0, 0.01))
            os.kill(child, signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
        store, claimed = take(root, attempt=attempt + 3)
        mine = found(claimed) + 1
        store.save(mine, state(mine), meta())
        for child, _ in streams:
            os.kill(child, signal.SIGCONT)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code == FENCED, f"an older writer ended with {code}"
        acknowledged = max(mine, *(int(line) for _, stream in streams for line in stream), 0)
        newest = next(one for one in list_checkpoints(root) if one.visible)
        assert (newest.ref.epoch, newest.ref.iteration) == (claimed.epoch, mine), "an older writer's checkpoint shows"
        store.close()
    return acknowledged, resumed(root)


def end(child: int) -> None:
    """Kill a child that may have ended already."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
