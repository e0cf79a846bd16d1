"""Arrays to bytes and back: the safetensors layout, hashed in the same pass that writes or reads it.

The header is padded so that the data start on a multiple of 64 bytes. Arrays follow without gaps (stock readers allow
none): first those whose size is a multiple of 64, so that each of them starts at one, then the rest, the widest types
first, so that each is aligned to its own type. Any safetensors reader can open the file. NumPy only.
"""

import hashlib
import json
import math
import operator
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import ml_dtypes
import numpy as np
import xxhash
from typing_extensions import Buffer

from flowapi.errors import CorruptError
from flowapi.frozen import frozen
from flowengine.store.io import IO
from flowengine.store.manifest import FileRecord, LeafRecord, Manifest

ALIGNMENT = 64
MAX_HEADER_BYTES = 16 * 2**20
_LENGTH = struct.Struct("<Q")

_STORED = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
    "complex128": "F64[...,2]", "complex64": "F32[...,2]",
    # types that safetensors has no name for: their bytes
    "float8_e4m3b11fnuz": "U8", "float8_e4m3fnuz": "U8", "float8_e5m2fnuz": "U8", "float8_e3m4": "U8",
    "float8_e4m3": "U8", "float8_e8m0fnu": "U8", "int4": "U8", "uint4": "U8", "int2": "U8", "uint2": "U8",
    "float4_e2m1fn": "U8",
}  # fmt: skip


class TornError(CorruptError):
    """A manifest without its state: a power cut left it before it was acknowledged, or somebody removed the state."""


@frozen
class Leaf:
    """One array of the state.

    `kind` and `weak_type` tell the run how to give it back to the compiled loop: a scalar restored as an array would
    compile it again. A `key` is a random key of the generator `impl`, stored as its words.
    """

    array: np.ndarray
    kind: Literal["array", "scalar", "key"] = "array"
    weak_type: bool = False
    impl: str = ""


def dtype_of(name: str) -> np.dtype:
    """The NumPy type of a recorded name.

    Raises:
        CorruptError: no such type is ever written.
    """
    if name not in _STORED:
        raise CorruptError(f"the type {name!r} is unknown")
    return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)


@frozen
class Encoded:
    """The bytes of a state, ready to stream, and the records that are complete once they have been streamed."""

    header: bytes
    order: tuple[str, ...]
    leaves: Mapping[str, Leaf]

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + sum(self.leaves[name].array.nbytes for name in self.order)

    def stream(self, sums: dict[str, str]) -> Iterator[Buffer]:
        """The file's chunks; each array's hash is in `sums` once its last chunk was taken."""
        yield self.header
        for name in self.order:
            data = _bytes_of(self.leaves[name].array)
            hasher = xxhash.xxh3_128()
            for start in range(0, len(data), 1 << 22):
                chunk = data[start : start + (1 << 22)]
                hasher.update(chunk)
                yield chunk
            sums[name] = hasher.hexdigest()

    def records(self, sums: Mapping[str, str]) -> dict[str, LeafRecord]:
        """What the manifest says of each array."""
        return {
            name: LeafRecord(
                dtype=leaf.array.dtype.name,
                stored=_STORED[leaf.array.dtype.name],
                shape=leaf.array.shape,
                weak_type=leaf.weak_type,
                kind=leaf.kind,
                impl=leaf.impl,
                sum=sums[name],
            )
            for name, leaf in self.leaves.items()
        }

    @property
    def file(self) -> FileRecord:
        """What the manifest says of the file."""
        return FileRecord(bytes=self.size, header_sha256=hashlib.sha256(self.header).hexdigest())


def encode(leaves: Mapping[str, Leaf]) -> Encoded:
    """Lay out a state.

    Raises:
        TypeError: an array has a type that no JAX array has.
    """
    for name, leaf in leaves.items():
        if leaf.array.dtype.name not in _STORED:
            raise TypeError(f"{name} has the type {leaf.array.dtype}, which can't be stored")
    contiguous = {
        name: Leaf(np.asarray(leaf.array, order="C"), leaf.kind, leaf.weak_type, leaf.impl)
        for name, leaf in leaves.items()
    }
    order = tuple(sorted(contiguous, key=lambda name: _place(name, contiguous[name].array)))
    offset, entries = 0, {}
    for name in order:
        array = contiguous[name].array
        stored, shape = _stored(array.dtype.name, array.shape)
        entries[name] = {"dtype": stored, "shape": shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    body = json.dumps(entries, separators=(",", ":")).encode()
    body += b" " * (-(len(body) + _LENGTH.size) % ALIGNMENT)
    return Encoded(_LENGTH.pack(len(body)) + body, order, contiguous)


def decode(io: IO, path: Path, manifest: Manifest) -> dict[str, Leaf]:
    """Read a state and check every byte of it against its manifest, allocating no more than the file holds.

    Raises:
        CorruptError: it is not what was written.
        OSError: the volume failed to read.
    """
    record = manifest.files.get(path.name)
    if record is None:
        raise CorruptError("the manifest doesn't name the state")
    try:
        descriptor = io.open_read(path)
    except FileNotFoundError as error:
        raise TornError("the state is missing") from error
    try:
        if io.size(descriptor) != record.bytes:
            raise CorruptError(f"the state has {io.size(descriptor)} bytes instead of {record.bytes}")
        order = _check_header(io, descriptor, record, manifest)
        return {name: _read_leaf(io, descriptor, name, manifest.leaves[name]) for name in order}
    finally:
        io.close(descriptor)


def _check_header(io: IO, descriptor: int, record: FileRecord, manifest: Manifest) -> list[str]:
    """The names in the order of their bytes; header and manifest must agree on all of them."""
    length = bytearray(_LENGTH.size)
    io.read_into(descriptor, memoryview(length))
    (count,) = _LENGTH.unpack(length)
    if count > min(MAX_HEADER_BYTES, record.bytes - _LENGTH.size):
        raise CorruptError("the header's length is beyond the file")
    body = bytearray(count)
    io.read_into(descriptor, memoryview(body))
    if hashlib.sha256(length + body).hexdigest() != record.header_sha256:
        raise CorruptError("the header does not have its digest")
    spans = _spans(body)
    if set(spans) != set(manifest.leaves):
        raise CorruptError("header and manifest name different arrays")
    order = sorted(spans, key=lambda name: (*spans[name], name))
    offset = 0
    for name in order:
        leaf = manifest.leaves[name]
        size = math.prod(leaf.shape) * dtype_of(leaf.dtype).itemsize
        if spans[name] != (offset, offset + size):
            raise CorruptError(f"{name} lies elsewhere than its shape says")
        offset += size
    if offset + _LENGTH.size + count != record.bytes:
        raise CorruptError("the arrays don't fill the file")
    return order


def _spans(header: bytes | bytearray) -> dict[str, tuple[int, int]]:
    """Where each array begins and ends, by a header that may be anything."""
    try:
        entries = json.loads(header, object_pairs_hook=_unique)
        spans = {name: tuple(map(operator.index, entry["data_offsets"])) for name, entry in entries.items()}
        return {name: (begin, end) for name, (begin, end) in spans.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CorruptError("the header is not that of a safetensors file") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _read_leaf(io: IO, descriptor: int, name: str, record: LeafRecord) -> Leaf:
    try:
        array = np.empty(record.shape, dtype_of(record.dtype))
    except ValueError as error:  # empty, but with another axis beyond all bounds
        raise CorruptError(f"{name} has the shape {record.shape}") from error
    view = _bytes_of(array)
    if io.read_into(descriptor, view) != len(view):
        raise CorruptError(f"{name} is cut short")
    if xxhash.xxh3_128_hexdigest(view) != record.sum:
        raise CorruptError(f"{name} does not have its digest")
    return Leaf(array, record.kind, record.weak_type, record.impl)


def _bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


def _stored(dtype: str, shape: tuple[int, ...]) -> tuple[str, list[int]]:
    stored, pairs, _ = _STORED[dtype].partition("[")
    return stored, [*shape, 2] if pairs else list(shape)


def _place(name: str, array: np.ndarray) -> tuple[bool, int, str]:
    """Sorts arrays so that none needs a gap before it."""
    width = array.dtype.itemsize // 2 if array.dtype.kind == "c" else array.dtype.itemsize
    return array.nbytes % ALIGNMENT != 0, -width, name
