"""A dashboard that is served in this process, and what a browser would get of it."""

import asyncio
import http.client
import json
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from flowapi.errors import DataError
from flowclient.dashboard.server import Server, listen
from flowclient.dashboard.source import Detail, Row, Source, key_of
from kit.runs import start

T = TypeVar("T")
TOKEN = "of-this-test"  # noqa: S105 - it guards nothing


def marks(page: str) -> list[tuple[int, int]]:
    """Interruptions and rollbacks that each chart of a page marks."""
    charts = [one for one in re.findall(r"<svg.*?</svg>", page, re.DOTALL) if 'class="mark' in one]
    return [(one.count('class="mark interruption"'), one.count('class="mark rollback"')) for one in charts]


def flow_row(number: int, **more: Any) -> Row:
    """A row of a flow that runs, changed by `more`."""
    values: dict[str, Any] = {
        "state": "Running", "health": "GREEN", "iteration": 3200, "most": 4000, "residual": 1.5e-4, "rate": 99.4,
        "left": 8.0, "saved_at": "2026-01-01T12:00:00Z",
    }  # fmt: skip
    return Row(key=key_of(str(number)), name=f"flow-{number}", place="ns", **{**values, **more})


class Rows:
    """A source that has rows alone, as a test puts them there; counts how often it is read."""

    def __init__(self, *rows: Row, notes: Sequence[str] = ()) -> None:
        self.title, self.place = "Flows of a test", "namespace"
        self.now = {row.key: row for row in rows}
        self.said = notes
        self.reads = 0

    def rows(self) -> Mapping[str, Row]:
        """As they are now."""
        self.reads += 1
        return dict(self.now)

    def notes(self) -> Sequence[str]:
        """As given."""
        return self.said

    def stamp(self, key: str) -> object:
        """Of the row."""
        return self.now[key]

    def detail(self, key: str) -> Detail:
        """Nothing."""
        raise DataError("nothing is known of it", remedy="Look again")

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Served:
    """Where it listens."""

    port: int

    @property
    def address(self) -> str:
        """Of the list."""
        return f"http://127.0.0.1:{self.port}/{TOKEN}/"

    def ask(
        self, path: str, *, method: str = "GET", token: str = TOKEN, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers (in lower case) and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/{token}/{path}", headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def page(self, path: str) -> str:
        """A page that is there."""
        status, _, body = self.ask(path)
        assert status == 200, (status, body)
        return body

    @contextmanager
    def updates(self, path: str, after: int) -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
        """What comes of a stream: (version, change), as long as it is asked for more."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", f"/{TOKEN}/{path}after={after}")
        answer = connection.getresponse()
        assert answer.getheader("content-type", "").startswith("text/event-stream")

        def read() -> Iterator[tuple[int, dict[str, Any]]]:
            version = 0
            while line := answer.readline().decode():
                if line.startswith("id: "):
                    version = int(line[4:])
                elif line.startswith("data: "):
                    yield version, json.loads(line[6:])

        try:
            yield read()
        finally:
            if connection.sock is not None:
                connection.sock.close()
            connection.close()


@contextmanager
def served(source: Source) -> Iterator[Served]:
    """Serve a source while the context lasts."""
    listening = listen(0)
    ready = threading.Event()
    kept: list[tuple[Server, asyncio.AbstractEventLoop]] = []

    async def run() -> None:
        kept.append((Server(source, TOKEN), asyncio.get_running_loop()))
        ready.set()
        await kept[0][0].serve([listening])

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="dashboard")
    thread.start()
    ready.wait(60)
    try:
        yield Served(listening.getsockname()[1])
    finally:
        server, loop = kept[0]
        loop.call_soon_threadsafe(server.stop)
        thread.join(60)
        listening.close()
        source.close()


def eventually(look: Callable[[], T]) -> T:
    """What `look` finds, as soon as it finds something; two minutes are for hangs only."""
    end = time.monotonic() + 120
    while not (found := look()):
        assert time.monotonic() < end, "it did not come within two minutes"
        time.sleep(0.02)
    return found


def until_interrupted(*words: object) -> str:
    """`cflow` as a process, with a look at its list, and then Ctrl-C; the list."""
    return look_and_interrupt(start(*words))


def look_and_interrupt(process: "subprocess.Popen[str]", look: Callable[[], object] = lambda: None) -> str:
    """The list that a command serves; Ctrl-C then ends it without a word."""
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", process.stdout.readline())
    try:
        assert found, process.communicate(timeout=60)
        with urllib.request.urlopen(found[0], timeout=60) as answer:  # noqa: S310 - of this machine
            page: str = answer.read().decode()
        look()
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)
    assert (process.returncode, said[1]) == (0, ""), said
    return page
