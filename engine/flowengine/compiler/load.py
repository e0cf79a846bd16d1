"""Data files to arrays: sizes are bounded before anything is allocated, and nothing is ever unpickled."""

from __future__ import annotations

import ast
import hashlib
import io as stdio
import os
import stat
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flowapi.errors import DataError
from flowapi.flow import FlowDocument
from flowapi.model import join
from flowapi.sources import Csv, Image, Inline, Npy, Npz, Parquet, Safetensors, SourceSpec

MAX_FILE_BYTES = 8 * 2**30
MAX_PIXELS = 2**28
_NPY_MAGIC = b"\x93NUMPY"


def load_data(document: FlowDocument, inputs: Path, at: str) -> dict[str, np.ndarray]:
    """Every array of a document, in the flow's dtype, finite.

    Args:
        document: The flow.
        inputs: The folder that data paths start from.
        at: Path of the document in its file.

    Raises:
        DataError: with the YAML path of the first source that can't be used.
    """
    arrays = {}
    for name, source in document.data.items():
        place = join(at, "data", name)
        array = _load(source, inputs, place)
        if array.dtype.kind not in "fiubc":
            raise DataError(f"the array has the type {array.dtype}", path=place, remedy="Numbers are needed.")
        array = np.ascontiguousarray(array, dtype=_dtype_of(array, document))
        _check_finite(array, place)
        arrays[name] = array
    return arrays


def _dtype_of(array: np.ndarray, document: FlowDocument) -> np.dtype:
    """Real data stay real beside complex ones, all of the flow's precision."""
    real = np.finfo(document.dtype).dtype
    return np.result_type(real, np.complex64) if array.dtype.kind == "c" else real


def digest_of(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """SHA-256 of each array with its type and shape."""
    return {
        name: hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()
        for name, array in arrays.items()
    }


def _load(source: SourceSpec, inputs: Path, place: str) -> np.ndarray:
    if isinstance(source, Inline):
        try:
            return np.asarray(source.inline, dtype=np.float64)
        except ValueError as error:
            raise DataError("the inline lists are ragged", path=place, remedy="Make them rectangular.") from error
    parse: Callable[[bytes], np.ndarray]
    match source:
        case Npy(npy=path):
            parse = _npy
        case Npz(npz=path, key=key):
            parse = partial(_npz, key=key)
        case Safetensors(safetensors=path, key=key):
            parse = partial(_safetensors, key=key)
        case Csv(csv=path):
            parse = _csv
        case Parquet(parquet=path, columns=columns):
            parse = partial(_parquet, columns=columns)
        case Image(image=path):
            parse = _image
        case _:
            raise DataError("this source has no loader", path=place)
    return _parse(path, inputs, f"{place}.{type(source).__name__.lower()}", parse)


def _parse(path: str, inputs: Path, place: str, parse: Callable[[bytes], np.ndarray]) -> np.ndarray:
    data = read_input(inputs, path, place)
    try:
        return parse(data)
    except (ValueError, OSError, KeyError, zipfile.BadZipFile, SyntaxError, EOFError, OverflowError) as error:
        raise DataError(f"{path} can't be read: {error}", path=place, remedy="Check the file.") from error


def read_input(inputs: Path, path: str, place: str) -> bytes:
    """The bytes of a file below the inputs.

    Kubernetes itself mounts config maps as links within their folder, so a link is followed as long as it ends below
    the inputs.
    """
    root = inputs.resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root):
        raise DataError(f"{path} leads out of {inputs}", path=place, remedy="Put the file below the inputs.")
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


def _there(folder: Path) -> str:
    try:
        names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    except OSError:
        return f"There is no folder {folder}."
    listing = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    return f"In {folder} there is: {listing}." if names else f"{folder} is empty."


def _npy(data: bytes) -> np.ndarray:
    """An .npy file: the header is read as a literal, and the array is a view of the bytes that are there."""
    if data[:6] != _NPY_MAGIC or len(data) < 12:
        raise ValueError("it is not an .npy file")
    wide = data[6] >= 2
    start = 12 if wide else 10
    length = int.from_bytes(data[8:start], "little")
    header: Any = ast.literal_eval(data[start : start + min(length, 65536)].decode("latin1"))
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ValueError("its header is damaged")
    if not isinstance(header["descr"], str) or np.dtype(header["descr"]).hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    shape = header["shape"]
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError("its shape is damaged")
    flat = np.frombuffer(data, dtype=header["descr"], offset=start + length)
    count = 1
    for n in shape:
        count *= n
    if count != flat.size:
        raise ValueError(f"it holds {flat.size} numbers, its shape {shape} needs {count}")
    return flat.reshape(shape, order="F" if header["fortran_order"] else "C")


def _npz(data: bytes, key: str) -> np.ndarray:
    with zipfile.ZipFile(stdio.BytesIO(data)) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if key not in names:
            raise ValueError(f"it has no array {key!r}, only {', '.join(names[:8])}")
        entry = archive.getinfo(f"{key}.npy")
        if entry.file_size > max(64 * 2**20, 100 * len(data)):
            raise ValueError("the array is far larger than the archive: a decompression bomb?")
        with archive.open(entry) as stream:
            return _npy(stream.read(entry.file_size))


def _safetensors(data: bytes, key: str) -> np.ndarray:
    from safetensors import SafetensorError  # noqa: PLC0415 - only flows with such files pay for it
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        arrays: dict[str, np.ndarray] = load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if key not in arrays:
        raise ValueError(f"it has no array {key!r}, only {', '.join(sorted(arrays)[:8])}")
    return arrays[key]


def _parquet(data: bytes, columns: tuple[str, ...] | None) -> np.ndarray:
    """One column as a vector, several as the columns of a matrix; a missing number is NaN, which is refused later."""
    import pyarrow as pa  # noqa: PLC0415 - only flows with such files pay for it
    import pyarrow.parquet as pq  # noqa: PLC0415

    file = pq.ParquetFile(pa.BufferReader(data))
    known = file.schema_arrow.names
    missing = [name for name in columns or () if name not in known]
    if missing:
        raise ValueError(f"it has no column {missing[0]!r}, only {', '.join(known[:8])}")
    if file.metadata.num_rows * len(columns or known) * 8 > MAX_FILE_BYTES:
        raise ValueError("the table is far larger than the file: a decompression bomb?")
    table = file.read(columns=list(columns) if columns else None)
    parts = [np.asarray(table.column(name).to_numpy(), np.float64) for name in columns or known]
    return parts[0] if len(parts) == 1 else np.stack(parts, axis=1)


def _csv(data: bytes) -> np.ndarray:
    text = data.decode()
    first = text.split("\n", 1)[0]
    skip = 0 if all(_is_number(cell) for cell in first.split(",")) else 1
    array = np.loadtxt(stdio.StringIO(text), delimiter=",", skiprows=skip, ndmin=2, dtype=np.float64)
    return array[:, 0] if array.shape[1] == 1 else array


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _image(data: bytes) -> np.ndarray:
    """A grey picture in [0, 1]: 8-bit divided by 255, 16-bit by 65535."""
    from PIL import Image as Pillow  # noqa: PLC0415 - only flows with pictures pay for it

    with Pillow.open(stdio.BytesIO(data), formats=("PNG", "TIFF", "JPEG")) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"it has more than {MAX_PIXELS} pixels")
        if picture.mode in ("I;16", "I;16B", "I"):
            return np.asarray(picture).astype(np.float64) / 65535
        if picture.mode in ("L", "1", "P", "RGB", "RGBA", "LA"):
            return np.asarray(picture.convert("L")).astype(np.float64) / 255
        return np.asarray(picture).astype(np.float64)


def _check_finite(array: np.ndarray, place: str) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = [int(i) for i in bad[0]]
        raise DataError(
            f"{len(bad)} of {array.size} numbers are NaN or infinite, the first at {first}",
            path=place,
            remedy="Clean the data, or mask those entries.",
        )
