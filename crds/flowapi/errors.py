"""What can go wrong for the person at the keyboard: each error says what, where in the YAML, and what to do."""

from collections.abc import Iterable
from typing import ClassVar

BEGIN_ANEW = "edit spec.flow, if only its seed, with upgrade.mode Restart"
"""How a resource's flow begins anew, where `cflow run` has --fresh."""
ENLARGE = "Raise spec.checkpoint.volume.size, or make room on the volume."
"""What to do on a cluster about a volume that is full."""


class FlowError(Exception):
    """An error with a path into the YAML and a remedy; `code` is the engine's exit code for it.

    Args:
        message: What is wrong, without a full stop.
        path: Where, as a path into the YAML such as `flow.terms[1].atom`; empty when it has no place there.
        remedy: What to do about it, a sentence.
        on_cluster: The same where the flow is a resource, if that is something else.
    """

    code: ClassVar[int] = 70
    reason: ClassVar[str] = "InternalError"

    def __init__(self, message: str, *, path: str = "", remedy: str = "", on_cluster: str = "") -> None:
        self.message = message
        self.path = path
        self.remedy = remedy
        self.on_cluster = on_cluster or remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        return self._with(self.remedy)

    @property
    def of_resource(self) -> str:
        """The sentence where the flow is a resource."""
        return self._with(self.on_cluster)

    def _with(self, remedy: str) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{place}{self.message}. {remedy}" if remedy else f"{place}{self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword arguments when an error crosses a process border."""
        return (_rebuild, (type(self), self.message, self.path, self.remedy), self.__dict__)


def _rebuild(kind: type[FlowError], message: str, path: str, remedy: str) -> FlowError:
    return kind(message, path=path, remedy=remedy)


class DocumentError(FlowError):
    """Wrong from the document alone (exit 64)."""

    code = 64
    reason = "InvalidSpec"


class DocumentErrors(DocumentError):
    """Everything that is wrong with a document, found at once."""

    def __init__(self, errors: Iterable[DocumentError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        if len(self.errors) == 1:
            super().__init__(first.message, path=first.path, remedy=first.remedy)
        else:
            lines = "".join(f"\n  {error}" for error in self.errors)
            super().__init__(f"{len(self.errors)} errors:{lines}")

    def __reduce__(self) -> tuple[object, ...]:
        return (DocumentErrors, (self.errors,))


class DataError(FlowError):
    """Wrong in the light of the data or the checkpoints: a missing file, a shape, another tree (exit 65)."""

    code = 65
    reason = "InvalidSpec"


class IncompatibleError(DataError):
    """A checkpoint that this flow or this version can't continue from."""

    reason = "IncompatibleCheckpoint"


class VolumeLostError(DataError):
    """A volume without any checkpoint, where one was saved."""

    reason = "VolumeLost"


class CorruptError(DataError):
    """A checkpoint, or all of them, that no longer hold what was written."""

    reason = "CheckpointsCorrupt"


class VolumeInUseError(DataError):
    """The volume belongs to another flow.

    Attributes:
        owner_uid: Of a deleted flow of the same name, whose volume may be adopted; empty for any other's.
        max_attempt: The newest attempt on it.
    """

    reason = "VolumeInUse"
    owner_uid: str = ""
    max_attempt: int | None = None


class VolumeError(FlowError):
    """The volume can't be read or written (exit 74).

    Attributes:
        full: Whether room on it is what is missing.
        unreadable: Whether the medium can't give back what was written to it, as a file system with checksums says.
    """

    code = 74
    reason = "VolumeFull"
    full: bool = False
    unreadable: bool = False


class DivergedError(FlowError):
    """The iterates became NaN or infinite, and nothing brought them back (exit 76)."""

    code = 76
    reason = "Diverged"


class NoSolutionError(DivergedError):
    """A proof that the problem has no solution (exit 76)."""


class UnboundedError(NoSolutionError):
    """The energy falls without end."""

    reason = "Unbounded"


class InfeasibleError(NoSolutionError):
    """No point meets all constraints."""

    reason = "Infeasible"


class FencedError(FlowError):
    """A newer attempt owns the volume (exit 77).

    Attributes:
        max_attempt: The newest attempt on it, where that is why.
    """

    code = 77
    reason = "Fenced"
    max_attempt: int | None = None
