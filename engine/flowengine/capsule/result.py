"""The result of a flow: one .npy file a variable and a summary, put in place whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SUMMARY = "summary.json"


def digest(array: np.ndarray) -> str:
    """SHA-256 of the C-order bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def write_result(folder: Path, outputs: Mapping[str, np.ndarray], summary: Mapping[str, Any], link: Path) -> None:
    """Write the outputs, then the summary, then the link that people look at; each durable before the next.

    Args:
        folder: The revision's result folder.
        outputs: One array a variable.
        summary: Goes to `summary.json`; its presence says that the result is whole.
        link: Made to point at the folder, relative to itself.
    """
    folder.mkdir(exist_ok=True)
    for name, array in outputs.items():
        scratch = folder / f".{name}.npy.tmp"
        with scratch.open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(folder / f"{name}.npy")
    scratch = folder / f".{SUMMARY}.tmp"
    with scratch.open("w", encoding="utf-8") as text:
        json.dump(summary, text, indent=2, allow_nan=False)
        text.write("\n")
        text.flush()
        os.fsync(text.fileno())
    scratch.replace(folder / SUMMARY)
    _sync(folder)
    _sync(folder.parent)
    point(link, folder)


def point(link: Path, folder: Path) -> None:
    """Make a relative symbolic link point at a folder, replacing an older one; volumes without links do without."""
    scratch = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        scratch.symlink_to(os.path.relpath(folder, link.parent))
        scratch.replace(link)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a finished flow; None when there is none, or it is damaged."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) else None


def intact(folder: Path, summary: Mapping[str, Any]) -> bool:
    """Whether the arrays still have the digests of the summary."""
    try:
        return all(
            digest(np.load(folder / f"{name}.npy", allow_pickle=False)) == wanted
            for name, wanted in summary["sha256"].items()
        )
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
