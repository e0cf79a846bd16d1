"""Real runs in this process, many of them: of one flow, compiled once, on a disk that refuses or dies at an operation."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from flowengine.store import IO, CheckpointRef, CheckpointStore
from flowengine.store import store as module_of_store
from kit.runs import ended_here
from kit.store.faulty import Died

DEAD = 137


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: Its exit code; `DEAD` where its process died.
        said: What it printed.
        durable: The last iteration of which a save had returned; 0 without any.
    """

    code: int
    said: str
    durable: int


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """Runs of one flow load and compile it once; everything else of a start is done anew."""
    from flowengine.run import opening

    load, kept = opening.load, {}

    def again(request: Any) -> Any:
        key = request.revision.hash, request.settings.to_json()
        if key not in kept:
            kept[key] = load(request)
        return kept[key]

    with mock.patch.object(opening, "load", again), mock.patch("flowengine.run.platform.settle"):
        yield


def run_here(io: IO | None, *arguments: object) -> Ended:
    """A command that computes, with its volume behind this object."""
    durable = [0]
    with (
        mock.patch.object(module_of_store, "IO", return_value=io or IO()),
        mock.patch.object(CheckpointStore, "save", _told(CheckpointStore.save, durable)),
    ):
        try:
            code, said = ended_here(*arguments)
        except Died:
            code, said = DEAD, ""
    return Ended(code, said, max(durable))


def _told(save: Callable[..., CheckpointRef], durable: list[int]) -> Callable[..., CheckpointRef]:
    def saving(*arguments: Any) -> CheckpointRef:
        ref = save(*arguments)
        durable.append(ref.iteration)
        return ref

    return saving


def remains(root: Path) -> list[Path]:
    """What a run that has ended must not leave."""
    return [one for one in root.rglob(".*") if one.name.endswith(".tmp")]
