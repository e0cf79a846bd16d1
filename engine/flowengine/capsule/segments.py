"""Which rows of a revision's epochs count: those that its newest epoch goes back to. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from flowapi.frozen import frozen

STARTS = ("RUN_STARTED", "FLOW_RESUMED", "ROLLBACK")
Row = Mapping[str, Any]


@frozen
class Start:
    """How an epoch began.

    Attributes:
        epoch: The number of its claim.
        iteration: Where it began.
        wall_ms: When.
        event: RUN_STARTED, FLOW_RESUMED after an interruption, or ROLLBACK.
        source: The epoch that wrote the checkpoint it went on from; None for one that began anew, or isn't known.
        checkpoint: That checkpoint.
        lost: Iterations that the epoch before had computed and not saved.
    """

    epoch: int
    iteration: int
    wall_ms: int = 0
    event: str = "RUN_STARTED"
    source: int | None = None
    checkpoint: str = ""
    lost: int = 0


@frozen
class Segment:
    """The iterations after `after`, up to and with `until`, as `start`'s epoch computed them."""

    start: Start
    after: float
    until: float

    def to_json(self) -> dict[str, Any]:
        """With null for an end that is open."""
        until = None if math.isinf(self.until) else int(self.until)
        return {"epoch": self.start.epoch, "after": int(self.after), "until": until}


@frozen
class Lineage:
    """The segments that the newest epoch goes back to, oldest first."""

    segments: tuple[Segment, ...] = ()

    @classmethod
    def of(cls, events: Iterable[Row], first_rows: Mapping[int, int] | None = None) -> Lineage:
        """From the events of a revision.

        Args:
            events: All of them, in any order.
            first_rows: The first iteration with a row, by epoch: for epochs whose start is on no part that is whole.
        """
        starts = {epoch: _guessed(epoch, first) for epoch, first in (first_rows or {}).items()}
        starts |= {row["epoch"]: _start(row) for row in events if row["event"] in STARTS}
        found: list[Segment] = []
        epoch, until = max(starts, default=0), math.inf
        while (start := starts.get(epoch)) is not None:
            began_anew = start.event == "RUN_STARTED"
            found.append(Segment(start, -1 if began_anew else start.iteration, until))
            newest = 0 if began_anew else start.source or start.epoch - 1
            epoch = max((one for one in starts if one <= newest), default=0)
            until = min(until, start.iteration)
        return cls(tuple(reversed(found)))

    def holds(self, epochs: np.ndarray, iterations: np.ndarray) -> np.ndarray:
        """Which rows survive."""
        kept = np.zeros(len(epochs), bool)
        for one in self.segments:
            kept |= (epochs == one.start.epoch) & (iterations > one.after) & (iterations <= one.until)
        return kept

    def holds_event(self, event: Row) -> bool:
        """Whether an event happened on the way to the newest state; its start is at the very end of a segment."""
        for one in self.segments:
            if one.start.epoch == event["epoch"]:
                return event["event"] in STARTS or one.after <= event["iter"] <= one.until
        return False


def _start(row: Row) -> Start:
    return Start(
        row["epoch"], row["iter"], row["t_wall_ms"], row["event"], row.get("from_epoch"), row.get("checkpoint") or "",
        row.get("lost") or 0,
    )  # fmt: skip


def _guessed(epoch: int, first: int) -> Start:
    return Start(epoch, first - 1, event="FLOW_RESUMED")
