"""The heart: the carry, and the one compiled function that advances it."""

from flowengine.loop.blocks import advance
from flowengine.loop.carry import Carry, LoopSettings, Stops, reopened, run_key, start, unscaled
from flowengine.loop.rows import Row, Snapshot, certificates, rows, snapshot

__all__ = [
    "Carry",
    "LoopSettings",
    "Row",
    "Snapshot",
    "Stops",
    "advance",
    "certificates",
    "reopened",
    "rows",
    "run_key",
    "snapshot",
    "start",
    "unscaled",
]
