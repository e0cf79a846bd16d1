"""Reading checkpoints: what is corrupt is passed over and reported, what is only unreachable is tried again."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from flowapi.errors import CorruptError, VolumeError
from flowapi.frozen import frozen
from flowengine.store.chain import visible
from flowengine.store.codec import Leaf, TornError, decode
from flowengine.store.fence import read_claims
from flowengine.store.io import IO, UNREADABLE, patiently, read_file
from flowengine.store.layout import (
    CORRUPT_MARK,
    MANIFEST_FILE,
    PIN_MARK,
    STATE_FILE,
    CheckpointId,
    Layout,
    checkpoint_ids,
)
from flowengine.store.manifest import MAX_MANIFEST_BYTES, Manifest


@frozen
class CheckpointRef:
    """A committed checkpoint. `digest` is its manifest's, which covers every byte."""

    revision: str
    id: str
    iteration: int
    epoch: int
    digest: str


@frozen
class Restored:
    """A checkpoint in memory, every byte verified."""

    ref: CheckpointRef
    leaves: Mapping[str, Leaf]
    manifest: Manifest


@frozen
class PassedOver:
    """A checkpoint that was not used, and why.

    Attributes:
        torn: Whether its commit itself is in doubt.
        unreadable: Whether the medium could not give it back, whatever it holds.
    """

    revision: str
    id: str
    reason: str
    torn: bool = False
    unreadable: bool = False


class Reader:
    """Reads a volume; needs no claim, and works on one mounted read-only."""

    def __init__(self, io: IO, layout: Layout) -> None:
        self._io = io
        self._layout = layout

    def visible(self, revision: str) -> list[CheckpointId]:
        """The checkpoint folders of a revision that count, newest first, committed or not."""
        claims = read_claims(self._io, self._layout)
        return visible(checkpoint_ids(self._io, self._layout, revision), claims, revision)

    def folder(self, revision: str, identity: CheckpointId) -> Path:
        """Where a checkpoint lies."""
        return self._layout.checkpoint(revision, identity)

    def committed(self, revision: str, identity: CheckpointId) -> bool:
        """Whether a checkpoint has its commit record."""
        return MANIFEST_FILE in self._io.names(self._layout.checkpoint(revision, identity))

    def pinned(self, revision: str, identity: CheckpointId) -> bool:
        """Whether a person wants it kept."""
        return PIN_MARK in self._io.names(self._layout.checkpoint(revision, identity))

    def marked_corrupt(self, revision: str, identity: CheckpointId) -> bool:
        """Whether an earlier restore found it corrupt."""
        return CORRUPT_MARK in self._io.names(self._layout.checkpoint(revision, identity))

    def manifest(self, revision: str, identity: CheckpointId) -> Manifest:
        """The commit record of a checkpoint.

        Raises:
            CorruptError: it is not what was written, or belongs elsewhere.
            IncompatibleError: a newer version wrote it.
            VolumeError: the volume can't be read.
        """
        path = self._layout.checkpoint(revision, identity) / MANIFEST_FILE
        if path.name not in patiently(lambda: self._io.names(path.parent), path.parent):
            raise CorruptError("the manifest is missing")
        try:
            data = read_file(self._io, path, MAX_MANIFEST_BYTES)
        except ValueError as error:
            raise CorruptError(str(error)) from error
        except FileNotFoundError as error:
            raise CorruptError("the manifest is not a file") from error
        manifest = Manifest.unseal(data)
        named = (manifest.id, manifest.epoch, manifest.iteration, manifest.lineage.revision)
        if named != (str(identity), identity.epoch, identity.iteration, revision):
            raise CorruptError("the manifest belongs to another checkpoint")
        return manifest

    def load(self, revision: str, identity: CheckpointId) -> Restored:
        """A whole checkpoint, verified; errors as `manifest`."""
        manifest = self.manifest(revision, identity)
        path = self._layout.checkpoint(revision, identity) / STATE_FILE
        leaves = patiently(lambda: decode(self._io, path, manifest), path)
        return Restored(ref_of(manifest), leaves, manifest)

    def newest(self, revision: str, passed_over: list[PassedOver], *, at: str = "") -> Restored | None:
        """The newest visible checkpoint that is intact and good.

        One that the medium can't give back is passed over like a corrupt one, as long as an older one is intact.

        Args:
            revision: Whose chain is walked.
            passed_over: Gets what was found corrupt or unreadable on the way.
            at: Start the walk at this checkpoint instead of at the newest, also when it is hidden.

        Raises:
            VolumeError: the volume can't be read.
        """
        unreadable: VolumeError | None = None
        for identity in self._walk(revision, at):
            try:
                restored = self.load(revision, identity)
            except CorruptError as error:
                torn = isinstance(error, TornError)
                passed_over.append(PassedOver(revision, str(identity), error.message, torn=torn))
            except VolumeError as error:
                if not error.unreadable:
                    raise
                unreadable = unreadable or error
                passed_over.append(PassedOver(revision, str(identity), error.message, unreadable=True))
            else:
                if restored.manifest.health.good:
                    return self._once_more(revision, passed_over) or restored
        if unreadable is not None:
            raise unreadable
        return None

    def _once_more(self, revision: str, passed_over: list[PassedOver]) -> Restored | None:
        """The newest of what could not be read, should it have been a bad moment of the whole volume."""
        for one in [one for one in passed_over if one.unreadable and one.revision == revision]:
            identity = CheckpointId.parse(one.id)
            with contextlib.suppress(CorruptError, VolumeError):
                restored = identity and self.load(revision, identity)
                if restored and restored.manifest.health.good:
                    passed_over.remove(one)
                    return restored
        return None

    def _walk(self, revision: str, at: str) -> Iterator[CheckpointId]:
        first = CheckpointId.parse(at)
        seen = self.visible(revision)
        if first and first not in seen and first in checkpoint_ids(self._io, self._layout, revision):
            seen = [first, *seen]
        for identity in seen:
            if (first is None or identity <= first) and self.may_be_committed(revision, identity):
                yield identity

    def may_be_committed(self, revision: str, identity: CheckpointId) -> bool:
        """As `committed`; of a folder that the medium can't give back, too."""
        try:
            return self.committed(revision, identity)
        except OSError as error:
            if error.errno not in UNREADABLE:
                raise
            return True


def ref_of(manifest: Manifest) -> CheckpointRef:
    """How others name the checkpoint of a manifest."""
    return CheckpointRef(manifest.lineage.revision, manifest.id, manifest.iteration, manifest.epoch, manifest.digest)
