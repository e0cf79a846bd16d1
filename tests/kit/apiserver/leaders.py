"""Operators in processes of their own that share one Lease, each with a proxy that counts what it asks and writes."""

from collections.abc import Iterator
from contextlib import contextmanager

from kit.apiserver.operator import Loop, serve
from kit.apiserver.process import OperatorProcess
from kit.apiserver.proxy import Proxy
from kit.apiserver.scene import Scene
from kit.cluster.operator import NAMESPACE

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/computable-flows"


@contextmanager
def operator(scene: Scene, loop: Loop, name: str, own_port: int = 0) -> Iterator[tuple[OperatorProcess, Proxy]]:
    """An operator of this name, with its metrics on a port, killed at the end of the context if it still runs."""
    proxy = Proxy(scene.plane.url, str(scene.plane.authority))
    runner, port = loop.run(serve(proxy.handle))
    url, plane = f"http://127.0.0.1:{port}", scene.plane
    process = OperatorProcess(url, plane.token, scene.operator.engines_port, scene.namespace, NAMESPACE, name, own_port)
    try:
        yield process, proxy
    finally:
        process.kill()
        loop.run(proxy.close())
        loop.run(runner.cleanup())


def holder(scene: Scene) -> str:
    """Which of them holds the Lease; empty while none does."""
    found = scene.api.get(LEASE, missing=None)
    return found["spec"].get("holderIdentity") or "" if found else ""
