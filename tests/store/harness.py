"""Faults for the store: an IO that counts its calls and fails, dies, records or drops at a chosen one."""

import errno
import os
import signal
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowengine.store import IO, CheckpointStore, Claimed, Health, Latest, Leaf, Lineage, Owner, SaveMeta, Start

A, B = "aaaaaaaaaa", "bbbbbbbbbb"
OWNER = Owner(namespace="ns", name="flow", uid="uid-1")
WRITING = ("create", "write", "fsync", "close", "rename", "link", "symlink", "mkdir", "unlink", "rmdir", "fsync_folder")
READING = ("open_read", "read_into")
COUNTING = threading.Lock()


def state(iteration: int) -> dict[str, Leaf]:
    return {
        "state/x": Leaf(np.full((7, 5), iteration, np.float64)),
        "k": Leaf(np.asarray(iteration, np.int64)),
        "key": Leaf(np.asarray([1, iteration], np.uint32), kind="key", impl="threefry2x32"),
    }


def value_of(leaves: Mapping[str, Leaf]) -> int:
    """The iteration that a state was made of; wrong bytes anywhere are an error."""
    k = int(leaves["k"].array)
    wanted = state(k)
    for name, leaf in wanted.items():
        assert np.array_equal(leaves[name].array, leaf.array), name
        assert leaves[name].kind == leaf.kind
    return k


def meta(revision: str = A, *, good: bool = True, reason: str = "periodic") -> SaveMeta:
    return SaveMeta(Lineage(revision=revision, attempt=1, reason=reason), Health(good=good))


def open_store(root: Path, attempt: int = 0, *, io: IO | None = None, owner: Owner = OWNER, adopt: str = ""):
    return CheckpointStore.open(root, owner, attempt, adopt=adopt, io=io)


def take(root: Path, revision: str = A, start: Start = Latest(), *, attempt: int = 0, jump: str = "", io=None):  # noqa: B008
    """Open and claim: the store, and what the claim found."""
    store = open_store(root, attempt, io=io)
    try:
        return store, store.claim(revision, b"{}", start, jump=jump)
    except BaseException:
        store.close()
        raise


def found(claimed: Claimed) -> int:
    """The iteration that a claim goes on from; 0 for a start."""
    return value_of(claimed.base.leaves) if claimed.base else 0


def resumed(root: Path, revision: str = A) -> int:
    """Where a new process would go on."""
    store, claimed = take(root, revision)
    store.close()
    return found(claimed)


@dataclass
class Faulty(IO):
    """Calls `fault(name, arguments)` at the n-th call of one of these names; counts all of them."""

    at: int
    fault: Callable[[str, tuple[object, ...]], None]
    calls: tuple[str, ...] = WRITING
    after: bool = False
    count: int = 0
    hit: str = ""

    def __getattribute__(self, name: str):
        if name.startswith("_") or name not in object.__getattribute__(self, "calls"):
            return object.__getattribute__(self, name)

        def call(*arguments: object):
            with COUNTING:
                self.count += 1
                here = self.count == self.at
            if here:
                self.hit = name
                if not self.after:
                    self.fault(name, arguments)
            try:
                return getattr(IO, name)(self, *arguments)
            finally:
                if here and self.after:
                    self.fault(name, arguments)

        return call


def die(_: str, __: tuple[object, ...]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail_with(number: int) -> Callable[[str, tuple[object, ...]], None]:
    def fault(name: str, arguments: tuple[object, ...]) -> None:
        if name == "write" and number == errno.ENOSPC:  # a full disk writes what still fits
            data = memoryview(arguments[1]).cast("B")
            os.write(arguments[0], data[: len(data) // 2])
        raise OSError(number, os.strerror(number))

    return fault


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
