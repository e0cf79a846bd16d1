"""Claims: who may write. The newest claim does, whatever its revision; everyone else finds out before acknowledging."""

import contextlib
import errno
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flowapi.errors import CorruptError, FencedError
from flowapi.frozen import frozen
from flowapi.model import Model
from flowapi.report import PreviousEpoch
from flowengine.store.io import IO, put_file, read_file, refused
from flowengine.store.layout import MOST_EPOCHS, Layout, checkpoint_ids, epochs, revisions
from flowengine.store.manifest import parse_body, seal, unseal

MAX_RECORD_BYTES = 64 * 1024


class ClaimRecord(Model):
    """The file of a claim."""

    epoch: int
    revision: str
    attempt: int
    owner_uid: str = ""
    jump: str = ""
    holder: str = ""
    token: str = ""


class BaseRecord(Model):
    """The file beside a claim: the checkpoint of its revision that it continues from; empty when from none."""

    base: str


@frozen
class Claim:
    """A claim on the volume.

    Attributes:
        base: The checkpoint that it continues from; "" when it starts afresh, None until that has been chosen.
        record: The bytes of its file, with a random token in them: after a volume was put back to an older state, two
            claims may have one number.
    """

    epoch: int
    revision: str
    attempt: int
    jump: str = ""
    base: str | None = None
    record: bytes = b""


def read_claims(io: IO, layout: Layout) -> list[Claim]:
    """Every claim on the volume, ascending. A claim that can't be read still fences, but bounds nothing."""
    return [_read_claim(io, layout, epoch) for epoch in epochs(io, layout)]


def _read_claim(io: IO, layout: Layout, epoch: int) -> Claim:
    try:
        data = read_file(io, layout.claim(epoch), MAX_RECORD_BYTES)
        record = parse_body(ClaimRecord, unseal(data, "claim"))
    except (CorruptError, ValueError, FileNotFoundError):
        return Claim(epoch, revision="", attempt=0)
    claim = replace(_claim_of(record, data), epoch=epoch)
    try:
        base = parse_body(BaseRecord, unseal(read_file(io, layout.base(epoch), MAX_RECORD_BYTES), "base"))
    except (CorruptError, ValueError, FileNotFoundError):
        return claim
    return replace(claim, base=base.base)


def write_claim(io: IO, layout: Layout, record: ClaimRecord) -> Claim:
    """Take the next epoch. Only then may a base be chosen: the other way round lost acknowledged checkpoints."""
    while True:
        epoch = _newest_epoch(io, layout) + 1
        own = record.model_copy(update={"epoch": epoch, "token": secrets.token_hex(8)})
        data = seal(own.model_dump(by_alias=True))
        scratch = layout.fence / f".{epoch}.{secrets.token_hex(4)}"
        put_file(io, scratch, data)
        try:
            _take_name(io, layout, epoch, data, scratch)
        except FileExistsError:
            continue
        finally:
            io.unlink(scratch)
        io.fsync_folder(layout.fence)
        return _claim_of(own, data)


def _claim_of(record: ClaimRecord, data: bytes) -> Claim:
    return Claim(record.epoch, record.revision, record.attempt, record.jump, record=data)


def _take_name(io: IO, layout: Layout, epoch: int, data: bytes, scratch: Path) -> None:
    """Give the finished claim its name, which must be free: by a link, else by exclusive creation."""
    try:
        io.link(scratch, layout.claim(epoch))
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        put_file(io, layout.claim(epoch), data)


def _newest_epoch(io: IO, layout: Layout) -> int:
    """The largest epoch that a claim or a checkpoint bears: an epoch is never used twice, even if claims were lost."""
    written = (one.epoch for name in revisions(io, layout) for one in checkpoint_ids(io, layout, name)[-1:])
    return max((*epochs(io, layout), *written, 0))


def check_numbers(layout: Layout, claims: Sequence[Claim]) -> None:
    """Make sure that there are higher numbers left than those of the claims.

    Raises:
        CorruptError: somebody has put a file there that no run makes, and no run would ever have the volume again.
    """
    if claims and claims[-1].epoch > MOST_EPOCHS:
        path = layout.claim(claims[-1].epoch)
        raise CorruptError(f"{path} has a number that no run's claim has", remedy="Remove that file, and run again.")


def thin(io: IO, layout: Layout, gone: Sequence[Claim]) -> None:
    """Remove claims that decide over nothing any more, as far as the volume lets us."""
    with contextlib.suppress(OSError):
        for claim in gone:
            for path in (layout.base(claim.epoch), layout.progress(claim.epoch), layout.claim(claim.epoch)):
                with contextlib.suppress(FileNotFoundError):
                    io.unlink(path)


def write_base(io: IO, layout: Layout, claim: Claim, base: str) -> Claim:
    """Record the checkpoint that a claim continues from, once and for all."""
    scratch = layout.fence / f".base.{claim.epoch}.{secrets.token_hex(4)}"
    put_file(io, scratch, seal(BaseRecord(base=base).model_dump()))
    io.rename(scratch, layout.base(claim.epoch))
    io.fsync_folder(layout.fence)
    return replace(claim, base=base)


def check(io: IO, layout: Layout, claim: Claim) -> None:
    """Make sure that this claim is still the newest.

    Raises:
        FencedError: a newer claim has the volume, or the volume was put back to a state before this claim.
        VolumeError: the volume can't be read.
    """
    try:
        newest = max(epochs(io, layout), default=0)
    except OSError as error:
        raise refused(error, "the claims can't be read") from error
    record = _record(io, layout, claim.epoch) if newest == claim.epoch else b""
    if newest < claim.epoch or record is None:
        raise FencedError(
            f"the claim of this run (epoch {claim.epoch}) is gone from {layout.root}: the folder was moved, or put "
            "back to an older state, or its `fence` was removed",
            remedy="Nothing more is written; run again where the folder is now.",
        )
    if newest != claim.epoch or record != claim.record:
        what = f"epoch {claim.epoch} lost the volume to epoch {newest}"
        if newest == claim.epoch:
            what = f"epoch {newest} was taken over by another process"
        raise FencedError(what, remedy="A newer attempt runs; this one ends.")


def _record(io: IO, layout: Layout, epoch: int) -> bytes | None:
    """What a claim's file holds; None where it has gone since it was listed."""
    try:
        return read_file(io, layout.claim(epoch), MAX_RECORD_BYTES)
    except FileNotFoundError:
        return None
    except ValueError:  # longer than any record
        return b""


def write_progress(io: IO, layout: Layout, epoch: int, iteration: int, wall_ms: int) -> None:
    """Leave a sign of life for the next epoch. A hint: not synced, and lost with the machine."""
    scratch = layout.fence / f".progress.{epoch}"
    scratch.unlink(missing_ok=True)
    descriptor = io.create(scratch)
    try:
        io.write(descriptor, json.dumps({"lastIteration": iteration, "lastWallMs": wall_ms}).encode())
    finally:
        io.close(descriptor)
    io.rename(scratch, layout.progress(epoch))


def read_progress(io: IO, layout: Layout, epoch: int) -> PreviousEpoch | None:
    """How far an epoch had come by its last sign of life; None when it left none."""
    try:
        body = json.loads(read_file(io, layout.progress(epoch), MAX_RECORD_BYTES))
        return PreviousEpoch(epoch=epoch, last_iteration=body["lastIteration"], last_wall_ms=body["lastWallMs"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
