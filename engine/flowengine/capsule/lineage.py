"""What of a revision's telemetry counts: each iteration once, by the epoch whose state the newest epoch continues.

An epoch that was killed computed iterations that the next one computes again; a jump back leaves a whole branch behind.
Every reader of curves and events goes through here, so that a curve looks the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowapi.frozen import frozen
from flowengine.capsule.curve import Curve
from flowengine.capsule.disk import PLAIN, Readable
from flowengine.capsule.parts import PartReader, check_schema, part, read, read_table
from flowengine.capsule.segments import Lineage, Row

TRIES = 5


@frozen
class History:
    """A revision's telemetry as it counts.

    Attributes:
        table: The surviving rows (a `pyarrow.Table`), by iteration.
        events: The surviving events, in the order in which they happened.
        abandoned: How many rows were left behind.
        lineage: The segments.
    """

    table: Any
    events: tuple[Row, ...]
    abandoned: int
    lineage: Lineage


def history(folder: Path, disk: Readable = PLAIN, part: PartReader = part) -> History:
    """The surviving telemetry below a capsule's folder; damaged parts are passed over.

    Raises:
        DataError: a newer version wrote it.
        OSError, VolumeError: it can't be read.
    """
    check_schema(folder, disk)
    events, table = _settled(folder, disk, part)
    epochs, iterations = _places(table)
    found = Lineage.of(events, first_rows(epochs, iterations))
    rows = surviving(found, epochs, iterations)
    kept = tuple(one for one in events if found.holds_event(one))
    written = len(np.unique(np.stack([epochs, iterations]), axis=1).T)
    return History(table.take(rows), kept, written - len(rows), found)


def _settled(folder: Path, disk: Readable, part: PartReader) -> tuple[list[dict[str, Any]], Any]:
    """Events and rows, read again where parts went meanwhile: a flow that ends puts them together into one file."""
    for _ in range(TRIES):
        before = set(disk.names(folder))
        found = read(folder, "events", disk, part), read_table(folder, "telemetry", disk, part)
        if before <= set(disk.names(folder)):
            break
    return found


def surviving(lineage: Lineage, epochs: np.ndarray, iterations: np.ndarray) -> np.ndarray:
    """The places of the rows that survive, by iteration, each iteration once."""
    places = np.flatnonzero(lineage.holds(epochs, iterations))
    _, once = np.unique(iterations[places], return_index=True)
    return places[once]


def first_rows(epochs: np.ndarray, iterations: np.ndarray) -> dict[int, int]:
    """The first iteration of each epoch that has a row."""
    return {int(epoch): int(iterations[epochs == epoch].min()) for epoch in np.unique(epochs)}


def past(
    folder: Path, disk: Readable, starts: Sequence[Row], epoch: int, most: int
) -> tuple[Curve, tuple[Row, ...], Lineage]:
    """What earlier epochs left of the lineage that an epoch continues which is not on the volume yet.

    Args:
        folder: The capsule's.
        disk: The volume.
        starts: The event with which the epoch began.
        epoch: Its number.
        most: Rows, thinned out beyond.
    """
    events, table = _settled(folder, disk, part)
    rows = [one for one in events if one["epoch"] < epoch]
    epochs, iterations = _places(table)
    before = epochs < epoch
    table, epochs, iterations = table.filter(before), epochs[before], iterations[before]
    found = Lineage.of([*rows, *starts], first_rows(epochs, iterations))
    curve = Curve.of_table(table.take(surviving(found, epochs, iterations))).thinned(most)
    return curve, tuple(one for one in rows if found.holds_event(one)), found


def _places(table: Any) -> tuple[np.ndarray, np.ndarray]:
    return table.column("epoch").to_numpy(), table.column("iter").to_numpy()
