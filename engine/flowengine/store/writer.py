"""Writing checkpoints: data, manifest, rename, and only then the acknowledgement. Nothing is overwritten."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowapi.errors import VolumeError
from flowengine.store.codec import Leaf, encode
from flowengine.store.fence import check
from flowengine.store.io import IO, put_file
from flowengine.store.layout import (
    CORRUPT_MARK,
    MANIFEST_FILE,
    MANIFEST_SCRATCH,
    STATE_FILE,
    CheckpointId,
    Layout,
)
from flowengine.store.manifest import Health, Lineage, Manifest, Parent
from flowengine.store.reader import CheckpointRef, ref_of


@dataclass(frozen=True)
class SaveMeta:
    """What the manifest says beside the arrays."""

    lineage: Lineage
    health: Health = Health()
    wall_seconds: float = 0.0
    env: Mapping[str, Any] = field(default_factory=dict)


def write_checkpoint(
    io: IO,
    layout: Layout,
    epoch: int,
    iteration: int,
    leaves: Mapping[str, Leaf],
    meta: SaveMeta,
    parent: Parent | None,
) -> CheckpointRef:
    """Save a state; it is durable and acknowledged when this returns.

    Raises:
        FencedError: a newer attempt has the volume; nothing was acknowledged.
        VolumeError: the volume could not be written; what was begun is removed.
    """
    check(io, layout, epoch)
    identity = CheckpointId.new(iteration, epoch)
    folder = layout.checkpoint(meta.lineage.revision, identity)
    try:
        io.mkdir(folder)
        manifest = _write_data(io, folder, identity, leaves, meta, parent)
        put_file(io, folder / MANIFEST_SCRATCH, iter((manifest.seal(),)))
        check(io, layout, epoch)
        io.rename(folder / MANIFEST_SCRATCH, folder / MANIFEST_FILE)
        io.fsync_folder(folder)
        io.fsync_folder(folder.parent)
    except OSError as error:
        discard(io, folder)
        raise VolumeError(
            f"the checkpoint at iteration {iteration} could not be written ({error.strerror})",
            remedy="Check the volume: is it full, or read-only?",
        ) from error
    check(io, layout, epoch)
    return ref_of(manifest)


def _write_data(
    io: IO, folder: Path, identity: CheckpointId, leaves: Mapping[str, Leaf], meta: SaveMeta, parent: Parent | None
) -> Manifest:
    encoded = encode(leaves)
    sums: dict[str, str] = {}
    put_file(io, folder / STATE_FILE, encoded.stream(sums))
    return Manifest(
        id=str(identity),
        parent=parent,
        epoch=identity.epoch,
        iteration=identity.iteration,
        lineage=meta.lineage,
        health=meta.health,
        wall_seconds=meta.wall_seconds,
        files={STATE_FILE: encoded.file},
        leaves=encoded.records(sums),
        env=dict(meta.env),
    )


def discard(io: IO, folder: Path) -> None:
    """Remove a checkpoint as far as the volume lets us: its commit record first, so that no half of it counts."""
    with contextlib.suppress(OSError):
        names = io.names(folder)
        if MANIFEST_FILE in names:
            io.unlink(folder / MANIFEST_FILE)
            io.fsync_folder(folder)
        for name in names:
            if name in (STATE_FILE, MANIFEST_SCRATCH, CORRUPT_MARK):
                io.unlink(folder / name)
        io.rmdir(folder)


def mark_corrupt(io: IO, folder: Path, reason: str) -> None:
    """Leave a note beside a corrupt checkpoint, as far as the volume lets us."""
    with contextlib.suppress(OSError):
        put_file(io, folder / CORRUPT_MARK, iter((reason.encode() + b"\n",)))
