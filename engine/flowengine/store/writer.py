"""Writing checkpoints: data, manifest, rename, and only then the acknowledgement. Nothing is overwritten."""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from typing_extensions import Buffer

from flowapi.errors import VolumeError
from flowapi.frozen import frozen
from flowengine.store.codec import Encoded, Leaf, encode
from flowengine.store.fence import Claim, check
from flowengine.store.io import IO, put_file, put_files, refused
from flowengine.store.layout import (
    CORRUPT_MARK,
    MANIFEST_FILE,
    MANIFEST_SCRATCH,
    PIN_MARK,
    STATE_FILE,
    CheckpointId,
    Layout,
)
from flowengine.store.manifest import Health, Lineage, Manifest, Parent
from flowengine.store.reader import CheckpointRef, ref_of

SPARE_BYTES = 256 * 1024  # manifest, claim and telemetry beside the arrays


@frozen
class SaveMeta:
    """What the manifest says beside the arrays."""

    lineage: Lineage
    health: Health = Health()
    wall_seconds: float = 0.0
    env: Mapping[str, Any] = field(default_factory=dict)


def write_checkpoint(
    io: IO,
    layout: Layout,
    claim: Claim,
    iteration: int,
    leaves: Mapping[str, Leaf],
    meta: SaveMeta,
    parent: Parent | None,
) -> CheckpointRef:
    """Save a state; it is durable and acknowledged when this returns.

    Raises:
        FencedError: a newer attempt has the volume; nothing was acknowledged.
        VolumeError: the volume could not be written, or has no room; what was begun is removed.
    """
    check(io, layout, claim)
    identity = CheckpointId.new(iteration, claim.epoch)
    folder = layout.checkpoint(meta.lineage.revision, identity)
    try:
        encoded = encode(leaves)
        _room_for(io, layout, encoded.size)
        io.mkdir(folder)
        manifest = _write_files(io, folder, identity, encoded, meta, parent)
        check(io, layout, claim)
        io.rename(folder / MANIFEST_SCRATCH, folder / MANIFEST_FILE)
        io.fsync_folder(folder)
        io.fsync_folder(folder.parent)
        check(io, layout, claim)
    except (OSError, VolumeError) as error:
        with contextlib.suppress(VolumeError):
            check(io, layout, claim)  # the newer owner may have removed what this one had begun
        discard(io, folder)
        if isinstance(error, VolumeError):
            raise
        raise refused(error, f"the checkpoint at iteration {iteration} could not be written") from error
    return ref_of(manifest)


def _room_for(io: IO, layout: Layout, size: int) -> None:
    """Refuse at once what can't fit, instead of filling the volume to its last byte first."""
    free = io.free(layout.root)
    if free is not None and free < size + SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_files(
    io: IO, folder: Path, identity: CheckpointId, encoded: Encoded, meta: SaveMeta, parent: Parent | None
) -> Manifest:
    """Write the state, and the manifest under a name that doesn't count; both are durable when this returns."""
    sums: dict[str, str] = {}
    written: list[Manifest] = []

    def files() -> Iterator[tuple[Path, Iterator[Buffer]]]:
        yield folder / STATE_FILE, encoded.stream(sums)
        manifest = Manifest(
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
        written.append(manifest)
        yield folder / MANIFEST_SCRATCH, iter((manifest.seal(),))

    put_files(io, files())
    return written[0]


def discard(io: IO, folder: Path) -> None:
    """Remove a checkpoint as far as the volume lets us: its commit record first, so that no half of it counts."""
    with contextlib.suppress(OSError):
        names = io.names(folder)
        if MANIFEST_FILE in names:
            io.unlink(folder / MANIFEST_FILE)
            io.fsync_folder(folder)
        for name in names:
            if name in (STATE_FILE, MANIFEST_SCRATCH, CORRUPT_MARK, PIN_MARK):
                io.unlink(folder / name)
        io.rmdir(folder)


def mark_corrupt(io: IO, folder: Path, reason: str) -> None:
    """Leave a note beside a corrupt checkpoint, as far as the volume lets us."""
    with contextlib.suppress(OSError):
        put_file(io, folder / CORRUPT_MARK, reason.encode() + b"\n")
