"""Flows as tables for SQL: `telemetry`, `events`, `checkpoints`, `runs`, by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowapi.errors import DocumentError
from flowclient.flows import Flow, open_flow

VIEWS = ("telemetry", "events", "checkpoints", "runs")


def every_revision(flow: Flow) -> list[Flow]:
    """All revisions of a folder, in the order in which they had it last."""
    return [open_flow(flow.root, revision) for revision in flow.revisions]


def ask(sql: str, flows: Sequence[Flow]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns and the rows that a statement gives.

    Args:
        sql: One statement.
        flows: Each a revision; the column `root` tells them apart, with `revision`.

    Raises:
        DocumentError: DuckDB refuses the statement.
    """
    import duckdb  # noqa: PLC0415 - queries only

    with duckdb.connect() as database:
        for name, table in tables(flows).items():
            database.register(name, table)
        try:
            answer = database.execute(sql)
            columns = [column[0] for column in answer.description or ()]
            rows = answer.fetchall() if columns else []
        except duckdb.Error as error:
            views = "; ".join(f"{name}({', '.join(table.column_names)})" for name, table in tables(flows).items())
            raise DocumentError(f"DuckDB refuses this: {error}", remedy=f"The views are {views}.") from error
    return columns, rows


def tables(flows: Sequence[Flow]) -> dict[str, Any]:
    """A `pyarrow.Table` a view: each iteration once, of the surviving lineage."""
    import pyarrow as pa  # noqa: PLC0415 - 0.2 s that other commands need not pay

    telemetry = pa.concat_tables([_rooted(flow, flow.history.table) for flow in flows])
    return {
        "telemetry": telemetry,
        "events": pa.Table.from_pylist([_event(flow, one) for flow in flows for one in flow.history.events], _EVENTS()),
        "checkpoints": pa.Table.from_pylist(
            [_checkpoint(flow, one) for flow in flows for one in flow.checkpoints], _CHECKPOINTS()
        ),
        "runs": pa.Table.from_pylist([_run(flow) for flow in flows], _RUNS()),
    }


def _rooted(flow: Flow, table: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return table.add_column(0, "root", pa.array([str(flow.root)] * len(table), pa.string()))


def _event(flow: Flow, row: Any) -> dict[str, Any]:
    return {"root": str(flow.root), **row}


def _checkpoint(flow: Flow, one: Any) -> dict[str, Any]:
    return {
        "root": str(flow.root), "flow_name": flow.name, "revision": one.ref.revision, "id": one.ref.id,
        "iter": one.ref.iteration, "epoch": one.ref.epoch, "reason": one.reason, "good": one.good,
        "visible": one.visible, "pinned": one.pinned, "bytes": one.bytes, "problem": one.problem or None,
    }  # fmt: skip


def _run(flow: Flow) -> dict[str, Any]:
    summary = flow.summary or {}
    named = ("energy", "residual", "gap", "certificate", "wallSeconds", "iterationsPerSecond", "bitIdentical")
    return {
        "root": str(flow.root), "flow_name": flow.name, "revision": flow.revision, "state": flow.state,
        "iterations": flow.iteration, "method": flow.manifest.get("method"), "abandoned_rows": flow.history.abandoned,
        "interruptions": sum(one["event"] == "FLOW_RESUMED" for one in flow.history.events),
        "rollbacks": sum(one["event"] == "ROLLBACK" for one in flow.history.events),
        **{name: summary.get(name) for name in named},
    }  # fmt: skip


def _schema(text: str, whole: str, real: str = "", logical: str = "") -> Any:
    import pyarrow as pa  # noqa: PLC0415

    kinds = ((text, pa.string()), (whole, pa.int64()), (real, pa.float64()), (logical, pa.bool_()))
    return pa.schema([(name, kind) for names, kind in kinds for name in names.split()])


def _EVENTS() -> Any:  # noqa: N802 - a constant that is made when it is needed
    return _schema("root run_id revision event checkpoint detail", "epoch iter t_wall_ms from_epoch lost")


def _CHECKPOINTS() -> Any:  # noqa: N802
    return _schema("root flow_name revision id reason problem", "iter epoch bytes", logical="good visible pinned")


def _RUNS() -> Any:  # noqa: N802
    return _schema(
        "root flow_name revision state method certificate", "iterations abandoned_rows interruptions rollbacks",
        "energy residual gap wallSeconds iterationsPerSecond", "bitIdentical",
    )  # fmt: skip
