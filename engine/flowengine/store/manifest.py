"""The manifest: the commit record of a checkpoint. Absent or torn means not committed; every byte is under a digest."""

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationError

from flowapi.errors import CorruptError, DocumentError, IncompatibleError
from flowapi.model import Model
from flowapi.numbers import canonical_json

FORMAT = 1
MAX_MANIFEST_BYTES = 8 * 2**20
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}([0-9a-f]{32})?$")]
SaveReason = Literal["periodic", "sigterm", "jump", "final", "rescue"]


class LeafRecord(Model):
    """One array of the state: what it is to the run, and how its bytes lie in the file.

    `stored` is the safetensors type of the bytes; complex numbers are stored as pairs, `F64[...,2]`.
    """

    dtype: Annotated[str, StringConstraints(max_length=64)]
    stored: Annotated[str, StringConstraints(max_length=16)]
    shape: Annotated[tuple[Annotated[int, Field(ge=0, le=2**40)], ...], Field(max_length=32)]
    weak_type: bool = False
    kind: Literal["array", "scalar", "key"] = "array"
    impl: Annotated[str, StringConstraints(max_length=64)] = ""
    algo: Literal["xxh3-128"] = "xxh3-128"
    sum: Digest


class Lineage(Model):
    """Which run wrote a checkpoint, and why."""

    revision: str
    attempt: int
    problem_digest: str = ""
    reason: SaveReason = "periodic"


class Health(Model):
    """How the run was when it was saved; `good` checkpoints are the ones to go back to."""

    finite: bool = True
    energy: float | None = None
    residual: float | None = None
    controller: Literal["RED", "AMBER", "GREEN"] = "RED"
    good: bool = True


class Parent(Model):
    """The checkpoint that this one continues, in its own or in another revision."""

    revision: str
    id: str
    digest: Digest


class FileRecord(Model):
    """A file of the checkpoint: its size, and the SHA-256 of its header with the length in front."""

    bytes: Annotated[int, Field(ge=0)]
    header_sha256: Digest


class Manifest(Model):
    """What a checkpoint holds and where it came from."""

    format: int = FORMAT
    min_reader: int = FORMAT
    id: str
    parent: Parent | None = None
    epoch: int
    iteration: int
    lineage: Lineage
    health: Health = Health()
    wall_seconds: float = 0.0
    files: dict[str, FileRecord]
    leaves: dict[str, LeafRecord]
    env: dict[str, Any] = {}

    @cached_property
    def _canonical(self) -> bytes:
        return canonical_json(self.model_dump(by_alias=True, exclude_none=True, mode="json"))

    def seal(self) -> bytes:
        """The manifest's file."""
        return _sealed(self._canonical)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical body; it covers every byte of the checkpoint."""
        return hashlib.sha256(self._canonical).hexdigest()

    @classmethod
    def unseal(cls, data: bytes) -> "Manifest":
        """Read a manifest's file.

        Raises:
            CorruptError: some byte is not the one that was written.
            IncompatibleError: a newer version wrote it.
        """
        body = unseal(data, "manifest")
        reader = body.get("minReader")
        if isinstance(reader, int) and reader > FORMAT:
            raise IncompatibleError(
                f"the checkpoint has format {body.get('format')}, which this version can't read",
                remedy="Run it with the version that wrote it, or a newer one.",
            )
        return parse_body(cls, body)


M = TypeVar("M", bound=Model)


def seal(body: dict[str, Any]) -> bytes:
    """A small record with its own SHA-256, as canonical JSON."""
    return _sealed(canonical_json(body))


def _sealed(canonical: bytes) -> bytes:
    return b'{"body":%b,"sha256":"%b"}\n' % (canonical, hashlib.sha256(canonical).hexdigest().encode())


def unseal(data: bytes, what: str) -> dict[str, Any]:
    """The body of a sealed record.

    Raises:
        CorruptError: its bytes are not exactly those that `seal` makes.
    """
    try:
        body = json.loads(data)["body"]
        intact = seal(body) == data
    except (ValueError, TypeError, KeyError, RecursionError, DocumentError) as error:
        raise CorruptError(f"the {what} is torn or not JSON") from error
    if not intact or not isinstance(body, dict):
        raise CorruptError(f"the {what} does not have the digest it was sealed with")
    return body


def parse_body(model: type[M], body: dict[str, Any]) -> M:
    """A sealed body as its model; a body that was sealed but has another form counts as corrupt."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise CorruptError(f"the {model.__name__.lower()} has an unknown form ({error.error_count()} errors)") from None
