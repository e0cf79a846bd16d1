"""What a run leaves beside its checkpoints: telemetry, events, and the result."""

from flowengine.capsule.disk import Disk
from flowengine.capsule.parts import Capsule, Event, prepare, read
from flowengine.capsule.result import digest, read_result, write_result

__all__ = ["Capsule", "Disk", "Event", "digest", "prepare", "read", "read_result", "write_result"]
