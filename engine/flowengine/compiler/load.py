"""Data files to arrays: sizes are bounded before anything is allocated, and nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from flowapi.errors import DataError
from flowapi.flow import FlowDocument
from flowapi.frozen import frozen
from flowapi.model import join
from flowapi.sources import Csr, Csv, Image, Inline, Npy, Npz, Parquet, Safetensors, SourceSpec, Zarr
from flowengine.compiler import formats
from flowengine.compiler.formats import MAX_FILE_BYTES

T = TypeVar("T")
D = TypeVar("D")


@frozen
class Sparse:
    """A sparse matrix among the arrays; only a `matrix` operator takes it."""

    matrix: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return tuple(self.matrix.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of its entries."""
        dtype: np.dtype = self.matrix.dtype
        return dtype


class Arrays(dict[str, Any]):
    """The data of a flow. What is asked for by its name alone is dense; `either` is for those who can do with less."""

    def __init__(self, at: str, dtype: str) -> None:
        super().__init__()
        self._at = at
        self.dtype = dtype

    def __getitem__(self, name: str) -> np.ndarray:
        array = super().__getitem__(name)
        if isinstance(array, Sparse):
            place = join(self._at, "data", name)
            raise DataError("only a `matrix` operator takes sparse data", path=place, remedy="Use `npy`.")
        return np.asarray(array)

    def either(self, name: str) -> np.ndarray | Sparse:
        """The array, sparse or dense."""
        array: np.ndarray | Sparse = super().__getitem__(name)
        return array


def load_data(document: FlowDocument, inputs: Path, at: str) -> Arrays:
    """Every array of a document, in the flow's dtype, finite.

    Args:
        document: The flow.
        inputs: The folder that data paths start from.
        at: Path of the document in its file.

    Raises:
        DataError: with the YAML path of the first source that can't be used.
    """
    arrays = Arrays(at, document.dtype)
    for name, source in document.data.items():
        place = join(at, "data", name)
        if isinstance(source, Csr):
            matrix = _parse(source.csr, inputs, f"{place}.csr", formats.csr)
            _check_finite(matrix.data, place)
            arrays[name] = Sparse(matrix.astype(_dtype_of(matrix, document)))
            continue
        array = _load(source, inputs, place)
        if array.dtype.kind not in "fiubc":
            raise DataError(f"the array has the type {array.dtype}", path=place, remedy="Numbers are needed.")
        array = np.ascontiguousarray(array, dtype=_dtype_of(array, document))
        _check_finite(array, place)
        arrays[name] = array
    return arrays


def _dtype_of(array: Any, document: FlowDocument) -> np.dtype:
    """Real data stay real beside complex ones, all of the flow's precision."""
    real = np.finfo(document.dtype).dtype
    return np.result_type(real, np.complex64) if array.dtype.kind == "c" else real


def digest_of(arrays: Arrays) -> dict[str, str]:
    """SHA-256 of each array with its type and shape."""
    return {name: _digest(arrays.either(name)) for name in arrays}


def _digest(array: np.ndarray | Sparse) -> str:
    """Of the bytes as they lie there: data may be half of what the machine holds."""
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    parts = [array]
    if isinstance(array, Sparse):
        digest.update(b"csr")
        parts = [array.matrix.indptr, array.matrix.indices, array.matrix.data]
    for one in parts:
        digest.update(np.ascontiguousarray(one).data)
    return digest.hexdigest()


def _load(source: SourceSpec, inputs: Path, place: str) -> np.ndarray:
    if isinstance(source, Zarr):
        return _parsed(source.zarr, read_folder(inputs, source.zarr, f"{place}.zarr"), f"{place}.zarr", formats.zarr)
    if isinstance(source, Inline):
        try:
            return np.asarray(source.inline, dtype=np.float64)
        except ValueError as error:
            raise DataError("the inline lists are ragged", path=place, remedy="Make them rectangular.") from error
    parse: Callable[[bytes], np.ndarray]
    match source:
        case Npy(npy=path):
            parse = formats.npy
        case Npz(npz=path, key=key):
            parse = partial(formats.npz, key=key)
        case Safetensors(safetensors=path, key=key):
            parse = partial(formats.safetensors, key=key)
        case Csv(csv=path):
            parse = formats.csv
        case Parquet(parquet=path, columns=columns):
            parse = partial(formats.parquet, columns=columns)
        case Image(image=path, mode=mode):
            parse = partial(formats.image, mode=mode)
        case _:
            raise DataError("this kind of data can't be loaded in this version", path=place, remedy="Use `npy`.")
    return _parse(path, inputs, f"{place}.{type(source).__name__.lower()}", parse)


def _parse(path: str, inputs: Path, place: str, parse: Callable[[bytes], T]) -> T:
    return _parsed(path, read_input(inputs, path, place), place, parse)


def _parsed(path: str, data: D, place: str, parse: Callable[[D], T]) -> T:
    try:
        return parse(data)
    except (ValueError, OSError, KeyError, zipfile.BadZipFile, SyntaxError, EOFError, OverflowError) as error:
        remedy = getattr(error, "remedy", "Check the file.")
        raise DataError(f"{path} can't be read: {error}", path=place, remedy=remedy) from error


def read_folder(inputs: Path, path: str, place: str) -> dict[str, bytes]:
    """Every file of a folder below the inputs, by its path in there; links as `read_input`."""
    folder = _below(inputs, path, place)
    if not folder.is_dir():
        raise DataError(f"{path} is not a folder", path=place, remedy=_there(folder.parent))
    names = sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if not one.is_dir())
    if sum((folder / name).stat().st_size for name in names) > MAX_FILE_BYTES:
        raise DataError(f"{path} holds more than {MAX_FILE_BYTES} bytes", path=place, remedy="Name a smaller array.")
    return {name: read_input(inputs, f"{path}/{name}", place) for name in names}


def read_input(inputs: Path, path: str, place: str) -> bytes:
    """The bytes of a file below the inputs.

    Kubernetes itself mounts config maps as links within their folder, so a link is followed as long as it ends below
    the inputs.
    """
    file = _below(inputs, path, place)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise DataError(f"{path} can't be opened ({error.strerror})", path=place, remedy=_there(file.parent)) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
        os.close(descriptor)
        raise DataError(f"{path} is not a file of at most {MAX_FILE_BYTES} bytes", path=place, remedy="Name a file.")
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(status.st_size)


def _below(inputs: Path, path: str, place: str) -> Path:
    root = inputs.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise DataError(f"{path} leads out of {inputs}", path=place, remedy="Put the file below the inputs.")
    return found


def _there(folder: Path) -> str:
    try:
        names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    except OSError:
        return f"There is no folder {folder}."
    listing = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"In {folder} there is: {listing}." if names else f"{folder} is empty."


def _check_finite(array: np.ndarray, place: str) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = [int(i) for i in bad[0]]
        raise DataError(
            f"{len(bad)} of {array.size} numbers are NaN or infinite, the first at {first}",
            path=place,
            remedy="Clean the data, or mask those entries.",
        )
