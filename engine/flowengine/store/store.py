"""The checkpoint store of a flow's volume: claim it, save to it, restore from it."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from flowapi.errors import BEGIN_ANEW, CorruptError, DataError, FencedError, VolumeError
from flowapi.frozen import frozen
from flowapi.report import PreviousEpoch
from flowengine.store import fence, gc, layout, owner, probe, writer
from flowengine.store.chain import superseded
from flowengine.store.codec import Leaf
from flowengine.store.files import Files
from flowengine.store.io import IO, refused
from flowengine.store.manifest import Parent
from flowengine.store.reader import CheckpointRef, PassedOver, Reader, Restored

MANY_CLAIMS = 64


@frozen
class Latest:
    """Start from the newest good checkpoint of the revision, or from its beginning.

    Attributes:
        lineage: Revisions to continue from, nearest first, while this one has no checkpoint.
    """

    lineage: tuple[str, ...] = ()


@frozen
class Fresh:
    """Start from the beginning; what the revision had before no longer counts."""


@frozen
class At:
    """Start from this checkpoint, of this or another revision; `latest`, or one that is gone: from the newest good."""

    revision: str
    checkpoint: str = "latest"


Start = Latest | Fresh | At


@frozen
class Claimed:
    """What a claim found.

    Attributes:
        epoch: The number of the claim, on every checkpoint it writes.
        base: The state to go on with, verified; None to start from the beginning.
        warm: A state of another revision to start from, verified.
        jumped: Whether this claim made the jump it was asked for; False when it had happened before.
        returned: Whether it goes back to a revision from another one, which had the volume before it.
        previous: The last sign of life of the epoch before.
        lost: Iterations that the epoch before had computed and nobody saved.
        passed_over: Corrupt checkpoints on the way.
        adopted: Whether the volume was taken over from a deleted flow.
    """

    epoch: int
    base: Restored | None
    warm: Restored | None
    jumped: bool
    returned: bool
    previous: PreviousEpoch | None
    lost: int
    passed_over: tuple[PassedOver, ...]
    adopted: bool


def _too_old(attempt: int, newest: int) -> FencedError:
    error = FencedError(
        f"attempt {attempt} is older than attempt {newest}, which had this volume",
        remedy="A newer attempt runs; this one ends.",
    )
    error.max_attempt = newest
    return error


class CheckpointStore:
    """A volume, claimed by one process. Use `open`, then `claim`, then `save`."""

    def __init__(self, io: IO, paths: layout.Layout, owner_: owner.Owner, attempt: int, *, adopted: bool) -> None:
        self._io = io
        self.layout = paths
        self.files = Files(io)
        self.reader = Reader(io, paths)
        self.owner = owner_
        self.attempt = attempt
        self._adopted = adopted
        self._lock: owner.Lock | None = None
        self._claim: fence.Claim | None = None
        self._parent: Parent | None = None
        self._in_use: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def open(
        cls, root: Path, owner_: owner.Owner, attempt: int = 0, *, adopt: str = "", io: IO | None = None
    ) -> "CheckpointStore":
        """Open a flow's volume for writing.

        Args:
            root: The volume's root; made if it isn't there.
            owner_: The flow.
            attempt: The operator's number of this start; 0 takes the newest on the volume.
            adopt: The uid of a deleted flow of this name whose volume may be taken over.
            io: System calls.

        Raises:
            FencedError: a newer attempt has been here, or the flow runs already on this machine.
            VolumeInUseError: the volume is another flow's.
            VolumeError: it can't be written.
        """
        io = io or IO()
        try:
            paths = layout.Layout.at(root)
            layout.make_root(io, paths.root)
            probe.probe(io, paths.root)
            for folder in (paths.fence, paths.revisions):
                layout.make_folder(io, folder)
            claims = fence.read_claims(io, paths)
            fence.check_numbers(paths, claims)
            newest = max((claim.attempt for claim in claims), default=0)
            if 0 < attempt < newest and (adopt or owner.is_of(io, paths, owner_)):
                raise _too_old(attempt, newest)
            lock = owner.Lock(io, paths)
            if not lock.take() and attempt <= newest:
                lock.release()
                raise FencedError(
                    f"another process runs in {root}",
                    remedy="Wait for it to end, or use another --root.",
                    on_cluster="Wait for it to end.",
                )
            try:
                adopted = owner.take_ownership(io, paths, owner_, adopt=adopt, max_attempt=newest)
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            raise refused(error, f"{root} can't be used for checkpoints") from error
        store = cls(io, paths, owner_, attempt or max(newest, 1), adopted=adopted)
        store._lock = lock
        return store

    def claim(self, revision: str, revision_json: bytes, start: Start, *, jump: str = "", holder: str = "") -> Claimed:
        """Take the volume and find the state to go on with.

        A jump (any start but `Latest`) with an id happens once: when a claim with this id has been completed
        before, the start is `Latest`.

        Raises:
            DataError: the checkpoint to start from is not there.
            CorruptError: the revision has checkpoints, and none is intact.
            VolumeError: the volume can't be read or written.
        """
        io, paths = self._io, self.layout
        try:
            self._prepare(revision, revision_json)
            claims = fence.read_claims(io, paths)
            done = any(claim.jump == jump and claim.base is not None for claim in claims) if jump else False
            wanted, start = start, Latest() if done else start
            record = fence.ClaimRecord(
                epoch=0, revision=revision, attempt=self.attempt, owner_uid=self.owner.uid, jump=jump, holder=holder
            )
            claim = fence.write_claim(io, paths, record)
            passed_over: list[PassedOver] = []
            base, warm = self._choose(revision, start, passed_over)
            if done and base is None and isinstance(wanted, At) and wanted.revision != revision:
                base, warm = self._choose(revision, wanted, passed_over)  # it was killed before its first checkpoint
            self._claim = fence.write_base(io, paths, claim, base.ref.id if base else "")
            for one in passed_over:
                self._mark(one)
            self._thin([*claims, self._claim])
        except OSError as error:
            raise refused(error, "the volume can't be claimed") from error
        previous = fence.read_progress(io, paths, claims[-1].epoch) if claims else None
        jumped = not isinstance(start, Latest)
        same = bool(claims) and claims[-1].revision == revision and not jumped
        resumed = base.ref.iteration if base else 0
        source = base or warm
        self._parent = _parent_of(source.ref) if source else None
        self._in_use = frozenset({(source.ref.revision, source.ref.id)} if source else ())
        return Claimed(
            epoch=claim.epoch,
            base=base,
            warm=warm,
            jumped=jumped,
            returned=base is not None and claims[-1].revision != revision,
            previous=previous,
            lost=max(0, previous.last_iteration - resumed) if previous and same else 0,
            passed_over=tuple(passed_over),
            adopted=self._adopted,
        )

    def _prepare(self, revision: str, revision_json: bytes) -> None:
        for folder in (self.layout.revision(revision), self.layout.checkpoints(revision)):
            layout.make_folder(self._io, folder)
        path = self.layout.revision_file(revision)
        try:
            known = self.files.read(path, len(revision_json)) == revision_json
        except (OSError, ValueError, VolumeError):
            known = False
        if not known:
            self.files.sweep(path.parent)
            self.files.put(path, [revision_json])

    def _thin(self, claims: list[fence.Claim]) -> None:
        """Every save reads all claims: those that decide over nothing any more go once they are many."""
        if len(claims) < MANY_CLAIMS:
            return
        io, paths = self._io, self.layout
        ids = {revision: layout.checkpoint_ids(io, paths, revision) for revision in layout.revisions(io, paths)}
        fence.thin(io, paths, superseded(claims, ids))

    def _choose(
        self, revision: str, start: Start, passed_over: list[PassedOver]
    ) -> tuple[Restored | None, Restored | None]:
        """The base in this revision, or the state of another revision to start from."""
        match start:
            case Fresh():
                return None, None
            case Latest(lineage):
                base = self._newest(revision, "", passed_over)
                sources = lineage if base is None else ()
                warm = (self._newest(source, "", passed_over) for source in sources)
                return base, next((one for one in warm if one is not None), None)
            case At(source, checkpoint):
                found = self._newest(source, checkpoint, passed_over)
                if found is None:
                    raise DataError(
                        f"revision {source} has no good checkpoint {checkpoint} to start from",
                        remedy="See `cflow checkpoints list`.",
                        on_cluster="" if source == revision else "Use upgrade mode Restart.",
                    )
                return (found, None) if source == revision else (None, found)

    def _newest(self, revision: str, at: str, passed_over: list[PassedOver]) -> Restored | None:
        found = self.reader.newest(revision, passed_over, at=at)
        if found is None and not all(one.torn for one in passed_over):
            raise CorruptError(
                f"no checkpoint of revision {revision} is intact ({len(passed_over)} corrupt)",
                remedy="Start afresh with --fresh, or restore the volume from a backup.",
                on_cluster=f"Restore the volume from a backup, or {BEGIN_ANEW}.",
            )
        return found

    def _mark(self, one: PassedOver) -> None:
        identity = layout.CheckpointId.parse(one.id)
        with suppress(OSError):
            if identity and not self.reader.marked_corrupt(one.revision, identity):
                writer.mark_corrupt(self._io, self.layout.checkpoint(one.revision, identity), one.reason)

    def save(self, iteration: int, leaves: Mapping[str, Leaf], meta: writer.SaveMeta) -> CheckpointRef:
        """Save the state of an iteration; durable when this returns. Errors as `writer.write_checkpoint`."""
        ref = writer.write_checkpoint(self._io, self.layout, self._held, iteration, leaves, meta, self._parent)
        self._parent = _parent_of(ref)
        return ref

    def heartbeat(self, iteration: int, wall_ms: int) -> None:
        """Leave a sign of life, from which the next epoch tells what was lost. Failing to is no failure."""
        try:
            fence.write_progress(self._io, self.layout, self.epoch, iteration, wall_ms)
        except OSError:
            return

    def check_fence(self) -> None:
        """Make sure that no newer attempt has the volume (FencedError); VolumeError when it can't be read."""
        fence.check(self._io, self.layout, self._held)

    def collect(self, policy: gc.Retention) -> list[tuple[str, str]]:
        """Remove what retention lets go; what went, as (revision, id)."""
        try:
            self.check_fence()
            return gc.collect(self._io, self.layout, policy, self.epoch, self._in_use)
        except OSError as error:
            raise refused(error, "old checkpoints can't be removed") from error

    @property
    def epoch(self) -> int:
        """The epoch of the claim."""
        return self._held.epoch

    @property
    def _held(self) -> fence.Claim:
        if self._claim is None:
            raise RuntimeError("claim the volume first")
        return self._claim

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock:
            self._lock.release()


def _parent_of(ref: CheckpointRef) -> Parent:
    return Parent(revision=ref.revision, id=ref.id, digest=ref.digest)
