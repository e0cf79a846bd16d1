"""Flows in folders on this machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from flowapi.errors import DataError, FlowError
from flowclient import revisions
from flowclient.dashboard.glance import Glance
from flowclient.dashboard.source import Detail, Revision, Row, Text, key_of
from flowclient.flows import Flow, open_flow, revision_file
from flowclient.report import result_or_none
from flowengine.store import Files, Layout

DEPTH = 3
MOST_FOLDERS = 20_000
SEARCH_SECONDS = 5.0
ROWS_SECONDS = 0.5  # pages that are looked at together share what was read
LOG_BYTES = 32 * 1024
MOST_RESULT = 256 * 2**20
"""Bytes of a checkpoint that is read for its pictures."""


class Folders:
    """Every flow below some folders; new ones are found while somebody looks.

    Args:
        roots: Flows' folders, or folders that hold them, three levels deep at the most.
        clock: Seconds since 1970.

    Raises:
        DataError: one of them holds no flow.
    """

    place = "folder"

    def __init__(self, roots: Sequence[Path], clock: Callable[[], float] = time.time) -> None:
        self._roots, self._clock = [root.resolve() for root in roots], clock
        self.title = f"Flows below {', '.join(map(str, self._roots))}"
        self._lock = threading.Lock()
        self._glances: dict[str, Glance] = {}
        self._rows: dict[str, Row] = {}
        self._read_at = -ROWS_SECONDS
        self._searched = -SEARCH_SECONDS
        self._trouble: tuple[str, ...] = ()
        for root in self._roots:
            if not root.is_dir():
                raise DataError(f"{root} is no folder", remedy="Give a flow's folder, or one that holds some.")
            if next(find(root), None) is None:
                raise DataError(
                    f"{root} holds no flow, nor do the folders below it",
                    remedy="Give the --root of `cflow run`, or a folder that holds some, at most three levels deep.",
                )

    def rows(self) -> Mapping[str, Row]:
        """Every flow, by its key."""
        with self._lock:
            now = time.monotonic()
            if now - self._read_at >= ROWS_SECONDS:
                self._search()
                self._rows, self._read_at = self._look(), now
            return self._rows

    def _look(self) -> dict[str, Row]:
        found, trouble = {}, []
        for key, glance in self._glances.items():
            try:
                found[key] = glance.row(self._clock())
            except (FlowError, OSError) as error:
                trouble.append(f"{glance.root} can't be read now: {str(error).rstrip('.')}.")
        self._trouble = tuple(trouble)
        return found

    def notes(self) -> Sequence[str]:
        """What can't be read."""
        return self._trouble

    def stamp(self, key: str) -> object:
        """Of what lies in its folder."""
        with self._lock:
            glance = self._glances[key]
            return glance.stamp(), _log_stamp(glance.root)

    def detail(self, key: str) -> Detail:
        """All about a flow."""
        glance = self._glances[key]
        root, flow = glance.root, open_flow(glance.root, part=glance.parts)
        newest = next((one for one in flow.checkpoints if one.visible and one.good and not one.problem), None)
        if not flow.ended and newest is not None and newest.bytes > MOST_RESULT:
            large = f"The newest checkpoint has {newest.bytes / 2**20:.0f} MiB: `cflow result {root}` takes it out."
            result, missing = None, large
        else:
            result, missing = result_or_none(flow)
        log = newest_log(root)
        return Detail(flow, result, missing, revisions=_revisions(flow), texts=(log,) if log else ())

    def close(self) -> None:
        """Nothing is held."""

    def _search(self) -> None:
        now = time.monotonic()
        if now - self._searched < SEARCH_SECONDS:
            return
        self._searched = now
        there = {key_of(str(path)): (path, self._place(root, path)) for root in self._roots for path in find(root)}
        self._glances = {
            key: self._glances.get(key) or Glance(path, key, place) for key, (path, place) in there.items()
        }

    def _place(self, root: Path, path: Path) -> str:
        """Below the folder that was given; with that in front where there are several."""
        below = path.relative_to(root)
        return str(Path(root.name) / below) if len(self._roots) > 1 or path == root else str(below)


def find(root: Path) -> Iterator[Path]:
    """The flows' folders below a folder, or itself; links and hidden folders are passed over."""
    level, seen = [root], 0
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            seen += 1
            if is_flow(folder):
                yield folder
            elif seen < MOST_FOLDERS:
                below += _folders(folder)
        level = below


def is_flow(folder: Path) -> bool:
    """Whether a run has had this folder."""
    paths = Layout(folder)
    return paths.fence.is_dir() and paths.revisions.is_dir()


def newest_log(root: Path) -> Text | None:
    """The end of the newest `.log` that somebody has put beside the flow."""
    logs = sorted(_logs(root), key=lambda one: one.stat().st_mtime)
    if not logs:
        return None
    with logs[-1].open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LOG_BYTES))
        lines = file.read(LOG_BYTES).decode(errors="replace")
    return Text(f"The end of {logs[-1].name}", lines.partition("\n")[2] if size > LOG_BYTES else lines)


def _logs(root: Path) -> list[Path]:
    return [one for one in root.glob("*.log") if one.is_file() and not one.is_symlink()]


def _log_stamp(root: Path) -> object:
    return [(one.name, one.stat().st_size) for one in _logs(root)]


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def _revisions(flow: Flow) -> tuple[Revision, ...]:
    paths, files = Layout.at(flow.root), Files()
    found, before = [], None
    for revision in flow.revisions:
        file = revision_file(files, paths, revision)
        changed = revisions.diff(before, file) if before and file else ""
        outcome = "had the folder last" if revision == flow.revision else "replaced by a later one"
        found.append(Revision("", revision, outcome, diff=changed))
        before = file
    return tuple(found)
