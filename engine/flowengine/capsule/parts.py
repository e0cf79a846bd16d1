"""Telemetry and events: Parquet parts written with each checkpoint, put together when a flow ends.

Rows of an attempt that was abandoned stay, told apart by their epoch. A column without a value is null.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Event = Literal[
    "RUN_STARTED", "RUN_FINISHED", "RUN_FAILED", "FLOW_RESUMED", "CHECKPOINT_CREATED", "CHECKPOINT_CORRUPT", "CANCELLED"
]

_TELEMETRY = (
    ("run_id", "string"), ("flow_name", "string"), ("revision", "string"), ("epoch", "int64"), ("phase", "string"),
    ("iter", "int64"), ("t_wall_ms", "int64"), ("E", "double"), ("feasibility", "double"), ("grad_norm", "double"),
    ("residual", "double"), ("gap", "double"), ("alpha", "double"), ("invariant_drift_max", "double"),
    ("controller", "string"),
)  # fmt: skip
_EVENTS = (
    ("run_id", "string"), ("revision", "string"), ("epoch", "int64"), ("iter", "int64"), ("t_wall_ms", "int64"),
    ("event", "string"), ("detail", "string"),
)  # fmt: skip
MOST_PENDING = 100_000
KINDS = {"telemetry": _TELEMETRY, "events": _EVENTS}


@dataclass
class Capsule:
    """The rows of one epoch that are not on the volume yet. Rows may be added while another thread writes.

    Attributes:
        folder: Where the parts go.
        common: What every row of this run has: run_id, flow_name, revision, epoch.
    """

    folder: Path
    common: Mapping[str, Any]
    _pending: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _parts: int = 0

    def row(self, **values: Any) -> None:
        """Add a row of telemetry."""
        self._add("telemetry", {**self.common, "phase": "run", **values})

    def event(self, event: Event, iteration: int, wall_ms: int, detail: str = "") -> None:
        """Add an event."""
        values = {"event": event, "iter": iteration, "t_wall_ms": wall_ms, "detail": detail}
        self._add("events", {**self.common, **values})

    def _add(self, kind: str, row: dict[str, Any]) -> None:
        with self._lock:
            self._pending[kind].append(row)

    def flush(self, iteration: int) -> None:
        """Write what is pending as parts of their own, by one thread at a time.

        After an error the newest `MOST_PENDING` rows are still pending: a full volume must not fill the memory too.
        """
        for kind in KINDS:
            with self._lock:
                rows, self._pending[kind] = self._pending[kind], []
            if not rows:
                continue
            self._parts += 1
            name = f"{kind}-e{self.common['epoch']:06d}-{iteration:012d}-{self._parts:06d}.parquet"
            try:
                _write(self.folder / name, kind, rows)
            except OSError:
                with self._lock:
                    self._pending[kind] = [*rows, *self._pending[kind]][-MOST_PENDING:]
                raise

    def compact(self) -> None:
        """Put all parts of the revision into one file a kind; the parts go when it is durable."""
        for kind in KINDS:
            parts = sorted(self.folder.glob(f"{kind}-e*.parquet"))
            if len(parts) > 1:
                _write(self.folder / f"{kind}.parquet", kind, read(self.folder, kind))
                for part in parts:
                    part.unlink()


def prepare() -> None:
    """Load what writing parts needs: 0.2 s that a thread of its own can spend while the loop runs."""
    import pyarrow.parquet  # noqa: F401, PLC0415


def read(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Every row of a kind in a capsule's folder, by epoch and iteration."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - 0.2 s that a start need not pay

    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob(f"{kind}*.parquet")):
        rows += pq.ParquetFile(path).read().to_pylist()
    return sorted(rows, key=lambda row: (row["epoch"], row["iter"], row["t_wall_ms"]))


def _write(path: Path, kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - 0.2 s that a start need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = KINDS[kind]
    schema = pa.schema([(name, getattr(pa, type_ if type_ != "double" else "float64")()) for name, type_ in columns])
    table = pa.table({name: [row.get(name) for row in rows] for name, _ in columns}, schema=schema)
    path.parent.mkdir(exist_ok=True)
    scratch = path.with_name(f".{path.name}.tmp")
    with scratch.open("wb") as file:
        pq.write_table(table, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
