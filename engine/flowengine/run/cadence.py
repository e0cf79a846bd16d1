"""When to save, and how long a chunk is. Pure: the clock's readings come as arguments, and no bit depends on them."""

from dataclasses import dataclass, replace

CHUNK_SECONDS = 0.05
GROWTH = 4.0


@dataclass(frozen=True)
class Cadence:
    """When checkpoints are due: at multiples of `every_iterations`, but not within `every_seconds` of the last."""

    every_iterations: int
    every_seconds: float
    saved_iteration: int
    saved_at: float

    def due(self, iteration: int, now: float) -> bool:
        """Whether a checkpoint is due at this iteration."""
        crossed = iteration // self.every_iterations > self.saved_iteration // self.every_iterations
        return crossed and now - self.saved_at >= self.every_seconds

    def next_multiple(self, iteration: int) -> int:
        """The next iteration at which one may be due: no chunk should run past it."""
        return (iteration // self.every_iterations + 1) * self.every_iterations

    def saved(self, iteration: int, now: float) -> "Cadence":
        """The cadence after a save."""
        return replace(self, saved_iteration=iteration, saved_at=now)


@dataclass(frozen=True)
class Pace:
    """How many iterations make a chunk of about `CHUNK_SECONDS`: long against its overhead, short for a signal."""

    iterations: int
    most: int

    def measured(self, iterations: int, seconds: float) -> "Pace":
        """The pace after a chunk took so long."""
        wanted = iterations * CHUNK_SECONDS / max(seconds, 1e-6)
        wanted = min(wanted, self.iterations * GROWTH, self.most)
        return replace(self, iterations=max(1, int(wanted)))
