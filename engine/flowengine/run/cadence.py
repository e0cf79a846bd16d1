"""When to save, and how long a chunk is. Pure: the clock's readings come as arguments, and no bit depends on them."""

from dataclasses import replace

from flowapi.frozen import frozen

CHUNK_SECONDS = 0.05
GROWTH = 4.0
LONGEST_PAUSE_SECONDS = 60.0


@frozen
class Cadence:
    """When checkpoints are due: at multiples of `every_iterations`, but not within `every_seconds` of the last."""

    every_iterations: int
    every_seconds: float
    saved_iteration: int
    saved_at: float
    failures: int = 0

    def due(self, iteration: int, now: float) -> bool:
        """Whether a checkpoint is due at this iteration."""
        crossed = iteration // self.every_iterations > self.saved_iteration // self.every_iterations
        return crossed and now - self.saved_at >= self.every_seconds

    def next_multiple(self, iteration: int) -> int:
        """The next iteration at which one may be due: no chunk should run past it."""
        return (iteration // self.every_iterations + 1) * self.every_iterations

    def begun(self, iteration: int, now: float) -> "Cadence":
        """The cadence after a save of this iteration was begun."""
        return replace(self, saved_iteration=iteration, saved_at=now)

    def succeeded(self) -> "Cadence":
        """The cadence after a save became durable."""
        return replace(self, failures=0)

    def failed(self, durable: int, now: float) -> "Cadence":
        """The cadence after a save failed: due again soon, later each time, whatever `every_seconds` says."""
        pause = min(2.0**self.failures, LONGEST_PAUSE_SECONDS)
        saved_at = now + pause - self.every_seconds
        return replace(self, saved_iteration=durable, saved_at=saved_at, failures=self.failures + 1)


def per_second(iterations: int, seconds: float) -> float | None:
    """A rate; None by a clock that stands still."""
    return iterations / seconds if seconds > 0 else None


@frozen
class Pace:
    """How many iterations make a chunk of about `CHUNK_SECONDS`: long against its overhead, short for a signal."""

    iterations: int
    most: int

    def measured(self, iterations: int, seconds: float) -> "Pace":
        """The pace after a chunk took so long."""
        wanted = iterations * CHUNK_SECONDS / max(seconds, 1e-6)
        wanted = min(wanted, self.iterations * GROWTH, self.most)
        return replace(self, iterations=max(1, int(wanted)))
