"""A volume as the tests of the store use it: states that can be told apart, and processes that open, claim and resume."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from flowengine.store import (
    IO,
    CheckpointStore,
    Claimed,
    Health,
    Latest,
    Leaf,
    Lineage,
    Owner,
    SaveMeta,
    Start,
    list_checkpoints,
)

A, B = "aaaaaaaaaa", "bbbbbbbbbb"
OWNER = Owner(namespace="ns", name="flow", uid="uid-1")


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


def open_store(
    root: Path, attempt: int = 0, *, io: IO | None = None, owner: Owner = OWNER, adopt: str = ""
) -> CheckpointStore:
    return CheckpointStore.open(root, owner, attempt, adopt=adopt, io=io)


def take(
    root: Path,
    revision: str = A,
    start: Start = Latest(),  # noqa: B008
    *,
    attempt: int = 0,
    jump: str = "",
    io: IO | None = None,
) -> tuple[CheckpointStore, Claimed]:
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


def iterations(root: Path) -> list[int]:
    """Of the checkpoints on a volume, the newest first."""
    return [one.ref.iteration for one in list_checkpoints(root)]
