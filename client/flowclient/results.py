"""The arrays that a flow has found: verified, of its end, or of its newest checkpoint while it goes on."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from flowapi.errors import CorruptError
from flowapi.forms import NAME
from flowapi.frozen import frozen
from flowclient.flows import Flow
from flowengine.capsule import digest, read_result
from flowengine.capsule.result import SUMS
from flowengine.run.points import variables
from flowengine.store import Files, Layout, read_checkpoint

MOST_BYTES = 2**40
_NAME = re.compile(NAME)


@frozen
class Result:
    """Arrays by name.

    Attributes:
        arrays: Of an ended flow its variables and outputs; else the variables.
        sha256: Of each as a .npy file.
        iteration: Whose state it is.
        checkpoint: The checkpoint that it was taken from; empty of a flow that ended.
    """

    arrays: Mapping[str, np.ndarray]
    sha256: Mapping[str, str]
    iteration: int
    checkpoint: str = ""

    @property
    def provisional(self) -> bool:
        """Whether the flow has not ended."""
        return bool(self.checkpoint)


def result_of(flow: Flow) -> Result:
    """What a flow has found so far, every byte verified.

    Raises:
        CorruptError: the result is not what was written.
        DataError: there is neither a result nor a good checkpoint.
        VolumeError: the volume can't be read.
    """
    return _final(flow, flow.summary) if flow.summary else _newest(flow)


def _final(flow: Flow, summary: Mapping[str, Any]) -> Result:
    files, folder = Files(), Layout.at(flow.root).result(flow.revision)
    whole = read_result(files, folder)
    names = safe_names(summary.get("sha256", {}))
    if whole is None or whole != summary or SUMS not in files.names(folder):
        raise CorruptError(
            f"the result in {folder} is not what was written",
            remedy="Run the flow again: it makes its result anew from the last checkpoint.",
        )
    arrays = {}
    for name in names:
        data = files.read(folder / f"{name}.npy", MOST_BYTES)
        arrays[name] = np.load(io.BytesIO(data), allow_pickle=False)
    return Result(arrays, dict(summary["sha256"]), int(summary["iterations"]))


def _newest(flow: Flow) -> Result:
    good = next((one for one in flow.checkpoints if one.visible and one.good and not one.problem), None)
    found = read_checkpoint(flow.root, good.ref.id if good else "")
    names = safe_names(flow.document.get("variables", {}))
    arrays = {name: np.ascontiguousarray(one) for name, one in variables(found.leaves, names).items()}
    sums = {name: digest(array) for name, array in arrays.items()}
    return Result(arrays, sums, found.ref.iteration, found.ref.id)


def safe_names(names: Iterable[str]) -> list[str]:
    """Names that become files: what a volume says is not trusted to stay in its folder."""
    found = list(names)
    for name in found:
        if not _NAME.fullmatch(name):
            raise CorruptError(f"{name!r} is no name of an array")
    return found
