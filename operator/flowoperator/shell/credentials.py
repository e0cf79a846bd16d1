"""Who the operator is to the apiserver: its pod's service account, by address, so that no cluster DNS is needed."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import kopf
from kubernetes.aio import client, config

_log = logging.getLogger(__name__)
FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """The way to the apiserver, for our own client and for Kopf's watches."""

    configuration: client.Configuration
    login: Callable[[], kopf.ConnectionInfo | None]


async def access() -> Access:
    """That of the service account of this pod; outside of one, the kubeconfig's."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config()
        return Access(client.Configuration.get_default_copy(), of_service_account)
    await config.load_kube_config()
    return Access(
        client.Configuration.get_default_copy(),
        partial(kopf.login_with_kubeconfig, logger=_log, settings=kopf.OperatorSettings()),
    )


def of_service_account(folder: Path = FOLDER) -> kopf.ConnectionInfo | None:
    """The connection that a pod is given; None outside of one. The token is read anew at each call: it expires."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        return None
    return kopf.ConnectionInfo(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=str(folder / "ca.crt"),
        scheme="Bearer",
        token=(folder / "token").read_text().strip(),
    )
