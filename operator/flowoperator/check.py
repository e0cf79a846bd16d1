"""`helm test`: whether the apiserver serves flows, and an operator of this release holds its Lease and renews it."""

import asyncio
import os
import sys

from flowapi.group import KIND
from flowoperator.settings import Settings
from flowoperator.shell import credentials
from flowoperator.shell.cluster import ApiError, Cluster
from flowoperator.shell.connection import Connection, LoginError
from flowoperator.shell.lease import SECONDS, TROUBLES, LeaseName

LOOK_SECONDS = 1.0


async def check(cluster: Cluster, settings: Settings, *, seconds: float = 2 * SECONDS) -> str:
    """What is wrong, in a sentence; empty when nothing is.

    Args:
        cluster: With the rights of the operator's account.
        settings: Of the operator.
        seconds: For which the Lease is looked at: a holder renews it every few.
    """
    try:
        for namespace in settings.namespaces or ("",):
            await cluster.listing(KIND, namespace, metadata=True)
        return await _renewed(cluster, settings.lease, seconds) if settings.lease is not None else ""
    except ApiError as error:
        return f"the apiserver refuses the operator's account ({error}). Install the CRD (crds.install) and the RBAC."
    except TROUBLES as error:
        return f"the apiserver does not answer ({error!r}). Look at the pod's network."


async def _renewed(cluster: Cluster, place: LeaseName, seconds: float) -> str:
    """Times of this machine and of the operator's are not compared: the Lease must change."""
    clock = asyncio.get_running_loop().time
    end, first = clock() + seconds, ""
    while clock() < end:
        spec = (await cluster.get("Lease", place.namespace, place.name) or {}).get("spec") or {}
        renewed = str(spec.get("renewTime") or "") if spec.get("holderIdentity") else ""
        if first and renewed not in {"", first}:
            return ""
        first = first or renewed
        await asyncio.sleep(LOOK_SECONDS)
    said = f"Lease {place.name} of namespace {place.namespace}"
    return f"nobody renews {said}. Look at the operator's pods." if first else f"nobody holds {said}."


async def _main() -> str:
    async with Connection(credentials.login()) as api:
        return await check(Cluster(api), Settings.of(os.environ))


if __name__ == "__main__":
    try:
        sentence = asyncio.run(_main())
    except LoginError as error:
        sentence = str(error)
    if sentence:
        sys.exit(sentence)
    sys.stdout.write("An operator holds the Lease and renews it, and the apiserver serves flows.\n")
