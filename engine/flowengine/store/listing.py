"""What a person does with the checkpoints of a volume: list, verify, find, pin, thin out. No claim is taken.

Listing and reading work on a volume mounted read-only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowapi.errors import DataError, FencedError, VolumeError
from flowapi.frozen import frozen
from flowengine.store import fence, gc, layout
from flowengine.store.io import IO, put_file, read_file, reason, refused
from flowengine.store.owner import Lock
from flowengine.store.reader import CheckpointRef, Reader, Restored, ref_of
from flowengine.store.writer import discard

LEFT = b"left by a fresh start\n"


@frozen
class Listed:
    """A committed checkpoint in a listing. `problem` says what is wrong with it."""

    ref: CheckpointRef
    reason: str
    good: bool
    visible: bool
    bytes: int
    problem: str = ""
    pinned: bool = False


def list_checkpoints(root: Path, *, deep: bool = False, io: IO | None = None) -> list[Listed]:
    """Every committed checkpoint below a root, by revision, newest first.

    Args:
        root: The flow's root.
        deep: Read and verify every byte of the states too, not only the manifests.
        io: System calls.
    """
    io = io or IO()
    found = []
    with _looking(root) as paths:
        reader = Reader(io, paths)
        for revision in layout.revisions(io, paths):
            seen = set(reader.visible(revision))
            ids = [one for one in layout.checkpoint_ids(io, paths, revision) if reader.may_be_committed(revision, one)]
            found += [_listed(reader, revision, one, visible=one in seen, deep=deep) for one in reversed(ids)]
    return found


@contextmanager
def _looking(root: Path) -> Iterator[layout.Layout]:
    """A root that is looked at; VolumeError where the system refuses."""
    try:
        yield layout.Layout.at(root)
    except OSError as error:
        raise refused(error, f"{root} can't be looked at") from error


def _listed(reader: Reader, revision: str, identity: layout.CheckpointId, *, visible: bool, deep: bool) -> Listed:
    pinned = False
    try:
        pinned = reader.pinned(revision, identity)
        manifest = reader.load(revision, identity).manifest if deep else reader.manifest(revision, identity)
    except OSError as error:
        ref = CheckpointRef(revision, str(identity), identity.iteration, identity.epoch, "")
        return Listed(ref, "", good=False, visible=visible, bytes=0, problem=f"it can't be read ({reason(error)})")
    except (DataError, VolumeError) as error:
        ref = CheckpointRef(revision, str(identity), identity.iteration, identity.epoch, "")
        return Listed(ref, "", good=False, visible=visible, bytes=0, problem=error.message, pinned=pinned)
    size = sum(record.bytes for record in manifest.files.values())
    return Listed(ref_of(manifest), manifest.lineage.reason, manifest.health.good, visible, size, pinned=pinned)


def read_checkpoint(root: Path, name: str = "", *, io: IO | None = None) -> Restored:
    """A whole checkpoint by its id, every byte verified; without one the newest good one of the newest claim.

    Raises:
        DataError: there is none of that name, or none at all.
        CorruptError: it is damaged.
        VolumeError: the volume can't be read.
    """
    io = io or IO()
    with _looking(root) as paths:
        reader = Reader(io, paths)
        if name:
            return reader.load(*_find(io, paths, name))
        return _newest(io, paths, reader)


def _newest(io: IO, paths: layout.Layout, reader: Reader) -> Restored:
    claims = fence.read_claims(io, paths)
    newest = reader.newest(claims[-1].revision, []) if claims and claims[-1].revision else None
    if newest is None:
        raise DataError(f"{paths.root} has no good checkpoint yet", remedy="See `cflow checkpoints list`.")
    return newest


def pin(root: Path, name: str, *, wanted: bool = True, why: bytes = b"", io: IO | None = None) -> None:
    """Keep a checkpoint whatever retention says, or no longer; `why` stands in the mark.

    Raises:
        DataError: there is none of that name.
        VolumeError: the volume can't be written.
    """
    io = io or IO()
    with _looking(root) as paths:
        folder = paths.checkpoint(*_find(io, paths, name))
    try:
        pinned = layout.PIN_MARK in io.names(folder)
        if wanted and not pinned:
            put_file(io, folder / layout.PIN_MARK, why)
        elif pinned and not wanted:
            io.unlink(folder / layout.PIN_MARK)
        io.fsync_folder(folder)
        if layout.MANIFEST_FILE not in io.names(folder):  # removed while we pinned it
            discard(io, folder)
            raise DataError(f"checkpoint {name} was just removed", remedy="Pin a newer one.")
    except OSError as error:
        raise refused(error, f"checkpoint {name} can't be pinned") from error


def keep_left(root: Path, name: str, io: IO | None = None) -> None:
    """Keep a checkpoint that a fresh start leaves behind, and no longer the one that an earlier fresh start had left.

    Errors as `pin`.
    """
    io = io or IO()
    with _looking(root) as paths:
        revision, identity = _find(io, paths, name)
        earlier = [
            one
            for one in layout.checkpoint_ids(io, paths, revision)
            if one != identity and _pin_of(io, paths.checkpoint(revision, one)) == LEFT
        ]
    pin(root, name, why=LEFT, io=io)
    for one in earlier:
        pin(root, str(one), wanted=False, io=io)


def _pin_of(io: IO, folder: Path) -> bytes | None:
    try:
        return read_file(io, folder / layout.PIN_MARK, len(LEFT))
    except (FileNotFoundError, ValueError):
        return None


def thin_out(root: Path, keep: int, *, dry_run: bool = False, io: IO | None = None) -> list[tuple[str, str]]:
    """Remove what a retention of `keep` for the newest revision lets go; what went (or would), as (revision, id).

    For a flow that isn't running: a running one does this by itself, and holds the lock on its own machine.

    Raises:
        FencedError: the flow runs on this machine.
        DataError: nothing was ever run here.
        VolumeError: the volume can't be written.
    """
    io = io or IO()
    with _looking(root) as paths:
        claims = fence.read_claims(io, paths)
    if not claims:
        raise DataError(f"{root} holds no flow", remedy="Give the --root of `cflow run`, or a flow's volume.")
    newest = claims[-1]
    in_use = frozenset({(newest.revision, newest.base)} if newest.base else ())
    policy = gc.Retention(newest.revision, keep)
    try:
        if dry_run:
            doomed = gc.disposable(gc.standings(io, paths), policy, newest.epoch, in_use)
            return [(revision, str(one)) for revision, one in doomed]
        lock = Lock(io, paths)
        try:
            if not lock.take():
                raise FencedError(
                    f"the flow in {root} is running",
                    remedy="Stop it first, or let it: a running flow removes old ones itself.",
                )
            return gc.collect(io, paths, policy, newest.epoch, in_use)
        finally:
            lock.release()
    except OSError as error:
        raise refused(error, "old checkpoints can't be removed") from error


def _find(io: IO, paths: layout.Layout, name: str) -> tuple[str, layout.CheckpointId]:
    identity = layout.CheckpointId.parse(name)
    if identity is not None:
        for revision in layout.revisions(io, paths):
            if identity in layout.checkpoint_ids(io, paths, revision):
                return revision, identity
    raise DataError(f"there is no checkpoint {name!r}", remedy="See `cflow checkpoints list`.")
