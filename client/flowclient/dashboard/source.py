"""What a dashboard shows, wherever its flows are: a row of the list, and all about one flow. Values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from flowapi.frozen import frozen
from flowclient.flows import Flow
from flowclient.results import Result

STATES: Mapping[str, str] = {
    "Stalled": "✖\ufe0e",
    "Failed": "✖\ufe0e",
    "Running": "▶\ufe0e",
    "Pending": "◌",
    "Suspended": "‖",
    "Stopped": "‖",
    "Completed": "■",
}
"""How a flow stands, in a word and a shape; those that want somebody's attention first."""


@frozen
class Row:
    """A flow in the list.

    Attributes:
        key: Names it in addresses.
        name: The flow's.
        place: Its namespace, or its folder.
        state: A word of `STATES`.
        health: Of its newest certificate; empty where none is known.
        iteration: How far it has come.
        most: Its limit of iterations, where one is known.
        residual: The newest.
        rate: Iterations a second, while it runs.
        left: Seconds to the limit at this rate.
        saved_at: When its newest checkpoint was saved, as ISO 8601; empty where there is none.
        sentence: The one that matters.
    """

    key: str
    name: str
    place: str
    state: str
    health: str = ""
    iteration: int = 0
    most: int | None = None
    residual: float | None = None
    rate: float | None = None
    left: float | None = None
    saved_at: str = ""
    sentence: str = ""

    @property
    def rank(self) -> int:
        """Those that want attention come first."""
        return list(STATES).index(self.state)


@frozen
class Revision:
    """A revision of a flow.

    Attributes:
        name: `r2`, or empty where revisions have no numbers.
        hash: Its own.
        outcome: What became of it.
        started: When it was first asked for; empty where nobody noted it.
        checkpoint: The iteration of its newest checkpoint; empty where none is known.
        diff: What decides the numbers, compared with the revision before it.
    """

    name: str
    hash: str
    outcome: str
    started: str = ""
    checkpoint: str = ""
    diff: str = ""


@frozen
class Condition:
    """A condition of a flow on a cluster: what it is about, whether it holds, and why."""

    name: str
    status: str
    reason: str
    message: str
    since: str


@frozen
class Text:
    """Lines of a program: a log, a tree of objects; `missing` says why there are none."""

    title: str
    lines: str
    missing: str = ""


@frozen
class Detail:
    """All about one flow.

    Attributes:
        flow: Telemetry, checkpoints and documents, as far as they can be read from here.
        result: Its result, or its newest checkpoint's variables.
        missing: Why there is none.
        listed: Whether the flow's checkpoints are all of those on the volume.
        notes: What can't be shown, and what to do about it.
        revisions: Oldest first.
        conditions: Of a flow on a cluster.
        texts: Its objects, its log.
    """

    flow: Flow
    result: Result | None = None
    missing: str = ""
    listed: bool = True
    notes: tuple[str, ...] = ()
    revisions: tuple[Revision, ...] = ()
    conditions: tuple[Condition, ...] = ()
    texts: tuple[Text, ...] = ()


class Source(Protocol):
    """Where flows are looked at. Every method may block and is called in a thread.

    Attributes:
        title: Where that is, for people.
        place: What `Row.place` is: `folder` or `namespace`.
    """

    title: str
    place: str

    def rows(self) -> Mapping[str, Row]:
        """Every flow, by its key."""

    def notes(self) -> Sequence[str]:
        """What the list can't show, and what to do about it."""

    def stamp(self, key: str) -> object:
        """Changes whenever `detail` would.

        Raises:
            KeyError: there is no such flow (any more).
        """

    def detail(self, key: str) -> Detail:
        """All about a flow.

        Raises:
            KeyError: there is no such flow (any more).
            FlowError, OSError: it can't be read.
        """

    def close(self) -> None:
        """Let go of what it holds."""


def key_of(*words: str) -> str:
    """A key that is safe in addresses and in documents."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
