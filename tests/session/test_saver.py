"""Saves in the background: the newest wins, the arrays stay as they were, errors are told, a full volume is lived with."""

import errno
import os
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flowapi.errors import FencedError, VolumeError
from flowengine.run.saver import NICENESS, SAVING, Job, Saver, SaverDiedError, seconds_for
from flowengine.run.watchdog import Watchdog
from flowengine.store import IO, CheckpointStore, Latest, Leaf, Lineage, Owner, Retention, SaveMeta, list_checkpoints

REVISION = "a" * 10
META = SaveMeta(Lineage(revision=REVISION, attempt=1))
POLICY = Retention(REVISION, keep=3)


class Gate(IO):
    """A disk whose files can't be created while the gate is closed, or that has no room while it is full."""

    def __init__(self) -> None:
        self.open, self.reached = threading.Event(), threading.Event()
        self.open.set()
        self.full = False

    def create(self, path):
        self.reached.set()
        self.open.wait()
        if self.full and path.name == "state.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().create(path)


class Told(Watchdog):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, float | None]] = []

    def alive(self, what, seconds=None) -> None:
        self.told.append((what, seconds))
        super().alive(what, seconds)

    def rest(self, what) -> None:
        self.told.append((what, None))
        super().rest(what)


@pytest.fixture
def disk(tmp_path):
    io = Gate()
    store = CheckpointStore.open(tmp_path, Owner(namespace="n", name="f", uid="u"), io=io)
    store.claim(REVISION, b"{}", Latest())
    flushed: list[int] = []
    watchdog = Told()
    saver = Saver(store, POLICY, lambda k: flushed.append(k) or "", watchdog)
    yield io, store, saver, flushed
    io.open.set()
    saver.close()
    watchdog.close()
    store.close()


def job(iteration: int) -> Job:
    return Job(iteration, {"k": Leaf(np.asarray(iteration))}, META)


def iterations(store) -> list[int]:
    return [one.ref.iteration for one in list_checkpoints(store.layout.root)]


def test_while_one_is_saved_one_waits_and_the_newest_wins(disk) -> None:
    io, store, saver, flushed = disk
    io.open.clear()
    io.reached.clear()
    saver.submit(job(1))
    io.reached.wait()
    for k in range(2, 50):
        saver.submit(job(k))
    assert saver.outcomes() == []
    io.open.set()
    assert [one.ref.iteration for one in saver.drain()] == [1, 49]
    assert iterations(store) == [49, 1]
    assert flushed == [1, 49]


def test_close_ends_the_save_in_hand_and_begins_no_other(disk) -> None:
    io, store, saver, _ = disk
    io.open.clear()
    io.reached.clear()
    saver.submit(job(1))
    io.reached.wait()
    saver.submit(job(2))
    threading.Timer(0.05, io.open.set).start()
    saver.close()
    assert iterations(store) == [1]


def test_a_donated_state_is_saved_as_it_was(disk) -> None:
    """The loop goes on in the buffers that are being saved: jax must give it others."""
    io, store, saver, _ = disk
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.zeros(100_000)
    io.open.clear()
    saver.submit(Job(1, {"x": Leaf(np.asarray(x))}, META))
    for _ in range(10):
        x = step(x)
    x.block_until_ready()
    io.open.set()
    saver.drain()
    assert set(np.asarray(store.reader.newest(REVISION, []).leaves["x"].array)) == {0.0}


def test_a_full_volume_is_told_and_saving_resumes(disk) -> None:
    io, store, saver, _ = disk
    for k in (1, 2, 3):
        saver.submit(job(k))
        saver.drain()
    io.full = True
    saver.submit(job(4))
    (outcome,) = saver.drain()
    assert isinstance(outcome.error, VolumeError)
    assert outcome.error.full
    assert iterations(store) == [3]  # what may go has gone
    io.full = False
    saver.submit(job(5))
    assert saver.drain()[0].ref.iteration == 5


def test_room_that_retention_finds_is_used_at_once(disk, monkeypatch) -> None:
    io, store, saver, _ = disk
    for k in (1, 2, 3):
        saver.submit(job(k))
        saver.drain()
    io.full = True
    real = store.collect

    def collect(policy):
        io.full = False
        return real(policy)

    monkeypatch.setattr(store, "collect", collect)
    saver.submit(job(4))
    assert saver.drain()[0].ref.iteration == 4
    assert iterations(store) == [4, 3]


def test_a_lost_claim_and_a_bug_reach_the_loop(disk, monkeypatch) -> None:
    _, store, saver, _ = disk
    newer = CheckpointStore.open(store.layout.root, store.owner, 9)
    newer.claim(REVISION, b"{}", Latest())
    saver.submit(job(1))
    assert isinstance(saver.drain()[0].error, FencedError)
    newer.close()
    saver.submit(Job(2, {"bad": Leaf(np.asarray(["text"]))}, META))
    assert saver.drain()[0].error is not None


def test_what_goes_along_with_a_save_is_told(disk, monkeypatch) -> None:
    _, store, saver, _ = disk
    monkeypatch.setattr(saver, "_first", lambda _: "telemetry could not be written")
    saver.submit(job(1))
    (outcome,) = saver.drain()
    assert (outcome.ref.iteration, outcome.warning) == (1, "telemetry could not be written")
    monkeypatch.setattr(store, "collect", lambda _: {}["a bug"])
    saver.submit(job(2))
    (outcome,) = saver.drain()
    assert outcome.ref.iteration == 2
    assert "can't be removed" in outcome.warning


def test_a_thread_that_died_is_told_to_whoever_waits_for_it(disk, monkeypatch) -> None:
    _, _, saver, _ = disk
    waiting = threading.Event()
    wait_for = saver._changed.wait_for

    def waits(ready):
        if threading.current_thread() is threading.main_thread():
            waiting.set()
        return wait_for(ready)

    def dies(_) -> None:
        waiting.wait()
        with saver._changed:  # whoever waits has let go of it: nothing but the thread's end wakes them
            raise SystemExit(3)

    monkeypatch.setattr(saver._changed, "wait_for", waits)
    monkeypatch.setattr(saver, "_saved", dies)
    saver.submit(job(1))
    for look in (saver.drain, saver.outcomes):
        with pytest.raises(SaverDiedError, match="has died"):
            look()
    assert saver._watchdog.told[-1] == (SAVING, None), "what has died does not hang"
    saver.close()


def test_each_save_is_watched_for_as_long_as_its_size_may_take(disk) -> None:
    _, _, saver, _ = disk
    jobs = [job(1), Job(2, {"k": Leaf(np.zeros(1_000_000))}, META)]
    for one in jobs:
        saver.submit(one)
        (outcome,) = saver.drain()
        assert outcome.seconds > 0
    limits = [seconds_for(one.leaves) for one in jobs]
    assert limits[0] < limits[1]
    assert saver._watchdog.told == [(SAVING, limits[0]), (SAVING, None), (SAVING, limits[1]), (SAVING, None)]


@pytest.mark.parametrize("full", [False, True])
def test_only_a_full_volume_is_tried_again_at_once(disk, monkeypatch, full) -> None:
    """Anything else is the cadence's to decide, and nothing goes for it."""
    _, store, saver, _ = disk
    tried, went = [], []

    def fails(*_):
        tried.append(1)
        error = VolumeError("broken")
        error.full = full
        raise error

    def collect(policy):
        went.append(policy.keep)
        return [object()]

    monkeypatch.setattr(store, "save", fails)
    monkeypatch.setattr(store, "collect", collect)
    saver.submit(job(1))
    (outcome,) = saver.drain()
    assert isinstance(outcome.error, VolumeError)
    assert (len(tried), went) == ((2, [POLICY.least.keep]) if full else (1, []))


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
@pytest.mark.parametrize("refused", [False, True])
def test_the_thread_that_saves_gives_way_to_those_that_compute(tmp_path, monkeypatch, refused) -> None:
    asked = []

    def priority(*what) -> None:
        asked.append((*what, threading.get_native_id()))
        if refused:
            raise OSError(errno.EACCES, "no")

    monkeypatch.setattr(os, "setpriority", priority)
    watchdog, store = Watchdog(), CheckpointStore.open(tmp_path, Owner(namespace="n", name="f", uid="u"))
    store.claim(REVISION, b"{}", Latest())
    saver = Saver(store, POLICY, lambda _: "", watchdog)
    saver.submit(job(1))
    assert saver.drain()[0].ref.iteration == 1
    ((kind, thread, niceness, itself),) = asked
    assert (kind, thread, niceness) == (os.PRIO_PROCESS, itself, NICENESS)
    assert itself != threading.get_native_id()
    saver.close()
    watchdog.close()
    store.close()
