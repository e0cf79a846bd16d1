"""Telemetry for whoever asks while a run goes on: what earlier epochs left on the volume, and this one's rows."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from flowengine.capsule import Capsule, Curve, Lineage
from flowengine.capsule.lineage import past
from flowengine.capsule.segments import STARTS

MOST_ROWS = 65_536  # kept in memory; thinned out beyond, so that no spike is lost
MOST_EVENTS = 500
SCHEMA = "computableflow.dev/telemetry/1"
Row = Mapping[str, Any]


class Live:
    """The surviving lineage of a running flow.

    The loop only appends to a list. What earlier epochs left is read when somebody asks for the first time, in the
    thread that answers.
    """

    def __init__(self, capsule: Capsule) -> None:
        self._capsule = capsule
        self._lock = threading.Lock()
        self._fresh: list[Curve] = []
        self._count = 0
        self._curve = Curve.of([])
        self._starts: list[Row] = []
        self._events: deque[Row] = deque(maxlen=MOST_EVENTS)
        self._past: tuple[Curve, tuple[Row, ...], Lineage] | None = None

    def add(self, curve: Curve) -> None:
        """Take note of rows of this epoch."""
        with self._lock:
            self._fresh.append(curve)
            self._count += len(curve)
            if self._count >= MOST_ROWS // 2:
                self._fold()

    def add_event(self, event: Row) -> None:
        """Take note of an event of this epoch."""
        with self._lock:
            (self._starts if event["event"] in STARTS else self._events).append(event)

    def answer(self, after: int, points: int) -> bytes:
        """The rows after an iteration, in at most so many points, and the events of the whole lineage, as JSON.

        Raises:
            OSError, VolumeError: what earlier epochs left can't be read now.
        """
        with self._lock:
            self._fold()
            curve, starts, events = self._curve, list(self._starts), list(self._events)
        before, earlier, lineage = self._earlier(starts)
        whole = before.joined(curve)
        wanted = whole.take(whole.column("iter") > after)
        body = {
            "schema": SCHEMA,
            "flow": self._capsule.common["flow_name"],
            "revision": self._capsule.common["revision"],
            "epoch": self._capsule.common["epoch"],
            "lineage": [one.to_json() for one in lineage.segments],
            "rows": len(wanted),
            "columns": wanted.thinned(points).to_json(),
            "events": [_event(one) for one in [*earlier, *starts, *events][-MOST_EVENTS:]],
        }
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()

    def _fold(self) -> None:
        """Join what was added; called with the lock."""
        whole, self._fresh, self._count = self._curve.joined(*self._fresh), [], 0
        self._curve = whole if len(whole) <= MOST_ROWS else whole.thinned(MOST_ROWS // 2)

    def _earlier(self, starts: Sequence[Row]) -> tuple[Curve, tuple[Row, ...], Lineage]:
        found = self._past
        if found is None:
            found = past(self._capsule.folder, self._capsule.disk, starts, self._capsule.common["epoch"], MOST_ROWS)
            self._past = found if starts else None
        return found


def _event(row: Row) -> dict[str, Any]:
    names = ("event", "iter", "epoch", "t_wall_ms", "checkpoint", "lost", "detail")
    return {name: row.get(name) for name in names}
