"""A real Kubernetes cluster for tests, demo and bench: one that is given, kind's, or the built-in one."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.cluster import debian, images, operator, tools, volumes
from kit.cluster.errors import KitError
from kit.cluster.handle import HANGS_SECONDS, Cluster
from kit.cluster.paths import cache
from kit.cluster.provider import Provider, choose

__all__ = ["HANGS_SECONDS", "Cluster", "KitError", "choose", "down", "ensure", "locked", "prepare"]


@contextmanager
def locked() -> Iterator[None]:
    """One at a time on this machine may make or take away a cluster."""
    with (cache() / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(*, install: bool = True) -> Cluster:
    """A cluster with our images and volumes, and with the operator in it.

    Raises:
        KitError: none can be had here, or a part of it failed; the message says what and why.
    """
    with locked():
        provider = choose()
        kubeconfig = provider.up()
        built = images.given() if provider.name == "given" else images.build()
        for image in built.values():
            provider.load(image)
        cluster = Cluster(provider.name, kubeconfig, _kubectl(provider), built["engine"].name)
        if provider.volumes is not None:
            volumes.install(cluster, provider.volumes, built["operator"])
        if provider.name != "given":
            cluster.uncordon_all()
        if install:
            operator.install(cluster, built)
        return cluster


def prepare() -> None:
    """Everything that `ensure` builds and installs, so that it needs a minute, and nobody's yes.

    Raises:
        KitError: no cluster can be had here, or a part of it failed.
    """
    with locked():
        provider = choose()
        if provider.name == "builtin":
            debian.install()
            tools.ensure()
        if provider.name != "given":
            images.build()


def down() -> None:
    """Take the cluster away."""
    with locked():
        choose().down()


def _kubectl(provider: Provider) -> Path:
    """The built-in cluster's own; with another, the one on PATH if there is one."""
    found = shutil.which("kubectl") if provider.name != "builtin" else None
    return Path(found) if found else tools.ensure()["kubectl"]
