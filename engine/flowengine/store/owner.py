"""Whose volume this is. One claim, one flow: a volume of another flow is refused, never shared and never erased."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from flowapi.errors import CorruptError, VolumeInUseError
from flowapi.model import Model
from flowengine.store.io import IO, put_file, read_file, replace_file
from flowengine.store.layout import Layout
from flowengine.store.manifest import parse_body, seal, unseal

MAX_OWNER_BYTES = 4096


class Owner(Model):
    """The flow that a volume belongs to."""

    namespace: str
    name: str
    uid: str


def read_owner(io: IO, layout: Layout) -> Owner | None:
    """Who the volume belongs to; None for a fresh one.

    Raises:
        CorruptError: the record is damaged: better a person looks at it than a guess.
    """
    try:
        data = read_file(io, layout.owner, MAX_OWNER_BYTES)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CorruptError(f"OWNER is damaged: {error}", remedy=_DAMAGED) from error
    try:
        return parse_body(Owner, unseal(data, "OWNER"))
    except CorruptError as error:
        raise CorruptError(error.message, remedy=_DAMAGED) from error


_DAMAGED = "If the volume is this flow's, remove the file OWNER on it; the next start writes it anew."


def take_ownership(io: IO, layout: Layout, owner: Owner, *, adopt: str, max_attempt: int) -> bool:
    """Make sure that the volume is this flow's; write OWNER on a fresh one.

    Args:
        io: System calls.
        layout: Paths below the volume's root.
        owner: The flow that wants it.
        adopt: The uid of a deleted flow of the same name whose volume may be taken over.
        max_attempt: The largest attempt on the volume, for the message.

    Returns:
        Whether the volume was taken over from a deleted flow just now.

    Raises:
        VolumeInUseError: it is another flow's.
    """
    current = read_owner(io, layout)
    if current == owner:
        return False
    if current is None:
        _write(io, layout, owner)
        return False
    if (current.namespace, current.name) != (owner.namespace, owner.name):
        raise VolumeInUseError(
            f"the volume belongs to the flow {current.namespace}/{current.name}",
            remedy="Give each flow a volume (locally: a --root) of its own.",
        )
    if adopt != current.uid:
        refused = VolumeInUseError(
            f"the volume belongs to an earlier flow of this name (uid {current.uid}, attempt {max_attempt})",
            remedy="It is adopted once no pod of that flow mounts it.",
        )
        refused.owner_uid, refused.max_attempt = current.uid, max_attempt
        raise refused
    replace_file(io, layout.owner, seal(owner.model_dump()), scratch=_scratch(layout))
    return True


def is_of(io: IO, layout: Layout, owner: Owner) -> bool:
    """Whether the volume is fresh or this very flow's, so that attempts on it are this flow's."""
    return read_owner(io, layout) in {None, owner}


def _write(io: IO, layout: Layout, owner: Owner) -> None:
    """Write OWNER unless somebody else does so at this moment."""
    scratch = _scratch(layout)
    put_file(io, scratch, seal(owner.model_dump()))
    try:
        try:
            io.link(scratch, layout.owner)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            put_file(io, layout.owner, seal(owner.model_dump()))
    except FileExistsError:
        if read_owner(io, layout) != owner:
            raise VolumeInUseError("another flow took the volume at this moment", remedy="Use another one.") from None
    finally:
        io.unlink(scratch)
    io.fsync_folder(layout.root)


def _scratch(layout: Layout) -> Path:
    return layout.root / f".OWNER.{secrets.token_hex(4)}"


class Lock:
    """Guards against a double start on one machine; the fence guards against all others."""

    def __init__(self, io: IO, layout: Layout) -> None:
        self._io = io
        self._descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)

    def take(self) -> bool:
        """Whether nobody else on this machine holds it. A file system without locks has nobody else."""
        try:
            self._io.lock(self._descriptor)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        return True

    def release(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
