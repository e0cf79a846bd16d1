"""A flow's folder as a whole: what was asked, what happened, what there is. Read-only; no claim is taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowapi.errors import DataError
from flowapi.frozen import frozen
from flowapi.revision import RevisionFile
from flowengine.capsule import History, history
from flowengine.capsule.parts import MANIFEST, PartReader, part
from flowengine.capsule.result import SUMMARY
from flowengine.store import IO, Files, Layout, Listed, list_checkpoints
from flowengine.store.fence import read_claims
from flowengine.store.layout import revisions

MOST_BYTES = 16 * 2**20


@frozen
class Flow:
    """One revision of a flow in a folder.

    Attributes:
        root: The folder.
        name: The flow's.
        revision: Whose telemetry and checkpoints these are.
        revisions: All that are on the volume, the one that had it last in the end.
        document: The flow as it was written; empty where nobody can read it.
        manifest: The capsule's: method, reasons, environment; empty before the first checkpoint.
        history: The surviving telemetry.
        summary: Of its end; None while it has not ended, or where it went on since.
        checkpoints: Of this revision, newest first, hidden ones too.
    """

    root: Path
    name: str
    revision: str
    revisions: tuple[str, ...]
    document: Mapping[str, Any]
    manifest: Mapping[str, Any]
    history: History
    summary: Mapping[str, Any] | None
    checkpoints: tuple[Listed, ...]

    @property
    def ended(self) -> bool:
        """Whether it has a result."""
        return self.summary is not None

    @property
    def iteration(self) -> int:
        """How far it is known to have come."""
        rows = self.history.table.column("iter")
        seen = [one.ref.iteration for one in self.checkpoints if one.visible]
        return max([*seen, rows[-1].as_py() if len(rows) else 0])

    @property
    def state(self) -> str:
        """Why it ended, or that it has not."""
        return str(self.summary["reason"]) if self.summary else "NotEnded"


def open_flow(root: Path, revision: str = "", part: PartReader = part) -> Flow:
    """A flow in a folder, or on a mounted volume.

    Args:
        root: The --root of `cflow run`.
        revision: Whose; default: the one that had the folder last.
        part: Reads a part of its telemetry.

    Raises:
        DataError: nothing was run here, or this revision wasn't.
        VolumeError, OSError: it can't be read.
    """
    paths, io, files = Layout.at(root), IO(), Files()
    known = in_order(root)
    if not known:
        raise DataError(f"{root} holds no flow", remedy="Give the --root of `cflow run`, or a flow's volume.")
    revision = revision or known[-1]
    if revision not in known:
        raise DataError(f"{root} has no revision {revision}", remedy=f"It has {', '.join(known)}.")
    found = tuple(one for one in list_checkpoints(root) if one.ref.revision == revision)
    file = revision_file(files, paths, revision)
    folder = paths.telemetry(revision)
    return Flow(
        root=root,
        name=file.name if file else root.name,
        revision=revision,
        revisions=known,
        document=file.tuple.flow if file else {},
        manifest=read_json(files, folder / MANIFEST) if MANIFEST in io.names(folder) else {},
        history=history(folder, files, part),
        summary=summary_of(files, paths.result(revision) / SUMMARY, found),
        checkpoints=found,
    )


def in_order(root: Path) -> tuple[str, ...]:
    """The revisions in a folder, in the order in which they had it last."""
    io, paths = IO(), Layout.at(root)
    there = revisions(io, paths)
    claimed = dict.fromkeys(one.revision for one in reversed(read_claims(io, paths)) if one.revision in there)
    return (*(one for one in there if one not in claimed), *reversed(claimed))


def summary_of(files: Files, path: Path, checkpoints: tuple[Listed, ...]) -> Mapping[str, Any] | None:
    """The summary of a flow that ended and has not gone on since."""
    if path.name not in files.names(path.parent):
        return None
    found = read_json(files, path)
    newest = next((one.ref.iteration for one in checkpoints if one.visible and not one.problem), None)
    return found if newest is None or found.get("iterations") == newest else None


def revision_file(files: Files, paths: Layout, revision: str) -> RevisionFile | None:
    """What a revision is; None where nobody can read it."""
    try:
        return RevisionFile.model_validate_json(files.read(paths.revision_file(revision), MOST_BYTES))
    except (OSError, ValueError):
        return None


def read_json(files: Files, path: Path) -> Mapping[str, Any]:
    """A file of JSON; empty where it is not there, or not an object."""
    try:
        found = json.loads(files.read(path, MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
