"""Pages that change while somebody looks: read at most once a second, however many look, and not when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from flowapi.errors import FlowError
from flowclient.dashboard import views
from flowclient.dashboard.feed import Feed
from flowclient.dashboard.source import Detail, Row, Source

SECONDS = 1.0
PING_SECONDS = 15.0  # so that a connection whose browser has gone is noticed
Part = str | Row
ROW = "flow-"
GONE = "This flow is no longer there."


def sentence(error: Exception) -> str:
    """What went wrong, for a note."""
    return GONE if isinstance(error, KeyError) else f"{str(error).rstrip('.')}."


class Page:
    """Parts of one page, as they are now.

    Args:
        read: Reads all of them; may block.
        show: Makes HTML of one.
    """

    def __init__(self, read: Callable[[], Mapping[str, Part]], show: Callable[[Part], str]) -> None:
        self.feed: Feed[Part] = Feed()
        self.show = show
        self._read, self._lock, self._at = read, asyncio.Lock(), -SECONDS

    async def refresh(self) -> None:
        """Read again, unless somebody just did. Errors as of the source."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._at >= SECONDS:
                self.feed.update(await asyncio.to_thread(self._read))
                self._at = asyncio.get_running_loop().time()

    def html(self) -> dict[str, str]:
        """All parts, by name."""
        return {name: self.show(one) for name, one in self.feed.parts.items()}

    async def events(self, version: int, stopping: asyncio.Event) -> AsyncIterator[str]:
        """Server-sent events with what changed since a version, until the dashboard ends."""
        quiet = 0.0
        yield "retry: 2000\n\n"
        while not stopping.is_set():
            await self.refresh()
            while change := self.feed.since(version):
                version, quiet = change.version, 0.0
                yield views.as_event(version, {name: self.show(one) for name, one in change.parts.items()}, change.gone)
            if quiet >= PING_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
            quiet += SECONDS
            try:
                await asyncio.wait_for(stopping.wait(), SECONDS)
            except TimeoutError:
                continue


def list_of(source: Source, base: str) -> Page:
    """The list: a row a flow, how many there are, and what can't be shown."""

    def read() -> Mapping[str, Part]:
        rows = source.rows()
        first: dict[str, Part] = {"counts": views.counts(list(rows.values())), "notes": views.notes(source.notes())}
        return first | {f"{ROW}{key}": row for key, row in rows.items()}

    return Page(read, lambda one: views.row(one, base) if isinstance(one, Row) else one)


class FlowReader:
    """The parts of a flow's page; all but its head are made anew only when what lies under them changed."""

    def __init__(self, source: Source, key: str) -> None:
        self._source, self._key = source, key
        self._stamp: object = None
        self._parts: dict[str, str] = {}

    def __call__(self) -> Mapping[str, Part]:
        """All parts, by name."""
        row = self._source.rows().get(self._key)
        if row is None:
            return {**self._parts, "notes": views.notes([GONE])}
        try:
            stamp = self._source.stamp(self._key)
            if stamp != self._stamp or not self._parts:
                self._parts = views.flow_parts(self._source.detail(self._key))
                self._stamp = stamp
        except (FlowError, OSError, KeyError) as error:
            empty = dict.fromkeys(views.FLOW_PARTS, "")
            return {**empty, **self._parts, "head": views.head(row), "notes": views.notes([sentence(error)])}
        return {**self._parts, "head": views.head(row)}


class CompareReader:
    """The parts of a comparison."""

    def __init__(self, source: Source, keys: Sequence[str]) -> None:
        self._source, self._keys = source, keys
        self._details: dict[str, tuple[object, Detail]] = {}
        self._parts: dict[str, str] = {}

    def __call__(self) -> Mapping[str, Part]:
        """All parts, by name."""
        rows = self._source.rows()
        known = [key for key in self._keys if key in rows]
        sentences, fresh = [], {}
        for key in known:
            try:
                stamp = self._source.stamp(key)
                before = self._details.get(key)
                fresh[key] = before if before and before[0] == stamp else (stamp, self._source.detail(key))
            except (FlowError, OSError, KeyError) as error:
                sentences.append(f"{rows[key].name}: {sentence(error)}")
        if fresh != self._details or not self._parts:
            self._details = fresh
            flows = [one.flow for _, one in fresh.values()]
            self._parts = views.compare_parts([rows[key] for key in fresh], flows) if flows else {}
        sentences += [f"{rows[key].name}: {note}" for key, (_, one) in fresh.items() for note in one.notes]
        if len(known) < len(self._keys):
            sentences.append("One of these flows is no longer there.")
        return {"compared": "", "curves": "", **self._parts, "notes": views.notes(sentences)}
