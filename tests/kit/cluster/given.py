"""A cluster that somebody gives: `CFLOW_TEST_KUBECONFIG` names its kubeconfig. It has the images, and stays."""

import os
from dataclasses import dataclass
from pathlib import Path

from kit.cluster.errors import KitError
from kit.cluster.images import Image

VARIABLE = "CFLOW_TEST_KUBECONFIG"


@dataclass(frozen=True)
class Given:
    """The cluster of a kubeconfig. Its nodes get no images from here: they have them, or pull them."""

    name: str = "given"
    volumes: Path | None = None

    def missing(self) -> str:
        """Empty when the variable is set."""
        return "" if os.environ.get(VARIABLE) else f"{VARIABLE} is not set"

    def up(self) -> Path:
        """The kubeconfig that was given."""
        found = Path(os.environ[VARIABLE])
        if not found.is_file():
            raise KitError(f"{VARIABLE}: there is no file {found}")
        return found

    def load(self, image: Image) -> None:
        """Nothing: whoever gives the cluster brings the images."""

    def down(self) -> None:
        """Nothing: the cluster is not ours."""
