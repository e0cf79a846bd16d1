"""A flow's folder at a glance, for a row of the list: its last sign of life, its newest row, checkpoint and event."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowapi.frozen import frozen
from flowapi.report import PreviousEpoch
from flowclient import story
from flowclient.dashboard.source import Row
from flowclient.flows import in_order, read_json, revision_file, summary_of
from flowengine.capsule import read
from flowengine.capsule.parts import Kept, read_table
from flowengine.capsule.result import SUMMARY
from flowengine.store import IO, Files, Layout
from flowengine.store.fence import read_progress
from flowengine.store.layout import MANIFEST_FILE, checkpoint_ids, epochs

LOCAL = "local.json"
SILENT_SECONDS = 30.0  # a run leaves a sign of life four times a second, unless an iteration takes longer
RATE_SECONDS = 0.5  # between signs of life that give a rate
Row_ = Mapping[str, Any]


@frozen
class Facts:
    """What is read of a folder when something in it changed.

    Attributes:
        name: The flow's.
        revision: The one that had the folder last.
        most: Its limit of iterations; None where nobody noted it.
        summary: Of its end; None where it has not ended.
        rows: Its newest rows of telemetry.
        event: Its newest event.
        saved: The iteration of its newest checkpoint.
        saved_at: When that was saved, as ISO 8601.
    """

    name: str
    revision: str
    most: int | None
    summary: Row_ | None
    rows: tuple[Row_, ...]
    event: Row_
    saved: int = 0
    saved_at: str = ""


class Glance:
    """Looks at one folder again and again, and reads little where little changed.

    Args:
        root: The folder.
        key: Of its row.
        place: What people call the folder.

    Attributes:
        parts: Reads the flow's telemetry.
    """

    def __init__(self, root: Path, key: str, place: str) -> None:
        self.root, self.parts = root, Kept()
        self._key, self._place = key, place
        self._layout, self._io, self._files = Layout.at(root), IO(), Files()
        self._epochs: list[int] = []
        self._revision = ""
        self._stamp: object = None
        self._facts: Facts | None = None
        self._beats: tuple[PreviousEpoch, ...] = ()

    def row(self, now: float) -> Row:
        """How the flow stands at a time (seconds of the day's clock).

        Raises:
            FlowError, OSError: it can't be read.
        """
        facts = self._read()
        beat = read_progress(self._io, self._layout, self._epochs[-1]) if self._epochs else None
        if beat is not None and beat not in self._beats:
            self._beats = (*(one for one in self._beats if _near(one, beat)), beat)
        return row(facts, beat, self._rate(facts), now, (self._key, self._place), self.root)

    def stamp(self) -> object:
        """Changes whenever what lies in the folder does, but for signs of life."""
        self._epochs = self._claimed()
        revision = self._layout.revision(self._revision) if self._revision else self._layout.revisions
        folders = [revision / name for name in ("telemetry", "ckpts", "result")]
        return (self._revision, tuple(self._epochs), *map(_changed, [*folders, self._layout.root / LOCAL]))

    def _claimed(self) -> list[int]:
        found = epochs(self._io, self._layout)
        if found != self._epochs or not self._revision:
            known = in_order(self.root)
            self._revision = known[-1] if known else ""
        return found

    def _read(self) -> Facts:
        stamp = self.stamp()
        if stamp != self._stamp or self._facts is None:
            self._facts = read_facts(self.root, self._revision)
            self._stamp = stamp
        return self._facts

    def _rate(self, facts: Facts) -> float | None:
        """By its signs of life, else by its newest rows."""
        if len(self._beats) > 1:
            first, last = self._beats[0], self._beats[-1]
            seconds = (last.last_wall_ms - first.last_wall_ms) / 1000
            if seconds >= RATE_SECONDS:
                return (last.last_iteration - first.last_iteration) / seconds
        if len(facts.rows) > 1:
            a, b = facts.rows[0], facts.rows[-1]
            seconds = (b["t_wall_ms"] - a["t_wall_ms"]) / 1000
            return (b["iter"] - a["iter"]) / seconds if seconds > 0 else None
        return None


def read_facts(root: Path, revision: str) -> Facts:
    """What a row needs of a folder; errors as of `Glance.row`."""
    layout, io, files = Layout.at(root), IO(), Files()
    if not revision:
        return Facts(root.name, "", None, None, (), {})
    kept = read_json(files, layout.root / LOCAL).get("body", {})
    stop = kept.get("settings", {}).get("stop", {}) if kept.get("revision", {}).get("hash") == revision else {}
    file = revision_file(files, layout, revision)
    times = (
        (one.iteration, _changed(layout.checkpoint(revision, one) / MANIFEST_FILE))
        for one in reversed(checkpoint_ids(io, layout, revision))
    )
    saved, saved_ns = next((one for one in times if one[1]), (0, 0))  # one that is written, or just removed, has none
    summary = summary_of(files, layout.result(revision) / SUMMARY, ())
    if summary and saved_ns and saved != summary.get("iterations"):
        summary = None  # it has gone on since
    newest = _Newest()
    return Facts(
        name=file.name if file else root.name,
        revision=revision,
        most=stop.get("maxIterations"),
        summary=summary,
        rows=() if summary else tuple(read_table(layout.telemetry(revision), "telemetry", newest).to_pylist()),
        event=next(iter(reversed(read(layout.telemetry(revision), "events", newest))), {}),
        saved=saved,
        saved_at=iso(saved_ns / 1e9) if saved_ns else "",
    )


def row(
    facts: Facts, beat: PreviousEpoch | None, rate: float | None, now: float, where: tuple[str, str], root: Path
) -> Row:
    """The row of a flow. Pure.

    Args:
        facts: Of its folder.
        beat: Its last sign of life.
        rate: Iterations a second, should it run.
        now: The time, in seconds.
        where: Its key, and what people call its folder.
        root: Its folder.
    """
    summary, last = facts.summary, facts.rows[-1] if facts.rows else {}
    known = [facts.saved, last.get("iter", 0), beat.last_iteration if beat else 0]
    iteration = int(summary["iterations"]) if summary else max(known)
    silent = now - beat.last_wall_ms / 1000 if beat else float("inf")
    state = _state(facts, silent)
    rate = rate if state == "Running" and rate and rate > 0 else None
    goes_on = rate and facts.most and facts.most > iteration
    return Row(
        key=where[0], name=facts.name, place=where[1], state=state,
        health=str((summary.get("certificate") if summary else last.get("controller")) or ""),
        iteration=iteration, most=facts.most,
        residual=summary.get("residual") if summary else last.get("residual"),
        rate=rate, left=(facts.most - iteration) / rate if goes_on and facts.most and rate else None,
        saved_at=facts.saved_at, sentence=_sentence(facts, state, beat, root),
    )  # fmt: skip


def _state(facts: Facts, silent: float) -> str:
    if facts.summary:
        return "Failed" if facts.summary.get("reason") == "Diverged" else "Completed"
    if facts.event.get("event") == "RUN_FAILED":
        return "Failed"
    if silent < SILENT_SECONDS and facts.event.get("event") != "CANCELLED":
        return "Running"
    return "Stopped"


def _sentence(facts: Facts, state: str, beat: PreviousEpoch | None, root: Path) -> str:
    if facts.summary:
        warnings = facts.summary.get("warnings") or ()
        ended = story.end_in_words(str(facts.summary.get("reason")), int(facts.summary["iterations"]))
        return f"Warning: {warnings[0]}" if warnings else ended
    goes_on = f"`{shlex.join(['cflow', 'resume', str(root)])}` goes on."
    if state == "Failed":
        return f"It failed: {facts.event.get('detail') or 'see its log'}. {goes_on}"
    if facts.event.get("event") == "CANCELLED":
        return f"It was stopped with a checkpoint; {goes_on}"
    if state == "Stopped":
        seen = beat.last_wall_ms if beat else max((one["t_wall_ms"] for one in facts.rows), default=0)
        since = f"No sign of life since {story.clock(seen)} UTC" if seen else "It has not begun to iterate"
        return f"{since}; {goes_on}"
    return ""


def iso(seconds: float) -> str:
    """A time as pages have it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Newest(Files):
    """Of a capsule's folder, its newest part of each kind alone."""

    def names(self, folder: Path) -> list[str]:
        """The newest part; the whole file where there is no part."""
        found: dict[str, str] = {}
        for name in super().names(folder):
            kind = name.partition("-")[0].partition(".")[0]
            if "-" in name or kind not in found:
                found[kind] = name
        return list(found.values())


def _near(one: PreviousEpoch, newest: PreviousEpoch) -> bool:
    """Whether a sign of life says how fast the flow is now."""
    return one.epoch == newest.epoch and 0 <= newest.last_wall_ms - one.last_wall_ms < 10_000


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
