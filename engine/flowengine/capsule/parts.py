"""Telemetry and events: Parquet parts written with each checkpoint, put together when a flow ends.

Rows of an attempt that was abandoned stay, told apart by their epoch. A column without a value is null.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from flowapi.errors import DataError, VolumeError
from flowengine.capsule.curve import Curve
from flowengine.capsule.disk import PLAIN, Disk, Readable
from flowengine.capsule.segments import Lineage

Event = Literal[
    "RUN_STARTED", "RUN_FINISHED", "RUN_FAILED", "FLOW_RESUMED", "ROLLBACK", "CHECKPOINT_CREATED", "CHECKPOINT_CORRUPT",
    "CANCELLED",
]  # fmt: skip

_TELEMETRY = (
    ("run_id", "string"), ("flow_name", "string"), ("revision", "string"), ("epoch", "int64"), ("phase", "string"),
    ("iter", "int64"), ("t_wall_ms", "int64"), ("E", "double"), ("feasibility", "double"), ("grad_norm", "double"),
    ("residual", "double"), ("gap", "double"), ("alpha", "double"), ("invariant_drift_max", "double"),
    ("controller", "string"),
)  # fmt: skip
_EVENTS = (
    ("run_id", "string"), ("revision", "string"), ("epoch", "int64"), ("iter", "int64"), ("t_wall_ms", "int64"),
    ("event", "string"), ("checkpoint", "string"), ("from_epoch", "int64"), ("lost", "int64"), ("detail", "string"),
)  # fmt: skip
MOST_PENDING = 100_000
MOST_BYTES = 2**31
PartReader = Callable[[Readable, Path, str], Any]
ORDER = ("epoch", "iter", "t_wall_ms")
KINDS = {"telemetry": _TELEMETRY, "events": _EVENTS}
DAMAGED = ".damaged"
DIGEST = b"cflow.sha256"
MANIFEST = "manifest.json"
SCHEMA = "computableflow.dev/capsule/1"
MOST_MANIFEST = 2**20


class DamagedPartError(Exception):
    """A part that is not what was written."""


@dataclass
class Capsule:
    """The rows of one epoch that are not on the volume yet. Rows may be added while another thread writes.

    Attributes:
        folder: Where the parts go.
        common: What every row of this run has: run_id, flow_name, revision, epoch.
        disk: The volume.
        about: What the manifest says of the run: its method, why that one, where it runs.
    """

    folder: Path
    common: Mapping[str, Any]
    disk: Disk
    about: Mapping[str, Any] = field(default_factory=dict)
    _curves: list[Curve] = field(default_factory=list)
    _events: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _parts: int = 0
    _made: bool = False
    _described: bool = False

    def add(self, curve: Curve) -> None:
        """Add rows of telemetry."""
        with self._lock:
            self._curves.append(curve)

    def row(self, **values: Any) -> None:
        """Add one row of telemetry, by the names of its columns."""
        self.add(Curve.of([{**self.common, **values}]))

    def event(self, event: Event, iteration: int, wall_ms: int, **more: Any) -> dict[str, Any]:
        """Add an event; as it will stand there.

        Args:
            event: Its name.
            iteration: Where the run was.
            wall_ms: When.
            more: `checkpoint`, the one that it is about; `from_epoch`, which wrote it; `lost` iterations; a `detail`.
        """
        row = {**self.common, "event": event, "iter": iteration, "t_wall_ms": wall_ms, **more}
        with self._lock:
            self._events.append(row)
        return row

    def flush(self, iteration: int) -> None:
        """Write what is pending as parts of their own, by one thread at a time.

        After an error, of whatever kind, the newest `MOST_PENDING` rows are still pending: a full volume must not fill
        the memory too.
        """
        with self._lock:
            curves, self._curves = self._curves, []
        if curves:
            curve = curves[0].joined(*curves[1:])
            try:
                self._put("telemetry", iteration, lambda: self._table(curve))
            except BaseException:
                with self._lock:
                    whole = curve.joined(*self._curves)
                    self._curves = [whole.take(np.arange(len(whole))[-MOST_PENDING:])]
                raise
        with self._lock:
            events, self._events = self._events, []
        if events:
            try:
                self._put("events", iteration, lambda: _table_of("events", events))
            except BaseException:
                with self._lock:
                    self._events = [*events, *self._events][-MOST_PENDING:]
                raise
        if self._made and not self._described:
            self._describe()

    def _put(self, kind: str, iteration: int, make: Callable[[], Any]) -> None:
        """Write a part."""
        self._parts += 1
        name = f"{kind}-e{self.common['epoch']:06d}-{iteration:012d}-{self._parts:06d}.parquet"
        if not self._made:
            self.disk.make_folder(self.folder)
            self._made = True
        self.disk.put(self.folder / name, [_encode(make())])

    def _table(self, curve: Curve) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - 0.2 s that a start need not pay

        same = {**{name: self.common[name] for name in ("run_id", "flow_name", "revision")}, "phase": "run"}
        fixed = {name: pa.repeat(pa.scalar(value, pa.string()), len(curve)) for name, value in same.items()}
        columns = {**fixed, **curve.to_columns()}
        return pa.table([columns[name] for name, _ in KINDS["telemetry"]], schema=_schema("telemetry"))

    def _describe(self) -> None:
        """Write the capsule's manifest: what its files are, for whoever reads them with something else."""
        found = Lineage.of(read(self.folder, "events", self.disk))
        body = {
            "schema": SCHEMA,
            **{name: value for name, value in self.common.items() if name != "epoch"},
            "epochs": [
                {"epoch": one.start.epoch, "event": one.start.event, "iteration": one.start.iteration,
                 "checkpoint": one.start.checkpoint or None, "startedAtMs": one.start.wall_ms}
                for one in found.segments
            ],
            "lineage": [one.to_json() for one in found.segments],
            **self.about,
            "columns": {kind: dict(columns) for kind, columns in KINDS.items()},
        }  # fmt: skip
        self.disk.put(self.folder / MANIFEST, [json.dumps(body, indent=2).encode() + b"\n"])
        self._described = True

    def compact(self) -> list[str]:
        """Put all parts of the revision, be it one, into one file a kind; the parts go when it is durable.

        Returns:
            The names of parts that are damaged: they are passed over, and set aside under another name.
        """
        damaged: list[str] = []
        for kind in KINDS:
            tables, whole = [], []
            for name in _names(self.disk, self.folder, kind):
                try:
                    tables.append(part(self.disk, self.folder / name, kind).replace_schema_metadata(None))
                    whole.append(name)
                except DamagedPartError:
                    damaged.append(name)
                    self.disk.rename(self.folder / name, self.folder / f"{name}{DAMAGED}")
            target = f"{kind}.parquet"
            parts = [name for name in whole if name != target]
            if parts:
                self.disk.put(self.folder / target, [_encode(_once(tables))])
                for name in parts:
                    self.disk.remove(self.folder / name)
        return damaged


def check_schema(folder: Path, disk: Readable = PLAIN) -> None:
    """Make sure that this version can read a capsule; one whose manifest is missing or damaged says so by its parts.

    Raises:
        DataError: a newer version wrote it.
    """
    try:
        body = json.loads(disk.read(folder / MANIFEST, MOST_MANIFEST))
        schema = body["schema"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if schema != SCHEMA:
        raise DataError(f"{folder} holds telemetry of another version ({schema})", remedy="Read it with that version.")


def prepare() -> None:
    """Load what writing parts needs: 0.2 s that a thread of its own can spend while the loop runs."""
    import pyarrow.compute  # noqa: PLC0415
    import pyarrow.parquet  # noqa: F401, PLC0415


def part(disk: Readable, path: Path, kind: str) -> Any:
    """The table of a part, verified: Parquet's own checksums leave out its footer.

    Raises:
        DamagedPartError: it is not what was written, or the medium can't give it back.
        OSError, VolumeError: the volume can't be read now.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        data = disk.read(path, MOST_BYTES)
    except (FileNotFoundError, ValueError) as error:
        raise DamagedPartError(str(error)) from error
    except VolumeError as error:
        if not error.unreadable:
            raise
        raise DamagedPartError(error.message) from error
    try:
        table = pq.ParquetFile(io.BytesIO(data)).read(use_threads=False)
        whole = table.schema.equals(_schema(kind)) and table.schema.metadata[DIGEST] == _digest(table)
    except MemoryError:
        raise
    except Exception as error:
        raise DamagedPartError(str(error)) from error
    if not whole:
        raise DamagedPartError("it does not have its digest")
    return table


class Kept:
    """Reads parts for whoever looks again and again: one that is as it was is not read a second time."""

    def __init__(self) -> None:
        self._tables: dict[Path, tuple[object, Any]] = {}

    def __call__(self, disk: Readable, path: Path, kind: str) -> Any:
        """As `part`."""
        try:
            found = path.stat()
        except FileNotFoundError as error:
            raise DamagedPartError(str(error)) from error
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        before = self._tables.get(path)
        if before is None or before[0] != stamp:
            before = self._tables[path] = stamp, part(disk, path, kind)
        return before[1]


def read(folder: Path, kind: str, disk: Readable = PLAIN, part: PartReader = part) -> list[dict[str, Any]]:
    """Every row of a kind in a capsule's folder, by epoch and iteration; damaged parts are passed over."""
    rows: list[dict[str, Any]] = []
    for name in _names(disk, folder, kind):
        with suppress(DamagedPartError):
            rows += part(disk, folder / name, kind).to_pylist()
    return _sorted(rows)


def read_table(folder: Path, kind: str, disk: Readable = PLAIN, part: PartReader = part) -> Any:
    """As `read`, as a `pyarrow.Table` in the order of the parts; rows may stand there twice."""
    import pyarrow as pa  # noqa: PLC0415

    tables = [_schema(kind).empty_table()]
    for name in _names(disk, folder, kind):
        with suppress(DamagedPartError):
            tables.append(part(disk, folder / name, kind).replace_schema_metadata(None))
    return pa.concat_tables(tables)


def _names(disk: Readable, folder: Path, kind: str) -> list[str]:
    names = disk.names(folder)
    return [one for one in names if one.endswith(".parquet") and one.startswith((f"{kind}.", f"{kind}-e"))]


def _sorted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In order, each row once: a process that was killed after it had put parts together has left the parts, too."""
    once = {tuple(row.items()): row for row in rows}
    return sorted(once.values(), key=lambda row: tuple(row[name] for name in ORDER))


def _once(tables: Sequence[Any]) -> Any:
    """As `_sorted`, of tables."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    table = pa.concat_tables(tables)
    names = table.column_names
    once = table.group_by(names, use_threads=False).aggregate([]).select(names)
    return once.take(pc.sort_indices(once, sort_keys=[(name, "ascending") for name in ORDER])).cast(table.schema)


def _table_of(kind: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.table({name: [row.get(name) for row in rows] for name, _ in KINDS[kind]}, schema=_schema(kind))


def _encode(table: Any) -> memoryview:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    words = [one.name for one in table.schema if str(one.type) == "string"]  # they repeat; numbers hardly do
    pq.write_table(table.replace_schema_metadata({DIGEST: _digest(table)}), sink, use_dictionary=words)
    return memoryview(sink.getvalue())


def _digest(table: Any) -> bytes:
    """SHA-256 of the names and values of a table, as the footer of its file has it."""
    found = hashlib.sha256()
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        found.update(f"{name} {column.type} {len(column)}\n".encode())
        if str(column.type) == "string":
            coded = column.dictionary_encode()
            found.update(json.dumps(coded.dictionary.to_pylist()).encode())
            column = coded.indices
        found.update(column.is_null().to_numpy(zero_copy_only=False).tobytes())
        found.update(column.fill_null(0).to_numpy(zero_copy_only=False).tobytes())
    return found.hexdigest().encode()


def _schema(kind: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    types = {"string": pa.string(), "int64": pa.int64(), "double": pa.float64()}
    return pa.schema([(name, types[type_]) for name, type_ in KINDS[kind]])
