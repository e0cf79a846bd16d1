"""A folder of flows as a week leaves it, for a look at the dashboard: running, stopped, failed, ended, gone back."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from flowengine.store import IO, Layout
from flowengine.store.fence import write_progress
from flowengine.store.manifest import seal
from kit import folders

DAY_MS = 86_400_000


def make(root: Path) -> Path:
    """Flows below a folder; the folder."""
    now = time.time_ns() // 1_000_000
    _going(root / "tv-deblur.flow", now)
    _went_back(root / "tomography.flow", now - DAY_MS)
    for weight in (0.1, 0.2):
        _ended(root / "sweep" / f"weight-{weight}.flow", now - 2 * DAY_MS, weight)
    _failed(root / "completion.flow", now - DAY_MS // 2)
    folders.epoch(
        root / "posterior.flow", range(20, 2001, 20), name="posterior", found=_sampled, saved=range(500, 2001, 500),
        began_ms=now - DAY_MS // 3, last="CANCELLED",
    )  # fmt: skip
    for days, name in ((1, "tomography"), (2, "sweep"), (0.5, "completion"), (0.33, "posterior")):
        _age(root, name, days)
    return root


def _age(root: Path, name: str, days: float) -> None:
    """As if checkpoints had been saved so many days ago."""
    for path in root.rglob("manifest.json"):
        if name in str(path.relative_to(root)):
            os.utime(path, (time.time() - 86_400 * days,) * 2)


def flow(weight: float) -> dict[str, Any]:
    """A document."""
    return {**folders.FLOW, "params": {"lam": {"value": weight}}}


def falling(speed: float, floor: float = 1e-9) -> Any:
    """Certificates of a run that converges."""
    draws = np.random.default_rng(7).random(100_000)

    def found(k: int) -> dict[str, Any]:
        size = np.exp(-k / speed) + floor
        residual = float(size * (0.6 + 0.8 * draws[k]))
        word = "GREEN" if k > speed else "AMBER"
        return {"E": 12.5 + 40 * float(size), "residual": residual, "gap": 3 * residual, "controller": word}

    return found


def _sampled(k: int) -> dict[str, Any]:
    return {"E": 50 + 4 * np.sin(k / 37) + 3 * np.sin(k / 5), "controller": "GREEN"}


def _going(root: Path, now: int) -> None:
    more: dict[str, Any] = {"flow": flow(0.05), "name": "tv-deblur", "found": falling(400)}
    folders.epoch(root, range(10, 1400, 10), saved=range(300, 1400, 300), began_ms=now - 120_000, **more)
    revision = folders.epoch(root, range(1210, 3201, 10), saved=range(1500, 3201, 300), began_ms=now - 32_000, **more)
    layout = Layout.at(root)
    (root / "local.json").write_bytes(
        seal({"settings": {"stop": {"maxIterations": 4000}}, "revision": {"hash": revision}})
    )
    write_progress(IO(), layout, 2, 3210, now)


def _went_back(root: Path, began: int) -> None:
    more: dict[str, Any] = {"name": "tomography", "found": falling(300)}
    folders.epoch(root, range(10, 801, 10), flow=flow(0.3), saved=range(200, 801, 200), began_ms=began, **more)
    folders.epoch(root, range(810, 1101, 10), flow=flow(3.0), saved=(1000,), began_ms=began + 60_000, **more)
    revision = folders.epoch(
        root, range(810, 2001, 10), flow=flow(0.3), saved=range(1000, 2001, 200), began_ms=began + 90_000, **more
    )
    _finish(root, revision, "tomography", 2000)


def _ended(root: Path, began: int, weight: float) -> None:
    more: dict[str, Any] = {"flow": flow(weight), "name": "denoise", "found": falling(4000 * weight)}
    folders.epoch(root, range(10, 901, 10), saved=range(300, 901, 300), began_ms=began, **more)
    revision = folders.epoch(root, range(910, 2401, 10), saved=range(1200, 2401, 300), began_ms=began + 40_000, **more)
    _finish(root, revision, "denoise", 2400)


def _failed(root: Path, began: int) -> None:
    def found(k: int) -> dict[str, Any]:
        return {"E": float(np.exp(k / 60)), "residual": float(np.exp(k / 90)), "controller": "RED"}

    folders.epoch(
        root, range(10, 401, 10), name="completion", found=found, saved=(100,), began_ms=began, last="RUN_FAILED"
    )


def _finish(root: Path, revision: str, name: str, iterations: int) -> None:
    rows, columns = np.mgrid[0:96, 0:128] / 96
    disc = ((rows - 0.5) ** 2 + (columns - 0.66) ** 2 < 0.16) + 0.5 * (
        ((rows - 0.4) ** 2 + (columns - 0.6) ** 2) < 0.02
    )
    folders.finish(
        root, {"x": disc + 0.03 * np.sin(60 * rows)}, flow=name, revision=revision, reason="Converged",
        iterations=iterations, energy=12.5, residual=8.1e-4, gap=None, certificate="GREEN", method="pd3o",
        bitIdentical=True, wallSeconds=31.2, iterationsPerSecond=76.9, warnings=[],
    )  # fmt: skip
