"""Where arrays come from."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, PlainValidator, StringConstraints

from flowapi.model import DocumentFinding, Model


def _data_path(value: str) -> str:
    """A relative path below the inputs; nothing else reaches the file system."""
    parts = PurePosixPath(value).parts
    if value.startswith("/") or "\\" in value or any(part in ("..", ".") for part in value.split("/")):
        raise DocumentFinding(f"`{value}` leaves the inputs", remedy="Write a path below them: `<input>/<file>`.")
    if not parts or any(ord(char) < 32 for char in value) or "//" in value or value.endswith("/"):
        raise DocumentFinding(f"`{value}` is not a file's path", remedy="Write `<input>/<file>`.")
    return value


DataPath = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_data_path)]


class SourceSpec(Model):
    """Where an array comes from."""


class Npy(SourceSpec):
    """A NumPy file without pickled objects."""

    npy: DataPath


class Npz(SourceSpec):
    """One array of a NumPy archive."""

    npz: DataPath
    key: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Csv(SourceSpec):
    """Numbers separated by commas; a first row of names is skipped."""

    csv: DataPath


class Image(SourceSpec):
    """A picture, scaled to [0, 1] by its bit depth; one with colours needs a `mode`."""

    image: DataPath
    mode: Literal["grey", "colour"] | None = None


class Csr(SourceSpec):
    """A sparse matrix in SciPy's file format (`save_npz` of a CSR matrix), for a `matrix` operator."""

    csr: DataPath


class Safetensors(SourceSpec):
    """One array of a safetensors file."""

    safetensors: DataPath
    key: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Parquet(SourceSpec):
    """Columns of numbers of a Parquet file, all of them unless `columns` names some."""

    parquet: DataPath
    columns: Annotated[tuple[str, ...], Field(min_length=1, max_length=10_000)] | None = None


class Zarr(SourceSpec):
    """A Zarr array, format 2 or 3: the folder that holds its metadata; an array of a group by its own folder."""

    zarr: DataPath


class Inline(SourceSpec):
    """Numbers in the document itself, nested lists."""

    inline: Annotated[Any, PlainValidator(lambda value: _inline(value))]


def _inline(value: object) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, int | float | list):
        raise DocumentFinding("inline data must be a number or nested lists of numbers")
    if isinstance(value, list):
        return [_inline(item) for item in value]
    return value


SOURCES: dict[str, type[SourceSpec]] = {
    "npy": Npy, "npz": Npz, "csr": Csr, "safetensors": Safetensors, "csv": Csv, "parquet": Parquet, "zarr": Zarr,
    "image": Image, "inline": Inline,
}  # fmt: skip
LATER_SOURCES = frozenset(["uri"])
