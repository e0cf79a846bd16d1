"""What `cflow result` leaves in a folder: arrays, summary, telemetry, report; all of it or nothing."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowapi.errors import DataError, VolumeError
from flowclient import report
from flowclient.flows import Flow
from flowclient.formats import Format, files_of
from flowclient.results import Result


def take(flow: Flow, result: Result, target: Path, formats: tuple[Format, ...]) -> list[str]:
    """Write everything into a new folder.

    Returns:
        Sentences about what had to change or was left out.

    Raises:
        DataError: something is there already.
        VolumeError: it can't be written.
    """
    arrays, notes = files_of(result.arrays, formats)
    text = json.dumps(about(flow, result), indent=2, allow_nan=False).encode() + b"\n"
    pages = {"report.html": report.page(flow, result).encode(), "report.png": report.figure(flow, result)}
    put_folder(target, {**arrays, "summary.json": text, **telemetry_files(flow), **pages})
    return notes


def about(flow: Flow, result: Result) -> Mapping[str, Any]:
    """The summary; of a flow that has not ended, what is known of it."""
    if flow.summary is not None and not result.provisional:
        return flow.summary
    return {
        "flow": flow.name,
        "revision": flow.revision,
        "provisional": True,
        "iterations": result.iteration,
        "checkpoint": result.checkpoint,
        "sha256": dict(result.sha256),
    }


def telemetry_files(flow: Flow) -> dict[str, bytes]:
    """The surviving rows and events, as Parquet."""
    import pyarrow as pa  # noqa: PLC0415 - 0.2 s that other commands need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    files = {}
    for name, table in (("telemetry", flow.history.table), ("events", pa.Table.from_pylist(list(flow.history.events)))):
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        files[f"{name}.parquet"] = sink.getvalue().to_pybytes()
    return files


def put_file(target: Path, data: bytes) -> None:
    """A file in place of an older one, whole or not at all.

    Raises:
        VolumeError: it can't be written.
    """
    scratch = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(data)
        scratch.replace(target)
    except OSError as error:
        raise VolumeError(
            f"{target} could not be written ({error.strerror or error})", remedy="Check that folder."
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def put_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """A new folder with these files, whole or not at all; an empty one of this name is filled.

    Raises:
        DataError: something is there already.
        VolumeError: it can't be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} is there already", remedy="Give another name; nothing is overwritten.")
    scratch = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        scratch.mkdir(parents=True)
        for name, data in files.items():
            (scratch / name).write_bytes(data)
        scratch.rename(target)  # onto an empty folder, too
    except OSError as error:
        raise VolumeError(
            f"{target} could not be written ({error.strerror or error})", remedy="Check that folder."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
