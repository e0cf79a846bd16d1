"""Reads a flow's volume with stock libraries only, so that what the demo proves does not rest on the engine's word.

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


@dataclass(frozen=True)
class Epoch:
    """One process's time with the volume.

    Attributes:
        number: Of its claim.
        revision: What it ran.
        base: The iteration of the checkpoint that it started from; 0 without one.
        reached: The iteration at its last sign of life.
        ended: Unix time of that, in seconds.
    """

    number: int
    revision: str
    base: int
    reached: int
    ended: float


def epochs(root: Path) -> list[Epoch]:
    """Every process that had this volume, in order."""
    found = []
    for claim in sorted(one for one in (root / "fence").iterdir() if one.name.isdecimal()):
        base = json.loads(claim.with_suffix(".base").read_bytes())["body"]["base"]
        alive = json.loads(claim.with_suffix(".progress").read_bytes())
        found.append(
            Epoch(
                number=int(claim.name),
                revision=json.loads(claim.read_bytes())["body"]["revision"],
                base=int(base.split("-")[0]) if base else 0,
                reached=alive["lastIteration"],
                ended=alive["lastWallMs"] / 1000,
            )
        )
    return found


def first_certificate(root: Path, epoch: Epoch) -> float:
    """Unix time in seconds of a process's first certificate: up to `certificates.every` iterations after its first."""
    times = [row[3] for row in _rows(root, epoch.revision) if row[0] == epoch.number]
    return min(times) / 1000


def result_sha256(root: Path, revision: str) -> str:
    """SHA-256 of the result's file `x.npy`, as the status has it and `sha256sum` prints it."""
    return hashlib.sha256((root / "revisions" / revision / "result" / "x.npy").read_bytes()).hexdigest()


def energies(root: Path, revision: str) -> list[tuple[int, int, float]]:
    """(epoch, iteration, energy) of every certificate of a revision."""
    return sorted({(epoch, iteration, energy) for epoch, iteration, energy, _ in _rows(root, revision)})


def _rows(root: Path, revision: str) -> list[tuple[int, int, float, int]]:
    found: list[tuple[int, int, float, int]] = []
    columns = ["epoch", "iter", "E", "t_wall_ms"]
    for part in (root / "revisions" / revision / "telemetry").glob("telemetry*.parquet"):
        table = pq.ParquetFile(part).read(columns=columns).to_pydict()
        found += zip(*(table[column] for column in columns), strict=True)
    return found
