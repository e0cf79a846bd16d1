"""What to do: values that the shell carries out, in order."""

from dataclasses import dataclass
from typing import Any, Literal

from flowapi.status import FlowStatus


@dataclass(frozen=True)
class Create:
    """Make an object whose name is decided; that it exists already is no error."""

    body: dict[str, Any]


@dataclass(frozen=True)
class Delete:
    """Delete an object and what depends on it, if it still is the one that was seen."""

    kind: Literal["Job", "ConfigMap"]
    name: str
    uid: str


@dataclass(frozen=True)
class SetClaimOwners:
    """Give the claim these owners instead of the ones it has, if it still is the one that was seen."""

    name: str
    uid: str
    owners: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class GrowClaim:
    """Ask for a larger volume, if the claim still is the one that was seen."""

    name: str
    uid: str
    size: str


@dataclass(frozen=True)
class NoteSettings:
    """Write into a revision's ConfigMap under which settings it saved, if the map still is the one that was seen."""

    name: str
    uid: str
    settings: str


Action = Create | Delete | SetClaimOwners | GrowClaim | NoteSettings


@dataclass(frozen=True)
class Event:
    """A transition that a person would ask about."""

    reason: str
    message: str
    kind: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Plan:
    """One step towards what is wanted.

    Attributes:
        before: What must hold before status says that the spec was seen.
        status: As it should be, written ahead of `actions`: it is the log of what is about to be done; None: leave it.
        actions: In order, after the status was written.
        events: For people.
        requeue_after: Seconds until the next pass without an event; None: none is needed.
        unclear: Whether Kubernetes' events should be asked why nothing runs.
    """

    status: FlowStatus | None = None
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
    before: tuple[Action, ...] = ()
    unclear: bool = False

    @property
    def creates(self) -> bool:
        """Whether it makes something, for which a cached view is not enough."""
        return any(isinstance(action, Create) for action in (*self.before, *self.actions))

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return self.status is None and not (self.before or self.actions or self.events)
