"""What to do: values that the shell carries out, in order."""

from dataclasses import dataclass, field
from typing import Any, Literal

from flowapi.status import FlowStatus


@dataclass(frozen=True)
class Create:
    """Make an object whose name is decided; that it exists already is no error."""

    body: dict[str, Any]


@dataclass(frozen=True)
class DeleteJob:
    """Delete a Job and its pods, if it still is the one that was seen."""

    name: str
    uid: str


@dataclass(frozen=True)
class SetClaimOwners:
    """Give the claim these owners instead of the ones it has."""

    name: str
    owners: tuple[dict[str, Any], ...]


Action = Create | DeleteJob | SetClaimOwners


@dataclass(frozen=True)
class Event:
    """A transition that a person would ask about."""

    reason: str
    message: str
    kind: Literal["Normal", "Warning"] = "Normal"


@dataclass(frozen=True)
class Plan:
    """One step towards what is wanted. Status is written first: it is the log that says what is about to be done.

    Attributes:
        status: As it should be; None: leave it.
        actions: In order, after the status was written.
        events: For people.
        requeue_after: Seconds until the next look without an event; None: none is needed.
    """

    status: FlowStatus | None = None
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = field(default=None)
