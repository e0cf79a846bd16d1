"""Bytes of a file to an array: sizes are bounded before anything is allocated, and nothing is ever unpickled."""

from __future__ import annotations

import ast
import io as stdio
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

MAX_FILE_BYTES = 8 * 2**30
MAX_PIXELS = 2**28
ZARR_3, ZARR_2 = "zarr.json", ".zarray"
ZARR_CODECS = frozenset([
    "bytes", "transpose", "crc32c", "sharding_indexed", "blosc", "gzip", "zstd", "zlib", "bz2", "lzma", "lz4",
    "shuffle", "delta", "bitround", "fixedscaleoffset",
])  # fmt: skip
_NPY_MAGIC = b"\x93NUMPY"


def npy(data: bytes) -> np.ndarray:
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


def npz(data: bytes, key: str) -> np.ndarray:
    """One array of a NumPy archive."""
    with zipfile.ZipFile(stdio.BytesIO(data)) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if key not in names:
            raise ValueError(f"it has no array {key!r}, only {', '.join(names[:8])}")
        entry = archive.getinfo(f"{key}.npy")
        if entry.file_size > max(64 * 2**20, 100 * len(data)):
            raise ValueError("the array is far larger than the archive: a decompression bomb?")
        with archive.open(entry) as stream:
            return npy(stream.read(entry.file_size))


def csr(data: bytes) -> Any:
    """A SciPy CSR matrix from the arrays of its file; its indices are checked before anything follows them."""
    from scipy import sparse  # noqa: PLC0415 - only flows with sparse data pay for it

    if npz(data, "format").tobytes() != b"csr":
        raise ValueError("it is not a CSR matrix: save `matrix.tocsr()`")
    rows, columns = (int(n) for n in npz(data, "shape"))
    values, indices, starts = (npz(data, key) for key in ("data", "indices", "indptr"))
    if values.dtype.kind not in "fiubc" or {indices.dtype.kind, starts.dtype.kind} != {"i"}:
        raise ValueError("its arrays have other types than a CSR matrix")
    matrix = sparse.csr_matrix((values, indices, starts), shape=(rows, columns), copy=False)
    matrix.check_format(full_check=True)
    matrix.sum_duplicates()
    matrix.sort_indices()
    return matrix


def safetensors(data: bytes, key: str) -> np.ndarray:
    """One array of a safetensors file."""
    from safetensors import SafetensorError  # noqa: PLC0415 - only flows with such files pay for it
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        arrays: dict[str, np.ndarray] = load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if key not in arrays:
        raise ValueError(f"it has no array {key!r}, only {', '.join(sorted(arrays)[:8])}")
    return arrays[key]


def parquet(data: bytes, columns: tuple[str, ...] | None) -> np.ndarray:
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


def zarr(files: Mapping[str, bytes]) -> np.ndarray:
    """A Zarr array of numbers, from the files of its folder.

    Its metadata name the codecs of its chunks, one of which is pickle: only those that are known here are run.
    """
    try:
        _check_metadata([json.loads(files[name]) for name in (ZARR_3, ZARR_2) if name in files], files)
        return _zarr(files)
    except (RuntimeError, TypeError, AttributeError) as error:  # of codecs, and of metadata that are none
        raise ValueError(str(error)) from error


def _check_metadata(found: list[Any], files: Iterable[str]) -> None:
    if not found or "shape" not in found[0]:
        arrays = sorted(name.rsplit("/", 1)[0] for name in files if name.endswith((f"/{ZARR_3}", f"/{ZARR_2}")))
        raise ValueError(f"it is not a Zarr array{'; below it there is: ' + ', '.join(arrays[:8]) if arrays else ''}")
    if unknown := sorted(set(_codecs(found)) - ZARR_CODECS):
        raise ValueError(f"the codec {unknown[0]!r} is not one of {', '.join(sorted(ZARR_CODECS))}")


def _zarr(files: Mapping[str, bytes]) -> np.ndarray:
    import zarr as library  # noqa: PLC0415 - only flows with such arrays pay for it
    from zarr.buffer.cpu import Buffer  # noqa: PLC0415
    from zarr.storage import MemoryStore  # noqa: PLC0415

    store = MemoryStore({name: Buffer.from_bytes(data) for name, data in files.items()}, read_only=True)
    array: Any = library.open_array(store, mode="r")
    if array.nbytes > MAX_FILE_BYTES:
        raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
    return np.asarray(array[...])


def _codecs(metadata: Any) -> Iterator[str]:
    """The names of all codecs in metadata, those within others too: `name` in format 3, `id` in format 2, so both."""
    for one in metadata if isinstance(metadata, list) else [metadata]:
        if not isinstance(one, dict):
            continue
        for key in ("codecs", "index_codecs", "filters", "compressor"):
            inner = one.get(key) or []
            for codec in inner if isinstance(inner, list) else [inner]:
                if not isinstance(codec, dict):
                    yield str(codec)
                    continue
                yield from (str(codec[name]) for name in ("name", "id") if name in codec)
                yield from _codecs(codec.get("configuration"))


def csv(data: bytes) -> np.ndarray:
    """Numbers separated by commas; one column is a vector."""
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


class ColoursError(ValueError):
    """A picture in colour, of which nobody said what it is to become."""

    remedy = "Write `mode: colour` beside it for an array (height, width, 3), or `mode: grey`."


def image(data: bytes, mode: Literal["grey", "colour"] | None = None) -> np.ndarray:
    """A picture in [0, 1]: 8-bit divided by 255, 16-bit by 65535; grey, or in colour with red, green, blue last.

    Raises:
        ColoursError: it has colours, and no mode is given.
    """
    from PIL import Image as Pillow  # noqa: PLC0415 - only flows with pictures pay for it

    with Pillow.open(stdio.BytesIO(data), formats=("PNG", "TIFF", "JPEG")) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"it has more than {MAX_PIXELS} pixels")
        if picture.mode in ("I;16", "I;16B", "I"):
            grey = np.asarray(picture).astype(np.float64) / 65535
        elif picture.mode in ("L", "1", "LA"):
            grey = np.asarray(picture.convert("L")).astype(np.float64) / 255
        elif picture.mode == "F":
            grey = np.asarray(picture).astype(np.float64)
        else:
            colours = np.asarray(picture.convert("RGB"))
            if mode is None and (colours != colours[..., :1]).any():
                raise ColoursError("it is in colour")
            if mode == "colour":
                return colours.astype(np.float64) / 255
            grey = np.asarray(picture.convert("RGB").convert("L")).astype(np.float64) / 255
    return np.repeat(grey[..., None], 3, axis=-1) if mode == "colour" else grey
