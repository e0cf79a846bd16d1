"""Telemetry as arrays: cut, joined, and thinned out so that no spike is lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowapi.frozen import frozen

WHOLE = ("iter", "epoch", "t_wall_ms")
NUMBERS = ("E", "residual", "gap", "feasibility", "grad_norm", "alpha", "invariant_drift_max")
WATCHED = ("E", "residual", "gap")
HEALTH = ("RED", "AMBER", "GREEN")


@frozen
class Curve:
    """Rows of telemetry, by iteration.

    Attributes:
        whole: (rows, 3) integers, as `WHOLE` names them.
        numbers: (rows, 7), as `NUMBERS` names them; NaN where a row has no value.
        health: Of each row, its place in `HEALTH`; -1 for none.
    """

    whole: np.ndarray
    numbers: np.ndarray
    health: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Curve:
        """From rows as a capsule takes them."""
        whole = np.array([[row[name] for name in WHOLE] for row in rows], np.int64).reshape(-1, len(WHOLE))
        numbers = np.array([[row.get(name) for name in NUMBERS] for row in rows], float).reshape(-1, len(NUMBERS))
        return cls(whole, numbers, np.array([_place(row.get("controller")) for row in rows], np.int8))

    @classmethod
    def of_table(cls, table: Any) -> Curve:
        """From a `pyarrow.Table` of telemetry."""
        whole = np.stack([table.column(name).to_numpy() for name in WHOLE], axis=1)
        numbers = np.stack([table.column(name).to_numpy() for name in NUMBERS], axis=1).astype(float)
        health = np.array([_place(one) for one in table.column("controller").to_pylist()], np.int8)
        return cls(whole, numbers, health)

    def __len__(self) -> int:
        return len(self.whole)

    def to_columns(self) -> dict[str, Any]:
        """As `pyarrow` arrays, a column each; null where a row has no value."""
        import pyarrow as pa  # noqa: PLC0415 - 0.2 s that a start need not pay

        whole = {name: pa.array(np.ascontiguousarray(self.column(name))) for name in WHOLE}
        numbers = {name: np.ascontiguousarray(self.column(name)) for name in NUMBERS}
        known = {name: pa.array(values, mask=np.isnan(values)) for name, values in numbers.items()}
        health = pa.array(HEALTH).take(pa.array(self.health, mask=self.health < 0))
        return {**whole, **known, "controller": health}

    def column(self, name: str) -> np.ndarray:
        """A column by its name."""
        return self.whole[:, WHOLE.index(name)] if name in WHOLE else self.numbers[:, NUMBERS.index(name)]

    def take(self, rows: np.ndarray) -> Curve:
        """Some of the rows: a mask, or places."""
        return Curve(self.whole[rows], self.numbers[rows], self.health[rows])

    def joined(self, *later: Curve) -> Curve:
        """Other curves' rows after these."""
        all_ = (self, *later)
        return Curve(
            np.concatenate([one.whole for one in all_]),
            np.concatenate([one.numbers for one in all_]),
            np.concatenate([one.health for one in all_]),
        )

    def thinned(self, points: int) -> Curve:
        """At most so many rows (at least two): of each span of iterations those with the least and the largest values.

        The first and the last row stay. A value that is not finite counts as large.
        """
        if len(self) <= points:
            return self
        spans = max(1, (points - 2) // (2 * len(WATCHED)))
        places = self._extremes(spans)
        while len(finer := self._extremes(spans := 2 * spans)) <= points and len(finer) > len(places):
            places = finer  # where extremes of several columns are the same row, there is room for more
        return self.take(places[[0, -1]] if len(places) > points else places)

    def _extremes(self, spans: int) -> np.ndarray:
        """Places of the first and the last row, and of the extremes of each column in each span."""
        iterations = self.column("iter")
        edges = np.linspace(iterations[0], iterations[-1], spans + 1)[1:-1]
        span = np.searchsorted(edges, iterations, side="left")
        found = [np.array([0, len(self) - 1])]
        for name in WATCHED:
            values = self.column(name)
            known = np.flatnonzero(~np.isnan(values))
            if not len(known):
                continue
            mine, of = values[known], span[known]
            starts = np.flatnonzero(np.diff(of, prepend=-1))
            lengths = np.diff(starts, append=len(of))
            for extreme in (np.minimum, np.maximum):
                places = np.flatnonzero(mine == np.repeat(extreme.reduceat(mine, starts), lengths))
                found.append(known[places[np.flatnonzero(np.diff(of[places], prepend=-1))]])  # the first of equal ones
        return np.unique(np.concatenate(found))

    def to_json(self) -> dict[str, list[Any]]:
        """A list a column; null for what is unknown or not finite."""
        columns: dict[str, list[Any]] = {name: self.column(name).tolist() for name in WHOLE}
        for name in NUMBERS:
            columns[name] = [value if math.isfinite(value) else None for value in self.column(name).tolist()]
        return columns | {"controller": [HEALTH[place] if place >= 0 else None for place in self.health]}


def _place(word: str | None) -> int:
    return HEALTH.index(word) if word in HEALTH else -1
