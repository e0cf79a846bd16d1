"""What a run leaves beside its checkpoints: telemetry, events, and the result."""

from flowengine.capsule.parts import Capsule, Event, prepare, read
from flowengine.capsule.result import digest, intact, point, read_summary, write_result

__all__ = ["Capsule", "Event", "digest", "intact", "point", "prepare", "read", "read_summary", "write_result"]
