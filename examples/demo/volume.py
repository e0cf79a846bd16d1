"""Reads a flow's folder with stock libraries only, so that what the demo proves does not rest on the engine's word.

Nothing here imports flowengine: manifests are JSON, arrays are safetensors and npy files, telemetry is Parquet.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file


@dataclass(frozen=True)
class Checkpoint:
    """A committed checkpoint, as its manifest has it."""

    iteration: int
    epoch: int
    folder: Path

    @property
    def arrays_sha256(self) -> str:
        """SHA-256 over names and raw bytes of every array of the state, in the order of the names."""
        digest = hashlib.sha256()
        for name, array in sorted(load_file(self.folder / "state.safetensors").items()):
            digest.update(f"{name}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def newest_checkpoint(root: Path, revision: str) -> Checkpoint | None:
    """The newest committed checkpoint of a revision."""
    found = []
    for manifest in (root / "revisions" / revision / "ckpts").glob("*/manifest.json"):
        body = json.loads(manifest.read_bytes())["body"]
        found.append(Checkpoint(body["iteration"], body["epoch"], manifest.parent))
    return max(found, key=lambda one: (one.epoch, one.iteration), default=None)


def last_sign_of_life(root: Path) -> int:
    """The iteration that the newest process had reached by its last sign of life."""
    found = sorted((root / "fence").glob("*.progress"))
    try:
        return int(json.loads(found[-1].read_bytes())["lastIteration"]) if found else 0
    except (OSError, ValueError):
        return 0


def result_sha256(root: Path, revision: str) -> str:
    """SHA-256 of the C-order bytes of the result `x`."""
    array = np.load(root / "revisions" / revision / "result" / "x.npy", allow_pickle=False)
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def energies(root: Path, revision: str) -> list[tuple[int, int, float]]:
    """(epoch, iteration, energy) of every certificate of a revision."""
    rows: set[tuple[int, int, float]] = set()
    for part in (root / "revisions" / revision / "telemetry").glob("telemetry*.parquet"):
        table = pq.ParquetFile(part).read(columns=["epoch", "iter", "E"]).to_pydict()
        rows.update(zip(table["epoch"], table["iter"], table["E"], strict=True))
    return sorted(rows)
