"""Where a cluster comes from: one that is given, kind, or the built-in one; in this order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kit.cluster.builtin.provider import Builtin
from kit.cluster.errors import KitError
from kit.cluster.given import Given
from kit.cluster.images import Image
from kit.cluster.kind import Kind


class Provider(Protocol):
    """One way to get a cluster."""

    @property
    def name(self) -> str:
        """`given`, `kind` or `builtin`."""
        ...

    @property
    def volumes(self) -> Path | None:
        """A folder of this machine that every node sees under the same path; None where there is none."""
        ...

    def missing(self) -> str:
        """What this machine lacks for it, in one sentence; empty when it can be had."""
        ...

    def up(self) -> Path:
        """The kubeconfig of a cluster that answers."""
        ...

    def load(self, image: Image) -> None:
        """Bring an image to all nodes."""
        ...

    def down(self) -> None:
        """Take it away; a cluster that was given stays."""
        ...


def providers() -> tuple[Provider, ...]:
    """All of them, in the order of preference."""
    return (Given(), Kind(), Builtin())


def choose(found: Sequence[Provider] | None = None) -> Provider:
    """The first that this machine can have.

    Raises:
        KitError: there is none; with what each of them lacks.
    """
    lacking = []
    for provider in found if found is not None else providers():
        sentence = provider.missing()
        if not sentence:
            return provider
        lacking.append(sentence)
    raise KitError(f"no Kubernetes cluster can be had here: {'; '.join(lacking)}")
