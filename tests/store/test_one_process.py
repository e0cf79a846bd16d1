"""What one process may do and leaves behind: one writer a machine, two threads, no file or descriptor too many."""

import os
import threading

import pytest

from flowapi.errors import FencedError
from flowengine.store import CheckpointStore, Latest, Retention, list_checkpoints
from kit.store.volume import A, B, found, meta, resumed, state, take


def tree(root) -> set[str]:
    return {str(one.relative_to(root)) for one in root.rglob("*") if one.is_file()}


def test_nothing_is_left_behind(tmp_path) -> None:
    files = sorted(os.listdir("/proc/self/fd"))
    for revision in (A, B):
        store, claimed = take(tmp_path, revision)
        for k in (1, 2, 3):
            store.save(found(claimed) + k, state(k), meta(revision))
            store.heartbeat(k, 1)
            store.heartbeat(k + 1, 2)
            store.collect(Retention(revision, keep=1))
        store.close()
    names = {"OWNER", "LOCK", *(f"fence/000000000{n}{what}" for n in (1, 2) for what in ("", ".base", ".progress"))}
    for one in list_checkpoints(tmp_path):
        folder = f"revisions/{one.ref.revision}/ckpts/{one.ref.id}"
        names |= {
            f"revisions/{one.ref.revision}/revision.json",
            f"{folder}/state.safetensors",
            f"{folder}/manifest.json",
        }
    assert tree(tmp_path) == names
    assert len(list_checkpoints(tmp_path)) == 2
    assert sorted(os.listdir("/proc/self/fd")) == files


def test_a_double_start_on_one_machine_is_refused(tmp_path) -> None:
    store, _ = take(tmp_path, attempt=2)
    with pytest.raises(FencedError, match="another process runs"):
        take(tmp_path, attempt=2)
    newer, _ = take(tmp_path, attempt=3)
    newer.close()
    store.close()
    take(tmp_path, attempt=3)[0].close()


def test_saving_needs_a_claim(tmp_path) -> None:
    store = CheckpointStore.open(tmp_path, take(tmp_path)[0].owner, 9)
    with pytest.raises(RuntimeError, match="claim the volume first"):
        store.save(1, state(1), meta())
    store.close()


def test_two_threads_of_one_process_do_not_disturb_each_other(tmp_path) -> None:
    """The loop gives signs of life while the saver writes and thins out."""
    store, _ = take(tmp_path)
    over = threading.Event()

    def beat() -> None:
        k = 0
        while not over.is_set():
            k += 1
            store.heartbeat(k, k)
            store.check_fence()

    thread = threading.Thread(target=beat)
    thread.start()
    for k in range(1, 60):
        store.save(k, state(k), meta())
        store.collect(Retention(A, keep=2))
    over.set()
    thread.join()
    store.close()
    assert resumed(tmp_path) == 59
    store, claimed = take(tmp_path, start=Latest())
    assert claimed.previous is None or claimed.previous.epoch == 2
    store.close()
