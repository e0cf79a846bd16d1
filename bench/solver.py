"""What a worker of the bench runs: the same few words for the engine, hand-written loops and peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class UnableError(Exception):
    """Why a solver can't do a problem: a sentence for the JSON."""


class Solver(Protocol):
    """A solver with its problem, set up."""

    def reset(self) -> None:
        """Go back to the start; never in the time of who can separate it from `run`."""

    def run(self, count: int) -> None:
        """Iterate this many times, and wait until the result is there."""

    def point(self) -> np.ndarray:
        """Where it stands."""


@dataclass(frozen=True)
class Offer:
    """A solver at one of its settings.

    Attributes:
        name: Of the solver.
        setting: What distinguishes this one.
        build: Set it up.
        restarts: Whether `run` begins anew each time instead of going on.
        granule: What `count` should be a multiple of, for all of the periodic work to be in it.
        schedule: The counts that make sense, where they are no iterations.
    """

    name: str
    setting: str
    build: Callable[[], Solver]
    restarts: bool = False
    granule: int = 1
    schedule: tuple[int, ...] = ()
