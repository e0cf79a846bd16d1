"""A checkpoint's arrays for other programs: numpy's npz, safetensors, or an Orbax checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from flowapi.errors import DataError, DocumentError, VolumeError
from flowengine.run.points import variables as variables_of
from flowengine.store import IO, Leaf, Restored
from flowengine.store.codec import encode
from flowengine.store.io import put_files

Format = Literal["npz", "safetensors", "orbax"]
SUFFIXES: dict[str, Format] = {".npz": "npz", ".safetensors": "safetensors", ".orbax": "orbax"}


def export(checkpoint: Restored, variables: Iterable[str], target: Path, form: Format | None) -> list[str]:
    """Write a checkpoint's arrays where nothing is yet: the variables by their names, and all that the run keeps.

    Args:
        checkpoint: Verified.
        variables: The names of the flow's.
        target: A file, or a folder for Orbax.
        form: None: by the target's suffix.

    Returns:
        Sentences about arrays that had to change their type, or to make room for a variable of their name.

    Raises:
        DocumentError: the format can't be told.
        DataError: something is there already, or Orbax is not installed.
        VolumeError: it can't be written.
    """
    form = form or SUFFIXES.get(target.suffix)
    if form is None:
        raise DocumentError(f"the format of {target} is unclear", remedy="Add --format npz, safetensors or orbax.")
    if target.exists():
        raise DataError(f"{target} is there already", remedy="Give another name; nothing is overwritten.")
    write = {"npz": _npz, "safetensors": _safetensors, "orbax": _orbax}[form]
    points = {name: Leaf(np.ascontiguousarray(one)) for name, one in variables_of(checkpoint.leaves, variables).items()}
    rest = {name: leaf for name, leaf in checkpoint.leaves.items() if name.split("/")[0] not in points}
    notes = [
        f"{name} of the run is left out: a variable has its name" for name in checkpoint.leaves.keys() - rest.keys()
    ]
    try:
        return sorted(notes) + write(points | rest, target)
    except OSError as error:
        raise VolumeError(
            f"{target} could not be written ({error.strerror or error})", remedy="Check that folder."
        ) from error


def _npz(leaves: Mapping[str, Leaf], target: Path) -> list[str]:
    arrays = {name: _plain(leaf.array) for name, leaf in leaves.items()}
    scratch = target.with_name(f".{target.name}.tmp.npz")
    try:
        np.savez(scratch, allow_pickle=False, **arrays)
        scratch.rename(target)
    finally:
        scratch.unlink(missing_ok=True)
    return [
        f"{name} is {leaf.array.dtype} in the checkpoint, {arrays[name].dtype} in npz (every value is exact)"
        for name, leaf in leaves.items()
        if leaf.array.dtype != arrays[name].dtype
    ]


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in a type that NumPy itself has: the small floats of machine learning fit into float32 exactly."""
    if array.dtype.isbuiltin == 1:
        return array
    return array.astype(np.int8 if array.dtype.name.startswith("int") else _wide(array.dtype.name))


def _wide(name: str) -> type[np.generic]:
    return np.uint8 if name.startswith("uint") else np.float32


def _safetensors(leaves: Mapping[str, Leaf], target: Path) -> list[str]:
    scratch = target.with_name(f".{target.name}.tmp")
    try:
        put_files(IO(), iter([(scratch, encode(leaves).stream({}))]))
        scratch.rename(target)
    finally:
        scratch.unlink(missing_ok=True)
    return [
        f"{name} is complex: safetensors holds pairs (real, imaginary) in a last axis of length 2"
        for name, leaf in leaves.items()
        if leaf.array.dtype.kind == "c"
    ]


def _orbax(leaves: Mapping[str, Leaf], target: Path) -> list[str]:
    try:
        import orbax.checkpoint as ocp  # noqa: PLC0415 - optional, and it loads jax
    except ImportError as error:
        raise DataError("Orbax is not installed", remedy="pip install 'computable-flows[orbax]'.") from error
    with contextlib.closing(ocp.Checkpointer(ocp.StandardCheckpointHandler())) as checkpointer:
        checkpointer.save(target.absolute(), args=ocp.args.StandardSave(_nested(leaves)))
    return []


def _nested(leaves: Mapping[str, Leaf]) -> dict[str, Any]:
    """`state/x` as {"state": {"x": …}}."""
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *path, last = name.split("/")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = leaf.array
    return tree
