"""The built-in cluster as a provider."""

from dataclasses import dataclass
from pathlib import Path

from kit.cluster.builtin import cluster
from kit.cluster.builtin.layout import VOLUMES
from kit.cluster.images import Image


@dataclass(frozen=True)
class Builtin:
    """Two nodes in namespaces of this machine."""

    name: str = "builtin"
    volumes: Path = VOLUMES

    def missing(self) -> str:
        """Root, Go, cgroups."""
        return cluster.missing()

    def up(self) -> Path:
        """The cluster, made where none of this version is healthy."""
        return cluster.up()

    def load(self, image: Image) -> None:
        """Into both nodes, unless they have it."""
        if not cluster.has(image.name):
            cluster.load(image.archive)

    def down(self) -> None:
        """Without a trace."""
        cluster.down()
