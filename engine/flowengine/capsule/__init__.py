"""What a run leaves beside its checkpoints: telemetry, events, and the result."""

from flowengine.capsule.curve import Curve
from flowengine.capsule.disk import Disk
from flowengine.capsule.lineage import History, history
from flowengine.capsule.parts import Capsule, Event, prepare, read
from flowengine.capsule.result import digest, read_result, write_result
from flowengine.capsule.segments import Lineage

__all__ = [
    "Capsule", "Curve", "Disk", "Event", "History", "Lineage", "digest", "history", "prepare", "read", "read_result",
    "write_result",
]  # fmt: skip
