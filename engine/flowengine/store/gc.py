"""Retention: which checkpoints may go. Deciding is pure; only the fenced owner of the volume deletes."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from flowapi.errors import DataError, IncompatibleError, VolumeError
from flowapi.frozen import frozen
from flowengine.store.io import IO, UNREADABLE
from flowengine.store.layout import (
    CORRUPT_MARK,
    MANIFEST_FILE,
    PIN_MARK,
    CheckpointId,
    Layout,
    checkpoint_ids,
    revisions,
)
from flowengine.store.reader import Reader
from flowengine.store.writer import discard


@frozen
class Retention:
    """How much is kept.

    Attributes:
        current: The revision that runs.
        keep: Good checkpoints that the current revision keeps.
        retain: Other revisions that keep their newest good one; None: all of them do.
        pinned: Names of checkpoints that stay, beside those with a mark of their own.
        evidence: Whether corrupt checkpoints stay, for a look at them, as long as good ones of their age would.
    """

    current: str
    keep: int
    retain: frozenset[str] | None = None
    pinned: frozenset[str] = frozenset()
    evidence: bool = True

    @property
    def least(self) -> "Retention":
        """What a full volume is reduced to: of each revision the newest good one, beside what is pinned or in use."""
        return replace(self, keep=1, evidence=False)


@frozen
class Standing:
    """One checkpoint folder as retention sees it."""

    id: CheckpointId
    visible: bool
    committed: bool
    good: bool
    pinned: bool = False
    corrupt: bool = False


def disposable(
    standings: Mapping[str, Iterable[Standing]],
    policy: Retention,
    epoch: int,
    in_use: frozenset[tuple[str, str]],
) -> list[tuple[str, CheckpointId]]:
    """The checkpoints that may go, oldest first.

    Never the newest good ones that the policy keeps, nor those pinned or in use (the base of the running claim and its
    parent in another revision). Invisible and uncommitted ones of earlier epochs go.
    """
    result = []
    for revision, ones in standings.items():
        left = _kept(revision, policy)
        for one in sorted(ones, key=lambda one: one.id, reverse=True):
            if one.pinned or str(one.id) in policy.pinned or (revision, str(one.id)) in in_use:
                left -= one.good and one.committed and one.visible
            elif not one.committed or not one.visible:
                if one.id.epoch < epoch:
                    result.append((revision, one.id))
            elif one.good and left > 0:
                left -= 1
            elif left <= 0 or (one.corrupt and not policy.evidence):
                result.append((revision, one.id))
    return sorted(result, key=lambda item: item[1])


def _kept(revision: str, policy: Retention) -> int:
    if revision == policy.current:
        return policy.keep
    return 1 if policy.retain is None or revision in policy.retain else 0


def standings(io: IO, layout: Layout) -> dict[str, list[Standing]]:
    """Every checkpoint folder on the volume, by revision."""
    reader = Reader(io, layout)
    found = {}
    for revision in revisions(io, layout):
        seen = set(reader.visible(revision))
        found[revision] = [
            _standing(io, reader, revision, one, visible=one in seen) for one in checkpoint_ids(io, layout, revision)
        ]
    return found


def _standing(io: IO, reader: Reader, revision: str, identity: CheckpointId, *, visible: bool) -> Standing:
    try:
        names = io.names(reader.folder(revision, identity))
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        return Standing(identity, visible=visible, committed=True, good=False, corrupt=True)
    good, pinned, corrupt = False, PIN_MARK in names, CORRUPT_MARK in names
    try:
        good = not corrupt and reader.manifest(revision, identity).health.good
    except IncompatibleError:
        pinned = True  # a newer version's: not ours to judge
    except DataError:
        corrupt = MANIFEST_FILE in names
    except VolumeError as error:
        if not error.unreadable:
            raise
        corrupt = True
    return Standing(identity, visible, MANIFEST_FILE in names, good, pinned, corrupt)


def collect(
    io: IO, layout: Layout, policy: Retention, epoch: int, in_use: frozenset[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Remove what the policy lets go; what went, as (revision, id). The caller holds the volume."""
    gone = []
    for revision, identity in disposable(standings(io, layout), policy, epoch, in_use):
        folder = layout.checkpoint(revision, identity)
        with suppress(OSError):
            if PIN_MARK not in io.names(folder):  # it may have been pinned since
                discard(io, folder)
                gone.append((revision, str(identity)))
    return gone
