"""Who the operator is to the apiserver: its pod's service account, by address, so that no cluster DNS is needed."""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import kopf

Login = Callable[[], kopf.ConnectionInfo | None]
"""The way to the apiserver, for our own requests and for Kopf's watches; None where there is none."""
_log = logging.getLogger(__name__)
FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def login() -> Login:
    """That of the service account of this pod; outside of one, the kubeconfig's."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return of_service_account
    return partial(kopf.login_with_kubeconfig, logger=_log, settings=kopf.OperatorSettings())


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
