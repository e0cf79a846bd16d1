"""The result of a flow: one .npy file a variable, a summary, and the digests that say that they are whole."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Buffer

from flowengine.capsule.disk import Disk

SUMMARY = "summary.json"
SUMS = "SHA256SUMS"
MOST_BYTES = 16 * 2**20


def digest(array: np.ndarray) -> str:
    """SHA-256 of an array's .npy file: what `sha256sum` prints of it."""
    found = hashlib.sha256()
    for chunk in _npy(array):
        found.update(chunk)
    return found.hexdigest()


def write_result(disk: Disk, folder: Path, outputs: Mapping[str, np.ndarray], summary: Mapping[str, Any]) -> None:
    """Write the outputs, then the summary, then the digests of all; each durable before the next.

    Args:
        disk: The volume.
        folder: The revision's result folder.
        outputs: One array a variable.
        summary: Goes to `summary.json`; its `sha256` has the `digest` of each output.
    """
    disk.make_folder(folder)
    disk.sweep(folder)
    for name, array in outputs.items():
        disk.put(folder / f"{name}.npy", _npy(array))
    text = json.dumps(summary, indent=2, allow_nan=False).encode() + b"\n"
    disk.put(folder / SUMMARY, [text])
    sums = {f"{name}.npy": found for name, found in summary["sha256"].items()}
    sums[SUMMARY] = hashlib.sha256(text).hexdigest()
    disk.put(folder / SUMS, ["".join(f"{found}  {name}\n" for name, found in sums.items()).encode()])


def read_result(disk: Disk, folder: Path) -> dict[str, Any] | None:
    """The summary of a finished flow; None when there is none, or some byte of the result is not what was written."""
    try:
        lines = disk.read(folder / SUMS, MOST_BYTES).decode().splitlines()
        sums = {name: found for found, name in (line.split("  ", 1) for line in lines)}
        text = disk.read(folder / SUMMARY, MOST_BYTES)
        if hashlib.sha256(text).hexdigest() != sums.pop(SUMMARY):
            return None
        summary: dict[str, Any] = json.loads(text)
        named = {f"{name}.npy": found for name, found in summary["sha256"].items()}
        whole = named == sums and all(disk.sha256(folder / name) == found for name, found in sums.items())
    except Exception:  # noqa: BLE001 - whatever stands there, it is not what was written: it is made again
        return None
    return summary if whole else None


def _npy(array: np.ndarray) -> Iterator[Buffer]:
    """The bytes of a .npy file in C order: its header, then the array, without a copy where it lies in that order."""
    array = np.asarray(array, order="C")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    yield header.getvalue()
    if array.size:
        yield array.reshape(-1).view(np.uint8).data
